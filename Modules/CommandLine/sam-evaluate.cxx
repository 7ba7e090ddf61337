// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samEvaluationArguments.h"
#include "samMeasureTable.h"
#include "samSteps.h"

#include <itksys/SystemTools.hxx>

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
    sam::EvaluationArguments     measured(line, "compare", true);
    TCLAP::ValueArg<std::string> output(
      "",
      "output",
      "Where the measures go: of all cases with their summary as JSON, or a row for each case and label as CSV.",
      false,
      "",
      "FILE.json|FILE.csv",
      parser);
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    sam::CheckOutputs(measured.GetInputs(), {}, { output.getValue() });
    const auto report = sam::Evaluate(measured.GetPrediction(), measured.GetReference(), measured.Read());
    const auto groups = measured.CompareGroups(report);
    if (output.isSet())
    {
      sam::WriteAtomically(output.getValue(), [&](const std::string & temporary) {
        const auto ending = itksys::SystemTools::GetFilenameLastExtension(output.getValue());
        const bool isTable = itksys::SystemTools::LowerCase(ending) == ".csv";
        sam::WriteText(isTable ? sam::ToCsv(report) : sam::ToJson(report, groups ? &*groups : nullptr), temporary);
      });
    }
    line.Print(sam::ToTable(report));
    if (groups)
    {
      line.Print("\n" + sam::ToTable(*groups));
    }
  });
}
