// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortReport.h"

#include "samError.h"
#include "samHtmlPage.h"
#include "samImageFile.h"
#include "samMarkup.h"

#include "itkImageFileReader.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <locale>
#include <numeric>
#include <sstream>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

std::string
Fixed(double value, int decimals)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(decimals);
  text << std::fixed << value;
  return text.str();
}

/** A table cell; empty where there is no value. */
std::string
Cell(const std::optional<double> & value, int decimals = 2, double unit = 1.0)
{
  constexpr int all = 17;
  return value ? "<td data-value=\"" + FormatNumber(*value, all) + "\">" + Fixed(*value / unit, decimals) + "</td>"
               : "<td></td>";
}

/** The same of a Dice, with a bar. */
std::string
DiceCell(const std::optional<double> & value)
{
  const auto cell = Cell(value, 3);
  return value ? "<td class=\"bar\" style=\"--share:" + Fixed(100.0 * *value, 1) + "%\"" + cell.substr(3) : cell;
}

std::string
Swatch(const LabelDescription & label)
{
  return "<span class=\"swatch\" style=\"background:" + ToCss(label.color) + "\"></span>" + EscapeMarkup(label.name);
}

/** Volumes of whole organs are in ml, those of small ones in mm³, areas in mm². */
struct VolumeUnit
{
  double      size{ 1.0 };
  int         decimals{ 0 };
  std::string name;
  std::string quantity{ "volume" };

  explicit VolumeUnit(const EvaluationReport & report)
  {
    double largest = 0.0;
    bool   isFlat = false;
    for (const auto & item : report.cases)
    {
      isFlat = isFlat || item.dimension == 2;
      for (const auto & [value, metrics] : item.labels)
      {
        largest = std::max(largest, metrics.overlap.GetPredictionVolume());
      }
    }
    const bool isLarge = !isFlat && largest >= 10000.0;
    size = isLarge ? 1000.0 : 1.0;
    decimals = isLarge ? 1 : 0;
    quantity = isFlat ? "area" : "volume";
    name = isFlat ? "mm²" : isLarge ? "ml" : "mm³";
  }
};

std::optional<double>
MeanDice(const CaseMetrics & item)
{
  std::vector<std::optional<double>> values;
  for (const auto & [label, metrics] : item.labels)
  {
    values.push_back(item.reference.empty() ? std::nullopt : metrics.overlap.GetDice());
  }
  return Summarize(values).mean;
}

/** Means over the cases. */
std::string
MakeSummaryTable(const EvaluationReport & report, bool hasReference, const VolumeUnit & unit)
{
  std::string text = "<h2>Labels</h2>\n<div class=\"wide\"><table id=\"labels\"><tr><th>label</th>";
  text += hasReference
            ? "<th>Dice</th><th>sd</th><th>lowest</th><th>HD95 mm</th><th>MSD mm</th><th>missed</th><th>spurious</th>"
            : "";
  text += "<th>" + unit.quantity + " " + unit.name + "</th>" +
          (hasReference ? "<th>reference " + unit.name + "</th>" : "") + "</tr>\n";
  for (const auto & label : report.labels)
  {
    std::vector<std::optional<double>> volumes;
    std::vector<std::optional<double>> references;
    for (const auto & item : report.cases)
    {
      volumes.push_back(item.labels.at(label.value).overlap.GetPredictionVolume());
      references.push_back(item.labels.at(label.value).overlap.GetReferenceVolume());
    }
    text += "<tr><td>" + Swatch(label) + "</td>";
    if (hasReference)
    {
      const auto & summary = report.summaries.at(label.value);
      text += DiceCell(summary.dice.mean) + Cell(summary.dice.standardDeviation, 3) + Cell(summary.dice.minimum, 3) +
              Cell(summary.hd95.mean) + Cell(summary.meanSurfaceDistance.mean) +
              Cell(static_cast<double>(summary.missed), 0) + Cell(static_cast<double>(summary.spurious), 0);
    }
    text += Cell(Summarize(volumes).mean, unit.decimals, unit.size) +
            (hasReference ? Cell(Summarize(references).mean, unit.decimals, unit.size) : "") + "</tr>\n";
  }
  if (hasReference && report.labels.size() > 1)
  {
    text += "<tr><td>mean</td>" + DiceCell(report.dice) + "<td></td><td></td>" + Cell(report.hd95) +
            Cell(report.meanSurfaceDistance) + "<td></td><td></td><td></td><td></td></tr>\n";
  }
  return text + "</table></div>\n";
}

/** A row of dots for each label: the Dice of each case. */
std::string
MakeDots(const EvaluationReport & report)
{
  constexpr double width = 640.0;
  constexpr double row = 22.0;
  constexpr double left = 150.0;
  constexpr double right = 16.0;
  constexpr double bottom = 20.0;

  double lowest = 1.0;
  for (const auto & item : report.cases)
  {
    for (const auto & [label, metrics] : item.labels)
    {
      lowest = std::min(lowest, metrics.overlap.GetDice().value_or(1.0));
    }
  }
  lowest = std::max(0.0, std::floor(10.0 * lowest - 1e-9) / 10.0);
  const auto   x = [&](double dice) { return left + (width - left - right) * (dice - lowest) / (1.0 - lowest); };
  const double height = row * static_cast<double>(report.labels.size()) + bottom + row;
  std::string  text = "<svg viewBox=\"0 0 " + FormatNumber(width) + " " + FormatNumber(height) + "\" width=\"" +
                     FormatNumber(width) +
                     "\" role=\"img\" aria-label=\"Dice of each case\">\n<text class=\"title\" x=\"0\" "
                     "y=\"13\">Dice of each case</text>\n";
  const int steps = static_cast<int>(std::lround(10.0 * (1.0 - lowest)));
  for (int k = 0; k <= steps; k += steps > 5 ? 2 : 1)
  {
    const double value = 1.0 - 0.1 * k;
    const auto   place = FormatNumber(x(value));
    text += "<line class=\"grid\" x1=\"" + place + "\" x2=\"" + place + "\" y1=\"" + FormatNumber(row) + "\" y2=\"" +
            FormatNumber(height - bottom) + "\"/><text text-anchor=\"middle\" x=\"" + place + "\" y=\"" +
            FormatNumber(height - 5.0) + "\">" + FormatNumber(value, 2) + "</text>\n";
  }
  double y = 1.5 * row;
  for (const auto & label : report.labels)
  {
    text += "<text class=\"end\" x=\"" + FormatNumber(left - 12.0) + "\" y=\"" + FormatNumber(y + 4.0) + "\">" +
            EscapeMarkup(label.name) + "</text>\n<g fill=\"" + ToCss(label.color) + "\" fill-opacity=\"0.6\">";
    for (const auto & item : report.cases)
    {
      if (const auto dice = item.labels.at(label.value).overlap.GetDice())
      {
        text += "<circle cx=\"" + FormatNumber(x(*dice)) + "\" cy=\"" + FormatNumber(y) + "\" r=\"4\"/>";
      }
    }
    text += "</g>\n";
    y += row;
  }
  return text + "</svg>\n";
}

/** The image that belongs to a case. */
std::string
FindImage(const std::string & images, const CaseMetrics & item)
{
  if (!fs::is_directory(images))
  {
    return images;
  }
  for (const auto & entry : fs::directory_iterator(images))
  {
    const auto name = GetCaseName(entry.path().string());
    if (entry.is_regular_file() && (name == item.name || name == item.name + "_0000") &&
        entry.path().filename().string().front() != '.')
    {
      return entry.path().string();
    }
  }
  throw Error(images + ": no image for the case '" + item.name + "', expected one of this name");
}

template <unsigned int VDimension>
std::string
MakeFigure(const CaseMetrics & item, const LabelTable & table, const std::string & file, const std::string & folder)
{
  using Image = itk::Image<float, VDimension>;
  using Labels = LabelImage<VDimension>;
  ReadImageHeader(file);
  const auto reader = itk::ImageFileReader<Image>::New();
  reader->SetFileName(file);
  try
  {
    reader->Update();
  }
  catch (const itk::ExceptionObject & exception)
  {
    throw Error(file + ": cannot be read: " + exception.GetDescription());
  }
  const auto segmentation = ReadLabelImage<VDimension>(item.prediction);
  CheckSameGrid<VDimension>(reader->GetOutput(), segmentation, file, item.prediction);
  typename Labels::Pointer reference;
  if (!item.reference.empty())
  {
    reference = ReadLabelImage<VDimension>(item.reference);
  }
  PreviewOptions options;
  options.panelSize = 240;
  options.annotations = false;
  options.context = false;
  const auto picture = [&](const Labels * labels, const std::string & what) {
    return "<img alt=\"" + what + "\" src=\"" +
           ToDataUri(MakePreview<Labels>(reader->GetOutput(), labels, table, {}, options, reference), folder) + "\">\n";
  };
  const auto dice = MeanDice(item);
  return std::string("<figure") + (reference ? " class=\"pair\"" : "") + "><figcaption><b>" + EscapeMarkup(item.name) +
         "</b>" + (dice ? ", mean Dice " + Fixed(*dice, 3) + ": segmentation, then reference" : "") +
         "</figcaption>\n" + picture(segmentation, "segmentation") +
         (reference ? picture(reference, "reference") : std::string()) + "</figure>\n";
}

std::string
MakeCaseTable(const EvaluationReport &    report,
              const std::vector<size_t> & order,
              bool                        hasReference,
              const VolumeUnit &          unit)
{
  std::string text = "<div class=\"wide\"><table id=\"cases\"><tr><th rowspan=\"2\">case</th>";
  text += hasReference ? "<th rowspan=\"2\">mean Dice</th>" : "";
  for (const auto & label : report.labels)
  {
    text += std::string("<th colspan=\"") + (hasReference ? "4" : "1") + "\">" + Swatch(label) + "</th>";
  }
  text += "</tr>\n<tr>";
  for (size_t k = 0; k < report.labels.size(); ++k)
  {
    text += (hasReference ? "<th>Dice</th><th>HD95 mm</th><th>" : "<th>") + unit.name + "</th>" +
            (hasReference ? "<th>reference</th>" : "");
  }
  text += "</tr>\n";
  for (const size_t number : order)
  {
    const auto & item = report.cases[number];
    text += "<tr><td>" + EscapeMarkup(item.name) + "</td>" + (hasReference ? DiceCell(MeanDice(item)) : std::string());
    for (const auto & label : report.labels)
    {
      const auto & metrics = item.labels.at(label.value);
      const auto   volume = Cell(metrics.overlap.GetPredictionVolume(), unit.decimals, unit.size);
      text += !hasReference ? volume
                            : DiceCell(metrics.overlap.GetDice()) + Cell(metrics.surface.hd95) + volume +
                                Cell(metrics.overlap.GetReferenceVolume(), unit.decimals, unit.size);
    }
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

template <unsigned int VDimension>
std::map<int, Overlap>
ComputeVolumes(const std::string & file, const std::vector<int> & labels)
{
  const auto image = ReadLabelImage<VDimension>(file);
  return ComputeOverlap<LabelImage<VDimension>>(image, image, labels);
}
} // namespace

EvaluationReport
MeasureVolumes(const std::string & segmentation, const EvaluationOptions & options)
{
  EvaluationReport report;
  report.prediction = segmentation;
  std::vector<int> values = options.labels;
  for (size_t k = 0; options.labels.empty() && k < options.table.size(); ++k)
  {
    values.push_back(options.table[k].value);
  }
  const auto       files = ListLabelImages(segmentation);
  std::vector<int> found;
  for (const auto & [name, file] : files)
  {
    if (options.progress)
    {
      options.progress(report.cases.size(), files.size(), name);
    }
    CaseMetrics item;
    item.name = name;
    item.prediction = file;
    item.dimension = ReadImageDimension(file);
    for (auto [label, overlap] :
         item.dimension == 2 ? ComputeVolumes<2>(file, values) : ComputeVolumes<3>(file, values))
    {
      overlap.reference = 0;
      overlap.intersection = 0;
      item.labels[label].overlap = overlap;
      found.push_back(label);
    }
    report.cases.push_back(item);
  }
  if (values.empty())
  {
    std::sort(found.begin(), found.end());
    found.erase(std::unique(found.begin(), found.end()), found.end());
    values = found;
  }
  report.labels = MakeLabelTable(values);
  for (auto & label : report.labels)
  {
    label.name = GetLabelName(options.table, label.value);
    for (auto & item : report.cases)
    {
      item.labels[label.value];
    }
  }
  return report;
}

std::string
MakeCohortPage(const EvaluationReport & report, const CohortPageOptions & options, const std::string & folder)
{
  const bool          hasReference = !report.reference.empty();
  const bool          isCohort = report.cases.size() > 1;
  const VolumeUnit    unit(report);
  std::vector<size_t> order(report.cases.size());
  std::iota(order.begin(), order.end(), size_t{ 0 });
  if (hasReference)
  {
    std::stable_sort(order.begin(), order.end(), [&report](size_t a, size_t b) {
      constexpr double noValue = 2.0;
      return MeanDice(report.cases[a]).value_or(noValue) < MeanDice(report.cases[b]).value_or(noValue);
    });
  }
  std::string text = BeginHtmlPage(options.title);
  text += "<p class=\"faint\">" + std::to_string(report.cases.size()) + (isCohort ? " cases" : " case") + " of " +
          EscapeMarkup(report.prediction) +
          (hasReference ? ", compared with " + EscapeMarkup(report.reference) : std::string()) +
          (report.extraPredictions.empty()
             ? std::string()
             : "; " + std::to_string(report.extraPredictions.size()) + " more have no reference and are not counted") +
          "</p>\n";
  text += MakeSummaryTable(report, hasReference, unit);
  if (hasReference && isCohort && !report.labels.empty())
  {
    text += MakeDots(report);
  }
  const size_t shown = options.images.empty() ? 0 : std::min(options.pictures, order.size());
  if (shown > 0)
  {
    text += std::string("<h2>") + (hasReference && isCohort ? "Worst cases" : "Pictures") + "</h2>\n";
  }
  for (size_t k = 0; k < shown; ++k)
  {
    const auto & item = report.cases[order[k]];
    const auto   file = FindImage(options.images, item);
    text += item.dimension == 2 ? MakeFigure<2>(item, report.labels, file, folder)
                                : MakeFigure<3>(item, report.labels, file, folder);
  }
  text += std::string("<h2>") +
          (!isCohort      ? "Case"
           : hasReference ? "Cases, the worst first"
                          : "Cases") +
          "</h2>\n" + MakeCaseTable(report, order, hasReference, unit);
  return text + EndHtmlPage();
}
} // namespace sam
