// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSegmentationImageFilter_hxx
#define itkSamSegmentationImageFilter_hxx

#include "itkSamSegmentationImageFilter.h"

#include "itkSamFrame.h"
#include "itkSamInput.h"

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
SamSegmentationImageFilter<TInputImage, TOutputImage>::SetProbabilityLabels(const std::vector<int> & values)
{
  if (m_ProbabilityLabels == values)
  {
    return;
  }
  for (const int value : m_ProbabilityLabels)
  {
    this->RemoveOutput(GetProbabilityName(value));
  }
  m_ProbabilityLabels = values;
  for (const int value : m_ProbabilityLabels)
  {
    this->SetOutput(GetProbabilityName(value), this->MakeOutput(GetProbabilityName(value)));
  }
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
auto
SamSegmentationImageFilter<TInputImage, TOutputImage>::GetProbability(int value) -> ProbabilityImageType *
{
  if (std::count(m_ProbabilityLabels.begin(), m_ProbabilityLabels.end(), value) == 0)
  {
    itkSamExceptionMacro("the probability of the label " << value << " is not computed, expected one of "
                                                         << "SetProbabilityLabels");
  }
  return static_cast<ProbabilityImageType *>(this->ProcessObject::GetOutput(GetProbabilityName(value)));
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::SetComputeUncertainty(bool isOn)
{
  if (m_ComputeUncertainty == isOn)
  {
    return;
  }
  m_ComputeUncertainty = isOn;
  if (isOn)
  {
    this->SetOutput("Uncertainty", this->MakeOutput("Uncertainty"));
  }
  else
  {
    this->RemoveOutput("Uncertainty");
  }
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
auto
SamSegmentationImageFilter<TInputImage, TOutputImage>::GetUncertainty() -> ProbabilityImageType *
{
  return m_ComputeUncertainty ? static_cast<ProbabilityImageType *>(this->ProcessObject::GetOutput("Uncertainty"))
                              : nullptr;
}

template <typename TInputImage, typename TOutputImage>
ProcessObject::DataObjectPointer
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeOutput(const ProcessObject::DataObjectIdentifierType & name)
{
  if (name == "Uncertainty" || name.rfind("Probability", 0) == 0)
  {
    return ProbabilityImageType::New().GetPointer();
  }
  return Superclass::MakeOutput(name);
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
  const auto & values = m_Model->GetLabelValues();
  for (const int value : m_ProbabilityLabels)
  {
    if (std::count(values.begin(), values.end(), value) == 0 ||
        std::count(m_ProbabilityLabels.begin(), m_ProbabilityLabels.end(), value) > 1)
    {
      itkSamExceptionMacro("the probability of the label " << value << ", expected labels of the model "
                                                           << m_Model->GetFileName() << ", each once");
    }
  }
  for (const int value : values)
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
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::GenerateOutputInformation()
{
  auto *     output = this->GetOutput();
  const auto earlier = output->GetLargestPossibleRegion();
  Superclass::GenerateOutputInformation();
  if (earlier.GetNumberOfPixels() > 0 && earlier != output->GetLargestPossibleRegion())
  {
    // What was requested is of another image.
    for (OutputDataObjectIterator it(this); !it.IsAtEnd(); ++it)
    {
      it.GetOutput()->SetRequestedRegionToLargestPossibleRegion();
    }
  }
}

template <typename TInputImage, typename TOutputImage>
SamLattice
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeLattice() const
{
  return this->MakeLattice(
    m_Model->RemovesFrame() ? m_Content : SamIndexBox::FromRegion(this->GetInput()->GetLargestPossibleRegion()));
}

template <typename TInputImage, typename TOutputImage>
SamLattice
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeLattice(const SamIndexBox & content) const
{
  SamGrid grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  grid.box = content;
  return SamLattice(
    grid, m_Model->GetOrientation(), m_Model->GetSpacing(), m_Model->GetStretchedSize(), m_Model->GetInterpolation());
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
bool
SamSegmentationImageFilter<TInputImage, TOutputImage>::FindPart(const SamLattice &  lattice,
                                                                const SamIndexBox & box,
                                                                const SamIndexBox & region,
                                                                SamIndexBox &       part)
{
  const SamIndexBox covered = lattice.GetCoveredImageBox(box).Intersect(region);
  if (covered.GetNumberOfVoxels() == 0)
  {
    return false;
  }
  part = lattice.GetLatticeBox(covered, box);
  return true;
}

template <typename TInputImage, typename TOutputImage>
SamSlidingWindow
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeWindows(const SamIndexBox & box,
                                                                   const SamIndexBox & part) const
{
  SamSlidingWindow windows(m_Model, box.size);
  windows.Restrict(part.Shifted(box, -1));
  return windows;
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  ProcessObject::GenerateInputRequestedRegion();
  if (m_Model->RemovesFrame())
  {
    const_cast<InputImageType *>(this->GetInput())->SetRequestedRegionToLargestPossibleRegion();
    return;
  }
  if (m_WindowFunction)
  {
    // One voxel, since nothing is no region.
    typename InputImageType::RegionType one = this->GetInput()->GetLargestPossibleRegion();
    one.SetSize(InputImageType::SizeType::Filled(1));
    const_cast<InputImageType *>(this->GetInput())->SetRequestedRegion(one);
    return;
  }
  const SamLattice                   lattice = this->MakeLattice();
  const SamIndexBox                  region = SamIndexBox::FromRegion(this->GetOutput()->GetRequestedRegion());
  typename InputImageType::IndexType lower = this->GetOutput()->GetRequestedRegion().GetIndex();
  typename InputImageType::IndexType upper = lower;
  bool                               isFirst = true;
  for (const auto & box : this->MakeBoxes(lattice))
  {
    SamIndexBox part;
    if (!FindPart(lattice, box, region, part))
    {
      continue;
    }
    const SamIndexBox needed = lattice.GetImageBox(this->MakeWindows(box, part).GetSource().Shifted(box, 1));
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      const auto last = needed.start[i] + static_cast<IndexValueType>(needed.size[i]) - 1;
      lower[i] = isFirst ? needed.start[i] : std::min<IndexValueType>(lower[i], needed.start[i]);
      upper[i] = isFirst ? last : std::max<IndexValueType>(upper[i], last);
    }
    isFirst = false;
  }
  typename InputImageType::RegionType needed;
  needed.SetIndex(lower);
  needed.SetUpperIndex(upper);
  const_cast<InputImageType *>(this->GetInput())->SetRequestedRegion(needed);
}

template <typename TInputImage, typename TOutputImage>
SamMemory
SamSegmentationImageFilter<TInputImage, TOutputImage>::EstimateMemory(const OutputRegionType & region) const
{
  SamModel::Verify(m_Model, ImageDimension);
  SamVerifyInput(this->GetInput());
  const auto *        input = this->GetInput();
  const SizeValueType channels = input->GetNumberOfComponentsPerPixel();
  const SizeValueType pixel = channels * sizeof(SamComponentType<TInputImage>);
  const SizeValueType labels = m_Model->GetNumberOfLabels() * sizeof(float);
  const SamIndexBox   whole = SamIndexBox::FromRegion(input->GetLargestPossibleRegion());
  const SamLattice    lattice = this->MakeLattice(whole); // a frame is not known before the pixels are
  const auto          boxes = this->MakeBoxes(lattice);
  SamMemory           most;
  for (const auto & box : boxes)
  {
    SamIndexBox part;
    if (!FindPart(lattice, box, SamIndexBox::FromRegion(region), part))
    {
      continue;
    }
    const auto        windows = this->MakeWindows(box, part);
    const SamIndexBox source = windows.GetSource();
    SamMemory         memory;
    memory.image = lattice.GetImageBox(source.Shifted(box, 1)).GetNumberOfVoxels() * pixel;
    // The resampled image, what it is made with, and its tensor.
    const SizeValueType resampled = source.GetNumberOfVoxels() * channels * sizeof(float);
    memory.intensities =
      resampled + std::max(resampled, SamEstimateSampling(lattice, source.Shifted(box, 1), channels));
    SamIndexBox place;
    place.size = windows.GetWindowSize();
    // Sums, blended slices, their copy for the sampler in two orders.
    const SizeValueType depth = std::min(place.size[2], part.size[2]);
    memory.probabilities = 4 * depth * part.size[0] * part.size[1] * labels;
    for (SizeValueType k = 0; k < windows.GetNumberOfWindows(); ++k)
    {
      place.start = windows.GetStart(k);
      SamIndexBox inVolume = place.Shifted(box, 1).Intersect(box);
      if (inVolume.Intersect(part).GetNumberOfVoxels() < inVolume.GetNumberOfVoxels())
      {
        memory.probabilities += place.GetNumberOfVoxels() * labels;
      }
    }
    memory.network = m_Model->EstimateWindowMemory(place.size);
    most = most.Max(memory);
  }
  if (m_Model->RemovesFrame())
  {
    most.image = whole.GetNumberOfVoxels() * pixel;
  }
  // Of maps of numbers: the best probability, and those that are answered.
  const SizeValueType maps = (boxes.size() > 1 ? 1 : 0) + m_ProbabilityLabels.size() + (m_ComputeUncertainty ? 1 : 0);
  most.labels = region.GetNumberOfPixels() * (sizeof(OutputPixelType) + maps * sizeof(float));
  return most;
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::PrepareRuns(size_t count)
{
  const auto * input = this->GetInput();
  if (m_Runs.size() == count && m_RunsTime > std::max(this->GetMTime(), SamGetInputTime(input)))
  {
    return;
  }
  m_Runs.clear();
  m_Runs.resize(count);
  for (size_t k = 0; k < count; ++k)
  {
    auto & resample = m_Runs[k].resample;
    resample = SamResampleImageFilter<InputImageType>::New();
    resample->SetInput(input);
    resample->SetModel(m_Model);
    resample->SetNumberOfWorkUnits(this->GetNumberOfWorkUnits());
    if (!m_Regions.empty())
    {
      resample->SetRegionOfInterest(m_Regions[k].center, m_Regions[k].size);
    }
  }
  TimeStamp now;
  now.Modified();
  m_RunsTime = now.GetMTime();
}

template <typename TInputImage, typename TOutputImage>
SamTensor
SamSegmentationImageFilter<TInputImage, TOutputImage>::Resample(size_t                              run,
                                                                const SamIndexBox &                 part,
                                                                const std::function<bool(double)> & report)
{
  auto *     resample = m_Runs[run].resample.GetPointer();
  auto *     resampled = resample->GetOutput();
  const auto observer = resample->AddObserver(ProgressEvent(), [&](const EventObject &) {
    if (!report(0.0))
    {
      resample->AbortGenerateDataOn();
    }
  });
  try
  {
    resample->UpdateOutputInformation();
    resampled->SetRequestedRegion(part.template ToRegion<ImageDimension>());
    resampled->PropagateRequestedRegion();
    resampled->UpdateOutputData();
  }
  catch (...)
  {
    resample->RemoveObserver(observer);
    throw;
  }
  resample->RemoveObserver(observer);
  const SamTensor tensor =
    SamTensor::FromHostChannelsLast(resampled->GetBufferPointer(),
                                    { static_cast<int64_t>(resampled->GetNumberOfComponentsPerPixel()),
                                      static_cast<int64_t>(part.size[2]),
                                      static_cast<int64_t>(part.size[1]),
                                      static_cast<int64_t>(part.size[0]) });
  resampled->ReleaseData();
  return tensor;
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  this->UpdateProgress(0.0f);
  this->AllocateOutputs();
  OutputImageType * output = this->GetOutput();
  output->FillBuffer(NumericTraits<OutputPixelType>::ZeroValue());
  for (const int value : m_ProbabilityLabels)
  {
    this->GetProbability(value)->FillBuffer(value == m_Model->GetLabelValues().front() ? 1.0f : 0.0f);
  }
  if (m_ComputeUncertainty)
  {
    this->GetUncertainty()->FillBuffer(0.0f);
  }

  if (m_Model->RemovesFrame())
  {
    m_Content = SamFindContent(this->GetInput(), m_Model->GetOrientation());
  }
  const SamLattice  lattice = this->MakeLattice();
  const auto        boxes = this->MakeBoxes(lattice);
  const SamIndexBox region = SamIndexBox::FromRegion(output->GetRequestedRegion());
  this->PrepareRuns(boxes.size());

  struct Task
  {
    size_t           number;
    SamIndexBox      part;
    SamSlidingWindow windows;
  };
  std::vector<Task> tasks;
  SizeValueType     toDo = 0;
  for (size_t k = 0; k < boxes.size(); ++k)
  {
    SamIndexBox part;
    if (FindPart(lattice, boxes[k], region, part))
    {
      tasks.push_back({ k, part, this->MakeWindows(boxes[k], part) });
      for (SizeValueType window = 0; window < tasks.back().windows.GetNumberOfWindows(); ++window)
      {
        toDo += m_Runs[k].keeper.Find(tasks.back().windows.GetStart(window)) ? 0 : 1;
      }
    }
  }

  SamWindowAnswer answer{ { m_Model }, m_MirrorAxes, m_WindowFunction };
  for (const auto & model : m_AddedModels)
  {
    answer.models.push_back(model);
  }

  // Writing the labels gets the last hundredth.
  m_NumberOfWindows = 0;
  const auto report = [&](double windows) {
    this->UpdateProgress(static_cast<float>(0.99 * (static_cast<double>(m_NumberOfWindows) + windows) /
                                            static_cast<double>(std::max<SizeValueType>(1, toDo))));
    return !this->GetAbortGenerateData();
  };
  std::vector<float> confidence;
  if (boxes.size() > 1)
  {
    confidence.assign(output->GetRequestedRegion().GetNumberOfPixels(), -1.0f);
  }
  for (auto & task : tasks)
  {
    const SamIndexBox & box = boxes[task.number];
    const SamTensor     source =
      m_WindowFunction ? SamTensor() : this->Resample(task.number, task.windows.GetSource().Shifted(box, 1), report);
    SamGrid grid = lattice.GetGrid();
    grid.box = box;

    SamLabelSampler sampler(lattice, box, task.part, m_Model->GetNumberOfLabels());
    const auto      take = [&](const SamTensor & slices) {
      const auto         sizes = slices.GetSizes();
      std::vector<float> probabilities(static_cast<size_t>(sizes[0] * sizes[1] * sizes[2] * sizes[3]));
      slices.CopyToHostChannelsLast(probabilities.data());
      sampler.Append(static_cast<SizeValueType>(sizes[1]), std::move(probabilities));
      this->WriteLabels(sampler, confidence);
    };
    m_NumberOfWindows += SamSegmentWindows<ImageDimension>(
      answer, task.windows, task.part.Shifted(box, -1), source, grid, m_Runs[task.number].keeper, take, report);
  }
  this->UpdateProgress(1.0f);
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::WriteLabels(const SamLabelSampler & sampler,
                                                                   std::vector<float> &    confidence)
{
  OutputImageType * output = this->GetOutput();
  const auto        region = sampler.GetCoveredImageBox()
                        .Intersect(SamIndexBox::FromRegion(output->GetRequestedRegion()))
                        .template ToRegion<ImageDimension>();
  if (region.GetNumberOfPixels() == 0)
  {
    return;
  }
  std::vector<OutputPixelType> values;
  for (const int value : m_Model->GetLabelValues())
  {
    values.push_back(static_cast<OutputPixelType>(value));
  }
  std::vector<size_t>  numbers; // of the labels whose probabilities are answered
  std::vector<float *> maps;
  for (const int value : m_ProbabilityLabels)
  {
    const auto & all = m_Model->GetLabelValues();
    numbers.push_back(static_cast<size_t>(std::find(all.begin(), all.end(), value) - all.begin()));
    maps.push_back(this->GetProbability(value)->GetBufferPointer());
  }
  float * const uncertainty = m_ComputeUncertainty ? this->GetUncertainty()->GetBufferPointer() : nullptr;
  const auto    label = [&](const OutputRegionType & part) {
    std::vector<SamLabelSampler::Choice> line(part.GetSize(0));
    std::vector<float>                   probabilities(numbers.size() * line.size());
    const SamIndexBox                    box = SamIndexBox::FromRegion(part);
    for (SizeValueType k = 0; k < part.GetNumberOfPixels() / line.size(); ++k)
    {
      SamIndexBox at = box;
      at.start[1] += static_cast<IndexValueType>(k % box.size[1]);
      at.start[2] += static_cast<IndexValueType>(k / box.size[1]);
      sampler.ChooseLine(at.start, line, numbers, probabilities.data());
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
        for (size_t m = 0; m < maps.size(); ++m)
        {
          maps[m][first + x] = probabilities[m * line.size() + x];
        }
        if (uncertainty != nullptr)
        {
          uncertainty[first + x] = 1.0f - line[x].share;
        }
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
  os << indent << "ProbabilityLabels:";
  for (const int value : m_ProbabilityLabels)
  {
    os << ' ' << value;
  }
  os << std::endl;
  os << indent << "ComputeUncertainty: " << m_ComputeUncertainty << std::endl;
  os << indent << "WindowFunction: " << (m_WindowFunction ? "set" : "(none)") << std::endl;
  os << indent << "NumberOfWindows: " << m_NumberOfWindows << std::endl;
}
} // namespace itk

#endif
