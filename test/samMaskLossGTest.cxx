// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samMaskLoss.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cmath>

namespace
{
at::Tensor
MakeLogits(int64_t batch = 2)
{
  return at::randn({ batch, 2, 1, 5, 6 }, at::detail::createCPUGenerator(1), at::TensorOptions().dtype(at::kDouble));
}

at::Tensor
MakeLabels(int64_t lowest, int64_t batch = 2)
{
  return at::randint(lowest, 3, { batch, 1, 5, 6 }, at::detail::createCPUGenerator(2), at::kLong);
}
} // namespace

TEST(samMaskLoss, IsItsDefinition)
{
  const auto logits = MakeLogits();
  const auto labels = MakeLabels(-1);
  for (const bool isNested : { false, true })
  {
    for (const bool isBatchDice : { false, true })
    {
      const auto losses = sam::MaskLoss(logits, labels, { 0.7, 1.0, isNested, isBatchDice });
      double     entropy = 0.0;
      double     dice = 0.0;
      for (int64_t mask = 0; mask < 2; ++mask)
      {
        double sums[2][3]{};
        double sum = 0.0;
        int    voxels = 0;
        for (int64_t place = 0; place < 60; ++place)
        {
          const int64_t b = place / 30;
          const auto    label = labels[b].flatten()[place % 30].item<int64_t>();
          if (label < 0)
          {
            continue;
          }
          const double p = 1.0 / (1.0 + std::exp(-logits[b][mask].flatten()[place % 30].item<double>()));
          const bool   isInside = isNested ? label > mask : label == mask + 1;
          sum -= std::log(isInside ? p : 1.0 - p);
          ++voxels;
          double * of = sums[isBatchDice ? 0 : b];
          of[0] += isInside ? p : 0.0;
          of[1] += p;
          of[2] += isInside ? 1.0 : 0.0;
        }
        ASSERT_LT(voxels, 60) << "no ignored voxel in the test";
        entropy += sum / voxels;
        for (int k = 0; k < (isBatchDice ? 1 : 2); ++k)
        {
          const double one = 1.0 - (2.0 * sums[k][0] + 1.0) / (sums[k][1] + sums[k][2] + 1.0);
          dice += isBatchDice ? one : 0.5 * one;
        }
      }
      EXPECT_NEAR(losses.crossEntropy.item<double>(), entropy, 1e-12);
      EXPECT_NEAR(losses.dice.item<double>(), dice, 1e-12);
      EXPECT_NEAR(losses.total.item<double>(), 0.3 * entropy + 0.7 * dice, 1e-12);
    }
  }
}

TEST(samMaskLoss, ProcessesAddUp)
{
  const auto logits = MakeLogits(3).requires_grad_(true);
  const auto labels = MakeLabels(0, 3);
  for (const bool isBatchDice : { false, true })
  {
    const sam::MaskLossOptions options{ 0.8, 1.0, true, isBatchDice };
    // What the first image's process adds to the two of the second.
    at::Tensor others;
    sam::MaskLoss(logits.narrow(0, 0, 1), labels.narrow(0, 0, 1), options, [&others](const at::Tensor & sums) {
      others = sums.detach();
      return sums;
    });
    const auto found =
      sam::MaskLoss(logits.narrow(0, 1, 2), labels.narrow(0, 1, 2), options, [&others](const at::Tensor & sums) {
        return sums + others;
      });
    const auto expected = sam::MaskLoss(logits, labels, options);
    EXPECT_NEAR(found.total.item<double>(), expected.total.item<double>(), 1e-12);
    const auto gradient = [&logits](const at::Tensor & loss) {
      logits.mutable_grad().reset();
      loss.backward();
      return logits.grad().narrow(0, 1, 2).clone();
    };
    EXPECT_LT((gradient(found.total) - gradient(expected.total)).abs().max().item<double>(), 1e-12);
  }
}

TEST(samMaskLoss, StaysFinite)
{
  const auto labels = at::full({ 1, 1, 2, 2 }, 1, at::kLong);
  for (const double logit : { -1e4, 1e4 })
  {
    const auto logits = at::full({ 1, 1, 1, 2, 2 }, logit, at::kFloat).requires_grad_(true);
    const auto loss = sam::MaskLoss(logits, labels).total;
    loss.backward();
    EXPECT_TRUE(std::isfinite(loss.item<double>()));
    EXPECT_TRUE(logits.grad().isfinite().all().item<bool>());
  }
  // Nothing that counts.
  const auto none = sam::MaskLoss(at::zeros({ 1, 1, 1, 2, 2 }), at::full({ 1, 1, 2, 2 }, -1, at::kLong));
  EXPECT_EQ(none.total.item<double>(), 0.0);
}

TEST(samMaskLoss, RefusesOtherLabelsAndShapes)
{
  EXPECT_THROW(sam::MaskLoss(MakeLogits(), MakeLabels(0) + 1), sam::Error);
  EXPECT_THROW(sam::MaskLoss(MakeLogits(), MakeLabels(0).to(at::kInt)), sam::Error);
  EXPECT_THROW(sam::MaskLoss(MakeLogits(), MakeLabels(0, 3)), sam::Error);
}
