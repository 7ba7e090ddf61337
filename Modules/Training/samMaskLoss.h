// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMaskLoss_h
#define samMaskLoss_h

#include "samPlan.h"
#include "samSemanticLoss.h"

namespace sam
{
struct MaskLossOptions
{
  double diceWeight{ 0.8 };    ///< that of cross-entropy is 1 − diceWeight
  double smooth{ 1.0 };        ///< voxels added to both sides of the fraction of Dice
  bool   isNested{ false };    ///< a label's mask holds all later labels, too
  bool   isBatchDice{ false }; ///< one Dice for all images together instead of the mean of one for each

  static MaskLossOptions
  FromPlan(const Plan & plan);
};

/** Scalars with gradient, sums over the masks. */
struct MaskLosses
{
  at::Tensor crossEntropy; ///< mean over voxels of −log of the probability of what is true, inside or outside
  at::Tensor dice;         ///< 1 − soft Dice
  at::Tensor total;        ///< the weighted sum
};

/** Loss of masks that each stand for a label (MaskClassification without classes, dapsam §e). \a logits are B×N×D×H×W,
 * \a labels B×D×H×W int64 from 0 (background) to N; voxels with negative labels count nowhere. Soft Dice of a mask is
 * (2·Σ p·y + smooth) / (Σp + Σy + smooth). All sums are those of all processes where \a sum is given.
 * \throws Error when a label is larger than N, or shapes disagree. */
MaskLosses
MaskLoss(const at::Tensor &       logits,
         const at::Tensor &       labels,
         const MaskLossOptions &  options = {},
         const SumOverProcesses & sum = {});
} // namespace sam

#endif
