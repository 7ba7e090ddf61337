// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samValidation_h
#define samValidation_h

#include "samAugmentation.h"
#include "samDistribution.h"
#include "samNetwork.h"

#include <vector>

namespace sam
{
/** Label of each voxel of \a volume (C×D×H×W) as place in the plan's list: D×H×W uint8 or int16 on the CPU. Windows as
 * in SamSegmentationImageFilter; each answer is the mean over all combinations of mirrored \a mirrorAxes. */
at::Tensor
PredictLabels(const Network & network, const at::Tensor & volume, const std::vector<size_t> & mirrorAxes = {});

/** Dice of each of the \a count labels but the first, over the voxels where \a reference is not negative; NaN for a
 * label that neither map holds. */
std::vector<double>
DicePerLabel(const at::Tensor & prediction, const at::Tensor & reference, int64_t count);

/** \class Validation
 * \brief Dice of a network on some cases.
 */
struct Validation
{
  std::vector<std::vector<double>> ofCases;         ///< per case and label, as DicePerLabel
  std::vector<at::Tensor>          predictions;     ///< per case; not defined where another process made it
  std::vector<double>              dice;            ///< per label, mean over the cases that have it; NaN where none has
  double                           meanDice{ 0.0 }; ///< over the labels

  /** The case's mean over its labels; 1 where nothing is and nothing was found. */
  double
  OfCase(size_t number) const;

  /** Cases are divided among the processes. */
  static Validation
  Run(const Network &                   network,
      const std::vector<TrainingCase> & cases,
      const std::vector<size_t> &       mirrorAxes,
      const Distribution &              processes);
};
} // namespace sam

#endif
