// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortReport.h"

#include "samError.h"
#include "samHtmlPage.h"
#include "samImageFile.h"
#include "samImageReader.h"
#include "samMarkup.h"
#include "samMessage.h"

#include "itkVectorIndexSelectionCastImageFilter.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <locale>
#include <numeric>
#include <set>
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

/** A row of dots: one for each case, and where the mean lies. */
struct DotRow
{
  std::string                  name;
  std::array<unsigned char, 3> color;
  std::vector<double>          values;
  Estimate                     mean;
};

/** For each label, or each label and group, the Dice of the cases that have one. */
std::vector<DotRow>
MakeDotRows(const EvaluationReport & report, const std::optional<GroupReport> & groups)
{
  std::vector<DotRow> rows;
  for (const auto & label : report.labels)
  {
    std::map<std::string, DotRow> ofGroups;
    for (const auto & item : report.cases)
    {
      if (const auto dice = item.labels.at(label.value).overlap.GetDice())
      {
        ofGroups[groups ? item.group : std::string()].values.push_back(*dice);
      }
    }
    for (auto & [group, row] : ofGroups)
    {
      row.name = !groups ? label.name : report.labels.size() > 1 ? label.name + ", " + group : group;
      row.color = label.color;
      if (groups)
      {
        row.mean = groups->labels.at(label.value).at("dice").groups.at(group).mean;
      }
      else
      {
        row.mean.value = report.summaries.at(label.value).dice.mean;
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

std::string
MakeDots(const std::vector<DotRow> & rows)
{
  constexpr double width = 640.0;
  constexpr double height = 26.0; // of a row
  constexpr double right = 16.0;
  constexpr double bottom = 20.0;
  constexpr double letter = 6.5;
  constexpr double gap = 12.0;

  double lowest = 1.0;
  size_t letters = 0;
  for (const auto & row : rows)
  {
    lowest = row.values.empty() ? lowest : std::min(lowest, *std::min_element(row.values.begin(), row.values.end()));
    letters = std::max(letters, row.name.size());
  }
  lowest = std::max(0.0, std::floor(10.0 * lowest - 1e-9) / 10.0);
  const double left = std::clamp(gap + letter * static_cast<double>(letters), 60.0, 260.0);
  const auto   x = [&](double dice) { return left + (width - left - right) * (dice - lowest) / (1.0 - lowest); };
  const double end = height * static_cast<double>(rows.size() + 1);
  const auto   whole = FormatNumber(end + bottom);
  std::string  text = "<svg viewBox=\"0 0 " + FormatNumber(width) + " " + whole + "\" width=\"" + FormatNumber(width) +
                     "\" role=\"img\" aria-label=\"Dice of each case\">\n<text class=\"title\" x=\"0\" "
                     "y=\"13\">Dice of each case, and the mean</text>\n";
  const int steps = static_cast<int>(std::lround(10.0 * (1.0 - lowest)));
  for (int k = 0; k <= steps; k += steps > 5 ? 2 : 1)
  {
    const double value = 1.0 - 0.1 * k;
    const auto   place = FormatNumber(x(value));
    text += "<line class=\"grid\" x1=\"" + place + "\" x2=\"" + place + "\" y1=\"" + FormatNumber(height) + "\" y2=\"" +
            FormatNumber(end) + "\"/><text text-anchor=\"middle\" x=\"" + place + "\" y=\"" + FormatNumber(end + 15.0) +
            "\">" + FormatNumber(value, 2) + "</text>\n";
  }
  double y = 1.5 * height;
  for (const auto & row : rows)
  {
    text += "<text class=\"end\" x=\"" + FormatNumber(left - gap) + "\" y=\"" + FormatNumber(y + 4.0) + "\">" +
            EscapeMarkup(row.name) + "</text>\n<g fill=\"" + ToCss(row.color) + "\" fill-opacity=\"0.7\">";
    // Above and below each other, so that many are seen as such; thousands take no more room than some hundreds.
    constexpr size_t                  levels = 7;
    std::map<long, size_t>            columns;
    std::set<std::pair<long, size_t>> places;
    for (const double value : row.values)
    {
      const auto column = std::lround(x(value) / 2.0);
      places.emplace(column, columns[column / 3]++ % levels);
    }
    for (const auto & [column, level] : places)
    {
      const double offset = 2.5 * static_cast<double>((level + 1) / 2) * (level % 2 == 0 ? 1.0 : -1.0);
      text += "<circle cx=\"" + FormatNumber(2.0 * static_cast<double>(column)) + "\" cy=\"" +
              FormatNumber(y + offset) + "\" r=\"3.5\"/>";
    }
    text += "</g>\n";
    const auto line = [&](double from, double to, double above, double below) {
      text += "<line stroke=\"currentColor\" stroke-width=\"1.5\" x1=\"" + FormatNumber(from) + "\" x2=\"" +
              FormatNumber(to) + "\" y1=\"" + FormatNumber(y - above) + "\" y2=\"" + FormatNumber(y + below) + "\"/>";
    };
    if (row.mean.value)
    {
      line(x(*row.mean.value), x(*row.mean.value), 11.0, 11.0);
    }
    if (row.mean.interval)
    {
      line(x(row.mean.interval->lower), x(row.mean.interval->upper), 0.0, 0.0);
    }
    text += "\n";
    y += height;
  }
  return text + "</svg>\n";
}

/** Means of each label in each group, macro averages and drops. */
std::string
MakeGroupTable(const GroupReport & groups)
{
  const bool hasSource = !groups.source.empty();
  const auto interval = [](const Estimate & estimate) {
    return estimate.interval
             ? "<td>" + Fixed(estimate.interval->lower, 3) + " to " + Fixed(estimate.interval->upper, 3) + "</td>"
             : std::string("<td></td>");
  };
  const auto percent = [](const Estimate & estimate) { return Cell(estimate.value, 1, 0.01); };
  const auto share = "<th>" + Fixed(100.0 * groups.bootstrap.confidence, 0) + " % interval</th>";

  std::string text = "<h2>Groups</h2>\n<div class=\"wide\"><table id=\"groups\"><tr><th>label</th>"
                     "<th class=\"name\">group</th><th>cases</th><th>Dice</th>" +
                     share + "<th>sd</th>" +
                     (hasSource ? "<th>drop from " + EscapeMarkup(groups.source) + "</th>" + share : std::string()) +
                     "<th>HD95 mm</th><th>MSD mm</th><th>volume %</th></tr>\n";
  const auto add = [&](const std::string & label, const GroupReport::Measures & measures) {
    const auto & dice = measures.at("dice");
    const auto & hd95 = measures.at("hd95_mm");
    const auto & surface = measures.at("mean_surface_distance_mm");
    const auto & volume = measures.at("relative_volume_difference");
    std::string  first = "<td rowspan=\"" + std::to_string(dice.groups.size() + 1) + "\">" + label + "</td>";
    for (const auto & [name, group] : dice.groups)
    {
      text += "<tr>" + first + "<td class=\"name\">" + EscapeMarkup(name) + "</td><td>" + std::to_string(group.cases) +
              "</td>" + DiceCell(group.mean.value) + interval(group.mean) + Cell(group.standardDeviation, 3) +
              (hasSource ? Cell(group.drop.value, 3) + interval(group.drop) : std::string()) +
              Cell(hd95.groups.at(name).mean.value) + Cell(surface.groups.at(name).mean.value) +
              percent(volume.groups.at(name).mean) + "</tr>\n";
      first.clear();
    }
    text += "<tr class=\"total\"><td class=\"name\">macro average</td><td></td>" + DiceCell(dice.macroAverage.value) +
            interval(dice.macroAverage) + "<td></td>" + (hasSource ? "<td></td><td></td>" : "") +
            Cell(hd95.macroAverage.value) + Cell(surface.macroAverage.value) + percent(volume.macroAverage) + "</tr>\n";
  };
  if (!groups.overall.empty())
  {
    add("mean of labels", groups.overall);
  }
  for (const auto & label : groups.table)
  {
    add(Swatch(label), groups.labels.at(label.value));
  }
  return text + "</table></div>\n<p class=\"faint\">Macro average: the mean of the groups' means. Intervals: " +
         std::to_string(groups.bootstrap.resamples) + " resamples of the cases within each group (seed " +
         std::to_string(groups.bootstrap.seed) + ")." +
         (hasSource ? " Drop: the mean of " + EscapeMarkup(groups.source) + " minus that of the group."
                    : std::string()) +
         "</p>\n";
}

/** Mean volumes of each label in each group. */
std::string
MakeGroupVolumes(const EvaluationReport & report, const VolumeUnit & unit)
{
  std::map<std::string, std::vector<const CaseMetrics *>> groups;
  for (const auto & item : report.cases)
  {
    groups[item.group].push_back(&item);
  }
  std::string text =
    "<h2>Groups</h2>\n<div class=\"wide\"><table id=\"groups\"><tr><th>label</th><th class=\"name\">group</th>"
    "<th>cases</th><th>" +
    unit.quantity + " " + unit.name + "</th><th>sd</th></tr>\n";
  for (const auto & label : report.labels)
  {
    std::string first = "<td rowspan=\"" + std::to_string(groups.size()) + "\">" + Swatch(label) + "</td>";
    for (const auto & [name, cases] : groups)
    {
      std::vector<std::optional<double>> volumes;
      for (const auto * item : cases)
      {
        volumes.push_back(item->labels.at(label.value).overlap.GetPredictionVolume());
      }
      const auto summary = Summarize(volumes);
      text += "<tr>" + first + "<td class=\"name\">" + EscapeMarkup(name) + "</td><td>" + std::to_string(cases.size()) +
              "</td>" + Cell(summary.mean, unit.decimals, unit.size) +
              Cell(summary.standardDeviation, unit.decimals, unit.size) + "</tr>\n";
      first.clear();
    }
  }
  return text + "</table></div>\n";
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
    const auto path = entry.path().string();
    const auto file = entry.path().filename().string();
    const auto name = entry.is_directory() ? file : GetCaseName(path);
    if ((name == item.name || name == item.name + GetChannelSuffix(0)) && file.front() != '.' &&
        (entry.is_directory() ? !FindDicomFile(path).empty() : entry.is_regular_file()))
    {
      return path;
    }
  }
  throw Error(images + ": no image for the case '" + item.name + "', expected one of this name");
}

/** A label image as it was measured. */
template <unsigned int VDimension>
typename LabelImage<VDimension>::Pointer
ReadMeasured(const std::string & file, const std::map<int, int> & map, const std::vector<Region> & regions)
{
  const auto image = ReadLabelImage<VDimension>(file);
  SelectLabels(image.GetPointer(), map, regions);
  return image;
}

/** The gray values of a file, of several images along a fourth axis the first one's. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
ReadPicture(const std::string & file)
{
  using Image = itk::Image<float, VDimension>;
  const auto header = ReadImageHeader(file);
  const auto channels = CountChannels(header);
  const bool isSeries = VDimension == 3 && HoldsChannelSeries(header, channels);
  try
  {
    if (!isSeries)
    {
      const auto reader = MakeImageReader<Image>(file);
      reader->Update();
      return reader->GetOutput();
    }
    const auto reader = MakeImageReader<itk::VectorImage<float, VDimension>>(file, channels);
    const auto first = itk::VectorIndexSelectionCastImageFilter<itk::VectorImage<float, VDimension>, Image>::New();
    first->SetInput(reader->GetOutput());
    first->SetIndex(0);
    first->Update();
    return first->GetOutput();
  }
  catch (const itk::ExceptionObject & exception)
  {
    throw Error(file + ": cannot be read: " + ToOneLine(exception.GetDescription()));
  }
}

template <unsigned int VDimension>
std::string
MakeFigure(const CaseMetrics &       item,
           const LabelTable &        table,
           const EvaluationOptions & measured,
           const std::string &       file,
           const std::string &       folder)
{
  using Labels = LabelImage<VDimension>;
  const auto image = ReadPicture<VDimension>(file);
  const auto segmentation = ReadMeasured<VDimension>(item.prediction, measured.predictionMap, measured.regions);
  CheckSameGrid<VDimension>(image, segmentation, file, item.prediction);
  typename Labels::Pointer reference;
  if (!item.reference.empty())
  {
    reference = ReadMeasured<VDimension>(item.reference, measured.referenceMap, measured.regions);
  }
  PreviewOptions options;
  options.panelSize = 240;
  options.annotations = false;
  options.context = false;
  const auto picture = [&](const Labels * labels, const std::string & what) {
    return "<img alt=\"" + what + "\" src=\"" +
           ToDataUri(MakePreview<Labels>(image, labels, table, {}, options, reference), folder) + "\">\n";
  };
  const auto dice = MeanDice(item);
  return std::string("<figure") + (reference ? " class=\"pair\"" : "") + "><figcaption><b>" + EscapeMarkup(item.name) +
         "</b>" + (item.group.empty() ? std::string() : " (" + EscapeMarkup(item.group) + ")") +
         (dice ? ", mean Dice " + Fixed(*dice, 3) + ": segmentation, then reference" : "") + "</figcaption>\n" +
         picture(segmentation, "segmentation") + (reference ? picture(reference, "reference") : std::string()) +
         "</figure>\n";
}

std::string
MakeCaseTable(const EvaluationReport &    report,
              const std::vector<size_t> & order,
              bool                        hasReference,
              bool                        hasGroups,
              const VolumeUnit &          unit)
{
  std::string text = "<div class=\"wide\"><table id=\"cases\"><tr><th rowspan=\"2\">case</th>";
  text += hasGroups ? "<th rowspan=\"2\" class=\"name\">group</th>" : "";
  const bool hasMean = hasReference && report.labels.size() > 1;
  text += hasMean ? "<th rowspan=\"2\">mean Dice</th>" : "";
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
    text += "<tr><td>" + EscapeMarkup(item.name) + "</td>" +
            (hasGroups ? "<td class=\"name\">" + EscapeMarkup(item.group) + "</td>" : std::string()) +
            (hasMean ? DiceCell(MeanDice(item)) : std::string());
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

/** Which cases are shown in pictures, under which headings; \a order: the worst first, behind those with a Dice
 * (\a judged) the others. */
std::vector<std::pair<std::string, std::vector<size_t>>>
ChooseFigures(const std::vector<size_t> & order, size_t judged, const CohortPageOptions & options)
{
  const size_t shown = options.images.empty() ? 0 : std::min(options.pictures, judged > 0 ? judged : order.size());
  if (shown == 0)
  {
    return {};
  }
  const auto at = [&order](size_t place) { return order.begin() + static_cast<std::ptrdiff_t>(place); };
  if (judged == 0 || order.size() == 1)
  {
    return { { "Pictures", { at(0), at(shown) } } };
  }
  constexpr size_t fewest = 3;
  if (shown < fewest || shown == judged)
  {
    return { { "Worst cases", { at(0), at(shown) } } };
  }
  const std::vector<size_t> best{ *at(judged - 1) };
  const size_t              median = judged / 2;
  const size_t              worst = shown - 2;
  if (median < worst)
  {
    return { { "Worst cases", { at(0), at(shown - 1) } }, { "Best case", best } }; // the median is one of the worst
  }
  return { { worst > 1 ? "Worst cases" : "Worst case", { at(0), at(worst) } },
           { "Median case", { *at(median) } },
           { "Best case", best } };
}

template <unsigned int VDimension>
std::map<int, Overlap>
ComputeVolumes(const std::string & file, const std::vector<int> & labels, const EvaluationOptions & options)
{
  const auto image = ReadMeasured<VDimension>(file, options.predictionMap, options.regions);
  return ComputeOverlap<LabelImage<VDimension>>(image, image, labels);
}
} // namespace

EvaluationReport
MeasureVolumes(const std::string & segmentation, const EvaluationOptions & options)
{
  EvaluationReport report;
  report.prediction = segmentation;
  auto             values = GetAskedLabels(options);
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
    item.group = options.groups ? options.groups->GetSite(name) : std::string();
    item.prediction = file;
    item.dimension = ReadImageDimension(file);
    for (auto [label, overlap] :
         item.dimension == 2 ? ComputeVolumes<2>(file, values, options) : ComputeVolumes<3>(file, values, options))
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
  NameLabels(report, options);
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
  const bool hasGroups = options.evaluation.groups.has_value();
  if (options.groups)
  {
    text += MakeGroupTable(*options.groups);
  }
  else if (hasGroups)
  {
    text += MakeGroupVolumes(report, unit);
  }
  if (hasReference && isCohort && !report.labels.empty())
  {
    text += MakeDots(MakeDotRows(report, options.groups));
  }
  const auto judged = std::count_if(
    report.cases.begin(), report.cases.end(), [](const CaseMetrics & item) { return MeanDice(item).has_value(); });
  for (const auto & [title, numbers] : ChooseFigures(order, static_cast<size_t>(judged), options))
  {
    text += "<h2>" + title + "</h2>\n";
    for (const size_t number : numbers)
    {
      const auto & item = report.cases[number];
      const auto   file = FindImage(options.images, item);
      text += item.dimension == 2 ? MakeFigure<2>(item, report.labels, options.evaluation, file, folder)
                                  : MakeFigure<3>(item, report.labels, options.evaluation, file, folder);
    }
  }
  text += std::string("<h2>") + (!isCohort ? "Case" : hasReference ? "Cases, the worst first" : "Cases") + "</h2>\n";
  const size_t left = order.size() - std::min(options.rows, order.size());
  order.resize(order.size() - left);
  text += MakeCaseTable(report, order, hasReference, hasGroups, unit);
  if (left > 0)
  {
    text += "<p class=\"faint\">" + std::to_string(left) + " more " + (left > 1 ? "cases are" : "case is") +
            " counted above and not listed.</p>\n";
  }
  return text + EndHtmlPage();
}
} // namespace sam
