// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainingState.h"

#include "samError.h"
#include "samSafetensors.h"

#include <nlohmann/json.hpp>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

/** Calls \a visit with the key and the member of every plain entry. */
template <typename TState, typename TVisit>
void
VisitEntries(TState & state, const TVisit & visit)
{
  visit("training", state.training);
  visit("validation", state.validation);
  visit("epochs", state.epochs);
  visit("processes", state.processes);
  visit("epoch", state.epoch);
  visit("step", state.step);
  visit("steps", state.steps);
  visit("loss_sum", state.lossSum);
  visit("learning_rate", state.learningRate);
  visit("minutes", state.minutes);
  visit("best_dice", state.bestDice);
  visit("best_epoch", state.bestEpoch);
  visit("validations_since_best", state.validationsSinceBest);
}
} // namespace

void
TrainingState::Write(const std::string & path, const Optimizer & optimizer) const
{
  Json json;
  json["plan"] = Json::parse(plan.ToJson());
  json["recipe"] = Json::parse(recipe.ToJson());
  VisitEntries(*this, [&json](const char * key, const auto & value) { json[key] = value; });
  json["train_sites"] = trainSites;
  json["maximum_steps"] = maximumSteps;
  json["maximum_minutes"] = maximumMinutes;
  json["options"] = options;
  json["pretraining"] = pretraining;
  json["log"] = Json::parse(log.ToJson());
  WriteSafetensors(path, { optimizer.GetState(), { { "state", json.dump() } } });
}

SavedTraining
SavedTraining::Read(const std::string & path)
{
  auto          file = ReadSafetensors(path);
  SavedTraining saved;
  try
  {
    const auto found = file.metadata.find("state");
    if (found == file.metadata.end())
    {
      throw Error(path + ": holds no training state, expected a file written by sam-train or sam-pretrain");
    }
    const auto json = Json::parse(found->second);
    auto &     state = saved.state;
    state.plan = Plan::FromJson(json.at("plan").dump(), path);
    state.recipe = TrainingRecipe::FromJson(json.at("recipe").dump(), path);
    VisitEntries(state, [&json](const char * key, auto & value) { json.at(key).get_to(value); });
    // Older runs know none.
    state.trainSites = json.value("train_sites", std::vector<std::string>());
    state.maximumSteps = json.value("maximum_steps", int64_t{ 0 });
    state.maximumMinutes = json.value("maximum_minutes", 0.0);
    state.options = json.value("options", std::map<std::string, std::string>());
    state.pretraining = json.value("pretraining", std::string());
    std::vector<std::string> labels;
    for (size_t k = 1; k < state.plan.labels.size() && state.pretraining.empty(); ++k)
    {
      labels.push_back(state.plan.labels[k].name);
    }
    state.log = TrainingLog(labels);
    state.log.ReadJson(json.at("log").dump(), path);
  }
  catch (const nlohmann::json::exception & error)
  {
    throw Error(path + ": not the state of a training run (" + error.what() + ")");
  }
  saved.tensors = std::move(file.tensors);
  return saved;
}
} // namespace sam
