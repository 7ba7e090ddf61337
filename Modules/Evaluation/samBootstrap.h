// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samBootstrap_h
#define samBootstrap_h

#include <cstdint>
#include <optional>
#include <vector>

namespace sam
{
/** \class BootstrapOptions
 * \brief How often is drawn, and how much of what was drawn an interval holds.
 */
struct BootstrapOptions
{
  std::size_t   resamples{ 10000 };
  double        confidence{ 0.95 };
  std::uint64_t seed{ 0 };
};

/** \class ConfidenceInterval
 * \brief Both ends belong to it.
 */
struct ConfidenceInterval
{
  double lower{ 0.0 };
  double upper{ 0.0 };
};

/** \class Bootstrap
 * \brief Cases of groups drawn with replacement, each group as often as it has cases (Efron and Tibshirani, An
 * Introduction to the Bootstrap, 1993, section 8.3).
 *
 * All measures see the same draws, so statistics of several of them, and of several groups, can be computed resample by
 * resample. The draws of a group depend on the seed, on its place and on its size.
 */
class Bootstrap
{
public:
  /** \a sizes are the numbers of cases of the groups. */
  Bootstrap(const std::vector<std::size_t> & sizes, const BootstrapOptions & options);

  /** The mean of each resample of a group; NaN where none of the cases drawn has a value. \a values has one entry for
   * each case. */
  std::vector<double>
  ComputeMeans(std::size_t group, const std::vector<std::optional<double>> & values) const;

  /** From the percentile (1 - confidence) / 2 to its counterpart of what a statistic is over the resamples; NaN is left
   * out. No value when nothing remains. */
  std::optional<ConfidenceInterval>
  ComputeInterval(std::vector<double> statistics) const;

private:
  BootstrapOptions         m_Options;
  std::vector<std::size_t> m_Sizes;
};
} // namespace sam

#endif
