// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCsvFile.h"
#include "samMeasureTable.h"
#include "samTestProgram.h"

using namespace sam::test;

namespace
{
sam::EvaluationReport
MakeReport()
{
  sam::EvaluationReport report;
  report.labels = sam::MakeLabelTable({ 1, 4 });
  report.labels[1].name = "left, \"upper\"";
  for (const std::string name : { "one", "two; or more" })
  {
    sam::CaseMetrics item;
    item.name = name;
    item.labels[1].overlap = { 30, 50, 20, 0.5 };
    item.labels[1].surface.hd95 = 0.1;
    item.labels[4];
    report.cases.push_back(item);
  }
  return report;
}
} // namespace

TEST(MeasureTable, ARowForEachCaseAndLabel)
{
  const TemporaryFolder folder;
  auto                  report = MakeReport();
  WriteText(folder / "table.csv", sam::ToCsv(report));
  const auto table = sam::CsvFile::Read((folder / "table.csv").string());
  EXPECT_EQ(table.columns,
            (std::vector<std::string>{ "case",
                                       "label",
                                       "name",
                                       "dice",
                                       "hd95_mm",
                                       "mean_surface_distance_mm",
                                       "volume_prediction_mm3",
                                       "volume_reference_mm3",
                                       "relative_volume_difference" }));
  ASSERT_EQ(table.rows.size(), 4u);
  const auto & overlap = report.cases[0].labels[1].overlap;
  const auto & first = table.rows[2].fields;
  EXPECT_EQ(first[0], "two; or more");
  EXPECT_EQ(std::stod(first[3]), *overlap.GetDice()) << "in full";
  EXPECT_EQ(std::stod(first[4]), 0.1);
  EXPECT_EQ(first[5], "");
  EXPECT_EQ(std::stod(first[6]), overlap.GetPredictionVolume());
  EXPECT_EQ(std::stod(first[7]), overlap.GetReferenceVolume());
  EXPECT_EQ(std::stod(first[8]), *overlap.GetRelativeVolumeDifference());
  EXPECT_EQ(table.rows[3].fields,
            (std::vector<std::string>{ "two; or more", "4", "left, \"upper\"", "", "", "", "0", "0", "" }));

  report.cases[0].group = "a";
  report.cases[1].group = "b";
  report.cases[1].dimension = 2;
  EXPECT_EQ(
    sam::ToCsv(report).rfind("case,group,label,name,dice,hd95_mm,mean_surface_distance_mm,area_prediction_mm2", 0), 0u);
}

TEST(MeasureTable, ProgramWritesIt)
{
  using Volume = itk::Image<short, 3>;
  const TemporaryFolder folder;
  const auto            image = MakeImage<Volume>({ 4, 4, 4 }, { 1.0, 1.0, 1.0 }, { 0.0, 0.0, 0.0 });
  image->SetPixel({ { 1, 2, 1 } }, 3);
  Write(image.GetPointer(), folder / "a.nrrd");
  const auto file = "\"" + (folder / "a.nrrd").string() + "\"";
  const auto table = folder / "t.CSV";
  ASSERT_EQ(std::system(("\"" SEGMENTANYTHING_PROGRAMS "/sam-evaluate\" --quiet --prediction " + file +
                         " --reference " + file + " --output \"" + table.string() + "\"")
                          .c_str()),
            0);
  const auto read = sam::CsvFile::Read(table.string());
  ASSERT_EQ(read.rows.size(), 1u);
  EXPECT_EQ(read.rows[0].fields[1], "3");
  EXPECT_EQ(std::stod(read.rows[0].fields[3]), 1.0);
}
