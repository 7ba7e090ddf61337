// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingLoop_h
#define samTrainingLoop_h

#include "samDataset.h"
#include "samDistribution.h"
#include "samTrainingState.h"
#include "samWindowQueue.h"

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>

namespace sam
{
/** Where a run stands, for whoever shows it. */
struct TrainingProgress
{
  int64_t                       epoch{ 0 };  ///< from 1
  int64_t                       epochs{ 0 }; ///< 0 when only steps or time limit the run
  int64_t                       step{ 0 };   ///< of the epoch, from 1
  int64_t                       steps{ 0 };  ///< per epoch
  double                        fraction{ 0.0 };
  double                        minutes{ 0.0 };          ///< since the run began, earlier calls included
  double                        remainingMinutes{ 0.0 }; ///< estimate
  double                        loss{ 0.0 };             ///< mean over the epoch so far
  bool                          finishesEpoch{ false };  ///< an epoch ended, \c loss is its mean
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
  int64_t steps{ 0 };
  double  loss{ 0.0 }; ///< mean over the last epoch
  double  bestMeanDice{ 0.0 };
};

/** \class TrainingLoop
 * \brief A run between its folder and its steps, whatever it trains and by which loss: begins or goes on, takes windows
 * and steps, falls with the learning rate, measures and saves.
 *
 * The folder gets resume.safetensors, everything that is needed to go on, and log.csv, one line per epoch; a subclass
 * adds what it makes. Every file is written complete or not at all; one that cannot be written is a warning while the
 * run goes on and an error at its end. Nothing random is kept between steps, so that a run that was stopped at any
 * moment ends with the same weights as one that was not.
 */
class TrainingLoop
{
public:
  virtual ~TrainingLoop();
  TrainingLoop(const TrainingLoop &) = delete;
  void
  operator=(const TrainingLoop &) = delete;

  /** \throws Error naming the file or option. */
  TrainingResult
  Execute();

protected:
  TrainingLoop(const RunOptions & options, const TrainingListener & listener, const std::atomic<bool> & interrupt);

  /** What a new run has to decide: m_State's plan, recipe, cases and log. */
  virtual void
  Begin() = 0;

  /** What a resumed run may be told anew; m_State is that of the file. */
  virtual void
  Continue();

  /** Make m_Optimizer and what it trains. */
  virtual void
  MakeNetworks(bool isResumed) = 0;

  /** Fill m_Training. */
  virtual void
  LoadCases() = 0;

  /** Add the gradients of one step to those of the weights. Answers the loss, which is that of all processes. */
  virtual double
  ComputeGradients() = 0;

  /** Add the \a row of an epoch that ended to the log, and to the row what else was measured. */
  virtual void
  FinishEpoch(TrainingLog::Row row) = 0;

  /** Write what goes with the state: what is there to be used. */
  virtual void
  WriteModels() const = 0;

  virtual bool
  IsOutOfPatience() const;

  /** Add to what is reported. */
  virtual void
  Describe(TrainingProgress & progress) const;

  bool
  IsFirst() const;

  std::string
  StateFile() const;

  std::string
  ModelFile(const std::string & name) const;

  /** Where prepared cases are kept, empty for nowhere: what --cache means for this run. */
  std::string
  CacheFolder(const std::string & cache) const;

  void
  Note(const std::string & line) const;

  void
  Warn(const std::string & line) const;

  /** Has something written; false and one warning when that cannot be, as with a full disk. */
  bool
  Survive(const std::function<void()> & write) const;

  void
  Report(bool isValidated, bool finishesEpoch) const;

  double
  ElapsedMinutes() const;

  /** The epochs that were asked for; without any limit \a standard. */
  void
  TakeLimits(int64_t standard);

  /** The next \c batch windows: images B×C×D×H×W and labels B×D×H×W on the device. */
  TrainingWindow
  TakeBatch();

  /** Passes of the network before the step at hand. */
  int64_t
  GetNumberOfPasses() const;

  TrainingListener           m_Listener;
  const std::atomic<bool> &  m_Interrupt;
  Distribution               m_Processes;
  std::filesystem::path      m_Folder;
  at::Device                 m_Device;
  TrainingState              m_State;
  std::vector<TrainingCase>  m_Training;
  std::unique_ptr<Optimizer> m_Optimizer;
  double                     m_Fraction{ 0.0 }; ///< of the run that is behind us

  /** What is done to each window of a pass where it is made, on several threads at once; may be empty. */
  std::function<void(TrainingWindow & window, int64_t pass, RandomStream & random)> m_FinishWindow;

private:
  bool
  PrepareFolder() const;

  void
  Start();

  void
  Measure();

  bool
  Agree();

  std::vector<size_t>
  EpochOrder(int64_t epoch, int64_t windows) const;

  void
  StartWindows();

  bool
  RunEpoch();

  void
  CloseEpoch();

  void
  SaveWhenDue();

  void
  SaveOrWarn();

  void
  Save() const;

  RunOptions                            m_RunOptions;
  int64_t                               m_StepsPerEpoch{ 1 };
  double                                m_EpochLoss{ 0.0 }; ///< mean over the epoch before
  double                                m_EarlierMinutes{ 0.0 };
  std::chrono::steady_clock::time_point m_Start{ std::chrono::steady_clock::now() };
  std::chrono::steady_clock::time_point m_LastSaving{ m_Start };
  std::unique_ptr<WindowQueue>          m_Windows; ///< last, so that its threads end first
};

/** The case of this name. \throws Error naming it when the data set has none. */
const DatasetCase &
FindCase(const Dataset & dataset, const std::string & name);

/** A network with the same plan and copies of all tensors. */
std::unique_ptr<Network>
CopyNetwork(const Network & network);
} // namespace sam

#endif
