// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainer.h"

#include "samAutocast.h"
#include "samCaseLoader.h"
#include "samCaseReader.h"
#include "samError.h"
#include "samMaskLoss.h"
#include "samMatchingLoss.h"
#include "samPlanning.h"
#include "samRecomputation.h"
#include "samSemanticLoss.h"
#include "samTextFile.h"
#include "samTrainingReport.h"
#include "samValidation.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <utility>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int64_t largeBlock = 4'000'000; // numbers that go into an encoder's block, above which it is computed twice
constexpr double  validationShare = 1.0 / 3.0; // of a limited time, at most

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
 * \brief One training run: what it trains, by which losses, and how it is validated.
 */
class Run : public TrainingLoop
{
public:
  Run(const TrainingOptions & options, const TrainingListener & listener, const InterruptFunction & isInterrupted)
    : TrainingLoop(options, listener, isInterrupted)
    , m_Options(options)
    , m_Dataset(Dataset::Read(options.dataset))
  {
    if (m_Options.patience < 0)
    {
      throw Error("--patience is " + std::to_string(m_Options.patience) + ", expected 0 or more");
    }
    auto & sites = m_Options.trainSites;
    std::sort(sites.begin(), sites.end());
    sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
    if (sites.empty() && !m_Options.sites.empty())
    {
      throw Error(m_Options.sites + ": a table of sites without a site to train on, expected --train-site");
    }
  }

private:
  void
  Begin() override
  {
    m_State.recipe = m_Options;
    m_State.recipe.Check();
    m_State.options = m_Options.Describe();
    m_State.processes = m_Processes.GetSize();
    KeepSites();
    for (const auto & line : m_Dataset.warnings)
    {
      Warn(line);
    }
    if (m_Options.split.empty())
    {
      Note(m_Dataset.patients);
    }
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
    // What needs no images first: to look through them may take minutes.
    CheckWords();
    const bool isPlanned = IsPlanName(m_Options.plan);
    if (!isPlanned)
    {
      ReadPlan();
    }
    CheckCases();
    if (isPlanned)
    {
      MakePlan();
    }
    PrepareStart();
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
    TakeLimits();
  }

  /** What the plan freezes, and where it comes from. */
  void
  PrepareStart()
  {
    auto & plan = m_State.plan;
    if (m_Options.initialize.empty())
    {
      if (m_Options.freezesEncoder)
      {
        throw Error("--freeze-encoder keeps what --initialize brings, which is not given");
      }
      plan.frozen.clear(); // nothing is worth keeping as it is
      plan.adapted.clear();
      return;
    }
    if (m_Options.freezesEncoder)
    {
      plan.frozen.insert(plan.frozen.end(), { "stem.", "image_encoder." });
      plan.adapted.insert(plan.adapted.end(), { "adapter", "Adapter", "temporal_embedding" });
    }
    const auto start = OpenModel(m_Options.initialize);
    Json       provenance = Json::parse(plan.provenance);
    provenance["initialized_from"] = { { "file", fs::path(m_Options.initialize).filename().string() },
                                       { "architecture", start.architecture },
                                       { "provenance", Json::parse(start.plan.provenance) } };
    plan.provenance = provenance.dump();
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
  CheckCases() const
  {
    auto names = m_State.training;
    names.insert(names.end(), m_State.validation.begin(), m_State.validation.end());
    for (const auto & name : names)
    {
      m_Dataset.RequireFiles(FindCase(m_Dataset, name));
    }
    for (const auto & name : names)
    {
      LeaveIfInterrupted();
      CheckCase(FindCase(m_Dataset, name), m_Dataset.channels.size());
    }
  }

  /** Labels and channels of a plan are those of the data set, one by one: the network takes them by their places.
   * \throws Error naming \a where the plan is from. */
  void
  CheckPlan(const std::string & where) const
  {
    std::vector<std::string> planned;
    std::vector<std::string> found;
    for (const auto & channel : m_State.plan.channels)
    {
      planned.push_back(channel.name);
    }
    if (planned != m_Dataset.channels)
    {
      throw Error(where + ": the plan has the channels " + JoinNames(planned) + ", expected " +
                  JoinNames(m_Dataset.channels) + " as in " + m_Dataset.path);
    }
    planned.clear();
    for (const auto & label : m_State.plan.labels)
    {
      planned.push_back(std::to_string(label.value) + " " + label.name);
    }
    for (const auto & label : m_Dataset.labels)
    {
      found.push_back(std::to_string(label.value) + " " + label.name);
    }
    if (planned != found)
    {
      throw Error(where + ": the plan has the labels " + JoinNames(planned) + ", expected " + JoinNames(found) +
                  " as in " + m_Dataset.path);
    }
  }

  void
  Continue() override
  {
    if (!m_State.pretraining.empty())
    {
      throw Error(StateFile() + ": holds a run of sam-pretrain, expected one of sam-train");
    }
    ContinueWith(DescribeDecisions(m_Options));
    m_TrainingStart = m_State.minutes;
    m_EpochOfStart = m_State.epoch + (m_State.step > 0 ? 1 : 0); // the rest of an epoch is no measure
    CheckPlan(StateFile());
    CheckCases();
    for (const auto & row : m_State.log.GetRows())
    {
      if (!row.dice.empty())
      {
        m_Validated.dice = row.dice;
        m_Validated.meanDice = row.meanDice;
      }
    }
  }

  PlanningWishes
  MakeWishes() const
  {
    PlanningWishes wishes{ m_Options.window, m_Options.frame };
    wishes.nestsLabels = m_Options.nestsLabels;
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

  /** \throws Error naming an option that cannot be meant, whatever the data. */
  void
  CheckWords() const
  {
    MakeWishes();
    if (!m_Options.planChange.empty() && !Json::parse(m_Options.planChange, nullptr, false).is_object())
    {
      ChangedPlan(Plan()); // says so
    }
    if (!m_Options.initialize.empty() && !fs::exists(m_Options.initialize))
    {
      throw Error(m_Options.initialize + ": no such file, expected a checkpoint or model to start from");
    }
  }

  void
  ReadPlan()
  {
    if (!fs::exists(m_Options.plan))
    {
      throw Error("plan '" + m_Options.plan +
                  "' is not known, expected masksam, dapsam, unet, masksam_acdc, masksam_synapse, " +
                  "masksam_amos, dapsam_prostate, dapsam_fundus or a JSON or model file with a plan");
    }
    if (m_Options.window || m_Options.frame != "auto" || !m_Options.without.empty() || m_Options.nestsLabels)
    {
      throw Error(m_Options.plan + ": a plan says all of the network, expected neither a window, a frame, nested "
                                   "labels nor parts to leave out beside it");
    }
    m_State.plan = ChangedPlan(ReadPlanFile(m_Options.plan));
    CheckPlan(m_Options.plan);
  }

  void
  MakePlan()
  {
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
      cases.push_back(&FindCase(m_Dataset, name));
    }
    const auto planning = PlanByName(m_Options.plan,
                                     ReadFingerprint(m_Dataset, cases, [this](double) { LeaveIfInterrupted(); }),
                                     m_Dataset,
                                     PlanningLimits::OfDevice(!m_Device.is_cpu()),
                                     MakeWishes());
    m_State.plan = planning.plan;
    m_State.plan.provenance = Json{ { "planning", planning.decisions } }.dump();
    for (const auto & line : planning.decisions)
    {
      Note(line);
    }
    m_State.plan = ChangedPlan(m_State.plan);
    CheckPlan("--change-plan");
  }

  /** The plan with what --change-plan says. */
  Plan
  ChangedPlan(const Plan & plan) const
  {
    const auto & change = m_Options.planChange;
    return change.empty() ? plan : plan.Changed(change, "--change-plan '" + change + "'");
  }

  void
  MakeNetworks(bool isResumed) override
  {
    const auto & recipe = m_State.recipe;
    m_MatchingLoss = MatchingLoss(MatchingLossOptions::FromPlan(m_State.plan));
    m_Network = std::make_unique<Network>(m_State.plan, recipe.seed);
    if (isResumed && !m_State.plan.frozen.empty())
    {
      // Training does not make the frozen values. A run that was killed at its start has not written them.
      const auto begun = m_State.options.find("initialize");
      const bool hasModel = fs::exists(ModelFile("last")) || begun == m_State.options.end();
      StartFromCheckpoint(*m_Network, hasModel ? ModelFile("last") : Json::parse(begun->second).get<std::string>());
    }
    else if (!isResumed && !m_Options.initialize.empty())
    {
      for (const auto & line : StartFromCheckpoint(*m_Network, m_Options.initialize).Describe())
      {
        Note(m_Options.initialize + ": " + line);
      }
    }
    m_Network->To(m_Device);
    m_Average = CopyNetwork(*m_Network);
    m_Optimizer = std::make_unique<Optimizer>(*m_Network, *m_Average, Optimizer::Settings::FromRecipe(recipe));
  }

  void
  LoadCases() override
  {
    const auto start = std::chrono::steady_clock::now();
    CaseLoader loader(
      m_State.plan, m_Dataset, CacheFolder(m_Options.cache), [this](const std::string & line) { Warn(line); });
    std::vector<std::string> names = m_State.training;
    names.insert(names.end(), m_State.validation.begin(), m_State.validation.end());
    if (m_Processes.GetSize() > 1 && m_Options.cache != "none")
    {
      // Each process prepares its share, then all read the files.
      for (auto k = static_cast<size_t>(m_Processes.GetRank()); k < names.size(); k += m_Processes.GetSize())
      {
        LeaveIfInterrupted();
        loader.Load(FindCase(m_Dataset, names[k]));
      }
      m_Processes.Wait();
    }
    for (size_t k = 0; k < names.size(); ++k)
    {
      LeaveIfInterrupted();
      auto & cases = k < m_State.training.size() ? m_Training : m_Validation;
      cases.push_back(loader.Load(FindCase(m_Dataset, names[k])));
    }
    const auto seconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - start).count() / 1000.0;
    Note(std::to_string(m_Training.size()) + " cases to train on and " + std::to_string(m_Validation.size()) +
         " to validate, " + std::to_string(loader.GetNumberOfPreparedCases()) + " of them prepared now, in " +
         Json(std::round(10.0 * seconds) / 10.0).dump() + " s");
    WarnOfConstantImages();
    CheckLabelsAreThere();
  }

  void
  WarnOfConstantImages()
  {
    for (const auto & item : m_Training)
    {
      const float * values = item.image.const_data_ptr<float>();
      for (int64_t channel = 0; channel < item.image.size(0); ++channel, values += item.labels.numel())
      {
        const auto isFirst = [values](float value) { return value == *values; };
        if (std::all_of(values, values + item.labels.numel(), isFirst))
        {
          Warn(item.name + ": all voxels of the channel " + m_State.plan.channels[static_cast<size_t>(channel)].name +
               " have the same value, there is nothing to learn from");
        }
      }
    }
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

  bool
  IsOutOfPatience() const override
  {
    return m_Options.patience > 0 && m_State.validationsSinceBest >= m_Options.patience;
  }

  std::optional<double>
  ComputeGradients() override
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
      if (ShouldStop())
      {
        return {};
      }
      const auto [image, label] = TakeBatch();
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
      // By the window's number among those of all processes, so that it does not matter how many there are.
      const auto                 round = static_cast<uint64_t>(m_State.steps * recipe.accumulate + pass);
      std::vector<at::Generator> points;
      for (int64_t k = 0; k < recipe.batch; ++k)
      {
        const auto window = static_cast<uint64_t>(m_Processes.GetRank() * recipe.batch + k);
        points.push_back(at::detail::createCPUGenerator(RandomStream::OfItem(recipe.seed, round, window).Bits()));
      }
      loss = loss + recipe.setWeight * m_MatchingLoss(prompts, answer, label, points, nullptr, sum).total;
    }
    return loss;
  }

  bool
  FinishEpoch(TrainingLog::Row row) override
  {
    const bool isValidated = m_State.epoch % m_State.recipe.validationInterval == 0 || m_Fraction >= 1.0;
    if (isValidated && !Validate(row))
    {
      return false;
    }
    m_State.log.Add(row);
    if (isValidated && IsFirst())
    {
      WriteReport();
    }
    return true;
  }

  bool
  Validate(TrainingLog::Row & row)
  {
    const auto & recipe = m_State.recipe;
    const double start = ElapsedMinutes();
    auto         validation = Validation::Run(*m_Average,
                                      m_Validation,
                                      recipe.mirrorsValidation ? recipe.mirrorAxes : std::vector<size_t>(),
                                      m_Processes,
                                      m_IsInterrupted);
    if (validation.isInterrupted)
    {
      return false;
    }
    m_Validated = std::move(validation);
    WarnOfCollapse();
    row.dice = m_Validated.dice;
    row.meanDice = m_Validated.meanDice;
    ++m_State.validationsSinceBest;
    m_IsBest = IsBest(row) && AllSucceed(Survive([this] { WriteBest(); }));
    if (m_IsBest)
    {
      KeepBest();
    }
    Report(true, true);
    KeepValidationsShort(start);
    return true;
  }

  bool
  IsBest(const TrainingLog::Row & row) const
  {
    return row.meanDice > m_State.bestDice || m_State.bestEpoch == 0;
  }

  void
  WriteBest() const
  {
    if (IsFirst())
    {
      WriteModel(ModelFile("model"), PlanWithProvenance(), ModelTensors());
    }
  }

  void
  KeepBest()
  {
    m_State.bestDice = m_Validated.meanDice;
    m_State.bestEpoch = m_State.epoch;
    m_State.validationsSinceBest = 0;
  }

  /** Whether all processes were successful. */
  bool
  AllSucceed(bool isSuccess) const
  {
    auto failures = at::tensor(isSuccess ? 0.0 : 1.0, at::kDouble);
    m_Processes.Sum(failures);
    return failures.item<double>() == 0.0;
  }

  /** The best weights, when they are the last ones and the disk was full. */
  void
  WriteRemaining() override
  {
    const auto & rows = m_State.log.GetRows();
    if (m_State.step == 0 && !rows.empty() && !rows.back().dice.empty() && IsBest(rows.back()))
    {
      WriteBest();
      KeepBest();
    }
  }

  /** Where time is limited, most of it is for training: validations that are too long become rarer. */
  void
  KeepValidationsShort(double start)
  {
    const double  end = ElapsedMinutes();
    const double  trained = start - std::exchange(m_TrainingStart, end);
    const int64_t epochsBefore = m_State.epoch - std::exchange(m_EpochOfStart, m_State.epoch);
    if (m_State.maximumMinutes <= 0.0 || m_Fraction >= 1.0 || epochsBefore < 1)
    {
      return;
    }
    const double epoch = std::max(trained / static_cast<double>(epochsBefore), 1e-6);
    // All processes take the first one's measure.
    auto interval =
      at::tensor(IsFirst() ? std::ceil((end - start) * (1.0 / validationShare - 1.0) / epoch) : 0.0, at::kDouble);
    m_Processes.Sum(interval);
    const auto epochs = static_cast<int64_t>(interval.item<double>());
    if (epochs > m_State.recipe.validationInterval)
    {
      Note("a validation takes " + Json(std::round(600.0 * (end - start)) / 10.0).dump() + " s, an epoch " +
           Json(std::round(600.0 * epoch) / 10.0).dump() + " s: validated every " + std::to_string(epochs) +
           " epochs instead of " + std::to_string(m_State.recipe.validationInterval) +
           ", so that a third of the time goes into it at most");
      m_State.recipe.validationInterval = epochs;
    }
  }

  /** The data set's, or that of its folder. */
  std::string
  DatasetName() const
  {
    return m_Dataset.name.empty() ? fs::absolute(m_Dataset.path).parent_path().filename().string() : m_Dataset.name;
  }

  /** Prototypes that are used alike by every slice prompt nothing. In the first half of a run they may still part. */
  void
  WarnOfCollapse()
  {
    const auto & use = m_Validated.prototypeUse;
    if (m_HasWarnedOfCollapse || m_Fraction < 0.5 || !use.IsCollapsed())
    {
      return;
    }
    m_HasWarnedOfCollapse = true;
    Warn("the prototypes have collapsed: over " + std::to_string(use.GetNumberOfSlices()) +
         " slices of validation their shares tell " + Json(std::round(1e4 * use.GetInformation()) / 1e4).dump() +
         " nats about the slice, and " + std::to_string(use.GetNumberOfDead()) + " of " +
         std::to_string(use.GetNumberOfPrototypes()) +
         " are dead: every slice gets almost the same prompt, --without prototypes may do as well");
  }

  void
  WriteReport()
  {
    Survive([this] {
      WriteTextFile((m_Folder / "log.csv").string(), m_State.log.ToCsv());
      WriteTextFile((m_Folder / "report.html").string(),
                    MakeTrainingReport(m_State, DatasetName(), m_Validation, m_Validated, m_Folder.string()));
    });
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
    provenance["dataset"] = DatasetName();
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
    if (const auto & use = m_Validated.prototypeUse; use.GetNumberOfSlices() > 0)
    {
      provenance["prototype_use"] = { { "slices", use.GetNumberOfSlices() },
                                      { "entropy_nats", use.GetEntropy() },
                                      { "information_nats", use.GetInformation() },
                                      { "dead", use.GetNumberOfDead() } };
    }
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
  Describe(TrainingProgress & progress) const override
  {
    progress.dice = DiceByName();
    progress.meanDice = m_Validated.meanDice;
    progress.isBest = m_IsBest;
  }

  void
  WriteModels() const override
  {
    Json split = Json::array();
    split.push_back({ { "train", m_State.training }, { "val", m_State.validation } });
    if (!m_State.trainSites.empty())
    {
      split.back()["sites"] = m_State.trainSites;
    }
    WriteTextFile((m_Folder / "split.json").string(), split.dump(1) + "\n");
    WriteModel(ModelFile("last"), PlanWithProvenance(), ModelTensors());
  }

  TrainingOptions           m_Options;
  Dataset                   m_Dataset;
  std::unique_ptr<Network>  m_Network;
  std::unique_ptr<Network>  m_Average;
  std::vector<TrainingCase> m_Validation;
  MatchingLoss              m_MatchingLoss;
  Validation                m_Validated;            ///< the last one
  bool                      m_IsBest{ false };      ///< it is kept as the best
  double                    m_TrainingStart{ 0.0 }; ///< minutes of the run at the last validation, or of the call
  int64_t                   m_EpochOfStart{ 0 };    ///< likewise
  bool                      m_HasWarnedOfCollapse{ false };
};
} // namespace

TrainingResult
Train(const TrainingOptions & options, const TrainingListener & listener, const InterruptFunction & isInterrupted)
{
  Run run(options, listener, isInterrupted);
  return run.Execute();
}
} // namespace sam
