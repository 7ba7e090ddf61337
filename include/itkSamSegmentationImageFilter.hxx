// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSegmentationImageFilter_hxx
#define itkSamSegmentationImageFilter_hxx

#include "itkSamSegmentationImageFilter.h"

#include "itkSamFrame.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamSlidingWindow.h"
#include "itkSamTensorImage.h"

#include <algorithm>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::AddModel(const SamModel * model)
{
  m_AddedModels.emplace_back(model);
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::ClearAddedModels()
{
  if (!m_AddedModels.empty())
  {
    m_AddedModels.clear();
    this->Modified();
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::SetMirrorAxes(const std::vector<unsigned int> & axes)
{
  if (m_MirrorAxes != axes)
  {
    m_MirrorAxes = axes;
    this->Modified();
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::SetWindowFunction(const SamWindowFunction & function)
{
  m_WindowFunction = function;
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::AddRegionOfInterest(const PointType &  center,
                                                                           const VectorType & size)
{
  m_Regions.push_back({ center, size });
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::ClearRegionsOfInterest()
{
  if (!m_Regions.empty())
  {
    m_Regions.clear();
    this->Modified();
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  SamModel::Verify(m_Model, ImageDimension);
  for (const auto & model : m_AddedModels)
  {
    SamModel::Verify(model, ImageDimension);
    model->VerifyAveragesWith(m_Model);
  }
  for (const unsigned int axis : m_MirrorAxes)
  {
    if (axis >= ImageDimension || std::count(m_MirrorAxes.begin(), m_MirrorAxes.end(), axis) > 1)
    {
      itkSamExceptionMacro("mirror axis " << axis << ", expected 0 to " << ImageDimension - 1 << ", each once");
    }
  }
  for (const int value : m_Model->GetLabelValues())
  {
    if (static_cast<double>(value) > static_cast<double>(NumericTraits<OutputPixelType>::max()))
    {
      itkSamExceptionMacro("the label value " << value << " of the model " << m_Model->GetFileName()
                                              << " does not fit the output's pixels, expected at most "
                                              << +NumericTraits<OutputPixelType>::max());
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  SamVerifyComponents(m_Model->GetChannels(), this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage, typename TOutputImage>
SamLattice
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeLattice() const
{
  SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  grid.box = m_Model->RemovesFrame() ? m_Content : grid.box;
  return SamLattice(grid, m_Model->GetOrientation(), m_Model->GetSpacing(), m_Model->GetStretchedSize());
}

template <typename TInputImage, typename TOutputImage>
std::vector<SamIndexBox>
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeBoxes(const SamLattice & lattice) const
{
  if (m_Regions.empty())
  {
    return { lattice.GetGrid().box };
  }
  std::vector<SamIndexBox> boxes;
  for (const auto & region : m_Regions)
  {
    SamLattice::VectorType center{};
    SamLattice::VectorType size{};
    std::copy_n(region.center.GetDataPointer(), ImageDimension, center.begin());
    std::copy_n(region.size.GetDataPointer(), ImageDimension, size.begin());
    boxes.push_back(lattice.FindBox(center, size));
  }
  return boxes;
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  ProcessObject::GenerateInputRequestedRegion();
  if (m_WindowFunction)
  {
    // One voxel, since nothing is no region.
    typename InputImageType::RegionType one = this->GetInput()->GetLargestPossibleRegion();
    one.SetSize(InputImageType::SizeType::Filled(1));
    const_cast<InputImageType *>(this->GetInput())->SetRequestedRegion(one);
    return;
  }
  if (m_Model->RemovesFrame())
  {
    const_cast<InputImageType *>(this->GetInput())->SetRequestedRegionToLargestPossibleRegion();
    return;
  }
  const SamLattice                   lattice = this->MakeLattice();
  typename InputImageType::IndexType lower{};
  typename InputImageType::IndexType upper{};
  bool                               isFirst = true;
  for (const auto & box : this->MakeBoxes(lattice))
  {
    const SamIndexBox needed = lattice.GetImageBox(box);
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      const auto last = needed.start[i] + static_cast<IndexValueType>(needed.size[i]) - 1;
      lower[i] = isFirst ? needed.start[i] : std::min<IndexValueType>(lower[i], needed.start[i]);
      upper[i] = isFirst ? last : std::max<IndexValueType>(upper[i], last);
    }
    isFirst = false;
  }
  typename InputImageType::RegionType region;
  region.SetIndex(lower);
  region.SetUpperIndex(upper);
  const_cast<InputImageType *>(this->GetInput())->SetRequestedRegion(region);
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  this->UpdateProgress(0.0f);
  this->AllocateOutputs();
  OutputImageType * output = this->GetOutput();
  output->FillBuffer(NumericTraits<OutputPixelType>::ZeroValue());

  if (m_Model->RemovesFrame())
  {
    m_Content = SamFindContent(this->GetInput(), m_Model->GetOrientation());
  }
  const SamLattice lattice = this->MakeLattice();
  const auto       boxes = this->MakeBoxes(lattice);
  m_NumberOfWindows = 0;
  for (const auto & box : boxes)
  {
    m_NumberOfWindows += SamSlidingWindow(m_Model, box.size).GetNumberOfWindows();
  }

  SamWindowAnswer answer{ { m_Model }, m_MirrorAxes, m_WindowFunction };
  for (const auto & model : m_AddedModels)
  {
    answer.models.push_back(model);
  }

  // Writing the labels gets the last hundredth.
  SizeValueType windowsDone = 0;
  const auto    report = [&](double windows) {
    this->UpdateProgress(
      static_cast<float>(0.99 * (static_cast<double>(windowsDone) + windows) / static_cast<double>(m_NumberOfWindows)));
    return !this->GetAbortGenerateData();
  };
  std::vector<float> confidence;
  if (boxes.size() > 1)
  {
    confidence.assign(output->GetRequestedRegion().GetNumberOfPixels(), -1.0f);
  }
  for (size_t k = 0; k < boxes.size(); ++k)
  {
    SamTensor volume;
    if (!m_WindowFunction)
    {
      auto resample = SamResampleImageFilter<InputImageType>::New();
      resample->SetInput(this->GetInput());
      resample->SetModel(m_Model);
      resample->SetNumberOfWorkUnits(this->GetNumberOfWorkUnits());
      if (!m_Regions.empty())
      {
        resample->SetRegionOfInterest(m_Regions[k].center, m_Regions[k].size);
      }
      resample->Update();
      volume = SamTensorImage<ImageDimension>::TensorOf(resample->GetOutput());
    }
    SamGrid grid = lattice.GetGrid();
    grid.box = boxes[k];

    SamLabelSampler sampler(lattice, boxes[k], m_Model->GetNumberOfLabels());
    const auto      take = [&](const SamTensor & slices) {
      const auto         sizes = slices.GetSizes();
      std::vector<float> probabilities(static_cast<size_t>(sizes[0] * sizes[1] * sizes[2] * sizes[3]));
      slices.CopyToHostChannelsLast(probabilities.data());
      sampler.Append(static_cast<SizeValueType>(sizes[1]), std::move(probabilities));
      this->WriteLabels(sampler, confidence);
    };
    SamSegmentWindows<ImageDimension>(answer, volume, grid, take, report);
    windowsDone += SamSlidingWindow(m_Model, boxes[k].size).GetNumberOfWindows();
  }
  this->UpdateProgress(1.0f);
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::WriteLabels(const SamLabelSampler & sampler,
                                                                   std::vector<float> &    confidence)
{
  const auto region = sampler.GetCoveredImageBox().template ToRegion<ImageDimension>();
  if (region.GetNumberOfPixels() == 0)
  {
    return;
  }
  OutputImageType *            output = this->GetOutput();
  std::vector<OutputPixelType> values;
  for (const int value : m_Model->GetLabelValues())
  {
    values.push_back(static_cast<OutputPixelType>(value));
  }
  const auto label = [&](const OutputRegionType & part) {
    std::vector<SamLabelSampler::Choice> line(part.GetSize(0));
    const SamIndexBox                    box = SamIndexBox::FromRegion(part);
    for (SizeValueType k = 0; k < part.GetNumberOfPixels() / line.size(); ++k)
    {
      SamIndexBox at = box;
      at.start[1] += static_cast<IndexValueType>(k % box.size[1]);
      at.start[2] += static_cast<IndexValueType>(k / box.size[1]);
      sampler.ChooseLine(at.start, line);
      const auto first = static_cast<size_t>(output->ComputeOffset(at.template ToRegion<ImageDimension>().GetIndex()));
      for (size_t x = 0; x < line.size(); ++x)
      {
        if (line[x].number < 0 || (!confidence.empty() && line[x].probability <= confidence[first + x]))
        {
          continue;
        }
        if (!confidence.empty())
        {
          confidence[first + x] = line[x].probability;
        }
        output->GetBufferPointer()[first + x] = values[static_cast<size_t>(line[x].number)];
      }
    }
  };
  this->GetMultiThreader()->SetNumberOfWorkUnits(this->GetNumberOfWorkUnits());
  this->GetMultiThreader()->template ParallelizeImageRegion<ImageDimension>(region, label, nullptr);
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  itkPrintSelfObjectMacro(Model);
  os << indent << "RegionsOfInterest: " << m_Regions.size() << std::endl;
  for (const auto & region : m_Regions)
  {
    os << indent.GetNextIndent() << "center " << region.center << " size " << region.size << std::endl;
  }
  os << indent << "AddedModels: " << m_AddedModels.size() << std::endl;
  os << indent << "MirrorAxes:";
  for (const unsigned int axis : m_MirrorAxes)
  {
    os << ' ' << axis;
  }
  os << std::endl;
  os << indent << "WindowFunction: " << (m_WindowFunction ? "set" : "(none)") << std::endl;
  os << indent << "NumberOfWindows: " << m_NumberOfWindows << std::endl;
}
} // namespace itk

#endif
