// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamAutoPromptImageFilter_hxx
#define itkSamAutoPromptImageFilter_hxx

#include "itkSamAutoPromptImageFilter.h"

namespace itk
{
template <typename TInputImage>
void
SamAutoPromptImageFilter<TInputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  m_Model->VerifyEmbedding(this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage>
void
SamAutoPromptImageFilter<TInputImage>::GenerateOutputInformation()
{
  OutputImageType * output = this->GetOutput();
  SamGrid::FromImage<ImageDimension>(this->GetInput())
    .ToVoxels(m_Model->GetPatchSize())
    .template CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(m_Model->GetNumberOfQueries());
}

template <typename TInputImage>
void
SamAutoPromptImageFilter<TInputImage>::GenerateData()
{
  const SamPrompts  prompts = m_Model->Prompt(OutputImageType::Superclass::TensorOf(this->GetInput()));
  OutputImageType * output = this->GetOutput();
  output->SetBufferedRegion(output->GetLargestPossibleRegion());
  output->SetPrompts(prompts);
  this->UpdateProgress(1.0f);
}
} // namespace itk

#endif
