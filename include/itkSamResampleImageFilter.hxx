// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamResampleImageFilter_hxx
#define itkSamResampleImageFilter_hxx

#include "itkSamResampleImageFilter.h"

#include "itkSamFrame.h"
#include "itkSamInput.h"

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
  this->SetInterpolation(model->GetInterpolation());
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
  SamVerifyInput(this->GetInput());
  SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  grid.box = m_RemovesFrame ? m_Content : grid.box;
  return SamLattice(grid, m_Orientation, m_OutputSpacing, m_StretchedSize, m_Interpolation);
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
  const auto        earlier = output->GetLargestPossibleRegion();
  grid.CopyTo<ImageDimension>(output);
  if (earlier.GetNumberOfPixels() > 0 && earlier != output->GetLargestPossibleRegion())
  {
    output->SetRequestedRegionToLargestPossibleRegion(); // what was requested is of another grid
  }
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
  const auto       part = SamIndexBox::FromRegion(this->GetOutput()->GetRequestedRegion());
  input->SetRequestedRegion(lattice.GetImageBox(part).template ToRegion<ImageDimension>());
}

template <typename TInputImage>
bool
SamResampleImageFilter<TInputImage>::IsMeasured() const
{
  return m_MeasuredTime > std::max(this->GetMTime(), SamGetInputTime(this->GetInput()));
}

template <typename TInputImage>
bool
SamResampleImageFilter<TInputImage>::NeedsMeasuring() const
{
  return this->MakeLattice().IsCubic() || SamNormalization(m_Channels, SamIndexBox()).IsMeasuring();
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::ReadInput(const SamIndexBox & box)
{
  auto * input = const_cast<InputImageType *>(this->GetInput());
  this->UpdateProgress(0.0f);
  if (this->GetAbortGenerateData())
  {
    throw ProcessAborted(__FILE__, __LINE__);
  }
  input->SetRequestedRegion(box.template ToRegion<ImageDimension>());
  input->PropagateRequestedRegion();
  input->UpdateOutputData();
}

template <typename TInputImage>
SamComponentBuffer<SamComponentType<TInputImage>>
SamResampleImageFilter<TInputImage>::GetBuffer() const
{
  const InputImageType * input = this->GetInput();
  SamCheckFinite(input, input->GetRequestedRegion());
  SamComponentBuffer<SamComponentType<TInputImage>> buffer;
  buffer.values = SamComponents(input);
  buffer.components = input->GetNumberOfComponentsPerPixel();
  buffer.box = SamIndexBox::FromRegion(input->GetBufferedRegion());
  return buffer;
}

template <typename TInputImage>
std::vector<unsigned char>
SamResampleImageFilter<TInputImage>::Sample(const SamLattice &                                        lattice,
                                            const SamIndexBox &                                       part,
                                            const SamComponentBuffer<SamComponentType<TInputImage>> & buffer,
                                            float *                                                   target) const
{
  return SamSampleLattice(lattice, part, buffer, this->GetNumberOfWorkUnits(), target, m_Range);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::MeasureInput()
{
  const SamLattice    lattice = this->MakeLattice();
  const SizeValueType components = this->GetInput()->GetNumberOfComponentsPerPixel();
  const auto          box = this->MakeBox(lattice);
  m_Range = SamValueRange(lattice, box, components);
  m_Normalization = SamNormalization(m_Channels, box);
  this->AbortGenerateDataOff();
  for (const auto & part : m_Range.Divide())
  {
    this->ReadInput(part);
    m_Range.Measure(part, this->GetBuffer());
  }
  if (m_Normalization.IsMeasuring())
  {
    for (const auto & part : lattice.Divide(box, SamNormalization::VoxelsOfPart))
    {
      this->ReadInput(lattice.GetImageBox(part));
      std::vector<float> samples(part.GetNumberOfVoxels() * components);
      const auto         inside = this->Sample(lattice, part, this->GetBuffer(), samples.data());
      m_Normalization.Measure(part, inside, samples.data());
    }
  }
  TimeStamp now;
  now.Modified();
  m_MeasuredTime = now.GetMTime();
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::UpdateOutputData(DataObject * output)
{
  // A part cannot be normalized by what it holds alone.
  const auto & requested = this->GetOutput()->GetRequestedRegion();
  if (!this->m_Updating && requested != this->GetOutput()->GetLargestPossibleRegion() && !this->IsMeasured() &&
      this->NeedsMeasuring())
  {
    this->MeasureInput();
    this->GenerateInputRequestedRegion();
    const_cast<InputImageType *>(this->GetInput())->PropagateRequestedRegion();
  }
  Superclass::UpdateOutputData(output);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateData()
{
  this->AllocateOutputs();
  this->UpdateProgress(0.1f);
  const SamLattice  lattice = this->MakeLattice();
  const SamIndexBox whole = this->MakeBox(lattice);
  const auto        part = SamIndexBox::FromRegion(this->GetOutput()->GetRequestedRegion());
  const auto        buffer = this->GetBuffer();
  const bool        isWhole = this->GetOutput()->GetRequestedRegion() == this->GetOutput()->GetLargestPossibleRegion();
  if (isWhole)
  {
    m_Range = SamValueRange(lattice, whole, this->GetInput()->GetNumberOfComponentsPerPixel());
    for (const auto & voxels : m_Range.Divide())
    {
      m_Range.Measure(voxels, buffer);
    }
  }
  float *    target = this->GetOutput()->GetBufferPointer();
  const auto inside = this->Sample(lattice, part, buffer, target);
  this->UpdateProgress(0.7f);
  if (isWhole)
  {
    m_Normalization = SamNormalization(m_Channels, whole);
    m_Normalization.Measure(whole, inside, target);
  }
  else if (!m_Normalization.IsMeasuring())
  {
    m_Normalization = SamNormalization(m_Channels, whole);
  }
  m_Normalization.Apply(part, target);
  this->UpdateProgress(1.0f);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Orientation: " << m_Orientation << std::endl;
  os << indent << "Interpolation: " << m_Interpolation << std::endl;
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
