// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPretraining.h"

#include "samAutocast.h"
#include "samCaseLoader.h"
#include "samError.h"
#include "samEvaluation.h"
#include "samImageFile.h"
#include "samMaskedImages.h"
#include "samPlanning.h"
#include "samRegions.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr int64_t      promptsPerImage = 4;
constexpr size_t       namedFiles = 10; // of those that are left out
constexpr const char * headPrefix = "voxel_head.";

Plan
ReadPlan(const std::string & path)
{
  if (path.empty())
  {
    throw Error("no plan, expected --plan with a JSON file or a model file");
  }
  Plan plan = ReadPlanFile(path);
  if (plan.fit != "spacing" && plan.fit != "window")
  {
    throw Error(path + ": images are fit by '" + plan.fit + "', expected spacing or window");
  }
  plan.provenance = Plan().provenance; // that of weights which are not taken
  return plan;
}

/** The plan with SAM's prompts and decoder, which learn from regions without classes. */
Plan
WithManualPrompts(Plan plan)
{
  plan.promptSource = "manual";
  plan.decoder = "sam";
  plan.keepsSamHeads = false;
  plan.refinesMasks = false;
  plan.maskConvolutionWidth = 0;
  plan.frozen.clear();
  plan.adapted.clear();
  return plan;
}

bool
StartsWithOneOf(const std::string & name, const std::vector<std::string> & prefixes)
{
  return std::any_of(
    prefixes.begin(), prefixes.end(), [&name](const auto & prefix) { return name.rfind(prefix, 0) == 0; });
}

/** Label maps below a folder by the names of their cases. */
std::map<std::string, std::string>
FindLabels(const std::string & folder)
{
  std::map<std::string, std::string> labels;
  if (folder.empty())
  {
    return labels;
  }
  ImageCollectionOptions options;
  options.folders = { folder };
  options.takesLabels = true;
  const auto found = CollectImages(options, {});
  for (const auto & file : found.front().files)
  {
    if (const auto [other, isNew] = labels.emplace(GetCaseName(file), file); !isNew)
    {
      throw Error(file + ": has the name of " + other->second + ", expected one label map for each image");
    }
  }
  return labels;
}

/** \class PretrainingRun
 * \brief What is trained without labels, and by which loss.
 */
class PretrainingRun : public TrainingLoop
{
public:
  PretrainingRun(const PretrainingOptions & options,
                 const TrainingListener &   listener,
                 const InterruptFunction &  isInterrupted)
    : TrainingLoop(options, listener, isInterrupted)
    , m_Options(options)
  {
    auto & sites = m_Options.images.trainSites;
    std::sort(sites.begin(), sites.end());
    sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
  }

private:
  void
  Begin() override
  {
    m_State.recipe = m_Options;
    m_State.recipe.Check();
    m_State.options = m_Options.Describe();
    m_State.recipe.foregroundShare = 0.0;
    m_State.processes = m_Processes.GetSize();
    m_State.trainSites = m_Options.images.trainSites;
    m_Method = m_Options.method;
    if (m_Method != "masked" && m_Method != "regions" && m_Method != "both")
    {
      throw Error("method '" + m_Method + "' is not known, expected masked, regions or both");
    }
    if (!m_Options.labels.empty() && m_Method == "masked")
    {
      throw Error("--labels are known regions, which the method masked does not use; expected regions or both");
    }
    m_HiddenShare = m_Options.hiddenShare;
    if (!(m_HiddenShare > 0.0 && m_HiddenShare < 1.0))
    {
      throw Error("hidden share is " + Json(m_HiddenShare).dump() + ", expected a number between 0 and 1");
    }
    if (m_Options.slices < 0)
    {
      throw Error("slices of a volume are " + std::to_string(m_Options.slices) + ", expected 0 or more");
    }
    if (m_Options.images.folders.empty())
    {
      throw Error("no folder of images, expected --images");
    }
    m_State.plan = ReadPlan(m_Options.plan);
    m_Options.images.joinsSeries = m_State.plan.window[2] > 1;
    const auto labels = FindLabels(m_Options.labels);
    Json       files = Json::array();
    Json       folders = Json::array();
    int64_t    excluded = 0;
    for (const auto & folder : CollectImages(m_Options.images, [this](const std::string & line) { Note(line); }))
    {
      folders.push_back({ { "folder", folder.path }, { "files", folder.files.size() } });
      excluded += folder.excluded + folder.otherSites;
      for (const auto & file : folder.files)
      {
        const auto found = labels.find(GetCaseName(file));
        files.push_back({ file, found == labels.end() ? "" : found->second });
        m_State.training.push_back(file);
      }
    }
    if (m_State.plan.window[2] == 1)
    {
      m_Slices = m_Options.slices;
    }
    m_Pretraining = { { "method", m_Method },
                      { "hidden_share", m_HiddenShare },
                      { "slices", m_Slices },
                      { "folders", folders },
                      { "excluded_files", excluded },
                      { "files", files },
                      { "loss", nullptr },
                      { "left_out_files", 0 } };
    m_State.log = TrainingLog();
    m_IsNew = true;
    MakeDataset();
    TakeLimits();
  }

  void
  Continue() override
  {
    if (m_State.pretraining.empty())
    {
      throw Error(StateFile() + ": holds a run of sam-train, expected one of sam-pretrain");
    }
    ContinueWith(DescribeDecisions(m_Options));
    m_Pretraining = Json::parse(m_State.pretraining);
    m_Method = m_Pretraining.at("method").get<std::string>();
    m_HiddenShare = m_Pretraining.at("hidden_share").get<double>();
    m_Slices = m_Pretraining.at("slices").get<int64_t>();
    MakeDataset();
  }

  /** The files as cases of a data set. */
  void
  MakeDataset()
  {
    m_Dataset.path = m_Folder.string();
    m_Dataset.name = "images";
    for (const auto & channel : m_State.plan.channels)
    {
      m_Dataset.channels.push_back(channel.name);
    }
    for (const auto & entry : m_Pretraining.at("files"))
    {
      DatasetCase item;
      item.name = entry.at(0).get<std::string>();
      item.images = { item.name };
      item.label = entry.at(1).get<std::string>();
      item.slices = m_Slices;
      m_Dataset.cases.push_back(std::move(item));
    }
  }

  void
  LoadCases() override
  {
    CaseLoader loader(
      m_State.plan, m_Dataset, CacheFolder(m_Options.cache), [this](const std::string & line) { Warn(line); });

    std::vector<std::string> kept;
    std::vector<std::string> mistakes;
    int64_t                  slices = 0;
    for (const auto & item : m_Dataset.cases)
    {
      LeaveIfInterrupted();
      try
      {
        auto loaded = loader.Load(item);
        if (loaded.image.size(1) == 1 && m_State.plan.window[2] > 1)
        {
          throw Error(item.name + ": is a single slice, expected a volume for windows of " +
                      std::to_string(m_State.plan.window[2]) + " slices");
        }
        slices += loaded.image.size(1);
        m_Training.push_back(std::move(loaded));
        kept.push_back(item.name);
      }
      catch (const Error & error)
      {
        if (!m_IsNew)
        {
          throw; // what was there in the beginning has to be there in the end
        }
        mistakes.push_back(error.what());
      }
    }
    for (size_t k = 0; k < std::min(mistakes.size(), namedFiles); ++k)
    {
      Warn(mistakes[k] + "; left out");
    }
    if (mistakes.size() > namedFiles)
    {
      Warn(std::to_string(mistakes.size() - namedFiles) + " more files are left out");
    }
    if (m_Training.empty())
    {
      throw Error(JoinNames(m_Options.images.folders) + ": no image is left to learn from, of " +
                  std::to_string(m_Dataset.cases.size()) + " files");
    }
    Note(std::to_string(m_Training.size()) + " images with " + std::to_string(slices) + " slices, " +
         std::to_string(loader.GetNumberOfPreparedCases()) + " of them prepared now");
    if (m_IsNew)
    {
      KeepFiles(kept, std::ssize(mistakes));
    }
  }

  /** The state knows the files that were read. */
  void
  KeepFiles(const std::vector<std::string> & kept, int64_t leftOut)
  {
    auto & files = m_Pretraining["files"];
    for (size_t k = files.size(); k-- > 0;)
    {
      if (std::find(kept.begin(), kept.end(), files[k].at(0).get<std::string>()) == kept.end())
      {
        files.erase(k);
      }
    }
    for (auto & folder : m_Pretraining["folders"])
    {
      const auto path = (fs::absolute(folder.at("folder").get<std::string>()).lexically_normal() / "").string();
      folder["files"] = std::count_if(
        kept.begin(), kept.end(), [&path](const auto & file) { return (file + "/").rfind(path, 0) == 0; });
    }
    m_Pretraining["left_out_files"] = leftOut;
    m_State.training = kept;
    m_State.pretraining = m_Pretraining.dump();
  }

  void
  MakeNetworks(bool) override
  {
    const auto & recipe = m_State.recipe;
    m_Trained = { "stem.", "image_encoder." };
    if (m_Method != "masked")
    {
      m_Trained.insert(m_Trained.end(), { "prompt_encoder.", "mask_decoder." });
    }
    m_Network = std::make_unique<Network>(WithManualPrompts(m_State.plan), recipe.seed);
    m_Network->To(m_Device);
    m_Average = CopyNetwork(*m_Network);
    Optimizer::NamedTensors weights;
    for (const auto & [name, tensor] : Optimizer::GetVariables(*m_Network))
    {
      if (StartsWithOneOf(name, m_Trained))
      {
        weights.emplace(name, tensor);
      }
    }
    auto averages = m_Average->GetParameters().GetTensors();
    if (m_Method != "regions")
    {
      m_HeadParameters = Parameters(recipe.seed + 1);
      m_Head.emplace(Scope(m_HeadParameters),
                     m_State.plan.neck,
                     static_cast<int64_t>(m_State.plan.channels.size()),
                     m_State.plan.patch);
      for (const auto & [name, tensor] : m_HeadParameters.GetTensors())
      {
        tensor.set_data(tensor.to(m_Device));
        weights.emplace(headPrefix + name, tensor);
        averages.emplace(headPrefix + name, tensor.clone());
      }
    }
    m_Optimizer = std::make_unique<Optimizer>(weights, averages, Optimizer::Settings::FromRecipe(recipe));
    if (m_Method != "masked")
    {
      m_FinishWindow = [isBoth = m_Method == "both"](TrainingWindow & window, int64_t pass, RandomStream & random) {
        if (isBoth && IsMasked(pass))
        {
          return;
        }
        const bool isKnown = (window.labels > 0).any().item<bool>();
        if (!isKnown || random.Chance(0.5))
        {
          window.labels = FindRegions(window.image, random);
        }
      };
    }
  }

  /** Of both methods by turns, whether a pass is of the first. */
  static bool
  IsMasked(int64_t pass)
  {
    return pass % 2 == 0;
  }

  std::optional<double>
  ComputeGradients() override
  {
    const auto & recipe = m_State.recipe;
    const auto   parts = static_cast<double>(recipe.accumulate * m_Processes.GetSize());
    double       mean = 0.0;
    for (int64_t k = 0; k < recipe.accumulate; ++k)
    {
      if (ShouldStop())
      {
        return {};
      }
      const auto pass = GetNumberOfPasses() + k;
      const auto batch = TakeBatch();
      const bool isMasked = m_Method == "masked" || (m_Method == "both" && IsMasked(pass));
      const auto loss = isMasked ? ComputeMaskedLoss(batch, pass) : ComputeRegionLoss(batch, pass);
      if (loss.requires_grad())
      {
        (loss / parts).backward();
      }
      mean += loss.item<double>() / parts;
    }
    if (m_Processes.GetSize() > 1)
    {
      auto sum = at::tensor(mean, at::kDouble);
      m_Processes.Sum(sum);
      mean = sum.item<double>();
    }
    return mean;
  }

  /** What is drawn for an image of a batch beside its window. */
  RandomStream
  DrawsOfImage(int64_t pass, int64_t image) const
  {
    return RandomStream::OfItem(m_State.recipe.seed,
                                ~static_cast<uint64_t>(pass),
                                static_cast<uint64_t>(m_Processes.GetRank() * m_State.recipe.batch + image));
  }

  EncodedImage
  Encode(const at::Tensor & image) const
  {
    const Autocast autocast(m_State.recipe.precision == "bfloat16", m_Device.type());
    auto           encoded = m_Network->Encode(image);
    encoded.embedding = encoded.embedding.to(at::kFloat); // the losses want many digits
    return encoded;
  }

  at::Tensor
  ComputeMaskedLoss(const TrainingWindow & batch, int64_t pass) const
  {
    const int64_t           patch = m_State.plan.patch;
    const int64_t           rows = batch.image.size(3) / patch;
    const int64_t           columns = batch.image.size(4) / patch;
    std::vector<at::Tensor> hidden;
    for (int64_t k = 0; k < batch.image.size(0); ++k)
    {
      auto random = DrawsOfImage(pass, k);
      hidden.push_back(DrawHiddenTokens(rows, columns, m_HiddenShare, HiddenCell(rows, columns), random));
    }
    const auto tokens = at::stack(hidden).to(m_Device);
    const auto prediction = (*m_Head)(Encode(HideTokens(batch.image, tokens)).embedding);
    return HiddenTokenLoss(prediction, TokenTargets(batch.image, patch), tokens);
  }

  at::Tensor
  ComputeRegionLoss(const TrainingWindow & batch, int64_t pass) const
  {
    const auto              encoded = Encode(batch.image);
    const auto              labels = batch.labels.cpu();
    std::vector<at::Tensor> losses;
    for (int64_t k = 0; k < labels.size(0); ++k)
    {
      auto       random = DrawsOfImage(pass, k);
      const auto slices = (labels[k] > 0).flatten(1).any(1).nonzero().flatten();
      if (slices.numel() == 0)
      {
        continue;
      }
      const auto slice = slices[random.Integer(0, slices.numel() - 1)].item<int64_t>();
      auto       drawn = DrawRegionPrompts(labels[k][slice], promptsPerImage, random);
      for (auto * tensor : { &drawn.prompts.points, &drawn.prompts.labels, &drawn.prompts.boxes, &drawn.regions })
      {
        *tensor = tensor->defined() ? tensor->to(m_Device) : *tensor;
      }
      EncodedImage ofSlice;
      ofSlice.embedding = encoded.embedding.narrow(0, k, 1).narrow(2, slice, 1);
      losses.push_back(RegionLoss(m_Network->Decode(ofSlice, drawn.prompts, drawn.areAmbiguous), drawn.regions));
    }
    return losses.empty() ? at::zeros({}, batch.image.options()) : at::stack(losses).mean();
  }

  bool
  FinishEpoch(TrainingLog::Row row) override
  {
    m_State.log.Add(row);
    m_Pretraining["loss"] = row.loss;
    m_State.pretraining = m_Pretraining.dump();
    Report(false, true);
    return true;
  }

  void
  WriteModels() const override
  {
    WriteModel(ModelFile("model"), PlanWithProvenance(), ModelTensors());
  }

  /** What was trained, under the names that a network of the plan has. */
  std::map<std::string, at::Tensor>
  ModelTensors() const
  {
    const auto &                      averages = m_Average->GetParameters().GetTensors();
    std::map<std::string, at::Tensor> tensors;
    for (const auto & [name, shape] : Network::GetShapes(m_State.plan))
    {
      const auto found = averages.find(NameInCheckpoint(name, m_State.plan, m_Average->GetPlan()));
      if (found != averages.end() && StartsWithOneOf(found->first, m_Trained) &&
          found->second.sizes() == at::IntArrayRef(shape))
      {
        tensors.emplace(name, found->second);
      }
    }
    return tensors;
  }

  Plan
  PlanWithProvenance() const
  {
    Json pretraining = m_Pretraining;
    pretraining.erase("files");
    pretraining["images"] = m_State.training.size();
    if (!m_State.trainSites.empty())
    {
      pretraining["train_sites"] = m_State.trainSites;
    }
    pretraining["recipe"] = Json::parse(m_State.recipe.ToJson());
    pretraining["seed"] = m_State.recipe.seed;
    pretraining["processes"] = m_State.processes;
    pretraining["steps"] = m_State.steps;
    pretraining["minutes"] = std::round(10.0 * ElapsedMinutes()) / 10.0;
    pretraining["threads"] = at::get_num_threads();
    Json provenance = Json::parse(m_State.plan.provenance);
    provenance["pretraining"] = pretraining;
    Plan plan = m_State.plan;
    plan.provenance = provenance.dump();
    return plan;
  }

  PretrainingOptions       m_Options;
  Dataset                  m_Dataset;
  std::string              m_Method;
  double                   m_HiddenShare{ 0.0 };
  int64_t                  m_Slices{ 0 };
  bool                     m_IsNew{ false };
  Json                     m_Pretraining; ///< what the state keeps and the model file tells
  std::vector<std::string> m_Trained;     ///< how the names of trained tensors begin
  std::unique_ptr<Network> m_Network;
  std::unique_ptr<Network> m_Average;
  Parameters               m_HeadParameters;
  std::optional<VoxelHead> m_Head;
};
} // namespace

PretrainingOptions::PretrainingOptions()
{
  batch = 8;
  learningRate = 1e-3;
  weightDecay = 0.05;
}

std::map<std::string, std::string>
PretrainingOptions::Describe() const
{
  auto texts = RunOptions::Describe();
  Json folders = Json::array();
  for (const auto & folder : images.folders)
  {
    folders.push_back(Json::parse(DescribePath(folder)));
  }
  texts["images"] = folders.dump();
  texts["exclude"] = Json(images.excluded).dump();
  texts["train-site"] = Json(images.trainSites).dump();
  texts["sites"] = DescribePath(images.sites);
  texts["plan"] = DescribePath(plan);
  texts["method"] = Json(method).dump();
  texts["labels"] = DescribePath(labels);
  texts["hidden"] = Json(hiddenShare).dump();
  texts["slices"] = Json(slices).dump();
  return texts;
}

TrainingResult
Pretrain(const PretrainingOptions & options, const TrainingListener & listener, const InterruptFunction & isInterrupted)
{
  PretrainingRun run(options, listener, isInterrupted);
  return run.Execute();
}
} // namespace sam
