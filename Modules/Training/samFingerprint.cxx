// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samFingerprint.h"

#include "samCaseReader.h"
#include "samError.h"
#include "samSurfaceDistance.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

namespace sam
{
namespace
{
constexpr size_t samplesPerCase = 10000; // as nnU-Net
constexpr double lowerFraction = 0.005;
constexpr double upperFraction = 0.995;
} // namespace

double
Percentile(std::vector<double> values, double fraction)
{
  if (values.empty())
  {
    throw Error("percentile of no values");
  }
  return ComputePercentile(values, 100.0 * fraction);
}

bool
HasAbsoluteIntensities(const std::string & channel)
{
  std::string word = channel;
  std::transform(word.begin(), word.end(), word.begin(), [](unsigned char letter) { return std::tolower(letter); });
  return word == "ct" || word == "cbct";
}

DatasetFingerprint
ReadFingerprint(const Dataset &                          dataset,
                const std::vector<const DatasetCase *> & cases,
                const std::function<void(double)> &      progress)
{
  DatasetFingerprint fingerprint;
  const size_t       channels = dataset.channels.size();
  fingerprint.intensities.resize(channels);
  std::vector<std::vector<double>> samples(channels);
  const bool readsPixels = std::any_of(dataset.channels.begin(), dataset.channels.end(), &HasAbsoluteIntensities);
  for (size_t k = 0; k < cases.size(); ++k)
  {
    const auto extent = ReadImageExtent(cases[k]->images.front());
    fingerprint.spacings.push_back(extent.spacing);
    fingerprint.extents.push_back(extent.extent);
    fingerprint.oblique += extent.isOblique ? 1 : 0;
    for (const size_t axis : { 2, 1, 0 })
    {
      if (HasOneVoxel(extent.extent[axis], extent.spacing[axis]))
      {
        const std::array<const char *, 3> across{ "PSL", "LSP", "LPS" };
        fingerprint.contents.push_back(ReadContent(*cases[k], channels, across[axis]));
        break;
      }
    }
    if (readsPixels)
    {
      const auto values = ReadForeground(dataset, *cases[k], samplesPerCase);
      for (size_t channel = 0; channel < channels; ++channel)
      {
        if (HasAbsoluteIntensities(dataset.channels[channel]))
        {
          samples[channel].insert(samples[channel].end(), values[channel].begin(), values[channel].end());
        }
      }
    }
    if (progress)
    {
      progress(static_cast<double>(k + 1) / static_cast<double>(cases.size()));
    }
  }
  for (size_t channel = 0; channel < channels; ++channel)
  {
    const auto & values = samples[channel];
    if (values.empty())
    {
      continue;
    }
    auto &     intensity = fingerprint.intensities[channel];
    const auto count = static_cast<double>(values.size());
    intensity.samples = static_cast<int64_t>(values.size());
    intensity.mean = std::accumulate(values.begin(), values.end(), 0.0) / count;
    double squares = 0.0;
    for (const double value : values)
    {
      squares += (value - intensity.mean) * (value - intensity.mean);
    }
    intensity.deviation = std::sqrt(squares / count);
    intensity.lower = Percentile(values, lowerFraction);
    intensity.upper = Percentile(values, upperFraction);
  }
  return fingerprint;
}
} // namespace sam
