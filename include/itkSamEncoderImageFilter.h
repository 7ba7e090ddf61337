// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamEncoderImageFilter_h
#define itkSamEncoderImageFilter_h

#include "itkSamMacro.h"
#include "itkSamModel.h"
#include "itkSamTensorImage.h"

#include "itkImageToImageFilter.h"

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
 * The whole input is needed. Progress follows the network's blocks, between which AbortGenerateData is heeded.
 *
 * \sa SamResampleImageFilter SamAutoPromptImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamEncoderImageFilter
  : public ImageToImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamEncoderImageFilter);

  using Self = SamEncoderImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamEncoderImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using InputImageType = TInputImage;
  using OutputImageType = SamTensorImage<ImageDimension>;

  /** Set/Get the model. There is no default. */
  itkSetConstObjectMacro(Model, SamModel);
  itkGetConstObjectMacro(Model, SamModel);

protected:
  SamEncoderImageFilter() = default;
  ~SamEncoderImageFilter() override = default;

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
#  include "itkSamEncoderImageFilter.hxx"
#endif

#endif
