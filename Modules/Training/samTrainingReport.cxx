// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainingReport.h"

#include "samHtmlPage.h"
#include "samMarkup.h"
#include "samOrientation.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

namespace sam
{
namespace
{
using Volume = itk::Image<float, 3>;
using Labels = LabelImage<3>;

/** A curve over epochs; NaN where there is nothing. */
struct Curve
{
  std::string         name;
  std::string         color;
  std::vector<double> epochs;
  std::vector<double> values;
};

/** A picture of curves with four lines across and the numbers at both ends of the axes. */
std::string
MakeChart(const std::string & title, const std::vector<Curve> & curves)
{
  constexpr double width = 440.0;
  constexpr double height = 200.0;
  constexpr double left = 56.0;
  constexpr double top = 24.0;
  constexpr double right = 12.0;
  constexpr double bottom = 24.0;

  double lowest = std::numeric_limits<double>::infinity();
  double highest = -lowest;
  double last = 1.0;
  for (const auto & curve : curves)
  {
    for (size_t k = 0; k < curve.values.size(); ++k)
    {
      last = std::max(last, curve.epochs[k]);
      if (std::isfinite(curve.values[k]))
      {
        lowest = std::min(lowest, curve.values[k]);
        highest = std::max(highest, curve.values[k]);
      }
    }
  }
  if (!(lowest <= highest))
  {
    return "<p>" + EscapeMarkup(title) + ": nothing measured yet</p>\n";
  }
  if (highest == lowest)
  {
    highest += std::max(std::abs(highest) * 0.1, 1e-9);
  }
  const auto x = [&](double epoch) {
    return left + (width - left - right) * (last > 1.0 ? (epoch - 1.0) / (last - 1.0) : 0.5);
  };
  const auto y = [&](double value) {
    return height - bottom - (height - top - bottom) * (value - lowest) / (highest - lowest);
  };
  std::string text = "<svg viewBox=\"0 0 " + FormatNumber(width) + " " + FormatNumber(height) + "\" width=\"" +
                     FormatNumber(width) + "\" role=\"img\" aria-label=\"" + EscapeMarkup(title) + "\">\n<text x=\"" +
                     FormatNumber(left) + "\" y=\"14\" class=\"title\">" + EscapeMarkup(title) + "</text>\n";
  for (int line = 0; line < 5; ++line)
  {
    const double value = lowest + (highest - lowest) * line / 4.0;
    text += "<line class=\"grid\" x1=\"" + FormatNumber(left) + "\" x2=\"" + FormatNumber(width - right) + "\" y1=\"" +
            FormatNumber(y(value)) + "\" y2=\"" + FormatNumber(y(value)) + "\"/><text class=\"end\" x=\"" +
            FormatNumber(left - 4.0) + "\" y=\"" + FormatNumber(y(value) + 4.0) + "\">" + FormatNumber(value, 3) +
            "</text>\n";
  }
  text += "<text x=\"" + FormatNumber(left) + "\" y=\"" + FormatNumber(height - 6.0) +
          "\">epoch 1</text><text class=\"end\" x=\"" + FormatNumber(width - right) + "\" y=\"" +
          FormatNumber(height - 6.0) + "\">" + FormatNumber(last, 6) + "</text>\n";
  for (const auto & curve : curves)
  {
    std::string points;
    size_t      count = 0;
    for (size_t k = 0; k < curve.values.size(); ++k)
    {
      if (std::isfinite(curve.values[k]))
      {
        points += FormatNumber(x(curve.epochs[k])) + "," + FormatNumber(y(curve.values[k])) + " ";
        ++count;
      }
    }
    const auto style = "stroke=\"" + curve.color + "\"";
    if (count == 1)
    {
      const auto comma = points.find(',');
      text += "<circle class=\"ring\" cx=\"" + points.substr(0, comma) + "\" cy=\"" +
              points.substr(comma + 1, points.size() - comma - 2) + "\" r=\"2\" " + style + "/>\n";
    }
    else if (count > 1)
    {
      points.pop_back();
      text += "<polyline points=\"" + points + "\" " + style + "/>\n";
    }
  }
  text += "</svg>\n";
  if (curves.size() > 1)
  {
    text += "<p class=\"legend\">";
    for (const auto & curve : curves)
    {
      text += "<span style=\"color:" + curve.color + "\">&#9632;</span> " + EscapeMarkup(curve.name) + " ";
    }
    text += "</p>\n";
  }
  return text;
}

/** The physical space of a case: only spacing and orientation are known, its origin is 0. */
void
SetGeometry(itk::ImageBase<3> * image, const TrainingCase & item, const std::string & orientation)
{
  Volume::SizeType      size;
  Volume::SpacingType   spacing;
  Volume::DirectionType direction;
  direction.Fill(0.0);
  for (unsigned int i = 0; i < 3; ++i)
  {
    size[i] = static_cast<itk::SizeValueType>(item.labels.size(2 - static_cast<int64_t>(i)));
    spacing[i] = item.spacing[i];
    const auto letters = GetOrientationLetters(orientation);
    const auto place = letters.size() == 3 ? std::string("LRPASI").find(letters[i]) : 2 * i;
    direction(static_cast<unsigned int>(place / 2), i) = place % 2 == 0 ? 1.0 : -1.0;
  }
  image->SetRegions(size);
  image->SetSpacing(spacing);
  image->SetDirection(direction);
}

/** An image of \a labels, D×H×W, places in the plan's list. */
Labels::Pointer
MakeLabelImage(const Plan & plan, const TrainingCase & item, const at::Tensor & labels)
{
  auto image = Labels::New();
  SetGeometry(image, item, plan.orientation);
  image->Allocate();
  const auto places = labels.clamp_min(0).to(at::kInt).contiguous();
  std::copy_n(places.const_data_ptr<int>(), places.numel(), image->GetBufferPointer());
  return image;
}

/** The first channel with the outlines of \a labels, in the planes that show the reference best, as data of an HTML
 * picture. */
std::string
MakePicture(const Plan & plan, const TrainingCase & item, const at::Tensor & labels, const std::string & folder)
{
  const auto image = Volume::New();
  SetGeometry(image, item, plan.orientation);
  image->Allocate();
  const auto values = item.image[0].contiguous();
  std::copy_n(values.const_data_ptr<float>(), values.numel(), image->GetBufferPointer());
  const auto outlined = MakeLabelImage(plan, item, labels);
  const auto reference = MakeLabelImage(plan, item, item.labels);
  LabelTable table;
  for (size_t k = 1; k < plan.labels.size(); ++k)
  {
    table.push_back({ static_cast<int>(k), plan.labels[k].name, plan.labels[k].color });
  }
  PreviewOptions options;
  options.panelSize = 180;
  options.outlineWidth = 1;
  options.context = false;
  return ToDataUri(MakePreview<Labels>(image, outlined, table, {}, options, reference), folder);
}
} // namespace

std::string
MakeTrainingReport(const TrainingState &             state,
                   const std::string &               dataset,
                   const std::vector<TrainingCase> & cases,
                   const Validation &                validation,
                   const std::string &               folder)
{
  const Plan & plan = state.plan;
  Curve        loss{ "loss", "rgb(0,114,178)", {}, {} };
  Curve        rate{ "learning rate", "rgb(0,114,178)", {}, {} };
  Curve        mean{ "mean", "rgb(90,90,90)", {}, {} };

  std::vector<Curve> dice;
  for (size_t k = 1; k < plan.labels.size(); ++k)
  {
    dice.push_back({ plan.labels[k].name, ToCss(plan.labels[k].color), {}, {} });
  }
  for (const auto & row : state.log.GetRows())
  {
    const auto epoch = static_cast<double>(row.epoch);
    const auto add = [epoch](Curve & curve, double value) {
      curve.epochs.push_back(epoch);
      curve.values.push_back(value);
    };
    add(loss, row.loss);
    add(rate, row.learningRate);
    if (!row.dice.empty())
    {
      add(mean, row.meanDice);
      for (size_t k = 0; k < dice.size(); ++k)
      {
        add(dice[k], row.dice[k]);
      }
    }
  }
  dice.push_back(mean);

  std::string text = BeginHtmlPage("Training on " + dataset) + "<p>Epoch " + std::to_string(state.epoch) +
                     (state.epochs > 0 ? " of " + std::to_string(state.epochs) : "") + ", " +
                     std::to_string(state.steps) + " steps, " + FormatNumber(state.minutes, 3) + " minutes, " +
                     std::to_string(state.training.size()) + " training and " +
                     std::to_string(state.validation.size()) + " validation cases. Best mean Dice " +
                     FormatNumber(state.bestDice) + " in epoch " + std::to_string(state.bestEpoch) + ".</p>\n";
  text += MakeChart("Loss", { loss }) + MakeChart("Learning rate", { rate }) + MakeChart("Validation Dice", dice);

  if (validation.ofCases.size() == cases.size())
  {
    const auto order = validation.WorstFirst();
    text += "<h2>Worst validation cases</h2>\n";
    for (size_t k = 0; k < std::min(order.size(), Validation::numberOfWorst); ++k)
    {
      const auto & item = cases[order[k]];
      const auto & prediction = validation.predictions[order[k]];
      text += "<figure><figcaption>" + EscapeMarkup(item.name) + ", Dice " + FormatNumber(validation.OfCase(order[k])) +
              ": prediction, then reference</figcaption>\n<img alt=\"prediction\" src=\"" +
              MakePicture(plan, item, prediction, folder) + "\">\n<img alt=\"reference\" src=\"" +
              MakePicture(plan, item, item.labels, folder) + "\"></figure>\n";
    }
    text += "<h2>Validation cases, worst first</h2>\n<div class=\"wide\"><table><tr><th>case</th><th>mean</th>";
    for (size_t k = 1; k < plan.labels.size(); ++k)
    {
      text += "<th>" + EscapeMarkup(plan.labels[k].name) + "</th>";
    }
    text += "</tr>\n";
    for (const size_t number : order)
    {
      text +=
        "<tr><td>" + EscapeMarkup(cases[number].name) + "</td><td>" + FormatNumber(validation.OfCase(number)) + "</td>";
      for (const double value : validation.ofCases[number])
      {
        text += "<td>" + (std::isnan(value) ? "" : FormatNumber(value)) + "</td>";
      }
      text += "</tr>\n";
    }
    text += "</table></div>\n";
  }
  const auto indented = [](const std::string & json) {
    return EscapeMarkup(nlohmann::ordered_json::parse(json).dump(1));
  };
  text += "<h2>Recipe</h2>\n<pre>" + indented(state.recipe.ToJson()) + "</pre>\n<h2>Plan</h2>\n<pre>" +
          indented(plan.ToJson()) + "</pre>\n" + EndHtmlPage();
  return text;
}
} // namespace sam
