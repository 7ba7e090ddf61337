// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamEncoderImageFilter_hxx
#define itkSamEncoderImageFilter_hxx

#include "itkSamEncoderImageFilter.h"

#include "itkSamSampling.h"

namespace itk
{
template <typename TInputImage>
void
SamEncoderImageFilter<TInputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  SamVerifyComponents(m_Model->GetChannels(), this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage>
void
SamEncoderImageFilter<TInputImage>::GenerateOutputInformation()
{
  OutputImageType * output = this->GetOutput();
  SamGrid::FromImage<ImageDimension>(this->GetInput())
    .ToTokens(m_Model->GetPatchSize())
    .template CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(m_Model->GetNumberOfEmbeddingChannels());
}

template <typename TInputImage>
void
SamEncoderImageFilter<TInputImage>::GenerateData()
{
  const SamTensor   image = OutputImageType::TensorOf(this->GetInput());
  const SamTensor   embedding = m_Model->Encode(image, [this](double fraction) {
    this->UpdateProgress(static_cast<float>(fraction));
    return !this->GetAbortGenerateData();
  });
  OutputImageType * output = this->GetOutput();
  output->SetBufferedRegion(output->GetLargestPossibleRegion());
  output->SetTensor(embedding);
  this->UpdateProgress(1.0f);
}
} // namespace itk

#endif
