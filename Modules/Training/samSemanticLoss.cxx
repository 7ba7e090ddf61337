// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSemanticLoss.h"

#include "samError.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <string>

namespace sam
{
namespace
{
/** Keeps the logarithm finite; small enough to leave its gradient alone. */
constexpr double smallestProbability = 1e-20;
} // namespace

SemanticLosses
SemanticLoss(const at::Tensor & probabilities, const at::Tensor & labels, double smooth, const SumOverProcesses & sum)
{
  if (probabilities.dim() != 5 || labels.dim() != 4 || labels.scalar_type() != at::kLong ||
      probabilities.size(0) != labels.size(0) || probabilities.sizes().slice(2) != labels.sizes().slice(1))
  {
    throw Error("semantic loss: probabilities must be batch x labels x slices x height x width, "
                "labels int64 of the same batch, slices, height and width");
  }
  const int64_t count = probabilities.size(1);
  const auto    largest = labels.max().item<int64_t>();
  if (largest >= count)
  {
    throw Error("semantic loss: label " + std::to_string(largest) + " found, expected labels below " +
                std::to_string(count));
  }

  const auto valid = (labels >= 0).to(probabilities.scalar_type());
  const auto ofTruth = probabilities.gather(1, labels.clamp_min(0).unsqueeze(1)).squeeze(1);

  // Sums over voxels: of −log p, of the voxels, then of S·y, S and y per label.
  std::vector<at::Tensor> sums{ -(ofTruth.clamp_min(smallestProbability).log() * valid).sum().view({ 1 }),
                                valid.sum().view({ 1 }) };
  if (count > 1)
  {
    const auto values = at::arange(1, count, labels.options()).view({ 1, count - 1, 1, 1, 1 });
    const auto truth = (labels.unsqueeze(1) == values).to(probabilities.scalar_type());
    const auto found = probabilities.narrow(1, 1, count - 1) * valid.unsqueeze(1);
    for (const auto & voxels : { found * truth, found, truth })
    {
      sums.push_back(voxels.sum({ 0, 2, 3, 4 }));
    }
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

  SemanticLosses result;
  result.crossEntropy = (sums[0] / sums[1].clamp_min(1.0)).squeeze(0);
  result.dice = count > 1 ? 1.0 - ((2.0 * sums[2] + smooth) / (sums[3] + sums[4] + smooth)).mean()
                          : at::zeros({}, probabilities.options());
  result.total = result.crossEntropy + result.dice;
  return result;
}
} // namespace sam
