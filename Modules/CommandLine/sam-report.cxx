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
    "their outlines and, where reference labels are given, the measures of sam-evaluate with the worst cases first.";
  return sam::RunProgram("sam-report", description, argc, argv, [](sam::CommandLine & line) {
    auto &                       parser = line.GetParser();
    TCLAP::ValueArg<std::string> prediction(
      "", "prediction", "The labels that the page is about: a file or a folder.", true, "", "FILE|DIR", parser);
    TCLAP::ValueArg<std::string> reference(
      "", "reference", "The labels that count as true: a file or a folder.", false, "", "FILE|DIR", parser);
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
      "Cases that are shown in pictures: the worst, without --reference the first. The tables have all. Default: 6.",
      false,
      6,
      "N",
      parser);
    sam::EvaluationArguments measured(line, "report");
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    sam::CheckOutput(output.getValue());
    auto       options = measured.Read();
    const auto report = reference.isSet() ? sam::Evaluate(prediction.getValue(), reference.getValue(), options)
                                          : sam::MeasureVolumes(prediction.getValue(), options);
    sam::CohortPageOptions page;
    page.title = title.isSet() ? title.getValue() : sam::GetCaseName(prediction.getValue());
    page.images = image.getValue();
    page.pictures = pictures.getValue();
    if (image.isSet() && !std::filesystem::exists(page.images))
    {
      throw sam::Error(page.images + ": no such file or folder");
    }
    sam::WriteAtomically(output.getValue(), [&](const std::string & temporary) {
      const auto folder = std::filesystem::path(temporary).parent_path().string();
      sam::WriteText(sam::MakeCohortPage(report, page, folder), temporary);
    });
    line.Print(output.getValue() + ": " + std::to_string(report.cases.size()) + " cases\n");
  });
}
