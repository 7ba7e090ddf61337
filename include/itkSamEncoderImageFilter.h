// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamEncoderImageFilter_h
#define itkSamEncoderImageFilter_h

#include "itkSamStageImageFilter.h"

namespace itk
{
/** \class SamEncoderImageFilter
 * \brief The heavy stage: turns an image on the model's grid into its embedding.
 *
 * The output has one voxel per token: the input's spacing times the patch along x and y, the same direction, start
 * index 0, its origin in the center of the first patch. Its components are the features that prompts and masks are made
 * from; they can be written to a file and read back. Where the input's size is no multiple of the patch the far border
 * is repeated.
 *
 * With a window the output is the embedding of this one of the model's windows over the input, as
 * SamSegmentationImageFilter takes them: a volume that is smaller than a window is repeated at its borders, a larger
 * one has several, which overlap.
 *
 * The whole input is needed. Progress follows the network's blocks, between which AbortGenerateData is heeded.
 *
 * \sa SamResampleImageFilter SamAutoPromptImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamEncoderImageFilter
  : public SamStageImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamEncoderImageFilter);

  using Self = SamEncoderImageFilter;
  using Superclass = SamStageImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamEncoderImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;

  /** Set/Get the window that is encoded, from 0; −1, the default, means the input as one, whatever its size. */
  itkSetMacro(Window, IndexValueType);
  itkGetConstMacro(Window, IndexValueType);

  /** Windows of the model over the current input, whose information must be up to date. */
  SizeValueType
  GetNumberOfWindows() const;

protected:
  SamEncoderImageFilter() = default;
  ~SamEncoderImageFilter() override = default;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  using Superclass::m_Model;

  IndexValueType m_Window{ -1 };
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamEncoderImageFilter.hxx"
#endif

#endif
