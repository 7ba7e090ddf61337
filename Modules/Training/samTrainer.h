// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainer_h
#define samTrainer_h

#include "samTrainingOptions.h"

#include <atomic>
#include <functional>
#include <map>

namespace sam
{
/** Where a run stands, for whoever shows it. */
struct TrainingProgress
{
  int64_t                       epoch{ 0 };  ///< from 1
  int64_t                       epochs{ 0 }; ///< 0 when only time limits the run
  int64_t                       step{ 0 };   ///< of the epoch, from 1
  int64_t                       steps{ 0 };  ///< per epoch
  double                        fraction{ 0.0 };
  double                        minutes{ 0.0 };          ///< since the run began, earlier calls included
  double                        remainingMinutes{ 0.0 }; ///< estimate
  double                        loss{ 0.0 };             ///< mean over the epoch so far
  bool                          validated{ false };      ///< the fields below are new
  std::map<std::string, double> dice;                    ///< per label name, mean over the validation cases
  double                        meanDice{ 0.0 };
  double                        bestMeanDice{ 0.0 };
};

/** Who is told what happens; what is not set is not told. Of several processes that train together the first tells. */
struct TrainingListener
{
  std::function<void(const TrainingProgress & progress)> report; ///< after every step and validation
  std::function<void(const std::string & line)>          note;   ///< what was decided and why
  std::function<void(const std::string & line)>          warn;   ///< what went wrong and was survived
};

/** How a run ended. */
struct TrainingResult
{
  bool    interrupted{ false };
  bool    ranOutOfPatience{ false };
  bool    isFirstProcess{ true }; ///< the one that writes and tells
  int64_t epochs{ 0 };
  double  bestMeanDice{ 0.0 };
};

/** Train a network on a data set in C++ and write into the run folder:
 * model.safetensors (the best validation Dice), last.safetensors (the newest), resume.safetensors (everything that
 * `resume` needs), log.csv (one line per epoch), report.html (the same as curves, with pictures of the worst cases),
 * split.json (which case was used for what, and sites).
 *
 * With the same recipe, threads and epochs, a run that was stopped or killed at any moment and resumed ends with the
 * same weights as one that was not, bit for bit; the number of loaders makes no difference. Every file is written
 * complete or not at all; a state that cannot be written is a warning while the run goes on and an error at its end.
 *
 * Processes that a launcher started (see ProcessPlace) train one network together: the losses are those of all their
 * batches as one, process 0 writes.
 *
 * When \a interrupt becomes true the run saves its state and returns.
 * \throws Error naming the file or option. */
TrainingResult
Train(const TrainingOptions & options, const TrainingListener & listener, const std::atomic<bool> & interrupt);
} // namespace sam

#endif
