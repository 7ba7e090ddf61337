// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamAutoPromptImageFilter_h
#define itkSamAutoPromptImageFilter_h

#include "itkSamPromptImage.h"
#include "itkSamStageImageFilter.h"

namespace itk
{
/** \class SamAutoPromptImageFilter
 * \brief Generates prompts from an embedding: masks, boxes and class tokens, with nothing drawn by hand.
 *
 * The input is the output of SamEncoderImageFilter, or a vector image with the same numbers that was read from a file.
 * The output lies on the grid of the image's voxels, padded to whole tokens: the input's spacing divided by the patch
 * along x and y, start index 0, its origin in the first voxel of the first patch.
 *
 * \sa SamEncoderImageFilter SamMaskClassificationImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamAutoPromptImageFilter
  : public SamStageImageFilter<TInputImage, SamPromptImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamAutoPromptImageFilter);

  using Self = SamAutoPromptImageFilter;
  using Superclass = SamStageImageFilter<TInputImage, SamPromptImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamAutoPromptImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;

protected:
  SamAutoPromptImageFilter() = default;
  ~SamAutoPromptImageFilter() override = default;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateData() override;

private:
  using Superclass::m_Model;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamAutoPromptImageFilter.hxx"
#endif

#endif
