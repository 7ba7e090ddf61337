// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainer.h"

#include "samAugmentation.h"
#include "samCaseReader.h"
#include "samDataset.h"
#include "samError.h"
#include "samMatchingLoss.h"
#include "samNetwork.h"
#include "samOptimizer.h"
#include "samPlanning.h"
#include "samSafetensors.h"
#include "samSemanticLoss.h"
#include "samSlidingWindow.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/stack.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <memory>
#include <numbers>
#include <numeric>
#include <optional>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

constexpr int64_t minimumSteps = 25;        // per epoch, so that a handful of cases is not all validation
constexpr int64_t maximumUselessSteps = 10; // in a row, each with a gradient that is not finite
constexpr double  finalLearningRate = 0.01; // fraction of the first
constexpr int64_t defaultEpochs = 100;

/** The background, then Okabe and Ito's colors, which the color-blind tell apart. */
constexpr std::array<std::array<uint8_t, 3>, 9> labelColors{ { { 0, 0, 0 },
                                                               { 230, 159, 0 },
                                                               { 86, 180, 233 },
                                                               { 0, 158, 115 },
                                                               { 240, 228, 66 },
                                                               { 0, 114, 178 },
                                                               { 213, 94, 0 },
                                                               { 204, 121, 167 },
                                                               { 150, 150, 150 } } };

void
WriteText(const std::filesystem::path & path, const std::string & text)
{
  const std::filesystem::path temporary = path.string() + ".part";
  {
    std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
    stream << text;
    stream.flush();
    if (!stream)
    {
      throw Error(path.string() + ": cannot be written");
    }
  }
  std::filesystem::rename(temporary, path);
}

std::string
ReadText(const std::filesystem::path & path)
{
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
  {
    throw Error(path.string() + ": cannot be opened, expected a text file");
  }
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

at::Device
DeviceFromName(const std::string & name)
{
  if (name == "auto")
  {
    return at::Device(at::hasCUDA() ? "cuda" : "cpu");
  }
  if (name != "cpu" && name.rfind("cuda", 0) != 0)
  {
    throw Error("device '" + name + "' is not known, expected auto, cpu, cuda or cuda:N");
  }
  if (name != "cpu" && !at::hasCUDA())
  {
    throw Error("device '" + name + "' was asked for, but this LibTorch or this machine has no CUDA");
  }
  return at::Device(name);
}

/** Dice of each label but the background; a label that neither map holds is left out (NaN here, never written). */
std::vector<double>
DicePerLabel(const at::Tensor & prediction, const at::Tensor & reference, int64_t labels)
{
  std::vector<double> dice;
  for (int64_t k = 1; k < labels; ++k)
  {
    const auto   p = prediction == k;
    const auto   r = reference == k;
    const double both = (p & r).sum().item<double>();
    const double sum = p.sum().item<double>() + r.sum().item<double>();
    dice.push_back(sum > 0.0 ? 2.0 * both / sum : std::nan(""));
  }
  return dice;
}

/** \class Run
 * \brief The state of one training run, between its files and its loop.
 */
class Run
{
public:
  Run(const TrainingOptions &                               options,
      const std::function<void(const TrainingProgress &)> & report,
      const std::atomic<bool> &                             interrupt)
    : m_Options(options)
    , m_Report(report)
    , m_Interrupt(interrupt)
    , m_Folder(options.output)
    , m_Device(DeviceFromName(options.device))
    , m_Dataset(Dataset::Read(options.dataset))
  {
    if (options.threads > 0)
    {
      at::set_num_threads(static_cast<int>(options.threads));
    }
    PrepareFolder();
    std::optional<SafetensorsFile> saved;
    if (options.resume)
    {
      saved = ReadSafetensors(StateFile());
      RestoreSettings(*saved);
    }
    else
    {
      ChooseSplit();
      m_Plan = MakePlan();
      if (m_Options.initialize.empty())
      {
        m_Plan.frozen.clear(); // nothing is worth keeping as it is
        m_Plan.adapted.clear();
      }
    }
    if (m_Plan.Keeps("set_loss_only"))
    {
      m_Options.semanticWeight = 0.0;
    }
    m_MatchingLoss = MatchingLoss(MatchingLossOptions::FromPlan(m_Plan));
    m_Network = std::make_unique<Network>(m_Plan, m_Options.seed);
    Initialize();
    m_Network->To(m_Device);
    std::map<std::string, at::Tensor> copies;
    for (const auto & [name, tensor] : m_Network->GetParameters().GetTensors())
    {
      copies[name] = tensor.clone();
    }
    m_Average = std::make_unique<Network>(m_Plan, std::move(copies), "average");
    m_Average->To(m_Device);
    m_Optimizer = std::make_unique<Optimizer>(
      *m_Network,
      *m_Average,
      Optimizer::Settings{ m_Options.weightDecay, m_Options.maximumGradientNorm, m_Options.averagingDecay });
    AugmentationOptions augmentation;
    augmentation.mirrorAxes = m_Options.mirrorAxes;
    m_Sampler.emplace(m_Plan.window, augmentation);
    m_Random = RandomStream(m_Options.seed);
    if (saved)
    {
      RestoreState(*saved);
    }
    LoadCases();
    m_StepsPerEpoch = std::max<int64_t>(
      minimumSteps, (static_cast<int64_t>(m_Training.size()) + m_Options.batch - 1) / m_Options.batch);
    if (m_Options.epochs == 0 && m_Options.maximumMinutes <= 0.0)
    {
      m_Options.epochs = defaultEpochs;
    }
  }

  TrainingResult
  Execute()
  {
    m_Start = std::chrono::steady_clock::now();
    m_EarlierMinutes = m_Minutes;
    while (!IsFinished())
    {
      if (!RunEpoch())
      {
        Save();
        return { true, m_Epoch, m_BestDice };
      }
      ++m_Epoch;
      m_EpochLoss = m_LossSum / static_cast<double>(m_Step);
      m_Step = 0;
      m_Minutes = ElapsedMinutes();
      const bool isValidated = m_Epoch % m_Options.validationInterval == 0 || IsFinished();
      if (isValidated)
      {
        Validate();
      }
      WriteLog(isValidated);
      m_LossSum = 0.0;
      Save();
    }
    return { false, m_Epoch, m_BestDice };
  }

private:
  std::filesystem::path
  StateFile() const
  {
    return m_Folder / "resume.safetensors";
  }

  void
  PrepareFolder()
  {
    std::error_code error;
    std::filesystem::create_directories(m_Folder, error);
    if (!std::filesystem::is_directory(m_Folder))
    {
      throw Error(m_Folder.string() + ": the run folder cannot be made");
    }
    const bool hasState = std::filesystem::exists(StateFile());
    if (m_Options.resume && !hasState)
    {
      throw Error(StateFile().string() + ": no such file, expected the state of a run to resume");
    }
    if (!m_Options.resume && hasState)
    {
      throw Error(m_Folder.string() + ": holds a run already, give --resume to go on with it or another folder");
    }
  }

  void
  ChooseSplit()
  {
    const auto split = m_Options.split.empty()
                         ? SplitByFraction(m_Dataset, m_Options.validationFraction, m_Options.seed)
                         : ReadSplit(m_Dataset, m_Options.split, m_Options.fold);
    for (const size_t k : split.training)
    {
      m_TrainingNames.push_back(m_Dataset.cases[k].name);
    }
    for (const size_t k : split.validation)
    {
      m_ValidationNames.push_back(m_Dataset.cases[k].name);
    }
    if (m_TrainingNames.empty() || m_ValidationNames.empty())
    {
      throw Error(m_Options.dataset + ": the split leaves " + std::to_string(m_TrainingNames.size()) +
                  " cases for training and " + std::to_string(m_ValidationNames.size()) +
                  " for validation, expected one of each at least");
    }
  }

  /** Values that training does not make: those of a checkpoint, or the frozen ones of a run that goes on. */
  void
  Initialize()
  {
    if (m_Options.resume && !m_Plan.frozen.empty())
    {
      StartFromCheckpoint(*m_Network, (m_Folder / "last.safetensors").string());
    }
    else if (!m_Options.resume && !m_Options.initialize.empty())
    {
      for (const auto & line : StartFromCheckpoint(*m_Network, m_Options.initialize).Describe())
      {
        if (m_Options.note)
        {
          m_Options.note(m_Options.initialize + ": " + line);
        }
      }
    }
  }

  Plan
  MakePlan() const
  {
    if (!IsPlanName(m_Options.plan))
    {
      if (!std::filesystem::exists(m_Options.plan))
      {
        throw Error("plan '" + m_Options.plan + "' is not known, expected masksam, masksam_acdc, masksam_synapse, " +
                    "masksam_amos or a JSON file with a plan");
      }
      return Plan::FromJson(ReadText(m_Options.plan), m_Options.plan);
    }
    DatasetFingerprint fingerprint;
    for (const auto & name : m_TrainingNames)
    {
      const auto extent = ReadImageExtent(FindCase(name).images.front(), Plan().orientation);
      fingerprint.spacings.push_back(extent.spacing);
      fingerprint.extents.push_back(extent.extent);
    }
    std::vector<ChannelPlan> channels;
    for (const auto & name : m_Dataset.channels)
    {
      channels.push_back({ name });
    }
    std::vector<LabelPlan> labels;
    for (const auto & label : m_Dataset.labels)
    {
      labels.push_back({ label.value, label.name, labelColors[labels.size() % labelColors.size()] });
    }
    return PlanByName(m_Options.plan, fingerprint, channels, labels);
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
  LoadCases()
  {
    const auto load = [this](const std::vector<std::string> & names, std::vector<TrainingCase> & cases) {
      for (const auto & name : names)
      {
        cases.push_back(ReadTrainingCase(m_Plan, m_Dataset, FindCase(name)));
      }
    };
    load(m_TrainingNames, m_Training);
    load(m_ValidationNames, m_Validation);
  }

  double
  ElapsedMinutes() const
  {
    return m_EarlierMinutes +
           std::chrono::duration<double, std::ratio<60>>(std::chrono::steady_clock::now() - m_Start).count();
  }

  /** How much of the run is behind us: the larger of the shares of epochs and of time. */
  double
  Fraction() const
  {
    double fraction = 0.0;
    if (m_Options.epochs > 0)
    {
      fraction = static_cast<double>(m_Epoch * m_StepsPerEpoch + m_Step) /
                 static_cast<double>(m_Options.epochs * m_StepsPerEpoch);
    }
    if (m_Options.maximumMinutes > 0.0)
    {
      fraction = std::max(fraction, ElapsedMinutes() / (m_EarlierMinutes + m_Options.maximumMinutes));
    }
    return std::min(fraction, 1.0);
  }

  bool
  IsFinished() const
  {
    return Fraction() >= 1.0;
  }

  double
  LearningRate() const
  {
    if (m_Plan.Keeps("polynomial_learning_rate"))
    {
      return m_Options.learningRate * PolynomialDecay(Fraction());
    }
    const double warmUp = std::min(
      1.0, static_cast<double>(m_Optimizer->GetNumberOfSteps() + 1) / static_cast<double>(m_Options.warmUpSteps));
    const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * Fraction()));
    return m_Options.learningRate * warmUp * (finalLearningRate + (1.0 - finalLearningRate) * cosine);
  }

  /** The cases of an epoch in an order that depends on seed and epoch alone. */
  std::vector<size_t>
  EpochOrder() const
  {
    RandomStream        random(m_Options.seed * 1'000'003 + static_cast<uint64_t>(m_Epoch));
    std::vector<size_t> order;
    while (static_cast<int64_t>(order.size()) < m_StepsPerEpoch * m_Options.batch)
    {
      std::vector<size_t> pass(m_Training.size());
      std::iota(pass.begin(), pass.end(), size_t{ 0 });
      random.Shuffle(pass);
      order.insert(order.end(), pass.begin(), pass.end());
    }
    return order;
  }

  /** Returns false when the user interrupts. */
  bool
  RunEpoch()
  {
    const auto order = EpochOrder();
    int64_t    useless = 0;
    while (m_Step < m_StepsPerEpoch)
    {
      if (m_Interrupt)
      {
        return false;
      }
      m_LearningRate = LearningRate();
      const double loss = ComputeGradients(order.data() + m_Step * m_Options.batch);
      useless = m_Optimizer->Step(m_LearningRate) && std::isfinite(loss) ? 0 : useless + 1;
      if (useless == maximumUselessSteps)
      {
        throw Error("training diverged: the gradient was not finite " + std::to_string(useless) +
                    " times in a row, try a smaller learning rate than " + std::to_string(m_Options.learningRate));
      }
      m_LossSum += useless == 0 ? loss : 0.0;
      ++m_Step;
      m_Minutes = ElapsedMinutes();
      Report(false);
      if (IsFinished())
      {
        break;
      }
    }
    return true;
  }

  double
  ComputeGradients(const size_t * cases)
  {
    std::vector<at::Tensor> images;
    std::vector<at::Tensor> labels;
    for (int64_t k = 0; k < m_Options.batch; ++k)
    {
      const auto window = (*m_Sampler)(m_Training[cases[k]], m_Random);
      images.push_back(window.image);
      labels.push_back(window.labels);
    }
    const auto image = at::stack(images).to(m_Device);
    const auto label = at::stack(labels).to(m_Device);
    const auto encoded = m_Network->Encode(image);
    const auto prompts = m_Network->GeneratePrompts(encoded);
    const auto answer = m_Network->Decode(encoded, prompts);
    auto       loss = m_Options.semanticWeight * SemanticLoss(answer.Semantic(), label).total;
    if (m_Options.setWeight > 0.0)
    {
      loss = loss + m_Options.setWeight * m_MatchingLoss(prompts, answer, label).total;
    }
    loss.backward();
    return loss.item<double>();
  }

  void
  Validate()
  {
    at::NoGradGuard      noGrad;
    const auto           labels = static_cast<int64_t>(m_Plan.labels.size());
    std::vector<double>  sums(static_cast<size_t>(labels) - 1, 0.0);
    std::vector<int64_t> counts(sums.size(), 0);
    for (const auto & reference : m_Validation)
    {
      const auto    volume = reference.image.to(m_Device);
      SlidingWindow windows(m_Plan, { volume.size(3), volume.size(2), volume.size(1) });
      for (const auto & start : windows.GetStarts())
      {
        const auto encoded = m_Average->Encode(windows.Extract(volume, start).unsqueeze(0));
        const auto answer = m_Average->Decode(encoded, m_Average->GeneratePrompts(encoded));
        windows.Add(answer.Semantic().squeeze(0), start);
      }
      const auto prediction = windows.GetBlended().argmax(0).cpu();
      const auto dice = DicePerLabel(prediction, reference.labels, labels);
      for (size_t k = 0; k < dice.size(); ++k)
      {
        if (!std::isnan(dice[k]))
        {
          sums[k] += dice[k];
          ++counts[k];
        }
      }
    }
    m_Dice.clear();
    double  total = 0.0;
    int64_t present = 0;
    for (size_t k = 0; k < sums.size(); ++k)
    {
      if (counts[k] > 0)
      {
        m_Dice[m_Plan.labels[k + 1].name] = sums[k] / static_cast<double>(counts[k]);
        total += sums[k] / static_cast<double>(counts[k]);
        ++present;
      }
    }
    m_MeanDice = present > 0 ? total / static_cast<double>(present) : 0.0;
    if (m_MeanDice > m_BestDice || m_BestEpoch == 0)
    {
      m_BestDice = m_MeanDice;
      m_BestEpoch = m_Epoch;
      WriteModel((m_Folder / "model.safetensors").string(), PlanWithProvenance(), ModelTensors());
    }
    Report(true);
  }

  std::map<std::string, at::Tensor>
  ModelTensors() const
  {
    return m_Average->GetParameters().GetTensors();
  }

  Plan
  PlanWithProvenance() const
  {
    Json provenance;
    provenance["dataset"] = m_Dataset.name;
    provenance["licence"] = m_Dataset.licence;
    provenance["reference"] = m_Dataset.reference;
    provenance["training_cases"] = m_TrainingNames.size();
    provenance["validation_cases"] = m_ValidationNames.size();
    provenance["seed"] = m_Options.seed;
    provenance["epoch"] = m_Epoch;
    provenance["steps"] = m_Optimizer->GetNumberOfSteps();
    provenance["minutes"] = std::round(10.0 * ElapsedMinutes()) / 10.0;
    provenance["threads"] = at::get_num_threads();
    provenance["validation_dice"] = m_Dice;
    Plan plan = m_Plan;
    plan.provenance = provenance.dump();
    return plan;
  }

  void
  Report(bool isValidated)
  {
    TrainingProgress progress;
    progress.epoch = m_Epoch + (isValidated ? 0 : 1);
    progress.epochs = m_Options.epochs;
    progress.step = m_Step;
    progress.steps = m_StepsPerEpoch;
    progress.fraction = Fraction();
    progress.minutes = ElapsedMinutes();
    progress.remainingMinutes =
      progress.fraction > 0.0 ? progress.minutes * (1.0 - progress.fraction) / progress.fraction : 0.0;
    progress.loss = isValidated ? m_EpochLoss : m_LossSum / static_cast<double>(m_Step);
    progress.validated = isValidated;
    progress.dice = m_Dice;
    progress.meanDice = m_MeanDice;
    progress.bestMeanDice = m_BestDice;
    m_Report(progress);
  }

  void
  WriteLog(bool isValidated)
  {
    std::ostringstream line;
    line.imbue(std::locale::classic());
    if (m_Log.empty())
    {
      line << "epoch,steps,minutes,learning_rate,loss,mean_dice";
      for (size_t k = 1; k < m_Plan.labels.size(); ++k)
      {
        line << ",dice_" << m_Plan.labels[k].name;
      }
      line << '\n';
    }
    line << m_Epoch << ',' << m_Optimizer->GetNumberOfSteps() << ',' << m_Minutes << ',' << m_LearningRate << ','
         << m_EpochLoss << ',';
    if (isValidated)
    {
      line << m_MeanDice;
    }
    for (size_t k = 1; k < m_Plan.labels.size(); ++k)
    {
      line << ',';
      if (const auto dice = m_Dice.find(m_Plan.labels[k].name); isValidated && dice != m_Dice.end())
      {
        line << dice->second;
      }
    }
    line << '\n';
    m_Log += line.str();
    WriteText(m_Folder / "log.csv", m_Log);
  }

  void
  Save()
  {
    Json state;
    state["plan"] = Json::parse(m_Plan.ToJson());
    state["seed"] = m_Options.seed;
    state["batch"] = m_Options.batch;
    state["mirror_axes"] = m_Options.mirrorAxes;
    state["learning_rate"] = m_Options.learningRate;
    state["epochs"] = m_Options.epochs;
    state["training"] = m_TrainingNames;
    state["validation"] = m_ValidationNames;
    state["epoch"] = m_Epoch;
    state["step"] = m_Step;
    state["optimizer_steps"] = m_Optimizer->GetNumberOfSteps();
    state["minutes"] = m_Minutes;
    state["loss_sum"] = m_LossSum;
    state["best_dice"] = m_BestDice;
    state["best_epoch"] = m_BestEpoch;
    state["random"] = m_Random.GetState();
    state["log"] = m_Log;
    Json split = Json::array();
    split.push_back({ { "train", m_TrainingNames }, { "val", m_ValidationNames } });
    WriteText(m_Folder / "split.json", split.dump(1) + "\n");
    WriteModel((m_Folder / "last.safetensors").string(), PlanWithProvenance(), ModelTensors());
    WriteSafetensors(StateFile().string(), { m_Optimizer->GetState(), { { "state", state.dump() } } });
  }

  const Json &
  ParseState(const SafetensorsFile & saved)
  {
    const auto found = saved.metadata.find("state");
    m_State = found == saved.metadata.end() ? Json() : Json::parse(found->second, nullptr, false);
    if (!m_State.is_object())
    {
      throw Error(StateFile().string() + ": holds no training state, expected a file written by sam-train");
    }
    return m_State;
  }

  /** What must be known before the network is made. */
  void
  RestoreSettings(const SafetensorsFile & saved)
  {
    try
    {
      const Json & state = ParseState(saved);
      m_Plan = Plan::FromJson(state.at("plan").dump(), StateFile().string());
      m_Options.seed = state.at("seed").get<uint64_t>();
      m_Options.batch = state.at("batch").get<int64_t>();
      m_Options.mirrorAxes = state.at("mirror_axes").get<std::vector<size_t>>();
      m_Options.learningRate = state.at("learning_rate").get<double>();
      if (m_Options.epochs == 0)
      {
        m_Options.epochs = state.at("epochs").get<int64_t>();
      }
      m_TrainingNames = state.at("training").get<std::vector<std::string>>();
      m_ValidationNames = state.at("validation").get<std::vector<std::string>>();
    }
    catch (const nlohmann::json::exception & error)
    {
      throw Error(StateFile().string() + ": not the state of a training run (" + error.what() + ")");
    }
  }

  void
  RestoreState(const SafetensorsFile & saved)
  {
    try
    {
      m_Epoch = m_State.at("epoch").get<int64_t>();
      m_Step = m_State.at("step").get<int64_t>();
      m_Minutes = m_State.at("minutes").get<double>();
      m_LossSum = m_State.at("loss_sum").get<double>();
      m_BestDice = m_State.at("best_dice").get<double>();
      m_BestEpoch = m_State.at("best_epoch").get<int64_t>();
      m_Random.SetState(m_State.at("random").get<std::string>());
      m_Log = m_State.at("log").get<std::string>();
      m_Optimizer->SetState(saved.tensors, m_State.at("optimizer_steps").get<int64_t>(), StateFile().string());
    }
    catch (const nlohmann::json::exception & error)
    {
      throw Error(StateFile().string() + ": not the state of a training run (" + error.what() + ")");
    }
  }

  TrainingOptions                                       m_Options;
  const std::function<void(const TrainingProgress &)> & m_Report;
  const std::atomic<bool> &                             m_Interrupt;
  std::filesystem::path                                 m_Folder;
  at::Device                                            m_Device;
  Dataset                                               m_Dataset;
  std::vector<std::string>                              m_TrainingNames;
  std::vector<std::string>                              m_ValidationNames;
  Plan                                                  m_Plan;
  std::unique_ptr<Network>                              m_Network;
  std::unique_ptr<Network>                              m_Average;
  std::unique_ptr<Optimizer>                            m_Optimizer;
  std::vector<TrainingCase>                             m_Training;
  std::vector<TrainingCase>                             m_Validation;
  std::optional<WindowSampler>                          m_Sampler;
  MatchingLoss                                          m_MatchingLoss;
  RandomStream                                          m_Random;
  Json                                                  m_State;

  int64_t                               m_StepsPerEpoch{ 1 };
  int64_t                               m_Epoch{ 0 };       ///< epochs that are complete
  int64_t                               m_Step{ 0 };        ///< steps of the epoch at hand
  double                                m_LossSum{ 0.0 };   ///< over the steps of the epoch at hand
  double                                m_EpochLoss{ 0.0 }; ///< mean over the epoch before
  double                                m_LearningRate{ 0.0 };
  double                                m_Minutes{ 0.0 };
  double                                m_EarlierMinutes{ 0.0 };
  std::chrono::steady_clock::time_point m_Start{ std::chrono::steady_clock::now() };
  std::map<std::string, double>         m_Dice;
  double                                m_MeanDice{ 0.0 };
  double                                m_BestDice{ 0.0 };
  int64_t                               m_BestEpoch{ 0 };
  std::string                           m_Log;
};
} // namespace

TrainingResult
Train(const TrainingOptions &                               options,
      const std::function<void(const TrainingProgress &)> & report,
      const std::atomic<bool> &                             interrupt)
{
  Run run(options, report, interrupt);
  return run.Execute();
}
} // namespace sam
