// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samError.h"
#include "samTestMessage.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace
{
namespace fs = std::filesystem;
using sam::test::Contains;

struct Report
{
  int         status{ 0 };
  std::string text;
};

Report
Check(const std::string & path)
{
  Report           report;
  sam::Conformance conformance([&report](const std::string & line) { report.text += line + "\n"; });
  conformance.Check(path);
  report.status = conformance.GetStatus();
  report.text += conformance.GetSummary() + "\n";
  return report;
}

/** An empty folder of the test that runs. */
fs::path
MakeFolder()
{
  const auto folder =
    fs::path(testing::TempDir()) / "SamConformance" / testing::UnitTest::GetInstance()->current_test_info()->name();
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

/** A recording with one change, in a folder of its own that is named after the method. */
template <typename TChange>
Report
CheckChanged(const std::string & recording, const TChange & change, const std::string & name = {})
{
  const fs::path original = fs::path(SEGMENTANYTHING_TEST_FIXTURES) / (recording + ".safetensors");
  const fs::path folder = MakeFolder();
  const auto     target =
    folder / original.parent_path().filename() / (name.empty() ? original.filename() : fs::path(name));
  fs::create_directories(target.parent_path());
  auto file = sam::ReadSafetensors(original.string());
  change(file);
  sam::WriteSafetensors(target.string(), file);
  return Check(folder.string());
}

class SharedRecordings : public testing::TestWithParam<const char *>
{};
} // namespace

TEST(SamConformance, PartsEqualThePublishedOnes)
{
  const auto report = Check(SEGMENTANYTHING_TEST_FIXTURES);
  EXPECT_EQ(report.status, 0) << report.text;
}

TEST_P(SharedRecordings, EqualThePublishedOnes)
{
  const auto folder = std::string(SEGMENTANYTHING_SHARED "/fixtures/") + GetParam();
  if (!fs::is_directory(folder))
  {
    GTEST_SKIP() << "no recordings in ../shared";
  }
  const auto report = Check(folder);
  EXPECT_EQ(report.status, 0) << report.text;
}

INSTANTIATE_TEST_SUITE_P(SamConformance,
                         SharedRecordings,
                         testing::Values("dapsam", "hqsam", "masksam", "mobilesam", "sam"));

TEST(SamConformance, MoreThanTheToleranceFails)
{
  const auto change = [](double tolerances) {
    return [tolerances](sam::SafetensorsFile & file) {
      auto &       output = file.tensors.at("out/queries");
      const double tolerance = 2e-5 * output.abs().max().item<double>() + 1e-6;
      output[0][0][0] += tolerances * tolerance;
    };
  };
  EXPECT_EQ(CheckChanged("sam/two_way_transformer_a", change(0.5)).status, 0);
  const auto report = CheckChanged("sam/two_way_transformer_a", change(2.0));
  EXPECT_EQ(report.status, 1) << report.text;
  EXPECT_TRUE(Contains(report.text, "5 passed, 1 failed, 0 unknown in 1 file")) << report.text;
}

TEST(SamConformance, IntegersAreExact)
{
  const auto report = CheckChanged("sam/transforms_a", [](sam::SafetensorsFile & file) {
    file.tensors.at("out/image_u8_resized")[3][4][1].bitwise_xor_(1);
  });
  EXPECT_EQ(report.status, 1) << report.text;
}

TEST(SamConformance, DecidedPixelsOfMasksMustAgree)
{
  const auto report = CheckChanged("sam/sam_full_a", [](sam::SafetensorsFile & file) {
    auto &     masks = file.tensors.at("out/single/0/masks");
    const auto index = file.tensors.at("out/single/0/postprocessed").abs().argmax();
    masks.view({ -1 })[index.item<int64_t>()].bitwise_xor_(1);
  });
  EXPECT_EQ(report.status, 1) << report.text;
  EXPECT_TRUE(Contains(report.text, "1 failed, 0 unknown")) << report.text;
}

TEST(SamConformance, UndecidedPixelsOfMasksMayFlip)
{
  auto file = sam::ReadSafetensors(SEGMENTANYTHING_TEST_FIXTURES "/sam/sam_full_a.safetensors");
  auto logits = file.tensors.at("out/single/0/postprocessed").clone();
  auto flat = logits.view({ -1 });
  // One pixel that is recorded as foreground, just below 0.
  flat[(flat > 0).nonzero()[0].item<int64_t>()] = -5e-6;
  sam::Recording recording(SEGMENTANYTHING_TEST_FIXTURES "/sam/sam_full_a.safetensors");
  recording.CompareMasks("out/single/0/masks", logits);
  for (const auto & comparison : recording.GetComparisons())
  {
    if (comparison.name == "out/single/0/masks")
    {
      EXPECT_EQ(comparison.outcome, sam::Comparison::Outcome::Pass);
      EXPECT_EQ(comparison.remark, "1 undecided pixels");
    }
  }
}

TEST(SamConformance, NothingIsSkippedInSilence)
{
  const auto output = CheckChanged("sam/window_relpos_a", [](sam::SafetensorsFile & file) {
    file.tensors["out/something_else"] = at::zeros({ 2 });
    file.tensors["config/window"] = at::zeros({ 1 });
  });
  EXPECT_EQ(output.status, 2) << output.text;
  EXPECT_TRUE(Contains(output.text, "1 unknown")) << output.text;

  const auto nothing = [](sam::SafetensorsFile &) {};
  EXPECT_EQ(CheckChanged("sam/transforms_a", nothing, "another_a.safetensors").status, 2);
  EXPECT_EQ(CheckChanged("sam/transforms_a", nothing, "transforms_other_seed.safetensors").status, 0);

  // What is unknown weighs more than what failed.
  const auto both = CheckChanged("sam/window_relpos_a", [](sam::SafetensorsFile & file) {
    file.tensors["mid/something_else"] = at::zeros({ 2 });
    file.tensors.at("out/windows") += 1.0;
  });
  EXPECT_EQ(both.status, 2) << both.text;
  EXPECT_TRUE(Contains(both.text, "FAIL")) << both.text;
}

TEST(SamConformance, WhatCannotRunFails)
{
  const auto missing = CheckChanged("sam/mask_decoder_a",
                                    [](sam::SafetensorsFile & file) { file.tensors.erase("param/iou_token.weight"); });
  EXPECT_EQ(missing.status, 1) << missing.text;
  EXPECT_TRUE(Contains(missing.text, "'iou_token.weight' is missing")) << missing.text;

  const auto unused = CheckChanged(
    "sam/mask_decoder_a", [](sam::SafetensorsFile & file) { file.tensors["param/other.weight"] = at::zeros({ 1 }); });
  EXPECT_EQ(unused.status, 1) << unused.text;

  const auto input = CheckChanged("sam/mask_decoder_a",
                                  [](sam::SafetensorsFile & file) { file.tensors.at("in/dense") = at::zeros({ 3 }); });
  EXPECT_EQ(input.status, 1) << input.text;
}

TEST(SamConformance, MistakesInPathsAreErrors)
{
  const fs::path folder = MakeFolder() / "sam";
  EXPECT_THROW(Check(folder.string()), sam::Error);
  fs::create_directories(folder);
  EXPECT_THROW(Check(folder.string()), sam::Error);
  std::ofstream(folder / "transforms_a.txt") << "text";
  EXPECT_THROW(Check((folder / "transforms_a.txt").string()), sam::Error);
  std::ofstream(folder / "transforms_a.safetensors") << "damaged";
  const auto report = Check(folder.string());
  EXPECT_EQ(report.status, 1) << report.text;
}
