// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSliceEncoderImageFilter_hxx
#define itkSamSliceEncoderImageFilter_hxx

#include "itkSamSliceEncoderImageFilter.h"

namespace itk
{
template <typename TInputImage>
void
SamSliceEncoderImageFilter<TInputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  this->VerifyPixels();
}

template <typename TInputImage>
void
SamSliceEncoderImageFilter<TInputImage>::GenerateOutputInformation()
{
  const SamSlices   slices = this->MakeSlices();
  const auto        range = slices.FindRange(m_SliceRange);
  const SamModel *  model = this->GetModel();
  OutputImageType * output = this->GetOutput();
  slices.GetGrid(model->GetTokenGridSize(), range.first, range.second).template CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(model->GetNumberOfEmbeddingChannels());
}

template <typename TInputImage>
void
SamSliceEncoderImageFilter<TInputImage>::GenerateInputRequestedRegion()
{
  ProcessObject::GenerateInputRequestedRegion();
  const auto range = this->MakeSlices().FindRange(m_SliceRange);
  this->RequestSlices(range.first, range.second);
}

template <typename TInputImage>
void
SamSliceEncoderImageFilter<TInputImage>::GenerateData()
{
  const auto      range = this->MakeSlices().FindRange(m_SliceRange);
  const auto      reader = this->MakeReader(range.first, range.second);
  const SamTensor embedding = this->GetModel()->EncodeSlices(
    range.second,
    [&](SizeValueType k) { return reader.Read(range.first + static_cast<IndexValueType>(k)); },
    [this](double fraction) {
      this->UpdateProgress(static_cast<float>(fraction));
      return !this->GetAbortGenerateData();
    });
  OutputImageType * output = this->GetOutput();
  output->SetBufferedRegion(output->GetLargestPossibleRegion());
  output->SetTensor(embedding);
  this->UpdateProgress(1.0f);
}

template <typename TInputImage>
void
SamSliceEncoderImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  Superclass::PrintRange(os << indent << "SliceRange: ", m_SliceRange);
}
} // namespace itk

#endif
