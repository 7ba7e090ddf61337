// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samStatistics.h"

#include <nlohmann/json.hpp>

#include <cmath>

using namespace sam::test;

namespace
{
using Labels = itk::Image<unsigned short, 3>;
using Gray = itk::Image<float, 3>;
} // namespace

TEST(Statistics, BoxOnARamp)
{
  auto labels = MakeImage<Labels>({ 10, 10, 10 }, { 0.5, 2.0, 3.0 }, { 100.0, -50.0, 7.0 });
  auto gray = MakeImage<Gray>({ 10, 10, 10 }, { 0.5, 2.0, 3.0 }, { 100.0, -50.0, 7.0 });
  FillBox(labels.GetPointer(), 500, { 2, 3, 4 }, { 5, 4, 4 });
  for (itk::ImageRegionIteratorWithIndex<Gray> it(gray, gray->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(static_cast<float>(1000.0 + 10.0 * it.GetIndex()[0]));
  }
  const auto statistics = sam::ComputeStatistics<Labels>(labels, gray, { 500, 7 });
  ASSERT_EQ(statistics.size(), 2u);
  const auto & box = statistics[0];
  EXPECT_EQ(box.value, 500);
  EXPECT_EQ(box.voxels, 8u);
  EXPECT_DOUBLE_EQ(box.volume, 8 * 3.0);
  EXPECT_DOUBLE_EQ((*box.centroid)[0], 100.0 + 3.5 * 0.5);
  EXPECT_DOUBLE_EQ((*box.centroid)[1], -50.0 + 3.5 * 2.0);
  EXPECT_DOUBLE_EQ((*box.centroid)[2], 7.0 + 4.0 * 3.0);
  // Edges of the voxels, not their centers: the box has the volume of the voxels.
  EXPECT_DOUBLE_EQ((*box.boundsMinimum)[0], 100.0 + 1.5 * 0.5);
  EXPECT_DOUBLE_EQ((*box.boundsMaximum)[0], 100.0 + 5.5 * 0.5);
  EXPECT_DOUBLE_EQ((*box.boundsMinimum)[2], 7.0 + 3.5 * 3.0);
  EXPECT_DOUBLE_EQ((*box.boundsMaximum)[2], 7.0 + 4.5 * 3.0);
  // 1020, 1030, 1040, 1050, each twice: squares 2·(225+25+25+225) = 1000 over 7.
  EXPECT_NEAR(*box.mean, 1035.0, 1e-9);
  EXPECT_NEAR(*box.standardDeviation, std::sqrt(1000.0 / 7.0), 1e-9);

  const auto & missing = statistics[1];
  EXPECT_EQ(missing.voxels, 0u);
  EXPECT_DOUBLE_EQ(missing.volume, 0.0);
  EXPECT_FALSE(missing.centroid || missing.boundsMinimum || missing.boundsMaximum || missing.mean ||
               missing.standardDeviation);
}

TEST(Statistics, DirectionTurnsPositionsNotAmounts)
{
  // x and y of the image run along y and -x of the patient.
  auto                  labels = MakeImage<Labels>({ 6, 6, 6 }, { 1.0, 2.0, 4.0 }, { 10.0, 20.0, 30.0 });
  Labels::DirectionType direction;
  direction.Fill(0.0);
  direction[1][0] = 1.0;
  direction[0][1] = -1.0;
  direction[2][2] = 1.0;
  labels->SetDirection(direction);
  FillBox(labels.GetPointer(), 1, { 1, 2, 3 }, { 4, 2, 3 });
  const auto result = sam::ComputeStatistics<Labels>(labels, nullptr, { 1 }).front();
  EXPECT_EQ(result.voxels, 4u);
  EXPECT_DOUBLE_EQ(result.volume, 32.0);
  EXPECT_DOUBLE_EQ((*result.centroid)[0], 10.0 - 4.0);
  EXPECT_DOUBLE_EQ((*result.centroid)[1], 20.0 + 2.5);
  EXPECT_DOUBLE_EQ((*result.centroid)[2], 30.0 + 12.0);
  EXPECT_DOUBLE_EQ((*result.boundsMinimum)[0], 10.0 - 5.0);
  EXPECT_DOUBLE_EQ((*result.boundsMaximum)[0], 10.0 - 3.0);
  EXPECT_DOUBLE_EQ((*result.boundsMinimum)[1], 20.0 + 0.5);
  EXPECT_DOUBLE_EQ((*result.boundsMaximum)[1], 20.0 + 4.5);
  EXPECT_FALSE(result.mean.has_value());
}

TEST(Statistics, RegionsAreCountedForThemselves)
{
  auto labels = MakeImage<Labels>({ 20, 4, 4 }, { 1.0, 1.0, 1.0 });
  auto gray = MakeImage<Gray>({ 20, 4, 4 }, { 1.0, 1.0, 1.0 });
  FillBox(labels.GetPointer(), 1, { 2, 1, 1 }, { 3, 1, 1 });
  FillBox(labels.GetPointer(), 1, { 15, 1, 1 }, { 15, 1, 1 });
  FillBox(gray.GetPointer(), 5.0F, { 0, 0, 0 }, { 2, 3, 3 });
  FillBox(gray.GetPointer(), 7.0F, { 3, 0, 0 }, { 19, 3, 3 });
  const sam::LabelTable          table{ { 1, "thing", { { 1, 2, 3 } } } };
  const std::vector<sam::Region> regions{ { { { 3.0, 1.0, 1.0 } }, { { 4.0, 4.0, 4.0 } } },
                                          { { { 15.0, 1.0, 1.0 } }, { { 4.0, 4.0, 4.0 } } } };
  const auto report = sam::MakeStatisticsReport<Labels>(labels, gray, table, regions, "image.nii.gz", "m.safetensors");
  EXPECT_EQ(report.labels[0].voxels, 3u);
  ASSERT_EQ(report.regionLabels.size(), 2u);
  EXPECT_EQ(report.regionLabels[0][0].voxels, 2u);
  EXPECT_EQ(report.regionLabels[1][0].voxels, 1u);

  const auto json = nlohmann::json::parse(sam::ToJson(report));
  EXPECT_EQ(json["image"], "image.nii.gz");
  EXPECT_EQ(json["model"], "m.safetensors");
  EXPECT_EQ(json["labels"][0]["value"], 1);
  EXPECT_EQ(json["labels"][0]["name"], "thing");
  EXPECT_EQ(json["labels"][0]["voxels"], 3);
  EXPECT_EQ(json["labels"][0]["volume_mm3"], 3.0);
  EXPECT_EQ(json["regions"][0]["labels"][0]["mean"], 6.0);
  EXPECT_NEAR(json["regions"][0]["labels"][0]["standard_deviation"].get<double>(), std::sqrt(2.0), 1e-12);
  EXPECT_EQ(json["regions"][1]["center_mm"], (std::vector<double>{ 15.0, 1.0, 1.0 }));
  EXPECT_EQ(json["regions"][1]["labels"][0]["centroid_mm"], (std::vector<double>{ 15.0, 1.0, 1.0 }));
  EXPECT_EQ(json["regions"][1]["labels"][0]["bounding_box_mm"]["min"], (std::vector<double>{ 14.5, 0.5, 0.5 }));
  // One voxel has no deviation.
  EXPECT_TRUE(json["regions"][1]["labels"][0]["standard_deviation"].is_null());

  const auto single = sam::MakeStatisticsReport<Labels>(labels, gray, table, { regions[0] }, "", "");
  EXPECT_FALSE(nlohmann::json::parse(sam::ToJson(single)).contains("regions"));
}

TEST(Statistics, PicturesHaveAreasAndNothingIsNaN)
{
  using Picture = itk::Image<unsigned char, 2>;
  auto labels = MakeImage<Picture>({ 5, 5 }, { 0.5, 0.5 });
  auto gray = MakeImage<itk::Image<float, 2>>({ 5, 5 }, { 0.5, 0.5 });
  FillBox(labels.GetPointer(), 1, { 0, 0 }, { 1, 1 });
  gray->FillBuffer(std::nanf(""));
  const auto text =
    sam::ToJson(sam::MakeStatisticsReport<Picture>(labels, gray, sam::MakeLabelTable({ 1, 2 }), {}, "", ""));
  const auto json = nlohmann::json::parse(text);
  EXPECT_EQ(json["labels"][0]["area_mm2"], 1.0);
  EXPECT_EQ(json["labels"][0]["centroid_mm"].size(), 2u);
  EXPECT_TRUE(json["labels"][0]["mean"].is_null());
  EXPECT_TRUE(json["labels"][1]["centroid_mm"].is_null());
}

TEST(Statistics, OtherGridsAreRefused)
{
  const auto labels = MakeImage<Labels>({ 5, 5, 5 }, { 1.0, 1.0, 1.0 });
  const auto gray = MakeImage<Gray>({ 5, 5, 5 }, { 1.0, 1.0, 1.5 });
  EXPECT_EQ(GetMessage<sam::Error>([&] { sam::ComputeStatistics<Labels>(labels, gray, { 1 }); }),
            "labels and image: spacings differ: 1 x 1 x 1 and 1 x 1 x 1.5 mm");
}
