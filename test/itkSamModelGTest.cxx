// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkMacro.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace
{
using sam::test::MessageOf;

std::vector<float>
ToHost(const itk::SamTensor & tensor)
{
  size_t count = 1;
  for (const int64_t extent : tensor.GetSizes())
  {
    count *= static_cast<size_t>(extent);
  }
  std::vector<float> values(count);
  tensor.CopyToHost(values.data());
  return values;
}

itk::SamTensor
MakeInput(const std::vector<int64_t> & sizes)
{
  size_t count = 1;
  for (const int64_t extent : sizes)
  {
    count *= static_cast<size_t>(extent);
  }
  std::vector<float> values(count);
  for (size_t k = 0; k < count; ++k)
  {
    values[k] = static_cast<float>((k * 37) % 101) / 50.0f - 1.0f;
  }
  return itk::SamTensor::FromHost(values.data(), sizes);
}
} // namespace

TEST(SamModel, TellsThePlansFacts)
{
  const auto model = itk::MakeSamTestModel();
  EXPECT_EQ(model->GetDimension(), 3u);
  EXPECT_EQ(model->GetOrientation(), "LPS");
  EXPECT_EQ(model->GetWindowSize(), (itk::SamModel::SizeType{ { 16, 16, 4 } }));
  EXPECT_EQ(model->GetPatchSize(), 4u);
  EXPECT_EQ(model->GetNumberOfChannels(), 1u);
  EXPECT_EQ(model->GetChannelNames(), "MR");
  EXPECT_EQ(model->GetLabelValues(), (std::vector<int>{ 0, 3, 7 }));
  EXPECT_EQ(model->GetLabelNames()[1], "first");
  EXPECT_EQ(model->GetLabelColors()[2], (itk::SamModel::ColorType{ { 86, 180, 233 } }));
  EXPECT_EQ(model->GetNumberOfQueries(), 3u);
  EXPECT_EQ(model->GetDevice(), "cpu");
  EXPECT_NE(model->GetPlanJson().find("mask_classification"), std::string::npos);
  itk::SamTestModelOptions options;
  options.dimension = 2;
  EXPECT_EQ(itk::MakeSamTestModel(options)->GetDimension(), 2u);
}

TEST(SamModel, FileGivesTheSameAnswers)
{
  const std::string fileName = testing::TempDir() + "itkSamModelGTest.safetensors";
  const auto        model = itk::MakeSamTestModel();
  model->Write(fileName);
  const auto read = itk::SamModel::Read(fileName, "cpu");
  EXPECT_EQ(read->GetFileName(), fileName);
  EXPECT_EQ(read->GetPlanJson(), model->GetPlanJson());
  const auto image = MakeInput({ 1, 4, 16, 16 });
  EXPECT_EQ(ToHost(read->Encode(image)), ToHost(model->Encode(image)));
  std::remove(fileName.c_str());
}

TEST(SamModel, StagesAnswerProbabilities)
{
  const auto model = itk::MakeSamTestModel();
  const auto embedding = model->Encode(MakeInput({ 1, 4, 16, 14 }));
  EXPECT_EQ(embedding.GetSizes(),
            (std::vector<int64_t>{ static_cast<int64_t>(model->GetNumberOfEmbeddingChannels()), 4, 4, 4 }));
  const auto prompts = model->Prompt(embedding);
  EXPECT_EQ(prompts.masks.GetSizes(), (std::vector<int64_t>{ 3, 4, 16, 16 }));
  EXPECT_EQ(prompts.boxes.GetSizes(), (std::vector<int64_t>{ 4, 3, 4 }));
  EXPECT_EQ(prompts.classTokens.GetSizes(), (std::vector<int64_t>{ 4, 3, 16 }));
  const auto probabilities = model->Classify(embedding, prompts);
  ASSERT_EQ(probabilities.GetSizes(), (std::vector<int64_t>{ 3, 4, 16, 16 }));
  const auto   values = ToHost(probabilities);
  const size_t voxels = 4 * 16 * 16;
  for (size_t k = 0; k < voxels; ++k)
  {
    EXPECT_NEAR(values[k] + values[k + voxels] + values[k + 2 * voxels], 1.0f, 1e-5f);
  }
}

TEST(SamModel, NothingToSeeIsBackground)
{
  itk::SamTestModelOptions options;
  options.isSharp = true;
  for (const auto & model : { itk::MakeSamTestModel(options), itk::MakePrototypeSamTestModel() })
  {
    constexpr size_t slices = 4;
    const auto       side = static_cast<int64_t>(model->GetWindowSize()[0]);
    const auto       slice = static_cast<size_t>(side * side);
    const auto       classify = [&](size_t blankSlices) {
      auto values = ToHost(MakeInput({ 1, slices, side, side }));
      std::fill_n(values.begin(), blankSlices * slice, 0.7f);
      const auto embedding =
        model->Encode(itk::SamTensor::FromHost(values.data(), { 1, static_cast<int64_t>(slices), side, side }));
      return ToHost(model->HasPrototypes() ? model->Classify(embedding, model->PromptByPrototypes(embedding).prompt)
                                           : model->Classify(embedding, model->Prompt(embedding)));
    };
    // Label by label, slice by slice.
    const auto blank = classify(slices);
    const auto isBackground = [&](size_t k) { return k < blank.size() / model->GetNumberOfLabels(); };
    for (size_t k = 0; k < blank.size(); ++k)
    {
      ASSERT_EQ(blank[k], isBackground(k) ? 1.0f : 0.0f) << k;
    }
    const auto partly = classify(2);
    const auto seen = classify(0);
    for (size_t k = 0; k < partly.size(); ++k)
    {
      const bool isBlank = k / slice % slices < 2;
      if (model->HasPrototypes())
      {
        ASSERT_NEAR(partly[k], !isBlank ? seen[k] : isBackground(k) ? 1.0f : 0.0f, 1e-6f) << "slices by themselves";
      }
      else if (isBlank)
      {
        ASSERT_NE(partly[k], 0.0f) << "slices that others are seen from";
      }
    }
  }
}

TEST(SamModel, RefusesTensorsOfAnotherShape)
{
  const auto model = itk::MakeSamTestModel();
  EXPECT_EQ(MessageOf([&] { model->Encode(MakeInput({ 2, 4, 16, 16 })); }),
            "image of size 2x4x16x16, expected 1xanyxanyxany");
  EXPECT_THROW(model->Prompt(MakeInput({ 5, 4, 4, 4 })), itk::ExceptionObject);
  EXPECT_THROW(model->Encode(itk::SamTensor()), itk::ExceptionObject);
  const auto embedding = model->Encode(MakeInput({ 1, 4, 16, 16 }));
  auto       prompts = model->Prompt(embedding);
  prompts.boxes = MakeInput({ 4, 2, 4 });
  EXPECT_EQ(MessageOf([&] { model->Classify(embedding, prompts); }), "boxes of size 4x2x4, expected 4x3x4");
}

TEST(SamModel, ProgressRisesAndStops)
{
  const auto          model = itk::MakeSamTestModel();
  const auto          image = MakeInput({ 1, 4, 16, 16 });
  std::vector<double> seen;
  model->Encode(image, [&seen](double fraction) {
    seen.push_back(fraction);
    return true;
  });
  ASSERT_GE(seen.size(), 2u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_DOUBLE_EQ(seen.back(), 1.0);
  EXPECT_THROW(model->Encode(image, [](double) { return false; }), itk::ProcessAborted);
}

TEST(SamModel, SaysWhatIsWrongInOneLine)
{
  const auto missing = MessageOf([] { itk::SamModel::Read("/nowhere/model.safetensors", "cpu"); });
  EXPECT_NE(missing.find("/nowhere/model.safetensors"), std::string::npos) << missing;
  EXPECT_EQ(missing.find('\n'), std::string::npos);

  const std::string fileName = testing::TempDir() + "itkSamModelGTest.broken.safetensors";
  std::ofstream(fileName) << "not a model";
  const auto broken = MessageOf([&] { itk::SamModel::Read(fileName, "cpu"); });
  EXPECT_NE(broken.find(fileName), std::string::npos) << broken;
  std::remove(fileName.c_str());

  const auto unknown = MessageOf([&] { itk::SamModel::Read(fileName, "abacus"); });
  EXPECT_EQ(unknown, "device 'abacus', expected auto, cpu, cuda or cuda:N");
  const auto word = MessageOf([&] { itk::SamModel::Read(fileName, "cpu", "float8"); });
  EXPECT_NE(word.find("'float8', expected auto, float32, bfloat16 or int8"), std::string::npos) << word;
  const auto tooHigh = MessageOf([&] { itk::SamModel::Read(fileName, "cuda:99"); });
  EXPECT_NE(tooHigh.find("is not there"), std::string::npos) << tooHigh;
}
