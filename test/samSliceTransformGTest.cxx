// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samSliceTransform.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cmath>

namespace
{
sam::Plan
MakePlan(const std::string & fit, const std::string & normalization)
{
  sam::Plan plan;
  plan.patch = 4;
  plan.grid = { 8, 8 };
  plan.promptSource = "manual";
  plan.decoder = "sam";
  plan.fit = fit;
  plan.channels.assign(3, sam::ChannelPlan{ "color", normalization, 0.0, 0.0, 100.0, 50.0 });
  return plan;
}
} // namespace

TEST(SamSliceTransform, LongestSideScalesAndPads)
{
  const sam::SliceTransform transform(MakePlan("longest_side", "display"), { 12, 16 });
  EXPECT_EQ(transform.GetSide(), 32);
  EXPECT_EQ(transform.GetResizedSize(), (sam::ImageSize{ 24, 32 }));
  const auto image = transform.PrepareImage(at::full({ 3, 12, 16 }, 200, at::kByte));
  ASSERT_EQ(image.sizes(), at::IntArrayRef({ 1, 3, 1, 32, 32 }));
  EXPECT_TRUE(at::equal(image.narrow(3, 0, 24), at::full({ 1, 3, 1, 24, 32 }, 2.0f))) << "(200 - 100) / 50";
  EXPECT_TRUE(at::equal(image.narrow(3, 24, 8), at::zeros({ 1, 3, 1, 8, 32 })));
  // As the published encoder of prompts takes them: (x · scale + 0.5) / side.
  const auto points = transform.PreparePoints(at::tensor({ 3.0, 5.0 }, at::kDouble));
  EXPECT_EQ(points[0].item<float>(), 6.5f / 32.0f);
  EXPECT_EQ(points[1].item<float>(), 10.5f / 32.0f);
}

TEST(SamSliceTransform, SquareStretchesAndBringsToUnitRange)
{
  const sam::SliceTransform transform(MakePlan("square", "min_max"), { 16, 64 });
  EXPECT_EQ(transform.GetResizedSize(), (sam::ImageSize{ 32, 32 }));
  const auto noise = at::randint(40, 90, { 3, 16, 64 }, at::detail::createCPUGenerator(2), at::kByte);
  const auto image = transform.PrepareImage(noise);
  EXPECT_EQ(image.min().item<float>(), 0.0f);
  EXPECT_EQ(image.max().item<float>(), 1.0f);
  const auto constant = transform.PrepareImage(at::full({ 3, 16, 64 }, 7, at::kByte));
  EXPECT_TRUE(constant.isfinite().all().item<bool>());
  const auto points = transform.PreparePoints(at::tensor({ 32.0, 8.0 }, at::kDouble));
  EXPECT_EQ(points[0].item<float>(), 16.5f / 32.0f);
  EXPECT_EQ(points[1].item<float>(), 16.5f / 32.0f);

  // Probabilities are interpolated, not logits. Column 31 lies a quarter of a logit's width before the edge.
  auto logits = at::full({ 1, 1, 32, 32 }, -9.0f);
  logits.narrow(3, 16, 16).fill_(3.0f);
  const auto masks = transform.RestoreMasks(logits);
  ASSERT_EQ(masks.sizes(), at::IntArrayRef({ 1, 1, 16, 64 }));
  const auto   sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  const double mixed = 0.75 * sigmoid(-9.0) + 0.25 * sigmoid(3.0);
  EXPECT_NEAR(masks[0][0][4][31].item<double>(), std::log(mixed / (1.0 - mixed)), 1e-4);
  EXPECT_NEAR(masks[0][0][4][50].item<double>(), 3.0, 1e-4);
}

TEST(SamSliceTransform, RefusesOtherFits)
{
  EXPECT_THROW(sam::SliceTransform(MakePlan("spacing", "z_score"), { 4, 4 }), sam::Error);
}
