// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCubicSpline.h"

#include <cmath>
#include <cstddef>

namespace sam
{
double
CubicSpline(double x)
{
  const double distance = std::abs(x);
  return distance < 1.0   ? 2.0 / 3.0 - distance * distance * (1.0 - 0.5 * distance)
         : distance < 2.0 ? std::pow(2.0 - distance, 3.0) / 6.0
                          : 0.0;
}

std::vector<double>
SplineFilter(int64_t reach)
{
  // The inverse of 1/6, 4/6, 1/6 falls by this factor from place to place.
  const double        factor = std::sqrt(3.0) - 2.0;
  std::vector<double> weights{ 1.0 };
  double              sum = 1.0;
  for (int64_t k = 1; k <= reach; ++k)
  {
    weights.push_back(weights.back() * factor);
    sum += 2.0 * weights.back();
  }
  for (double & weight : weights)
  {
    weight /= sum;
  }
  return weights;
}

std::vector<double>
SplineWeights(double fraction, int64_t reach)
{
  const auto          filter = SplineFilter(reach);
  std::vector<double> weights(static_cast<size_t>(2 * reach + 4), 0.0);
  if (fraction == 0.0)
  {
    // Through the values, also where what follows rounds.
    weights[static_cast<size_t>(reach + 1)] = 1.0;
    return weights;
  }
  for (int64_t coefficient = 0; coefficient < 4; ++coefficient)
  {
    const double share = CubicSpline(fraction + 1.0 - static_cast<double>(coefficient));
    for (int64_t offset = -reach; offset <= reach; ++offset)
    {
      weights[static_cast<size_t>(coefficient + reach + offset)] +=
        share * filter[static_cast<size_t>(std::abs(offset))];
    }
  }
  return weights;
}
} // namespace sam
