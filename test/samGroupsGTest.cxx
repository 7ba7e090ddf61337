// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samGroups.h"
#include "samRandomStream.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>

using namespace sam::test;

namespace
{
using Values = std::vector<std::optional<double>>;

sam::ConfidenceInterval
GetInterval(const Values & values, const sam::BootstrapOptions & options = {})
{
  const sam::Bootstrap bootstrap({ values.size() }, options);
  return bootstrap.ComputeInterval(bootstrap.ComputeMeans(0, values)).value();
}

/** Cases of a group whose first label has these tenths as Dice; -1: the label is in neither image. */
void
AddCases(sam::EvaluationReport & report, const std::string & group, const std::vector<int> & tenths)
{
  for (const int tenth : tenths)
  {
    sam::CaseMetrics item;
    item.name = group + std::to_string(report.cases.size());
    item.group = group;
    item.labels[1];
    if (tenth >= 0)
    {
      item.labels[1].overlap.prediction = 10;
      item.labels[1].overlap.reference = 10;
      item.labels[1].overlap.intersection = static_cast<std::uint64_t>(tenth);
      item.labels[1].surface.hd95 = 10.0 - tenth;
    }
    report.cases.push_back(item);
  }
}

sam::EvaluationReport
MakeReport()
{
  sam::EvaluationReport report;
  report.labels = sam::MakeLabelTable({ 1 });
  AddCases(report, "home", { 8, 9 });
  AddCases(report, "away", { 5, 6, 7 });
  report.sourceGroup = "home";
  return report;
}

void
ExpectEstimate(const sam::Estimate & estimate, double value, double lower, double upper)
{
  ASSERT_TRUE(estimate.value && estimate.interval);
  EXPECT_NEAR(*estimate.value, value, 1e-12);
  EXPECT_NEAR(estimate.interval->lower, lower, 1e-12);
  EXPECT_NEAR(estimate.interval->upper, upper, 1e-12);
}
} // namespace

TEST(Bootstrap, ConstantSampleHasNoWidth)
{
  const auto interval = GetInterval(Values(17, 0.7));
  EXPECT_NEAR(interval.lower, 0.7, 1e-12);
  EXPECT_NEAR(interval.upper, 0.7, 1e-12);
}

TEST(Bootstrap, NormalSampleHasTheTextbooksInterval)
{
  sam::RandomStream random(4);
  Values            values;
  for (int k = 0; k < 400; ++k)
  {
    values.push_back(3.0 + 2.0 * random.Normal());
  }
  const auto   summary = sam::Summarize(values);
  const double half = *summary.standardDeviation / 20.0;
  const auto   interval = GetInterval(values);
  EXPECT_NEAR(interval.lower, *summary.mean - 1.96 * half, 0.1 * half);
  EXPECT_NEAR(interval.upper, *summary.mean + 1.96 * half, 0.1 * half);
  sam::BootstrapOptions options;
  options.confidence = 0.6827; // one standard deviation
  const auto narrow = GetInterval(values, options);
  EXPECT_NEAR(narrow.lower, *summary.mean - half, 0.1 * half);
  EXPECT_NEAR(narrow.upper, *summary.mean + half, 0.1 * half);
}

TEST(Bootstrap, TheSeedDecides)
{
  const Values          values{ 0.1, 0.7, 0.4, 0.9, 0.2, 0.8, 0.35, 0.62 };
  sam::BootstrapOptions options;
  options.resamples = 300;
  const auto first = GetInterval(values, options);
  const auto second = GetInterval(values, options);
  EXPECT_EQ(first.lower, second.lower);
  EXPECT_EQ(first.upper, second.upper);
  options.seed = 1;
  EXPECT_NE(GetInterval(values, options).lower, first.lower);
}

TEST(Bootstrap, GroupsAreDrawnApartAndMeasuresAlike)
{
  const Values          values{ 0.1, 0.7, 0.4, 0.9, 0.2, 0.8, 0.35, 0.62 };
  const Values          twice{ 0.2, 1.4, 0.8, 1.8, 0.4, 1.6, 0.7, 1.24 };
  sam::BootstrapOptions options;
  options.resamples = 50;
  const sam::Bootstrap bootstrap({ values.size(), values.size() }, options);
  const auto           first = bootstrap.ComputeMeans(0, values);
  EXPECT_NE(bootstrap.ComputeMeans(1, values), first);
  const auto ofTwice = bootstrap.ComputeMeans(0, twice);
  for (std::size_t k = 0; k < first.size(); ++k)
  {
    EXPECT_NEAR(ofTwice[k], 2.0 * first[k], 1e-12) << "the same cases";
  }
}

TEST(Bootstrap, MissingValuesAreDrawnToo)
{
  const sam::Bootstrap bootstrap({ 5, 2 }, {});
  const auto           means = bootstrap.ComputeMeans(1, { 3.0, std::nullopt });
  ASSERT_EQ(means.size(), 10000u);
  std::size_t without = 0;
  for (const double mean : means)
  {
    without += std::isnan(mean);
    EXPECT_TRUE(std::isnan(mean) || mean == 3.0);
  }
  EXPECT_NEAR(static_cast<double>(without), 2500.0, 200.0) << "twice the second case";
  EXPECT_EQ(bootstrap.ComputeInterval(means)->upper, 3.0);
  EXPECT_FALSE(bootstrap.ComputeInterval(bootstrap.ComputeMeans(1, Values(2))).has_value());
}

TEST(Groups, MeansMacroAverageAndDrop)
{
  const auto   groups = sam::SummarizeGroups(MakeReport(), {});
  const auto & dice = groups.labels.at(1).at("dice");
  EXPECT_EQ(dice.groups.size(), 2u);
  const auto & home = dice.groups.at("home");
  const auto & away = dice.groups.at("away");
  EXPECT_EQ(home.cases, 2u);
  EXPECT_EQ(away.cases, 3u);
  EXPECT_NEAR(*home.standardDeviation, std::sqrt(0.005), 1e-12);
  EXPECT_NEAR(*away.standardDeviation, 0.1, 1e-12);
  // Ends are drawn with a probability of 1/4 and 1/27, so they lie within.
  ExpectEstimate(home.mean, 0.85, 0.8, 0.9);
  ExpectEstimate(away.mean, 0.6, 0.5, 0.7);
  // Both worst ones together are drawn in 1 of 108 only, one step better in 4 of 108 already.
  ExpectEstimate(dice.macroAverage, 0.725, (0.8 + 1.6 / 3.0) / 2.0, (0.9 + 2.0 / 3.0) / 2.0);
  ExpectEstimate(away.drop, 0.25, 0.8 - 2.0 / 3.0, 0.9 - 1.6 / 3.0);
  EXPECT_FALSE(home.drop.value.has_value());
  const auto & hd95 = groups.labels.at(1).at("hd95_mm");
  EXPECT_NEAR(*hd95.groups.at("away").drop.value, -2.5, 1e-12) << "source minus group";
  EXPECT_FALSE(groups.labels.at(1).at("mean_surface_distance_mm").macroAverage.value.has_value());
  EXPECT_TRUE(groups.overall.empty());

  auto report = MakeReport();
  sam::SummarizeCases(report);
  const auto json = nlohmann::json::parse(sam::ToJson(report, &groups));
  EXPECT_EQ(json["cases"][0]["group"], "home");
  const auto & entry = json["groups"]["labels"]["1"]["dice"];
  EXPECT_EQ(json["groups"]["source"], "home");
  EXPECT_EQ(json["groups"]["bootstrap"]["resamples"], 10000);
  EXPECT_EQ(json["groups"]["cases"]["away"], 3);
  EXPECT_NEAR(entry["groups"]["away"]["interval"][0].get<double>(), 0.5, 1e-12);
  EXPECT_NEAR(entry["macro_average"]["mean"].get<double>(), 0.725, 1e-12);
  EXPECT_NEAR(entry["drops"]["away"]["mean"].get<double>(), 0.25, 1e-12);
  EXPECT_FALSE(entry["drops"].contains("home"));
  EXPECT_TRUE(json["groups"]["labels"]["1"]["mean_surface_distance_mm"]["macro_average"]["mean"].is_null());
  const auto table = sam::ToTable(groups);
  for (const char * text :
       { "drop from home", "0.5000 to 0.7000", "0.2500", "macro average", "0.7250", "95 % interval" })
  {
    EXPECT_TRUE(Contains(table, text)) << text << "\n" << table;
  }
}

TEST(Groups, FewValuesHaveNoInterval)
{
  auto report = MakeReport();
  AddCases(report, "one", { 3, -1 });
  AddCases(report, "none", { -1, -1 });
  const auto   groups = sam::SummarizeGroups(report, {});
  const auto & dice = groups.labels.at(1).at("dice");
  EXPECT_EQ(dice.groups.at("one").cases, 1u);
  EXPECT_NEAR(*dice.groups.at("one").mean.value, 0.3, 1e-12);
  EXPECT_FALSE(dice.groups.at("one").mean.interval.has_value());
  EXPECT_NEAR(*dice.groups.at("one").drop.value, 0.55, 1e-12);
  EXPECT_FALSE(dice.groups.at("one").drop.interval.has_value());
  EXPECT_FALSE(dice.groups.at("none").mean.value.has_value());
  EXPECT_NEAR(*dice.macroAverage.value, (0.85 + 0.6 + 0.3) / 3.0, 1e-12);
  EXPECT_FALSE(dice.macroAverage.interval.has_value());
  EXPECT_EQ(groups.cases.at("none"), 2u);
}

TEST(Groups, SeveralLabelsHaveAMean)
{
  auto report = MakeReport();
  report.labels = sam::MakeLabelTable({ 1, 2 });
  for (auto & item : report.cases)
  {
    item.labels[2].overlap = { 10, 10, 5, 1.0 };
  }
  const auto   groups = sam::SummarizeGroups(report, {});
  const auto & dice = groups.overall.at("dice");
  ExpectEstimate(dice.groups.at("home").mean, 0.5 * (0.85 + 0.5), 0.65, 0.7);
  EXPECT_NEAR(*dice.macroAverage.value, 0.5 * (0.725 + 0.5), 1e-12);
  EXPECT_NEAR(*dice.groups.at("away").drop.value, 0.125, 1e-12);
}

#ifndef _WIN32
TEST(Groups, ProgramComparesSites)
{
  const TemporaryFolder folder;
  const auto            predictions = folder.MakeFolder("p");
  const auto            references = folder.MakeFolder("r");
  for (int k = 0; k < 4; ++k)
  {
    const auto image = MakeImage<itk::Image<unsigned char, 2>>({ 12, 12 }, { 1.0, 1.0 });
    FillBox(image.GetPointer(), 1, { 2, 2 }, { 5, 5 });
    Write(image.GetPointer(), references / ("c" + std::to_string(k) + ".png"));
    FillBox(image.GetPointer(), 1, { 2, 2 }, { 5, k < 2 ? 5 : 9 }); // twice as large at the second site
    Write(image.GetPointer(), predictions / ("c" + std::to_string(k) + ".png"));
  }
  const auto run = [&](const std::string & arguments) {
    const std::string command = "\"" SEGMENTANYTHING_PROGRAMS "/sam-evaluate\" --threads 1 --prediction " +
                                predictions.string() + " --reference " + references.string() + " --output " +
                                (folder / "out.json").string() + " " + arguments + " > " +
                                (folder / "said.txt").string() + " 2>&1";
    const bool isWell = std::system(command.c_str()) == 0;
    return std::make_pair(isWell, ReadText(folder / "said.txt"));
  };
  const auto sites = (folder / "sites.csv").string();
  WriteText(sites, "file,site\nc0.png,a\nc1.png,a\nc2.png,b\nc3.png,b\n");
  const auto [isWell, said] = run("--group " + sites + " --source a --seed 3");
  ASSERT_TRUE(isWell) << said;
  EXPECT_TRUE(Contains(said, "drop from a")) << said;
  const auto json = nlohmann::json::parse(ReadText(folder / "out.json"));
  EXPECT_EQ(json["groups"]["bootstrap"]["seed"], 3);
  const auto & dice = json["groups"]["labels"]["1"]["dice"];
  EXPECT_EQ(dice["groups"]["a"]["mean"], 1.0);
  EXPECT_NEAR(dice["groups"]["b"]["mean"].get<double>(), 2.0 / 3.0, 1e-12);
  EXPECT_NEAR(dice["drops"]["b"]["interval"][1].get<double>(), 1.0 / 3.0, 1e-12);
  std::filesystem::remove(folder / "out.json");

  EXPECT_EQ(run("--source a").second, "sam-evaluate: --source is given without --group, expected both\n");
  EXPECT_EQ(run("--group " + sites + " --source c").second,
            "sam-evaluate: " + sites + ": no case is of the source group 'c', expected one of a, b\n");
  WriteText(sites, "file,site\nc0.png,a\nc1.png,a\nc3.png,b\n");
  EXPECT_EQ(run("--group " + sites).second,
            "sam-evaluate: " + sites + ": has no line for the case 'c2', expected its file or name and its site\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "out.json"));
}
#endif
