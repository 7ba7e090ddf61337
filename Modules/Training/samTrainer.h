// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainer_h
#define samTrainer_h

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sam
{
/** What a training run is told. */
struct TrainingOptions
{
  std::string dataset;           ///< folder with a dataset.json (Decathlon or nnU-Net)
  std::string plan{ "masksam" }; ///< a word that PlanByName knows, or a JSON file with a plan
  std::string output;            ///< run folder
  std::string device{ "auto" };  ///< auto, cpu, cuda, cuda:N
  std::string split;             ///< nnU-Net's splits_final.json; empty: a seeded random split by patient
  int64_t     fold{ 0 };         ///< which entry of the split file
  double      validationFraction{ 0.2 };
  int64_t     epochs{ 0 };           ///< 0: no limit when maximumMinutes is given, else 100
  double      maximumMinutes{ 0.0 }; ///< of this call; 0: no limit
  uint64_t    seed{ 0 };
  int64_t     threads{ 0 };            ///< 0: all processors
  bool        resume{ false };         ///< go on with the run in the output folder
  std::string initialize;              ///< checkpoint of SAM to start from; empty: everything is new, and trained
  int64_t     batch{ 2 };              ///< windows per step
  int64_t     validationInterval{ 5 }; ///< epochs between validations; the last epoch is always validated
  double      learningRate{ 2e-3 };
  int64_t     warmUpSteps{ 100 };
  double      weightDecay{ 0.01 }; ///< not on norms, biases, embeddings and tables
  double      maximumGradientNorm{ 1.0 };
  double      averagingDecay{ 0.995 }; ///< of the moving average of the weights, which is validated and kept
  double      semanticWeight{ 1.5 };   ///< of the direct Dice and cross-entropy on the semantic map
  double      setWeight{ 0.5 };        ///< of the set loss (masksam §f)
  std::function<void(const std::string &)> note{}; ///< gets lines for the user, such as what was initialized
  std::vector<size_t> mirrorAxes{}; ///< axes (0 = x of the plan's orientation) that are mirrored half of the time
};

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

/** How a run ended. */
struct TrainingResult
{
  bool    interrupted{ false };
  int64_t epochs{ 0 };
  double  bestMeanDice{ 0.0 };
};

/** Train a network on a data set in C++ and write into the run folder:
 * model.safetensors (the best validation Dice), last.safetensors (the newest), resume.safetensors (everything that
 * `resume` needs), log.csv (one line per epoch), split.json (which case was used for what).
 *
 * With the same seed, threads and epochs, a run that was stopped and resumed ends with the same weights as one that was
 * not, bit for bit. Every file is written complete or not at all.
 *
 * \a report is called after every step. When \a interrupt becomes true the run saves its state and returns.
 * \throws Error naming the file or option. */
TrainingResult
Train(const TrainingOptions &                               options,
      const std::function<void(const TrainingProgress &)> & report,
      const std::atomic<bool> &                             interrupt);
} // namespace sam

#endif
