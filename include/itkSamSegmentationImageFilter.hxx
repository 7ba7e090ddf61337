// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSegmentationImageFilter_hxx
#define itkSamSegmentationImageFilter_hxx

#include "itkSamSegmentationImageFilter.h"

#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamSlidingWindow.h"

#include "itkImageRegionIteratorWithIndex.h"

#include <algorithm>
#include <cmath>

namespace itk
{
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
  const unsigned int found = this->GetInput()->GetNumberOfComponentsPerPixel();
  if (found != m_Model->GetNumberOfChannels())
  {
    itkSamExceptionMacro("the image has " << found << (found == 1 ? " channel" : " channels") << ", expected "
                                          << m_Model->GetNumberOfChannels() << " (" << m_Model->GetChannelNames()
                                          << ")");
  }
}

template <typename TInputImage, typename TOutputImage>
SamLattice
SamSegmentationImageFilter<TInputImage, TOutputImage>::MakeLattice() const
{
  return SamLattice(
    SamGrid::FromImage<ImageDimension>(this->GetInput()), m_Model->GetOrientation(), m_Model->GetSpacing());
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

  const SamLattice lattice = this->MakeLattice();
  const auto       boxes = this->MakeBoxes(lattice);
  m_NumberOfWindows = 0;
  for (const auto & box : boxes)
  {
    m_NumberOfWindows += SamSlidingWindow(m_Model, box.size).GetNumberOfWindows();
  }

  std::vector<float> confidence;
  if (boxes.size() > 1)
  {
    confidence.assign(output->GetRequestedRegion().GetNumberOfPixels(), -1.0f);
  }
  SizeValueType windowsDone = 0;
  for (size_t k = 0; k < boxes.size(); ++k)
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
    const SamTensor volume = SamTensorImage<ImageDimension>::TensorOf(resample->GetOutput());
    const SamGrid   grid = SamGrid::FromImage<ImageDimension>(resample->GetOutput());
    resample->GetOutput()->ReleaseData();

    const SamIndexBox & box = boxes[k];
    const SamTensor     blended = this->RunWindows(volume, grid, windowsDone);
    std::vector<float>  probabilities(box.size[0] * box.size[1] * box.size[2] * m_Model->GetNumberOfLabels());
    blended.CopyToHostChannelsLast(probabilities.data());
    this->WriteLabels(lattice, box, probabilities, confidence);
  }
  this->UpdateProgress(1.0f);
}

template <typename TInputImage, typename TOutputImage>
SamTensor
SamSegmentationImageFilter<TInputImage, TOutputImage>::RunWindows(const SamTensor & volume,
                                                                  const SamGrid &   grid,
                                                                  SizeValueType &   windowsDone)
{
  using StageImageType = SamTensorImage<ImageDimension>;
  SamSlidingWindow windows(m_Model, grid.box.size);

  auto encoder = SamEncoderImageFilter<ChannelImageType>::New();
  encoder->SetModel(m_Model);
  auto prompter = SamAutoPromptImageFilter<ChannelImageType>::New();
  prompter->SetModel(m_Model);
  prompter->SetInput(encoder->GetOutput());
  auto classifier = SamMaskClassificationImageFilter<ChannelImageType>::New();
  classifier->SetModel(m_Model);
  classifier->SetInput(encoder->GetOutput());
  classifier->SetPrompts(prompter->GetOutput());

  // The encoder takes most of a window's time; writing the labels gets the last hundredth.
  constexpr double encoderShare = 0.8;
  const auto       report = [&](double windowFraction) {
    this->UpdateProgress(static_cast<float>(0.99 * (static_cast<double>(windowsDone) + windowFraction) /
                                            static_cast<double>(m_NumberOfWindows)));
  };
  encoder->AddObserver(ProgressEvent(), [&](const EventObject &) {
    report(encoderShare * static_cast<double>(encoder->GetProgress()));
    if (this->GetAbortGenerateData())
    {
      encoder->AbortGenerateDataOn();
    }
  });

  for (SizeValueType k = 0; k < windows.GetNumberOfWindows(); ++k)
  {
    const auto start = windows.GetStart(k);
    SamGrid    windowGrid = grid;
    for (unsigned int i = 0; i < 3; ++i)
    {
      windowGrid.box.start[i] = grid.box.start[i] + start[i];
    }
    windowGrid.box.size = windows.GetWindowSize();
    auto window = StageImageType::New();
    windowGrid.CopyTo<ImageDimension>(window);
    window->SetRegions(window->GetLargestPossibleRegion());
    window->SetTensor(windows.Extract(volume, k));
    encoder->SetInput(window);
    classifier->GetOutput()->UpdateTensor();
    windows.Add(classifier->GetOutput()->GetTensor(), k);
    ++windowsDone;
    report(0.0);
    if (this->GetAbortGenerateData())
    {
      throw ProcessAborted(__FILE__, __LINE__);
    }
  }
  return windows.GetBlended();
}

template <typename TInputImage, typename TOutputImage>
void
SamSegmentationImageFilter<TInputImage, TOutputImage>::WriteLabels(const SamLattice &         lattice,
                                                                   const SamIndexBox &        box,
                                                                   const std::vector<float> & probabilities,
                                                                   std::vector<float> &       confidence)
{
  /** Which voxels of the box a sample is made of along one axis. */
  struct AxisSample
  {
    std::array<size_t, 2> offset{ { 0, 0 } };
    std::array<double, 2> weight{ { 1.0, 0.0 } };
    unsigned int          count{ 1 };
    bool                  isInside{ true };
  };

  const SamIndexBox covered = lattice.GetCoveredImageBox(box);
  const auto        region = covered.ToRegion<ImageDimension>();
  if (region.GetNumberOfPixels() == 0)
  {
    return;
  }
  OutputImageType *            output = this->GetOutput();
  const size_t                 labels = m_Model->GetNumberOfLabels();
  std::vector<OutputPixelType> values;
  for (const int value : m_Model->GetLabelValues())
  {
    values.push_back(static_cast<OutputPixelType>(value));
  }
  const std::array<size_t, 3> stride{ { labels, labels * box.size[0], labels * box.size[0] * box.size[1] } };

  std::array<std::vector<AxisSample>, 3> tables;
  if (lattice.IsAligned())
  {
    for (unsigned int j = 0; j < ImageDimension; ++j)
    {
      const SamTaps taps = lattice.GetLatticeTaps(j, covered, box);
      for (size_t k = 0; k + 1 < taps.begin.size(); ++k)
      {
        AxisSample sample;
        sample.isInside = taps.inside[k] != 0;
        sample.count = static_cast<unsigned int>(taps.begin[k + 1] - taps.begin[k]);
        for (unsigned int t = 0; t < sample.count; ++t)
        {
          sample.offset[t] = static_cast<size_t>(taps.index[taps.begin[k] + t]) * stride[j];
          sample.weight[t] = taps.weight[taps.begin[k] + t];
        }
        tables[j].push_back(sample);
      }
    }
  }

  const auto sampleOblique = [&](double position, unsigned int j) {
    AxisSample   sample;
    const auto   latticeSize = static_cast<IndexValueType>(lattice.GetGrid().box.size[j]);
    const auto   size = static_cast<double>(box.size[j]);
    const double along = position - static_cast<double>(box.start[j]);
    sample.isInside = (box.start[j] <= 0 || along >= -0.5) &&
                      (box.start[j] + static_cast<IndexValueType>(box.size[j]) >= latticeSize || along < size - 0.5);
    const double clamped = std::min(std::max(along, 0.0), size - 1.0);
    const double first = std::floor(clamped);
    const double fraction = clamped - first;
    sample.offset[0] = static_cast<size_t>(first) * stride[j];
    if (fraction > 0.0)
    {
      sample.count = 2;
      sample.offset[1] = sample.offset[0] + stride[j];
      sample.weight = { { 1.0 - fraction, fraction } };
    }
    return sample;
  };

  const auto label = [&](const typename OutputImageType::RegionType & part) {
    std::vector<double> sums(labels);
    for (ImageRegionIteratorWithIndex<OutputImageType> it(output, part); !it.IsAtEnd(); ++it)
    {
      const auto                index = it.GetIndex();
      std::array<AxisSample, 3> axes;
      if (lattice.IsAligned())
      {
        for (unsigned int j = 0; j < ImageDimension; ++j)
        {
          const unsigned int axis = lattice.GetImageAxis(j);
          axes[j] = tables[j][static_cast<size_t>(index[axis] - covered.start[axis])];
        }
      }
      else
      {
        SamLattice::VectorType position{};
        std::copy_n(index.GetIndex(), ImageDimension, position.begin());
        position = lattice.GetImageToLattice()(position);
        for (unsigned int j = 0; j < ImageDimension; ++j)
        {
          axes[j] = sampleOblique(position[j], j);
        }
      }
      if (!axes[0].isInside || !axes[1].isInside || !axes[2].isInside)
      {
        continue;
      }
      std::fill(sums.begin(), sums.end(), 0.0);
      for (unsigned int z = 0; z < axes[2].count; ++z)
      {
        for (unsigned int y = 0; y < axes[1].count; ++y)
        {
          for (unsigned int x = 0; x < axes[0].count; ++x)
          {
            const float * source = &probabilities[axes[2].offset[z] + axes[1].offset[y] + axes[0].offset[x]];
            const double  weight = axes[2].weight[z] * axes[1].weight[y] * axes[0].weight[x];
            for (size_t k = 0; k < labels; ++k)
            {
              sums[k] += weight * static_cast<double>(source[k]);
            }
          }
        }
      }
      const auto best = std::max_element(sums.begin(), sums.end());
      if (!confidence.empty())
      {
        float & soFar = confidence[static_cast<size_t>(output->ComputeOffset(index))];
        if (static_cast<float>(*best) <= soFar)
        {
          continue;
        }
        soFar = static_cast<float>(*best);
      }
      it.Set(values[static_cast<size_t>(best - sums.begin())]);
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
  os << indent << "NumberOfWindows: " << m_NumberOfWindows << std::endl;
}
} // namespace itk

#endif
