// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingLoop_h
#define samTrainingLoop_h

#include "samDataset.h"
#include "samDistribution.h"
#include "samFolderLock.h"
#include "samTrainingState.h"
#include "samWindowQueue.h"

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>

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
  bool                          isBest{ false }; ///< the validated weights are kept as the best
};

/** Answers whether the run shall save its state and end; asked often, from the thread that trains. */
using InterruptFunction = std::function<bool()>;

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
 * run goes on and an error at its end, when all others were written. Nothing random is kept between steps, so that a
 * run that was stopped at any moment ends with the same weights as one that was not.
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
  TrainingLoop(const RunOptions & options, const TrainingListener & listener, const InterruptFunction & isInterrupted);

  /** What a new run has to decide: m_State's plan, recipe, cases and log. */
  virtual void
  Begin() = 0;

  /** What a resumed run may be told anew; m_State is that of the file. */
  virtual void
  Continue() = 0;

  /** Take the limits of this call, and a share of the passes for this number of processes.
   * \throws Error naming an option of \a decisions (DescribeDecisions()) that the run did not begin with. */
  void
  ContinueWith(const std::map<std::string, std::string> & decisions);

  /** Make m_Optimizer and what it trains. */
  virtual void
  MakeNetworks(bool isResumed) = 0;

  /** Fill m_Training. */
  virtual void
  LoadCases() = 0;

  /** Add the gradients of one step to those of the weights. Answers the loss, which is that of all processes, or
   * nothing when ShouldStop() ended it. */
  virtual std::optional<double>
  ComputeGradients() = 0;

  /** Add the \a row of an epoch that ended to the log, and to the row what else was measured. False when the run was
   * interrupted: then nothing was changed, and a resumed run does it again. */
  virtual bool
  FinishEpoch(TrainingLog::Row row) = 0;

  /** Write at the end what could not be written when it was due. */
  virtual void
  WriteRemaining()
  {}

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

  /** The limits that were asked for; without any, those of the call before or a number of epochs. */
  void
  TakeLimits();

  /** Whether one process that trains alone is to leave what it is at. Several agree on it after each step. */
  bool
  ShouldStop() const;

  /** For what comes before training and leaves nothing behind. \throws Error when the run was interrupted. */
  void
  LeaveIfInterrupted() const;

  /** The next \c batch windows: images B×C×D×H×W and labels B×D×H×W on the device. */
  TrainingWindow
  TakeBatch();

  /** Passes of the network before the step at hand. */
  int64_t
  GetNumberOfPasses() const;

  TrainingListener           m_Listener;
  InterruptFunction          m_IsInterrupted;
  Distribution               m_Processes;
  FolderLock                 m_Lock; ///< of the first process
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
  PrepareFolder();

  void
  Start();

  void
  Prepare();

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

  bool
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

/** Do all of it, whatever fails. \throws what was thrown first. */
void
DoAll(const std::vector<std::function<void()>> & actions);

/** A network with the same plan and copies of all tensors. */
std::unique_ptr<Network>
CopyNetwork(const Network & network);
} // namespace sam

#endif
