// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamPromptedSegmentationImageFilter.h"
#include "itkSamSliceEncoderImageFilter.h"

#include "itkRGBPixel.h"

#include "samNetwork.h"
#include "samSafetensors.h"
#include "samTorchFile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

// Whole networks in their published sizes against what full_size/record.py recorded of the published programs. Weights
// and picture are made by the formulas of that script, so that no large file is needed.

namespace
{
using ImageType = itk::Image<itk::RGBPixel<unsigned char>, 2>;
using FilterType = itk::SamPromptedSegmentationImageFilter<ImageType>;
using EncoderType = itk::SamSliceEncoderImageFilter<ImageType>;

constexpr size_t embeddingStride = 2621;
constexpr size_t logitStride = 131;
constexpr size_t width = 640;
constexpr size_t height = 480;

/** Numbers from -1 to 1 by the name of a tensor and the index in it. */
class Noise
{
public:
  explicit Noise(const std::string & name)
  {
    for (const char letter : name)
    {
      m_Seed = (m_Seed ^ static_cast<unsigned char>(letter)) * 16777619u;
    }
  }

  double
  operator()(uint32_t index) const
  {
    uint32_t x = index * 2654435761u + m_Seed;
    x ^= x >> 16;
    x *= 0x85EBCA6Bu;
    x ^= x >> 13;
    x *= 0xC2B2AE35u;
    x ^= x >> 16;
    return x / 2147483648.0 - 1.0;
  }

private:
  uint32_t m_Seed{ 2166136261u };
};

void
Fill(const std::string & name, const at::Tensor & tensor)
{
  const auto endsWith = [&name](const std::string & end) {
    return name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  double offset = 0.0;
  double scale = 1.0;
  if (endsWith("running_var"))
  {
    offset = 1.0;
    scale = 0.5;
  }
  else if (tensor.dim() == 1)
  {
    offset = endsWith(".weight") ? 1.0 : 0.0;
    scale = endsWith(".weight") ? 0.2 : 0.1;
  }
  else if (tensor.size(0) > 1)
  {
    scale = std::sqrt(3.0 * static_cast<double>(tensor.size(0)) / static_cast<double>(tensor.numel()));
  }
  const Noise noise(name);
  auto *      values = tensor.data_ptr<float>();
  for (int64_t k = 0; k < tensor.numel(); ++k)
  {
    values[k] = static_cast<float>(offset + scale * noise(static_cast<uint32_t>(k)));
  }
}

/** A checkpoint as it is published: names and sizes tell what it is. */
std::string
WriteCheckpoint(const std::string & encoder, const std::string & decoder)
{
  auto plan = sam::Plan::WithEncoder(encoder);
  plan.promptSource = "manual";
  plan.decoder = decoder;
  plan.channels = { { "red" }, { "green" }, { "blue" } };
  const auto tensors = sam::Network(plan, 0).GetParameters().GetTensors();
  for (const auto & [name, tensor] : tensors)
  {
    Fill(name, tensor);
  }
  const auto path = std::filesystem::path(testing::TempDir()) / ("full_size_" + decoder + "_" + encoder);
  if (encoder == "tiny_vit")
  {
    std::ofstream(path, std::ios::binary) << sam::torchfile::Save(tensors);
  }
  else
  {
    sam::WriteSafetensors(path.string(), { tensors, {} });
  }
  return path.string();
}

/** Stripes that are turned over in a disk. */
ImageType::Pointer
MakePicture()
{
  auto image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { width, height } });
  image->Allocate();
  auto * pixel = image->GetBufferPointer();
  for (int y = 0; y < static_cast<int>(height); ++y)
  {
    for (int x = 0; x < static_cast<int>(width); ++x, ++pixel)
    {
      const bool isInDisk = (x - 300) * (x - 300) + (y - 200) * (y - 200) < 120 * 120;
      for (int c = 0; c < 3; ++c)
      {
        const int color = (x * (2 + c) + y * (3 - c)) / 4 % 256;
        pixel->SetElement(static_cast<unsigned int>(c), static_cast<unsigned char>(isInDisk ? 255 - color : color));
      }
    }
  }
  return image;
}

void
ExpectClose(const std::vector<float> & found, const at::Tensor & recorded, const std::string & what)
{
  const auto   expected = recorded.contiguous();
  const auto * values = expected.data_ptr<float>();
  ASSERT_EQ(found.size(), static_cast<size_t>(expected.numel())) << what;
  float magnitude = 0.0f;
  float difference = 0.0f;
  for (size_t k = 0; k < found.size(); ++k)
  {
    magnitude = std::max(magnitude, std::abs(values[k]));
    difference = std::max(difference, std::abs(found[k] - values[k]));
  }
  EXPECT_LE(difference, 5e-5f * magnitude) << what;
}

class FullSize : public testing::Test
{
protected:
  void
  Check(const std::string & encoder, const std::string & decoder, const std::string & recording)
  {
    itk::SamModel::SetNumberOfThreads(1);
    m_Recorded = sam::ReadSafetensors(std::string(SEGMENTANYTHING_TEST_FIXTURES "/../full_size/") + recording).tensors;
    const auto path = WriteCheckpoint(encoder, decoder);
    m_Model = itk::SamModel::Read(path);
    std::filesystem::remove(path);
    m_Image = MakePicture();
    m_Encoder = EncoderType::New();
    m_Encoder->SetInput(m_Image);
    m_Encoder->SetModel(m_Model);
    m_Encoder->Update();
    this->CheckEmbedding();
    for (const bool hasBox : { false, true })
    {
      for (const bool isMultimask : { false, true })
      {
        this->CheckMasks(hasBox, isMultimask, false);
        if (decoder == "hq")
        {
          this->CheckMasks(hasBox, isMultimask, true);
        }
      }
    }
  }

private:
  void
  CheckEmbedding() const
  {
    const auto *       embedding = m_Encoder->GetOutput();
    const size_t       components = embedding->GetNumberOfComponentsPerPixel();
    const float *      values = embedding->GetBufferPointer();
    const size_t       tokens = 64 * 64;
    std::vector<float> found;
    for (size_t k = 0; k < 256 * tokens; k += embeddingStride)
    {
      found.push_back(values[k % tokens * components + k / tokens]);
    }
    ExpectClose(found, m_Recorded.at("embedding"), "embedding");
  }

  void
  CheckMasks(bool hasBox, bool isMultimask, bool isHqOnly) const
  {
    auto filter = FilterType::New();
    filter->SetInput(m_Image);
    filter->SetModel(m_Model);
    filter->SetEmbedding(m_Encoder->GetOutput());
    filter->SetMultimask(isMultimask);
    filter->SetHqTokenOnly(isHqOnly);
    const auto point = [](double x, double y) {
      FilterType::PointType position;
      position[0] = x;
      position[1] = y;
      return position;
    };
    filter->AddPoint(point(310, 215));
    if (hasBox)
    {
      filter->AddPoint(point(90, 400), false);
      filter->AddBox(point(180, 80), point(430, 330));
    }
    filter->Update();

    const std::string name = std::string(hasBox ? "points_and_box" : "point") + (isMultimask ? "/multimask" : "") +
                             (isHqOnly ? "/hq_token_only" : "");
    std::vector<float> scores;
    for (const auto & score : filter->GetScores())
    {
      scores.push_back(score.score);
    }
    ExpectClose(scores, m_Recorded.at(name + "/scores"), name + "/scores");
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();

    const auto         logits = filter->GetLogits();
    std::vector<float> found;
    for (size_t k = 0; k < 256 * 256; k += logitStride)
    {
      found.push_back(logits->GetBufferPointer()[k]);
    }
    ExpectClose(found, m_Recorded.at(name + "/logits")[best], name + "/logits");

    const auto *  labels = filter->GetOutput()->GetBufferPointer();
    const auto    pixels = std::count_if(labels, labels + width * height, [](auto label) { return label != 0; });
    const int64_t expected = m_Recorded.at(name + "/pixels")[best].item<int64_t>();
    EXPECT_LE(std::abs(pixels - expected), 5) << name << ": logits that are nearly 0";
  }

  std::map<std::string, at::Tensor> m_Recorded;
  itk::SamModel::Pointer            m_Model;
  ImageType::Pointer                m_Image;
  EncoderType::Pointer              m_Encoder;
};
} // namespace

TEST_F(FullSize, LightHqSam)
{
  Check("tiny_vit", "hq", "hq_vit_tiny.safetensors");
}

TEST_F(FullSize, SamVitB)
{
  Check("vit_b", "sam", "sam_vit_b.safetensors");
}

TEST_F(FullSize, HqSamVitB)
{
  const char * value = std::getenv("SEGMENTANYTHING_FULL_SIZE");
  if (value == nullptr || std::string(value) != "1")
  {
    GTEST_SKIP() << "SEGMENTANYTHING_FULL_SIZE is not 1; takes as long as FullSize.SamVitB again";
  }
  Check("vit_b", "hq", "hq_vit_b.safetensors");
}
