// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRegions.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cmath>

namespace
{
/** 1 within \a radius of the middle of 32 x 32. */
at::Tensor
Disc(double radius)
{
  const auto offset = at::arange(32, at::kFloat) - 15.5;
  return (offset.square().unsqueeze(1) + offset.square() < radius * radius).to(at::kFloat);
}
} // namespace

TEST(SamRegions, FindsWhatStandsOut)
{
  const auto image = (3.0 * Disc(9.0)).view({ 1, 1, 32, 32 });
  double     best = 0.0;
  for (uint64_t seed = 0; seed < 10; ++seed)
  {
    sam::RandomStream random(seed);
    const auto        regions = sam::FindRegions(image, random);
    ASSERT_EQ(regions.sizes(), at::IntArrayRef({ 1, 32, 32 }));
    sam::RandomStream again(seed);
    EXPECT_TRUE(regions.equal(sam::FindRegions(image, again)));
    for (int64_t number = 1; number <= regions.max().item<int64_t>(); ++number)
    {
      const auto   region = (regions[0] == number).to(at::kFloat);
      const double common = (region * Disc(9.0)).sum().item<double>();
      const double together = (region + Disc(9.0)).sum().item<double>() - common;
      EXPECT_LE(region.mean().item<double>(), 0.5);
      best = std::max(best, common / together);
    }
  }
  EXPECT_GT(best, 0.8);
}

TEST(SamRegions, PromptsAreThoseOfTheirRegions)
{
  auto map = at::zeros({ 32, 40 }, at::kLong);
  map.slice(0, 4, 14).slice(1, 10, 30).fill_(1); // rows 4 to 13, columns 10 to 29
  map.slice(0, 20, 30).slice(1, 2, 7).fill_(5);
  int points = 0;
  for (uint64_t seed = 0; seed < 20; ++seed)
  {
    sam::RandomStream random(seed);
    const auto        drawn = sam::DrawRegionPrompts(map, 4, random);
    ASSERT_EQ(drawn.regions.sizes(), at::IntArrayRef({ 2, 32, 40 }));
    points += drawn.areAmbiguous ? 1 : 0;
    for (int64_t k = 0; k < 2; ++k)
    {
      const auto region = drawn.regions[k];
      const bool isFirst = region[5][12].item<float>() == 1.0f;
      EXPECT_TRUE(region.equal((map == (isFirst ? 1 : 5)).to(at::kFloat)));
      if (drawn.areAmbiguous)
      {
        ASSERT_EQ(drawn.prompts.points.sizes(), at::IntArrayRef({ 2, 1, 2 }));
        EXPECT_FALSE(drawn.prompts.boxes.defined());
        const auto column = std::lround(drawn.prompts.points[k][0][0].item<double>() * 40.0 - 0.5);
        const auto row = std::lround(drawn.prompts.points[k][0][1].item<double>() * 32.0 - 0.5);
        EXPECT_EQ(region[row][column].item<float>(), 1.0f);
        EXPECT_EQ(drawn.prompts.labels[k][0].item<float>(), 1.0f);
        continue;
      }
      const auto box = isFirst ? at::tensor({ 10.0f, 4.0f, 30.0f, 14.0f }) : at::tensor({ 2.0f, 20.0f, 7.0f, 30.0f });
      const auto reach = isFirst ? at::tensor({ 2.0f, 1.0f, 2.0f, 1.0f }) : at::tensor({ 0.5f, 1.0f, 0.5f, 1.0f });
      const auto found = drawn.prompts.boxes[k] * at::tensor({ 40.0f, 32.0f, 40.0f, 32.0f });
      EXPECT_TRUE(((found - box).abs() <= reach + 1e-4).all().item<bool>()) << found;
    }
  }
  EXPECT_GT(points, 3);
  EXPECT_LT(points, 17);
  sam::RandomStream random(1);
  EXPECT_FALSE(sam::DrawRegionPrompts(at::zeros({ 8, 8 }, at::kLong), 4, random).regions.defined());
}

TEST(SamRegions, LossCountsTheBestMask)
{
  // Two masks for a region of half the slice: one says so for sure, the other says the opposite.
  auto region = at::zeros({ 1, 8, 8 });
  region.slice(2, 0, 4).fill_(1.0);
  const auto sure = 30.0 * (2.0 * region - 1.0);
  const auto loss = [&region, &sure](double first, double second) {
    sam::PromptedMasks answer;
    answer.masks = at::stack({ -sure, sure }, 1);
    answer.quality = at::tensor({ first, second }, at::kFloat).view({ 1, 2 });
    return sam::RegionLoss(answer, region).item<double>();
  };
  EXPECT_NEAR(loss(0.0, 1.0), 0.0, 1e-5);
  EXPECT_NEAR(loss(0.5, 1.0), 0.125, 1e-5) << "the mean of the squared errors of both overlaps";

  // A mask that says nothing: cross-entropy log 2, Dice (2·16 + 1) / (32 + 32 + 1).
  sam::PromptedMasks nothing;
  nothing.masks = at::zeros({ 1, 1, 8, 8 });
  nothing.quality = at::zeros({ 1, 1 }); // no voxel is above 0
  const double expected = 0.2 * std::log(2.0) + 0.8 * (1.0 - 33.0 / 65.0);
  EXPECT_NEAR(sam::RegionLoss(nothing, region).item<double>(), expected, 1e-6);
}
