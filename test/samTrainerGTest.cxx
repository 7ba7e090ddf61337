// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCheckpoint.h"
#include "samError.h"
#include "samNetwork.h"
#include "samPlanning.h"
#include "samSafetensors.h"
#include "samTestMessage.h"
#include "samTextFile.h"
#include "samTrainer.h"
#include "samTrainingTestData.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#ifndef _WIN32
#  include <csignal>
#  include <sys/resource.h>
#endif

namespace
{
namespace fs = std::filesystem;
using sam::test::Contains;
using sam::test::ReadFile;

class SamTrainer : public testing::Test
{
protected:
  void
  SetUp() override
  {
    m_Options.dataset = (m_Data.folder / "data").string();
    m_Options.plan = (m_Data.folder / "plan.json").string();
    m_Options.epochs = 2;
    m_Options.threads = 1;
    m_Options.validationInterval = 2;
    m_Options.warmUpSteps = 5;
    m_Options.learningRate = 1e-2;
    m_Options.seed = 1;
  }

  sam::TrainingResult
  Run(const std::string & output, bool resume = false, int64_t stopAfter = -1)
  {
    m_Options.output = (m_Data.folder / output).string();
    m_Options.resume = resume;
    m_Fraction = 0.0;
    m_Losses.clear();
    bool                  interrupt = false;
    int64_t               steps = 0;
    sam::TrainingListener listener;
    listener.report = [&](const sam::TrainingProgress & progress) {
      EXPECT_GE(progress.fraction, m_Fraction - 1e-12);
      m_Fraction = progress.fraction;
      if (progress.validated)
      {
        m_AreBest.push_back(progress.isBest);
      }
      else
      {
        m_Losses.push_back(progress.loss);
        interrupt = ++steps == stopAfter;
        if (m_OnStep)
        {
          m_OnStep(steps);
        }
      }
    };
    listener.note = [this](const std::string & text) { m_Notes += text + "\n"; };
    listener.warn = [this](const std::string & text) { m_Warnings += text + "\n"; };
    return sam::Train(m_Options, listener, [&] { return interrupt || (m_IsInterrupted && m_IsInterrupted()); });
  }

  std::string
  MessageOf(const std::string & output = "failing", bool resume = false)
  {
    try
    {
      Run(output, resume);
    }
    catch (const sam::Error & error)
    {
      return error.what();
    }
    return {};
  }

  sam::SafetensorsFile
  StateOf(const std::string & output) const
  {
    return sam::ReadSafetensors((m_Data.folder / output / "resume.safetensors").string());
  }

  void
  ExpectSameWeights(const std::string & first, const std::string & second) const
  {
    const auto a = StateOf(first);
    const auto b = StateOf(second);
    ASSERT_EQ(a.tensors.size(), b.tensors.size());
    for (const auto & [name, tensor] : a.tensors)
    {
      EXPECT_TRUE(tensor.equal(b.tensors.at(name))) << name;
    }
  }

  sam::test::TrainingTestData m_Data;
  sam::TrainingOptions        m_Options;
  double                      m_Fraction{ 0.0 };
  std::vector<double>         m_Losses; ///< means over the epoch so far
  std::string                 m_Notes;
  std::string                 m_Warnings;

  std::function<void(int64_t step)> m_OnStep;
  std::function<bool()>             m_IsInterrupted;
  std::vector<bool>                 m_AreBest; ///< the validations
};
} // namespace

TEST_F(SamTrainer, LearnsAndWritesItsFiles)
{
  m_Options.epochs = 6;
  const auto result = Run("run");
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.epochs, 6);
  EXPECT_DOUBLE_EQ(m_Fraction, 1.0);
  // An untrained network of this seed scores below 0.2.
  EXPECT_GT(result.bestMeanDice, 0.6);
  const auto run = m_Data.folder / "run";
  for (const char * name : { "model.safetensors", "last.safetensors" })
  {
    const auto model = sam::ReadModel((run / name).string());
    EXPECT_TRUE(Contains(model->GetPlan().provenance, "balls"));
  }
  const auto log = ReadFile(run / "log.csv");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 7);
  EXPECT_EQ(log.rfind("epoch,", 0), 0u);
  EXPECT_EQ(m_Warnings, "");

  const auto report = ReadFile(run / "report.html");
  EXPECT_TRUE(Contains(report, "Training on balls"));
  const auto count = [&report](const std::string & part) {
    size_t number = 0;
    for (size_t place = report.find(part); place != std::string::npos; place = report.find(part, place + 1))
    {
      ++number;
    }
    return number;
  };
  EXPECT_EQ(count("<svg"), 3u);
  EXPECT_EQ(count("<polyline"), 1u + 1u + 3u); // loss, rate, Dice of two labels and their mean
  EXPECT_EQ(count("src=\"data:image/png;base64,iVBORw0KGgo"), 4u) << "two pictures of each of two cases";
  EXPECT_FALSE(Contains(report, "src=\"http"));
  for (const auto & entry : fs::recursive_directory_iterator(run))
  {
    EXPECT_FALSE(Contains(entry.path().filename().string(), ".part")) << entry.path();
    EXPECT_FALSE(Contains(entry.path().filename().string(), ".new")) << entry.path();
  }
}

TEST_F(SamTrainer, ResumedRunEndsWithTheSameWeights)
{
  m_Options.augmentation = "masksam";
  m_Options.mirrorAxes = { 0 };
  m_Options.mirrorsValidation = true;
  Run("whole");
  m_Options.loaders = 3;                      // windows do not depend on it
  const auto stopped = Run("parts", true, 9); // in the middle of the first epoch
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_TRUE(Contains(m_Notes, "holds no run yet"));
  m_Options.mirrorAxes = {}; // the recipe is that of the beginning
  m_Options.mirrorsValidation = false;
  m_Options.augmentation = sam::TrainingOptions().augmentation;
  EXPECT_FALSE(Run("parts", true).interrupted);
  ExpectSameWeights("whole", "parts");
  EXPECT_EQ(ReadFile(m_Data.folder / "whole" / "split.json"), ReadFile(m_Data.folder / "parts" / "split.json"));
}

TEST_F(SamTrainer, ResumedRunRefusesOtherOptions)
{
  m_Options.patience = 7;
  m_Options.accumulate = 2;
  m_Options.folds = 3;
  EXPECT_TRUE(Run("run", true, 2).interrupted);
  const auto refuses = [this](auto & option, const auto & value, const std::string & part) {
    const auto before = option;
    option = value;
    const auto message = MessageOf("run", true);
    EXPECT_TRUE(Contains(message, "resume.safetensors: --" + part)) << message;
    option = before;
  };
  refuses(m_Options.batch, 4, "batch is 4, this run began with 2, expected the same or no --batch");
  refuses(m_Options.learningRate, 0.5, "learning-rate is 0.5, this run began with 0.01,");
  refuses(m_Options.optimizer, "sgd", "optimizer is sgd, this run began with adamw,");
  refuses(m_Options.seed, 9u, "seed is 9, this run began with 1,");
  refuses(m_Options.fold, 1, "fold is 1/3, this run began with 0/3,");
  refuses(m_Options.plan, "unet", "plan is unet, this run began with /");
  refuses(m_Options.planChange, R"({"training": {"matching": "volume"}})", "change-plan is {");
  refuses(m_Options.mirrorAxes, std::vector<size_t>{ 0, 1 }, "mirror is 0,1, this run began with none,");
  refuses(m_Options.window, std::array<int64_t, 3>{ 8, 8, 8 }, "window is 8,8,8, this run began with none,");
  // A default counts when it is given, nothing else then.
  m_Options.given = { "accumulate" };
  refuses(m_Options.accumulate, 1, "accumulate is 1, this run began with 2,");
  m_Options.batch = 4;
  m_Options.mirrorAxes = { 0 };
  m_Options.given.push_back("plan");
  m_Options.seed = 0;
  m_Options.folds = 0;
  m_Options.learningRate = sam::TrainingOptions().learningRate;
  m_Options.patience = 0;
  m_Options.loaders = 2;
  m_Options.epochs = 1;
  m_Options.plan = fs::relative(m_Options.plan).string();
  EXPECT_FALSE(Run("run", true).interrupted);
  EXPECT_TRUE(Contains(StateOf("run").metadata.at("state"), R"("seed":1,)"));
}

TEST_F(SamTrainer, LimitsHoldUntilThereAreOthers)
{
  m_Options.epochs = 0;
  m_Options.maximumMinutes = 1e-6;
  const auto steps = Run("run").steps;
  m_Options.maximumMinutes = 0.0;
  EXPECT_EQ(Run("run", true).steps, steps) << "the time is over";
  EXPECT_TRUE(Contains(m_Notes, "has reached its limit, after " + std::to_string(steps) + " steps")) << m_Notes;
  m_Options.maximumSteps = steps + 3;
  EXPECT_EQ(Run("run", true).steps, steps + 3);
  // Another limit takes the place of this one.
  m_Notes.clear();
  m_Options.maximumSteps = 0;
  m_Options.maximumMinutes = 0.02;
  EXPECT_GT(Run("run", true).steps, steps + 3);
  EXPECT_FALSE(Contains(m_Notes, "has reached its limit")) << m_Notes;
}

TEST_F(SamTrainer, OneRunAtATimeWritesIntoAFolder)
{
  m_Options.maximumSteps = 3;
  std::string second;
  m_OnStep = [&](int64_t step) {
    if (step == 2)
    {
      m_OnStep = nullptr;
      const auto options = m_Options;
      try
      {
        sam::Train(options, {}, [] { return false; });
      }
      catch (const sam::Error & error)
      {
        second = error.what();
      }
    }
  };
  EXPECT_EQ(Run("run").steps, 3);
  EXPECT_TRUE(Contains(second, "run: another run is writing into it")) << second;
  m_Options.maximumSteps = 4;
  EXPECT_EQ(Run("run", true).steps, 4) << "free again";
}

TEST_F(SamTrainer, PlansAreTakenFromModelFiles)
{
  m_Options.maximumSteps = 1;
  Run("first");
  m_Options.plan = (m_Data.folder / "first" / "model.safetensors").string();
  EXPECT_EQ(Run("second").steps, 1);
  const auto weights = sam::OpenModel(m_Options.plan).plan;
  const auto plan = sam::ReadPlanFile(m_Options.plan);
  EXPECT_TRUE(Contains(weights.provenance, "balls")) << weights.provenance;
  EXPECT_EQ(plan.provenance, sam::Plan().provenance);
  EXPECT_EQ(plan.window, weights.window);
}

TEST_F(SamTrainer, EndsWhereverItIsInterrupted)
{
  m_IsInterrupted = [] { return true; };
  EXPECT_EQ(MessageOf("run"), "interrupted before training began");

  m_Options.epochs = 1;
  m_Options.accumulate = 2;
  m_Options.validationInterval = 1;
  m_IsInterrupted = nullptr;
  Run("whole");
  // At the n-th question behind the report of a step: after it, before the passes of the next one and so on.
  const auto interrupt = [this](int64_t step, int64_t question) {
    auto remaining = std::make_shared<int64_t>(-1);
    m_OnStep = [=](int64_t k) { *remaining = k == step ? question : *remaining; };
    m_IsInterrupted = [remaining] { return *remaining > 0 && --*remaining == 0; };
  };
  interrupt(4, 3); // the second pass
  EXPECT_TRUE(Run("parts", true).interrupted);
  EXPECT_TRUE(Contains(StateOf("parts").metadata.at("state"), R"("step":4,)"));
  interrupt(25 - 4, 3); // the second window of the validation, which is made anew
  EXPECT_TRUE(Run("parts", true).interrupted);
  EXPECT_TRUE(Contains(StateOf("parts").metadata.at("state"), R"("epoch":0,"step":25,)"));
  EXPECT_FALSE(fs::exists(m_Data.folder / "parts" / "model.safetensors"));
  m_OnStep = nullptr;
  m_IsInterrupted = nullptr;
  EXPECT_FALSE(Run("parts", true).interrupted);
  ExpectSameWeights("whole", "parts");
  const auto log = [this](const std::string & run) {
    auto       text = ReadFile(m_Data.folder / run / "log.csv");
    const auto line = text.find("\n1,25,") + 6;
    return text.erase(line, text.find(',', line) - line); // the minutes
  };
  EXPECT_EQ(log("whole"), log("parts"));
}

TEST_F(SamTrainer, ModelsWithoutStateAreKept)
{
  m_Options.epochs = 1;
  Run("run", false, 1);
  fs::remove(m_Data.folder / "run" / "resume.safetensors");
  const auto before = ReadFile(m_Data.folder / "run" / "last.safetensors");
  for (const bool resume : { false, true })
  {
    const auto message = MessageOf("run", resume);
    EXPECT_TRUE(Contains(message, "last.safetensors: would be overwritten, and there is no resume.safetensors"))
      << message;
  }
  EXPECT_EQ(ReadFile(m_Data.folder / "run" / "last.safetensors"), before);
}

TEST_F(SamTrainer, LongValidationsBecomeRarer)
{
  m_Options.epochs = 2;
  m_Options.maximumMinutes = 1000.0;
  m_Options.validationFraction = 0.9;
  m_Options.validationInterval = 1;
  m_Options.batch = 1;
  m_Options.mirrorAxes = { 0, 1, 2 };
  m_Options.mirrorsValidation = true;
  Run("run", false, 26); // the first step behind the first validation
  EXPECT_TRUE(Contains(m_Notes, "epochs instead of 1, so that a third of the time goes into it at most")) << m_Notes;
  EXPECT_FALSE(Contains(StateOf("run").metadata.at("state"), R"("validation_interval":1,)"));
}

TEST_F(SamTrainer, PlanIsChangedBeforeTheRun)
{
  m_Options.planChange = R"({"compatibility": ["random_adapters"], "training": {"matching": "volume"}})";
  Run("changed", false, 1);
  const auto model = sam::ReadModel((m_Data.folder / "changed" / "last.safetensors").string());
  EXPECT_TRUE(model->GetPlan().Keeps("random_adapters"));
  EXPECT_TRUE(model->GetPlan().matchesVolumes);
}

TEST_F(SamTrainer, OtherSeedGivesOtherWeights)
{
  Run("one", false, 2);
  m_Options.seed = 2;
  Run("two", false, 2);
  const std::string name = "weight/image_encoder.pos_embed";
  EXPECT_FALSE(StateOf("one").tensors.at(name).equal(StateOf("two").tensors.at(name)));
}

TEST_F(SamTrainer, AccumulatedGradientIsTheMeanOfItsPasses)
{
  m_Options.batch = 1;
  m_Options.maximumGradientNorm = 1e9;
  m_Options.learningRate = 1e-30; // both passes see the same weights
  m_Options.weightDecay = 0.0;
  Run("first", false, 1);
  const double firstLoss = m_Losses.at(0);
  Run("second", false, 2);
  const double meanLoss = m_Losses.at(1);
  EXPECT_GT(std::abs(firstLoss - meanLoss), 1e-4) << "windows differ";
  m_Options.accumulate = 2;
  Run("both", false, 1);
  EXPECT_NEAR(m_Losses.at(0), meanLoss, 1e-6);
  // The first moment is a tenth of the gradient after one step, 0.09·first + 0.1·second after two.
  const auto first = StateOf("first");
  const auto second = StateOf("second");
  const auto both = StateOf("both");
  for (const auto & [name, moment] : both.tensors)
  {
    if (name.rfind("first/", 0) == 0)
    {
      const auto ofFirst = first.tensors.at(name);
      const auto ofSecond = second.tensors.at(name) - 0.9 * ofFirst;
      const auto mean = 0.5 * (ofFirst + ofSecond);
      EXPECT_LE((moment - mean).abs().max().item<double>(), 1e-4 * mean.abs().max().item<double>() + 1e-7) << name;
    }
  }
}

TEST_F(SamTrainer, EndsWhenNothingGetsBetter)
{
  m_Options.epochs = 50;
  m_Options.validationInterval = 1;
  m_Options.learningRate = 1e-30;
  m_Options.patience = 1;
  const auto result = Run("run");
  EXPECT_TRUE(result.ranOutOfPatience);
  EXPECT_FALSE(result.interrupted);
  EXPECT_EQ(result.epochs, 2) << "the first validation is the best, the second not better";
}

TEST_F(SamTrainer, MixedPrecisionIsNear)
{
  Run("full", false, 1);
  const double full = m_Losses.at(0);
  m_Options.precision = "bfloat16";
  Run("mixed", false, 1);
  EXPECT_NE(m_Losses.at(0), full);
  EXPECT_NEAR(m_Losses.at(0), full, 0.03 * full);
  for (const auto & [name, tensor] : StateOf("mixed").tensors)
  {
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
  }
}

TEST_F(SamTrainer, PrototypesLearnSliceBySlice)
{
  std::ofstream(m_Data.folder / "plan.json") << sam::MakeTinyDapsamPlan().ToJson();
  m_Options.epochs = 6;
  m_Options.batch = 4;
  m_Options.schedule = "dapsam";
  m_Options.augmentation = "slaug";
  const auto result = Run("run");
  // An untrained network of this seed scores 0.
  EXPECT_GT(result.bestMeanDice, 0.3);
  const auto model = sam::ReadModel((m_Data.folder / "run" / "model.safetensors").string());
  EXPECT_EQ(model->GetPlan().promptSource, "prototype");
}

TEST_F(SamTrainer, CollapsedPrototypesAreAWarning)
{
  auto plan = sam::MakeTinyDapsamPlan();
  plan.temperature = 1000.0; // every slice gets the mean of all prototypes
  std::ofstream(m_Data.folder / "plan.json") << plan.ToJson();
  m_Options.validationInterval = 1;
  m_Options.epochs = 4;
  Run("run");
  const std::string text = "the prototypes have collapsed: over 12 slices of validation their shares tell 0.0 nats";
  const auto        first = m_Warnings.find(text);
  ASSERT_NE(first, std::string::npos) << m_Warnings;
  EXPECT_EQ(m_Warnings.find(text, first + 1), std::string::npos) << "once: " << m_Warnings;
  const auto provenance = sam::ReadModel((m_Data.folder / "run" / "model.safetensors").string())->GetPlan().provenance;
  EXPECT_TRUE(Contains(provenance, "\"prototype_use\":{\"slices\":12,")) << provenance;
}

TEST_F(SamTrainer, ImagesOfOneValueAreNamed)
{
  using ImageType = sam::test::TrainingTestData::ImageType;
  for (int k = 0; k < 4; ++k)
  {
    const auto image = ImageType::New();
    image->SetRegions(ImageType::SizeType{ { 16, 16, 6 } });
    image->Allocate();
    image->FillBuffer(7.0f);
    itk::WriteImage(image.GetPointer(), m_Data.ImageFile(k).string());
  }
  Run("run", false, 1);
  EXPECT_TRUE(Contains(m_Warnings, ": all voxels of the channel MR have the same value")) << m_Warnings;
  EXPECT_FALSE(Contains(m_Warnings, "ball_111: all voxels")) << m_Warnings;
  EXPECT_TRUE(Contains(m_Notes, "12 patients are recognized by the names of 12 cases")) << m_Notes;
}

TEST_F(SamTrainer, WhatIsMissingIsAWarning)
{
  const auto path = (m_Data.folder / "data" / "dataset.json").string();
  auto       text = sam::ReadTextFile(path);
  text.insert(1, R"("numTraining": 13, )");
  std::ofstream(path) << text;
  Run("run", false, 1);
  EXPECT_TRUE(Contains(m_Warnings, "numTraining is 13, but 12 training cases were found")) << m_Warnings;
}

TEST_F(SamTrainer, PlannedNetworksOfSlicesLearnAndAreOrdinaryModels)
{
  m_Options.epochs = 8;
  m_Options.batch = 4;
  m_Options.augmentation = "none";
  m_Options.window = { 16, 16, 1 };
  const auto learns = [this](const std::string & plan, const std::vector<std::string> & without) {
    m_Options.plan = plan;
    m_Options.without = without;
    const auto name = plan + std::to_string(without.size());
    EXPECT_GT(Run(name).bestMeanDice, 0.8) << name;
    return sam::ReadModel((m_Data.folder / name / "model.safetensors").string());
  };
  EXPECT_EQ(learns("dapsam", {})->GetPlan().promptSource, "prototype");
  EXPECT_TRUE(Contains(m_Notes, "64 prototypes, addressed by cosines")) << m_Notes;
  EXPECT_EQ(learns("dapsam", { "adapters", "prototypes" })->GetPlan().promptSource, "none");
  m_Options.window.reset();
  EXPECT_EQ(learns("unet", {})->GetPlan().encoder, "unet");

  m_Options.without = { "adapters" };
  EXPECT_TRUE(Contains(MessageOf(), "plan 'unet' has no parts that can be left out")) << MessageOf();
  m_Options.without = { "decoder" };
  EXPECT_TRUE(Contains(MessageOf(), "part 'decoder' cannot be left out")) << MessageOf();
  m_Options.without.clear();
  m_Options.frame = "remove";
  EXPECT_TRUE(Contains(MessageOf(), "a black frame is removed from slices alone")) << MessageOf();
  m_Options.plan = (m_Data.folder / "plan.json").string();
  EXPECT_TRUE(Contains(MessageOf(), "plan.json: a plan says all of the network")) << MessageOf();
}

TEST_F(SamTrainer, FilesOfOtherSitesAreNotOpened)
{
  std::string sites = "site,file,age\n";
  std::string east;
  for (int k = 0; k < 12; ++k)
  {
    const bool isEast = k % 2 == 0;
    sites += (isEast ? "east," : "west,") + m_Data.FileName(k) + ",40\n";
    if (isEast)
    {
      east += "ball_" + std::to_string(100 + k) + " ";
    }
    else
    {
      std::ofstream(m_Data.ImageFile(k)) << "no image";
      std::ofstream(m_Data.LabelFile(k)) << "no label map";
    }
  }
  const auto table = m_Data.folder / "data" / "sites.csv";
  std::ofstream(table) << sites;
  auto message = MessageOf();
  EXPECT_TRUE(Contains(message, "ball_101.nii.gz")) << "whoever opens it notices: " << message;
  // Nor need they exist.
  fs::remove(m_Data.ImageFile(3));
  fs::remove(m_Data.LabelFile(5));

  m_Options.epochs = 1;
  m_Options.trainSites = { "east", "east" };
  EXPECT_TRUE(Run("run", false, 3).interrupted);
  EXPECT_TRUE(Contains(m_Notes, "6 of 12 cases are of the sites east")) << m_Notes;
  EXPECT_TRUE(Contains(m_Notes, "5 cases to train on and 1 to validate")) << m_Notes;
  const auto split = ReadFile(m_Data.folder / "run" / "split.json");
  EXPECT_TRUE(Contains(split, "\"sites\": [\n   \"east\"")) << split;
  for (int k = 0; k < 12; ++k)
  {
    const auto name = "ball_" + std::to_string(100 + k);
    EXPECT_EQ(Contains(split, name), Contains(east, name)) << name;
  }
  fs::rename(m_Data.LabelFile(4), m_Data.folder / "label");
  m_Options.trainSites.clear();
  message = MessageOf("run", true);
  EXPECT_TRUE(Contains(message, "ball_104.nii.gz: no such file, expected the label map")) << message;
  fs::rename(m_Data.folder / "label", m_Data.LabelFile(4));
  // The run knows its sites, even without the table.
  fs::remove(table);
  m_Options.trainSites = { "west" };
  message = MessageOf("run", true);
  EXPECT_TRUE(Contains(message, "--train-site is west, this run began with east, expected the same")) << message;
  m_Options.trainSites.clear();
  EXPECT_FALSE(Run("run", true).interrupted);
  const auto model = sam::ReadModel((m_Data.folder / "run" / "model.safetensors").string());
  EXPECT_TRUE(Contains(model->GetPlan().provenance, R"("train_sites":["east"])")) << model->GetPlan().provenance;

  m_Options.trainSites = { "east" };
  EXPECT_TRUE(Contains(MessageOf(), "sites.csv: cannot be opened"));
  m_Options.sites = (m_Data.folder / "elsewhere.csv").string();
  std::ofstream(m_Options.sites) << sites;
  std::ofstream(m_Data.folder / "split.json") << R"([{"train": ["ball_100"], "val": ["ball_103"]}])";
  m_Options.split = (m_Data.folder / "split.json").string();
  EXPECT_TRUE(Contains(MessageOf(), "split.json: case 'ball_103' of fold 0 is of the site 'west'")) << MessageOf();
  m_Options.trainSites = { "north" };
  EXPECT_TRUE(Contains(MessageOf(), "elsewhere.csv: has no site 'north', expected one of east, west")) << MessageOf();
  m_Options.trainSites.clear();
  EXPECT_TRUE(Contains(MessageOf(), "elsewhere.csv: a table of sites without a site to train on")) << MessageOf();
}

TEST_F(SamTrainer, SecondStartReadsPreparedCases)
{
  m_Options.cache = (m_Data.folder / "cache").string();
  Run("one", false, 2);
  EXPECT_TRUE(Contains(m_Notes, "12 of them prepared now")) << m_Notes;
  m_Notes.clear();
  Run("two", false, 2);
  EXPECT_TRUE(Contains(m_Notes, " 0 of them prepared now")) << m_Notes;
  ExpectSameWeights("one", "two");

  // A file that changed and a prepared one that was cut short.
  fs::last_write_time(m_Data.ImageFile(3), fs::last_write_time(m_Data.ImageFile(3)) + std::chrono::seconds(5));
  for (const auto & entry : fs::directory_iterator(m_Options.cache))
  {
    if (Contains(entry.path().string(), "ball_107"))
    {
      fs::resize_file(entry.path(), fs::file_size(entry.path()) - 10);
    }
  }
  // What killed processes left, and what another one is writing.
  const auto old = fs::path(m_Options.cache) / "ball_103.0.safetensors.17.new.part";
  const auto young = fs::path(m_Options.cache) / "ball_103.0.safetensors.18.new.part";
  std::ofstream(old) << "old";
  std::ofstream(young) << "young";
  fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(25));
  m_Notes.clear();
  Run("three", false, 2);
  EXPECT_FALSE(fs::exists(old));
  EXPECT_TRUE(fs::exists(young));
  EXPECT_TRUE(Contains(m_Notes, " 2 of them prepared now")) << m_Notes;
  ExpectSameWeights("one", "three");
  m_Options.cache = "none";
  Run("four", false, 2);
  EXPECT_FALSE(fs::exists(m_Data.folder / "four" / "cache"));
  ExpectSameWeights("one", "four");
}

#ifndef _WIN32
/** Files may not become larger than \a bytes, as on a disk that is full. */
class FileSizeLimit
{
public:
  explicit FileSizeLimit(rlim_t bytes)
  {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &m_Before);
    rlimit limit = m_Before;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &m_Before); }

private:
  rlimit m_Before{};
};

TEST_F(SamTrainer, FullDiskKeepsTheStateBefore)
{
  m_Options.epochs = 1;
  Run("whole");
  m_Options.saveMinutes = 0.0;
  std::unique_ptr<FileSizeLimit> limit;
  m_OnStep = [&](int64_t step) {
    if (step == 5)
    {
      limit = std::make_unique<FileSizeLimit>(10'000);
    }
    if (step == 8)
    {
      // What was written before step 5 is whole.
      EXPECT_TRUE(Contains(StateOf("full").metadata.at("state"), "\"step\":4,"));
      limit.reset();
    }
  };
  EXPECT_FALSE(Run("full").interrupted);
  ExpectSameWeights("whole", "full");
  EXPECT_EQ(std::count(m_Warnings.begin(), m_Warnings.end(), '\n'), 3) << m_Warnings;
  EXPECT_TRUE(Contains(m_Warnings, "resume.safetensors: cannot be written (File too large); what was")) << m_Warnings;

  // When it stays full the run ends with an error and can be resumed.
  m_OnStep = [&](int64_t step) {
    if (step == 20)
    {
      limit = std::make_unique<FileSizeLimit>(10'000);
    }
  };
  EXPECT_THROW(Run("ending"), sam::Error);
  limit.reset();
  m_OnStep = nullptr;
  Run("ending", true);
  ExpectSameWeights("whole", "ending");
}

TEST_F(SamTrainer, WhatTheDiskHadNoPlaceForIsWrittenAtTheEnd)
{
  m_Options.epochs = 1;
  Run("whole");
  EXPECT_EQ(m_AreBest, std::vector<bool>{ true });
  const auto folder = m_Data.folder / "run";
  // A folder in its place keeps the model from being written.
  m_OnStep = [&](int64_t step) {
    if (step == 20)
    {
      fs::create_directories(folder / "model.safetensors" / "full");
      fs::remove(folder / "last.safetensors");
      fs::create_directories(folder / "last.safetensors" / "full");
    }
  };
  m_AreBest.clear();
  EXPECT_TRUE(Contains(MessageOf("run"), "model.safetensors: cannot be written ("));
  EXPECT_EQ(m_AreBest, std::vector<bool>{ false }) << "it is not kept";
  m_OnStep = nullptr;
  ExpectSameWeights("whole", "run");
  fs::remove_all(folder / "model.safetensors");
  fs::remove_all(folder / "last.safetensors");
  std::ofstream(folder / "resume.safetensors.part") << "of a run that was killed";
  Run("run", true);
  EXPECT_FALSE(fs::exists(folder / "resume.safetensors.part"));
  for (const std::string name : { "model", "last" })
  {
    const auto path = name + ".safetensors";
    const auto a = sam::ReadSafetensors((m_Data.folder / "whole" / path).string());
    const auto b = sam::ReadSafetensors((folder / path).string());
    for (const auto & [tensor, value] : a.tensors)
    {
      EXPECT_TRUE(value.equal(b.tensors.at(tensor))) << path << " " << tensor;
    }
    EXPECT_TRUE(Contains(b.metadata.at("plan"), "\"validation_dice\": {\n   \"first\": ")) << b.metadata.at("plan");
  }
}
#endif

TEST_F(SamTrainer, MistakesAreNamed)
{
  const auto refuses = [this](auto & option, auto value, const std::string & part) {
    const auto before = std::exchange(option, value);
    EXPECT_TRUE(Contains(MessageOf(), part)) << MessageOf();
    option = before;
  };
  refuses(m_Options.epochs, -1, "--epochs is -1, expected 0 or more");
  refuses(m_Options.maximumSteps, -1, "--steps is -1,");
  refuses(m_Options.maximumMinutes, -0.5, "--max-minutes is -0.5");
  refuses(m_Options.patience, -1, "--patience is -1,");
  refuses(m_Options.loaders, -1, "--loaders is -1,");
  refuses(m_Options.saveMinutes, -1.0, "--save-interval is -1.0");
  refuses(m_Options.foregroundShare, -0.5, "foreground share is -0.5, expected 0 to 1");
  m_Options.given = { "foreground" };
  EXPECT_TRUE(Contains(MessageOf(), "--foreground is -1.0")) << MessageOf();
  m_Options.given.clear();

  m_Options.plan = "swin";
  EXPECT_TRUE(Contains(MessageOf(), "plan 'swin' is not known"));
  m_Options.plan = (m_Data.folder / "plan.json").string();

  m_Options.planChange = "set_loss_only";
  EXPECT_TRUE(Contains(MessageOf(), "--change-plan 'set_loss_only': not a JSON object"));
  m_Options.planChange = R"({"compatibility": ["loss_only"]})";
  EXPECT_TRUE(Contains(MessageOf(), "unknown word 'loss_only'"));
  m_Options.planChange = R"({"labels": [{"value": 0, "name": "background", "color": [0, 0, 0]},
                                        {"value": 1, "name": "third", "color": [0, 0, 0]}]})";
  EXPECT_TRUE(Contains(
    MessageOf(),
    "plan.json: the plan has the labels 0 background, 1 third, expected 0 background, 1 first, 2 second as in"))
    << MessageOf();
  m_Options.planChange.clear();

  m_Options.device = "tpu";
  EXPECT_TRUE(Contains(MessageOf(), "device 'tpu'"));
  m_Options.device = "cpu";

  m_Options.schedule = "linear";
  EXPECT_EQ(MessageOf(), "schedule 'linear' is not known, expected cosine, polynomial or dapsam");
  m_Options.schedule = "cosine";

  m_Options.mirrorsValidation = true;
  EXPECT_TRUE(Contains(MessageOf(), "mirrored validation needs the axes"));
  m_Options.mirrorsValidation = false;

  m_Options.fold = 7;
  m_Options.folds = 5;
  EXPECT_TRUE(Contains(MessageOf(), "fold 7 of 5"));
  m_Options.folds = 0;

  // None of them left a folder, and one that was there stays.
  EXPECT_FALSE(fs::exists(m_Data.folder / "failing"));
  m_Options.initialize = (m_Data.folder / "gone.safetensors").string();
  fs::create_directory(m_Data.folder / "mine");
  EXPECT_TRUE(Contains(MessageOf("mine"), "gone.safetensors: no such file"));
  EXPECT_TRUE(fs::exists(m_Data.folder / "mine"));
  m_Options.initialize.clear();

  m_Options.dataset = (m_Data.folder / "nothing").string();
  EXPECT_TRUE(Contains(MessageOf(), "nothing"));
}

TEST_F(SamTrainer, MistakesOfOptionsAreSaidBeforeImagesAreRead)
{
  std::ofstream(m_Data.ImageFile(3)) << "no image";
  ASSERT_TRUE(Contains(MessageOf(), "ball_103.nii.gz")) << MessageOf();
  const auto plan = std::exchange(m_Options.plan, "masksam");
  m_Options.planChange = "[]";
  EXPECT_TRUE(Contains(MessageOf(), "--change-plan '[]': not a JSON object")) << MessageOf();
  m_Options.planChange.clear();
  m_Options.without = { "head" };
  EXPECT_TRUE(Contains(MessageOf(), "part 'head' cannot be left out")) << MessageOf();
  m_Options.without.clear();
  m_Options.initialize = (m_Data.folder / "gone.safetensors").string();
  EXPECT_TRUE(Contains(MessageOf(), "gone.safetensors: no such file")) << MessageOf();
  m_Options.initialize.clear();
  m_Options.plan = plan;
  m_Options.planChange = R"({"compatibility": ["loss_only"]})";
  EXPECT_TRUE(Contains(MessageOf(), "unknown word 'loss_only'")) << MessageOf();
}

TEST_F(SamTrainer, BadDataIsNamed)
{
  m_Data.WriteCase(3, 1, 2.5);
  auto message = MessageOf();
  EXPECT_TRUE(Contains(message, "labelsTr/ball_103.nii.gz: origin is -2.5 0 0, expected 0 0 0 as in ") ||
              Contains(message, "labelsTr/ball_103.nii.gz: origin is 2.5 0 0, expected 0 0 0 as in "))
    << message;
  m_Data.WriteCase(3, 40);
  message = MessageOf();
  EXPECT_TRUE(Contains(message, "labelsTr/ball_103.nii.gz: label 40 found, expected the labels 0 1 2")) << message;
  m_Data.WriteCase(3);

  using PairImage = itk::Image<itk::Vector<float, 2>, 3>;
  const auto pairs = PairImage::New();
  pairs->SetRegions(PairImage::SizeType{ { 16, 16, 6 } });
  pairs->Allocate(true);
  itk::WriteImage(pairs.GetPointer(), m_Data.ImageFile(3).string());
  message = MessageOf();
  EXPECT_TRUE(Contains(message, "imagesTr/ball_103.nii.gz: 2 channels, expected 1 as in dataset.json")) << message;
  m_Data.WriteCase(3);

  fs::remove(m_Data.LabelFile(5));
  EXPECT_TRUE(Contains(MessageOf(), "labelsTr/ball_105.nii.gz: no such file"));
  m_Data.WriteCase(5);

  m_Data.WriteDescription(1);
  EXPECT_TRUE(Contains(MessageOf(), "1 patients and 1 of them for validation")) << MessageOf();

  // A label that nobody has is no error.
  m_Data.WriteDescription(12, R"({"0": "MR"})", R"({"background": 0, "first": 1, "second": 2, "third": 3})");
  EXPECT_TRUE(Contains(MessageOf(),
                       "plan.json: the plan has the labels 0 background, 1 first, 2 second, expected "
                       "0 background, 1 first, 2 second, 3 third as in "))
    << MessageOf();
  auto plan = sam::MakeTinyPlan();
  plan.labels.push_back({ 3, "third", {} });
  std::ofstream(m_Data.folder / "plan.json") << plan.ToJson();
  Run("empty", false, 1);
  EXPECT_TRUE(Contains(m_Warnings, "label 'third' (3) is in none of the 10 training cases")) << m_Warnings;
}

TEST_F(SamTrainer, PlanAndRunAreOfTheDataSet)
{
  m_Options.epochs = 1;
  EXPECT_TRUE(Run("run", true, 2).interrupted);
  m_Data.WriteDescription(12, R"({"0": "MR"})", R"({"background": 0, "first": 1, "kidney": 2})");
  const std::string part = ": the plan has the labels 0 background, 1 first, 2 second, expected 0 background, 1 first, "
                           "2 kidney as in ";
  EXPECT_TRUE(Contains(MessageOf(), "plan.json" + part)) << MessageOf();
  EXPECT_TRUE(Contains(MessageOf("run", true), "resume.safetensors" + part)) << MessageOf("run", true);
  m_Data.WriteDescription(12, R"({"0": "MR"})", R"({"background": 0, "first": 1, "second": 5})");
  EXPECT_TRUE(Contains(MessageOf(), "expected 0 background, 1 first, 5 second as in")) << MessageOf();
  m_Data.WriteDescription(12, R"({"0": "CT"})");
  EXPECT_TRUE(Contains(MessageOf(), "plan.json: the plan has the channels MR, expected CT as in ")) << MessageOf();
  m_Data.WriteDescription(12);
  m_Data.WriteCase(3, 1, 2.5);
  EXPECT_TRUE(Contains(MessageOf("run", true), "ball_103.nii.gz: origin is ")) << MessageOf("run", true);
  m_Data.WriteCase(3);

  // A data set without a name has its folder's.
  auto       description = ReadFile(m_Data.folder / "data" / "dataset.json");
  const auto name = description.find(R"("name": "balls", )");
  std::ofstream(m_Data.folder / "data" / "dataset.json") << description.erase(name, 17);
  Run("run", true);
  EXPECT_TRUE(Contains(ReadFile(m_Data.folder / "run" / "report.html"), "<title>Training on data</title>"));
}

TEST_F(SamTrainer, CasesThatDoNotFitAreNamed)
{
  m_Options.plan = "dapsam";
  m_Options.trainSites = { "east" };
  // A case that the table does not have, then a site that it does not have.
  std::string sites = "file,site\n";
  for (int k = 1; k < 12; ++k)
  {
    sites += m_Data.FileName(k) + (k < 6 ? ",east\n" : ",west\n");
  }
  const auto table = m_Data.folder / "data" / "sites.csv";
  std::ofstream(table) << sites;
  EXPECT_TRUE(Contains(MessageOf(), "sites.csv: has no line for the case 'ball_100', expected its file or name"))
    << MessageOf();
  std::ofstream(table, std::ios::app) << m_Data.FileName(0) << ",north\n";
  m_Options.trainSites = { "south" };
  EXPECT_TRUE(Contains(MessageOf(), "sites.csv: has no site 'south', expected one of east, north, west"))
    << MessageOf();
  // One image cannot train and validate.
  m_Options.trainSites = { "north" };
  EXPECT_TRUE(Contains(MessageOf(), "1 patients and 1 of them for validation, expected at least one to train on"))
    << MessageOf();
  m_Options.trainSites.clear();
  // Gray images where dataset.json says color.
  m_Data.WriteDescription(12, R"({"0": "red", "1": "green", "2": "blue"})");
  EXPECT_TRUE(Contains(MessageOf(), ".nii.gz: 1 channel, expected 3 as in dataset.json")) << MessageOf();
}
