// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamMaskClassificationImageFilter_hxx
#define itkSamMaskClassificationImageFilter_hxx

#include "itkSamMaskClassificationImageFilter.h"

#include <algorithm>
#include <cmath>

namespace itk
{
template <typename TInputImage>
SamMaskClassificationImageFilter<TInputImage>::SamMaskClassificationImageFilter()
{
  this->AddRequiredInputName("Prompts");
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  SamModel::Verify(m_Model, ImageDimension);
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::VerifyInputInformation() const
{
  // Not the superclass: both inputs lie on different grids.
  m_Model->VerifyEmbedding(this->GetInput()->GetNumberOfComponentsPerPixel());
  const SamGrid expected = SamGrid::FromImage<ImageDimension>(this->GetInput()).ToVoxels(m_Model->GetPatchSize());
  const SamGrid found = SamGrid::FromImage<ImageDimension>(this->GetPrompts());
  const auto    print = [](const SamGrid & grid) {
    std::ostringstream text;
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      text << (i == 0 ? "" : "x") << grid.box.size[i];
    }
    return text.str();
  };
  if (found.box.size != expected.box.size)
  {
    itkSamExceptionMacro("the prompts lie on " << print(found) << " voxels, the embedding belongs to "
                                               << print(expected));
  }
  for (unsigned int corner = 0; corner < 1u << ImageDimension; ++corner)
  {
    SamGrid::VectorType foundIndex{};
    SamGrid::VectorType expectedIndex{};
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      const double offset = ((corner >> i) & 1u) ? static_cast<double>(expected.box.size[i]) : 0.0;
      foundIndex[i] = static_cast<double>(found.box.start[i]) + offset;
      expectedIndex[i] = static_cast<double>(expected.box.start[i]) + offset;
    }
    const auto foundPoint = found.ToPhysical(foundIndex);
    const auto expectedPoint = expected.ToPhysical(expectedIndex);
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      // A hundredth of a voxel: geometry that went through a file is a little off.
      if (std::abs(foundPoint[i] - expectedPoint[i]) >
          0.01 * *std::min_element(expected.spacing.begin(), expected.spacing.begin() + ImageDimension))
      {
        itkSamExceptionMacro("the prompts lie elsewhere than the embedding: a corner at "
                             << foundPoint[i] << " mm along axis " << i << ", expected " << expectedPoint[i]);
      }
    }
  }
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::GenerateOutputInformation()
{
  OutputImageType * output = this->GetOutput();
  SamGrid::FromImage<ImageDimension>(this->GetPrompts()).template CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(m_Model->GetNumberOfLabels());
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::GenerateInputRequestedRegion()
{
  // Both inputs as a whole, of which the tensors are enough.
  ProcessObject::GenerateInputRequestedRegion();
  OutputImageType::DeferPixelsOf(this->GetInput());
  OutputImageType::DeferPixelsOf(this->GetPrompts());
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::UpdateOutputData(DataObject * output)
{
  // With more than one input, ProcessObject propagates the request a second time.
  OutputImageType::DeferPixelsOf(this->GetInput());
  OutputImageType::DeferPixelsOf(this->GetPrompts());
  Superclass::UpdateOutputData(output);
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::GenerateData()
{
  const SamTensor   embedding = OutputImageType::TensorOf(this->GetInput());
  const SamTensor   probabilities = m_Model->Classify(embedding, this->GetPrompts()->GetPrompts());
  OutputImageType * output = this->GetOutput();
  output->SetBufferedRegion(output->GetLargestPossibleRegion());
  output->SetTensor(probabilities);
  this->UpdateProgress(1.0f);
}

template <typename TInputImage>
void
SamMaskClassificationImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  itkPrintSelfObjectMacro(Model);
}
} // namespace itk

#endif
