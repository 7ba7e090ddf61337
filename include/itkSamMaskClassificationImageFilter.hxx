// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamMaskClassificationImageFilter_hxx
#define itkSamMaskClassificationImageFilter_hxx

#include "itkSamMaskClassificationImageFilter.h"

namespace itk
{
template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  const bool isDense = m_Model->HasPrototypes();
  const bool isSet =
    m_Model->NeedsNoPrompts() || (isDense ? this->GetDensePrompt() != nullptr : this->GetPrompts() != nullptr);
  if (!isSet)
  {
    itkSamExceptionMacro("the input " << (isDense ? "DensePrompt" : "Prompts") << " is not set, which the model "
                                      << m_Model->GetFileName() << " needs");
  }
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::VerifyInputInformation() const
{
  // Not the superclass: both inputs lie on different grids.
  m_Model->VerifyEmbedding(this->GetInput()->GetNumberOfComponentsPerPixel());
  if (m_Model->HasPrototypes())
  {
    const InputImageType * prompt = this->GetDensePrompt();
    if (prompt->GetNumberOfComponentsPerPixel() != m_Model->GetNumberOfDensePromptChannels())
    {
      itkSamExceptionMacro("the dense prompt has " << prompt->GetNumberOfComponentsPerPixel()
                                                   << " components, the model " << m_Model->GetFileName() << " expects "
                                                   << m_Model->GetNumberOfDensePromptChannels());
    }
    SamGrid::FromImage<ImageDimension>(prompt).CheckSame(SamGrid::FromImage<ImageDimension>(this->GetInput()),
                                                         "the dense prompt does not belong to the embedding");
    return;
  }
  if (m_Model->NeedsNoPrompts())
  {
    return;
  }
  SamGrid::FromImage<ImageDimension>(this->GetPrompts())
    .CheckSame(SamGrid::FromImage<ImageDimension>(this->GetInput()).ToVoxels(m_Model->GetPatchSize()),
               "the prompts do not belong to the embedding");
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::GenerateOutputInformation()
{
  OutputImageType * output = this->GetOutput();
  SamGrid::FromImage<ImageDimension>(this->GetInput())
    .ToVoxels(m_Model->GetPatchSize())
    .template CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(m_Model->GetNumberOfLabels());
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::UpdateOutputData(DataObject * output)
{
  // With more than one input, ProcessObject propagates the request a second time.
  this->DeferPixelsOfInputs();
  Superclass::UpdateOutputData(output);
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::GenerateData()
{
  const SamTensor   embedding = OutputImageType::TensorOf(this->GetInput());
  const SamTensor   probabilities = m_Model->NeedsNoPrompts() ? m_Model->Classify(embedding)
                                    : m_Model->HasPrototypes()
                                      ? m_Model->Classify(embedding, OutputImageType::TensorOf(this->GetDensePrompt()))
                                      : m_Model->Classify(embedding, this->GetPrompts()->GetPrompts());
  OutputImageType * output = this->GetOutput();
  output->SetBufferedRegion(output->GetLargestPossibleRegion());
  output->SetTensor(probabilities);
  this->UpdateProgress(1.0f);
}
} // namespace itk

#endif
