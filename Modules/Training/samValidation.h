// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samValidation_h
#define samValidation_h

#include "samAugmentation.h"
#include "samDistribution.h"
#include "samNetwork.h"
#include "samPrototypeUse.h"

#include <functional>
#include <vector>

namespace sam
{
/** Label of each voxel of \a volume (C×D×H×W) as place in the plan's list: D×H×W uint8 or int16 on the CPU. Windows as
 * in SamSegmentationImageFilter; each answer is the mean over all combinations of mirrored \a mirrorAxes. How the
 * slices use the network's prototypes, where it has some, is added to \a use. Not defined when \a isInterrupted, asked
 * before each window, answers true. */
at::Tensor
PredictLabels(const Network &               network,
              const at::Tensor &            volume,
              const std::vector<size_t> &   mirrorAxes = {},
              PrototypeUse *                use = nullptr,
              const std::function<bool()> & isInterrupted = {});

/** Dice of each of the \a count labels but the first, over the voxels where \a reference is not negative; NaN for a
 * label that neither map holds. Where labels are nested, each one holds all after it. */
std::vector<double>
DicePerLabel(const at::Tensor & prediction, const at::Tensor & reference, int64_t count, bool isNested = false);

/** \class Validation
 * \brief Dice of a network on some cases.
 */
struct Validation
{
  std::vector<std::vector<double>> ofCases;     ///< per case and label, as DicePerLabel
  std::vector<at::Tensor>          predictions; ///< per case; another process's only of the worst ones
  std::vector<double> dice; ///< per label, mean over the cases where it is or was found; NaN where none has it
  double              meanDice{ 0.0 };        ///< over the labels
  PrototypeUse        prototypeUse;           ///< of all slices; without slices where there are no prototypes
  bool                isInterrupted{ false }; ///< in one of the processes: the fields above mean nothing

  static constexpr size_t numberOfWorst = 3; ///< whose predictions every process has

  /** The case's mean over its labels; 1 where nothing is and nothing was found. */
  double
  OfCase(size_t number) const;

  /** Places of the cases, the lowest Dice first. */
  std::vector<size_t>
  WorstFirst() const;

  /** Cases are divided among the processes. \a isInterrupted is asked before each window. */
  static Validation
  Run(const Network &                   network,
      const std::vector<TrainingCase> & cases,
      const std::vector<size_t> &       mirrorAxes,
      const Distribution &              processes,
      const std::function<bool()> &     isInterrupted = {});
};
} // namespace sam

#endif
