// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSliceEncoderImageFilter_h
#define itkSamSliceEncoderImageFilter_h

#include "itkSamSliceImageFilter.h"
#include "itkSamTensorImage.h"

#include <vector>

namespace itk
{
/** \class SamSliceEncoderImageFilter
 * \brief The heavy stage of a promptable model (SAM, MobileSAM, MedSAM): turns slices of an image into their embedding.
 *
 * Intensities and channels are brought to the model as SamSliceReader says, then scaled and padded as the model's
 * preprocessing says.
 *
 * The output has one voxel per token, padding included: in-plane axes first, then the axis of the slices, with the
 * direction's columns in the same order; along the slices the image's spacing, start index 0, the origin in the center
 * of the first token of the first slice. It can be written to a file and read back; prompts give bit-equal masks with
 * it.
 *
 * Progress follows the network's blocks, between which AbortGenerateData is heeded.
 *
 * \sa SamPromptedSegmentationImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamSliceEncoderImageFilter
  : public SamSliceImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamSliceEncoderImageFilter);

  using Self = SamSliceEncoderImageFilter;
  using Superclass = SamSliceImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamSliceEncoderImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;

  /** Set the slices to encode, \a first to \a last as indices of the image along the axis. Default is all. */
  void
  SetSliceRange(IndexValueType first, IndexValueType last)
  {
    this->SetRange(m_SliceRange, { first, last });
  }
  void
  ClearSliceRange()
  {
    this->SetRange(m_SliceRange, {});
  }

protected:
  SamSliceEncoderImageFilter() = default;
  ~SamSliceEncoderImageFilter() override = default;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateInputRequestedRegion() override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  std::vector<IndexValueType> m_SliceRange; ///< empty, or first and last
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamSliceEncoderImageFilter.hxx"
#endif

#endif
