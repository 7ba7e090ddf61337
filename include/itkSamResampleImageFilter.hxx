// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamResampleImageFilter_hxx
#define itkSamResampleImageFilter_hxx

#include "itkSamResampleImageFilter.h"

#include "itkSamFrame.h"
#include "itkSamSampling.h"

#include <algorithm>

namespace itk
{
template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetModel(const SamModel * model)
{
  if (model == nullptr)
  {
    itkSamExceptionMacro("no model is given");
  }
  this->SetOrientation(model->GetOrientation());
  this->SetOutputSpacing(model->GetSpacing());
  this->SetStretchedSize(model->GetStretchedSize());
  this->SetChannels(model->GetChannels());
  this->SetRemovesFrame(model->RemovesFrame());
  if (m_ModelDimension != model->GetDimension())
  {
    m_ModelDimension = model->GetDimension();
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetOutputSpacing(const SpacingType & spacing)
{
  if (m_OutputSpacing != spacing)
  {
    m_OutputSpacing = spacing;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetStretchedSize(const StretchedSizeType & size)
{
  if (m_StretchedSize != size)
  {
    m_StretchedSize = size;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetChannels(const ChannelsType & channels)
{
  if (!(m_Channels == channels))
  {
    m_Channels = channels;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetRegionOfInterest(const PointType & center, const VectorType & size)
{
  if (!m_HasRegionOfInterest || m_RegionCenter != center || m_RegionSize != size)
  {
    m_HasRegionOfInterest = true;
    m_RegionCenter = center;
    m_RegionSize = size;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::ClearRegionOfInterest()
{
  if (m_HasRegionOfInterest)
  {
    m_HasRegionOfInterest = false;
    this->Modified();
  }
}

template <typename TInputImage>
SamLattice
SamResampleImageFilter<TInputImage>::MakeLattice() const
{
  SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  grid.box = m_RemovesFrame ? m_Content : grid.box;
  return SamLattice(grid, m_Orientation, m_OutputSpacing, m_StretchedSize);
}

template <typename TInputImage>
SamIndexBox
SamResampleImageFilter<TInputImage>::MakeBox(const SamLattice & lattice) const
{
  if (!m_HasRegionOfInterest)
  {
    return lattice.GetGrid().box;
  }
  SamLattice::VectorType center{};
  SamLattice::VectorType size{};
  std::copy_n(m_RegionCenter.GetDataPointer(), ImageDimension, center.begin());
  std::copy_n(m_RegionSize.GetDataPointer(), ImageDimension, size.begin());
  return lattice.FindBox(center, size);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  if (m_ModelDimension > ImageDimension)
  {
    itkSamExceptionMacro("the image has " << ImageDimension << " dimensions, the model expects " << m_ModelDimension);
  }
  SamVerifyChannels(m_Channels);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  SamVerifyComponents(m_Channels, this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateOutputInformation()
{
  if (m_RemovesFrame)
  {
    auto * input = const_cast<InputImageType *>(this->GetInput());
    input->SetRequestedRegionToLargestPossibleRegion();
    input->Update();
    m_Content = SamFindContent(this->GetInput(), m_Orientation);
  }
  const SamLattice lattice = this->MakeLattice();
  SamGrid          grid = lattice.GetGrid();
  grid.box = this->MakeBox(lattice);
  OutputImageType * output = this->GetOutput();
  grid.CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateInputRequestedRegion()
{
  // Not the superclass: the output's region means nothing on the input's grid.
  ProcessObject::GenerateInputRequestedRegion();
  auto *           input = const_cast<InputImageType *>(this->GetInput());
  const SamLattice lattice = this->MakeLattice();
  input->SetRequestedRegion(lattice.GetImageBox(this->MakeBox(lattice)).template ToRegion<ImageDimension>());
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateData()
{
  this->AllocateOutputs();
  const InputImageType * input = this->GetInput();
  SamCheckFinite(input, input->GetRequestedRegion());
  this->UpdateProgress(0.1f);
  const SamLattice  lattice = this->MakeLattice();
  const SamIndexBox box = this->MakeBox(lattice);

  SamComponentBuffer<SamComponentType<TInputImage>> buffer;
  buffer.values = SamComponents(input);
  buffer.components = input->GetNumberOfComponentsPerPixel();
  buffer.box = SamIndexBox::FromRegion(input->GetBufferedRegion());
  float *    target = this->GetOutput()->GetBufferPointer();
  const auto inside = SamSampleLattice(lattice, box, buffer, this->GetNumberOfWorkUnits(), target);
  this->UpdateProgress(0.7f);
  SamNormalizeChannels(m_Channels, inside, box.size, target);
  this->UpdateProgress(1.0f);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Orientation: " << m_Orientation << std::endl;
  os << indent << "OutputSpacing: " << m_OutputSpacing[0] << ' ' << m_OutputSpacing[1] << ' ' << m_OutputSpacing[2]
     << std::endl;
  os << indent << "Channels: " << m_Channels.size() << std::endl;
  for (const auto & channel : m_Channels)
  {
    os << indent.GetNextIndent() << channel.name << ": " << channel.normalization << std::endl;
  }
  os << indent << "RemovesFrame: " << m_RemovesFrame << std::endl;
  os << indent << "ModelDimension: " << m_ModelDimension << std::endl;
  os << indent << "HasRegionOfInterest: " << m_HasRegionOfInterest << std::endl;
  os << indent << "RegionCenter: " << m_RegionCenter << std::endl;
  os << indent << "RegionSize: " << m_RegionSize << std::endl;
}
} // namespace itk

#endif
