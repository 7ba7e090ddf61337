// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samStatistics.h"

#include "itkImageScanlineConstIterator.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

struct Accumulator
{
  std::uint64_t         count{ 0 };
  std::array<double, 3> sum{ { 0.0, 0.0, 0.0 } };
  std::array<double, 3> first;
  std::array<double, 3> last;
  double                mean{ 0.0 };
  double                squares{ 0.0 };

  Accumulator()
  {
    first.fill(std::numeric_limits<double>::max());
    last.fill(std::numeric_limits<double>::lowest());
  }
};

Json
ToJsonValue(const std::optional<double> & value)
{
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json
ToJsonValue(const std::array<double, 3> & point, unsigned int dimension)
{
  Json array = Json::array();
  for (unsigned int d = 0; d < dimension; ++d)
  {
    array.push_back(point[d]);
  }
  return array;
}

Json
ToJsonValue(const std::vector<LabelStatistics> & labels, const StatisticsReport & report)
{
  Json array = Json::array();
  for (const auto & label : labels)
  {
    Json item = { { "value", label.value },
                  { "name", GetLabelName(report.table, label.value) },
                  { "voxels", label.voxels },
                  { report.dimension == 3 ? "volume_mm3" : "area_mm2", label.volume },
                  { "centroid_mm", nullptr },
                  { "bounding_box_mm", nullptr },
                  { "mean", ToJsonValue(label.mean) },
                  { "standard_deviation", ToJsonValue(label.standardDeviation) } };
    if (label.centroid)
    {
      item["centroid_mm"] = ToJsonValue(*label.centroid, report.dimension);
      item["bounding_box_mm"] = { { "min", ToJsonValue(*label.boundsMinimum, report.dimension) },
                                  { "max", ToJsonValue(*label.boundsMaximum, report.dimension) } };
    }
    array.push_back(item);
  }
  return array;
}
} // namespace

template <typename TLabelImage>
std::vector<LabelStatistics>
ComputeStatistics(const TLabelImage *                                    labels,
                  const itk::Image<float, TLabelImage::ImageDimension> * image,
                  const std::vector<int> &                               values,
                  const Region *                                         region)
{
  constexpr unsigned int Dimension = TLabelImage::ImageDimension;
  using ImageType = itk::Image<float, Dimension>;
  if (image)
  {
    CheckSameGrid<Dimension>(labels, image, "labels", "image");
  }
  std::map<int, Accumulator> accumulators;
  for (const int value : values)
  {
    accumulators[value];
  }
  itk::ImageScanlineConstIterator<TLabelImage> it(labels, labels->GetLargestPossibleRegion());
  itk::ImageScanlineConstIterator<ImageType>   gray;
  if (image)
  {
    gray = itk::ImageScanlineConstIterator<ImageType>(image, image->GetLargestPossibleRegion());
  }
  for (; !it.IsAtEnd(); it.NextLine())
  {
    int           run = 0;
    Accumulator * current = nullptr;
    for (; !it.IsAtEndOfLine(); ++it)
    {
      const int value = it.Get();
      if (value != run)
      {
        run = value;
        const auto found = value == 0 ? accumulators.end() : accumulators.find(value);
        current = found == accumulators.end() ? nullptr : &found->second;
      }
      if (current)
      {
        typename TLabelImage::PointType point;
        labels->TransformIndexToPhysicalPoint(it.GetIndex(), point);
        if (!region || region->Contains(point))
        {
          ++current->count;
          for (unsigned int d = 0; d < Dimension; ++d)
          {
            current->sum[d] += point[d];
            current->first[d] = std::min(current->first[d], point[d]);
            current->last[d] = std::max(current->last[d], point[d]);
          }
          if (image)
          {
            const double difference = gray.Get() - current->mean;
            current->mean += difference / static_cast<double>(current->count);
            current->squares += difference * (gray.Get() - current->mean);
          }
        }
      }
      if (image)
      {
        ++gray;
      }
    }
    if (image)
    {
      gray.NextLine();
    }
  }

  const auto &          spacing = labels->GetSpacing();
  const auto &          direction = labels->GetDirection();
  double                pixelVolume = 1.0;
  std::array<double, 3> halfExtent{ { 0.0, 0.0, 0.0 } };
  for (unsigned int d = 0; d < Dimension; ++d)
  {
    pixelVolume *= spacing[d];
    for (unsigned int axis = 0; axis < Dimension; ++axis)
    {
      halfExtent[d] += 0.5 * std::abs(direction[d][axis]) * spacing[axis];
    }
  }
  std::vector<LabelStatistics> results;
  for (const int value : values)
  {
    const Accumulator & accumulator = accumulators[value];
    LabelStatistics     result;
    result.value = value;
    result.voxels = accumulator.count;
    const auto n = static_cast<double>(accumulator.count);
    result.volume = n * pixelVolume;
    if (accumulator.count > 0)
    {
      result.centroid.emplace();
      result.boundsMinimum.emplace();
      result.boundsMaximum.emplace();
      for (unsigned int d = 0; d < 3; ++d)
      {
        const bool used = d < Dimension;
        (*result.centroid)[d] = used ? accumulator.sum[d] / n : 0.0;
        (*result.boundsMinimum)[d] = used ? accumulator.first[d] - halfExtent[d] : 0.0;
        (*result.boundsMaximum)[d] = used ? accumulator.last[d] + halfExtent[d] : 0.0;
      }
      if (image)
      {
        result.mean = accumulator.mean;
        if (accumulator.count > 1)
        {
          result.standardDeviation = std::sqrt(accumulator.squares / (n - 1.0));
        }
      }
    }
    results.push_back(result);
  }
  return results;
}

template <typename TLabelImage>
StatisticsReport
MakeStatisticsReport(const TLabelImage *                                    labels,
                     const itk::Image<float, TLabelImage::ImageDimension> * image,
                     const LabelTable &                                     table,
                     const std::vector<Region> &                            regions,
                     const std::string &                                    imageName,
                     const std::string &                                    modelName)
{
  StatisticsReport report;
  report.image = imageName;
  report.model = modelName;
  report.dimension = TLabelImage::ImageDimension;
  report.table = table;
  std::vector<int> values;
  for (const auto & label : table)
  {
    values.push_back(label.value);
  }
  report.labels = ComputeStatistics(labels, image, values);
  if (regions.size() > 1)
  {
    report.regions = regions;
    for (const auto & region : regions)
    {
      report.regionLabels.push_back(ComputeStatistics(labels, image, values, &region));
    }
  }
  return report;
}

std::string
ToJson(const StatisticsReport & report)
{
  Json json = { { "image", report.image }, { "model", report.model } };
  if (!report.version.empty())
  {
    json["version"] = report.version;
    json["models_md5"] = report.modelHashes;
  }
  json["labels"] = ToJsonValue(report.labels, report);
  if (!report.regions.empty())
  {
    Json regions = Json::array();
    for (std::size_t i = 0; i < report.regions.size(); ++i)
    {
      regions.push_back({ { "center_mm", ToJsonValue(report.regions[i].center, report.dimension) },
                          { "size_mm", ToJsonValue(report.regions[i].size, report.dimension) },
                          { "labels", ToJsonValue(report.regionLabels[i], report) } });
    }
    json["regions"] = regions;
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

#define SAM_INSTANTIATE(pixel, dimension)                                                          \
  template std::vector<LabelStatistics> ComputeStatistics(const itk::Image<pixel, dimension> *,    \
                                                          const itk::Image<float, dimension> *,    \
                                                          const std::vector<int> &,                \
                                                          const Region *);                         \
  template StatisticsReport             MakeStatisticsReport(const itk::Image<pixel, dimension> *, \
                                                             const itk::Image<float, dimension> *, \
                                                             const LabelTable &,                   \
                                                             const std::vector<Region> &,          \
                                                             const std::string &,                  \
                                                             const std::string &)
SAM_FOR_EACH_LABEL_IMAGE(SAM_INSTANTIATE);
#undef SAM_INSTANTIATE
} // namespace sam
