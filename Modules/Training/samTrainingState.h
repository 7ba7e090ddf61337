// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingState_h
#define samTrainingState_h

#include "samOptimizer.h"
#include "samPlan.h"
#include "samTrainingLog.h"
#include "samTrainingOptions.h"

#include <optional>

namespace sam
{
/** \class TrainingState
 * \brief Where a training run stands: all that is needed to go on with it as if it had never stopped, apart from the
 * data. Nothing random is in it: what is drawn depends on the seed and on the place in the run.
 */
struct TrainingState
{
  Plan                     plan;
  TrainingRecipe           recipe;
  std::vector<std::string> training;              ///< names of the cases
  std::vector<std::string> validation;            ///< likewise
  std::vector<std::string> trainSites;            ///< whose cases these are, ascending; empty: of any
  int64_t                  epochs{ 0 };           ///< that were asked for
  int64_t                  maximumSteps{ 0 };     ///< likewise; 0: no limit
  double                   maximumMinutes{ 0.0 }; ///< of the run, until the call ends that was limited; 0: no limit
  int64_t                  processes{ 1 };        ///< that train together
  int64_t                  epoch{ 0 };            ///< epochs that are complete
  int64_t                  step{ 0 };             ///< steps of the epoch at hand
  int64_t                  steps{ 0 };            ///< of the optimizer
  double                   lossSum{ 0.0 };        ///< over the steps of the epoch at hand
  double                   learningRate{ 0.0 };   ///< of the last step
  double                   minutes{ 0.0 };
  double                   bestDice{ 0.0 };
  int64_t                  bestEpoch{ 0 }; ///< 0: not validated yet
  int64_t                  validationsSinceBest{ 0 };
  std::map<std::string, std::string> options{};     ///< RunOptions::Describe() of the beginning; empty: not known
  std::string                        pretraining{}; ///< JSON object of what sam-pretrain does; empty: sam-train's run
  TrainingLog                        log;

  /** Write it with weights, averages and moments, complete or not at all. \throws Error naming the file. */
  void
  Write(const std::string & path, const Optimizer & optimizer) const;
};

/** \class SavedTraining
 * \brief A file that TrainingState::Write made.
 */
struct SavedTraining
{
  TrainingState                     state;
  std::map<std::string, at::Tensor> tensors; ///< for Optimizer::SetState

  /** \throws Error naming the file and what is wrong with it. */
  static SavedTraining
  Read(const std::string & path);
};
} // namespace sam

#endif
