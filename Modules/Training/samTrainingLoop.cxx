// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainingLoop.h"

#include "samDevice.h"
#include "samError.h"
#include "samSchedule.h"
#include "samTextFile.h"

#include <ATen/Parallel.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numeric>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

constexpr int64_t defaultEpochs = 100;
constexpr int64_t minimumSteps = 25;        // per epoch, so that a handful of cases is not all validation
constexpr int64_t maximumUselessSteps = 10; // in a row, each with a gradient that is not finite
constexpr int64_t stepsAhead = 2;           // for which windows are made before they are needed

/** A JSON text as it stands on the command line. */
std::string
ToWords(const std::string & text)
{
  const auto  json = nlohmann::json::parse(text);
  std::string words;
  for (const auto & item : json.is_array() ? json : nlohmann::json::array({ json }))
  {
    words += (words.empty() ? "" : ",") + (item.is_string() ? item.get<std::string>() : item.dump());
  }
  return words.empty() ? "none" : words;
}
} // namespace

TrainingLoop::TrainingLoop(const RunOptions &        options,
                           const TrainingListener &  listener,
                           const InterruptFunction & isInterrupted)
  : m_Listener(listener)
  , m_IsInterrupted(isInterrupted)
  , m_Processes(ProcessPlace::Find())
  , m_Folder(options.output)
  , m_Device(FindDevice(options.device, m_Processes.GetLocalRank()))
  , m_RunOptions(options)
{
  options.CheckNumbers();
  if (m_Processes.GetRank() > 0)
  {
    m_Listener = {};
  }
  if (!m_Processes.UseDevice(m_Device) && m_Processes.GetSize() > 1 && m_Device.is_cuda())
  {
    Note("the GPUs' gradients are summed on the host: this build has no NCCL, or processes share a GPU");
  }
  if (options.threads > 0)
  {
    at::set_num_threads(static_cast<int>(options.threads));
  }
}

TrainingLoop::~TrainingLoop() = default;

TrainingResult
TrainingLoop::Execute()
{
  Start();
  m_Start = std::chrono::steady_clock::now();
  m_EarlierMinutes = m_State.minutes;
  m_LastSaving = m_Start;
  StartWindows();
  Measure();
  bool isInterrupted = Agree();
  if (m_Fraction >= 1.0 && m_State.step == 0 && !isInterrupted)
  {
    Note("the run has reached its limit, after " + std::to_string(m_State.steps) +
         " steps: nothing is left to do; --epochs, --steps or --max-minutes take it further");
  }
  if (m_State.epoch == 0 && m_State.step == 0)
  {
    SaveOrWarn();
  }
  // The last epoch may have been left before it was closed.
  while (!isInterrupted && (m_Fraction < 1.0 || m_State.step > 0) && !IsOutOfPatience())
  {
    isInterrupted = !RunEpoch() || !CloseEpoch();
  }
  DoAll({ [this] { WriteRemaining(); }, [this] { Save(); } });
  m_Processes.Wait();
  TrainingResult result;
  result.interrupted = isInterrupted;
  result.ranOutOfPatience = IsOutOfPatience() && m_Fraction < 1.0;
  result.isFirstProcess = IsFirst();
  result.epochs = m_State.epoch;
  result.steps = m_State.steps;
  result.loss = m_EpochLoss;
  result.bestMeanDice = m_State.bestDice;
  return result;
}

bool
TrainingLoop::IsFirst() const
{
  return m_Processes.GetRank() == 0;
}

std::string
TrainingLoop::StateFile() const
{
  return ModelFile("resume");
}

std::string
TrainingLoop::ModelFile(const std::string & name) const
{
  return (m_Folder / (name + ".safetensors")).string();
}

std::string
TrainingLoop::CacheFolder(const std::string & cache) const
{
  return cache.empty() ? (m_Folder / "cache").string() : cache == "none" ? "" : cache;
}

void
TrainingLoop::Note(const std::string & line) const
{
  if (m_Listener.note)
  {
    m_Listener.note(line);
  }
}

void
TrainingLoop::Warn(const std::string & line) const
{
  if (m_Listener.warn)
  {
    m_Listener.warn(line);
  }
}

/** Whether the folder holds a run to go on with. */
bool
TrainingLoop::PrepareFolder()
{
  std::error_code error;
  fs::create_directories(m_Folder, error);
  if (!fs::is_directory(m_Folder))
  {
    throw Error(m_Folder.string() + ": the run folder cannot be made");
  }
  if (IsFirst())
  {
    if (!m_Lock.Lock(m_Folder))
    {
      throw Error(m_Folder.string() + ": another run is writing into it, expected a run folder of its own");
    }
    const auto probe = m_Folder / (fs::path(StateFile()).filename().string() + ".part");
    const bool isThere = fs::exists(probe); // a killed run's
    if (!std::ofstream(probe, std::ios::app))
    {
      throw Error(m_Folder.string() + ": the run folder cannot be written");
    }
    if (!isThere)
    {
      fs::remove(probe, error);
    }
  }
  const bool hasState = fs::exists(StateFile());
  for (const char * name : { "model", "last" })
  {
    if (!hasState && fs::exists(ModelFile(name)))
    {
      throw Error(ModelFile(name) + ": would be overwritten, and there is no " +
                  fs::path(StateFile()).filename().string() + " to go on with; expected another run folder");
    }
  }
  m_Processes.Wait(); // before the first process writes into it
  if (!m_RunOptions.resume && hasState)
  {
    throw Error(m_Folder.string() + ": holds a run already, give --resume to go on with it or another folder");
  }
  if (m_RunOptions.resume && !hasState)
  {
    Note(m_Folder.string() + " holds no run yet, so this one begins");
  }
  if (IsFirst())
  {
    // What a run left that was killed while it wrote.
    for (const char * name :
         { "model.safetensors", "last.safetensors", "resume.safetensors", "log.csv", "report.html", "split.json" })
    {
      fs::remove(m_Folder / (std::string(name) + ".part"), error);
    }
  }
  return hasState;
}

void
TrainingLoop::Start()
{
  const bool isNew = !fs::exists(m_Folder);
  try
  {
    Prepare();
  }
  catch (...)
  {
    if (isNew && IsFirst())
    {
      std::error_code ignored;
      fs::remove(m_Folder, ignored); // an empty one: others stay
    }
    throw;
  }
}

void
TrainingLoop::Prepare()
{
  std::map<std::string, at::Tensor> saved;
  if (PrepareFolder())
  {
    auto file = SavedTraining::Read(StateFile());
    m_State = std::move(file.state);
    saved = std::move(file.tensors);
    Continue();
    m_EpochLoss = m_State.log.GetRows().empty() ? 0.0 : m_State.log.GetRows().back().loss;
  }
  else
  {
    Begin();
  }
  MakeNetworks(!saved.empty());
  if (!saved.empty())
  {
    m_Optimizer->SetState(saved, m_State.steps, StateFile());
  }
  LoadCases();
  const auto windows = m_State.recipe.batch * m_State.recipe.accumulate * m_Processes.GetSize();
  m_StepsPerEpoch = std::max<int64_t>(minimumSteps, (static_cast<int64_t>(m_Training.size()) + windows - 1) / windows);
}

void
TrainingLoop::ContinueWith(const std::map<std::string, std::string> & decisions)
{
  TakeLimits();
  const auto windows = m_State.recipe.batch * m_State.processes;
  if (windows % m_Processes.GetSize() != 0)
  {
    throw Error(StateFile() + ": " + std::to_string(windows) + " windows are one pass of this run, which " +
                std::to_string(m_Processes.GetSize()) + " processes cannot share evenly");
  }
  m_State.recipe.batch = windows / m_Processes.GetSize();
  m_State.processes = m_Processes.GetSize();

  auto known = m_State.options;
  if (known.empty()) // older runs know their recipe alone
  {
    RunOptions options;
    static_cast<TrainingRecipe &>(options) = m_State.recipe;
    known = options.Describe();
  }
  // What was made of them since.
  known["batch"] = nlohmann::json(m_State.recipe.batch).dump();
  known["foreground"] = nlohmann::json(m_State.recipe.foregroundShare).dump();
  known["train-site"] = nlohmann::json(m_State.trainSites).dump();
  for (const auto & [name, text] : decisions)
  {
    if (const auto found = known.find(name); found != known.end() && found->second != text)
    {
      throw Error(StateFile() + ": --" + name + " is " + ToWords(text) + ", this run began with " +
                  ToWords(found->second) + ", expected the same or no --" + name);
    }
  }
}

void
TrainingLoop::TakeLimits()
{
  const bool isLimited = m_RunOptions.epochs > 0 || m_RunOptions.maximumSteps > 0 || m_RunOptions.maximumMinutes > 0.0;
  if (isLimited)
  {
    m_State.epochs = m_RunOptions.epochs;
    m_State.maximumSteps = m_RunOptions.maximumSteps;
    m_State.maximumMinutes = m_RunOptions.maximumMinutes > 0.0 ? m_State.minutes + m_RunOptions.maximumMinutes : 0.0;
  }
  if (m_State.epochs == 0 && m_State.maximumSteps == 0 && m_State.maximumMinutes == 0.0)
  {
    m_State.epochs = defaultEpochs;
  }
}

bool
TrainingLoop::ShouldStop() const
{
  return m_Processes.GetSize() == 1 && m_IsInterrupted && m_IsInterrupted();
}

void
TrainingLoop::LeaveIfInterrupted() const
{
  if (m_IsInterrupted && m_IsInterrupted())
  {
    throw Error("interrupted before training began");
  }
}

double
TrainingLoop::ElapsedMinutes() const
{
  return m_EarlierMinutes +
         std::chrono::duration<double, std::ratio<60>>(std::chrono::steady_clock::now() - m_Start).count();
}

/** How much of the run is behind us: the largest of the shares of epochs, of steps and of time. */
void
TrainingLoop::Measure()
{
  m_State.minutes = ElapsedMinutes();
  double fraction = 0.0;
  if (m_State.epochs > 0)
  {
    fraction = static_cast<double>(m_State.epoch * m_StepsPerEpoch + m_State.step) /
               static_cast<double>(m_State.epochs * m_StepsPerEpoch);
  }
  if (m_State.maximumSteps > 0)
  {
    fraction = std::max(fraction, static_cast<double>(m_State.steps) / static_cast<double>(m_State.maximumSteps));
  }
  if (m_State.maximumMinutes > 0.0)
  {
    fraction = std::max(fraction, m_State.minutes / m_State.maximumMinutes);
  }
  m_Fraction = std::min(fraction, 1.0);
}

/** All processes take the first one's measure. Answers whether one of them was interrupted. */
bool
TrainingLoop::Agree()
{
  if (m_Processes.GetSize() == 1)
  {
    return ShouldStop();
  }
  const bool isInterrupted = m_IsInterrupted && m_IsInterrupted();
  auto       together = at::tensor({ IsFirst() ? m_Fraction : 0.0, isInterrupted ? 1.0 : 0.0 }, at::kDouble);
  m_Processes.Sum(together);
  m_Fraction = together[0].item<double>();
  return together[1].item<double>() > 0.0;
}

bool
TrainingLoop::IsOutOfPatience() const
{
  return false;
}

/** The cases of an epoch in an order that depends on seed and epoch alone. */
std::vector<size_t>
TrainingLoop::EpochOrder(int64_t epoch, int64_t windows) const
{
  RandomStream        random(m_State.recipe.seed * 1'000'003 + static_cast<uint64_t>(epoch));
  std::vector<size_t> order;
  while (static_cast<int64_t>(order.size()) < windows)
  {
    std::vector<size_t> pass(m_Training.size());
    std::iota(pass.begin(), pass.end(), size_t{ 0 });
    random.Shuffle(pass);
    order.insert(order.end(), pass.begin(), pass.end());
  }
  return order;
}

/** Windows are made in the background, from here to the end of the run. Those of one step lie side by side: pass by
 * pass, in it process by process. */
void
TrainingLoop::StartWindows()
{
  const auto & recipe = m_State.recipe;
  auto         augmentation = AugmentationOptions::FromWord(recipe.augmentation);
  augmentation.mirrorAxes = recipe.mirrorAxes;
  augmentation.padsWithZeros = m_State.plan.Keeps("zeros_around_image");
  augmentation.foregroundProbability = recipe.foregroundShare;
  augmentation.frameProbability = recipe.frameProbability;
  augmentation.zoomProbability = recipe.zoomProbability < 0.0 ? augmentation.zoomProbability : recipe.zoomProbability;
  for (size_t k = 0; k < m_State.plan.channels.size(); ++k)
  {
    if (m_State.plan.channels[k].normalization == "clip")
    {
      augmentation.absoluteChannels.push_back(k);
    }
  }
  const WindowSampler sampler(m_State.plan.window, augmentation);
  const int64_t       passes = recipe.accumulate * m_StepsPerEpoch; // of an epoch
  const int64_t       ofPass = recipe.batch * m_Processes.GetSize();
  const auto          make = [this, sampler, passes, ofPass](int64_t number) {
    const auto    batch = m_State.recipe.batch;
    const int64_t pass = number / batch;
    const int64_t epoch = pass / passes;
    const int64_t place = pass % passes * ofPass + m_Processes.GetRank() * batch + number % batch;
    const size_t  item = EpochOrder(epoch, passes * ofPass)[static_cast<size_t>(place)];
    auto random = RandomStream::OfItem(m_State.recipe.seed, static_cast<uint64_t>(epoch), static_cast<uint64_t>(place));
    auto window = sampler(m_Training[item], random);
    if (m_FinishWindow)
    {
      m_FinishWindow(window, pass, random);
    }
    return window;
  };
  const int64_t ofStep = recipe.batch * recipe.accumulate;
  m_Windows =
    std::make_unique<WindowQueue>(make, GetNumberOfPasses() * recipe.batch, m_RunOptions.loaders, stepsAhead * ofStep);
}

int64_t
TrainingLoop::GetNumberOfPasses() const
{
  return (m_State.epoch * m_StepsPerEpoch + m_State.step) * m_State.recipe.accumulate;
}

TrainingWindow
TrainingLoop::TakeBatch()
{
  std::vector<at::Tensor> images;
  std::vector<at::Tensor> labels;
  for (int64_t k = 0; k < m_State.recipe.batch; ++k)
  {
    const auto window = m_Windows->Take();
    images.push_back(window.image);
    labels.push_back(window.labels);
  }
  return { at::stack(images).to(m_Device), at::stack(labels).to(m_Device) };
}

/** Returns false when the user interrupts. */
bool
TrainingLoop::RunEpoch()
{
  int64_t useless = 0;
  while (m_State.step < m_StepsPerEpoch && m_Fraction < 1.0)
  {
    m_State.learningRate = LearningRate(m_State.recipe, m_Optimizer->GetNumberOfSteps(), m_Fraction);
    const auto computed = ComputeGradients();
    if (!computed)
    {
      return false;
    }
    const double loss = *computed;
    const auto   sum = [this](at::Tensor & gradients) { m_Processes.Sum(gradients); };
    const bool   isUseful = m_Processes.GetSize() > 1 ? m_Optimizer->Step(m_State.learningRate, sum)
                                                      : m_Optimizer->Step(m_State.learningRate);
    useless = isUseful && std::isfinite(loss) ? 0 : useless + 1;
    if (useless == maximumUselessSteps)
    {
      throw Error("training diverged: the gradient was not finite " + std::to_string(useless) +
                  " times in a row, try a smaller learning rate than " +
                  nlohmann::json(m_State.recipe.learningRate).dump());
    }
    m_State.lossSum += useless == 0 ? loss : 0.0;
    ++m_State.step;
    m_State.steps = m_Optimizer->GetNumberOfSteps();
    Measure();
    Report(false, false);
    const bool isInterrupted = Agree();
    if (m_Fraction < 1.0)
    {
      if (isInterrupted)
      {
        return false;
      }
      SaveWhenDue();
    }
  }
  return true;
}

/** Returns false when the user interrupts: then the epoch is as it was. */
bool
TrainingLoop::CloseEpoch()
{
  const auto step = m_State.step;
  const auto lossSum = m_State.lossSum;
  ++m_State.epoch;
  m_EpochLoss = lossSum / static_cast<double>(std::max<int64_t>(step, 1));
  m_State.step = 0;
  m_State.lossSum = 0.0;
  if (!FinishEpoch({ m_State.epoch, m_State.steps, m_State.minutes, m_State.learningRate, m_EpochLoss }))
  {
    --m_State.epoch;
    m_State.step = step;
    m_State.lossSum = lossSum;
    return false;
  }
  SaveWhenDue();
  return true;
}

void
TrainingLoop::Describe(TrainingProgress &) const
{}

void
TrainingLoop::Report(bool isValidated, bool finishesEpoch) const
{
  if (!m_Listener.report)
  {
    return;
  }
  TrainingProgress progress;
  progress.epoch = m_State.epoch + (finishesEpoch ? 0 : 1);
  progress.epochs = m_State.epochs;
  progress.step = m_State.step;
  progress.steps = m_StepsPerEpoch;
  progress.fraction = m_Fraction;
  progress.minutes = m_State.minutes;
  progress.remainingMinutes = m_Fraction > 0.0 ? progress.minutes * (1.0 - m_Fraction) / m_Fraction : 0.0;
  progress.loss = finishesEpoch ? m_EpochLoss : m_State.lossSum / static_cast<double>(m_State.step);
  progress.finishesEpoch = finishesEpoch;
  progress.validated = isValidated;
  progress.bestMeanDice = m_State.bestDice;
  Describe(progress);
  m_Listener.report(progress);
}

bool
TrainingLoop::Survive(const std::function<void()> & write) const
{
  try
  {
    write();
    return true;
  }
  catch (const std::exception & error)
  {
    Warn(std::string(error.what()) + "; what was there before is kept, training goes on");
    return false;
  }
}

void
TrainingLoop::SaveWhenDue()
{
  const auto since = std::chrono::duration<double, std::ratio<60>>(std::chrono::steady_clock::now() - m_LastSaving);
  if (since.count() >= m_RunOptions.saveMinutes)
  {
    SaveOrWarn();
  }
}

void
TrainingLoop::SaveOrWarn()
{
  Survive([this] { Save(); });
  m_LastSaving = std::chrono::steady_clock::now(); // a disk that was full is not asked at every step
}

/** The state comes first: all else can be made of it. */
void
TrainingLoop::Save() const
{
  if (IsFirst())
  {
    DoAll({ [this] { m_State.Write(StateFile(), *m_Optimizer); },
            [this] { WriteTextFile((m_Folder / "log.csv").string(), m_State.log.ToCsv()); },
            [this] { WriteModels(); } });
  }
}

const DatasetCase &
FindCase(const Dataset & dataset, const std::string & name)
{
  for (const auto & candidate : dataset.cases)
  {
    if (candidate.name == name)
    {
      return candidate;
    }
  }
  throw Error(dataset.path + ": case '" + name + "' of the run is not in the data set");
}

void
DoAll(const std::vector<std::function<void()>> & actions)
{
  std::exception_ptr failure;
  for (const auto & action : actions)
  {
    try
    {
      action();
    }
    catch (...)
    {
      failure = failure ? failure : std::current_exception();
    }
  }
  if (failure)
  {
    std::rethrow_exception(failure);
  }
}

std::unique_ptr<Network>
CopyNetwork(const Network & network)
{
  std::map<std::string, at::Tensor> copies;
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    copies[name] = tensor.detach().clone();
  }
  return std::make_unique<Network>(network.GetPlan(), std::move(copies), "copy");
}
} // namespace sam
