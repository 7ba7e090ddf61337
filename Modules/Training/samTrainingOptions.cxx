// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainingOptions.h"

#include "samError.h"
#include "samPlanning.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

void
CheckWord(const char * name, const std::string & word, const std::vector<std::string> & known)
{
  if (std::find(known.begin(), known.end(), word) == known.end())
  {
    std::string expected;
    for (const auto & entry : known)
    {
      expected += (expected.empty() ? "" : entry == known.back() ? " or " : ", ") + entry;
    }
    throw Error(std::string(name) + " '" + word + "' is not known, expected " + expected);
  }
}

template <typename TNumber>
void
CheckAtLeast(const char * name, TNumber value, TNumber lowest)
{
  if (!(value >= lowest))
  {
    throw Error(std::string(name) + " is " + Json(value).dump() + ", expected " + Json(lowest).dump() + " or more");
  }
}

/** 0 to 1, or what stands for none that was given. */
void
CheckShare(const char * name, double value, double standard)
{
  if (!(value >= 0.0 && value <= 1.0) && value != standard)
  {
    throw Error(std::string(name) + " is " + Json(value).dump() + ", expected 0 to 1");
  }
}

/** Calls \a visit with the key and the member of every entry. */
template <typename TRecipe, typename TVisit>
void
VisitEntries(TRecipe & recipe, const TVisit & visit)
{
  visit("seed", recipe.seed);
  visit("batch", recipe.batch);
  visit("accumulate", recipe.accumulate);
  visit("schedule", recipe.schedule);
  visit("precision", recipe.precision);
  visit("augmentation", recipe.augmentation);
  visit("mirror_axes", recipe.mirrorAxes);
  visit("foreground_share", recipe.foregroundShare);
  visit("frame_probability", recipe.frameProbability);
  visit("zoom_probability", recipe.zoomProbability);
  visit("mirrors_validation", recipe.mirrorsValidation);
  visit("validation_interval", recipe.validationInterval);
  visit("optimizer", recipe.optimizer);
  visit("learning_rate", recipe.learningRate);
  visit("warm_up_steps", recipe.warmUpSteps);
  visit("last_learning_rate", recipe.lastLearningRate);
  visit("weight_decay", recipe.weightDecay);
  visit("maximum_gradient_norm", recipe.maximumGradientNorm);
  visit("averaging_decay", recipe.averagingDecay);
  visit("semantic_weight", recipe.semanticWeight);
  visit("set_weight", recipe.setWeight);
}
} // namespace

void
TrainingRecipe::Check() const
{
  CheckWord("schedule", schedule, { "cosine", "polynomial", "dapsam" });
  CheckWord("optimizer", optimizer, { "adamw", "sgd" });
  CheckWord("precision", precision, { "float32", "bfloat16" });
  CheckWord("augmentation", augmentation, { "compact", "masksam", "slaug", "none" });
  CheckAtLeast<int64_t>("batch", batch, 1);
  CheckAtLeast<int64_t>("accumulate", accumulate, 1);
  CheckAtLeast<int64_t>("validation interval", validationInterval, 1);
  if (!(learningRate > 0.0))
  {
    throw Error("learning rate is " + Json(learningRate).dump() + ", expected a number above 0");
  }
  CheckAtLeast("weight decay", weightDecay, 0.0);
  if (!(maximumGradientNorm > 0.0))
  {
    throw Error("gradient norm is " + Json(maximumGradientNorm).dump() + ", expected a number above 0");
  }
  if (!(averagingDecay >= 0.0 && averagingDecay < 1.0))
  {
    throw Error("averaging decay is " + Json(averagingDecay).dump() + ", expected 0 or more and less than 1");
  }
  const TrainingRecipe standard;
  CheckShare("probability of a frame", frameProbability, standard.frameProbability);
  CheckShare("probability of a zoom", zoomProbability, standard.zoomProbability);
  CheckShare("foreground share", foregroundShare, standard.foregroundShare);
  for (const size_t axis : mirrorAxes)
  {
    if (axis > 2 || std::count(mirrorAxes.begin(), mirrorAxes.end(), axis) > 1)
    {
      throw Error("mirror axis " + std::to_string(axis) + ", expected 0, 1 or 2, each once");
    }
  }
  if (mirrorsValidation && mirrorAxes.empty())
  {
    throw Error("mirrored validation needs the axes that training mirrors, none is given");
  }
}

std::string
TrainingRecipe::ToJson() const
{
  Json json;
  VisitEntries(*this, [&json](const char * key, const auto & value) { json[key] = value; });
  return json.dump();
}

TrainingRecipe
TrainingRecipe::FromJson(const std::string & text, const std::string & where)
{
  TrainingRecipe recipe;
  try
  {
    const auto json = Json::parse(text);
    VisitEntries(recipe, [&json](const char * key, auto & value) {
      static const std::set<std::string> later{ "frame_probability", "optimizer", "zoom_probability" };
      if (later.count(key) == 0 || json.contains(key)) // older runs have none
      {
        json.at(key).get_to(value);
      }
    });
  }
  catch (const nlohmann::json::exception & error)
  {
    throw Error(where + ": not the recipe of a training run (" + error.what() + ")");
  }
  recipe.Check();
  return recipe;
}

void
RunOptions::CheckNumbers() const
{
  CheckAtLeast<int64_t>("--epochs", epochs, 0);
  CheckAtLeast<int64_t>("--steps", maximumSteps, 0);
  CheckAtLeast("--max-minutes", maximumMinutes, 0.0);
  CheckAtLeast("--save-interval", saveMinutes, 0.0);
  CheckAtLeast<int64_t>("--loaders", loaders, 0);
  CheckAtLeast<int64_t>("--threads", threads, 0);
  if (std::count(given.begin(), given.end(), "foreground") > 0)
  {
    CheckAtLeast("--foreground", foregroundShare, 0.0);
  }
}

std::map<std::string, std::string>
RunOptions::Describe() const
{
  return { { "seed", Json(seed).dump() },
           { "batch", Json(batch).dump() },
           { "accumulate", Json(accumulate).dump() },
           { "optimizer", Json(optimizer).dump() },
           { "learning-rate", Json(learningRate).dump() },
           { "schedule", Json(schedule).dump() },
           { "weight-decay", Json(weightDecay).dump() },
           { "gradient-norm", Json(maximumGradientNorm).dump() },
           { "averaging-decay", Json(averagingDecay).dump() },
           { "precision", Json(precision).dump() },
           { "augmentation", Json(augmentation).dump() },
           { "augment-frame", Json(frameProbability).dump() },
           { "augment-zoom", Json(zoomProbability).dump() },
           { "mirror", Json(mirrorAxes).dump() } };
}

std::map<std::string, std::string>
TrainingOptions::Describe() const
{
  auto texts = RunOptions::Describe();
  auto parts = without;
  std::sort(parts.begin(), parts.end());
  const auto change = Json::parse(planChange, nullptr, false);
  texts["plan"] = IsPlanName(plan) ? Json(plan).dump() : DescribePath(plan);
  texts["change-plan"] = change.is_discarded() ? Json(planChange).dump() : change.dump();
  texts["initialize"] = DescribePath(initialize);
  texts["freeze-encoder"] = Json(freezesEncoder).dump();
  texts["window"] = window ? Json(*window).dump() : Json("").dump();
  texts["frame"] = Json(frame).dump();
  texts["nest-labels"] = Json(nestsLabels).dump();
  texts["without"] = Json(parts).dump();
  texts["split"] = DescribePath(split);
  texts["fold"] = Json(folds > 0        ? std::to_string(fold) + "/" + std::to_string(folds)
                       : !split.empty() ? std::to_string(fold)
                                        : "")
                    .dump();
  texts["train-site"] = Json(trainSites).dump();
  texts["sites"] = DescribePath(sites);
  texts["foreground"] = Json(foregroundShare).dump();
  texts["mirror-validation"] = Json(mirrorsValidation).dump();
  texts["validation-interval"] = Json(validationInterval).dump();
  return texts;
}

std::string
DescribePath(const std::string & path)
{
  // Not Json(path): a name may be no UTF-8.
  return Json(path.empty() ? path : std::filesystem::weakly_canonical(path).string())
    .dump(-1, ' ', false, Json::error_handler_t::replace);
}
} // namespace sam
