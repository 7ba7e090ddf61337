// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samSchedule.h"
#include "samTrainingLog.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

TEST(samSchedule, IsItsFormula)
{
  sam::TrainingRecipe recipe;
  recipe.learningRate = 2.0;
  recipe.warmUpSteps = 10;
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 0, 0.0), 0.2);
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 4, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 99, 0.0), 2.0);
  EXPECT_NEAR(sam::LearningRate(recipe, 99, 0.5), 2.0 * (0.01 + 0.99 * 0.5), 1e-12);
  EXPECT_NEAR(sam::LearningRate(recipe, 99, 1.0), 0.02, 1e-12);
  recipe.schedule = "polynomial";
  EXPECT_NEAR(sam::LearningRate(recipe, 99, 0.25), 2.0 * (0.01 + 0.99 * std::pow(0.75, 0.9)), 1e-12);
  EXPECT_NEAR(sam::LearningRate(recipe, 99, 1.0), 0.02, 1e-12);

  // DAPSAM's is a step late and falls behind the warm-up, here over a run of 200 steps.
  recipe.schedule = "dapsam";
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 0, 0.0), 0.2);
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 1, 1.0 / 200.0), 0.2);
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 10, 10.0 / 200.0), 2.0);
  EXPECT_DOUBLE_EQ(sam::LearningRate(recipe, 11, 11.0 / 200.0), 2.0);
  EXPECT_NEAR(sam::LearningRate(recipe, 111, 111.0 / 200.0), 2.0 * std::pow(0.5, 0.9), 1e-12);
}

TEST(samTrainingRecipe, GoesThroughJson)
{
  sam::TrainingRecipe recipe;
  recipe.seed = ~uint64_t{ 0 };
  recipe.mirrorAxes = { 0, 2 };
  recipe.schedule = "polynomial";
  recipe.learningRate = 0.1 + 0.2;
  recipe.mirrorsValidation = true;
  const auto again = sam::TrainingRecipe::FromJson(recipe.ToJson(), "here");
  EXPECT_EQ(again.seed, recipe.seed);
  EXPECT_EQ(again.mirrorAxes, recipe.mirrorAxes);
  EXPECT_EQ(again.learningRate, recipe.learningRate);
  EXPECT_EQ(again.ToJson(), recipe.ToJson());
  EXPECT_THROW(sam::TrainingRecipe::FromJson("{}", "here"), sam::Error);
  recipe.mirrorAxes = { 1, 1 };
  EXPECT_THROW(recipe.Check(), sam::Error);
}

TEST(samTrainingRecipe, RunsThatBeganBeforeAnEntryGoOn)
{
  auto json = nlohmann::json::parse(sam::TrainingRecipe().ToJson());
  for (const auto * const key : { "frame_probability", "optimizer", "zoom_probability" })
  {
    ASSERT_EQ(json.erase(key), 1u) << key;
  }
  EXPECT_EQ(sam::TrainingRecipe::FromJson(json.dump(), "here").ToJson(), sam::TrainingRecipe().ToJson());
  json.erase("augmentation");
  EXPECT_THROW(sam::TrainingRecipe::FromJson(json.dump(), "here"), sam::Error);
}

TEST(samTrainingRecipe, SharesAreSharesOrLeftToTheAugmentation)
{
  sam::TrainingRecipe recipe;
  for (double * const share : { &recipe.frameProbability, &recipe.zoomProbability, &recipe.foregroundShare })
  {
    const double standard = *share;
    for (const double good : { standard, 0.0, 0.5, 1.0 })
    {
      *share = good;
      EXPECT_NO_THROW(recipe.Check()) << good;
    }
    for (const double bad : { -0.5, 1.5, std::nan("") })
    {
      *share = bad;
      EXPECT_THROW(recipe.Check(), sam::Error) << bad;
    }
    *share = standard;
  }
}

TEST(samTrainingLog, GoesThroughJsonAndCsv)
{
  const double     nothing = std::nan("");
  sam::TrainingLog log({ "left, \"upper\"", "right" });
  log.Add({ 1, 25, 0.5, 1e-3, 2.25, nothing, {} });
  log.Add({ 2, 50, 1.0, 5e-4, 1.125, 0.75, { 0.75, nothing } });
  const std::string expected =
    "epoch,steps,minutes,learning_rate,loss,mean_dice,\"dice_left, \"\"upper\"\"\",dice_right\n"
    "1,25,0.5,0.001,2.25,,,\n"
    "2,50,1,0.0005,1.125,0.75,0.75,\n";
  EXPECT_EQ(log.ToCsv(), expected);
  sam::TrainingLog again(log.GetLabels());
  again.ReadJson(log.ToJson(), "here");
  EXPECT_EQ(again.ToCsv(), expected);
  EXPECT_THROW(again.ReadJson("[[1]]", "here"), sam::Error);
}
