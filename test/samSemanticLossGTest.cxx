// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samSemanticLoss.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cmath>

TEST(samSemanticLoss, IsItsDefinition)
{
  auto generator = at::detail::createCPUGenerator(1);
  auto logits = at::randn({ 2, 3, 2, 4, 5 }, generator, at::TensorOptions().dtype(at::kDouble));
  logits.requires_grad_(true);
  const auto labels = at::randint(-1, 3, { 2, 2, 4, 5 }, generator, at::kLong);
  const auto probabilities = at::softmax(logits, 1);
  const auto losses = sam::SemanticLoss(probabilities, labels, 1e-5);

  double crossEntropy = 0.0;
  int    voxels = 0;
  double overlap[3]{}, predicted[3]{}, truth[3]{};
  for (int b = 0; b < 2; ++b)
  {
    for (int d = 0; d < 2; ++d)
    {
      for (int y = 0; y < 4; ++y)
      {
        for (int x = 0; x < 5; ++x)
        {
          const auto label = labels[b][d][y][x].item<int64_t>();
          if (label < 0)
          {
            continue;
          }
          ++voxels;
          for (int k = 0; k < 3; ++k)
          {
            const auto p = probabilities[b][k][d][y][x].item<double>();
            predicted[k] += p;
            if (k == label)
            {
              crossEntropy -= std::log(p);
              overlap[k] += p;
              truth[k] += 1.0;
            }
          }
        }
      }
    }
  }
  ASSERT_LT(voxels, 80) << "no ignored voxel in the test";
  double dice = 0.0;
  for (int k = 1; k < 3; ++k)
  {
    dice += (2.0 * overlap[k] + 1e-5) / (predicted[k] + truth[k] + 1e-5) / 2.0;
  }
  EXPECT_NEAR(losses.crossEntropy.item<double>(), crossEntropy / voxels, 1e-12);
  EXPECT_NEAR(losses.dice.item<double>(), 1.0 - dice, 1e-12);
  EXPECT_NEAR(losses.total.item<double>(), crossEntropy / voxels + 1.0 - dice, 1e-12);

  // Gradient against central differences, at one voxel per label and an ignored one.
  losses.total.backward();
  const auto gradient = logits.grad();
  const auto value = [&labels](const at::Tensor & at) {
    return sam::SemanticLoss(at::softmax(at, 1), labels, 1e-5).total.item<double>();
  };
  for (int x = 0; x < 5; ++x)
  {
    auto step = at::zeros_like(logits);
    step[1][x % 3][1][2][x] = 1e-5;
    const auto base = logits.detach();
    const auto slope = (value(base + step) - value(base - step)) / 2e-5;
    EXPECT_NEAR(gradient[1][x % 3][1][2][x].item<double>(), slope, 1e-8);
  }
  const auto ignored = (labels < 0).unsqueeze(1).expand_as(gradient);
  EXPECT_EQ(gradient.masked_select(ignored).abs().max().item<double>(), 0.0);
}

TEST(samSemanticLoss, PerfectIsZeroAndWrongIsNot)
{
  auto labels = at::zeros({ 1, 1, 4, 4 }, at::kLong);
  labels[0][0][1].fill_(1);
  auto probabilities = at::zeros({ 1, 2, 1, 4, 4 });
  probabilities.scatter_(1, labels.unsqueeze(1), 1.0);
  EXPECT_NEAR(sam::SemanticLoss(probabilities, labels).total.item<double>(), 0.0, 1e-6);
  const auto wrong = sam::SemanticLoss(1.0 - probabilities, labels);
  EXPECT_GT(wrong.dice.item<double>(), 0.99);
  EXPECT_TRUE(std::isfinite(wrong.crossEntropy.item<double>()));
  EXPECT_GT(wrong.crossEntropy.item<double>(), 10.0);
}

TEST(samSemanticLoss, AllIgnoredIsFiniteAndWithoutForegroundDiceIsZero)
{
  const auto half = at::full({ 1, 2, 1, 3, 3 }, 0.5);
  const auto ignored = sam::SemanticLoss(half, at::full({ 1, 1, 3, 3 }, -1, at::kLong));
  EXPECT_EQ(ignored.crossEntropy.item<double>(), 0.0);
  EXPECT_TRUE(std::isfinite(ignored.total.item<double>()));
  const auto single = sam::SemanticLoss(at::full({ 1, 1, 1, 3, 3 }, 1.0), at::zeros({ 1, 1, 3, 3 }, at::kLong));
  EXPECT_EQ(single.total.item<double>(), 0.0);
}

TEST(samSemanticLoss, RefusesWhatDoesNotFit)
{
  const auto probabilities = at::full({ 1, 2, 1, 3, 3 }, 0.5);
  EXPECT_THROW(sam::SemanticLoss(probabilities, at::full({ 1, 1, 3, 3 }, 2, at::kLong)), sam::Error);
  EXPECT_THROW(sam::SemanticLoss(probabilities, at::zeros({ 1, 1, 3, 4 }, at::kLong)), sam::Error);
  EXPECT_THROW(sam::SemanticLoss(probabilities, at::zeros({ 1, 1, 3, 3 }, at::kInt)), sam::Error);
}
