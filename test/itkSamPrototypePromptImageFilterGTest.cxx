// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamPrototypePromptImageFilter.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamSegmentationImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkExtractImageFilter.h"
#include "itkImageRegionIteratorWithIndex.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <vector>

namespace
{
using sam::test::Contains;
using sam::test::MessageOf;
using VolumeType = itk::Image<float, 3>;
using SliceType = itk::Image<float, 2>;
using ChannelVolumeType = itk::VectorImage<float, 3>;
using LabelVolumeType = itk::Image<unsigned char, 3>;

VolumeType::Pointer
MakeVolume()
{
  auto volume = itk::MakeSamTestVolume<VolumeType>({ { 26, 21, 4 } });
  // Slices of their own intensities.
  const auto first = volume->GetLargestPossibleRegion().GetIndex(2);
  for (itk::ImageRegionIteratorWithIndex<VolumeType> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto slice = static_cast<float>(it.GetIndex()[2] - first);
    it.Set(slice == 3.0f ? 77.0f : it.Get() * (1.0f + slice) - 30.0f * slice);
  }
  return volume;
}

SliceType::Pointer
GetSlice(const VolumeType * volume, int slice)
{
  auto region = volume->GetLargestPossibleRegion();
  region.SetIndex(2, region.GetIndex(2) + slice);
  region.SetSize(2, 0);
  auto extract = itk::ExtractImageFilter<VolumeType, SliceType>::New();
  extract->SetInput(volume);
  extract->SetExtractionRegion(region);
  extract->SetDirectionCollapseToSubmatrix();
  extract->Update();
  return extract->GetOutput();
}

struct Chain
{
  explicit Chain(const VolumeType * image, const itk::SamModel * model)
  {
    resample->SetInput(image);
    resample->SetModel(model);
    encoder->SetInput(resample->GetOutput());
    encoder->SetModel(model);
    prompter->SetInput(encoder->GetOutput());
    prompter->SetModel(model);
    classifier->SetInput(encoder->GetOutput());
    classifier->SetDensePrompt(prompter->GetOutput());
    classifier->SetModel(model);
  }

  itk::SamResampleImageFilter<VolumeType>::Pointer       resample = itk::SamResampleImageFilter<VolumeType>::New();
  itk::SamEncoderImageFilter<ChannelVolumeType>::Pointer encoder = itk::SamEncoderImageFilter<ChannelVolumeType>::New();
  itk::SamPrototypePromptImageFilter<ChannelVolumeType>::Pointer prompter =
    itk::SamPrototypePromptImageFilter<ChannelVolumeType>::New();
  itk::SamMaskClassificationImageFilter<ChannelVolumeType>::Pointer classifier =
    itk::SamMaskClassificationImageFilter<ChannelVolumeType>::New();
};
} // namespace

TEST(SamPrototypePrompt, LiesOnTheGridOfTheEmbedding)
{
  const auto model = itk::MakePrototypeSamTestModel();
  const auto volume = MakeVolume();
  Chain      chain(volume, model);
  chain.prompter->Update();
  const auto * embedding = chain.encoder->GetOutput();
  const auto * prompt = chain.prompter->GetOutput();
  const auto * similarity = chain.prompter->GetSimilarity();
  EXPECT_EQ(prompt->GetNumberOfComponentsPerPixel(), 16u);
  EXPECT_EQ(prompt->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 7, 6, 4 } }));
  for (const itk::ImageBase<3> * output :
       { static_cast<const itk::ImageBase<3> *>(prompt), static_cast<const itk::ImageBase<3> *>(similarity) })
  {
    EXPECT_EQ(output->GetBufferedRegion(), embedding->GetLargestPossibleRegion());
    EXPECT_EQ(output->GetSpacing(), embedding->GetSpacing());
    EXPECT_EQ(output->GetOrigin(), embedding->GetOrigin());
    EXPECT_EQ(output->GetDirection(), embedding->GetDirection());
  }
  std::set<float> values;
  const auto      count = similarity->GetBufferedRegion().GetNumberOfPixels();
  for (size_t k = 0; k < count; ++k)
  {
    const float value = similarity->GetBufferPointer()[k];
    EXPECT_LE(std::abs(value), 1.0f + 1e-6f);
    values.insert(value);
  }
  EXPECT_GT(values.size(), count / 2);
  ASSERT_EQ(chain.prompter->GetAddresses().size(), 4u);
  for (const auto & shares : chain.prompter->GetAddresses())
  {
    EXPECT_EQ(shares.size(), 6u);
    EXPECT_NEAR(std::accumulate(shares.begin(), shares.end(), 0.0), 1.0, 1e-5);
  }
}

TEST(SamPrototypePrompt, ProbabilitiesAreOnTheVoxelsAndSumToOne)
{
  Chain chain(MakeVolume(), itk::MakePrototypeSamTestModel());
  chain.classifier->Update();
  const auto * probabilities = chain.classifier->GetOutput();
  EXPECT_EQ(probabilities->GetNumberOfComponentsPerPixel(), 3u);
  EXPECT_EQ(probabilities->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 28, 24, 4 } }));
  const auto count = probabilities->GetBufferedRegion().GetNumberOfPixels();
  for (size_t k = 0; k < count; ++k)
  {
    const float * values = probabilities->GetBufferPointer() + 3 * k;
    ASSERT_NEAR(values[0] + values[1] + values[2], 1.0f, 1e-5f);
  }
}

TEST(SamPrototypePrompt, VolumesAreSegmentedSliceBySlice)
{
  const auto model = itk::MakePrototypeSamTestModel();
  const auto volume = MakeVolume();
  auto       segment = itk::SamSegmentationImageFilter<VolumeType>::New();
  segment->SetInput(volume);
  segment->SetModel(model);
  segment->Update();
  const auto *            labels = segment->GetOutput();
  std::set<unsigned char> found;
  const auto              start = labels->GetLargestPossibleRegion().GetIndex();
  for (int slice = 0; slice < 4; ++slice)
  {
    auto planar = itk::SamSegmentationImageFilter<SliceType>::New();
    planar->SetInput(GetSlice(volume, slice));
    planar->SetModel(model);
    planar->Update();
    int differences = 0;
    for (itk::ImageRegionConstIteratorWithIndex<itk::Image<unsigned char, 2>> it(
           planar->GetOutput(), planar->GetOutput()->GetLargestPossibleRegion());
         !it.IsAtEnd();
         ++it)
    {
      differences += it.Get() != labels->GetPixel({ { it.GetIndex()[0], it.GetIndex()[1], start[2] + slice } });
      found.insert(it.Get());
    }
    // Slices of one call and single ones differ by rounding alone.
    EXPECT_LE(differences, 1) << "slice " << slice;
  }
  EXPECT_GT(found.size(), 1u) << "the test sees one label alone";
}

TEST(SamPrototypePrompt, SlicesAreNormalizedByThemselves)
{
  auto volume = VolumeType::New();
  volume->SetRegions(itk::Size<3>{ { 40, 50, 3 } });
  volume->Allocate(true);
  // Slice 0: 1 to 1000 and as many zeros; slice 1: the same ten times as bright; slice 2: nothing.
  for (int k = 0; k < 1000; ++k)
  {
    volume->GetBufferPointer()[k] = static_cast<float>(k + 1);
    volume->GetBufferPointer()[2000 + k] = static_cast<float>(10 * (k + 1));
  }
  auto resample = itk::SamResampleImageFilter<VolumeType>::New();
  resample->SetInput(volume);
  resample->SetModel(itk::MakePrototypeSamTestModel());
  resample->Update();
  const float * values = resample->GetOutput()->GetBufferPointer();
  // Percentiles 0.2 and 99.8 of 1 to 1000.
  const double        lower = 1.0 + 0.002 * 999.0;
  const double        upper = 1.0 + 0.998 * 999.0;
  double              sum = 0.0;
  double              squares = 0.0;
  std::vector<double> limited(2000, 0.0);
  for (size_t k = 0; k < 2000; ++k)
  {
    limited[k] = k < 1000 ? std::min(std::max(static_cast<double>(k + 1), lower), upper) : 0.0;
    sum += limited[k];
    squares += limited[k] * limited[k];
  }
  const double mean = sum / 2000.0;
  const double deviation = std::sqrt(squares / 2000.0 - mean * mean);
  for (size_t k = 0; k < 2000; ++k)
  {
    ASSERT_NEAR(values[k], (limited[k] - mean) / deviation, 1e-5);
    ASSERT_NEAR(values[2000 + k], values[k], 1e-5);
    ASSERT_EQ(values[4000 + k], 0.0f);
  }
}

TEST(SamPrototypePrompt, SlicesAreStretchedToTheWindow)
{
  const auto model = itk::MakePrototypeSamTestModel("window");
  EXPECT_EQ(model->GetStretchedSize(), (itk::SamModel::SizeType{ { 20, 20, 0 } }));
  // An oblique volume, too: its own axes are those of the model's voxels.
  VolumeType::SpacingType spacing;
  spacing[0] = 0.5;
  spacing[1] = 0.8;
  spacing[2] = 4.0;
  VolumeType::PointType origin;
  origin.Fill(-3.0);
  const auto volume =
    itk::MakeSamTestImage<VolumeType>({ { 3, -4, 2 } }, { { 33, 47, 3 } }, spacing, origin, itk::ObliqueSamDirection());
  Chain chain(volume, model);
  chain.resample->Update();
  const auto * resampled = chain.resample->GetOutput();
  EXPECT_EQ(resampled->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 20, 20, 3 } }));
  EXPECT_DOUBLE_EQ(resampled->GetSpacing()[0], 0.5 * 33.0 / 20.0);
  EXPECT_DOUBLE_EQ(resampled->GetSpacing()[1], 0.8 * 47.0 / 20.0);
  EXPECT_DOUBLE_EQ(resampled->GetSpacing()[2], 4.0);
  // Both have the same center.
  const auto middle = [](const itk::ImageBase<3> * image) {
    itk::ContinuousIndex<double, 3> index;
    itk::Point<double, 3>           point;
    for (unsigned int i = 0; i < 3; ++i)
    {
      index[i] = static_cast<double>(image->GetLargestPossibleRegion().GetIndex(i)) +
                 0.5 * (static_cast<double>(image->GetLargestPossibleRegion().GetSize(i)) - 1.0);
    }
    image->TransformContinuousIndexToPhysicalPoint(index, point);
    return point;
  };
  EXPECT_LT(middle(resampled).EuclideanDistanceTo(middle(volume)), 1e-9);

  auto segment = itk::SamSegmentationImageFilter<VolumeType>::New();
  segment->SetInput(volume);
  segment->SetModel(model);
  segment->Update();
  EXPECT_EQ(segment->GetNumberOfWindows(), 3u) << "one for each slice";
  EXPECT_EQ(segment->GetOutput()->GetLargestPossibleRegion(), volume->GetLargestPossibleRegion());

  // An image of the window's size is taken as it is, with the same answer as where spacing counts.
  const auto small = itk::MakeSamTestVolume<VolumeType>({ { 20, 20, 2 } });
  const auto labels = [&small](const itk::SamModel * ofModel) {
    auto filter = itk::SamSegmentationImageFilter<VolumeType>::New();
    filter->SetInput(small);
    filter->SetModel(ofModel);
    filter->Update();
    const auto * output = filter->GetOutput();
    return std::vector<unsigned char>(output->GetBufferPointer(), output->GetBufferPointer() + 800);
  };
  EXPECT_EQ(labels(model), labels(itk::MakePrototypeSamTestModel()));
}

TEST(SamPrototypePrompt, MistakesAreNamed)
{
  const auto volume = MakeVolume();
  const auto model = itk::MakePrototypeSamTestModel();
  const auto other = itk::MakeSamTestModel();

  Chain chain(volume, model);
  chain.prompter->SetModel(other);
  EXPECT_TRUE(Contains(MessageOf([&] { chain.prompter->Update(); }), "has no prototypes"));

  auto automatic = itk::SamAutoPromptImageFilter<ChannelVolumeType>::New();
  automatic->SetInput(chain.encoder->GetOutput());
  automatic->SetModel(model);
  EXPECT_TRUE(Contains(MessageOf([&] { automatic->Update(); }), "SamPrototypePromptImageFilter"));

  chain.prompter->SetModel(model);
  chain.classifier->SetDensePrompt(nullptr);
  EXPECT_TRUE(Contains(MessageOf([&] { chain.classifier->Update(); }), "DensePrompt is not set"));
  // A map that belongs to something else.
  chain.classifier->SetDensePrompt(chain.classifier->GetInput());
  EXPECT_NO_THROW(chain.classifier->Update());
  chain.classifier->SetDensePrompt(chain.resample->GetOutput());
  EXPECT_TRUE(Contains(MessageOf([&] { chain.classifier->Update(); }), "the dense prompt has 1 components"));
  auto shifted = itk::SamTensorImage<3>::New();
  chain.prompter->Update();
  shifted->Graft(chain.prompter->GetOutput());
  auto origin = shifted->GetOrigin();
  origin[0] += 5.0;
  shifted->SetOrigin(origin);
  chain.classifier->SetDensePrompt(shifted);
  EXPECT_TRUE(Contains(MessageOf([&] { chain.classifier->Update(); }), "does not belong to the embedding"));
}
