// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortReport.h"
#include "samCommandLine.h"
#include "samError.h"
#include "samEvaluationArguments.h"
#include "samSteps.h"

#include <filesystem>

int
main(int argc, char * argv[])
{
  const std::string description =
    "Writes one HTML page about a case or a cohort, which needs no other file: volumes of the labels, pictures with "
    "their outlines and, where reference labels are given, the measures of sam-evaluate with the worst cases first, "
    "by site where a table of sites is given.";
  return sam::RunProgram("sam-report", description, argc, argv, [](sam::CommandLine & line) {
    auto &                       parser = line.GetParser();
    sam::EvaluationArguments     measured(line, "report", false);
    TCLAP::ValueArg<std::string> image(
      "",
      "image",
      "The image, or the folder of images named as the labels are (_0000 behind it or not), for pictures.",
      false,
      "",
      "FILE|DIR",
      parser);
    TCLAP::ValueArg<std::string> output("", "output", "Where the page goes.", true, "", "FILE.html", parser);
    TCLAP::ValueArg<std::string> title(
      "", "title", "The heading of the page. Default: the name of --prediction.", false, "", "TEXT", parser);
    TCLAP::ValueArg<unsigned int> pictures(
      "",
      "pictures",
      "Cases that are shown in pictures: the worst and, of three or more, the median and the best one; without "
      "--reference the first. Default: 6.",
      false,
      6,
      "N",
      parser);
    TCLAP::ValueArg<unsigned int> rows(
      "",
      "rows",
      "Cases in the table, the worst first, so that a page stays small. Default: 1000.",
      false,
      1000,
      "N",
      parser);
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    auto inputs = measured.GetInputs();
    inputs.push_back(image.getValue());
    sam::CheckOutputs(inputs, {}, { output.getValue() });
    sam::CohortPageOptions page;
    page.evaluation = measured.Read();
    page.title = title.isSet() ? title.getValue() : sam::GetCaseName(measured.GetPrediction());
    page.images = image.getValue();
    page.pictures = pictures.getValue();
    page.rows = rows.getValue();
    if (image.isSet() && !std::filesystem::exists(page.images))
    {
      throw sam::Error(page.images + ": no such file or folder");
    }
    const bool hasReference = !measured.GetReference().empty();
    const auto report = hasReference ? sam::Evaluate(measured.GetPrediction(), measured.GetReference(), page.evaluation)
                                     : sam::MeasureVolumes(measured.GetPrediction(), page.evaluation);
    if (hasReference)
    {
      page.groups = measured.CompareGroups(report);
    }
    sam::WriteAtomically(output.getValue(), [&](const std::string & temporary) {
      const auto folder = std::filesystem::path(temporary).parent_path().string();
      sam::WriteText(sam::MakeCohortPage(report, page, folder), temporary);
    });
    line.Print(output.getValue() + ": " + std::to_string(report.cases.size()) + " cases\n");
  });
}
