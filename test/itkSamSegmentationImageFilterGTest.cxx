// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamSegmentationImageFilter.h"

#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkCastImageFilter.h"
#include "itkRGBPixel.h"
#include "itkVector.h"

#include <gtest/gtest.h>

#include <limits>
#include <algorithm>
#include <map>
#include <string>
#include <vector>

namespace
{
using sam::test::MessageOf;
using ImageType = itk::Image<float, 3>;
using FilterType = itk::SamSegmentationImageFilter<ImageType>;
using LabelImageType = FilterType::OutputImageType;

LabelImageType::Pointer
Segment(const ImageType * image, const itk::SamModel * model)
{
  auto filter = FilterType::New();
  filter->SetInput(image);
  filter->SetModel(model);
  filter->Update();
  return filter->GetOutput();
}

template <typename TImage>
std::map<int, size_t>
CountLabels(const TImage * image)
{
  std::map<int, size_t> counts;
  for (itk::ImageRegionConstIteratorWithIndex<TImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    ++counts[static_cast<int>(it.Get())];
  }
  return counts;
}

itk::SamModel::Pointer
MakeModel(const std::string & spacing, const std::string & orientation = "LPS")
{
  itk::SamTestModelOptions options;
  options.spacing = spacing;
  options.orientation = orientation;
  options.isSharp = true;
  return itk::MakeSamTestModel(options);
}

ImageType::Pointer
MakeOblique()
{
  ImageType::SpacingType spacing;
  ImageType::PointType   origin;
  for (unsigned int i = 0; i < 3; ++i)
  {
    spacing[i] = 0.8 + 0.3 * i;
    origin[i] = 15.0 - 11.0 * i;
  }
  return itk::MakeSamTestImage<ImageType>(
    { { 3, -4, 2 } }, { { 24, 21, 9 } }, spacing, origin, itk::ObliqueSamDirection());
}

/** Runs the stages by themselves on one region and checks each voxel of the labels against ITK's own geometry. */
void
ExpectLabelsOfStages(const ImageType * image, const itk::SamModel * model)
{
  itk::ContinuousIndex<double, 3> middle;
  for (unsigned int i = 0; i < 3; ++i)
  {
    middle[i] = image->GetLargestPossibleRegion().GetIndex(i) +
                0.5 * (static_cast<double>(image->GetLargestPossibleRegion().GetSize(i)) - 1.0);
  }
  ImageType::PointType center;
  image->TransformContinuousIndexToPhysicalPoint(middle, center);
  auto resample = itk::SamResampleImageFilter<ImageType>::New();
  resample->SetInput(image);
  resample->SetModel(model);
  resample->UpdateOutputInformation();
  FilterType::VectorType size;
  size.Fill(0.0);
  for (unsigned int i = 0; i < 3; ++i)
  {
    for (unsigned int a = 0; a < 3; ++a)
    {
      size[a] += std::abs(resample->GetOutput()->GetDirection()(a, i)) * resample->GetOutput()->GetSpacing()[i] *
                 (i < 2 ? 16.0 : 4.0);
    }
  }
  resample->SetRegionOfInterest(center, size);
  auto encoder = itk::SamEncoderImageFilter<itk::VectorImage<float, 3>>::New();
  encoder->SetInput(resample->GetOutput());
  encoder->SetModel(model);
  auto prompter = itk::SamAutoPromptImageFilter<itk::VectorImage<float, 3>>::New();
  prompter->SetInput(encoder->GetOutput());
  prompter->SetModel(model);
  auto classifier = itk::SamMaskClassificationImageFilter<itk::VectorImage<float, 3>>::New();
  classifier->SetInput(encoder->GetOutput());
  classifier->SetPrompts(prompter->GetOutput());
  classifier->SetModel(model);
  classifier->Update();
  const auto * probabilities = classifier->GetOutput();
  ASSERT_EQ(probabilities->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 16, 16, 4 } }));

  auto filter = FilterType::New();
  filter->SetInput(image);
  filter->SetModel(model);
  filter->AddRegionOfInterest(center, size);
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfWindows(), 1u);
  const auto * labels = filter->GetOutput();
  ASSERT_EQ(labels->GetLargestPossibleRegion(), image->GetLargestPossibleRegion());
  size_t inside = 0;
  for (itk::ImageRegionConstIteratorWithIndex<LabelImageType> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd();
       ++it)
  {
    ImageType::PointType            point;
    itk::ContinuousIndex<double, 3> index;
    labels->TransformIndexToPhysicalPoint(it.GetIndex(), point);
    probabilities->TransformPhysicalPointToContinuousIndex(point, index);
    bool isInside = true;
    bool isAtEdge = false;
    for (unsigned int i = 0; i < 3; ++i)
    {
      const double last = i < 2 ? 15.0 : 3.0;
      isInside = isInside && index[i] > -0.5 && index[i] < last + 0.5;
      isAtEdge = isAtEdge || std::abs(index[i] + 0.5) < 1e-4 || std::abs(index[i] - last - 0.5) < 1e-4;
      index[i] = std::min(std::max(index[i], 0.0), last);
    }
    if (isAtEdge)
    {
      continue;
    }
    if (!isInside)
    {
      ASSERT_EQ(it.Get(), 0);
      continue;
    }
    ++inside;
    std::vector<double> sums(3);
    for (unsigned int corner = 0; corner < 8; ++corner)
    {
      itk::Index<3> voxel;
      double        weight = 1.0;
      for (unsigned int i = 0; i < 3; ++i)
      {
        const double floor = std::floor(index[i]);
        const bool   isUpper = ((corner >> i) & 1u) != 0;
        weight *= isUpper ? index[i] - floor : 1.0 - index[i] + floor;
        voxel[i] = std::min<itk::IndexValueType>(static_cast<itk::IndexValueType>(floor) + isUpper, i < 2 ? 15 : 3);
      }
      const auto pixel = probabilities->GetPixel(voxel);
      for (unsigned int k = 0; k < 3; ++k)
      {
        sums[k] += weight * static_cast<double>(pixel[k]);
      }
    }
    const auto found = std::find(model->GetLabelValues().begin(), model->GetLabelValues().end(), it.Get());
    ASSERT_NE(found, model->GetLabelValues().end());
    const double best = *std::max_element(sums.begin(), sums.end());
    ASSERT_GT(sums[static_cast<size_t>(found - model->GetLabelValues().begin())], best - 1e-5);
  }
  EXPECT_GT(inside, 300u);
  EXPECT_GE(CountLabels(labels).size(), 2u);
}
} // namespace

TEST(SamSegmentationImageFilter, EveryStoredOrderGivesTheSameLabels)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 18, 13, 5 } });
  for (const auto * spacing : { "[0.0, 0.0, 0.0]", "[1.0, 1.2, 1.7]" })
  {
    const auto model = MakeModel(spacing);
    const auto expected = Segment(image, model);
    const auto counts = CountLabels(expected.GetPointer());
    EXPECT_GE(counts.size(), 2u) << "a constant label map proves nothing";
    for (const auto & order : itk::AllSamAxisOrders())
    {
      const auto stored = itk::StoreInOrder(image.GetPointer(), order);
      const auto labels = Segment(stored, model);
      ASSERT_EQ(labels->GetLargestPossibleRegion(), stored->GetLargestPossibleRegion());
      ASSERT_EQ(labels->GetDirection(), stored->GetDirection());
      ASSERT_EQ(labels->GetOrigin(), stored->GetOrigin());
      ASSERT_EQ(labels->GetSpacing(), stored->GetSpacing());
      for (itk::ImageRegionIteratorWithIndex<LabelImageType> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd();
           ++it)
      {
        const auto index = order.MapIndex(it.GetIndex(), labels.GetPointer(), expected.GetPointer());
        ASSERT_EQ(it.Get(), expected->GetPixel(index)) << index << " with spacing " << spacing;
      }
    }
  }
}

TEST(SamSegmentationImageFilter, LabelsTheWholeImageWhereTheGridEndsBefore)
{
  // Slices of 14 mm in all and a grid of one slice of 10 mm: it counts for all of them.
  const auto labels = Segment(itk::MakeSamTestVolume<ImageType>(), MakeModel("[0.0, 0.0, 10.0]"));
  EXPECT_GE(CountLabels(labels.GetPointer()).size(), 2u);
  for (itk::ImageRegionIteratorWithIndex<LabelImageType> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    auto index = it.GetIndex();
    index[2] = 5;
    ASSERT_EQ(it.Get(), labels->GetPixel(index)) << it.GetIndex();
  }
}

TEST(SamSegmentationImageFilter, IsTheStagesComposed)
{
  ExpectLabelsOfStages(itk::MakeSamTestVolume<ImageType>({ { 30, 28, 9 } }), MakeModel("[0.0, 0.0, 0.0]"));
  ExpectLabelsOfStages(itk::MakeSamTestVolume<ImageType>({ { 30, 28, 9 } }), MakeModel("[1.3, 0.8, 1.5]"));
  ExpectLabelsOfStages(itk::MakeSamTestVolume<ImageType>({ { 30, 28, 9 } }), MakeModel("[1.3, 0.8, 1.5]", "LSA"));
}

TEST(SamSegmentationImageFilter, ObliqueImages)
{
  ExpectLabelsOfStages(MakeOblique(), MakeModel("[0.9, 1.0, 1.3]"));
  ExpectLabelsOfStages(MakeOblique(), MakeModel("[1.0, 1.0, 0.0]", "SRA"));
}

TEST(SamSegmentationImageFilter, AnyPixelType)
{
  const auto model = MakeModel("[0.0, 0.0, 0.0]");
  auto       bytes = itk::MakeSamTestVolume<itk::Image<unsigned char, 3>>();
  // All types hold the same whole numbers.
  const auto run = [&](auto image) {
    using TypedImage = typename std::remove_pointer<decltype(image.GetPointer())>::type;
    for (itk::ImageRegionIteratorWithIndex<TypedImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(static_cast<typename TypedImage::PixelType>(bytes->GetPixel(it.GetIndex())));
    }
    auto filter = itk::SamSegmentationImageFilter<TypedImage>::New();
    filter->SetInput(image);
    filter->SetModel(model);
    filter->Update();
    const auto * output = filter->GetOutput();
    return std::vector<unsigned char>(output->GetBufferPointer(),
                                      output->GetBufferPointer() + output->GetBufferedRegion().GetNumberOfPixels());
  };
  const auto expected = run(bytes);
  EXPECT_EQ(run(itk::MakeSamTestVolume<itk::Image<short, 3>>()), expected);
  EXPECT_EQ(run(itk::MakeSamTestVolume<ImageType>()), expected);
  EXPECT_EQ(run(itk::MakeSamTestVolume<itk::Image<double, 3>>()), expected);
}

TEST(SamSegmentationImageFilter, ChannelsOfRgbVectorAndVectorImage)
{
  itk::SamTestModelOptions options;
  options.dimension = 2;
  options.isSharp = true;
  options.channels =
    R"([{"name": "red", "normalization": "clip", "lower": 0, "upper": 255, "mean": 120, "deviation": 50},
                         {"name": "green", "normalization": "z_score"}, {"name": "blue", "normalization": "z_score"}])";
  const auto model = itk::MakeSamTestModel(options);
  const auto base = itk::MakeSamTestVolume<itk::Image<float, 2>>({ { 26, 23 } });
  const auto run = [&](auto image) {
    using TypedImage = typename std::remove_pointer<decltype(image.GetPointer())>::type;
    image->CopyInformation(base);
    image->SetRegions(base->GetLargestPossibleRegion());
    image->SetNumberOfComponentsPerPixel(3);
    image->Allocate();
    for (itk::ImageRegionIteratorWithIndex<TypedImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      auto       pixel = it.Get();
      const auto value = std::floor(base->GetPixel(it.GetIndex()));
      pixel[0] = static_cast<unsigned char>(value);
      pixel[1] = static_cast<unsigned char>(0.5 * value);
      pixel[2] = static_cast<unsigned char>(200 - value);
      it.Set(pixel);
    }
    auto filter = itk::SamSegmentationImageFilter<TypedImage>::New();
    filter->SetInput(image);
    filter->SetModel(model);
    filter->Update();
    EXPECT_GE(CountLabels(filter->GetOutput()).size(), 2u);
    const auto * output = filter->GetOutput();
    return std::vector<unsigned char>(output->GetBufferPointer(),
                                      output->GetBufferPointer() + output->GetBufferedRegion().GetNumberOfPixels());
  };
  const auto expected = run(itk::Image<itk::RGBPixel<unsigned char>, 2>::New());
  EXPECT_EQ((run(itk::Image<itk::Vector<float, 3>, 2>::New())), expected);
  EXPECT_EQ((run(itk::VectorImage<double, 2>::New())), expected);
}

TEST(SamSegmentationImageFilter, FlatModelTakesVolumesSliceBySlice)
{
  itk::SamTestModelOptions options;
  options.dimension = 2;
  options.isSharp = true;
  options.spacing = "[0.0, 0.0, 0.0]";
  const auto labels = Segment(itk::MakeSamTestVolume<ImageType>(), itk::MakeSamTestModel(options));
  EXPECT_EQ(labels->GetLargestPossibleRegion(), itk::MakeSamTestVolume<ImageType>()->GetLargestPossibleRegion());
  EXPECT_GE(CountLabels(labels.GetPointer()).size(), 2u);
}

TEST(SamSegmentationImageFilter, RegionsAreSegmentedEachForItself)
{
  const auto             image = itk::MakeSamTestVolume<ImageType>({ { 40, 20, 6 } });
  const auto             model = MakeModel("[0.0, 0.0, 0.0]");
  ImageType::PointType   left;
  ImageType::PointType   right;
  FilterType::VectorType size;
  image->TransformIndexToPhysicalPoint({ { 4 + 8, 7, 4 } }, left);
  image->TransformIndexToPhysicalPoint({ { 4 + 30, 7, 4 } }, right);
  size[0] = 9 * 0.9;
  size[1] = 11 * 1.1;
  size[2] = 3 * 2.0;
  const auto run = [&](const std::vector<ImageType::PointType> & centers) {
    auto filter = FilterType::New();
    filter->SetInput(image);
    filter->SetModel(model);
    for (const auto & center : centers)
    {
      filter->AddRegionOfInterest(center, size);
    }
    filter->Update();
    EXPECT_EQ(filter->GetNumberOfWindows(), centers.size());
    return LabelImageType::Pointer(filter->GetOutput());
  };
  const auto both = run({ left, right });
  const auto first = run({ left });
  const auto second = run({ right });
  size_t     labeled = 0;
  for (itk::ImageRegionIteratorWithIndex<LabelImageType> it(both, both->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto index = it.GetIndex();
    const bool inLeft = std::abs(index[0] - 12) <= 4 && std::abs(index[1] - 7) <= 5 && std::abs(index[2] - 4) <= 1;
    const bool inRight = std::abs(index[0] - 34) <= 4 && std::abs(index[1] - 7) <= 5 && std::abs(index[2] - 4) <= 1;
    ASSERT_EQ(it.Get(), inLeft ? first->GetPixel(index) : inRight ? second->GetPixel(index) : 0);
    labeled += it.Get() != 0;
  }
  EXPECT_GT(labeled, 0u);
  // The same region twice is that region.
  const auto twice = run({ left, left });
  for (itk::ImageRegionIteratorWithIndex<LabelImageType> it(twice, twice->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    ASSERT_EQ(it.Get(), first->GetPixel(it.GetIndex()));
  }
}

TEST(SamSegmentationImageFilter, RegionRequestsOnlyWhatItNeeds)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 40, 20, 6 } });
  // NaN wherever the region does not reach: it must not even be looked at.
  ImageType::PointType   center;
  FilterType::VectorType size;
  image->TransformIndexToPhysicalPoint({ { 14, 7, 4 } }, center);
  size[0] = 9 * 0.9;
  size[1] = 11 * 1.1;
  size[2] = 3 * 2.0;
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    if (std::abs(it.GetIndex()[0] - 14) > 4)
    {
      it.Set(std::numeric_limits<float>::quiet_NaN());
    }
  }
  auto filter = FilterType::New();
  filter->SetInput(image);
  filter->SetModel(MakeModel("[0.0, 0.0, 0.0]"));
  filter->AddRegionOfInterest(center, size);
  filter->Update();
  EXPECT_EQ(image->GetRequestedRegion(), ImageType::RegionType({ { 10, 2, 3 } }, { { 9, 11, 3 } }));
  EXPECT_EQ(filter->GetOutput()->GetBufferedRegion(), image->GetLargestPossibleRegion());

  filter->ClearRegionsOfInterest();
  const auto message = MessageOf([&] { filter->Update(); });
  EXPECT_NE(message.find("NaN"), std::string::npos) << message;
}

TEST(SamSegmentationImageFilter, SeveralRegionsRunTheirSourceOnce)
{
  const auto             image = itk::MakeSamTestVolume<ImageType>({ { 40, 20, 6 } });
  auto                   source = itk::CastImageFilter<ImageType, itk::Image<double, 3>>::New();
  unsigned int           runs = 0;
  ImageType::PointType   center;
  FilterType::VectorType size;
  source->SetInput(image);
  source->InPlaceOff();
  source->AddObserver(itk::EndEvent(), [&runs](const itk::EventObject &) { ++runs; });
  size[0] = 9 * 0.9;
  size[1] = 11 * 1.1;
  size[2] = 3 * 2.0;
  auto filter = itk::SamSegmentationImageFilter<itk::Image<double, 3>>::New();
  filter->SetInput(source->GetOutput());
  filter->SetModel(MakeModel("[0.0, 0.0, 0.0]"));
  for (const itk::IndexValueType x : { 12, 20 })
  {
    image->TransformIndexToPhysicalPoint({ { x, 7, 4 } }, center);
    filter->AddRegionOfInterest(center, size);
  }
  filter->Update();
  EXPECT_EQ(runs, 1u);
  // The union of both regions, in an image of 40x20x6 voxels.
  EXPECT_EQ(source->GetOutput()->GetBufferedRegion(), ImageType::RegionType({ { 8, 2, 3 } }, { { 17, 11, 3 } }));
  filter->Update();
  EXPECT_EQ(runs, 1u);
}

TEST(SamSegmentationImageFilter, ThreadsDoNotChangeLabels)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 16, 13, 5 } });
  const auto model = MakeModel("[1.0, 1.2, 1.7]");
  const auto threads = itk::SamModel::GetNumberOfThreads();
  const auto run = [&](unsigned int number) {
    itk::SamModel::SetNumberOfThreads(number);
    auto filter = FilterType::New();
    filter->SetInput(image);
    filter->SetModel(model);
    filter->SetNumberOfWorkUnits(number);
    filter->Update();
    const auto * output = filter->GetOutput();
    return std::vector<unsigned char>(output->GetBufferPointer(),
                                      output->GetBufferPointer() + output->GetBufferedRegion().GetNumberOfPixels());
  };
  EXPECT_EQ(run(1), run(2));
  itk::SamModel::SetNumberOfThreads(threads);
}

TEST(SamSegmentationImageFilter, ReportsProgressAndRunsOnce)
{
  auto               filter = FilterType::New();
  std::vector<float> seen;
  unsigned int       runs = 0;
  filter->SetInput(itk::MakeSamTestVolume<ImageType>());
  filter->SetModel(MakeModel("[0.0, 0.0, 0.0]"));
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) { seen.push_back(filter->GetProgress()); });
  filter->AddObserver(itk::EndEvent(), [&](const itk::EventObject &) { ++runs; });
  filter->Update();
  // Windows of 16x16x4 over 22x19x7 voxels, at least half overlapping.
  EXPECT_EQ(filter->GetNumberOfWindows(), 2u * 2u * 3u);
  ASSERT_GT(seen.size(), filter->GetNumberOfWindows());
  EXPECT_EQ(seen.front(), 0.0f);
  EXPECT_EQ(seen.back(), 1.0f);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  filter->Update();
  EXPECT_EQ(runs, 1u);
  filter->SetNumberOfWorkUnits(1);
  filter->SetModel(MakeModel("[1.0, 1.0, 1.0]"));
  filter->Update();
  EXPECT_EQ(runs, 2u);
}

TEST(SamSegmentationImageFilter, StopsOnAbort)
{
  auto filter = FilterType::New();
  filter->SetInput(itk::MakeSamTestVolume<ImageType>());
  filter->SetModel(MakeModel("[0.0, 0.0, 0.0]"));
  float last = 0.0f;
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) {
    last = filter->GetProgress();
    if (last > 0.3f)
    {
      filter->AbortGenerateDataOn();
    }
  });
  EXPECT_THROW(filter->Update(), itk::ProcessAborted);
  EXPECT_LT(last, 0.5f);
  filter->RemoveAllObservers();
  EXPECT_NO_THROW(filter->Update());
}

TEST(SamSegmentationImageFilter, AnswersOfAFunctionAreNumbersOfEachLabelAndVoxel)
{
  auto filter = FilterType::New();
  filter->SetInput(itk::MakeSamTestVolume<ImageType>());
  const auto model = itk::MakeSamTestModel();
  filter->SetModel(model);
  const auto labels = static_cast<int64_t>(model->GetNumberOfLabels());
  for (const int64_t answered : { labels - 1, labels + 1, int64_t{ 0 } })
  {
    std::string expected;
    filter->SetWindowFunction([&](const itk::SamGrid & window) {
      const auto & size = window.box.size;
      expected = std::to_string(size[2]) + " x " + std::to_string(size[1]) + " x " + std::to_string(size[0]);
      const std::vector<float> numbers(static_cast<size_t>(answered) * size[0] * size[1] * size[2]);
      return answered == 0 ? itk::SamTensor()
                           : itk::SamTensor::FromHost(numbers.data(),
                                                      { answered,
                                                        static_cast<int64_t>(size[2]),
                                                        static_cast<int64_t>(size[1]),
                                                        static_cast<int64_t>(size[0]) });
    });
    const auto message = MessageOf([&] { filter->Update(); });
    EXPECT_EQ(message,
              "the window function answered " +
                (answered == 0 ? "nothing" : std::to_string(answered) + " x " + expected) + ", expected " +
                std::to_string(labels) + " x " + expected + " numbers (labels, slices, rows, columns)");
  }
}

TEST(SamSegmentationImageFilter, AnyUnitOfLength)
{
  itk::SamTestModelOptions options;
  options.spacing = "[0.0, 0.0, 0.0]";
  const auto model = itk::MakeSamTestModel(options);
  const auto segment = [&model](double unit) {
    const auto image = itk::MakeSamTestVolume<ImageType>();
    image->SetSpacing(image->GetSpacing() * unit);
    const auto filter = FilterType::New();
    filter->SetInput(image);
    filter->SetModel(model);
    filter->Update();
    const auto * output = filter->GetOutput();
    return std::vector<int>(output->GetBufferPointer(),
                            output->GetBufferPointer() + output->GetBufferedRegion().GetNumberOfPixels());
  };
  EXPECT_EQ(segment(1e-5), segment(1.0));
  EXPECT_EQ(segment(1e5), segment(1.0));
}

TEST(SamSegmentationImageFilter, RefusesWhatItCannotUse)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  auto       filter = FilterType::New();
  filter->SetInput(image);
  EXPECT_EQ(MessageOf([&] { filter->Update(); }), "no model is set");
  EXPECT_EQ(MessageOf([&] { filter->EstimateMemory(image->GetLargestPossibleRegion()); }), "no model is set");
  auto without = FilterType::New();
  without->SetModel(itk::MakeSamTestModel());
  EXPECT_EQ(MessageOf([&] { without->EstimateMemory(image->GetLargestPossibleRegion()); }), "no input image is set");

  itk::SamTestModelOptions options;
  options.channels = R"([{"name": "T1", "normalization": "z_score"}, {"name": "T2", "normalization": "z_score"}])";
  filter->SetModel(itk::MakeSamTestModel(options));
  EXPECT_EQ(MessageOf([&] { filter->Update(); }), "the image has 1 channel, expected 2 (T1, T2)");

  options = {};
  options.lastLabelValue = 300;
  filter->SetModel(itk::MakeSamTestModel(options));
  EXPECT_EQ(MessageOf([&] { filter->Update(); }),
            "the label value 300 of the model plan does not fit the output's pixels, expected at most 255");

  filter->SetModel(itk::MakeSamTestModel());
  ImageType::PointType   center;
  FilterType::VectorType size;
  center.Fill(1000.0);
  size.Fill(10.0);
  filter->AddRegionOfInterest(center, size);
  const auto outside = MessageOf([&] { filter->Update(); });
  EXPECT_NE(outside.find("995 to 1005 x 995 to 1005 x 995 to 1005 mm) lies outside of the image"), std::string::npos)
    << outside;
  filter->ClearRegionsOfInterest();
  size[1] = 0.0;
  filter->AddRegionOfInterest(center, size);
  EXPECT_NE(MessageOf([&] { filter->Update(); }).find("positive size"), std::string::npos);

  auto flat = itk::SamSegmentationImageFilter<itk::Image<float, 2>>::New();
  flat->SetInput(itk::MakeSamTestVolume<itk::Image<float, 2>>({ { 20, 20 } }));
  flat->SetModel(itk::MakeSamTestModel());
  EXPECT_EQ(MessageOf([&] { flat->Update(); }), "the image has 2 dimensions, the model plan expects 3");
}

TEST(SamSegmentationImageFilter, AveragesModelsAndMirrors)
{
  using PixelType = FilterType::OutputPixelType;
  itk::SamTestModelOptions options;
  options.isSharp = true;
  const auto first = itk::MakeSamTestModel(options);
  options.seed = 11;
  const auto second = itk::MakeSamTestModel(options);

  // One window, so that its mirror is one too.
  const ImageType::SizeType size{ { 16, 16, 4 } };
  const auto                image = ImageType::New();
  const auto                mirrored = ImageType::New();
  for (const auto & each : { image, mirrored })
  {
    each->SetRegions(size);
    each->Allocate();
  }
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    auto index = it.GetIndex();
    it.Set(static_cast<float>((index[0] * index[0] * 7 + index[1] * 13 + index[2] * 29) % 101));
    index[0] = 15 - index[0];
    mirrored->SetPixel(index, it.Get());
  }
  const auto run = [](const ImageType *                           input,
                      const std::vector<itk::SamModel::Pointer> & models,
                      const std::vector<unsigned int> &           axes) {
    auto filter = FilterType::New();
    filter->SetInput(input);
    filter->SetModel(models.front());
    for (size_t k = 1; k < models.size(); ++k)
    {
      filter->AddModel(models[k]);
    }
    filter->SetMirrorAxes(axes);
    filter->Update();
    const auto * begin = filter->GetOutput()->GetBufferPointer();
    return std::vector<PixelType>(begin, begin + filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels());
  };
  const auto flip = [](std::vector<PixelType> labels) {
    for (size_t row = 0; row < labels.size(); row += 16)
    {
      std::reverse(labels.begin() + static_cast<std::ptrdiff_t>(row),
                   labels.begin() + static_cast<std::ptrdiff_t>(row) + 16);
    }
    return labels;
  };
  const auto alone = run(image, { first }, {});
  EXPECT_NE(flip(run(mirrored, { first }, {})), alone);
  EXPECT_EQ(flip(run(mirrored, { first }, { 0 })), run(image, { first }, { 0 })) << "a mirrored image, mirrored labels";
  EXPECT_EQ(run(image, { first, first }, {}), alone) << "the mean of twice the same";
  EXPECT_NE(run(image, { first, second }, {}), alone);
  EXPECT_EQ(run(image, { first, second }, {}), run(image, { second, first }, {}));

  const auto message = [&](const std::vector<itk::SamModel::Pointer> & models, const std::vector<unsigned int> & axes) {
    return MessageOf([&] { run(image, models, axes); });
  };
  EXPECT_NE(message({ first }, { 0, 0 }).find("mirror axis 0, expected 0 to 2, each once"), std::string::npos);
  EXPECT_NE(message({ first }, { 3 }).find("mirror axis 3"), std::string::npos);
  options.lastLabelValue = 9;
  EXPECT_NE(message({ first, itk::MakeSamTestModel(options) }, {}).find("the labels are not those of"),
            std::string::npos);
}

TEST(SamSegmentationImageFilter, ProbabilitiesAreWhatTheLabelsWereChosenBy)
{
  itk::SamTestModelOptions options;
  options.isSharp = true;
  const auto first = itk::MakeSamTestModel(options);
  options.seed = 11;
  const auto second = itk::MakeSamTestModel(options);
  // Several windows, interpolated.
  ImageType::SpacingType spacing;
  spacing.Fill(1.3);
  const auto image = itk::MakeSamTestImage<ImageType>(
    { { 3, -4, 2 } }, { { 15, 13, 5 } }, spacing, ImageType::PointType(), itk::ObliqueSamDirection());
  const auto values = first->GetLabelValues();

  const auto make = [&](const std::vector<unsigned int> & axes) {
    const auto filter = FilterType::New();
    filter->SetInput(image);
    filter->SetModel(first);
    filter->SetMirrorAxes(axes);
    filter->SetProbabilityLabels(values);
    filter->ComputeUncertaintyOn();
    return filter;
  };
  // Of everything that is asked for; the label is the first of the largest. How often background is certain.
  const auto expectArgmax = [&](FilterType * filter) {
    size_t       certain = 0;
    const auto * labels = filter->GetOutput();
    for (itk::ImageRegionConstIteratorWithIndex<LabelImageType> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd();
         ++it)
    {
      double sum = 0.0;
      float  largest = -1.0f;
      float  ofLabel = -1.0f;
      for (const int value : values)
      {
        const float probability = filter->GetProbability(value)->GetPixel(it.GetIndex());
        EXPECT_GE(probability, 0.0f);
        sum += static_cast<double>(probability);
        largest = std::max(largest, probability);
        ofLabel = value == static_cast<int>(it.Get()) ? probability : ofLabel;
      }
      EXPECT_NEAR(sum, 1.0, 1e-5);
      EXPECT_EQ(ofLabel, largest) << it.GetIndex();
      EXPECT_EQ(filter->GetUncertainty()->GetPixel(it.GetIndex()), 1.0f - largest);
      certain += ofLabel == 1.0f && it.Get() == 0 ? 1 : 0;
    }
    EXPECT_GT(CountLabels(labels).size(), 1u);
    return certain;
  };

  const auto alone = make({});
  alone->Update();
  EXPECT_EQ(expectArgmax(alone), 0u);
  EXPECT_EQ(alone->GetProbability(7)->GetDirection(), image->GetDirection());
  EXPECT_EQ(alone->GetProbability(7)->GetOrigin(), image->GetOrigin());
  EXPECT_EQ(alone->GetProbability(7)->GetBufferedRegion(), image->GetBufferedRegion());

  const auto both = make({ 0 });
  both->AddModel(second);
  both->Update();
  expectArgmax(both);

  // The mean over models is that of the maps, where the scores of models sum to one.
  options.isSharp = false;
  const auto other = make({});
  other->SetModel(itk::MakeSamTestModel(options));
  other->Update();
  options.seed = 10;
  const auto one = make({});
  one->SetModel(itk::MakeSamTestModel(options));
  one->Update();
  both->SetMirrorAxes({});
  both->SetModel(one->GetModel());
  both->ClearAddedModels();
  both->AddModel(other->GetModel());
  both->Update();
  const auto * const mean = both->GetProbability(3);
  for (itk::ImageRegionConstIteratorWithIndex<FilterType::ProbabilityImageType> it(mean, mean->GetBufferedRegion());
       !it.IsAtEnd();
       ++it)
  {
    const auto at = it.GetIndex();
    EXPECT_NEAR(
      it.Get(), 0.5f * (one->GetProbability(3)->GetPixel(at) + other->GetProbability(3)->GetPixel(at)), 1e-5f);
  }

  // Overlapping regions, and nothing outside of them.
  const auto            parts = make({});
  FilterType::PointType center;
  image->TransformIndexToPhysicalPoint({ { 9, 2, 4 } }, center);
  FilterType::VectorType extent;
  extent.Fill(6.0);
  parts->AddRegionOfInterest(center, extent);
  center[0] += 3.0;
  parts->AddRegionOfInterest(center, extent);
  parts->Update();
  EXPECT_GT(expectArgmax(parts), 0u);

  // A part of the whole has the numbers of the whole, also when a map is asked for it.
  const auto part = make({});
  part->SetProbabilityLabels({ 7 });
  part->ComputeUncertaintyOff();
  EXPECT_EQ(part->GetUncertainty(), nullptr);
  part->UpdateOutputInformation();
  auto region = image->GetLargestPossibleRegion();
  region.SetIndex(2, region.GetIndex(2) + 1);
  region.SetSize(2, 2);
  part->GetProbability(7)->SetRequestedRegion(region);
  part->GetProbability(7)->Update();
  EXPECT_EQ(part->GetOutput()->GetBufferedRegion(), region);
  const auto * const map = part->GetProbability(7);
  ASSERT_EQ(map->GetBufferedRegion(), region);
  for (itk::ImageRegionConstIteratorWithIndex<FilterType::ProbabilityImageType> it(map, region); !it.IsAtEnd(); ++it)
  {
    EXPECT_EQ(it.Get(), alone->GetProbability(7)->GetPixel(it.GetIndex()));
  }
  auto whole = image->GetLargestPossibleRegion();
  EXPECT_GE(alone->EstimateMemory(whole).labels, whole.GetNumberOfPixels() * (1 + 4 * (values.size() + 1)));

  EXPECT_NE(MessageOf([&] { part->GetProbability(3); }).find("the probability of the label 3 is not computed"),
            std::string::npos);
  for (const std::vector<int> & wrong : { std::vector<int>{ 4 }, std::vector<int>{ 3, 3 } })
  {
    part->SetProbabilityLabels(wrong);
    EXPECT_NE(MessageOf([&] { part->Update(); }).find("expected labels of the model"), std::string::npos);
  }
}
