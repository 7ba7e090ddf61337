// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPrototypePromptImageFilter_h
#define itkSamPrototypePromptImageFilter_h

#include "itkSamStageImageFilter.h"

#include "itkImage.h"

#include <vector>

namespace itk
{
/** \class SamPrototypePromptImageFilter
 * \brief Generates a dense prompt from an embedding with the prototypes that a model has learned (DAPSAM).
 *
 * The input is the output of SamEncoderImageFilter, or a vector image with the same numbers that was read from a file.
 * Each slice is described by a mixture of the prototypes; the first output is the dense prompt that the decoder takes,
 * the second the cosine of the slice's mixture and the embedding at each token, from -1 to 1: where the model expects
 * what it looks for. Both lie on the grid of the embedding.
 *
 * \sa SamEncoderImageFilter SamMaskClassificationImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamPrototypePromptImageFilter
  : public SamStageImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamPrototypePromptImageFilter);

  using Self = SamPrototypePromptImageFilter;
  using Superclass = SamStageImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamPrototypePromptImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;
  using SimilarityImageType = Image<float, ImageDimension>;

  /** The cosines of the last run. */
  SimilarityImageType *
  GetSimilarity()
  {
    return static_cast<SimilarityImageType *>(this->ProcessObject::GetOutput(1));
  }

  /** Of each slice of the last run the shares of the prototypes in its mixture, with sum 1. */
  const std::vector<std::vector<float>> &
  GetAddresses() const
  {
    return m_Addresses;
  }

  using DataObjectPointerArraySizeType = ProcessObject::DataObjectPointerArraySizeType;
  using Superclass::MakeOutput;
  DataObject::Pointer
  MakeOutput(DataObjectPointerArraySizeType index) override;

protected:
  SamPrototypePromptImageFilter();
  ~SamPrototypePromptImageFilter() override = default;

  void
  VerifyPreconditions() const override;

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

  std::vector<std::vector<float>> m_Addresses;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamPrototypePromptImageFilter.hxx"
#endif

#endif
