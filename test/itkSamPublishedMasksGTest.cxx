// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamPromptedSegmentationImageFilter.h"
#include "itkSamSliceEncoderImageFilter.h"

#include "itkRGBPixel.h"

#include "samCheckpoint.h"
#include "samNetwork.h"
#include "samRecording.h"
#include "samTorchFile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>

// The second record of the whole SAM: an image of 41 x 64 pixels in a square of 64, so that nothing is scaled.
TEST(SamPublishedMasks, TheFilterAnswersWhatThePublishedProgramAnswers)
{
  const sam::Recording recording(SEGMENTANYTHING_TEST_FIXTURES "/sam/sam_full_a.safetensors");
  sam::TensorShapes    shapes;
  for (const auto & [name, tensor] : recording.Weights())
  {
    shapes[name] = tensor.sizes().vec();
  }
  auto plan = sam::RecognizeCheckpoint(shapes, "parameters").plan;
  plan.decoderHeads = recording.Number("dec_heads");
  const auto model =
    itk::SamModel::FromNetwork(std::make_shared<sam::Network>(plan, recording.Weights(), "parameters"), "recorded");

  using ImageType = itk::Image<itk::RGBPixel<unsigned char>, 2>;
  using FilterType = itk::SamPromptedSegmentationImageFilter<ImageType>;
  const auto bytes = recording.Get("in/1/image").permute({ 1, 2, 0 }).to(at::kByte).contiguous();
  auto       image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { 41, 64 } });
  image->Allocate();
  std::copy_n(bytes.data_ptr<uint8_t>(), bytes.numel(), reinterpret_cast<unsigned char *>(image->GetBufferPointer()));
  auto filter = FilterType::New();
  filter->SetInput(image);
  filter->SetModel(model);
  const auto points = recording.Get("in/1/point_coords").to(at::kDouble).contiguous();
  const auto labels = recording.Get("in/1/point_labels").to(at::kDouble).contiguous();
  for (int64_t k = 0; k < points.size(1); ++k)
  {
    // Pixels are 1 mm, the first one's center is at 0, 0.
    filter->AddPoint(FilterType::PointType(points.data_ptr<double>() + 2 * k), labels.data_ptr<double>()[k] == 1.0);
  }
  for (const bool isMultimask : { false, true })
  {
    const std::string where = isMultimask ? "out/multimask/1/" : "out/single/1/";
    filter->SetMultimask(isMultimask);
    filter->Update();
    const auto scores = filter->GetScores();
    const auto expectedScores = recording.Get(where + "iou").contiguous();
    ASSERT_EQ(scores.size(), static_cast<size_t>(expectedScores.numel()));
    for (size_t k = 0; k < scores.size(); ++k)
    {
      EXPECT_NEAR(scores[k].score, expectedScores.data_ptr<float>()[k], 1e-4f);
    }
    const auto masks = filter->GetMasks();
    const auto expected = recording.Get(where + "masks").to(at::kByte).contiguous();
    int        different = 0;
    for (size_t m = 0; m < scores.size(); ++m)
    {
      for (size_t k = 0; k < 41 * 64; ++k)
      {
        const int found = masks->GetBufferPointer()[k * scores.size() + m];
        different += found != expected.data_ptr<uint8_t>()[m * 41 * 64 + k] ? 1 : 0;
      }
    }
    EXPECT_LE(different, 1) << "logits that are nearly 0";
  }
}

TEST(SamPublishedMasks, TheFilterAnswersWhatHqSamAnswers)
{
  const sam::Recording recording(SEGMENTANYTHING_TEST_FIXTURES "/hqsam/hq_whole_a.safetensors");
  const auto           path = (std::filesystem::path(testing::TempDir()) / "small_sam_hq.pth").string();
  std::ofstream(path, std::ios::binary) << sam::torchfile::Save(recording.Weights());
  const auto model = itk::SamModel::Read(path);
  std::filesystem::remove(path);
  EXPECT_EQ(model->GetNumberOfMultimasks(), 1u);

  using ImageType = itk::Image<itk::RGBPixel<unsigned char>, 2>;
  using FilterType = itk::SamPromptedSegmentationImageFilter<ImageType>;
  const auto bytes = recording.Get("in/image").contiguous();
  auto       image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { 40, 30 } });
  image->Allocate();
  std::copy_n(bytes.data_ptr<uint8_t>(), bytes.numel(), reinterpret_cast<unsigned char *>(image->GetBufferPointer()));

  auto encoder = itk::SamSliceEncoderImageFilter<ImageType>::New();
  encoder->SetInput(image);
  encoder->SetModel(model);
  encoder->Update();
  const auto   points = recording.Get("in/points").contiguous();
  const auto   labels = recording.Get("in/labels").contiguous();
  const auto   box = recording.Get("in/box").contiguous();
  const auto * corners = box.data_ptr<double>();
  for (const bool isEncodedBefore : { false, true })
  {
    for (const std::string given : { "points", "box", "points_box" })
    {
      auto filter = FilterType::New();
      filter->SetInput(image);
      filter->SetModel(model);
      filter->SetEmbedding(isEncodedBefore ? encoder->GetOutput() : nullptr);
      for (int64_t k = 0; given != "box" && k < points.size(0); ++k)
      {
        filter->AddPoint(FilterType::PointType(points.data_ptr<double>() + 2 * k), labels.data_ptr<int64_t>()[k] == 1);
      }
      if (given != "points")
      {
        filter->AddBox(FilterType::PointType(corners), FilterType::PointType(corners + 2));
      }
      for (const bool isMultimask : { false, true })
      {
        for (const bool isHqOnly : { false, true })
        {
          const std::string where =
            "out/" + given + (isMultimask ? "/multimask1" : "/multimask0") + (isHqOnly ? "_hqonly1/" : "_hqonly0/");
          filter->SetMultimask(isMultimask);
          filter->SetHqTokenOnly(isHqOnly);
          filter->Update();
          const auto scores = filter->GetScores();
          ASSERT_EQ(scores.size(), 1u);
          EXPECT_NEAR(scores[0].score, recording.Get(where + "iou")[0].item<float>(), 1e-4f) << where;
          const auto   expected = recording.Get(where + "logits").contiguous();
          const auto   masks = filter->GetMasks();
          const auto * logits = expected.data_ptr<float>();
          int          different = 0;
          for (size_t k = 0; k < 40 * 30; ++k)
          {
            different += (masks->GetBufferPointer()[k] != 0) != (logits[k] > 0.0f) ? 1 : 0;
          }
          EXPECT_LE(different, 1) << where << ": logits that are nearly 0";
        }
      }
    }
  }
}
