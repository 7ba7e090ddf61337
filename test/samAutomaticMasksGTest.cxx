// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAutomaticMasks.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

namespace
{
double
Overlap(const at::Tensor & a, const at::Tensor & b)
{
  const auto   sides = at::minimum(a, b).narrow(0, 2, 2) - at::maximum(a, b).narrow(0, 0, 2);
  const double shared = sides.clamp_min(0).prod().item<double>();
  const auto   area = [](const at::Tensor & box) {
    return (box.narrow(0, 2, 2) - box.narrow(0, 0, 2)).prod().item<double>();
  };
  return shared / (area(a) + area(b) - shared);
}
} // namespace

TEST(SamAutomaticMasks, CropsAreThePublishedOnes)
{
  const auto                      crops = sam::ImageCrops({ 61, 33 }, 1, 0.3);
  const std::vector<sam::CropBox> expected{
    { 0, 0, 33, 61 }, { 0, 0, 21, 35 }, { 0, 26, 21, 61 }, { 12, 0, 33, 35 }, { 12, 26, 33, 61 }
  };
  ASSERT_EQ(crops.size(), expected.size());
  for (size_t k = 0; k < crops.size(); ++k)
  {
    EXPECT_EQ(crops[k].box, expected[k]) << k;
    EXPECT_EQ(crops[k].layer, k == 0 ? 0 : 1);
  }
  const auto finer = sam::ImageCrops({ 60, 100 }, 2, 512.0 / 1500.0);
  ASSERT_EQ(finer.size(), 21u);
  EXPECT_EQ(finer[4].box, (sam::CropBox{ 40, 20, 100, 60 }));
  EXPECT_EQ(finer[10].box, (sam::CropBox{ 23, 13, 56, 36 }));
  EXPECT_EQ(finer[20].box, (sam::CropBox{ 69, 39, 100, 60 }));
  EXPECT_EQ(finer[20].layer, 2);
}

TEST(SamAutomaticMasks, PointsAreCentersOfEqualCells)
{
  EXPECT_TRUE(at::equal(sam::PointGrid(1), at::tensor({ 0.5, 0.5 }, at::kDouble).view({ 1, 2 })));
  EXPECT_TRUE(at::equal(sam::PointGrid(2),
                        at::tensor({ 0.25, 0.25, 0.75, 0.25, 0.25, 0.75, 0.75, 0.75 }, at::kDouble).view({ 4, 2 })));
  const auto points = sam::PointGrid(32);
  ASSERT_EQ(points.sizes(), at::IntArrayRef({ 1024, 2 }));
  EXPECT_NEAR(points[33][0].item<double>(), 1.5 / 32.0, 1e-15);
  EXPECT_NEAR(points[33][1].item<double>(), 1.5 / 32.0, 1e-15);
}

TEST(SamAutomaticMasks, MasksCutOffByACropAreFound)
{
  const auto boxes =
    at::tensor({ 0, 0, 10, 10, 25, 30, 60, 49, 70, 30, 79, 50, 40, 21, 60, 30, 40, 20, 59, 30 }, at::kLong)
      .view({ 5, 4 });
  const auto flags = [](std::vector<int64_t> values) { return at::tensor(values, at::kLong).to(at::kBool); };
  // The crop ends with the image, or so near to its edge that it makes no difference.
  EXPECT_TRUE(at::equal(sam::AreNearCropEdge(boxes, { 20, 0, 100, 80 }, { 80, 100 }), flags({ 0, 0, 0, 0, 0 })));
  // 20 pixels from the crop's upper edge and 30 from the image's, the others 21 and more or 20 from both.
  EXPECT_TRUE(at::equal(sam::AreNearCropEdge(boxes, { 20, 10, 120, 90 }, { 200, 300 }), flags({ 0, 0, 0, 0, 1 })));
  EXPECT_EQ(sam::AreNearCropEdge(at::zeros({ 0, 4 }, at::kLong), { 0, 0, 4, 4 }, { 9, 9 }).size(0), 0);
}

TEST(SamAutomaticMasks, OfBoxesThatOverlapTheBestRemains)
{
  const auto boxes =
    at::tensor({ 0, 0, 10, 10, 0, 0, 10, 9, 20, 20, 30, 30, 0, 0, 10, 8, 20, 20, 30, 30 }, at::kFloat).view({ 5, 4 });
  const auto scores = at::tensor({ 0.5, 0.9, 0.7, 0.6, 0.7 }, at::kFloat);
  const auto kept = [&](double threshold) { return sam::BoxNms(boxes, scores, threshold); };
  EXPECT_TRUE(at::equal(kept(0.5), at::tensor({ 1, 2 }, at::kLong)));
  // 8/9 of box 1 is not more than the threshold; the box of highest score decides, not its neighbors.
  EXPECT_TRUE(at::equal(kept(0.895), at::tensor({ 1, 2, 3 }, at::kLong)));
  EXPECT_TRUE(at::equal(kept(1.0), at::tensor({ 1, 2, 4, 3, 0 }, at::kLong)));
  EXPECT_EQ(sam::BoxNms(at::zeros({ 0, 4 }), at::zeros({ 0 }), 0.5).numel(), 0);
}

TEST(SamAutomaticMasks, SuppressedBoxesOverlapAKeptOne)
{
  auto         generator = at::detail::createCPUGenerator(11);
  const auto   corner = at::randint(0, 40, { 60, 2 }, generator, at::kFloat);
  const auto   boxes = at::cat({ corner, corner + at::randint(1, 30, { 60, 2 }, generator, at::kFloat) }, 1);
  const auto   scores = at::rand({ 60 }, generator);
  const double threshold = 0.3;
  const auto   kept = sam::BoxNms(boxes, scores, threshold);
  const auto   isKept = at::zeros({ 60 }, at::kBool).index_fill_(0, kept, true);
  ASSERT_GT(kept.size(0), 5);
  for (int64_t i = 0; i < 60; ++i)
  {
    bool hasBetter = false;
    for (int64_t k = 0; k < kept.size(0); ++k)
    {
      const auto j = kept[k].item<int64_t>();
      hasBetter = hasBetter || ((scores[j] > scores[i]).item<bool>() && Overlap(boxes[i], boxes[j]) > threshold);
    }
    EXPECT_EQ(hasBetter, !isKept[i].item<bool>()) << i;
  }
}
