// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamResampleImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkCommand.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkMetaImageIOFactory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

namespace
{
using sam::test::MessageOf;

template <unsigned int VDimension>
struct Chain
{
  using ImageType = itk::Image<float, VDimension>;
  using ChannelImageType = itk::VectorImage<float, VDimension>;
  using ResampleType = itk::SamResampleImageFilter<ImageType>;
  using EncoderType = itk::SamEncoderImageFilter<ChannelImageType>;
  using PromptType = itk::SamAutoPromptImageFilter<ChannelImageType>;
  using ClassifierType = itk::SamMaskClassificationImageFilter<ChannelImageType>;

  Chain(const ImageType * image, const itk::SamModel * model)
  {
    resample->SetInput(image);
    resample->SetModel(model);
    encoder->SetInput(resample->GetOutput());
    encoder->SetModel(model);
    prompter->SetInput(encoder->GetOutput());
    prompter->SetModel(model);
    classifier->SetInput(encoder->GetOutput());
    classifier->SetPrompts(prompter->GetOutput());
    classifier->SetModel(model);
    const auto count = [](itk::ProcessObject * filter, unsigned int & runs) {
      filter->AddObserver(itk::EndEvent(), [&runs](const itk::EventObject &) { ++runs; });
    };
    count(resample, resampleRuns);
    count(encoder, encoderRuns);
    count(prompter, prompterRuns);
    count(classifier, classifierRuns);
  }

  typename ResampleType::Pointer   resample = ResampleType::New();
  typename EncoderType::Pointer    encoder = EncoderType::New();
  typename PromptType::Pointer     prompter = PromptType::New();
  typename ClassifierType::Pointer classifier = ClassifierType::New();
  unsigned int                     resampleRuns{ 0 };
  unsigned int                     encoderRuns{ 0 };
  unsigned int                     prompterRuns{ 0 };
  unsigned int                     classifierRuns{ 0 };
};
using Chain3 = Chain<3>;

Chain3::ImageType::Pointer
MakeOblique()
{
  Chain3::ImageType::SpacingType spacing;
  Chain3::ImageType::PointType   origin;
  for (unsigned int i = 0; i < 3; ++i)
  {
    spacing[i] = 0.9 + 0.3 * i;
    origin[i] = 10.0 - 7.0 * i;
  }
  return itk::MakeSamTestImage<Chain3::ImageType>(
    { { 3, -4, 2 } }, { { 17, 14, 5 } }, spacing, origin, itk::ObliqueSamDirection());
}

itk::SamModel::Pointer
MakeAcquisitionModel()
{
  itk::SamTestModelOptions options;
  options.orientation = "acquisition";
  options.spacing = "[0.0, 0.0, 0.0]";
  return itk::MakeSamTestModel(options);
}

std::vector<float>
PixelsOf(const itk::VectorImage<float, 3> * image)
{
  const auto count = image->GetBufferedRegion().GetNumberOfPixels() * image->GetNumberOfComponentsPerPixel();
  return std::vector<float>(image->GetBufferPointer(), image->GetBufferPointer() + count);
}
} // namespace

TEST(SamStages, EveryStageKnowsWhereItLies)
{
  const auto image = MakeOblique();
  Chain3     chain(image, MakeAcquisitionModel());
  chain.classifier->Update();
  const auto * grid = chain.resample->GetOutput();
  const auto * embedding = chain.encoder->GetOutput();
  const auto * prompts = chain.prompter->GetOutput();
  const auto * probabilities = chain.classifier->GetOutput();

  EXPECT_EQ(grid->GetDirection(), image->GetDirection());
  EXPECT_EQ(embedding->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 5, 4, 5 } }));
  EXPECT_EQ(embedding->GetDirection(), image->GetDirection());
  EXPECT_DOUBLE_EQ(embedding->GetSpacing()[0], 4.0 * 0.9);
  EXPECT_DOUBLE_EQ(embedding->GetSpacing()[1], 4.0 * 1.2);
  EXPECT_DOUBLE_EQ(embedding->GetSpacing()[2], 1.5);
  // Voxels 4 to 7 make the second patch: the mean of their places is that of the token.
  itk::Point<double, 3> token;
  embedding->TransformIndexToPhysicalPoint({ { 1, 1, 2 } }, token);
  itk::Point<double, 3> middle;
  middle.Fill(0.0);
  for (int y = 4; y < 8; ++y)
  {
    for (int x = 4; x < 8; ++x)
    {
      itk::Point<double, 3> point;
      image->TransformIndexToPhysicalPoint({ { 3 + x, -4 + y, 2 + 2 } }, point);
      for (unsigned int a = 0; a < 3; ++a)
      {
        middle[a] += point[a] / 16.0;
      }
    }
  }
  EXPECT_LT(token.EuclideanDistanceTo(middle), 1e-9);

  EXPECT_EQ(prompts->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 20, 16, 5 } }));
  EXPECT_EQ(probabilities->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 20, 16, 5 } }));
  EXPECT_EQ(probabilities->GetNumberOfComponentsPerPixel(), 3u);
  itk::Point<double, 3> here;
  itk::Point<double, 3> there;
  image->TransformIndexToPhysicalPoint({ { 3 + 16, -4 + 13, 2 + 4 } }, here);
  prompts->TransformIndexToPhysicalPoint({ { 16, 13, 4 } }, there);
  EXPECT_LT(here.EuclideanDistanceTo(there), 1e-9);
  probabilities->TransformIndexToPhysicalPoint({ { 16, 13, 4 } }, there);
  EXPECT_LT(here.EuclideanDistanceTo(there), 1e-9);
  EXPECT_EQ(probabilities->GetDirection(), image->GetDirection());
}

TEST(SamStages, FlatImages)
{
  itk::SamTestModelOptions options;
  options.dimension = 2;
  options.spacing = "[0.0, 0.0, 0.0]";
  const auto image = itk::MakeSamTestVolume<itk::Image<float, 2>>({ { 18, 16 } });
  Chain<2>   chain(image, itk::MakeSamTestModel(options));
  chain.classifier->Update();
  EXPECT_EQ(chain.encoder->GetOutput()->GetLargestPossibleRegion().GetSize(), (itk::Size<2>{ { 5, 4 } }));
  const auto pixel = chain.classifier->GetOutput()->GetPixel({ { 3, 4 } });
  ASSERT_EQ(pixel.GetSize(), 3u);
  EXPECT_NEAR(pixel[0] + pixel[1] + pixel[2], 1.0f, 1e-5f);
  EXPECT_NO_THROW(chain.prompter->GetOutput()->GetBox(0, 2));
  EXPECT_THROW(chain.prompter->GetOutput()->GetBox(1, 0), itk::ExceptionObject);
}

TEST(SamStages, AChainCopiesNothingToTheHost)
{
  Chain3     chain(itk::MakeSamTestVolume<Chain3::ImageType>(), itk::MakeSamTestModel());
  const auto before = itk::SamTensor::GetNumberOfHostTransfers();
  chain.classifier->GetOutput()->UpdateTensor();
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before);
  EXPECT_EQ(chain.classifier->GetOutput()->GetTensor().GetSizes()[0], 3);
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before);
  chain.classifier->Update();
  EXPECT_EQ(itk::SamTensor::GetNumberOfHostTransfers(), before + 1) << "the last stage only";
}

TEST(SamStages, WhatDidNotChangeDoesNotRunAgain)
{
  Chain3 chain(itk::MakeSamTestVolume<Chain3::ImageType>(), itk::MakeSamTestModel());
  chain.classifier->Update();
  chain.classifier->Update();
  chain.encoder->Update();
  chain.prompter->Update();
  chain.classifier->Update();
  EXPECT_EQ(chain.resampleRuns, 1u);
  EXPECT_EQ(chain.encoderRuns, 1u);
  EXPECT_EQ(chain.prompterRuns, 1u);
  EXPECT_EQ(chain.classifierRuns, 1u);
  chain.prompter->Modified();
  chain.classifier->Update();
  EXPECT_EQ(chain.encoderRuns, 1u);
  EXPECT_EQ(chain.prompterRuns, 2u);
  EXPECT_EQ(chain.classifierRuns, 2u);
  chain.resample->SetOrientation("RAS");
  chain.classifier->Update();
  EXPECT_EQ(chain.resampleRuns, 2u);
  EXPECT_EQ(chain.encoderRuns, 2u);
  EXPECT_EQ(chain.classifierRuns, 3u);
}

TEST(SamStages, EmbeddingMayComeFromAFile)
{
  itk::MetaImageIOFactory::RegisterOneFactory();
  const auto  model = MakeAcquisitionModel();
  Chain3      chain(MakeOblique(), model);
  std::string fileName = testing::TempDir() + "itkSamStagesGTest.mha";
  auto        writer = itk::ImageFileWriter<Chain3::ChannelImageType>::New();
  writer->SetInput(chain.encoder->GetOutput());
  writer->SetFileName(fileName);
  writer->Update();
  chain.classifier->Update();

  auto reader = itk::ImageFileReader<Chain3::ChannelImageType>::New();
  reader->SetFileName(fileName);
  auto prompter = Chain3::PromptType::New();
  prompter->SetInput(reader->GetOutput());
  prompter->SetModel(model);
  auto classifier = Chain3::ClassifierType::New();
  classifier->SetInput(reader->GetOutput());
  classifier->SetPrompts(prompter->GetOutput());
  classifier->SetModel(model);
  classifier->Update();
  EXPECT_EQ(PixelsOf(classifier->GetOutput()), PixelsOf(chain.classifier->GetOutput()));
  itk::Point<double, 3> here;
  itk::Point<double, 3> there;
  classifier->GetOutput()->TransformIndexToPhysicalPoint({ { 7, 3, 2 } }, here);
  chain.classifier->GetOutput()->TransformIndexToPhysicalPoint({ { 7, 3, 2 } }, there);
  EXPECT_LT(here.EuclideanDistanceTo(there), 1e-5);
  std::remove(fileName.c_str());
}

TEST(SamStages, PromptsMayComeFromAFile)
{
  const auto model = MakeAcquisitionModel();
  Chain3     chain(MakeOblique(), model);
  chain.classifier->Update();
  const std::string fileName = testing::TempDir() + "itkSamStagesGTest.safetensors";
  chain.prompter->GetOutput()->Write(fileName);
  const auto prompts = itk::SamPromptImage<3>::Read(fileName);
  std::remove(fileName.c_str());
  EXPECT_EQ(prompts->GetNumberOfQueries(), 3u);
  EXPECT_EQ(prompts->GetOrigin(), chain.prompter->GetOutput()->GetOrigin());
  EXPECT_EQ(prompts->GetDirection(), chain.prompter->GetOutput()->GetDirection());
  EXPECT_EQ(prompts->GetBox(2, 1), chain.prompter->GetOutput()->GetBox(2, 1));

  auto classifier = Chain3::ClassifierType::New();
  classifier->SetInput(chain.encoder->GetOutput());
  classifier->SetPrompts(prompts);
  classifier->SetModel(model);
  classifier->Update();
  EXPECT_EQ(PixelsOf(classifier->GetOutput()), PixelsOf(chain.classifier->GetOutput()));

  const auto message = MessageOf([] { itk::SamPromptImage<3>::Read("/nowhere/prompts.safetensors"); });
  EXPECT_NE(message.find("/nowhere/prompts.safetensors"), std::string::npos) << message;
}

TEST(SamStages, BoxesArePhysical)
{
  const auto image = MakeOblique();
  auto       prompts = itk::SamPromptImage<3>::New();
  prompts->CopyInformation(image);
  prompts->SetRegions(image->GetLargestPossibleRegion());
  const std::vector<float> masks(1 * 5 * 14 * 17);
  std::vector<float>       boxes(5 * 1 * 4);
  const std::vector<float> tokens(5 * 1 * 2);
  // In slice 3, columns 2 to 5 and rows 7 to 13.
  boxes[12] = 2.0f / 17.0f;
  boxes[13] = 7.0f / 14.0f;
  boxes[14] = 6.0f / 17.0f;
  boxes[15] = 1.0f;
  itk::SamPrompts all;
  all.masks = itk::SamTensor::FromHost(masks.data(), { 1, 5, 14, 17 });
  all.boxes = itk::SamTensor::FromHost(boxes.data(), { 5, 1, 4 });
  all.classTokens = itk::SamTensor::FromHost(tokens.data(), { 5, 1, 2 });
  prompts->SetPrompts(all);
  const auto                      box = prompts->GetBox(3, 0);
  itk::ContinuousIndex<double, 3> first;
  itk::ContinuousIndex<double, 3> second;
  image->TransformPhysicalPointToContinuousIndex(box.first, first);
  image->TransformPhysicalPointToContinuousIndex(box.second, second);
  EXPECT_NEAR(first[0], 3 + 2 - 0.5, 1e-5);
  EXPECT_NEAR(first[1], -4 + 7 - 0.5, 1e-5);
  EXPECT_NEAR(first[2], 2 + 3, 1e-5);
  EXPECT_NEAR(second[0], 3 + 5 + 0.5, 1e-5);
  EXPECT_NEAR(second[1], -4 + 13 + 0.5, 1e-5);
  EXPECT_NEAR(second[2], 2 + 3, 1e-5);
  all.boxes = itk::SamTensor::FromHost(boxes.data(), { 1, 5, 4 });
  EXPECT_THROW(prompts->SetPrompts(all), itk::ExceptionObject);
}

TEST(SamStages, RefusesWhatDoesNotBelongTogether)
{
  const auto model = MakeAcquisitionModel();
  Chain3     chain(MakeOblique(), model);
  Chain3     other(itk::MakeSamTestVolume<Chain3::ImageType>(), model);
  Chain3     shifted(MakeOblique(), model);
  auto       moved = MakeOblique();
  auto       origin = moved->GetOrigin();
  origin[1] += 3.0;
  moved->SetOrigin(origin);
  shifted.resample->SetInput(moved);
  chain.classifier->SetPrompts(other.prompter->GetOutput());
  const auto sizes = MessageOf([&] { chain.classifier->Update(); });
  EXPECT_EQ(sizes, "the prompts do not belong to the embedding: size 24x20x7, expected 20x16x5");
  chain.classifier->SetPrompts(shifted.prompter->GetOutput());
  const auto place = MessageOf([&] { chain.classifier->Update(); });
  EXPECT_NE(place.find("the prompts do not belong to the embedding: a corner lies at ("), std::string::npos) << place;

  auto prompter = Chain3::PromptType::New();
  prompter->SetInput(chain.resample->GetOutput());
  prompter->SetModel(model);
  const auto channels = MessageOf([&] { prompter->Update(); });
  EXPECT_NE(channels.find("the embedding has 1 components"), std::string::npos) << channels;
  prompter->SetModel(nullptr);
  EXPECT_EQ(MessageOf([&] { prompter->Update(); }), "no model is set");
  auto encoder = Chain3::EncoderType::New();
  encoder->SetInput(chain.resample->GetOutput());
  EXPECT_EQ(MessageOf([&] { encoder->Update(); }), "no model is set");
  auto flat = Chain<2>::EncoderType::New();
  flat->SetInput(Chain<2>::ChannelImageType::New());
  flat->SetModel(model);
  EXPECT_EQ(MessageOf([&] { flat->Update(); }), "the image has 2 dimensions, the model plan expects 3");
}

TEST(SamStages, EncoderReportsProgressAndStops)
{
  Chain3             chain(itk::MakeSamTestVolume<Chain3::ImageType>(), itk::MakeSamTestModel());
  std::vector<float> seen;
  chain.encoder->AddObserver(itk::ProgressEvent(),
                             [&](const itk::EventObject &) { seen.push_back(chain.encoder->GetProgress()); });
  chain.encoder->Update();
  ASSERT_GE(seen.size(), 2u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 1.0f);

  bool sawAbort = false;
  chain.encoder->AddObserver(itk::AbortEvent(), [&](const itk::EventObject &) { sawAbort = true; });
  chain.encoder->AddObserver(itk::ProgressEvent(),
                             [&](const itk::EventObject &) { chain.encoder->AbortGenerateDataOn(); });
  chain.encoder->Modified();
  EXPECT_THROW(chain.encoder->Update(), itk::ProcessAborted);
  EXPECT_TRUE(sawAbort);
  chain.encoder->RemoveAllObservers();
  EXPECT_NO_THROW(chain.encoder->Update()) << "works again after an abort";
}

TEST(SamStages, Print)
{
  Chain3 chain(itk::MakeSamTestVolume<Chain3::ImageType>(), itk::MakeSamTestModel());
  chain.classifier->Update();
  std::ostringstream text;
  chain.resample->Print(text);
  chain.encoder->Print(text);
  chain.prompter->Print(text);
  chain.classifier->Print(text);
  chain.prompter->GetOutput()->Print(text);
  for (const auto * part :
       { "Orientation: LPS", "MR: z_score", "Labels: 0 (background)", "ClassTokens: set", "on cpu" })
  {
    EXPECT_NE(text.str().find(part), std::string::npos) << part;
  }
}
