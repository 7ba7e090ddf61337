// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samOverlap.h"

#include "itkImageRegionConstIterator.h"

namespace sam
{
template <typename TLabelImage>
std::map<int, Overlap>
ComputeOverlap(const TLabelImage * prediction, const TLabelImage * reference, const std::vector<int> & labels)
{
  CheckSameGrid<TLabelImage::ImageDimension>(prediction, reference, "prediction", "reference");

  // One pass over runs of equal pairs of values.
  std::map<std::pair<int, int>, std::uint64_t> pairs;
  std::pair<int, int>                          last{ 0, 0 };
  std::uint64_t                                run = 0;
  itk::ImageRegionConstIterator<TLabelImage>   p(prediction, prediction->GetLargestPossibleRegion());
  itk::ImageRegionConstIterator<TLabelImage>   r(reference, reference->GetLargestPossibleRegion());
  for (; !p.IsAtEnd(); ++p, ++r)
  {
    if (p.Get() != last.first || r.Get() != last.second)
    {
      pairs[last] += run;
      last = { p.Get(), r.Get() };
      run = 0;
    }
    ++run;
  }
  pairs[last] += run;

  double pixelVolume = 1.0;
  for (unsigned int d = 0; d < TLabelImage::ImageDimension; ++d)
  {
    pixelVolume *= reference->GetSpacing()[d];
  }
  std::map<int, Overlap> overlaps;
  for (const int label : labels)
  {
    overlaps[label];
  }
  for (const auto & [values, count] : pairs)
  {
    if (labels.empty() && count > 0)
    {
      overlaps[values.first];
      overlaps[values.second];
    }
    if (const auto found = overlaps.find(values.first); found != overlaps.end())
    {
      found->second.prediction += count;
      found->second.intersection += values.first == values.second ? count : 0;
    }
    if (const auto found = overlaps.find(values.second); found != overlaps.end())
    {
      found->second.reference += count;
    }
  }
  if (labels.empty())
  {
    overlaps.erase(0);
  }
  for (auto & item : overlaps)
  {
    item.second.pixelVolume = pixelVolume;
  }
  return overlaps;
}

#define SAM_INSTANTIATE(pixel, dimension)         \
  template std::map<int, Overlap> ComputeOverlap( \
    const itk::Image<pixel, dimension> *, const itk::Image<pixel, dimension> *, const std::vector<int> &)
SAM_FOR_EACH_LABEL_IMAGE(SAM_INSTANTIATE);
#undef SAM_INSTANTIATE
} // namespace sam
