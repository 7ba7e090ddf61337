// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskedImages.h"
#include "samNetwork.h"
#include "samTinyPlan.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <limits>

namespace
{
at::Tensor
Random(at::IntArrayRef shape, uint64_t seed)
{
  return at::randn(shape, at::detail::createCPUGenerator(seed), at::TensorOptions());
}
} // namespace

TEST(SamMaskedImages, HidesTheShareOfTheTokens)
{
  sam::RandomStream random(3);
  const auto        hidden = sam::DrawHiddenTokens(16, 16, 0.7, 1, random);
  EXPECT_EQ(hidden.sum().item<int64_t>(), 179); // of 256
  EXPECT_FALSE(hidden.equal(sam::DrawHiddenTokens(16, 16, 0.7, 1, random)));
  sam::RandomStream same(3);
  EXPECT_TRUE(hidden.equal(sam::DrawHiddenTokens(16, 16, 0.7, 1, same)));

  // Squares of tokens, also where they do not fill the grid.
  const auto squares = sam::DrawHiddenTokens(8, 6, 0.5, 2, random);
  const auto ofSquares = squares.unflatten(1, { 3, 2 }).unflatten(0, { 4, 2 }).sum({ 1, 3 });
  EXPECT_TRUE(((ofSquares == 0) | (ofSquares == 4)).all().item<bool>());
  EXPECT_EQ(squares.sum().item<int64_t>(), 6 * 4);
  EXPECT_EQ(sam::DrawHiddenTokens(5, 5, 0.5, 4, random).sizes(), at::IntArrayRef({ 5, 5 }));
  EXPECT_EQ(sam::DrawHiddenTokens(2, 2, 0.99, 1, random).sum().item<int64_t>(), 3) << "something is left to see";
  EXPECT_EQ(sam::DrawHiddenTokens(2, 2, 0.01, 1, random).sum().item<int64_t>(), 1);

  EXPECT_EQ(sam::HiddenCell(16, 16), 1);
  EXPECT_EQ(sam::HiddenCell(8, 17), 2);
  EXPECT_EQ(sam::HiddenCell(64, 64), 4);
}

TEST(SamMaskedImages, LossIsThatOfAClosedForm)
{
  // Tokens of 2 x 2 voxels m ± a: the target is ± a / √(a² + 0.01) whatever m.
  const double a = 0.3;
  auto         image = at::full({ 1, 1, 1, 4, 4 }, 5.0);
  for (int64_t y = 0; y < 4; ++y)
  {
    for (int64_t x = 0; x < 4; ++x)
    {
      image[0][0][0][y][x] += (x + y) % 2 == 0 ? a : -a;
    }
  }
  image.slice(3, 0, 2).slice(4, 0, 2).copy_(Random({ 1, 1, 1, 2, 2 }, 1)); // a token that is seen
  auto hidden = at::full({ 1, 2, 2 }, true, at::kBool);
  hidden[0][0][0] = false;
  const auto target = sam::TokenTargets(image, 2);
  EXPECT_EQ(target.sizes(), at::IntArrayRef({ 1, 4, 1, 2, 2 }));
  const double expected = a * a / (a * a + 0.01);
  EXPECT_NEAR(sam::HiddenTokenLoss(at::zeros_like(target), target, hidden).item<double>(), expected, 1e-6);
  auto prediction = target.clone();
  prediction.select(4, 0).select(3, 0).fill_(100.0);
  EXPECT_EQ(sam::HiddenTokenLoss(prediction, target, hidden).item<double>(), 0.0)
    << "tokens that are seen do not count";
  prediction[0][2][0][1][1] += 1.0;
  EXPECT_NEAR(sam::HiddenTokenLoss(prediction, target, hidden).item<double>(), 1.0 / 12.0, 1e-6);
}

TEST(SamMaskedImages, TargetsHoldTheVoxelsOfTheirTokenRowByRow)
{
  // Channel 1, slice 2, token (0, 1) of 2 x 3 tokens of 2 x 2 voxels.
  const auto image = at::arange(2 * 3 * 4 * 6, at::kFloat).view({ 1, 2, 3, 4, 6 });
  const auto target = sam::TokenTargets(image, 2);
  ASSERT_EQ(target.sizes(), at::IntArrayRef({ 1, 8, 3, 2, 3 }));
  const auto   voxels = image[0][1][2].slice(0, 0, 2).slice(1, 2, 4).flatten();
  const auto   centered = voxels - voxels.mean();
  const auto   expected = centered / (centered.square().mean() + 0.01).sqrt();
  const auto   found = target[0].slice(0, 4, 8).select(3, 1).select(2, 0).select(1, 2);
  const double difference = (found - expected).abs().max().item<double>();
  EXPECT_LT(difference, 1e-6);
}

TEST(SamMaskedImages, HiddenVoxelsDoNotLeak)
{
  const at::NoGradGuard noGradient;
  for (const int64_t slices : { 1, 4 })
  {
    const auto              plan = sam::MakeTinyPlan(slices); // with a pyramid and, of volumes, adapters across slices
    const sam::Network      network(plan, 4);
    sam::Parameters         parameters(5);
    const sam::VoxelHead    head(sam::Scope(parameters), plan.neck, 1, plan.patch);
    sam::RandomStream       random(6);
    std::vector<at::Tensor> draws;
    for (int64_t k = 0; k < 2; ++k)
    {
      draws.push_back(sam::DrawHiddenTokens(4, 4, 0.7, 1, random));
    }
    const auto hidden = at::stack(draws);
    const auto image = Random({ 2, 1, slices, 16, 16 }, 7);
    const auto voxels =
      hidden.repeat_interleave(4, 1).repeat_interleave(4, 2).unsqueeze(1).unsqueeze(1).expand_as(image);
    const auto encoded = network.Encode(sam::HideTokens(image, hidden));

    auto other = image.clone();
    other.masked_fill_(voxels, std::numeric_limits<float>::quiet_NaN());
    const auto same = network.Encode(sam::HideTokens(other, hidden));
    EXPECT_TRUE(head(same.embedding).equal(head(encoded.embedding)));
    ASSERT_EQ(same.details.size(), 2u);
    for (size_t k = 0; k < same.details.size(); ++k)
    {
      EXPECT_TRUE(same.details[k].equal(encoded.details[k])) << "stem's features, level " << k;
    }
    ASSERT_EQ(same.levels.size(), 1u);
    EXPECT_TRUE(same.levels[0].equal(encoded.levels[0]));

    // What is seen matters, and what is hidden would.
    const auto seen = at::where(voxels, image, image + 1.0 * Random(image.sizes(), 8));
    EXPECT_FALSE(network.Encode(sam::HideTokens(seen, hidden)).embedding.equal(encoded.embedding));
    EXPECT_FALSE(network.Encode(image).embedding.equal(encoded.embedding));
  }
}
