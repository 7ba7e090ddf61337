// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainingOptions.h"

#include "samError.h"

#include <nlohmann/json.hpp>

#include <algorithm>

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

void
CheckAtLeast(const char * name, double value, double lowest)
{
  if (!(value >= lowest))
  {
    throw Error(std::string(name) + " is " + Json(value).dump() + ", expected " + Json(lowest).dump() + " or more");
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
  visit("mirrors_validation", recipe.mirrorsValidation);
  visit("validation_interval", recipe.validationInterval);
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
  CheckWord("precision", precision, { "float32", "bfloat16" });
  CheckWord("augmentation", augmentation, { "compact", "masksam", "slaug", "none" });
  CheckAtLeast("batch", static_cast<double>(batch), 1.0);
  CheckAtLeast("accumulate", static_cast<double>(accumulate), 1.0);
  CheckAtLeast("validation interval", static_cast<double>(validationInterval), 1.0);
  if (!(learningRate > 0.0))
  {
    throw Error("learning rate is " + Json(learningRate).dump() + ", expected a number above 0");
  }
  if (!(frameProbability >= 0.0 && frameProbability <= 1.0))
  {
    throw Error("probability of a frame is " + Json(frameProbability).dump() + ", expected 0 to 1");
  }
  if (!(foregroundShare <= 1.0))
  {
    throw Error("foreground share is " + Json(foregroundShare).dump() + ", expected 0 to 1");
  }
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
      if (std::string(key) != "frame_probability" || json.contains(key)) // older runs have none
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
} // namespace sam
