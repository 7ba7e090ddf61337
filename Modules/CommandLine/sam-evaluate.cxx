// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samError.h"
#include "samEvaluationArguments.h"
#include "samGroups.h"
#include "samSteps.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Compares label images with reference labels: Dice, 95 % Hausdorff distance (HD95: the greater of the 95th "
    "percentiles of the surface distances in both directions), mean surface distance (MSD: over the surface voxels of "
    "both) and volumes of each label, with means over the cases. Given two folders, each reference is compared with "
    "the prediction of the same name; the extension may differ. Labels in neither image of a case are counted as empty "
    "and do not enter the means; a label in one of them only has a Dice of 0 and no distances.";
  return sam::RunProgram("sam-evaluate", description, argc, argv, [](sam::CommandLine & line) {
    auto &                       parser = line.GetParser();
    TCLAP::ValueArg<std::string> prediction(
      "", "prediction", "The labels to be judged: a file or a folder.", true, "", "FILE|DIR", parser);
    TCLAP::ValueArg<std::string> reference(
      "", "reference", "The labels that count as true: a file or a folder.", true, "", "FILE|DIR", parser);
    TCLAP::ValueArg<std::string> output(
      "", "output", "Where the measures of all cases and their summary go, as JSON.", false, "", "FILE.json", parser);
    sam::EvaluationArguments     measured(line, "compare");
    TCLAP::ValueArg<std::string> mapPrediction(
      "",
      "map-prediction",
      "Other values for the labels of the predictions, such as 1=1,2=1. What is not mentioned becomes background.",
      false,
      "",
      "MAP",
      parser);
    TCLAP::ValueArg<std::string> mapReference(
      "", "map-reference", "The same for the references, such as 37=1.", false, "", "MAP", parser);
    TCLAP::MultiArg<std::string> region(
      "",
      "region",
      "Compare within a box only: cx,cy,cz,sx,sy,sz, center and size in mm (LPS). What lies outside counts as "
      "background. May be given several times.",
      false,
      "BOX",
      parser);
    TCLAP::ValueArg<std::string> group(
      "",
      "group",
      "A table (CSV) with a column that names the file or case and one that names its site (or center, scanner, "
      "domain, "
      "group): each measure by group, the macro average over the groups, and 95 % intervals by bootstrap.",
      false,
      "",
      "FILE.csv",
      parser);
    TCLAP::ValueArg<std::string> source(
      "",
      "source",
      "The group that was trained on: the drop from its mean to that of each other group is added.",
      false,
      "",
      "NAME",
      parser);
    TCLAP::ValueArg<unsigned long> seed(
      "", "seed", "Of the bootstrap's 10000 resamples of each group's cases. Default: 0.", false, 0, "N", parser);
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    for (const TCLAP::Arg * argument : std::initializer_list<const TCLAP::Arg *>{ &source, &seed })
    {
      if (argument->isSet() && !group.isSet())
      {
        throw sam::Error("--" + argument->getName() + " is given without --group, expected both");
      }
    }
    if (output.isSet())
    {
      sam::CheckOutput(output.getValue());
    }
    auto options = measured.Read();
    if (mapPrediction.isSet())
    {
      options.predictionMap = sam::ParseLabelMap("--map-prediction", mapPrediction.getValue());
    }
    if (mapReference.isSet())
    {
      options.referenceMap = sam::ParseLabelMap("--map-reference", mapReference.getValue());
    }
    for (const auto & text : region.getValue())
    {
      options.regions.push_back(sam::ParseRegion("--region", text));
    }
    if (group.isSet())
    {
      options.groups = sam::SiteTable::Read(group.getValue());
      options.sourceGroup = source.getValue();
    }

    const auto                      report = sam::Evaluate(prediction.getValue(), reference.getValue(), options);
    std::optional<sam::GroupReport> groups;
    if (group.isSet())
    {
      sam::BootstrapOptions bootstrap;
      bootstrap.seed = seed.getValue();
      groups = sam::SummarizeGroups(report, bootstrap);
    }
    if (output.isSet())
    {
      sam::WriteAtomically(output.getValue(), [&](const std::string & temporary) {
        sam::WriteText(sam::ToJson(report, groups ? &*groups : nullptr), temporary);
      });
    }
    line.Print(sam::ToTable(report));
    if (groups)
    {
      line.Print("\n" + sam::ToTable(*groups));
    }
  });
}
