// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamEncoderImageFilter_hxx
#define itkSamEncoderImageFilter_hxx

#include "itkSamEncoderImageFilter.h"

#include "itkSamInput.h"
#include "itkSamSampling.h"
#include "itkSamSlidingWindow.h"

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
SizeValueType
SamEncoderImageFilter<TInputImage>::GetNumberOfWindows() const
{
  SamModel::Verify(m_Model, ImageDimension);
  SamVerifyInput(this->GetInput());
  const SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  return SamSlidingWindow(m_Model, grid.box.size).GetNumberOfWindows();
}

template <typename TInputImage>
void
SamEncoderImageFilter<TInputImage>::GenerateOutputInformation()
{
  OutputImageType * output = this->GetOutput();
  SamGrid           grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  if (m_Window >= 0)
  {
    const SamSlidingWindow windows(m_Model, grid.box.size);
    if (static_cast<SizeValueType>(m_Window) >= windows.GetNumberOfWindows())
    {
      itkSamExceptionMacro("window " << m_Window << ", expected one below " << windows.GetNumberOfWindows());
    }
    grid = windows.GetGrid(grid, static_cast<SizeValueType>(m_Window));
  }
  grid.ToTokens(m_Model->GetPatchSize()).template CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(m_Model->GetNumberOfEmbeddingChannels());
}

template <typename TInputImage>
void
SamEncoderImageFilter<TInputImage>::GenerateData()
{
  SamTensor image = OutputImageType::TensorOf(this->GetInput());
  if (m_Window >= 0)
  {
    const SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
    image = SamSlidingWindow(m_Model, grid.box.size).Extract(image, static_cast<SizeValueType>(m_Window));
  }
  const SamTensor   embedding = m_Model->Encode(image, [this](double fraction) {
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
SamEncoderImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Window: " << m_Window << std::endl;
}
} // namespace itk

#endif
