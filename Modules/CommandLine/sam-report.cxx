// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortReport.h"
#include "samCommandLine.h"
#include "samError.h"
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
    TCLAP::ValueArg<std::string> dataset("",
                                         "dataset",
                                         "A dataset.json, or its folder: which labels there are, and their names.",
                                         false,
                                         "",
                                         "FILE|DIR",
                                         parser);
    TCLAP::ValueArg<std::string> labels(
      "",
      "labels",
      "The labels to report, such as 1,2. Default: those of --dataset, or all that are found.",
      false,
      "",
      "LIST",
      parser);
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    sam::CheckOutput(output.getValue());
    sam::EvaluationOptions options;
    if (dataset.isSet())
    {
      options.table = sam::ReadLabelTable(dataset.getValue());
    }
    if (labels.isSet())
    {
      options.labels = sam::ParseIntegers("--labels", labels.getValue());
    }
    options.progress = [&line](std::size_t done, std::size_t total, const std::string & name) {
      sam::ThrowIfInterrupted();
      line.ShowProgress(static_cast<double>(done) / static_cast<double>(total), name);
    };
    options.warning = [&line](const std::string & text) { line.Warn(text); };
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
