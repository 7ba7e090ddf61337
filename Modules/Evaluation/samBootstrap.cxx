// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samBootstrap.h"

#include "samRandomStream.h"
#include "samSurfaceDistance.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sam
{
Bootstrap::Bootstrap(const std::vector<std::size_t> & sizes, const BootstrapOptions & options)
  : m_Options(options)
  , m_Sizes(sizes)
{}

std::vector<double>
Bootstrap::ComputeMeans(std::size_t group, const std::vector<std::optional<double>> & values) const
{
  // Drawn anew for each measure: the draws of thousands of cases would take more memory than all else.
  auto                random = RandomStream::OfItem(m_Options.seed, 0, group);
  const auto          last = static_cast<std::int64_t>(m_Sizes[group]) - 1;
  std::vector<double> means;
  for (std::size_t resample = 0; resample < m_Options.resamples; ++resample)
  {
    double      sum = 0.0;
    std::size_t count = 0;
    for (std::size_t k = 0; k < m_Sizes[group]; ++k)
    {
      const auto & value = values[static_cast<std::size_t>(random.Integer(0, last))];
      sum += value.value_or(0.0);
      count += value.has_value();
    }
    means.push_back(count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN());
  }
  return means;
}

std::optional<ConfidenceInterval>
Bootstrap::ComputeInterval(std::vector<double> statistics) const
{
  statistics.erase(std::remove_if(statistics.begin(), statistics.end(), [](double value) { return std::isnan(value); }),
                   statistics.end());
  if (statistics.empty())
  {
    return std::nullopt;
  }
  const double outside = 50.0 * (1.0 - m_Options.confidence); // percent at either end
  return ConfidenceInterval{ ComputePercentile(statistics, outside), ComputePercentile(statistics, 100.0 - outside) };
}
} // namespace sam
