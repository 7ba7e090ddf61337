// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samEvaluation.h"
#include "samDescribedLabels.h"
#include "samError.h"
#include "samGroups.h"
#include "samText.h"
#include "samTextTable.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <set>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

// Longest first, so that ".nii.gz" wins over ".gz".
const std::vector<std::string> imageExtensions{ ".nii.gz", ".gipl.gz", ".img.gz", ".nii", ".nrrd", ".nhdr",
                                                ".mha",    ".mhd",     ".gipl",   ".hdr", ".png",  ".tiff",
                                                ".tif",    ".bmp",     ".vtk",    ".mgz" };

/** Length of the image extension of a file name, 0 when it has none. */
std::size_t
GetExtensionLength(const std::string & name)
{
  const std::string lower = ToLower(name);
  for (const auto & extension : imageExtensions)
  {
    if (lower.size() > extension.size() &&
        lower.compare(lower.size() - extension.size(), extension.size(), extension) == 0)
    {
      return extension.size();
    }
  }
  return 0;
}

/** The images of a folder by their names without extension. */
std::map<std::string, std::string>
ListImages(const std::string & folder)
{
  std::map<std::string, std::string> images;
  for (const auto & entry : std::filesystem::directory_iterator(folder))
  {
    const std::string file = entry.path().filename().string();
    if (file.front() == '.' || GetExtensionLength(file) == 0 || !entry.is_regular_file())
    {
      continue;
    }
    const auto [place, isNew] = images.emplace(GetCaseName(file), entry.path().string());
    if (!isNew)
    {
      const std::string other = entry.path().string();
      throw Error(std::min(place->second, other) + " and " + std::max(place->second, other) +
                  ": two files for one case, expected one");
    }
  }
  return images;
}

template <unsigned int VDimension>
CaseMetrics
EvaluateCase(LabelImage<VDimension> *  predictionImage,
             LabelImage<VDimension> *  referenceImage,
             const std::string &       prediction,
             const std::string &       reference,
             const EvaluationOptions & options)
{
  CheckSameGrid<VDimension>(predictionImage, referenceImage, prediction, reference);
  SelectLabels(predictionImage, options.predictionMap, options.regions);
  SelectLabels(referenceImage, options.referenceMap, options.regions);

  auto        labels = GetAskedLabels(options);
  CaseMetrics result;
  result.prediction = prediction;
  result.reference = reference;
  result.dimension = VDimension;
  for (const auto & [label, overlap] : ComputeOverlap<LabelImage<VDimension>>(predictionImage, referenceImage, labels))
  {
    result.labels[label].overlap = overlap;
  }
  if (labels.empty())
  {
    for (const auto & item : result.labels)
    {
      labels.push_back(item.first);
    }
  }
  for (const auto & [label, surface] :
       ComputeSurfaceDistances<LabelImage<VDimension>>(predictionImage, referenceImage, labels))
  {
    result.labels[label].surface = surface;
  }
  return result;
}

template <unsigned int VDimension>
CaseMetrics
EvaluateFiles(const std::string & prediction, const std::string & reference, const EvaluationOptions & options)
{
  const auto predictionImage = ReadLabelImage<VDimension>(prediction);
  const auto referenceImage = ReadLabelImage<VDimension>(reference);
  return EvaluateCase<VDimension>(predictionImage, referenceImage, prediction, reference, options);
}

/** Which labels the report has, and their summaries. */
void
SummarizeLabels(EvaluationReport & report, const EvaluationOptions & options)
{
  std::set<int> found;
  for (const auto & item : report.cases)
  {
    for (const auto & [label, metrics] : item.labels)
    {
      if (!metrics.overlap.IsEmpty())
      {
        found.insert(label);
      }
    }
  }
  auto values = GetAskedLabels(options);
  if (values.empty())
  {
    values.assign(found.begin(), found.end());
  }
  report.labels = MakeLabelTable(values);
  for (auto & label : report.labels)
  {
    label.name = GetLabelName(options.table, label.value);
    if (found.find(label.value) == found.end() && options.warning)
    {
      options.warning("label " + std::to_string(label.value) + " is in none of the images");
    }
    // A label that other cases have is empty in the cases that do not have it.
    for (auto & item : report.cases)
    {
      item.labels[label.value];
    }
  }
  SummarizeCases(report);
}

/** The group of each case; all are empty without a table. */
std::map<std::string, std::string>
FindGroups(const std::map<std::string, std::string> & references, const EvaluationOptions & options)
{
  std::map<std::string, std::string> groups;
  std::set<std::string>              found;
  for (const auto & [name, file] : references)
  {
    groups[name] = options.groups ? options.groups->GetSite(name) : std::string();
    found.insert(groups[name]);
  }
  if (options.groups && !options.sourceGroup.empty() && found.count(options.sourceGroup) == 0)
  {
    throw Error(options.groups->GetPath() + ": no case is of the source group '" + options.sourceGroup +
                "', expected one of " + JoinNames(std::vector<std::string>(found.begin(), found.end())));
  }
  return groups;
}

/** The mean of the values that there are. */
std::optional<double>
Mean(const std::vector<std::optional<double>> & values)
{
  return Summarize(values).mean;
}

Json
ToJsonValue(const std::optional<double> & value)
{
  return value && std::isfinite(*value) ? Json(*value) : Json(nullptr);
}

Json
ToJsonValue(const Summary & summary)
{
  return { { "cases", summary.cases },
           { "mean", ToJsonValue(summary.mean) },
           { "standard_deviation", ToJsonValue(summary.standardDeviation) },
           { "median", ToJsonValue(summary.median) },
           { "min", ToJsonValue(summary.minimum) },
           { "max", ToJsonValue(summary.maximum) } };
}
} // namespace

std::map<std::string, std::string>
ListLabelImages(const std::string & path)
{
  if (!std::filesystem::exists(path))
  {
    throw Error(path + ": no such file or folder");
  }
  if (!std::filesystem::is_directory(path))
  {
    return { { GetCaseName(path), path } };
  }
  auto images = ListImages(path);
  if (images.empty())
  {
    throw Error(path + ": no image in this folder, expected label images");
  }
  return images;
}

std::string
GetCaseName(const std::string & path)
{
  const std::filesystem::path whole(path);
  const bool                  endsWithSlash = !whole.has_filename();
  const std::string           file = (endsWithSlash ? whole.parent_path() : whole).filename().string();
  return file.substr(0, file.size() - GetExtensionLength(file));
}

Summary
Summarize(const std::vector<std::optional<double>> & values)
{
  std::vector<double> present;
  for (const auto & value : values)
  {
    if (value)
    {
      present.push_back(*value);
    }
  }
  Summary summary;
  summary.cases = present.size();
  if (present.empty())
  {
    return summary;
  }
  const auto   n = static_cast<double>(present.size());
  const double mean = std::accumulate(present.begin(), present.end(), 0.0) / n;
  summary.mean = mean;
  if (present.size() > 1)
  {
    double squares = 0.0;
    for (const double value : present)
    {
      squares += (value - mean) * (value - mean);
    }
    summary.standardDeviation = std::sqrt(squares / (n - 1.0));
  }
  summary.minimum = *std::min_element(present.begin(), present.end());
  summary.maximum = *std::max_element(present.begin(), present.end());
  summary.median = ComputePercentile(present, 50.0);
  return summary;
}

std::vector<int>
GetAskedLabels(const EvaluationOptions & options)
{
  std::vector<int> labels;
  for (const int label : options.labels)
  {
    if (std::count(labels.begin(), labels.end(), label) == 0) // once, however often it is named
    {
      labels.push_back(label);
    }
  }
  for (size_t k = 0; options.labels.empty() && k < options.table.size(); ++k)
  {
    labels.push_back(options.table[k].value);
  }
  return labels;
}

void
NameLabels(EvaluationReport & report, const EvaluationOptions & options)
{
  if (!options.table.empty())
  {
    return;
  }
  std::set<int> unnamed;
  for (const auto & label : report.labels)
  {
    unnamed.insert(label.value);
  }
  const auto name = [&](const std::string & file, const std::map<int, int> & map) {
    if (file.empty() || !map.empty())
    {
      return;
    }
    for (const auto & described : ReadDescribedLabels(file))
    {
      for (auto & label : report.labels)
      {
        if (label.value == described.value && unnamed.erase(label.value) > 0)
        {
          label = described;
        }
      }
    }
  };
  for (auto item = report.cases.begin(); item != report.cases.end() && !unnamed.empty(); ++item)
  {
    name(item->reference, options.referenceMap);
    name(item->prediction, options.predictionMap);
  }
}

void
SummarizeCases(EvaluationReport & report)
{
  report.summaries.clear();
  std::vector<std::optional<double>> dices;
  std::vector<std::optional<double>> hd95s;
  std::vector<std::optional<double>> means;
  for (const auto & label : report.labels)
  {
    LabelSummary                       summary;
    std::vector<std::optional<double>> dice;
    std::vector<std::optional<double>> hd95;
    std::vector<std::optional<double>> mean;
    std::vector<std::optional<double>> difference;
    for (const auto & item : report.cases)
    {
      const auto &         found = item.labels.find(label.value);
      const LabelMetrics & metrics = found == item.labels.end() ? LabelMetrics{} : found->second;
      ++summary.cases;
      summary.empty += metrics.overlap.IsEmpty();
      summary.missed += metrics.overlap.prediction == 0 && metrics.overlap.reference > 0;
      summary.spurious += metrics.overlap.prediction > 0 && metrics.overlap.reference == 0;
      dice.push_back(metrics.overlap.GetDice());
      hd95.push_back(metrics.surface.hd95);
      mean.push_back(metrics.surface.mean);
      difference.push_back(metrics.overlap.GetRelativeVolumeDifference());
    }
    summary.dice = Summarize(dice);
    summary.hd95 = Summarize(hd95);
    summary.meanSurfaceDistance = Summarize(mean);
    summary.relativeVolumeDifference = Summarize(difference);
    dices.push_back(summary.dice.mean);
    hd95s.push_back(summary.hd95.mean);
    means.push_back(summary.meanSurfaceDistance.mean);
    report.summaries[label.value] = summary;
  }
  report.dice = Mean(dices);
  report.hd95 = Mean(hd95s);
  report.meanSurfaceDistance = Mean(means);
}

EvaluationReport
Evaluate(const std::string & prediction, const std::string & reference, const EvaluationOptions & options)
{
  for (const auto & path : { prediction, reference })
  {
    if (!std::filesystem::exists(path))
    {
      throw Error(path + ": no such file or folder");
    }
  }
  const bool folders = std::filesystem::is_directory(reference);
  if (std::filesystem::is_directory(prediction) != folders)
  {
    throw Error(prediction + " and " + reference + ": a file and a folder, expected two files or two folders");
  }
  const auto warn = [&options](const std::string & text) {
    if (options.warning)
    {
      options.warning(text);
    }
  };

  EvaluationReport report;
  report.prediction = prediction;
  report.reference = reference;
  std::map<std::string, std::string> references;
  std::map<std::string, std::string> predictions;
  if (folders)
  {
    references = ListImages(reference);
    predictions = ListImages(prediction);
    if (references.empty())
    {
      throw Error(reference + ": no image in this folder, expected reference label images");
    }
    for (const auto & [name, file] : references)
    {
      if (predictions.find(name) == predictions.end())
      {
        throw Error(prediction + ": no prediction for " + std::filesystem::path(file).filename().string() +
                    ", expected an image of this name");
      }
    }
    for (const auto & [name, file] : predictions)
    {
      if (references.find(name) == references.end())
      {
        report.extraPredictions.push_back(file);
        warn(file + ": has no reference in " + reference + " and is not counted");
      }
    }
  }
  else
  {
    references[GetCaseName(reference)] = reference;
    predictions[GetCaseName(reference)] = prediction;
  }

  report.sourceGroup = options.sourceGroup;
  const auto groups = FindGroups(references, options);

  for (const auto & [name, file] : references)
  {
    if (options.progress)
    {
      options.progress(report.cases.size(), references.size(), name);
    }
    const std::string & predicted = predictions.at(name);
    const unsigned int  dimension = ReadImageDimension(file);
    report.cases.push_back(dimension == 2 ? EvaluateFiles<2>(predicted, file, options)
                                          : EvaluateFiles<3>(predicted, file, options));
    report.cases.back().name = name;
    report.cases.back().group = groups.at(name);
  }
  SummarizeLabels(report, options);
  NameLabels(report, options);
  return report;
}

template <unsigned int VDimension>
EvaluationReport
EvaluateImages(LabelImage<VDimension> *  prediction,
               LabelImage<VDimension> *  reference,
               const EvaluationOptions & options)
{
  EvaluationReport report;
  report.cases.push_back(EvaluateCase<VDimension>(prediction, reference, "the prediction", "the reference", options));
  SummarizeLabels(report, options);
  return report;
}

template EvaluationReport
EvaluateImages<2>(LabelImage<2> *, LabelImage<2> *, const EvaluationOptions &);
template EvaluationReport
EvaluateImages<3>(LabelImage<3> *, LabelImage<3> *, const EvaluationOptions &);

std::string
ToJson(const EvaluationReport & report, const GroupReport * groups)
{
  Json labels = Json::array();
  Json summaries = Json::object();
  for (const auto & label : report.labels)
  {
    labels.push_back({ { "value", label.value }, { "name", label.name } });
    const auto & summary = report.summaries.at(label.value);
    summaries[std::to_string(label.value)] = { { "name", label.name },
                                               { "cases", summary.cases },
                                               { "empty_cases", summary.empty },
                                               { "missed_cases", summary.missed },
                                               { "spurious_cases", summary.spurious },
                                               { "dice", ToJsonValue(summary.dice) },
                                               { "hd95_mm", ToJsonValue(summary.hd95) },
                                               { "mean_surface_distance_mm", ToJsonValue(summary.meanSurfaceDistance) },
                                               { "relative_volume_difference",
                                                 ToJsonValue(summary.relativeVolumeDifference) } };
  }
  Json cases = Json::array();
  for (const auto & item : report.cases)
  {
    const bool volume = item.dimension == 3;
    Json       metrics = Json::object();
    for (const auto & [label, values] : item.labels)
    {
      metrics[std::to_string(label)] = {
        { "dice", ToJsonValue(values.overlap.GetDice()) },
        { "hd95_mm", ToJsonValue(values.surface.hd95) },
        { "mean_surface_distance_mm", ToJsonValue(values.surface.mean) },
        { volume ? "volume_prediction_mm3" : "area_prediction_mm2", values.overlap.GetPredictionVolume() },
        { volume ? "volume_reference_mm3" : "area_reference_mm2", values.overlap.GetReferenceVolume() },
        { "relative_volume_difference", ToJsonValue(values.overlap.GetRelativeVolumeDifference()) }
      };
    }
    cases.push_back({ { "name", item.name }, { "prediction", item.prediction }, { "reference", item.reference } });
    if (groups != nullptr)
    {
      cases.back()["group"] = item.group;
    }
    cases.back()["labels"] = metrics;
  }
  Json json = {
    { "prediction", report.prediction },
    { "reference", report.reference },
    { "labels", labels },
    { "overall",
      { { "cases", report.cases.size() },
        { "dice", ToJsonValue(report.dice) },
        { "hd95_mm", ToJsonValue(report.hd95) },
        { "mean_surface_distance_mm", ToJsonValue(report.meanSurfaceDistance) } } },
    { "summary", summaries },
    { "cases", cases },
    { "predictions_without_reference", report.extraPredictions },
  };
  if (groups != nullptr)
  {
    json["groups"] = Json::parse(ToJson(*groups));
  }
  // File names need not be UTF-8.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string
ToTable(const EvaluationReport & report)
{
  std::vector<std::vector<std::string>> rows{
    { "label", "cases", "empty", "missed", "Dice", "sd", "median", "min", "HD95 mm", "sd", "MSD mm", "sd", "volume" }
  };
  for (const auto & label : report.labels)
  {
    const auto & summary = report.summaries.at(label.value);
    const auto   value = std::to_string(label.value);
    const auto & difference = summary.relativeVolumeDifference.mean;
    const bool   grows = difference && *difference >= 0.0;
    rows.push_back({ label.name == value ? value : value + " " + label.name,
                     std::to_string(summary.cases),
                     std::to_string(summary.empty),
                     std::to_string(summary.missed),
                     FormatNumber(summary.dice.mean, 4),
                     FormatNumber(summary.dice.standardDeviation, 4),
                     FormatNumber(summary.dice.median, 4),
                     FormatNumber(summary.dice.minimum, 4),
                     FormatNumber(summary.hd95.mean, 2),
                     FormatNumber(summary.hd95.standardDeviation, 2),
                     FormatNumber(summary.meanSurfaceDistance.mean, 3),
                     FormatNumber(summary.meanSurfaceDistance.standardDeviation, 3),
                     difference ? (grows ? "+" : "") + FormatNumber(100.0 * *difference, 1) + "%" : "-" });
  }
  rows.push_back({ "mean of labels",
                   std::to_string(report.cases.size()),
                   "",
                   "",
                   FormatNumber(report.dice, 4),
                   "",
                   "",
                   "",
                   FormatNumber(report.hd95, 2),
                   "",
                   FormatNumber(report.meanSurfaceDistance, 3),
                   "",
                   "" });
  return AlignColumns(rows, true);
}
} // namespace sam
