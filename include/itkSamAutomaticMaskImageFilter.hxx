// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamAutomaticMaskImageFilter_hxx
#define itkSamAutomaticMaskImageFilter_hxx

#include "itkSamAutomaticMaskImageFilter.h"

#include <algorithm>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
SamAutomaticMaskImageFilter<TInputImage, TOutputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  this->VerifyPixels();
  this->MakeSlices().FindRange(m_SliceRange);
}

template <typename TInputImage, typename TOutputImage>
void
SamAutomaticMaskImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  ProcessObject::GenerateInputRequestedRegion();
  const auto range = this->MakeSlices().FindRange(m_SliceRange);
  this->RequestSlices(range.first, range.second);
}

template <typename TInputImage, typename TOutputImage>
SamAutomaticMaskOptions
SamAutomaticMaskImageFilter<TInputImage, TOutputImage>::MakeOptions() const
{
  SamAutomaticMaskOptions options;
  options.pointsPerSide = m_PointsPerSide;
  options.pointsPerBatch = m_PointsPerBatch;
  options.predIouThresh = m_PredIouThresh;
  options.stabilityScoreThresh = m_StabilityScoreThresh;
  options.stabilityScoreOffset = m_StabilityScoreOffset;
  options.boxNmsThresh = m_BoxNmsThresh;
  options.cropNLayers = m_CropNLayers;
  options.cropNmsThresh = m_CropNmsThresh;
  options.cropOverlapRatio = m_CropOverlapRatio;
  options.cropNPointsDownscaleFactor = m_CropNPointsDownscaleFactor;
  options.minMaskRegionArea = m_MinMaskRegionArea;
  return options;
}

template <typename TInputImage, typename TOutputImage>
void
SamAutomaticMaskImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  this->UpdateProgress(0.0f);
  this->AllocateOutputs();
  OutputImageType * output = this->GetOutput();
  output->FillBuffer(NumericTraits<OutputPixelType>::ZeroValue());
  m_Masks.clear();

  const SamSlices              slices = this->MakeSlices();
  const auto                   size = slices.GetSize();
  const auto                   range = slices.FindRange(m_SliceRange);
  const auto                   reader = this->MakeReader(range.first, range.second);
  const auto                   options = this->MakeOptions();
  std::vector<OutputPixelType> labels(size[0] * size[1]);
  for (SizeValueType s = 0; s < range.second; ++s)
  {
    const IndexValueType slice = range.first + static_cast<IndexValueType>(s);
    auto                 masks = this->GetModel()->GenerateMasks(reader.Read(slice), options, [&](double fraction) {
      this->UpdateProgress(static_cast<float>((static_cast<double>(s) + fraction) / static_cast<double>(range.second)));
      return !this->GetAbortGenerateData();
    });
    std::stable_sort(masks.begin(), masks.end(), [](const SamAutomaticMask & a, const SamAutomaticMask & b) {
      return a.area > b.area;
    });
    const double last = static_cast<double>(m_Masks.size() + masks.size());
    if (last > static_cast<double>(NumericTraits<OutputPixelType>::max()))
    {
      itkSamExceptionMacro(last << " masks or more, expected at most " << +NumericTraits<OutputPixelType>::max()
                                << ", which the output's pixels can number");
    }
    std::fill(labels.begin(), labels.end(), NumericTraits<OutputPixelType>::ZeroValue());
    for (auto & mask : masks)
    {
      const auto label = static_cast<unsigned int>(m_Masks.size() + 1);
      size_t     place = 0; // down the columns
      bool       isInside = false;
      for (const uint32_t length : mask.runs)
      {
        for (const size_t end = place + length; place < end; ++place)
        {
          if (isInside)
          {
            labels[place % size[1] * size[0] + place / size[1]] = static_cast<OutputPixelType>(label);
          }
        }
        isInside = !isInside;
      }
      m_Masks.push_back({ label, slice, std::move(mask) });
    }
    slices.template VisitSlice<ImageDimension>(
      output, slice, [&](size_t k, OffsetValueType offset) { output->GetBufferPointer()[offset] = labels[k]; });
  }
  this->UpdateProgress(1.0f);
}

template <typename TInputImage, typename TOutputImage>
void
SamAutomaticMaskImageFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  Superclass::PrintRange(os << indent << "SliceRange: ", m_SliceRange);
  os << indent << "PointsPerSide: " << m_PointsPerSide << std::endl;
  os << indent << "PointsPerBatch: " << m_PointsPerBatch << std::endl;
  os << indent << "PredIouThresh: " << m_PredIouThresh << std::endl;
  os << indent << "StabilityScoreThresh: " << m_StabilityScoreThresh << std::endl;
  os << indent << "StabilityScoreOffset: " << m_StabilityScoreOffset << std::endl;
  os << indent << "BoxNmsThresh: " << m_BoxNmsThresh << std::endl;
  os << indent << "CropNLayers: " << m_CropNLayers << std::endl;
  os << indent << "CropNmsThresh: " << m_CropNmsThresh << std::endl;
  os << indent << "CropOverlapRatio: " << m_CropOverlapRatio << std::endl;
  os << indent << "CropNPointsDownscaleFactor: " << m_CropNPointsDownscaleFactor << std::endl;
  os << indent << "MinMaskRegionArea: " << m_MinMaskRegionArea << std::endl;
  os << indent << "Masks: " << m_Masks.size() << std::endl;
}
} // namespace itk

#endif
