// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPrototypePromptImageFilter_hxx
#define itkSamPrototypePromptImageFilter_hxx

#include "itkSamPrototypePromptImageFilter.h"

namespace itk
{
template <typename TInputImage>
SamPrototypePromptImageFilter<TInputImage>::SamPrototypePromptImageFilter()
{
  this->SetNumberOfRequiredOutputs(2);
  this->SetNthOutput(1, this->MakeOutput(1));
}

template <typename TInputImage>
DataObject::Pointer
SamPrototypePromptImageFilter<TInputImage>::MakeOutput(DataObjectPointerArraySizeType index)
{
  if (index == 1)
  {
    return SimilarityImageType::New().GetPointer();
  }
  return Superclass::MakeOutput(index);
}

template <typename TInputImage>
void
SamPrototypePromptImageFilter<TInputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  m_Model->VerifyPrototypes();
}

template <typename TInputImage>
void
SamPrototypePromptImageFilter<TInputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  m_Model->VerifyEmbedding(this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage>
void
SamPrototypePromptImageFilter<TInputImage>::GenerateOutputInformation()
{
  const SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  grid.CopyTo<ImageDimension>(this->GetOutput());
  grid.CopyTo<ImageDimension>(this->GetSimilarity());
  this->GetOutput()->SetNumberOfComponentsPerPixel(m_Model->GetNumberOfDensePromptChannels());
}

template <typename TInputImage>
void
SamPrototypePromptImageFilter<TInputImage>::GenerateData()
{
  const SamDensePrompt  found = m_Model->PromptByPrototypes(OutputImageType::TensorOf(this->GetInput()));
  OutputImageType *     output = this->GetOutput();
  SimilarityImageType * similarity = this->GetSimilarity();
  output->SetBufferedRegion(output->GetLargestPossibleRegion());
  output->SetTensor(found.prompt);
  similarity->SetBufferedRegion(similarity->GetLargestPossibleRegion());
  similarity->Allocate();
  found.similarity.CopyToHost(similarity->GetBufferPointer());
  const auto         sizes = found.addresses.GetSizes();
  std::vector<float> shares(static_cast<size_t>(sizes[0] * sizes[1]));
  found.addresses.CopyToHost(shares.data());
  m_Addresses.clear();
  for (auto first = shares.begin(); first != shares.end(); first += sizes[1])
  {
    m_Addresses.emplace_back(first, first + sizes[1]);
  }
  this->UpdateProgress(1.0f);
}

template <typename TInputImage>
void
SamPrototypePromptImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Addresses: " << m_Addresses.size() << " slices" << std::endl;
}
} // namespace itk

#endif
