// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskLoss.h"

#include "samError.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>

#include <string>
#include <vector>

namespace sam
{
MaskLossOptions
MaskLossOptions::FromPlan(const Plan & plan)
{
  MaskLossOptions options;
  options.isNested = plan.nestsLabels;
  options.isBatchDice = plan.Keeps("batch_dice");
  return options;
}

MaskLosses
MaskLoss(const at::Tensor &       logits,
         const at::Tensor &       labels,
         const MaskLossOptions &  options,
         const SumOverProcesses & sum)
{
  if (logits.dim() != 5 || labels.dim() != 4 || labels.scalar_type() != at::kLong || logits.size(0) != labels.size(0) ||
      logits.sizes().slice(2) != labels.sizes().slice(1))
  {
    throw Error("mask loss: logits must be batch x masks x slices x height x width, labels int64 of the same batch, "
                "slices, height and width");
  }
  const int64_t images = logits.size(0);
  const int64_t masks = logits.size(1);
  const auto    largest = labels.max().item<int64_t>();
  if (largest > masks)
  {
    throw Error("mask loss: label " + std::to_string(largest) + " found, expected " + std::to_string(masks) +
                " at most");
  }
  const auto valid = (labels >= 0).unsqueeze(1).to(logits.scalar_type());
  const auto values = at::arange(1, masks + 1, labels.options()).view({ 1, masks, 1, 1, 1 });
  const auto label = labels.unsqueeze(1);
  const auto truth = (options.isNested ? label >= values : label == values).to(logits.scalar_type());
  const auto found = at::sigmoid(logits) * valid;

  // Sums over voxels: of −log p for each mask, of the voxels, then of p·y, p and y for each image and mask.
  const auto entropy = at::binary_cross_entropy_with_logits(logits, truth, {}, {}, at::Reduction::None) * valid;

  const std::vector<int64_t> voxels{ 2, 3, 4 };
  std::vector<at::Tensor>    sums{ entropy.sum({ 0, 2, 3, 4 }), valid.sum().view({ 1 }) };
  for (const auto & part : { found * truth, found, truth })
  {
    const auto perImage = part.sum(voxels);
    sums.push_back(options.isBatchDice ? perImage.sum(0) : perImage.flatten());
  }
  const auto fraction = [&options](const at::Tensor & common, const at::Tensor & p, const at::Tensor & y) {
    return 1.0 - (2.0 * common + options.smooth) / (p + y + options.smooth);
  };
  MaskLosses result;
  if (!options.isBatchDice)
  {
    // Of each image by itself: what other processes have is added afterwards.
    const auto dice = fraction(sums[2], sums[3], sums[4]).sum().view({ 1 });
    sums = { sums[0], sums[1], dice, (dice.detach() * 0.0 + static_cast<double>(images)) };
  }
  if (sum)
  {
    std::vector<int64_t> lengths;
    for (const auto & part : sums)
    {
      lengths.push_back(part.size(0));
    }
    sums = sum(at::cat(sums)).split_with_sizes(lengths);
  }
  result.crossEntropy = (sums[0] / sums[1].clamp_min(1.0)).sum();
  result.dice = options.isBatchDice ? fraction(sums[2], sums[3], sums[4]).sum() : (sums[2] / sums[3]).squeeze(0);
  result.total = (1.0 - options.diceWeight) * result.crossEntropy + options.diceWeight * result.dice;
  return result;
}
} // namespace sam
