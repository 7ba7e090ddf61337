// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samNetwork.h"
#include "samSafetensors.h"
#include "samTinyPlan.h"
#include "samTrainer.h"

#include "itkImageFileWriter.h"
#include "itkImageRegionIteratorWithIndex.h"

#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace
{
namespace fs = std::filesystem;

/** Twelve volumes with a bright ball (label 1) and a dark one (label 2) at places that differ. */
class SamTrainer : public testing::Test
{
protected:
  void
  SetUp() override
  {
    const std::string name = testing::UnitTest::GetInstance()->current_test_info()->name();
    m_Folder = fs::path(testing::TempDir()) / ("trainer_" + name);
    fs::remove_all(m_Folder);
    fs::create_directories(m_Folder / "data" / "imagesTr");
    fs::create_directories(m_Folder / "data" / "labelsTr");
    std::string training;
    for (int k = 0; k < 12; ++k)
    {
      const std::string file = "ball_" + std::to_string(100 + k) + ".nii.gz";
      WriteCase(k, file);
      training +=
        std::string(k > 0 ? "," : "") + R"({"image": "imagesTr/)" + file + R"(", "label": "labelsTr/)" + file + R"("})";
    }
    std::ofstream(m_Folder / "data" / "dataset.json")
      << R"({"name": "balls", "licence": "none", "channel_names": {"0": "MR"}, "file_ending": ".nii.gz",)"
      << R"("labels": {"background": 0, "first": 1, "second": 2}, "training": [)" << training << "]}";
    std::ofstream(m_Folder / "plan.json") << sam::MakeTinyPlan().ToJson();

    m_Options.dataset = (m_Folder / "data").string();
    m_Options.plan = (m_Folder / "plan.json").string();
    m_Options.epochs = 2;
    m_Options.threads = 1;
    m_Options.validationInterval = 2;
    m_Options.warmUpSteps = 5;
    m_Options.learningRate = 1e-2;
  }

  void
  WriteCase(int k, const std::string & file) const
  {
    using ImageType = itk::Image<float, 3>;
    using LabelType = itk::Image<unsigned char, 3>;
    const ImageType::SizeType size{ { 16, 16, 6 } };
    const auto                image = ImageType::New();
    const auto                labels = LabelType::New();
    image->SetRegions(size);
    labels->SetRegions(size);
    image->Allocate();
    labels->Allocate();
    itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetLargestPossibleRegion());
    for (; !it.IsAtEnd(); ++it)
    {
      const auto   index = it.GetIndex();
      const auto   distance = [&index](double x, double y) { return std::hypot(index[0] - x, index[1] - y); };
      const int    label = distance(4 + k % 3, 5 + k % 4) < 3.0 ? 1 : distance(11, 9 + k % 3) < 3.0 ? 2 : 0;
      const double noise = ((index[0] * 7 + index[1] * 13 + index[2] * 5 + k) % 10) / 10.0;
      it.Set(static_cast<float>(100.0 + 50.0 * (label == 1) - 50.0 * (label == 2) + noise));
      labels->SetPixel(index, static_cast<unsigned char>(label));
    }
    itk::WriteImage(image.GetPointer(), (m_Folder / "data" / "imagesTr" / file).string());
    itk::WriteImage(labels.GetPointer(), (m_Folder / "data" / "labelsTr" / file).string());
  }

  sam::TrainingResult
  Run(const std::string & output, bool resume = false, int64_t stopAfter = -1)
  {
    m_Options.output = (m_Folder / output).string();
    m_Options.resume = resume;
    m_Fraction = 0.0;
    std::atomic<bool> interrupt{ false };
    int64_t           steps = 0;
    return sam::Train(
      m_Options,
      [&](const sam::TrainingProgress & progress) {
        EXPECT_GE(progress.fraction, m_Fraction - 1e-12);
        m_Fraction = progress.fraction;
        interrupt = !progress.validated && ++steps == stopAfter;
      },
      interrupt);
  }

  std::string
  MessageOf()
  {
    try
    {
      Run("failing");
    }
    catch (const sam::Error & error)
    {
      return error.what();
    }
    return {};
  }

  fs::path             m_Folder;
  sam::TrainingOptions m_Options;
  double               m_Fraction{ 0.0 };
};

std::string
ReadFile(const fs::path & path)
{
  std::ifstream      stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}
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
  const auto run = m_Folder / "run";
  for (const char * name : { "model.safetensors", "last.safetensors" })
  {
    const auto model = sam::ReadModel((run / name).string());
    EXPECT_NE(model->GetPlan().provenance.find("balls"), std::string::npos);
  }
  const auto log = ReadFile(run / "log.csv");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 7);
  EXPECT_EQ(log.rfind("epoch,", 0), 0u);
  for (const auto & entry : fs::directory_iterator(run))
  {
    EXPECT_NE(entry.path().extension(), ".part");
  }
}

TEST_F(SamTrainer, ResumedRunEndsWithTheSameWeights)
{
  Run("whole");
  const auto stopped = Run("parts", false, 9); // in the middle of the first epoch
  EXPECT_TRUE(stopped.interrupted);
  EXPECT_FALSE(Run("parts", true).interrupted);
  const auto whole = sam::ReadSafetensors((m_Folder / "whole" / "resume.safetensors").string());
  const auto parts = sam::ReadSafetensors((m_Folder / "parts" / "resume.safetensors").string());
  ASSERT_EQ(whole.tensors.size(), parts.tensors.size());
  for (const auto & [name, tensor] : whole.tensors)
  {
    EXPECT_TRUE(tensor.equal(parts.tensors.at(name))) << name;
  }
}

TEST_F(SamTrainer, OtherSeedGivesOtherWeights)
{
  m_Options.epochs = 1;
  Run("one");
  m_Options.seed = 1;
  Run("two");
  const std::string name = "weight/image_encoder.pos_embed";
  EXPECT_FALSE(sam::ReadSafetensors((m_Folder / "one" / "resume.safetensors").string())
                 .tensors.at(name)
                 .equal(sam::ReadSafetensors((m_Folder / "two" / "resume.safetensors").string()).tensors.at(name)));
}

TEST_F(SamTrainer, MistakesAreNamed)
{
  const auto contains = [](const std::string & text, const std::string & part) {
    return text.find(part) != std::string::npos;
  };
  m_Options.plan = "swin";
  EXPECT_TRUE(contains(MessageOf(), "plan 'swin' is not known"));
  m_Options.plan = (m_Folder / "plan.json").string();

  m_Options.device = "tpu";
  EXPECT_TRUE(contains(MessageOf(), "device 'tpu'"));
  m_Options.device = "cpu";

  m_Options.resume = true;
  m_Options.output = (m_Folder / "never").string();
  EXPECT_THROW(Run("never", true), sam::Error);

  fs::remove(m_Folder / "data" / "labelsTr" / "ball_103.nii.gz");
  EXPECT_TRUE(contains(MessageOf(), "ball_103.nii.gz"));

  m_Options.dataset = (m_Folder / "nothing").string();
  EXPECT_TRUE(contains(MessageOf(), "nothing"));
}
