// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samGroups_h
#define samGroups_h

#include "samBootstrap.h"
#include "samEvaluation.h"

namespace sam
{
/** \class Estimate
 * \brief A statistic of the cases at hand, and the interval in which it is to be expected for others like them.
 */
struct Estimate
{
  std::optional<double>             value;
  std::optional<ConfidenceInterval> interval; ///< no value where a group has fewer than two values
};

/** \class GroupedMeasure
 * \brief One measure of one label in each group.
 */
struct GroupedMeasure
{
  struct Group
  {
    std::size_t           cases{ 0 }; ///< that have a value
    Estimate              mean;
    std::optional<double> standardDeviation; ///< of the sample (n-1)
    Estimate              drop;              ///< mean of the source minus this mean; no value for the source itself
  };
  std::map<std::string, Group> groups;
  /** Mean of the means of the groups that have one: each group counts the same, however many cases it has. */
  Estimate macroAverage;
};

/** \class GroupReport
 * \brief Measures by group (site, scanner, ...), with intervals by bootstrap over the cases of each group.
 */
struct GroupReport
{
  using Measures = std::map<std::string, GroupedMeasure>; ///< by key in the JSON text: dice, hd95_mm, ...

  BootstrapOptions                   bootstrap;
  std::string                        source; ///< empty: none
  std::map<std::string, std::size_t> cases;  ///< of each group
  LabelTable                         table;
  std::map<int, Measures>            labels;
  Measures                           overall; ///< means over the labels of the groups' means; empty for one label
};

/** The report's cases by their CaseMetrics::group, drops from EvaluationReport::sourceGroup. */
GroupReport
SummarizeGroups(const EvaluationReport & report, const BootstrapOptions & options);

/** As JSON text: bootstrap {resamples, confidence, seed}, source, cases {group: number}, labels {value: {name, measure:
 * {groups {group: {cases, mean, standard_deviation, interval [lower, upper]}}, macro_average {mean, interval}, drops
 * {group: {mean, interval}}}}}, overall {measure: ...}. What has no value is null. */
std::string
ToJson(const GroupReport & report);

/** As a table of text lines. */
std::string
ToTable(const GroupReport & report);
} // namespace sam

#endif
