// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamPromptedSegmentationImageFilter.h"
#include "itkSamSliceEncoderImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkCastImageFilter.h"
#include "itkCommand.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkMetaImageIOFactory.h"
#include "itkRGBAPixel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace
{
using sam::test::MessageOf;
using FlatImage = itk::Image<unsigned char, 2>;
using Volume = itk::Image<unsigned char, 3>;
using FlatFilter = itk::SamPromptedSegmentationImageFilter<FlatImage>;
using VolumeFilter = itk::SamPromptedSegmentationImageFilter<Volume>;

itk::SamModel::Pointer
MakeModel(const std::string & orientation = "acquisition")
{
  itk::SamPromptableTestModelOptions options;
  options.orientation = orientation;
  options.seed = 9;
  return itk::MakePromptableSamTestModel(options);
}

template <typename TImage>
std::vector<typename TImage::InternalPixelType>
PixelsOf(const TImage * image)
{
  const auto count = image->GetBufferedRegion().GetNumberOfPixels() * image->GetNumberOfComponentsPerPixel();
  return { image->GetBufferPointer(), image->GetBufferPointer() + count };
}

/** The physical point of a place that counts from an image's first pixel. */
template <typename TImage>
itk::Point<double, TImage::ImageDimension>
PlaceIn(const TImage * image, const std::array<double, 3> & place)
{
  itk::ContinuousIndex<double, TImage::ImageDimension> index;
  for (unsigned int i = 0; i < TImage::ImageDimension; ++i)
  {
    index[i] = place[i] + static_cast<double>(image->GetLargestPossibleRegion().GetIndex(i));
  }
  itk::Point<double, TImage::ImageDimension> point;
  image->TransformContinuousIndexToPhysicalPoint(index, point);
  return point;
}

/** The same pixels elsewhere: turned, scaled, moved, with another start index. */
template <typename TImage>
typename TImage::Pointer
PutElsewhere(const TImage * image)
{
  constexpr unsigned int         dimension = TImage::ImageDimension;
  auto                           result = TImage::New();
  typename TImage::RegionType    region = image->GetLargestPossibleRegion();
  typename TImage::DirectionType direction;
  typename TImage::PointType     origin;
  const auto                     oblique = itk::ObliqueSamDirection();
  direction.SetIdentity();
  direction(0, 0) = -1.0;
  for (unsigned int i = 0; i < dimension; ++i)
  {
    region.SetIndex(i, 7 - 4 * static_cast<int>(i));
    origin[i] = 31.0 - 50.0 * i;
    for (unsigned int j = 0; j < dimension && dimension == 3; ++j)
    {
      direction(i, j) = oblique(i, (j + 1) % 3);
    }
  }
  result->SetRegions(region);
  result->SetSpacing(image->GetSpacing() * 0.7);
  result->SetOrigin(origin);
  result->SetDirection(direction);
  result->Allocate();
  std::copy_n(image->GetBufferPointer(), region.GetNumberOfPixels(), result->GetBufferPointer());
  return result;
}

/** A slice of a volume as a 2-D image, its axes in the same order. */
FlatImage::Pointer
ExtractSlice(const Volume * volume, unsigned int axis, unsigned int number)
{
  const unsigned int first = axis == 0 ? 1 : 0;
  const unsigned int second = axis == 2 ? 1 : 2;
  const auto &       region = volume->GetLargestPossibleRegion();
  auto               slice = FlatImage::New();
  slice->SetRegions(FlatImage::SizeType{ { region.GetSize(first), region.GetSize(second) } });
  slice->Allocate();
  for (itk::ImageRegionIteratorWithIndex<FlatImage> it(slice, slice->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    Volume::IndexType index = region.GetIndex();
    index[axis] += number;
    index[first] += it.GetIndex()[0];
    index[second] += it.GetIndex()[1];
    it.Set(volume->GetPixel(index));
  }
  return slice;
}

template <typename TFilter, typename TImage>
typename TFilter::Pointer
MakeFilter(const TImage * image, const itk::SamModel * model)
{
  auto filter = TFilter::New();
  filter->SetInput(image);
  filter->SetModel(model);
  return filter;
}
} // namespace

TEST(SamSliceEncoderImageFilter, TokensLieWhereTheirPixelsLie)
{
  const auto   model = MakeModel();
  const auto   volume = PutElsewhere(itk::MakeSamTestVolume<Volume>({ { 22, 19, 7 } }).GetPointer());
  const auto & region = volume->GetLargestPossibleRegion();
  for (const unsigned int axis : { 0u, 1u, 2u })
  {
    auto encoder = itk::SamSliceEncoderImageFilter<Volume>::New();
    encoder->SetInput(volume);
    encoder->SetModel(model);
    encoder->SetAxis(axis);
    const auto start = region.GetIndex(axis);
    encoder->SetSliceRange(start + 2, start + 4);
    encoder->Update();
    const auto * embedding = encoder->GetOutput();
    EXPECT_EQ(embedding->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 8, 8, 3 } }));
    EXPECT_EQ(embedding->GetNumberOfComponentsPerPixel(), 16u);
    EXPECT_EQ(embedding->GetSpacing()[2], volume->GetSpacing()[axis]);
    const std::array<unsigned int, 3> axes{ { axis == 0 ? 1u : 0u, axis == 2 ? 1u : 2u, axis } };
    // A square of 32 pixels, tokens of 4: the longer side fills it, the other one a rounded part.
    const double columns = static_cast<double>(region.GetSize(axes[0]));
    const double rows = static_cast<double>(region.GetSize(axes[1]));
    const double width = std::floor(columns * 32.0 / std::max(columns, rows) + 0.5);
    const double height = std::floor(rows * 32.0 / std::max(columns, rows) + 0.5);
    for (const auto & token :
         { itk::Index<3>{ { 0, 0, 0 } }, itk::Index<3>{ { 5, 2, 1 } }, itk::Index<3>{ { 7, 7, 2 } } })
    {
      std::array<double, 3> place{};
      place[axes[0]] = (4.0 * static_cast<double>(token[0]) + 2.0) * columns / width - 0.5;
      place[axes[1]] = (4.0 * static_cast<double>(token[1]) + 2.0) * rows / height - 0.5;
      place[axes[2]] = 2.0 + static_cast<double>(token[2]);
      itk::Point<double, 3> found;
      embedding->TransformIndexToPhysicalPoint(token, found);
      EXPECT_LT(found.EuclideanDistanceTo(PlaceIn(volume.GetPointer(), place)), 1e-9) << axis << ' ' << token;
    }
  }
}

TEST(SamSliceEncoderImageFilter, SquareModelsStretchSlices)
{
  itk::SamPromptableTestModelOptions options;
  options.fit = "square";
  options.normalization = R"("min_max")";
  const auto image = itk::MakeSamTestVolume<FlatImage>({ { 20, 11 } });
  auto       encoder = itk::SamSliceEncoderImageFilter<FlatImage>::New();
  encoder->SetInput(image);
  encoder->SetModel(itk::MakePromptableSamTestModel(options));
  encoder->Update();
  const auto * embedding = encoder->GetOutput();
  EXPECT_DOUBLE_EQ(embedding->GetSpacing()[0], image->GetSpacing()[0] * 20.0 / 8.0);
  EXPECT_DOUBLE_EQ(embedding->GetSpacing()[1], image->GetSpacing()[1] * 11.0 / 8.0);
  // Without padding the tokens cover the image exactly.
  EXPECT_DOUBLE_EQ(embedding->GetOrigin()[0] - 0.5 * embedding->GetSpacing()[0],
                   PlaceIn(image.GetPointer(), { { -0.5, 0.0, 0.0 } })[0]);
}

TEST(SamSliceEncoderImageFilter, WindowsAndChannels)
{
  const auto model = MakeModel();
  const auto bytes = itk::MakeSamTestVolume<FlatImage>({ { 20, 17 } });
  const auto encode = [&](auto image, const std::vector<double> & window = {}) {
    using ImageType = std::remove_pointer_t<decltype(image.GetPointer())>;
    auto encoder = itk::SamSliceEncoderImageFilter<ImageType>::New();
    encoder->SetInput(image);
    encoder->SetModel(model);
    if (!window.empty())
    {
      encoder->SetWindow(window[0], window[1]);
    }
    encoder->Update();
    return PixelsOf(encoder->GetOutput());
  };
  const auto expected = encode(bytes);

  auto shorts = itk::Image<short, 2>::New();
  auto colors = itk::Image<itk::RGBAPixel<unsigned char>, 2>::New();
  shorts->CopyInformation(bytes);
  shorts->SetRegions(bytes->GetLargestPossibleRegion());
  shorts->Allocate();
  colors->CopyInformation(bytes);
  colors->SetRegions(bytes->GetLargestPossibleRegion());
  colors->Allocate();
  for (itk::ImageRegionIteratorWithIndex<FlatImage> it(bytes, bytes->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    shorts->SetPixel(it.GetIndex(), static_cast<short>(4 * it.Get() - 1000));
    itk::RGBAPixel<unsigned char> color;
    color.Set(it.Get(), it.Get(), it.Get(), static_cast<unsigned char>(it.GetIndex()[0]));
    colors->SetPixel(it.GetIndex(), color);
  }
  EXPECT_EQ(encode(shorts, { -1000.0, 20.0 }), expected) << "4 · 0 − 1000 to 4 · 255 − 1000";
  EXPECT_EQ(encode(colors), expected) << "alpha does not count";
  EXPECT_EQ(encode(bytes, { 0.0, 255.0 }), expected);
  EXPECT_NE(encode(bytes, { 50.0, 100.0 }), expected);

  // The percentiles by definition, between neighbors of the sorted values.
  auto values = PixelsOf(shorts.GetPointer());
  std::sort(values.begin(), values.end());
  const auto quantile = [&values](double fraction) {
    const double position = fraction * static_cast<double>(values.size() - 1);
    const auto   below = static_cast<size_t>(position);
    return values[below] + (position - static_cast<double>(below)) * (values[below + 1] - values[below]);
  };
  EXPECT_EQ(encode(shorts), encode(shorts, { quantile(0.005), quantile(0.995) }));
  const auto found = itk::SamQuantiles(shorts.GetPointer(), 0.3, 1.0);
  EXPECT_DOUBLE_EQ(found[0], quantile(0.3));
  EXPECT_DOUBLE_EQ(found[1], values.back());
  shorts->FillBuffer(-7);
  EXPECT_NO_THROW(encode(shorts)) << "a constant image";
}

TEST(SamPromptedSegmentationImageFilter, AgreesWithTheModel)
{
  const auto model = MakeModel();
  const auto image = PutElsewhere(itk::MakeSamTestVolume<FlatImage>({ { 30, 24 } }).GetPointer());
  auto       filter = MakeFilter<FlatFilter>(image.GetPointer(), model);
  filter->AddPoint(PlaceIn(image.GetPointer(), { { 10.25, 5.0, 0.0 } }));
  filter->AddPoint(PlaceIn(image.GetPointer(), { { 3.0, 21.5, 0.0 } }), false);
  filter->AddBox(PlaceIn(image.GetPointer(), { { 18.0, 2.0, 0.0 } }),
                 PlaceIn(image.GetPointer(), { { 4.0, 11.5, 0.0 } }));
  filter->MultimaskOn();
  filter->Update();

  std::vector<float> channels(3 * 30 * 24);
  for (size_t k = 0; k < channels.size(); ++k)
  {
    channels[k] = image->GetBufferPointer()[k % (30 * 24)];
  }
  const auto embedding = model->EncodeSlices(
    1, [&](itk::SizeValueType) { return itk::SamTensor::FromHost(channels.data(), { 3, 1, 24, 30 }); });
  itk::SamSlicePrompts prompts;
  prompts.points = { { { 10.25, 5.0 } }, { { 3.0, 21.5 } } };
  prompts.isForeground = { true, false };
  prompts.box = { { { 4.0, 2.0 } }, { { 18.0, 11.5 } } };
  const auto answer = model->Predict(embedding, { { 30, 24 } }, prompts, true);
  const auto scores = filter->GetScores();
  ASSERT_EQ(scores.size(), 3u);
  std::vector<float> logits(3 * 30 * 24);
  model->RestoreMasks(answer.logits, { { 30, 24 } }).CopyToHost(logits.data());
  const auto best = std::max_element(answer.scores.begin(), answer.scores.end()) - answer.scores.begin();
  const auto masks = filter->GetMasks();
  ASSERT_EQ(masks->GetNumberOfComponentsPerPixel(), 3u);
  size_t inside = 0;
  for (size_t k = 0; k < 30 * 24; ++k)
  {
    for (size_t m = 0; m < 3; ++m)
    {
      ASSERT_EQ(masks->GetBufferPointer()[3 * k + m], logits[m * 30 * 24 + k] > 0.0f ? 1 : 0) << m << ' ' << k;
    }
    ASSERT_EQ(filter->GetOutput()->GetBufferPointer()[k], masks->GetBufferPointer()[3 * k + best]);
    inside += filter->GetOutput()->GetBufferPointer()[k];
  }
  EXPECT_GT(inside, 50u) << "a mask that is empty shows nothing";
  EXPECT_LT(inside, 30u * 24u - 50u);
  for (unsigned int m = 0; m < 3; ++m)
  {
    // Physical points come back with rounding in the last bits.
    EXPECT_NEAR(scores[m].score, answer.scores[m], 1e-5f);
    EXPECT_EQ(scores[m].isChosen, m == best);
    EXPECT_EQ(scores[m].mask, m);
    EXPECT_EQ(scores[m].object, 1u);
  }
  filter->MultimaskOff();
  filter->Update();
  EXPECT_EQ(filter->GetScores().size(), 1u);
  EXPECT_EQ(filter->GetMasks()->GetNumberOfComponentsPerPixel(), 1u);
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 1u);
  EXPECT_EQ(filter->GetOutput()->GetOrigin(), image->GetOrigin());
  EXPECT_EQ(filter->GetOutput()->GetDirection(), image->GetDirection());
  EXPECT_EQ(filter->GetOutput()->GetLargestPossibleRegion(), image->GetLargestPossibleRegion());
}

TEST(SamPromptedSegmentationImageFilter, SlicesAlongAnyAxisAnywhere)
{
  const auto model = MakeModel();
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 17 } });
  const auto elsewhere = PutElsewhere(volume.GetPointer());
  for (const unsigned int axis : { 0u, 1u, 2u })
  {
    const unsigned int first = axis == 0 ? 1 : 0;
    const unsigned int second = axis == 2 ? 1 : 2;
    const auto         flat = ExtractSlice(volume, axis, 6);
    auto               expected = MakeFilter<FlatFilter>(flat.GetPointer(), model);
    expected->AddPoint(PlaceIn(flat.GetPointer(), { { 12.0, 7.0, 0.0 } }), true, 5);
    expected->AddPoint(PlaceIn(flat.GetPointer(), { { 2.5, 3.0, 0.0 } }), false, 5);
    expected->Update();
    const auto expectedPixels = PixelsOf(expected->GetOutput());
    ASSERT_EQ(std::set<unsigned char>(expectedPixels.begin(), expectedPixels.end()), (std::set<unsigned char>{ 0, 5 }));

    for (const auto & image : { volume, elsewhere })
    {
      std::array<double, 3> place{};
      place[axis] = 6.3;
      place[first] = 12.0;
      place[second] = 7.0;
      auto filter = MakeFilter<VolumeFilter>(image.GetPointer(), model);
      filter->SetAxis(axis);
      filter->AddPoint(PlaceIn(image.GetPointer(), place), true, 5);
      place[axis] = 5.6;
      place[first] = 2.5;
      place[second] = 3.0;
      filter->AddPoint(PlaceIn(image.GetPointer(), place), false, 5);
      filter->Update();
      for (unsigned int number : { 5u, 7u })
      {
        const auto neighbor = PixelsOf(ExtractSlice(filter->GetOutput(), axis, number).GetPointer());
        EXPECT_EQ(std::count(neighbor.begin(), neighbor.end(), 0), static_cast<std::ptrdiff_t>(neighbor.size()));
      }
      EXPECT_EQ(PixelsOf(ExtractSlice(filter->GetOutput(), axis, 6).GetPointer()), expectedPixels) << axis;
    }
  }
}

TEST(SamPromptedSegmentationImageFilter, OrientedModelsSeeTheSameInAnyOrderOfAxes)
{
  const auto model = MakeModel("RAS");
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 17, 13, 6 } });
  for (const unsigned int axis : { 0u, 2u })
  {
    auto reference = MakeFilter<VolumeFilter>(volume.GetPointer(), model);
    reference->SetAxis(axis);
    const auto corner = PlaceIn(volume.GetPointer(), { { 5.0, 3.0, 2.0 } });
    const auto opposite = PlaceIn(volume.GetPointer(), { { 6.0, 9.5, 4.5 } });
    reference->AddBox(corner, opposite);
    reference->Update();
    const auto expected = reference->GetScores();
    ASSERT_EQ(expected.size(), axis == 0 ? 2u : 3u);
    for (const auto & order : itk::AllSamAxisOrders())
    {
      const auto stored = itk::StoreInOrder(volume.GetPointer(), order);
      auto       filter = MakeFilter<VolumeFilter>(stored.GetPointer(), model);
      filter->SetAxis(axis);
      filter->AddBox(opposite, corner);
      filter->Update();
      size_t different = 0;
      for (itk::ImageRegionIteratorWithIndex<Volume> it(filter->GetOutput(), stored->GetBufferedRegion());
           !it.IsAtEnd();
           ++it)
      {
        const auto index = order.MapIndex(it.GetIndex(), stored.GetPointer(), volume.GetPointer());
        different += it.Get() != reference->GetOutput()->GetPixel(index);
      }
      // Corners come from other matrices, so that a logit that is nearly 0 may change its sign.
      EXPECT_LE(different, 1u);
      EXPECT_EQ(filter->GetScores().size(), expected.size());
    }
  }
}

TEST(SamPromptedSegmentationImageFilter, EmbeddingFromAFileGivesTheSameBits)
{
  itk::MetaImageIOFactory::RegisterOneFactory();
  using EmbeddingImage = itk::VectorImage<float, 3>;
  const auto model = MakeModel();
  const auto volume = PutElsewhere(itk::MakeSamTestVolume<Volume>({ { 22, 9, 17 } }).GetPointer());
  const auto start = volume->GetLargestPossibleRegion().GetIndex(1);
  auto       encoder = itk::SamSliceEncoderImageFilter<Volume>::New();
  encoder->SetInput(volume);
  encoder->SetModel(model);
  encoder->SetAxis(1);
  encoder->SetSliceRange(start + 3, start + 6);
  const std::string fileName = testing::TempDir() + "itkSamPromptedSegmentation.mha";
  auto              writer = itk::ImageFileWriter<EmbeddingImage>::New();
  writer->SetInput(encoder->GetOutput());
  writer->SetFileName(fileName);
  writer->Update();
  auto reader = itk::ImageFileReader<EmbeddingImage>::New();
  reader->SetFileName(fileName);

  // No pixels: the grid is all that is needed.
  auto grid = Volume::New();
  grid->CopyInformation(volume);
  grid->SetLargestPossibleRegion(volume->GetLargestPossibleRegion());
  const auto run = [&](const Volume * image, const itk::VectorImage<float, 3> * embedding) {
    auto filter = MakeFilter<VolumeFilter>(image, model);
    filter->SetAxis(1);
    filter->SetEmbedding(embedding);
    filter->AddBox(PlaceIn(volume.GetPointer(), { { 4.0, 4.0, 2.0 } }),
                   PlaceIn(volume.GetPointer(), { { 15.0, 6.0, 9.0 } }));
    filter->AddPoint(PlaceIn(volume.GetPointer(), { { 6.0, 4.0, 8.0 } }), true, 2);
    filter->Update();
    EXPECT_EQ(filter->GetNumberOfEncodedSlices(), embedding == nullptr ? 3u : 0u);
    return std::make_pair(PixelsOf(filter->GetOutput()), PixelsOf(filter->GetLogits().GetPointer()));
  };
  const auto expected = run(volume, nullptr);
  EXPECT_EQ(expected.second.size(), 2u * 32u * 32u * 3u);
  EXPECT_EQ(run(grid, reader->GetOutput()), expected);
  EXPECT_EQ(run(grid, encoder->GetOutput()), expected);
  std::remove(fileName.c_str());

  auto filter = MakeFilter<VolumeFilter>(volume.GetPointer(), model);
  filter->SetAxis(1);
  filter->SetEmbedding(encoder->GetOutput());
  filter->AddPoint(PlaceIn(volume.GetPointer(), { { 4.0, 7.0, 2.0 } }));
  EXPECT_EQ(MessageOf([&] { filter->Update(); }),
            "slice " + std::to_string(start + 7) + " has prompts, but the embedding holds the slices " +
              std::to_string(start + 3) + " to " + std::to_string(start + 6));
  filter->SetAxis(2);
  const auto message = MessageOf([&] { filter->Update(); });
  EXPECT_EQ(message.find("the embedding: a corner lies at ("), 0u) << message;
}

TEST(SamPromptedSegmentationImageFilter, EncodesASliceOnce)
{
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 7 } });
  auto       filter = MakeFilter<VolumeFilter>(volume.GetPointer(), MakeModel());
  const auto at = [&](double x, double z) { return PlaceIn(volume.GetPointer(), { { x, 8.0, z } }); };
  filter->AddPoint(at(3.0, 2.0));
  filter->Update();
  const auto first = PixelsOf(filter->GetOutput());
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 1u);
  filter->AddPoint(at(20.0, 2.0));
  filter->MultimaskOn();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 1u) << "other prompts on the same slice";
  filter->AddPoint(at(3.0, 4.0));
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 2u);
  filter->ClearPrompts();
  filter->MultimaskOff();
  filter->AddPoint(at(3.0, 2.0));
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 2u);
  EXPECT_EQ(PixelsOf(filter->GetOutput()), first);
  volume->Modified();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 3u) << "the image may have changed";
  filter->SetWindow(20.0, 200.0);
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 4u);
  filter->SetAxis(1);
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 5u);
  filter->SetCacheSize(0);
  filter->AddPoint(at(4.0, 3.0));
  filter->Update();
  filter->AddPoint(at(5.0, 3.0));
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 6u) << "kept from before, then not any more";
}

TEST(SamPromptedSegmentationImageFilter, PixelsThatAreChangedBehindASourceAreEncodedAnew)
{
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 7 } });
  const auto source = itk::CastImageFilter<Volume, Volume>::New();
  source->SetInput(volume);
  source->InPlaceOff();
  source->UpdateLargestPossibleRegion(); // else it would make other slices anew, without the change
  const auto model = MakeModel();
  const auto point = PlaceIn(volume.GetPointer(), { { 3.0, 8.0, 2.0 } });
  auto       filter = MakeFilter<VolumeFilter>(source->GetOutput(), model);
  filter->AddPoint(point);
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 1u);
  filter->MultimaskOn();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 1u) << "nothing has changed the image";
  for (itk::ImageRegionIteratorWithIndex<Volume> it(source->GetOutput(), source->GetOutput()->GetBufferedRegion());
       !it.IsAtEnd();
       ++it)
  {
    it.Set(static_cast<unsigned char>(255 - it.Get()));
  }
  source->GetOutput()->Modified();
  filter->Update();
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 2u);
  auto fresh = MakeFilter<VolumeFilter>(source->GetOutput(), model);
  fresh->AddPoint(point);
  fresh->MultimaskOn();
  fresh->Update();
  EXPECT_EQ(PixelsOf(filter->GetOutput()), PixelsOf(fresh->GetOutput()));
  EXPECT_EQ(filter->GetScores().front().score, fresh->GetScores().front().score);
}

TEST(SamPromptedSegmentationImageFilter, MasksAreOfTheLastRun)
{
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 40 } });
  auto       filter = MakeFilter<VolumeFilter>(volume.GetPointer(), MakeModel());
  EXPECT_EQ(MessageOf([&] { filter->GetMasks(); }), "there are no masks yet, expected Update() before");
  filter->AddPoint(PlaceIn(volume.GetPointer(), { { 3.0, 8.0, 37.0 } }));
  filter->Update();
  const auto masks = filter->GetMasks();
  const auto logits = filter->GetLogits();
  filter->SetInput(itk::MakeSamTestVolume<Volume>({ { 9, 8, 2 } }));
  filter->SetAxis(0);
  filter->SetModel(nullptr);
  EXPECT_EQ(filter->GetMasks()->GetLargestPossibleRegion(), volume->GetLargestPossibleRegion());
  EXPECT_EQ(filter->GetMasks()->GetOrigin(), volume->GetOrigin());
  EXPECT_EQ(PixelsOf(filter->GetMasks().GetPointer()), PixelsOf(masks.GetPointer()));
  EXPECT_EQ(PixelsOf(filter->GetLogits().GetPointer()), PixelsOf(logits.GetPointer()));
}

TEST(SamPromptedSegmentationImageFilter, HigherLogitWinsBetweenObjects)
{
  const auto model = MakeModel();
  const auto image = itk::MakeSamTestVolume<FlatImage>({ { 30, 24 } });
  const auto first = PlaceIn(image.GetPointer(), { { 3.0, 4.0, 0.0 } });
  const auto second = PlaceIn(image.GetPointer(), { { 26.0, 20.0, 0.0 } });
  const auto logitsOf = [&](const auto & point) {
    auto filter = MakeFilter<FlatFilter>(image.GetPointer(), model);
    filter->AddPoint(point);
    filter->Update();
    const auto         low = itk::SamTensor::FromHost(filter->GetLogits()->GetBufferPointer(), { 1, 1, 32, 32 });
    std::vector<float> logits(30 * 24);
    model->RestoreMasks(low, { { 30, 24 } }).CopyToHost(logits.data());
    return logits;
  };
  const auto one = logitsOf(first);
  const auto two = logitsOf(second);
  auto       filter = MakeFilter<FlatFilter>(image.GetPointer(), model);
  filter->AddPoint(second, true, 9);
  filter->AddPoint(first, true, 4);
  filter->Update();
  std::array<size_t, 3> counts{};
  for (size_t k = 0; k < one.size(); ++k)
  {
    const int expected = std::max(one[k], two[k]) <= 0.0f ? 0 : one[k] >= two[k] ? 4 : 9;
    ASSERT_EQ(filter->GetOutput()->GetBufferPointer()[k], expected) << k;
    ++counts[expected == 0 ? 0 : expected == 4 ? 1 : 2];
  }
  EXPECT_GT(*std::min_element(counts.begin(), counts.end()), 0u);
}

TEST(SamPromptedSegmentationImageFilter, MasksAsPrompts)
{
  const auto model = MakeModel();
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 7 } });
  auto       filter = MakeFilter<VolumeFilter>(volume.GetPointer(), model);
  const auto point = PlaceIn(volume.GetPointer(), { { 12.0, 8.0, 3.0 } });
  filter->AddPoint(point, true, 3);
  filter->Update();
  const auto without = PixelsOf(filter->GetLogits().GetPointer());

  // The logits of a former run.
  const auto logits = filter->GetLogits();
  filter->SetLogitsPrompt(logits);
  filter->Update();
  const auto refined = PixelsOf(filter->GetLogits().GetPointer());
  EXPECT_NE(refined, without);
  std::vector<float> channels(3 * 22 * 19);
  for (size_t k = 0; k < channels.size(); ++k)
  {
    channels[k] = volume->GetBufferPointer()[3 * 22 * 19 + k % (22 * 19)];
  }
  const auto embedding = model->EncodeSlices(
    1, [&](itk::SizeValueType) { return itk::SamTensor::FromHost(channels.data(), { 3, 1, 19, 22 }); });
  itk::SamSlicePrompts prompts;
  prompts.points = { { { 12.0, 8.0 } } };
  prompts.isForeground = { true };
  prompts.maskLogits = itk::SamTensor::FromHost(without.data(), { 1, 32, 32 });
  std::vector<float> expected(32 * 32);
  model->Predict(embedding, { { 22, 19 } }, prompts, false).logits.CopyToHost(expected.data());
  for (size_t k = 0; k < expected.size(); ++k)
  {
    ASSERT_NEAR(refined[k], expected[k], 1e-5f);
  }
  filter->AddPoint(point, true, 4);
  EXPECT_EQ(MessageOf([&] { filter->Update(); }),
            "the logits have 1 components, expected one for each of the 2 objects");

  // A label map: both objects on two slices, object 6 alone by its mask.
  auto labels = Volume::New();
  labels->CopyInformation(volume);
  labels->SetRegions(volume->GetLargestPossibleRegion());
  labels->Allocate(true);
  const auto start = volume->GetLargestPossibleRegion().GetIndex();
  for (int z : { 3, 4 })
  {
    for (int k = 0; k < 22 * 19; ++k)
    {
      const int           x = k % 22;
      const itk::Index<3> index{ { start[0] + x, start[1] + k / 22, start[2] + z } };
      labels->SetPixel(index, x < 11 ? 3 : 6);
    }
  }
  auto prompted = MakeFilter<VolumeFilter>(volume.GetPointer(), model);
  prompted->AddPoint(point, true, 3);
  prompted->SetMaskPrompt(labels);
  prompted->Update();
  const auto scores = prompted->GetScores();
  ASSERT_EQ(scores.size(), 4u);
  EXPECT_EQ(scores[1].object, 6u);
  EXPECT_EQ(scores[2].slice, start[2] + 4);
  EXPECT_EQ(prompted->GetMasks()->GetNumberOfComponentsPerPixel(), 2u);
  labels->FillBuffer(0);
  labels->Modified();
  prompted->ClearPrompts();
  EXPECT_EQ(MessageOf([&] { prompted->Update(); }), "no prompt is given: the mask is 0 everywhere");
}

TEST(SamPromptedSegmentationImageFilter, MaskLogitsAreOddsOfCoverage)
{
  // 32 × 24 pixels fill 32 × 24 of the 32 × 32 logits: one pixel each.
  std::vector<float> mask(32 * 24, 0.0f);
  std::fill_n(mask.begin() + 5 * 32, 7, 1.0f);
  std::vector<float> logits(32 * 32);
  const auto         model = MakeModel();
  model->MakeMaskLogits(itk::SamTensor::FromHost(mask.data(), { 1, 24, 32 })).CopyToHost(logits.data());
  for (size_t k = 0; k < logits.size(); ++k)
  {
    ASSERT_NEAR(logits[k], k / 32 == 5 && k % 32 < 7 ? 6.9067f : -6.9067f, 1e-3f) << k;
  }
  // 64 pixels to 32 logits.
  mask.assign(64 * 64, 0.0f);
  std::fill_n(mask.begin(), 64 * 32, 1.0f);
  model->MakeMaskLogits(itk::SamTensor::FromHost(mask.data(), { 1, 64, 64 })).CopyToHost(logits.data());
  EXPECT_NEAR(logits[3 * 32 + 8], 6.9067f, 1e-3f);
  EXPECT_NEAR(logits[28 * 32 + 8], -6.9067f, 1e-3f);
}

TEST(SamPromptedSegmentationImageFilter, BoxesOfVolumes)
{
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 7 } });
  const auto start = volume->GetLargestPossibleRegion().GetIndex(2);
  auto       filter = MakeFilter<VolumeFilter>(volume.GetPointer(), MakeModel());
  const auto slicesOf = [&](double low, double high) {
    filter->ClearPrompts();
    filter->AddBox(PlaceIn(volume.GetPointer(), { { 3.0, 3.0, low } }),
                   PlaceIn(volume.GetPointer(), { { 12.0, 9.0, high } }));
    filter->Update();
    std::vector<int> slices;
    for (const auto & score : filter->GetScores())
    {
      slices.push_back(static_cast<int>(score.slice - start));
    }
    return slices;
  };
  EXPECT_EQ(slicesOf(2.0, 4.0), (std::vector<int>{ 2, 3, 4 }));
  EXPECT_EQ(slicesOf(4.4, 1.6), (std::vector<int>{ 2, 3, 4 }));
  EXPECT_EQ(slicesOf(3.2, 3.4), (std::vector<int>{ 3 })) << "between two centers";
  EXPECT_EQ(slicesOf(3.0, 3.0), (std::vector<int>{ 3 }));
  EXPECT_EQ(slicesOf(-1.4, 0.2), (std::vector<int>{ 0 })) << "up to a voxel outside";
  EXPECT_EQ(filter->GetNumberOfEncodedSlices(), 4u);
}

TEST(SamPromptedSegmentationImageFilter, Mistakes)
{
  const auto image = FlatImage::New();
  image->SetRegions(FlatImage::SizeType{ { 20, 10 } });
  image->Allocate(true);
  auto       filter = FlatFilter::New();
  const auto message = [&filter] { return MessageOf([&filter] { filter->Update(); }); };
  const auto at = [](double x, double y) {
    FlatFilter::PointType point;
    point[0] = x;
    point[1] = y;
    return point;
  };
  filter->SetInput(image);
  filter->AddPoint(at(3.0, 4.0));
  EXPECT_EQ(message(), "no model is set");
  filter->SetModel(itk::MakeSamTestModel());
  EXPECT_NE(message().find("the model plan makes its own prompts"), std::string::npos) << message();
  filter->SetModel(MakeModel());
  EXPECT_EQ(message(), "no exception");
  filter->ClearPrompts();
  EXPECT_EQ(message(), "no prompt is given, expected points, boxes or a mask");
  filter->AddPoint(at(19.6, 4.0));
  EXPECT_EQ(message(),
            "the point of object 1 (19.6, 4) mm lies outside of the image, which reaches from (-0.5, -0.5) to "
            "(19.5, 9.5) mm");
  filter->ClearPrompts();
  filter->AddPoint(at(std::nan(""), 4.0));
  EXPECT_NE(message().find("lies outside"), std::string::npos);
  filter->ClearPrompts();
  filter->AddBox(at(2.0, 3.0), at(2.0, 8.0), 2);
  EXPECT_EQ(
    message(),
    "the box of object 2 from [2, 3] to [2, 8] mm is empty, expected corners that differ along both axes of the "
    "slice");
  filter->ClearPrompts();
  filter->AddBox(at(2.0, 3.0), at(30.0, 8.0));
  EXPECT_NE(message().find("the corner of the box of object 1 (30, 8) mm lies outside"), std::string::npos);
  filter->ClearPrompts();
  filter->AddBox(at(0.0, 0.0), at(20.0, 10.0));
  EXPECT_EQ(message(), "no exception") << "the whole image in the published programs' terms";
  filter->AddBox(at(1.0, 1.0), at(5.0, 5.0));
  EXPECT_EQ(message(), "two boxes of object 1 on slice 0, expected one for each object and slice");
  filter->ClearPrompts();
  filter->AddPoint(at(3.0, 4.0), true, 256);
  EXPECT_EQ(message(), "object 256, expected 1 to 255");
  filter->ClearPrompts();
  filter->AddPoint(at(3.0, 4.0), false);
  EXPECT_EQ(message(), "no exception") << "a background point alone";
  filter->SetWindow(3.0, 3.0);
  EXPECT_EQ(message(), "window 3 to 3, expected lower < upper");
  filter->ClearWindow();
  auto mask = FlatImage::New();
  mask->SetRegions(FlatImage::SizeType{ { 20, 11 } });
  mask->Allocate(true);
  filter->SetMaskPrompt(mask);
  EXPECT_EQ(message(), "the mask prompt: size 20x11, expected 20x10");
  filter->SetMaskPrompt(nullptr);
  EXPECT_EQ(message(), "no exception");

  auto real = itk::Image<float, 2>::New();
  real->SetRegions(image->GetLargestPossibleRegion());
  real->Allocate(true);
  real->SetPixel({ { 3, 2 } }, std::nanf(""));
  auto realFilter =
    MakeFilter<itk::SamPromptedSegmentationImageFilter<itk::Image<float, 2>>>(real.GetPointer(), MakeModel());
  realFilter->AddPoint(at(3.0, 4.0));
  EXPECT_EQ(MessageOf([&] { realFilter->Update(); }),
            "the image holds 1 NaN or infinite value, the first at index [3, 2], expected finite numbers");
  auto many = itk::VectorImage<float, 2>::New();
  many->SetRegions(image->GetLargestPossibleRegion());
  many->SetVectorLength(4);
  many->Allocate(true);
  auto manyFilter =
    MakeFilter<itk::SamPromptedSegmentationImageFilter<itk::VectorImage<float, 2>>>(many.GetPointer(), MakeModel());
  manyFilter->AddPoint(at(3.0, 4.0));
  EXPECT_EQ(MessageOf([&] { manyFilter->Update(); }), "the image has 4 channels, expected 1 or 3 (red, green, blue)");
  auto volumeFilter = MakeFilter<VolumeFilter>(itk::MakeSamTestVolume<Volume>().GetPointer(), MakeModel());
  volumeFilter->SetAxis(3);
  volumeFilter->AddPoint(VolumeFilter::PointType());
  EXPECT_EQ(MessageOf([&] { volumeFilter->Update(); }), "axis 3, expected 0, 1 or 2");
}

TEST(SamPromptedSegmentationImageFilter, OtherStagesRefuseAPromptableModel)
{
  auto encoder = itk::SamSliceEncoderImageFilter<FlatImage>::New();
  encoder->SetInput(itk::MakeSamTestVolume<FlatImage>({ { 9, 8 } }));
  encoder->SetModel(itk::MakeSamTestModel());
  EXPECT_NE(MessageOf([&] { encoder->Update(); }).find("makes its own prompts"), std::string::npos);
  EXPECT_NE(MessageOf([] { itk::SamModel::Verify(MakeModel(), 3); }).find("takes points, boxes and masks"),
            std::string::npos);
}

TEST(SamPromptedSegmentationImageFilter, ReportsProgressAndStops)
{
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 22, 19, 7 } });
  auto       filter = MakeFilter<VolumeFilter>(volume.GetPointer(), MakeModel());
  filter->AddBox(PlaceIn(volume.GetPointer(), { { 3.0, 3.0, 1.0 } }),
                 PlaceIn(volume.GetPointer(), { { 12.0, 9.0, 3.0 } }));
  std::vector<float> seen;
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) { seen.push_back(filter->GetProgress()); });
  filter->Update();
  EXPECT_GE(seen.size(), 6u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 1.0f);
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) { filter->AbortGenerateDataOn(); });
  volume->Modified();
  EXPECT_THROW(filter->Update(), itk::ProcessAborted);
  filter->RemoveAllObservers();
  EXPECT_NO_THROW(filter->Update());
  EXPECT_EQ(filter->GetScores().size(), 3u);
  std::ostringstream text;
  filter->Print(text);
  for (const auto * part : { "Axis: 2", "Window: (none)", "Boxes: 1", "of object 1", "NumberOfEncodedSlices: " })
  {
    EXPECT_NE(text.str().find(part), std::string::npos) << part;
  }
}
