// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samMatchingLoss.h"
#include "samPromptGenerator.h"
#include "samSafetensors.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace
{
void
ExpectClose(const at::Tensor & found, const at::Tensor & expected, const std::string & name)
{
  ASSERT_EQ(found.numel(), expected.numel()) << name;
  const auto a = found.detach().to(at::kDouble).flatten();
  const auto b = expected.to(at::kDouble).flatten();
  const auto difference = (a - b).abs().max().item<double>();
  const auto tolerance = 2e-5 * b.abs().max().item<double>() + 1e-6;
  EXPECT_LE(difference, tolerance) << name;
}

/** Leaves with the slices in the first axis, and the views of them that the loss takes. */
struct Predictions
{
  at::Tensor masks;
  at::Tensor auxiliary;
  at::Tensor classes;
  at::Tensor boxes;

  sam::Prompts
  GetPrompts() const
  {
    sam::Prompts prompts;
    prompts.masks = auxiliary.transpose(0, 1).unsqueeze(0);
    prompts.boxes = boxes.unsqueeze(0);
    return prompts;
  }

  sam::MaskClassification
  GetClassification() const
  {
    sam::MaskClassification classification;
    classification.masks = masks.transpose(0, 1).unsqueeze(0);
    classification.classes = classes.unsqueeze(0);
    return classification;
  }
};

/** Two slices of 6×8 pixels: background only, and labels 0, 1, 2. */
at::Tensor
SmallLabels()
{
  auto labels = at::zeros({ 1, 2, 6, 8 }, at::kLong);
  labels[0][1].narrow(0, 1, 2).narrow(1, 2, 3).fill_(1);
  labels[0][1].narrow(0, 4, 1).narrow(1, 6, 1).fill_(2);
  return labels;
}

/** Logits so large that the masks are the labels themselves, query q for label q. */
Predictions
PerfectPredictions(const at::Tensor & labels, int64_t queries, int64_t count)
{
  const auto  slices = labels.size(1);
  Predictions result;
  const auto  targets = sam::TargetsFromLabels(labels[0], count);
  result.masks = at::full({ slices, queries, labels.size(2), labels.size(3) }, -40.0);
  result.classes = at::full({ slices, queries, count + 1 }, 0.0);
  result.boxes = at::zeros({ slices, queries, 4 });
  for (int64_t slice = 0; slice < slices; ++slice)
  {
    for (int64_t query = 0; query < queries; ++query)
    {
      const bool isThere = query < count && targets.present[slice][query].item<bool>();
      result.classes[slice][query][isThere ? query : count] = 40.0;
      if (isThere)
      {
        result.masks[slice][query].masked_fill_(targets.masks[slice][query], 40.0);
        result.boxes[slice][query] = targets.boxes[slice][query];
      }
    }
  }
  result.auxiliary = result.masks.clone();
  return result;
}

double
SoftPlus(double z)
{
  return std::max(z, 0.0) + std::log1p(std::exp(-std::abs(z)));
}
} // namespace

TEST(samMatchingLoss, BoxesEndOnePixelFurtherThanThePublishedOnes)
{
  const auto   file = sam::ReadSafetensors(SEGMENTANYTHING_TEST_FIXTURES "/masksam/boxes_targets_a.safetensors");
  const auto & tensors = file.tensors;
  const auto   toFarEdge = [](const at::Tensor & published, const at::Tensor & isThere, const at::Tensor & image) {
    auto boxes = published.clone();
    boxes.select(1, 2).add_(isThere / static_cast<double>(image.size(-1)));
    boxes.select(1, 3).add_(isThere / static_cast<double>(image.size(-2)));
    return boxes;
  };
  const auto segmentation = tensors.at("in/seg");
  const auto targets = sam::TargetsFromLabels(segmentation, segmentation.max().item<int64_t>() + 1);
  for (int64_t slice = 0; slice < segmentation.size(0); ++slice)
  {
    const auto prefix = "out/targets/" + std::to_string(slice);
    const auto labels = tensors.at(prefix + "/labels");
    const auto expected = toFarEdge(tensors.at(prefix + "/boxes"), at::ones({ labels.size(0) }), segmentation);
    ExpectClose(targets.boxes[slice].index_select(0, labels), expected, "boxes of the targets");
  }
  // Zeros for an empty mask.
  const auto masks = tensors.at("in/net_masks").flatten(0, 1).to(at::kBool);
  const auto isThere = masks.flatten(1).any(1).to(at::kFloat);
  const auto published = tensors.at("out/network_mask_boxes").flatten(2).flatten(0, 1);
  ExpectClose(sam::BoxesFromMasks(masks), toFarEdge(published, isThere, masks), "boxes of the prompts");
}

TEST(samMatchingLoss, PerfectPredictionsCostNothing)
{
  const auto labels = SmallLabels();
  const auto predictions = PerfectPredictions(labels, 5, 3);
  const auto losses = sam::MatchingLoss()(predictions.GetPrompts(), predictions.GetClassification(), labels);
  EXPECT_EQ(losses.targets, 4);
  EXPECT_EQ(losses.matches[0].queries, (std::vector<int64_t>{ 0 }));
  EXPECT_EQ(losses.matches[1].queries, (std::vector<int64_t>{ 0, 1, 2 }));
  EXPECT_EQ(losses.matches[1].labels, (std::vector<int64_t>{ 0, 1, 2 }));
  // The 1e-6 in the denominators keeps a perfect box from the value 1, most for the smallest.
  EXPECT_NEAR(losses.total.item<double>(), 0.0, 1e-4);
  EXPECT_NEAR(losses.auxiliaryBox.item<double>(), 0.0, 1e-7);
}

// The dense numbers written out pixel by pixel, in double.
TEST(samMatchingLoss, DenseLossesAreTheirDefinition)
{
  auto          generator = at::detail::createCPUGenerator(3);
  constexpr int slices = 4;
  constexpr int queries = 4;
  constexpr int count = 3;
  constexpr int height = 7;
  constexpr int width = 5;
  auto          labels = at::randint(-1, count, { 2, 2, height, width }, generator, at::kLong);
  labels[1][0].fill_(2);
  sam::Prompts            prompts;
  sam::MaskClassification classification;
  prompts.masks = at::randn({ 2, queries, 2, height, width }, generator) * 3;
  prompts.boxes = at::rand({ 2, 2, queries, 4 }, generator).cumsum(3).div(4);
  classification.masks = at::randn({ 2, queries, 2, height, width }, generator) * 3;
  classification.classes = at::randn({ 2, 2, queries, count + 1 }, generator);
  prompts.masks.requires_grad_(true);

  sam::MatchingLossOptions options;
  options.sampling = sam::MatchingLossOptions::Sampling::Dense;
  const auto losses = sam::MatchingLoss(options)(prompts, classification, labels);

  double sumMask = 0.0, sumDice = 0.0, sumAuxiliaryMask = 0.0, sumAuxiliaryDice = 0.0, sumBox = 0.0, sumGiou = 0.0;
  double sumClass = 0.0, sumWeight = 0.0;
  int    targets = 0;
  auto   gradient = at::zeros_like(prompts.masks, at::kDouble);
  for (int slice = 0; slice < slices; ++slice)
  {
    const int  b = slice / 2;
    const int  d = slice % 2;
    const auto label = labels[b][d].clamp_min(0);
    const auto compare = [&](const at::Tensor & masks, int query, int value, double & crossEntropy, double & dice) {
      const auto z = masks[b][query][d].detach().to(at::kDouble);
      double     overlap = 0.0, predicted = 0.0, truth = 0.0;
      for (int y = 0; y < height; ++y)
      {
        for (int x = 0; x < width; ++x)
        {
          const double logit = z[y][x].item<double>();
          const double t = label[y][x].item<int64_t>() == value ? 1.0 : 0.0;
          const double p = 1.0 / (1.0 + std::exp(-logit));
          crossEntropy += (SoftPlus(logit) - logit * t) / (height * width);
          overlap += p * t;
          predicted += p;
          truth += t;
        }
      }
      dice += 1.0 - (2.0 * overlap + 1.0) / (predicted + truth + 1.0);
    };
    std::vector<int> wanted(queries, count);
    const auto &     match = losses.matches[static_cast<size_t>(slice)];
    for (size_t k = 0; k < match.queries.size(); ++k)
    {
      const int query = static_cast<int>(match.queries[k]);
      const int value = static_cast<int>(match.labels[k]);
      wanted[static_cast<size_t>(query)] = value;
      double mask = 0.0, dice = 0.0, auxiliaryMask = 0.0, auxiliaryDice = 0.0;
      compare(classification.masks, query, value, mask, dice);
      compare(prompts.masks, query, value, auxiliaryMask, auxiliaryDice);

      int left = width, right = -1, top = height, bottom = -1;
      for (int y = 0; y < height; ++y)
      {
        for (int x = 0; x < width; ++x)
        {
          if (label[y][x].item<int64_t>() == value)
          {
            left = std::min(left, x);
            right = std::max(right, x + 1);
            top = std::min(top, y);
            bottom = std::max(bottom, y + 1);
          }
        }
      }
      ASSERT_GT(right, left) << "matched a label that is not there";
      const double box[4] = {
        left / double{ width }, top / double{ height }, right / double{ width }, bottom / double{ height }
      };
      double found[4];
      double distance = 0.0;
      for (int i = 0; i < 4; ++i)
      {
        found[i] = prompts.boxes[b][d][query][i].item<double>();
        distance += std::abs(found[i] - box[i]);
      }
      const double shared = std::max(0.0, std::min(box[2], found[2]) - std::max(box[0], found[0])) *
                            std::max(0.0, std::min(box[3], found[3]) - std::max(box[1], found[1]));
      const double united =
        (box[2] - box[0]) * (box[3] - box[1]) + (found[2] - found[0]) * (found[3] - found[1]) - shared;
      const double hull = (std::max(box[2], found[2]) - std::min(box[0], found[0])) *
                          (std::max(box[3], found[3]) - std::min(box[1], found[1]));
      const double giou = shared / (united + 1e-6) - (hull - united) / (hull + 1e-6);

      const auto   logits = classification.classes[b][d][query].to(at::kDouble);
      const double probability = logits.softmax(0)[value].item<double>();
      const double cost = 1.5 * mask + 1.5 * dice - 0.2 * probability + 0.5 * distance +
                          0.5 * (auxiliaryMask + auxiliaryDice) - 0.2 * giou;
      EXPECT_NEAR(losses.costs[slice][query][value].item<double>(), cost, 1e-5);
      sumMask += mask;
      sumDice += dice;
      sumAuxiliaryMask += auxiliaryMask;
      sumAuxiliaryDice += auxiliaryDice;
      sumBox += distance;
      sumGiou += 1.0 - giou;
    }
    for (int query = 0; query < queries; ++query)
    {
      const int    value = wanted[static_cast<size_t>(query)];
      const double weight = value == count ? 0.1 : 1.0;
      sumWeight += weight;
      sumClass -= weight * classification.classes[b][d][query].to(at::kDouble).log_softmax(0)[value].item<double>();
    }
    for (int value = 0; value < count; ++value)
    {
      targets += (label == value).any().item<bool>() ? 1 : 0;
    }
  }
  EXPECT_EQ(losses.targets, targets);
  EXPECT_NEAR(losses.mask.item<double>(), sumMask / targets, 1e-5);
  EXPECT_NEAR(losses.dice.item<double>(), sumDice / targets, 1e-5);
  EXPECT_NEAR(losses.auxiliaryMask.item<double>(), sumAuxiliaryMask / targets, 1e-5);
  EXPECT_NEAR(losses.auxiliaryDice.item<double>(), sumAuxiliaryDice / targets, 1e-5);
  EXPECT_NEAR(losses.auxiliaryBox.item<double>(), sumBox / targets, 1e-5);
  EXPECT_NEAR(losses.auxiliaryGiou.item<double>(), sumGiou / targets, 1e-5);
  EXPECT_NEAR(losses.classification.item<double>(), sumClass / sumWeight, 1e-5);
  EXPECT_NEAR(losses.total.item<double>(),
              0.2 * sumClass / sumWeight + (1.5 * (sumMask + sumDice) + 0.5 * (sumAuxiliaryMask + sumAuxiliaryDice) +
                                            0.5 * sumBox + 0.2 * sumGiou) /
                                             targets,
              1e-4);

  // Cross-entropy of the auxiliary masks alone has a gradient that can be written down.
  losses.auxiliaryMask.backward();
  for (int slice = 0; slice < slices; ++slice)
  {
    const auto & match = losses.matches[static_cast<size_t>(slice)];
    const int    b = slice / 2;
    const int    d = slice % 2;
    for (size_t k = 0; k < match.queries.size(); ++k)
    {
      const auto truth = (labels[b][d].clamp_min(0) == match.labels[k]).to(at::kDouble);
      gradient[b][match.queries[k]][d] =
        (prompts.masks[b][match.queries[k]][d].detach().to(at::kDouble).sigmoid() - truth) / (height * width * targets);
    }
  }
  ExpectClose(prompts.masks.grad(), gradient, "gradient of the auxiliary masks");
}

// The mean over many random points approaches the mean over all pixels, where masks are smooth.
TEST(samMatchingLoss, PointsApproachDense)
{
  // Large, because within half a pixel of the border the sampled values fade to zero.
  const auto   labels = at::arange(192, at::kLong).view({ 1, 1, 192, 1 }).expand({ 1, 1, 192, 160 }).div(96, "floor");
  const auto   ramp = at::arange(192, at::kFloat).view({ 1, 1, 1, 192, 1 }).expand({ 1, 1, 1, 192, 160 });
  sam::Prompts prompts;
  sam::MaskClassification classification;
  classification.masks = at::stack({ (ramp - 80.0) / 40.0, (104.0 - ramp) / 40.0 }, 1).squeeze(2);
  prompts.masks = classification.masks.neg();
  prompts.boxes = at::zeros({ 1, 1, 2, 4 });
  classification.classes = at::zeros({ 1, 1, 2, 3 });

  sam::MatchingLossOptions options;
  options.sampling = sam::MatchingLossOptions::Sampling::Dense;
  const auto dense = sam::MatchingLoss(options)(prompts, classification, labels);
  options.sampling = sam::MatchingLossOptions::Sampling::Points;
  options.points = 40000;
  options.importance = 0.0;
  auto       generator = at::detail::createCPUGenerator(5);
  const auto sampled = sam::MatchingLoss(options)(prompts, classification, labels, generator);
  EXPECT_EQ(sampled.matches[0].labels, dense.matches[0].labels);
  EXPECT_NEAR(sampled.mask.item<double>(), dense.mask.item<double>(), 0.02);
  EXPECT_NEAR(sampled.dice.item<double>(), dense.dice.item<double>(), 0.02);
  EXPECT_NEAR(sampled.auxiliaryMask.item<double>(), dense.auxiliaryMask.item<double>(), 0.02);

  // The least certain points lie where the mask is undecided: their cross-entropy is nearer to log 2.
  options.importance = 1.0;
  options.oversampling = 4.0;
  const auto important = sam::MatchingLoss(options)(prompts, classification, labels, generator);
  EXPECT_LT(std::abs(important.mask.item<double>() - std::log(2.0)),
            std::abs(sampled.mask.item<double>() - std::log(2.0)));

  // The same generator state gives the same points.
  generator.set_current_seed(9);
  const auto once = sam::MatchingLoss(options)(prompts, classification, labels, generator);
  generator.set_current_seed(9);
  const auto twice = sam::MatchingLoss(options)(prompts, classification, labels, generator);
  EXPECT_EQ(once.total.item<float>(), twice.total.item<float>());
  EXPECT_NE(once.total.item<float>(), important.total.item<float>());
}

TEST(samMatchingLoss, VolumesAreMatchedByTheSumOfTheirSlices)
{
  const auto        labels = SmallLabels();
  constexpr int64_t queries = 4;
  constexpr int64_t count = 3;
  Predictions       predictions;
  auto              generator = at::detail::createCPUGenerator(11);
  predictions.masks = at::randn({ 2, queries, 6, 8 }, generator);
  predictions.auxiliary = at::randn({ 2, queries, 6, 8 }, generator);
  predictions.classes = at::randn({ 2, queries, count + 1 }, generator);
  predictions.boxes = at::rand({ 2, queries, 4 }, generator);
  // In one slice query 0, in the other query 1 is the background.
  predictions.masks[0][0] += 3.0;
  predictions.masks[1][1] += 6.0;

  sam::MatchingLossOptions options;
  const auto bySlice = sam::MatchingLoss(options)(predictions.GetPrompts(), predictions.GetClassification(), labels);
  options.matchesVolumes = true;
  const auto byVolume = sam::MatchingLoss(options)(predictions.GetPrompts(), predictions.GetClassification(), labels);
  EXPECT_EQ(byVolume.targets, bySlice.targets);
  EXPECT_TRUE(at::equal(byVolume.costs, bySlice.costs));

  // All assignments of three labels to four queries.
  double                 best = std::numeric_limits<double>::infinity();
  std::array<int64_t, 3> expected{};
  for (int64_t a = 0; a < queries; ++a)
  {
    for (int64_t b = 0; b < queries; ++b)
    {
      for (int64_t c = 0; c < queries; ++c)
      {
        if (a == b || b == c || a == c)
        {
          continue;
        }
        const auto & costs = byVolume.costs;
        const double cost = costs[0][a][0].item<double>() + costs[1][a][0].item<double>() +
                            costs[1][b][1].item<double>() + costs[1][c][2].item<double>();
        if (cost < best)
        {
          best = cost;
          expected = { a, b, c };
        }
      }
    }
  }
  ASSERT_EQ(byVolume.matches.size(), 2u);
  EXPECT_EQ(byVolume.matches[0].labels, std::vector<int64_t>{ 0 });
  EXPECT_EQ(byVolume.matches[0].queries, std::vector<int64_t>{ expected[0] });
  ASSERT_EQ(byVolume.matches[1].labels.size(), 3u);
  for (size_t k = 0; k < 3; ++k)
  {
    EXPECT_EQ(byVolume.matches[1].queries[k], expected[static_cast<size_t>(byVolume.matches[1].labels[k])]);
  }
  const auto background = [](const sam::SliceMatch & match) {
    return match
      .queries[static_cast<size_t>(std::find(match.labels.begin(), match.labels.end(), 0) - match.labels.begin())];
  };
  EXPECT_NE(background(bySlice.matches[0]), background(bySlice.matches[1]));
  EXPECT_EQ(background(byVolume.matches[0]), background(byVolume.matches[1]));
}

TEST(samMatchingLoss, NegativeLabelsAreBackground)
{
  auto       labels = SmallLabels();
  const auto predictions = PerfectPredictions(labels, 4, 3);
  const auto before = sam::MatchingLoss()(predictions.GetPrompts(), predictions.GetClassification(), labels);
  labels.masked_fill_(labels == 0, -1);
  const auto after = sam::MatchingLoss()(predictions.GetPrompts(), predictions.GetClassification(), labels);
  EXPECT_EQ(before.total.item<float>(), after.total.item<float>());
  EXPECT_EQ(before.targets, after.targets);
}

TEST(samMatchingLoss, NanIsNotMatched)
{
  const auto labels = SmallLabels();
  auto       predictions = PerfectPredictions(labels, 3, 3);
  predictions.masks[0].fill_(std::nanf(""));
  const auto losses = sam::MatchingLoss()(predictions.GetPrompts(), predictions.GetClassification(), labels);
  EXPECT_TRUE(losses.matches[0].queries.empty());
  EXPECT_EQ(losses.matches[1].queries.size(), 3u);
  EXPECT_EQ(losses.targets, 4);
}

TEST(samMatchingLoss, RefusesWhatDoesNotFit)
{
  const auto labels = SmallLabels();
  const auto predictions = PerfectPredictions(labels, 4, 3);
  const auto prompts = predictions.GetPrompts();
  const auto classification = predictions.GetClassification();
  EXPECT_THROW(sam::MatchingLoss()(prompts, classification, labels + 1), sam::Error);
  EXPECT_THROW(sam::MatchingLoss()(prompts, classification, labels.to(at::kInt)), sam::Error);
  EXPECT_THROW(sam::MatchingLoss()(prompts, classification, labels.narrow(1, 0, 1)), sam::Error);
  auto small = prompts;
  small.masks = small.masks.narrow(4, 0, 4);
  EXPECT_THROW(sam::MatchingLoss()(small, classification, labels), sam::Error);
  small = prompts;
  small.boxes = small.boxes.narrow(2, 0, 3);
  EXPECT_THROW(sam::MatchingLoss()(small, classification, labels), sam::Error);
  sam::MatchingLossOptions options;
  options.importance = 1.5;
  EXPECT_THROW(sam::MatchingLoss{ options }, sam::Error);
}
