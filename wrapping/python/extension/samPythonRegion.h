// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPythonRegion_h
#define samPythonRegion_h

#include "samPythonImage.h"

#include "samError.h"
#include "samRegion.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

/** Regions of interest, as Python gives them. */
namespace sam
{
/** Center and size in mm. */
using PythonRegion = std::pair<std::vector<double>, std::vector<double>>;

/** \throws Error when there are not as many numbers as an image has dimensions, or no box. */
inline std::vector<Region>
ToRegions(const std::vector<PythonRegion> & regions)
{
  std::vector<Region> boxes;
  for (const auto & [center, size] : regions)
  {
    if (center.size() != size.size() || center.size() < 2 || center.size() > 3)
    {
      throw Error("region: " + std::to_string(center.size()) + " and " + std::to_string(size.size()) +
                  " numbers, expected a center and a size of the image's dimension");
    }
    const auto isLength = [](double mm) { return mm > 0.0 && std::isfinite(mm); };
    if (!std::all_of(center.begin(), center.end(), [](double mm) { return std::isfinite(mm); }) ||
        !std::all_of(size.begin(), size.end(), isLength))
    {
      throw Error("region: a number is not finite, or a size not positive, expected a box in mm");
    }
    Region box;
    std::copy(center.begin(), center.end(), box.center.begin());
    std::copy(size.begin(), size.end(), box.size.begin());
    boxes.push_back(box);
  }
  return boxes;
}

/** \throws Error when one is not of the filter's dimension. */
template <typename TFilter>
void
AddRegions(TFilter * filter, const std::vector<PythonRegion> & regions)
{
  for (const auto & [center, size] : regions)
  {
    filter->AddRegionOfInterest(MakePoint<typename TFilter::PointType>(center, "center of the region"),
                                MakePoint<typename TFilter::VectorType>(size, "size of the region"));
  }
}
} // namespace sam

#endif
