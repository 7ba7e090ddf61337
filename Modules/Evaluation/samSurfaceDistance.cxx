// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSurfaceDistance.h"

#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkImageScanlineConstIterator.h"
#include "itkSignedMaurerDistanceMapImageFilter.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sam
{
namespace
{
/** First and last index of a label, in pixels from the first pixel of the image. */
template <unsigned int VDimension>
struct Bounds
{
  itk::Offset<VDimension> first;
  itk::Offset<VDimension> last;
  bool                    empty{ true };

  void
  Include(const itk::Offset<VDimension> & offset)
  {
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      first[d] = empty ? offset[d] : std::min(first[d], offset[d]);
      last[d] = empty ? offset[d] : std::max(last[d], offset[d]);
    }
    empty = false;
  }
};

template <typename TLabelImage>
void
IncludeBounds(const TLabelImage * image, std::map<int, Bounds<TLabelImage::ImageDimension>> & bounds)
{
  const auto region = image->GetLargestPossibleRegion();
  for (itk::ImageScanlineConstIterator<TLabelImage> it(image, region); !it.IsAtEnd(); it.NextLine())
  {
    auto                                     offset = it.GetIndex() - region.GetIndex();
    int                                      run = 0;
    Bounds<TLabelImage::ImageDimension> *    current = nullptr;
    itk::Offset<TLabelImage::ImageDimension> end = offset;
    for (; !it.IsAtEndOfLine(); ++it, ++offset[0])
    {
      if (it.Get() != run)
      {
        if (current)
        {
          current->Include(end);
        }
        run = it.Get();
        const auto found = bounds.find(run);
        current = found == bounds.end() ? nullptr : &found->second;
        if (current)
        {
          current->Include(offset);
        }
      }
      end = offset;
    }
    if (current)
    {
      current->Include(end);
    }
  }
}

template <typename TLabelImage>
std::vector<itk::Offset<TLabelImage::ImageDimension>>
FindSurface(const TLabelImage * image, int label, const Bounds<TLabelImage::ImageDimension> & bounds)
{
  constexpr unsigned int              Dimension = TLabelImage::ImageDimension;
  const auto                          whole = image->GetLargestPossibleRegion();
  typename TLabelImage::RegionType    region;
  std::vector<itk::Offset<Dimension>> surface;
  for (unsigned int d = 0; d < Dimension; ++d)
  {
    region.SetIndex(d, whole.GetIndex(d) + bounds.first[d]);
    region.SetSize(d, bounds.last[d] - bounds.first[d] + 1);
  }
  const auto * strides = image->GetOffsetTable();
  for (itk::ImageRegionConstIteratorWithIndex<TLabelImage> it(image, region); !it.IsAtEnd(); ++it)
  {
    if (it.Get() != label)
    {
      continue;
    }
    const auto   offset = it.GetIndex() - whole.GetIndex();
    const auto * pixel = &it.Value();
    bool         border = false;
    for (unsigned int d = 0; d < Dimension && !border; ++d)
    {
      const auto last = static_cast<itk::OffsetValueType>(whole.GetSize(d)) - 1;
      border = last > 0 && (offset[d] == 0 || offset[d] == last || *(pixel - strides[d]) != label ||
                            *(pixel + strides[d]) != label);
    }
    if (border)
    {
      surface.push_back(offset);
    }
  }
  return surface;
}

/** The distance from each point to the nearest of the targets. */
template <unsigned int VDimension>
std::vector<double>
ComputeDistances(const std::vector<itk::Offset<VDimension>> & points,
                 const std::vector<itk::Offset<VDimension>> & targets,
                 const Bounds<VDimension> &                   bounds,
                 const itk::Vector<double, VDimension> &      spacing)
{
  using MaskType = itk::Image<unsigned char, VDimension>;
  using DistanceType = itk::Image<double, VDimension>;
  auto                          mask = MaskType::New();
  typename MaskType::RegionType region;
  for (unsigned int d = 0; d < VDimension; ++d)
  {
    // The distance map drops pixels whose neighbors all are in the mask: a frame gives every surface pixel one that is
    // not.
    region.SetIndex(d, bounds.first[d] - 1);
    region.SetSize(d, bounds.last[d] - bounds.first[d] + 3);
  }
  mask->SetRegions(region);
  mask->SetSpacing(spacing);
  mask->Allocate(true);
  const auto indexOf = [](const itk::Offset<VDimension> & offset) {
    itk::Index<VDimension> index;
    std::copy(offset.begin(), offset.end(), index.begin());
    return index;
  };
  for (const auto & target : targets)
  {
    mask->SetPixel(indexOf(target), 1);
  }
  auto map = itk::SignedMaurerDistanceMapImageFilter<MaskType, DistanceType>::New();
  map->SetInput(mask);
  map->SetSquaredDistance(true);
  map->SetUseImageSpacing(true);
  map->SetInsideIsPositive(false);
  map->Update();
  std::vector<double> distances;
  distances.reserve(points.size());
  for (const auto & point : points)
  {
    distances.push_back(std::sqrt(std::abs(map->GetOutput()->GetPixel(indexOf(point)))));
  }
  return distances;
}
} // namespace

double
ComputePercentile(std::vector<double> & values, double percent)
{
  const double rank = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto   lower = std::min(static_cast<std::size_t>(rank), values.size() - 1);
  std::nth_element(values.begin(), values.begin() + lower, values.end());
  const double low = values[lower];
  if (lower + 1 == values.size())
  {
    return low;
  }
  const double high = *std::min_element(values.begin() + lower + 1, values.end());
  return low + (high - low) * (rank - static_cast<double>(lower));
}

template <typename TLabelImage>
std::map<int, SurfaceDistance>
ComputeSurfaceDistances(const TLabelImage * prediction, const TLabelImage * reference, const std::vector<int> & labels)
{
  constexpr unsigned int Dimension = TLabelImage::ImageDimension;
  CheckSameGrid<Dimension>(prediction, reference, "prediction", "reference");

  std::map<int, Bounds<Dimension>> allBounds;
  for (const int label : labels)
  {
    allBounds[label];
  }
  IncludeBounds(prediction, allBounds);
  IncludeBounds(reference, allBounds);

  std::map<int, SurfaceDistance> results;
  for (const auto & [label, bounds] : allBounds)
  {
    SurfaceDistance & result = results[label];
    if (bounds.empty)
    {
      continue;
    }
    const auto predictionSurface = FindSurface(prediction, label, bounds);
    const auto referenceSurface = FindSurface(reference, label, bounds);
    result.predictionPixels = predictionSurface.size();
    result.referencePixels = referenceSurface.size();
    if (predictionSurface.empty() || referenceSurface.empty())
    {
      continue;
    }
    const auto & spacing = reference->GetSpacing();
    auto         forth = ComputeDistances<Dimension>(predictionSurface, referenceSurface, bounds, spacing);
    auto         back = ComputeDistances<Dimension>(referenceSurface, predictionSurface, bounds, spacing);
    const double forthSum = std::accumulate(forth.begin(), forth.end(), 0.0);
    const double backSum = std::accumulate(back.begin(), back.end(), 0.0);
    result.mean = (forthSum + backSum) / static_cast<double>(forth.size() + back.size());
    result.toReference = forthSum / static_cast<double>(forth.size());
    result.toPrediction = backSum / static_cast<double>(back.size());
    result.maximum =
      std::max(*std::max_element(forth.begin(), forth.end()), *std::max_element(back.begin(), back.end()));
    result.hd95 = std::max(ComputePercentile(forth, 95.0), ComputePercentile(back, 95.0));
    forth.insert(forth.end(), back.begin(), back.end());
    result.pooled95 = ComputePercentile(forth, 95.0);
  }
  return results;
}

#define SAM_INSTANTIATE(pixel, dimension)                          \
  template std::map<int, SurfaceDistance> ComputeSurfaceDistances( \
    const itk::Image<pixel, dimension> *, const itk::Image<pixel, dimension> *, const std::vector<int> &)
SAM_FOR_EACH_LABEL_IMAGE(SAM_INSTANTIATE);
#undef SAM_INSTANTIATE
} // namespace sam
