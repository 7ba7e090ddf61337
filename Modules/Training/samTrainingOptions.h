// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingOptions_h
#define samTrainingOptions_h

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sam
{
/** What decides which weights a run ends with, beside the data: it is kept with the state of a run, and a resumed run
 * goes on with what it began with. */
struct TrainingRecipe
{
  uint64_t            seed{ 0 };
  int64_t             batch{ 2 };                ///< windows of one forward pass in one process
  int64_t             accumulate{ 1 };           ///< forward passes whose gradients make one step
  std::string         schedule{ "cosine" };      ///< of the learning rate: cosine, polynomial or dapsam
  std::string         precision{ "float32" };    ///< or bfloat16: the network runs under LibTorch's autocast
  std::string         augmentation{ "compact" }; ///< compact, masksam (§g), slaug or none
  std::vector<size_t> mirrorAxes{};              ///< axes (0 = x of the plan's grid) that are mirrored half of the time
  double              foregroundShare{ -1.0 };   ///< of windows around a foreground voxel; below 0: from the data
  double              frameProbability{ 0.0 };   ///< of windows that shrink into a black frame, AugmentationOptions
  double              zoomProbability{ -1.0 };   ///< of windows that are scaled in plane; below 0: as augmentation says
  bool                mirrorsValidation{ false }; ///< predictions of validation are means over the mirrored axes
  int64_t             validationInterval{ 5 };    ///< epochs between validations; the last epoch is always validated
  std::string         optimizer{ "adamw" };       ///< or sgd
  double              learningRate{ 2e-3 };
  int64_t             warmUpSteps{ 100 };
  double              lastLearningRate{ 0.01 }; ///< fraction of the highest
  double              weightDecay{ 0.01 };      ///< not on norms, biases, embeddings and tables
  double              maximumGradientNorm{ 1.0 };
  double              averagingDecay{ 0.995 }; ///< of the moving average of the weights, which is validated and kept
  double              semanticWeight{ 1.5 };   ///< of the direct Dice and cross-entropy on the semantic map
  double              setWeight{ 0.5 };        ///< of the set loss (masksam §f)

  /** \throws Error naming the option and what is expected. */
  void
  Check() const;

  /** As JSON object, and back. \throws Error naming \a where. */
  std::string
  ToJson() const;

  static TrainingRecipe
  FromJson(const std::string & text, const std::string & where);
};

/** What every run is told, whatever it trains. */
struct RunOptions : TrainingRecipe
{
  std::string output;                ///< run folder
  std::string cache;                 ///< folder of prepared cases; empty: in the run folder, none: no cache
  std::string device{ "auto" };      ///< auto, cpu, cuda, cuda:N
  int64_t     epochs{ 0 };           ///< 0: no limit where there is one of steps or minutes
  int64_t     maximumSteps{ 0 };     ///< of the run; 0: no limit
  double      maximumMinutes{ 0.0 }; ///< of this call; 0: no limit, of a resumed run's call: as of the one before
  int64_t     threads{ 0 };          ///< 0: all processors
  int64_t     loaders{ 1 };          ///< threads that make windows while the network computes
  double      saveMinutes{ 5.0 };    ///< between savings of the state; 0: after every step
  bool        resume{ false };       ///< go on with the run in the output folder, or begin it when there is none
  /** Options of the command line that were given, by name: a resumed run refuses another value than it began with.
   * Empty: as if all were that do not have the default. */
  std::vector<std::string> given{};

  /** \throws Error naming a limit or number below 0. */
  void
  CheckNumbers() const;

  /** What a resumed run cannot change, as JSON texts by the options' names. */
  std::map<std::string, std::string>
  Describe() const;
};

/** The part of TOptions::Describe() that somebody decided: what was given or, where that is not known, what is not the
 * default. */
template <typename TOptions>
std::map<std::string, std::string>
DescribeDecisions(const TOptions & options)
{
  auto decisions = options.Describe();
  for (const auto & [name, standard] : TOptions().Describe())
  {
    if (options.given.empty() ? decisions[name] == standard
                              : std::count(options.given.begin(), options.given.end(), name) == 0)
    {
      decisions.erase(name);
    }
  }
  return decisions;
}

/** What a training run is told. Without a limit it has 100 epochs. */
struct TrainingOptions : RunOptions
{
  std::string dataset;                 ///< folder with a dataset.json (Decathlon or nnU-Net)
  std::string plan{ "masksam" };       ///< a word that IsPlanName() knows, or a JSON file with a plan
  std::string planChange;              ///< JSON that is merged into the plan (RFC 7386); empty: none
  std::string initialize;              ///< checkpoint or model to start from; empty: everything is new, and trained
  bool        freezesEncoder{ false }; ///< of what is started from, the encoder stays but for its adapters
  std::optional<std::array<int64_t, 3>> window;  ///< of the planned network, voxels x, y, z; not set: from the data
  std::string              frame{ "auto" };      ///< of the planned network: auto, remove or keep, see PlanFrame()
  bool                     nestsLabels{ false }; ///< of the planned network: each label holds those after it
  std::vector<std::string> without;              ///< parts that the plan dapsam leaves out: adapters, prototypes
  std::string              split;                ///< nnU-Net's splits_final.json
  int64_t                  fold{ 0 };            ///< entry of \c split, or one of \c folds
  int64_t                  folds{ 0 };           ///< seeded folds by patient; 0: none
  std::vector<std::string> trainSites;           ///< whose cases train and validate; empty: all
  std::string              sites; ///< table of cases and sites, see SiteTable; empty: sites.csv beside dataset.json
  double                   validationFraction{ 0.2 }; ///< of the patients, where there is neither \c split nor \c folds
  int64_t                  patience{ 0 }; ///< validations in a row without a better Dice that end the run; 0: no limit

  /** As RunOptions; files by their paths from the root. */
  std::map<std::string, std::string>
  Describe() const;
};

/** A path as JSON text that does not depend on the working folder; one that is empty stays so. */
std::string
DescribePath(const std::string & path);
} // namespace sam

#endif
