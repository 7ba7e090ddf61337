// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamAutoPromptImageFilter_h
#define itkSamAutoPromptImageFilter_h

#include "itkSamMacro.h"
#include "itkSamModel.h"
#include "itkSamPromptImage.h"

#include "itkImageToImageFilter.h"

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
  : public ImageToImageFilter<TInputImage, SamPromptImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamAutoPromptImageFilter);

  using Self = SamAutoPromptImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, SamPromptImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamAutoPromptImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using InputImageType = TInputImage;
  using OutputImageType = SamPromptImage<ImageDimension>;

  /** Set/Get the model. There is no default. */
  itkSetConstObjectMacro(Model, SamModel);
  itkGetConstObjectMacro(Model, SamModel);

protected:
  SamAutoPromptImageFilter() = default;
  ~SamAutoPromptImageFilter() override = default;

  void
  VerifyPreconditions() const override;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateInputRequestedRegion() override;

  void
  EnlargeOutputRequestedRegion(DataObject * output) override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  SamModel::ConstPointer m_Model;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamAutoPromptImageFilter.hxx"
#endif

#endif
