// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMeasureTable.h"

#include "samCsvFile.h"
#include "samHtmlPage.h"

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
std::string
Field(const std::optional<double> & value)
{
  constexpr int all = 17;
  return value && std::isfinite(*value) ? FormatNumber(*value, all) : std::string();
}
} // namespace

std::string
ToCsv(const EvaluationReport & report)
{
  const bool hasGroups =
    std::any_of(report.cases.begin(), report.cases.end(), [](const auto & item) { return !item.group.empty(); });
  const bool isFlat =
    std::any_of(report.cases.begin(), report.cases.end(), [](const auto & item) { return item.dimension == 2; });
  std::string text =
    std::string("case,") + (hasGroups ? "group," : "") + "label,name,dice,hd95_mm,mean_surface_distance_mm," +
    (isFlat ? "area_prediction_mm2,area_reference_mm2" : "volume_prediction_mm3,volume_reference_mm3") +
    ",relative_volume_difference\n";
  for (const auto & item : report.cases)
  {
    for (const auto & label : report.labels)
    {
      const auto & metrics = item.labels.at(label.value);
      const auto & overlap = metrics.overlap;
      text += QuoteCsvField(item.name) + (hasGroups ? "," + QuoteCsvField(item.group) : std::string()) + "," +
              std::to_string(label.value) + "," + QuoteCsvField(label.name);
      for (const std::optional<double> & value : { overlap.GetDice(),
                                                   metrics.surface.hd95,
                                                   metrics.surface.mean,
                                                   std::optional<double>(overlap.GetPredictionVolume()),
                                                   std::optional<double>(overlap.GetReferenceVolume()),
                                                   overlap.GetRelativeVolumeDifference() })
      {
        text += "," + Field(value);
      }
      text += "\n";
    }
  }
  return text;
}
} // namespace sam
