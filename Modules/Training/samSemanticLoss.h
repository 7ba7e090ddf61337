// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSemanticLoss_h
#define samSemanticLoss_h

#include <ATen/core/Tensor.h>

#include <functional>

namespace sam
{
/** Answers the sum of a tensor over the processes that train together, see Distribution::SumWithGradient. */
using SumOverProcesses = std::function<at::Tensor(const at::Tensor &)>;

/** Scalars with gradient. */
struct SemanticLosses
{
  at::Tensor crossEntropy; ///< mean over voxels of −log of the probability of the true label
  at::Tensor dice;         ///< 1 − mean over the labels other than background of their soft Dice
  at::Tensor total;        ///< their sum
};

/** Direct loss of the semantic map (MaskClassification::Semantic). \a probabilities are B×K×D×H×W with sum 1 over K,
 * \a labels B×D×H×W int64 from 0 to K−1; voxels with negative labels count nowhere. Soft Dice of a label is
 * (2·Σ S·y + smooth) / (ΣS + Σy + smooth), sums over the whole batch, that of all processes where \a sum is given.
 * Without foreground labels (K = 1) dice is 0.
 * \throws Error when a label is K or larger, or shapes disagree. */
SemanticLosses
SemanticLoss(const at::Tensor &       probabilities,
             const at::Tensor &       labels,
             double                   smooth = 1e-5,
             const SumOverProcesses & sum = {});
} // namespace sam

#endif
