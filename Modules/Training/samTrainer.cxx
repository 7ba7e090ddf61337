// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainer.h"

#include "samAutocast.h"
#include "samCaseLoader.h"
#include "samCaseReader.h"
#include "samDevice.h"
#include "samDistribution.h"
#include "samError.h"
#include "samMaskLoss.h"
#include "samMatchingLoss.h"
#include "samPlanning.h"
#include "samRecomputation.h"
#include "samSchedule.h"
#include "samSemanticLoss.h"
#include "samTextFile.h"
#include "samTrainingReport.h"
#include "samTrainingState.h"
#include "samValidation.h"
#include "samWindowQueue.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <numeric>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int64_t minimumSteps = 25;        // per epoch, so that a handful of cases is not all validation
constexpr int64_t maximumUselessSteps = 10; // in a row, each with a gradient that is not finite
constexpr int64_t defaultEpochs = 100;
constexpr int64_t stepsAhead = 2;         // for which windows are made before they are needed
constexpr int64_t largeBlock = 4'000'000; // numbers that go into an encoder's block, above which it is computed twice

std::vector<std::string>
ForegroundNames(const Plan & plan)
{
  std::vector<std::string> names;
  for (size_t k = 1; k < plan.labels.size(); ++k)
  {
    names.push_back(plan.labels[k].name);
  }
  return names;
}

/** \class Run
 * \brief One training run, between its folder and its loop.
 */
class Run
{
public:
  Run(const TrainingOptions & options, const TrainingListener & listener, const std::atomic<bool> & interrupt)
    : m_Options(options)
    , m_Listener(listener)
    , m_Interrupt(interrupt)
    , m_Processes(ProcessPlace::Find())
    , m_Folder(options.output)
    , m_Device(FindDevice(options.device, m_Processes.GetLocalRank()))
    , m_Dataset(Dataset::Read(options.dataset))
  {
    auto & sites = m_Options.trainSites;
    std::sort(sites.begin(), sites.end());
    sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
    if (sites.empty() && !m_Options.sites.empty())
    {
      throw Error(m_Options.sites + ": a table of sites without a site to train on, expected --train-site");
    }
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
    std::map<std::string, at::Tensor> saved;
    if (PrepareFolder())
    {
      auto file = SavedTraining::Read(StateFile());
      m_State = std::move(file.state);
      saved = std::move(file.tensors);
      Continue();
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
    m_StepsPerEpoch =
      std::max<int64_t>(minimumSteps, (static_cast<int64_t>(m_Training.size()) + windows - 1) / windows);
  }

  TrainingResult
  Execute()
  {
    m_Start = std::chrono::steady_clock::now();
    m_EarlierMinutes = m_State.minutes;
    m_LastSaving = m_Start;
    StartWindows();
    Measure();
    bool isInterrupted = Agree();
    if (m_State.epoch == 0 && m_State.step == 0)
    {
      SaveOrWarn();
    }
    while (m_Fraction < 1.0 && !IsOutOfPatience())
    {
      isInterrupted = isInterrupted || !RunEpoch();
      if (isInterrupted)
      {
        break;
      }
      FinishEpoch();
    }
    Save();
    m_Processes.Wait();
    return { isInterrupted, IsOutOfPatience() && m_Fraction < 1.0, IsFirst(), m_State.epoch, m_State.bestDice };
  }

private:
  bool
  IsFirst() const
  {
    return m_Processes.GetRank() == 0;
  }

  std::string
  StateFile() const
  {
    return (m_Folder / "resume.safetensors").string();
  }

  void
  Note(const std::string & line) const
  {
    if (m_Listener.note)
    {
      m_Listener.note(line);
    }
  }

  void
  Warn(const std::string & line) const
  {
    if (m_Listener.warn)
    {
      m_Listener.warn(line);
    }
  }

  /** Whether the folder holds a run to go on with. */
  bool
  PrepareFolder() const
  {
    std::error_code error;
    fs::create_directories(m_Folder, error);
    if (!fs::is_directory(m_Folder))
    {
      throw Error(m_Folder.string() + ": the run folder cannot be made");
    }
    const bool hasState = fs::exists(StateFile());
    m_Processes.Wait(); // before the first process writes into it
    if (!m_Options.resume && hasState)
    {
      throw Error(m_Folder.string() + ": holds a run already, give --resume to go on with it or another folder");
    }
    if (m_Options.resume && !hasState)
    {
      Note(m_Folder.string() + " holds no run yet, so this one begins");
    }
    return hasState;
  }

  /** What a new run has to decide. */
  void
  Begin()
  {
    m_State.recipe = m_Options;
    m_State.recipe.Check();
    m_State.processes = m_Processes.GetSize();
    KeepSites();
    const auto split = !m_Options.split.empty() ? ReadSplit(m_Dataset, m_Options.split, m_Options.fold)
                       : m_Options.folds > 0 ? SplitByFold(m_Dataset, m_Options.fold, m_Options.folds, m_Options.seed)
                                             : SplitByFraction(m_Dataset, m_Options.validationFraction, m_Options.seed);
    for (const size_t k : split.training)
    {
      m_State.training.push_back(m_Dataset.cases[k].name);
    }
    for (const size_t k : split.validation)
    {
      m_State.validation.push_back(m_Dataset.cases[k].name);
    }
    if (m_State.training.empty() || m_State.validation.empty())
    {
      throw Error(m_Options.dataset + ": the split leaves " + std::to_string(m_State.training.size()) +
                  " cases for training and " + std::to_string(m_State.validation.size()) +
                  " for validation, expected one of each at least");
    }
    RequireFiles();
    for (const auto * names : { &m_State.training, &m_State.validation })
    {
      for (const auto & name : *names)
      {
        CheckCase(FindCase(name), m_Dataset.channels.size());
      }
    }
    MakePlan();
    ChangePlan();
    if (m_Options.initialize.empty())
    {
      m_State.plan.frozen.clear(); // nothing is worth keeping as it is
      m_State.plan.adapted.clear();
    }
    if (m_State.plan.Keeps("set_loss_only"))
    {
      m_State.recipe.semanticWeight = 0.0;
    }
    if (m_State.plan.Keeps("polynomial_learning_rate"))
    {
      m_State.recipe.schedule = "polynomial";
      m_State.recipe.warmUpSteps = 0;
      m_State.recipe.lastLearningRate = 0.0;
    }
    m_State.log = TrainingLog(ForegroundNames(m_State.plan));
    m_State.epochs = m_Options.epochs;
    if (m_State.epochs == 0 && m_Options.maximumMinutes <= 0.0)
    {
      m_State.epochs = defaultEpochs;
    }
  }

  /** The data set has no case of another site from here on. */
  void
  KeepSites()
  {
    m_State.trainSites = m_Options.trainSites;
    if (m_State.trainSites.empty())
    {
      return;
    }
    const auto before = m_Dataset.cases.size();
    const auto table =
      m_Options.sites.empty() ? (fs::path(m_Dataset.path).parent_path() / "sites.csv").string() : m_Options.sites;
    m_Dataset.KeepSites(SiteTable::Read(table), m_State.trainSites);
    Note(std::to_string(m_Dataset.cases.size()) + " of " + std::to_string(before) + " cases are of the sites " +
         JoinNames(m_State.trainSites) + ", the others are not opened");
  }

  /** The files of other cases may be elsewhere. */
  void
  RequireFiles() const
  {
    for (const auto * names : { &m_State.training, &m_State.validation })
    {
      for (const auto & name : *names)
      {
        m_Dataset.RequireFiles(FindCase(name));
      }
    }
  }

  /** What a resumed run may be told anew. */
  void
  Continue()
  {
    if (!m_Options.trainSites.empty() && m_Options.trainSites != m_State.trainSites)
    {
      const auto text = [](const std::vector<std::string> & sites) {
        return sites.empty() ? std::string("all sites") : JoinNames(sites);
      };
      throw Error(StateFile() + ": this run trains on " + text(m_State.trainSites) + ", --train-site asks for " +
                  text(m_Options.trainSites) + ", expected the same or none");
    }
    RequireFiles();
    if (m_Options.epochs > 0)
    {
      m_State.epochs = m_Options.epochs;
    }
    const auto windows = m_State.recipe.batch * m_State.processes;
    if (windows % m_Processes.GetSize() != 0)
    {
      throw Error(StateFile() + ": " + std::to_string(windows) + " windows are one pass of this run, which " +
                  std::to_string(m_Processes.GetSize()) + " processes cannot share evenly");
    }
    m_State.recipe.batch = windows / m_Processes.GetSize();
    m_State.processes = m_Processes.GetSize();
  }

  PlanningWishes
  MakeWishes() const
  {
    PlanningWishes wishes{ m_Options.window, m_Options.frame };
    for (const auto & part : m_Options.without)
    {
      if (part != "adapters" && part != "prototypes")
      {
        throw Error("part '" + part + "' cannot be left out, expected adapters or prototypes");
      }
      (part == "adapters" ? wishes.hasAdapters : wishes.hasPrototypes) = false;
    }
    return wishes;
  }

  void
  MakePlan()
  {
    if (!IsPlanName(m_Options.plan))
    {
      if (!fs::exists(m_Options.plan))
      {
        throw Error("plan '" + m_Options.plan +
                    "' is not known, expected masksam, dapsam, unet, masksam_acdc, masksam_synapse, " +
                    "masksam_amos, dapsam_prostate, dapsam_fundus or a JSON file with a plan");
      }
      if (m_Options.window || m_Options.frame != "auto" || !m_Options.without.empty())
      {
        throw Error(m_Options.plan + ": a plan says all of the network, expected neither a window, a frame nor parts "
                                     "to leave out beside it");
      }
      m_State.plan = Plan::FromJson(ReadTextFile(m_Options.plan), m_Options.plan);
      if (m_State.plan.channels.size() != m_Dataset.channels.size())
      {
        throw Error(m_Options.plan + ": " + std::to_string(m_State.plan.channels.size()) + " channels, expected " +
                    std::to_string(m_Dataset.channels.size()) + " as in " + m_Dataset.path);
      }
      if (m_State.plan.labels.size() != m_Dataset.labels.size())
      {
        throw Error(m_Options.plan + ": " + std::to_string(m_State.plan.labels.size()) + " labels, expected " +
                    std::to_string(m_Dataset.labels.size()) + " as in " + m_Dataset.path);
      }
      return;
    }
    auto names = m_State.training;
    if (m_Options.folds > 0 || !m_Options.split.empty())
    {
      // All folds get the same plan, so that their models can be averaged.
      names.insert(names.end(), m_State.validation.begin(), m_State.validation.end());
    }
    std::sort(names.begin(), names.end());
    std::vector<const DatasetCase *> cases;
    for (const auto & name : names)
    {
      cases.push_back(&FindCase(name));
    }
    const auto planning = PlanByName(m_Options.plan,
                                     ReadFingerprint(m_Dataset, cases),
                                     m_Dataset,
                                     PlanningLimits::OfDevice(!m_Device.is_cpu()),
                                     MakeWishes());
    m_State.plan = planning.plan;
    m_State.plan.provenance = Json{ { "planning", planning.decisions } }.dump();
    for (const auto & line : planning.decisions)
    {
      Note(line);
    }
  }

  /** What --change-plan says. */
  void
  ChangePlan()
  {
    if (m_Options.planChange.empty())
    {
      return;
    }
    const std::string where = "--change-plan '" + m_Options.planChange + "'";
    const auto        change = Json::parse(m_Options.planChange, nullptr, false);
    if (!change.is_object())
    {
      throw Error(where + ": not a JSON object, expected one such as {\"compatibility\": [\"set_loss_only\"]}");
    }
    const auto labels = m_State.plan.labels.size();
    const auto channels = m_State.plan.channels.size();
    auto       plan = Json::parse(m_State.plan.ToJson());
    plan.merge_patch(change);
    m_State.plan = Plan::FromJson(plan.dump(), where);
    if (m_State.plan.labels.size() != labels || m_State.plan.channels.size() != channels)
    {
      throw Error(where + ": changes the number of labels or channels, expected those of the data set");
    }
  }

  const DatasetCase &
  FindCase(const std::string & name) const
  {
    for (const auto & candidate : m_Dataset.cases)
    {
      if (candidate.name == name)
      {
        return candidate;
      }
    }
    throw Error(m_Dataset.path + ": case '" + name + "' of the run is not in the data set");
  }

  void
  MakeNetworks(bool isResumed)
  {
    const auto & recipe = m_State.recipe;
    m_MatchingLoss = MatchingLoss(MatchingLossOptions::FromPlan(m_State.plan));
    m_Network = std::make_unique<Network>(m_State.plan, recipe.seed);
    if (isResumed && !m_State.plan.frozen.empty())
    {
      StartFromCheckpoint(*m_Network, ModelFile("last")); // training does not make the frozen values
    }
    else if (!isResumed && !m_Options.initialize.empty())
    {
      for (const auto & line : StartFromCheckpoint(*m_Network, m_Options.initialize).Describe())
      {
        Note(m_Options.initialize + ": " + line);
      }
    }
    m_Network->To(m_Device);
    std::map<std::string, at::Tensor> copies;
    for (const auto & [name, tensor] : m_Network->GetParameters().GetTensors())
    {
      copies[name] = tensor.clone();
    }
    m_Average = std::make_unique<Network>(m_State.plan, std::move(copies), "average");
    m_Average->To(m_Device);
    m_Optimizer = std::make_unique<Optimizer>(
      *m_Network,
      *m_Average,
      Optimizer::Settings{ recipe.weightDecay, false, recipe.maximumGradientNorm, recipe.averagingDecay });
  }

  void
  LoadCases()
  {
    const auto               start = std::chrono::steady_clock::now();
    CaseLoader               loader(m_State.plan,
                      m_Dataset,
                      m_Options.cache.empty()     ? (m_Folder / "cache").string()
                                    : m_Options.cache == "none" ? ""
                                                                : m_Options.cache,
                      [this](const std::string & line) { Warn(line); });
    std::vector<std::string> names = m_State.training;
    names.insert(names.end(), m_State.validation.begin(), m_State.validation.end());
    if (m_Processes.GetSize() > 1 && m_Options.cache != "none")
    {
      // Each process prepares its share, then all read the files.
      for (auto k = static_cast<size_t>(m_Processes.GetRank()); k < names.size(); k += m_Processes.GetSize())
      {
        loader.Load(FindCase(names[k]));
      }
      m_Processes.Wait();
    }
    for (size_t k = 0; k < names.size(); ++k)
    {
      if (m_Interrupt)
      {
        throw Error("interrupted while the cases were read");
      }
      auto & cases = k < m_State.training.size() ? m_Training : m_Validation;
      cases.push_back(loader.Load(FindCase(names[k])));
    }
    const auto seconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count() / 1000.0;
    Note(std::to_string(m_Training.size()) + " cases to train on and " + std::to_string(m_Validation.size()) +
         " to validate, " + std::to_string(loader.GetNumberOfPreparedCases()) + " of them prepared now, in " +
         Json(std::round(10.0 * seconds) / 10.0).dump() + " s");
    CheckLabelsAreThere();
  }

  /** A label that no case has cannot be learned; little foreground asks for more windows on it. */
  void
  CheckLabelsAreThere()
  {
    std::vector<int64_t> casesOf(m_State.plan.labels.size(), 0);
    std::vector<double>  fractions;
    for (const auto & item : m_Training)
    {
      for (const auto & places : item.foreground)
      {
        const auto label = item.labels.flatten()[places.front()].item<int64_t>();
        ++casesOf[static_cast<size_t>(label)];
      }
      fractions.push_back((item.labels > 0).sum().item<double>() / static_cast<double>(item.labels.numel()));
    }
    for (size_t k = 1; k < casesOf.size(); ++k)
    {
      if (casesOf[k] == 0)
      {
        Warn("label '" + m_State.plan.labels[k].name + "' (" + std::to_string(m_State.plan.labels[k].value) +
             ") is in none of the " + std::to_string(m_Training.size()) + " training cases, it will not be learned");
      }
    }
    if (m_State.recipe.foregroundShare < 0.0)
    {
      const double fraction = Percentile(fractions, 0.5);
      m_State.recipe.foregroundShare = PlanForegroundShare(fraction);
      Note(Json(std::round(1000.0 * m_State.recipe.foregroundShare) / 1000.0).dump() +
           " of the windows around a foreground voxel where images are larger than the window: foreground is " +
           Json(std::round(1e5 * fraction) / 1e3).dump() + " % of a training case");
    }
  }

  double
  ElapsedMinutes() const
  {
    return m_EarlierMinutes +
           std::chrono::duration<double, std::ratio<60>>(std::chrono::steady_clock::now() - m_Start).count();
  }

  /** How much of the run is behind us: the larger of the shares of epochs and of time. */
  void
  Measure()
  {
    m_State.minutes = ElapsedMinutes();
    double fraction = 0.0;
    if (m_State.epochs > 0)
    {
      fraction = static_cast<double>(m_State.epoch * m_StepsPerEpoch + m_State.step) /
                 static_cast<double>(m_State.epochs * m_StepsPerEpoch);
    }
    if (m_Options.maximumMinutes > 0.0)
    {
      fraction = std::max(fraction, m_State.minutes / (m_EarlierMinutes + m_Options.maximumMinutes));
    }
    m_Fraction = std::min(fraction, 1.0);
  }

  /** All processes take the first one's measure. Answers whether one of them was interrupted. */
  bool
  Agree()
  {
    if (m_Processes.GetSize() == 1)
    {
      return m_Interrupt;
    }
    auto together = at::tensor({ IsFirst() ? m_Fraction : 0.0, m_Interrupt ? 1.0 : 0.0 }, at::kDouble);
    m_Processes.Sum(together);
    m_Fraction = together[0].item<double>();
    return together[1].item<double>() > 0.0;
  }

  bool
  IsOutOfPatience() const
  {
    return m_Options.patience > 0 && m_State.validationsSinceBest >= m_Options.patience;
  }

  /** The cases of an epoch in an order that depends on seed and epoch alone. */
  std::vector<size_t>
  EpochOrder(int64_t epoch, int64_t windows) const
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
  StartWindows()
  {
    const auto & recipe = m_State.recipe;
    auto         augmentation = AugmentationOptions::FromWord(recipe.augmentation);
    augmentation.mirrorAxes = recipe.mirrorAxes;
    augmentation.foregroundProbability = recipe.foregroundShare;
    augmentation.frameProbability = recipe.frameProbability;
    const WindowSampler sampler(m_State.plan.window, augmentation);
    const int64_t       passes = recipe.accumulate * m_StepsPerEpoch; // of an epoch
    const int64_t       ofPass = recipe.batch * m_Processes.GetSize();
    const auto          make = [this, sampler, passes, ofPass](int64_t number) {
      const auto    batch = m_State.recipe.batch;
      const int64_t pass = number / batch;
      const int64_t epoch = pass / passes;
      const int64_t place = pass % passes * ofPass + m_Processes.GetRank() * batch + number % batch;
      const size_t  item = EpochOrder(epoch, passes * ofPass)[static_cast<size_t>(place)];
      auto          random =
        RandomStream::OfItem(m_State.recipe.seed, static_cast<uint64_t>(epoch), static_cast<uint64_t>(place));
      return sampler(m_Training[item], random);
    };
    const int64_t ofStep = recipe.batch * recipe.accumulate;
    m_Windows = std::make_unique<WindowQueue>(
      make, (m_State.epoch * m_StepsPerEpoch + m_State.step) * ofStep, m_Options.loaders, stepsAhead * ofStep);
  }

  /** Returns false when the user interrupts. */
  bool
  RunEpoch()
  {
    int64_t useless = 0;
    while (m_State.step < m_StepsPerEpoch)
    {
      m_State.learningRate = LearningRate(m_State.recipe, m_Optimizer->GetNumberOfSteps(), m_Fraction);
      const double loss = ComputeGradients();
      const auto   sum = [this](at::Tensor & gradients) { m_Processes.Sum(gradients); };
      const bool   isUseful = m_Processes.GetSize() > 1 ? m_Optimizer->Step(m_State.learningRate, sum)
                                                        : m_Optimizer->Step(m_State.learningRate);
      useless = isUseful && std::isfinite(loss) ? 0 : useless + 1;
      if (useless == maximumUselessSteps)
      {
        throw Error("training diverged: the gradient was not finite " + std::to_string(useless) +
                    " times in a row, try a smaller learning rate than " + Json(m_State.recipe.learningRate).dump());
      }
      m_State.lossSum += useless == 0 ? loss : 0.0;
      ++m_State.step;
      m_State.steps = m_Optimizer->GetNumberOfSteps();
      Measure();
      Report(false);
      const bool isInterrupted = Agree();
      if (m_Fraction >= 1.0)
      {
        break;
      }
      if (isInterrupted)
      {
        return false;
      }
      SaveWhenDue();
    }
    return true;
  }

  /** The gradients of one step are added to those of the network. Answers the loss. */
  double
  ComputeGradients()
  {
    const auto &     recipe = m_State.recipe;
    SumOverProcesses sum;
    if (m_Processes.GetSize() > 1)
    {
      sum = [this](const at::Tensor & part) { return m_Processes.SumWithGradient(part); };
    }
    double mean = 0.0;
    for (int64_t pass = 0; pass < recipe.accumulate; ++pass)
    {
      std::vector<at::Tensor> images;
      std::vector<at::Tensor> labels;
      for (int64_t k = 0; k < recipe.batch; ++k)
      {
        const auto window = m_Windows->Take();
        images.push_back(window.image);
        labels.push_back(window.labels);
      }
      const auto         image = at::stack(images).to(m_Device);
      const auto         label = at::stack(labels).to(m_Device);
      Prompts            prompts;
      MaskClassification answer;
      {
        const Autocast           autocast(recipe.precision == "bfloat16", m_Device.type());
        const RecomputationGuard recomputation(HasLargeBlocks());
        const auto               encoded = m_Network->Encode(image);
        prompts = m_Network->GeneratePrompts(encoded);
        answer = m_Network->Decode(encoded, prompts);
      }
      // The losses want many digits.
      for (auto * tensor : { &prompts.masks, &prompts.boxes, &answer.masks, &answer.classes })
      {
        *tensor = tensor->defined() ? tensor->to(at::kFloat) : *tensor;
      }
      const auto loss = this->ComputeLoss(prompts, answer, label, pass, sum);
      (loss / static_cast<double>(recipe.accumulate)).backward();
      mean += loss.item<double>() / static_cast<double>(recipe.accumulate);
    }
    return mean;
  }

  /** Whether what an encoder of this size keeps for the gradient is worth a second forward pass: SAM's ViT-B would keep
   * 19 GB for four slices. */
  bool
  HasLargeBlocks() const
  {
    const auto & plan = m_State.plan;
    return m_State.recipe.batch * plan.window[2] * plan.grid[0] * plan.grid[1] * plan.width > largeBlock;
  }

  at::Tensor
  ComputeLoss(const Prompts &            prompts,
              const MaskClassification & answer,
              const at::Tensor &         label,
              int64_t                    pass,
              const SumOverProcesses &   sum) const
  {
    if (!answer.classes.defined())
    {
      const auto   loss = MaskLoss(answer.masks, label, MaskLossOptions::FromPlan(m_State.plan), sum).total;
      const double weight = m_State.plan.prototypeDiversityWeight;
      // Gradients of all processes are added up, of which each has this term.
      return weight > 0.0 && m_State.plan.promptSource == "prototype"
               ? loss + weight / static_cast<double>(m_Processes.GetSize()) * m_Network->ComparePrototypes()
               : loss;
    }
    const auto & recipe = m_State.recipe;
    auto         loss = recipe.semanticWeight * SemanticLoss(answer.Semantic(), label, 1e-5, sum).total;
    if (recipe.setWeight > 0.0)
    {
      auto                random = RandomStream::OfItem(recipe.seed,
                                         static_cast<uint64_t>(m_State.steps * recipe.accumulate + pass),
                                         static_cast<uint64_t>(m_Processes.GetRank()));
      const at::Generator points = at::detail::createCPUGenerator(random.Bits());
      loss = loss + recipe.setWeight * m_MatchingLoss(prompts, answer, label, points, nullptr, sum).total;
    }
    return loss;
  }

  void
  FinishEpoch()
  {
    ++m_State.epoch;
    m_EpochLoss = m_State.lossSum / static_cast<double>(std::max<int64_t>(m_State.step, 1));
    m_State.step = 0;
    TrainingLog::Row row{ m_State.epoch, m_State.steps, m_State.minutes, m_State.learningRate, m_EpochLoss };
    const bool       isValidated = m_State.epoch % m_State.recipe.validationInterval == 0 || m_Fraction >= 1.0;
    if (isValidated)
    {
      Validate(row);
    }
    m_State.log.Add(row);
    m_State.lossSum = 0.0;
    if (isValidated && IsFirst())
    {
      WriteReport();
    }
    SaveWhenDue();
  }

  void
  Validate(TrainingLog::Row & row)
  {
    const auto & recipe = m_State.recipe;
    m_Validated = Validation::Run(
      *m_Average, m_Validation, recipe.mirrorsValidation ? recipe.mirrorAxes : std::vector<size_t>(), m_Processes);
    row.dice = m_Validated.dice;
    row.meanDice = m_Validated.meanDice;
    ++m_State.validationsSinceBest;
    if (row.meanDice > m_State.bestDice || m_State.bestEpoch == 0)
    {
      bool isKept = true;
      if (IsFirst())
      {
        isKept = Survive([this] { WriteModel(ModelFile("model"), PlanWithProvenance(), ModelTensors()); });
      }
      if (m_Processes.GetSize() > 1)
      {
        auto failures = at::tensor(isKept ? 0.0 : 1.0, at::kDouble);
        m_Processes.Sum(failures);
        isKept = failures.item<double>() == 0.0;
      }
      if (isKept)
      {
        m_State.bestDice = row.meanDice;
        m_State.bestEpoch = m_State.epoch;
        m_State.validationsSinceBest = 0;
      }
    }
    Report(true);
  }

  void
  WriteReport()
  {
    Survive([this] {
      WriteTextFile((m_Folder / "log.csv").string(), m_State.log.ToCsv());
      WriteTextFile((m_Folder / "report.html").string(),
                    MakeTrainingReport(m_State, m_Dataset.name, m_Validation, m_Validated, m_Folder.string()));
    });
  }

  std::string
  ModelFile(const std::string & name) const
  {
    return (m_Folder / (name + ".safetensors")).string();
  }

  std::map<std::string, at::Tensor>
  ModelTensors() const
  {
    return m_Average->GetParameters().GetTensors();
  }

  Plan
  PlanWithProvenance() const
  {
    Json provenance = Json::parse(m_State.plan.provenance);
    provenance["dataset"] = m_Dataset.name;
    provenance["licence"] = m_Dataset.licence;
    provenance["reference"] = m_Dataset.reference;
    provenance["training_cases"] = m_State.training.size();
    provenance["validation_cases"] = m_State.validation.size();
    if (!m_State.trainSites.empty())
    {
      provenance["train_sites"] = m_State.trainSites;
    }
    provenance["recipe"] = Json::parse(m_State.recipe.ToJson());
    provenance["processes"] = m_State.processes;
    provenance["epoch"] = m_State.epoch;
    provenance["steps"] = m_State.steps;
    provenance["minutes"] = std::round(10.0 * ElapsedMinutes()) / 10.0;
    provenance["threads"] = at::get_num_threads();
    provenance["validation_dice"] = DiceByName();
    Plan plan = m_State.plan;
    plan.provenance = provenance.dump();
    return plan;
  }

  std::map<std::string, double>
  DiceByName() const
  {
    std::map<std::string, double> result;
    for (size_t k = 0; k < m_Validated.dice.size(); ++k)
    {
      if (!std::isnan(m_Validated.dice[k]))
      {
        result[m_State.plan.labels[k + 1].name] = m_Validated.dice[k];
      }
    }
    return result;
  }

  void
  Report(bool isValidated) const
  {
    if (!m_Listener.report)
    {
      return;
    }
    TrainingProgress progress;
    progress.epoch = m_State.epoch + (isValidated ? 0 : 1);
    progress.epochs = m_State.epochs;
    progress.step = m_State.step;
    progress.steps = m_StepsPerEpoch;
    progress.fraction = m_Fraction;
    progress.minutes = m_State.minutes;
    progress.remainingMinutes = m_Fraction > 0.0 ? progress.minutes * (1.0 - m_Fraction) / m_Fraction : 0.0;
    progress.loss = isValidated ? m_EpochLoss : m_State.lossSum / static_cast<double>(m_State.step);
    progress.validated = isValidated;
    progress.dice = DiceByName();
    progress.meanDice = m_Validated.meanDice;
    progress.bestMeanDice = m_State.bestDice;
    m_Listener.report(progress);
  }

  /** Has something written; false and one warning when that cannot be, as with a full disk. */
  bool
  Survive(const std::function<void()> & write) const
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
  SaveWhenDue()
  {
    const auto since = std::chrono::duration<double, std::ratio<60>>(std::chrono::steady_clock::now() - m_LastSaving);
    if (since.count() >= m_Options.saveMinutes)
    {
      SaveOrWarn();
    }
  }

  void
  SaveOrWarn()
  {
    Survive([this] { Save(); });
    m_LastSaving = std::chrono::steady_clock::now(); // a disk that was full is not asked at every step
  }

  /** The state comes last: whatever is older than it will be made again. */
  void
  Save() const
  {
    if (!IsFirst())
    {
      return;
    }
    Json split = Json::array();
    split.push_back({ { "train", m_State.training }, { "val", m_State.validation } });
    if (!m_State.trainSites.empty())
    {
      split.back()["sites"] = m_State.trainSites;
    }
    WriteTextFile((m_Folder / "split.json").string(), split.dump(1) + "\n");
    WriteTextFile((m_Folder / "log.csv").string(), m_State.log.ToCsv());
    WriteModel(ModelFile("last"), PlanWithProvenance(), ModelTensors());
    m_State.Write(StateFile(), *m_Optimizer);
  }

  TrainingOptions                       m_Options;
  TrainingListener                      m_Listener;
  const std::atomic<bool> &             m_Interrupt;
  Distribution                          m_Processes;
  fs::path                              m_Folder;
  at::Device                            m_Device;
  Dataset                               m_Dataset;
  TrainingState                         m_State;
  std::unique_ptr<Network>              m_Network;
  std::unique_ptr<Network>              m_Average;
  std::unique_ptr<Optimizer>            m_Optimizer;
  std::vector<TrainingCase>             m_Training;
  std::vector<TrainingCase>             m_Validation;
  MatchingLoss                          m_MatchingLoss;
  Validation                            m_Validated; ///< the last one
  int64_t                               m_StepsPerEpoch{ 1 };
  double                                m_Fraction{ 0.0 };
  double                                m_EpochLoss{ 0.0 }; ///< mean over the epoch before
  double                                m_EarlierMinutes{ 0.0 };
  std::chrono::steady_clock::time_point m_Start{ std::chrono::steady_clock::now() };
  std::chrono::steady_clock::time_point m_LastSaving{ m_Start };
  std::unique_ptr<WindowQueue>          m_Windows; ///< last, so that its threads end first
};
} // namespace

TrainingResult
Train(const TrainingOptions & options, const TrainingListener & listener, const std::atomic<bool> & interrupt)
{
  Run run(options, listener, interrupt);
  return run.Execute();
}
} // namespace sam
