// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samGroups.h"

#include "samTextTable.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <functional>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

/** How a measure is found and shown. */
struct Measure
{
  std::string                                                  key;
  std::string                                                  title;
  double                                                       factor; ///< of the number that is shown
  int                                                          digits;
  std::function<std::optional<double>(const LabelMetrics & m)> get;
};

const std::vector<Measure>
  measures{ { "dice", "Dice", 1.0, 4, [](const auto & m) { return m.overlap.GetDice(); } },
            { "hd95_mm", "HD95 mm", 1.0, 2, [](const auto & m) { return m.surface.hd95; } },
            { "mean_surface_distance_mm", "MSD mm", 1.0, 3, [](const auto & m) { return m.surface.mean; } },
            { "relative_volume_difference", "volume %", 100.0, 1, [](const auto & m) {
               return m.overlap.GetRelativeVolumeDifference();
             } } };

/** What a statistic is for the cases at hand and for each resample of them; no resamples: no interval. */
struct Statistic
{
  std::optional<double> value;
  std::vector<double>   resamples;
};

/** The sum of the factors times the statistics; those without a value are not in it. */
Statistic
Combine(const std::vector<std::pair<double, const Statistic *>> & terms)
{
  Statistic result;
  bool      isComplete = true;
  for (const auto & [factor, term] : terms)
  {
    result.value = result.value.value_or(0.0) + factor * term->value.value();
    isComplete = isComplete && !term->resamples.empty();
    result.resamples.resize(term->resamples.size(), 0.0);
    for (std::size_t k = 0; k < term->resamples.size(); ++k)
    {
      result.resamples[k] += factor * term->resamples[k];
    }
  }
  if (!isComplete)
  {
    result.resamples.clear();
  }
  return result;
}

/** The mean of those that have a value. */
Statistic
Average(const std::vector<const Statistic *> & statistics)
{
  std::vector<std::pair<double, const Statistic *>> terms;
  for (const auto * statistic : statistics)
  {
    if (statistic->value)
    {
      terms.emplace_back(1.0, statistic);
    }
  }
  for (auto & term : terms)
  {
    term.first /= static_cast<double>(terms.size());
  }
  return Combine(terms);
}

Estimate
MakeEstimate(const Statistic & statistic, const Bootstrap & bootstrap)
{
  return { statistic.value, bootstrap.ComputeInterval(statistic.resamples) };
}

/** Means, macro average and drops of one measure; \a means by group. */
GroupedMeasure
Compare(const std::map<std::string, Statistic> & means, const std::string & source, const Bootstrap & bootstrap)
{
  GroupedMeasure                 result;
  std::vector<const Statistic *> all;
  for (const auto & [name, mean] : means)
  {
    all.push_back(&mean);
    auto & group = result.groups[name];
    group.mean = MakeEstimate(mean, bootstrap);
    if (!source.empty() && name != source && mean.value && means.at(source).value)
    {
      group.drop = MakeEstimate(Combine({ { 1.0, &means.at(source) }, { -1.0, &mean } }), bootstrap);
    }
  }
  result.macroAverage = MakeEstimate(Average(all), bootstrap);
  return result;
}

Json
ToJsonValue(const std::optional<double> & value)
{
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json
ToJsonValue(const std::optional<ConfidenceInterval> & interval)
{
  return interval ? Json{ interval->lower, interval->upper } : Json(nullptr);
}

Json
ToJsonValue(const Estimate & estimate)
{
  return { { "mean", ToJsonValue(estimate.value) }, { "interval", ToJsonValue(estimate.interval) } };
}

Json
ToJsonValue(const GroupReport::Measures & grouped, const std::string & source)
{
  Json json = Json::object();
  for (const auto & measure : measures)
  {
    const auto & item = grouped.at(measure.key);
    Json         groups = Json::object();
    Json         drops = Json::object();
    for (const auto & [name, group] : item.groups)
    {
      groups[name] = { { "cases", group.cases },
                       { "mean", ToJsonValue(group.mean.value) },
                       { "standard_deviation", ToJsonValue(group.standardDeviation) },
                       { "interval", ToJsonValue(group.mean.interval) } };
      if (!source.empty() && name != source)
      {
        drops[name] = ToJsonValue(group.drop);
      }
    }
    auto & entry = json[measure.key];
    entry = { { "groups", groups }, { "macro_average", ToJsonValue(item.macroAverage) } };
    if (!source.empty())
    {
      entry["drops"] = drops;
    }
  }
  return json;
}
} // namespace

GroupReport
SummarizeGroups(const EvaluationReport & report, const BootstrapOptions & options)
{
  std::map<std::string, std::vector<const CaseMetrics *>> groups;
  for (const auto & item : report.cases)
  {
    groups[item.group].push_back(&item);
  }
  GroupReport result;
  result.bootstrap = options;
  result.source = report.sourceGroup;
  result.table = report.labels;
  std::vector<std::size_t> sizes;
  for (const auto & [name, cases] : groups)
  {
    result.cases[name] = cases.size();
    sizes.push_back(cases.size());
  }
  const Bootstrap bootstrap(sizes, options);
  for (const auto & measure : measures)
  {
    std::map<std::string, std::vector<Statistic>> ofLabels; // by group
    for (const auto & label : report.labels)
    {
      std::map<std::string, Statistic> means;
      std::map<std::string, Summary>   summaries;
      std::size_t                      place = 0;
      for (const auto & [name, cases] : groups)
      {
        std::vector<std::optional<double>> values;
        for (const auto * item : cases)
        {
          const auto found = item->labels.find(label.value);
          values.push_back(found == item->labels.end() ? std::nullopt : measure.get(found->second));
        }
        summaries[name] = Summarize(values);
        means[name].value = summaries[name].mean;
        if (summaries[name].cases > 1)
        {
          means[name].resamples = bootstrap.ComputeMeans(place, values);
        }
        ofLabels[name].push_back(means[name]);
        ++place;
      }
      auto & grouped = result.labels[label.value][measure.key];
      grouped = Compare(means, result.source, bootstrap);
      for (auto & [name, group] : grouped.groups)
      {
        group.cases = summaries[name].cases;
        group.standardDeviation = summaries[name].standardDeviation;
      }
    }
    if (report.labels.size() > 1)
    {
      std::map<std::string, Statistic> means;
      for (const auto & [name, statistics] : ofLabels)
      {
        std::vector<const Statistic *> all;
        for (const auto & statistic : statistics)
        {
          all.push_back(&statistic);
        }
        means[name] = Average(all);
      }
      auto & grouped = result.overall[measure.key];
      grouped = Compare(means, result.source, bootstrap);
      for (auto & [name, group] : grouped.groups)
      {
        group.cases = result.cases[name];
      }
    }
  }
  return result;
}

std::string
ToJson(const GroupReport & report)
{
  Json labels = Json::object();
  for (const auto & label : report.table)
  {
    Json item{ { "name", label.name } };
    item.update(ToJsonValue(report.labels.at(label.value), report.source));
    labels[std::to_string(label.value)] = item;
  }
  Json json = { { "bootstrap",
                  { { "resamples", report.bootstrap.resamples },
                    { "confidence", report.bootstrap.confidence },
                    { "seed", report.bootstrap.seed } } },
                { "source", report.source.empty() ? Json(nullptr) : Json(report.source) },
                { "cases", report.cases },
                { "labels", labels } };
  if (!report.overall.empty())
  {
    json["overall"] = ToJsonValue(report.overall, report.source);
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string
ToTable(const GroupReport & report)
{
  const auto                            interval = FormatNumber(100.0 * report.bootstrap.confidence, 0) + " % interval";
  std::vector<std::vector<std::string>> rows{ { "label", "measure", "group", "cases", "mean", "sd", interval } };
  if (!report.source.empty())
  {
    rows.front().push_back("drop from " + report.source);
    rows.front().push_back(interval);
  }
  const auto add = [&](const std::string & label, const GroupReport::Measures & grouped) {
    for (const auto & measure : measures)
    {
      const auto & item = grouped.at(measure.key);
      const auto   number = [&measure](std::optional<double> value) {
        value = value ? std::optional<double>(measure.factor * *value) : value;
        return FormatNumber(value, measure.digits);
      };
      const auto between = [&number](const std::optional<ConfidenceInterval> & ends) {
        return ends ? number(ends->lower) + " to " + number(ends->upper) : "-";
      };
      for (const auto & [name, group] : item.groups)
      {
        rows.push_back({ label,
                         measure.title,
                         name,
                         std::to_string(group.cases),
                         number(group.mean.value),
                         number(group.standardDeviation),
                         between(group.mean.interval) });
        if (!report.source.empty())
        {
          const bool isSource = name == report.source;
          rows.back().push_back(isSource ? "" : number(group.drop.value));
          rows.back().push_back(isSource ? "" : between(group.drop.interval));
        }
      }
      rows.push_back({ label,
                       measure.title,
                       "macro average",
                       "",
                       number(item.macroAverage.value),
                       "",
                       between(item.macroAverage.interval) });
      rows.back().resize(rows.front().size());
    }
  };
  for (const auto & label : report.table)
  {
    const auto value = std::to_string(label.value);
    add(label.name == value ? value : value + " " + label.name, report.labels.at(label.value));
  }
  if (!report.overall.empty())
  {
    add("mean of labels", report.overall);
  }
  return AlignColumns(rows, false);
}
} // namespace sam
