// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samMirroring.h"
#include "samTinyPlan.h"
#include "samValidation.h"
#include "samWindowQueue.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>

TEST(samWindowQueue, GivesWindowsInOrderAndNotTooManyAhead)
{
  std::atomic<int64_t> largest{ 0 };
  std::atomic<int64_t> taken{ 0 };
  const auto           make = [&](int64_t number) {
    EXPECT_LE(number, taken + 100 + 4) << "made too early"; // one is taken before it is counted
    largest = std::max<int64_t>(largest, number);
    // The later of two neighbors is ready first.
    std::this_thread::sleep_for(std::chrono::microseconds(number % 2 == 0 ? 400 : 10));
    return sam::TrainingWindow{ at::full({ 1 }, static_cast<double>(number)), {} };
  };
  const int threads = at::get_num_threads();
  {
    sam::WindowQueue queue(make, 100, 3, 4);
    EXPECT_EQ(at::get_num_threads(), threads);
    for (int64_t k = 0; k < 50; ++k)
    {
      EXPECT_EQ(queue.Take().image.item<double>(), 100.0 + static_cast<double>(k));
      ++taken;
    }
  }
  EXPECT_LT(largest, 100 + 50 + 4);
}

TEST(samWindowQueue, ThrowsWhatAWindowThrew)
{
  const auto make = [](int64_t number) {
    if (number == 1)
    {
      throw sam::Error("window 1");
    }
    return sam::TrainingWindow{};
  };
  sam::WindowQueue queue(make, 0, 2, 4);
  queue.Take();
  EXPECT_THROW(queue.Take(), sam::Error);
  queue.Take();
}

TEST(samMirroring, MeanUndoesEveryMirror)
{
  const auto image = at::arange(24.0).view({ 1, 1, 2, 3, 4 });
  // An answer that moves with the image is the same in all mirrors.
  const auto twice = [](const at::Tensor & x) { return 2.0 * x; };
  EXPECT_TRUE(sam::MeanOverMirrors(image, { 0, 1, 2 }, twice).equal(2.0 * image));
  // One that does not is averaged over the mirrors: the number of the column.
  const auto column = [](const at::Tensor & x) { return at::arange(4.0) * at::ones_like(x); };
  EXPECT_TRUE(sam::MeanOverMirrors(image, { 0 }, column).equal(at::full({ 1, 1, 2, 3, 4 }, 1.5)));
  EXPECT_TRUE(sam::MeanOverMirrors(image, { 1 }, column).equal(column(image)));
  EXPECT_TRUE(sam::MeanOverMirrors(image, {}, column).equal(column(image)));
}

TEST(samValidation, DiceLeavesOutIgnoredVoxels)
{
  const auto prediction = at::tensor({ 0, 1, 1, 1, 2, 2 }, at::kByte).view({ 1, 2, 3 });
  const auto reference = at::tensor({ 0, 1, 1, 0, -1, -1 }, at::kShort).view({ 1, 2, 3 });
  const auto dice = sam::DicePerLabel(prediction, reference, 4);
  ASSERT_EQ(dice.size(), 3u);
  EXPECT_DOUBLE_EQ(dice[0], 2.0 * 2.0 / 5.0);
  EXPECT_TRUE(std::isnan(dice[1])) << "found only where nobody knows";
  EXPECT_TRUE(std::isnan(dice[2]));
}

TEST(samValidation, NestedLabelsHoldThoseAfterThem)
{
  const auto prediction = at::tensor({ 1, 2, 2, 0, 0, 1 }, at::kByte).view({ 1, 2, 3 });
  const auto reference = at::tensor({ 1, 2, 1, 0, 0, 0 }, at::kShort).view({ 1, 2, 3 });
  const auto dice = sam::DicePerLabel(prediction, reference, 3, true);
  EXPECT_DOUBLE_EQ(dice[0], 2.0 * 3.0 / (4.0 + 3.0));
  EXPECT_DOUBLE_EQ(dice[1], 2.0 * 1.0 / (2.0 + 1.0));
}

TEST(samValidation, LabelsThatNoReferenceHasDoNotCount)
{
  // A network at random that finds the label all the same.
  const auto image = at::arange(4.0 * 16.0 * 16.0).view({ 1, 4, 16, 16 }).remainder(37.0) / 10.0;
  uint64_t   seed = 0;
  while (seed < 50 && !(sam::PredictLabels(sam::Network(sam::MakeTinyPlan(), seed), image) == 2).any().item<bool>())
  {
    ++seed;
  }
  auto labels = at::zeros({ 4, 16, 16 }, at::kByte);
  labels.narrow(1, 4, 6).fill_(1);
  const sam::TrainingCase item("case", image, labels, { 1.0, 1.0, 1.0 });
  const sam::Distribution alone{ sam::ProcessPlace() };
  const auto              result = sam::Validation::Run(sam::Network(sam::MakeTinyPlan(), seed), { item }, {}, alone);
  ASSERT_EQ(result.ofCases.at(0).at(1), 0.0) << "it is found where it is not";
  EXPECT_TRUE(std::isnan(result.dice.at(1)));
  EXPECT_DOUBLE_EQ(result.meanDice, result.dice.at(0));
}
