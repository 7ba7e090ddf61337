// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamResampleImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkRGBPixel.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>

namespace
{
using sam::test::MessageOf;
using ImageType = itk::Image<float, 3>;
using FilterType = itk::SamResampleImageFilter<ImageType>;
using OutputType = FilterType::OutputImageType;

OutputType::Pointer
Resample(const ImageType * image, const std::string & orientation, const FilterType::SpacingType & spacing)
{
  auto filter = FilterType::New();
  filter->SetInput(image);
  filter->SetOrientation(orientation);
  filter->SetOutputSpacing(spacing);
  filter->Update();
  return filter->GetOutput();
}
} // namespace

TEST(SamResampleImageFilter, KeepsVoxelsWhereSpacingAgrees)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  const auto output = Resample(image, "LPS", { { 0.9, 0.0, 2.0005 } });
  ASSERT_EQ(output->GetLargestPossibleRegion().GetSize(), image->GetLargestPossibleRegion().GetSize());
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    ImageType::PointType point;
    image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
    const auto            index = output->TransformPhysicalPointToIndex(point);
    OutputType::PointType found;
    output->TransformIndexToPhysicalPoint(index, found);
    ASSERT_LT(found.EuclideanDistanceTo(point), 1e-9);
    ASSERT_EQ(output->GetPixel(index)[0], it.Get());
  }
}

TEST(SamResampleImageFilter, TurnsAxesAsTheOrientationSays)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  const auto output = Resample(image, "SRA", { { 0.0, 0.0, 0.0 } });
  EXPECT_EQ(output->GetLargestPossibleRegion().GetSize(), (ImageType::SizeType{ { 7, 22, 19 } }));
  EXPECT_EQ(output->GetSpacing()[0], 2.0);
  EXPECT_EQ(output->GetDirection()(2, 0), 1.0);
  EXPECT_EQ(output->GetDirection()(0, 1), -1.0);
  EXPECT_EQ(output->GetDirection()(1, 2), -1.0);
  OutputType::PointType point;
  output->TransformIndexToPhysicalPoint({ { 2, 5, 3 } }, point);
  EXPECT_EQ(output->GetPixel({ { 2, 5, 3 } })[0], image->GetPixel(image->TransformPhysicalPointToIndex(point)));
}

TEST(SamResampleImageFilter, EveryStoredOrderGivesTheSameBits)
{
  const auto         image = itk::MakeSamTestVolume<ImageType>();
  const auto         model = itk::MakeSamTestModel();
  std::vector<float> expected;
  for (const FilterType::SpacingType & spacing :
       { FilterType::SpacingType{ { 0.0, 0.0, 0.0 } }, FilterType::SpacingType{ { 0.7, 2.3, 1.9 } } })
  {
    expected.clear();
    for (const auto & order : itk::AllSamAxisOrders())
    {
      const auto stored = itk::StoreInOrder(image.GetPointer(), order);
      auto       filter = FilterType::New();
      filter->SetInput(stored);
      filter->SetModel(model);
      filter->SetOutputSpacing(spacing);
      filter->Update();
      const auto * output = filter->GetOutput();
      const auto   count = output->GetBufferedRegion().GetNumberOfPixels();
      if (expected.empty())
      {
        expected.assign(output->GetBufferPointer(), output->GetBufferPointer() + count);
      }
      ASSERT_EQ(count, expected.size());
      ASSERT_EQ(std::memcmp(expected.data(), output->GetBufferPointer(), count * sizeof(float)), 0);
    }
  }
}

TEST(SamResampleImageFilter, AlignsExtentsWhereSpacingsDiffer)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  const auto output = Resample(image, "LPS", { { 0.6, 1.3, 1.0 } });
  // Extents 19.8, 20.9 and 14 mm.
  EXPECT_EQ(output->GetLargestPossibleRegion().GetSize(), (ImageType::SizeType{ { 33, 16, 14 } }));
  itk::ContinuousIndex<double, 3> middle;
  itk::ContinuousIndex<double, 3> outputMiddle;
  for (unsigned int i = 0; i < 3; ++i)
  {
    middle[i] = image->GetLargestPossibleRegion().GetIndex(i) +
                0.5 * (static_cast<double>(image->GetLargestPossibleRegion().GetSize(i)) - 1.0);
    outputMiddle[i] = 0.5 * (static_cast<double>(output->GetLargestPossibleRegion().GetSize(i)) - 1.0);
  }
  ImageType::PointType center;
  ImageType::PointType outputCenter;
  image->TransformContinuousIndexToPhysicalPoint(middle, center);
  output->TransformContinuousIndexToPhysicalPoint(outputMiddle, outputCenter);
  EXPECT_LT(center.EuclideanDistanceTo(outputCenter), 1e-9);
  ImageType::PointType point;
  output->TransformIndexToPhysicalPoint({ { 16, 8, 7 } }, point);
  EXPECT_NEAR(output->GetPixel({ { 16, 8, 7 } })[0], itk::SamPhantom(point), 2.0);
}

TEST(SamResampleImageFilter, AveragesWhereTheGridIsCoarse)
{
  // A checkerboard of which 5 x 5 voxels make one of the grid: samples would be 0 or 100.
  auto image = itk::MakeSamTestVolume<ImageType>({ { 15, 15, 4 } });
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set((it.GetIndex()[0] + it.GetIndex()[1]) % 2 == 0 ? 100.0f : 0.0f);
  }
  const auto output = Resample(image, "LPS", { { 4.5, 5.5, 2.0 } });
  EXPECT_EQ(output->GetLargestPossibleRegion().GetSize(), (ImageType::SizeType{ { 3, 3, 4 } }));
  for (itk::ImageRegionIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    EXPECT_NEAR(std::abs(it.Get()[0] - 50.0), 2.0, 1e-4);
  }
}

TEST(SamResampleImageFilter, SamplesObliqueImagesInPhysicalSpace)
{
  ImageType::SpacingType spacing;
  spacing[0] = 0.8;
  spacing[1] = 0.7;
  spacing[2] = 1.1;
  ImageType::PointType origin;
  origin[0] = 5.0;
  origin[1] = -7.0;
  origin[2] = 30.0;
  const auto image =
    itk::MakeSamTestImage<ImageType>({ { -5, 6, 3 } }, { { 30, 32, 20 } }, spacing, origin, itk::ObliqueSamDirection());
  for (const FilterType::SpacingType & outputSpacing :
       { FilterType::SpacingType{ { 0.9, 0.9, 0.9 } }, FilterType::SpacingType{ { 1.7, 1.7, 2.0 } } })
  {
    const auto output = Resample(image, "LPS", outputSpacing);
    EXPECT_EQ(output->GetDirection()(0, 0), 1.0);
    EXPECT_EQ(output->GetDirection()(0, 1), 0.0);
    size_t inside = 0;
    for (itk::ImageRegionIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      OutputType::PointType           point;
      itk::ContinuousIndex<double, 3> index;
      output->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      if (image->TransformPhysicalPointToContinuousIndex(point, index) && index[0] > -4.0 && index[1] > 7.0 &&
          index[2] > 4.0 && index[0] < 23.0 && index[1] < 36.0 && index[2] < 21.0)
      {
        ++inside;
        ASSERT_NEAR(it.Get()[0], itk::SamPhantom(point), 3.0);
      }
    }
    EXPECT_GT(inside, 500u);
    // Every voxel of the image lies in the grid.
    const auto & region = image->GetLargestPossibleRegion();
    for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, region); !it.IsAtEnd(); ++it)
    {
      ImageType::PointType point;
      image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      ImageType::IndexType index;
      ASSERT_TRUE(output->TransformPhysicalPointToIndex(point, index));
    }
  }
  const auto stored = Resample(image, "acquisition", { { 0.0, 0.0, 0.0 } });
  EXPECT_EQ(stored->GetDirection(), image->GetDirection());
  EXPECT_EQ(std::memcmp(stored->GetBufferPointer(),
                        image->GetBufferPointer(),
                        image->GetBufferedRegion().GetNumberOfPixels() * sizeof(float)),
            0);
}

TEST(SamResampleImageFilter, ObliqueAxesCanBeKept)
{
  // The same voxels: along the axes of LPS, and turned, stored in another order with one axis backwards.
  const auto                        straight = itk::MakeSamTestVolume<ImageType>();
  const auto &                      region = straight->GetLargestPossibleRegion();
  const auto                        turn = itk::ObliqueSamDirection();
  ImageType::Pointer                oblique = ImageType::New();
  ImageType::RegionType             stored(ImageType::IndexType{ { 0, 0, 0 } },
                               ImageType::SizeType{ { region.GetSize(2), region.GetSize(0), region.GetSize(1) } });
  ImageType::SpacingType            spacing;
  ImageType::DirectionType          direction;
  const std::array<unsigned int, 3> axis{ { 2, 0, 1 } }; // of the straight image, by the stored one's
  for (unsigned int i = 0; i < 3; ++i)
  {
    spacing[i] = straight->GetSpacing()[axis[i]];
    for (unsigned int a = 0; a < 3; ++a)
    {
      direction(a, i) = (i == 1 ? -1.0 : 1.0) * turn(a, axis[i]);
    }
  }
  oblique->SetRegions(stored);
  oblique->SetSpacing(spacing);
  oblique->SetDirection(direction);
  oblique->Allocate();
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(straight, region); !it.IsAtEnd(); ++it)
  {
    const auto place = it.GetIndex() - region.GetIndex();
    oblique->SetPixel({ { place[2], static_cast<itk::IndexValueType>(region.GetSize(0)) - 1 - place[0], place[1] } },
                      it.Get());
  }
  for (const double wanted : { 0.0, 1.3 })
  {
    const auto expected = Resample(straight, "nearest LPS", { { wanted, wanted, wanted } });
    const auto found = Resample(oblique, "nearest LPS", { { wanted, wanted, wanted } });
    EXPECT_EQ(expected->GetDirection(), straight->GetDirection());
    for (unsigned int i = 0; i < 3; ++i)
    {
      for (unsigned int a = 0; a < 3; ++a)
      {
        EXPECT_NEAR(found->GetDirection()(a, i), turn(a, i), 1e-12);
      }
    }
    ASSERT_EQ(found->GetLargestPossibleRegion(), expected->GetLargestPossibleRegion());
    EXPECT_EQ(std::memcmp(found->GetBufferPointer(),
                          expected->GetBufferPointer(),
                          expected->GetBufferedRegion().GetNumberOfPixels() * sizeof(float)),
              0);
  }
  // Every voxel stays where it is.
  const auto           found = Resample(oblique, "nearest LPS", { { 0.0, 0.0, 0.0 } });
  ImageType::PointType here;
  ImageType::PointType there;
  oblique->TransformIndexToPhysicalPoint({ { 0, 0, 0 } }, here);
  found->TransformIndexToPhysicalPoint({ { static_cast<itk::IndexValueType>(region.GetSize(0)) - 1, 0, 0 } }, there);
  EXPECT_LT(here.EuclideanDistanceTo(there), 1e-9);
}

TEST(SamResampleImageFilter, RegionIsThatPartOfTheWholeGrid)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  const auto whole = Resample(image, "LPS", { { 1.2, 1.0, 2.0 } });
  auto       filter = FilterType::New();
  filter->SetInput(image);
  filter->SetOutputSpacing({ { 1.2, 1.0, 2.0 } });
  ImageType::PointType center;
  whole->TransformIndexToPhysicalPoint({ { 6, 9, 3 } }, center);
  FilterType::VectorType size;
  size[0] = 5 * 1.2 + 0.1;
  size[1] = 7.0;
  size[2] = 3 * 2.0 - 0.3;
  filter->SetRegionOfInterest(center, size);
  filter->Update();
  const auto * part = filter->GetOutput();
  EXPECT_EQ(part->GetOrigin(), whole->GetOrigin());
  EXPECT_EQ(part->GetLargestPossibleRegion().GetIndex(), (ImageType::IndexType{ { 4, 6, 2 } }));
  EXPECT_EQ(part->GetLargestPossibleRegion().GetSize(), (ImageType::SizeType{ { 5, 7, 3 } }));
  for (itk::ImageRegionConstIteratorWithIndex<OutputType> it(part, part->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    ASSERT_EQ(it.Get()[0], whole->GetPixel(it.GetIndex())[0]);
  }

  // Over the edge the border voxels are repeated.
  ImageType::PointType corner;
  whole->TransformIndexToPhysicalPoint({ { 0, 0, 0 } }, corner);
  filter->SetRegionOfInterest(corner, size);
  filter->Update();
  EXPECT_EQ(filter->GetOutput()->GetLargestPossibleRegion().GetIndex(), (ImageType::IndexType{ { -2, -3, -1 } }));
  EXPECT_EQ(filter->GetOutput()->GetPixel({ { -2, -3, -1 } })[0], whole->GetPixel({ { 0, 0, 0 } })[0]);

  corner[0] -= 500.0;
  filter->SetRegionOfInterest(corner, size);
  const auto message = MessageOf([&] { filter->Update(); });
  EXPECT_NE(message.find("outside of the image"), std::string::npos) << message;
  EXPECT_NE(message.find("mm"), std::string::npos) << message;
}

TEST(SamResampleImageFilter, RequestsOnlyWhatItNeeds)
{
  auto source = itk::SamTestSource<ImageType>::New();
  source->image = itk::MakeSamTestVolume<ImageType>();
  auto filter = FilterType::New();
  filter->SetInput(source->GetOutput());
  filter->SetOutputSpacing({ { 0.0, 0.0, 1.7 } });
  ImageType::PointType center;
  source->UpdateOutputInformation();
  source->GetOutput()->TransformIndexToPhysicalPoint({ { 10, 4, 4 } }, center);
  FilterType::VectorType size;
  size[0] = 3 * 0.9;
  size[1] = 5 * 1.1;
  size[2] = 1.7;
  filter->SetRegionOfInterest(center, size);
  filter->Update();
  EXPECT_EQ(source->made.GetIndex(0), 9);
  EXPECT_EQ(source->made.GetSize(0), 3u);
  EXPECT_EQ(source->made.GetIndex(1), 2);
  EXPECT_EQ(source->made.GetSize(1), 5u);
  EXPECT_LE(source->made.GetSize(2), 2u);
  const auto   whole = Resample(itk::MakeSamTestVolume<ImageType>(), "LPS", { { 0.0, 0.0, 1.7 } });
  const auto * part = filter->GetOutput();
  for (itk::ImageRegionConstIteratorWithIndex<OutputType> it(part, part->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    ASSERT_EQ(it.Get()[0], whole->GetPixel(it.GetIndex())[0]);
  }
}

TEST(SamResampleImageFilter, NormalizesToZeroMeanAndUnitDeviation)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  auto       filter = FilterType::New();
  filter->SetInput(image);
  filter->SetModel(itk::MakeSamTestModel());
  filter->Update();
  const auto * output = filter->GetOutput();
  double       sum = 0.0;
  double       squares = 0.0;
  const auto   count = output->GetBufferedRegion().GetNumberOfPixels();
  for (size_t k = 0; k < count; ++k)
  {
    sum += static_cast<double>(output->GetBufferPointer()[k]);
    squares += std::pow(static_cast<double>(output->GetBufferPointer()[k]), 2);
  }
  EXPECT_NEAR(sum / static_cast<double>(count), 0.0, 1e-6);
  EXPECT_NEAR(squares / static_cast<double>(count), 1.0, 1e-5);

  image->FillBuffer(0.1f);
  image->Modified();
  filter->Update();
  for (size_t k = 0; k < filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels(); ++k)
  {
    ASSERT_EQ(filter->GetOutput()->GetBufferPointer()[k], 0.0f);
  }
}

TEST(SamResampleImageFilter, RepeatedBorderDoesNotCountForTheMean)
{
  auto image = itk::MakeSamTestVolume<ImageType>();
  auto filter = FilterType::New();
  filter->SetInput(image);
  filter->SetChannels({ itk::SamChannel{ "MR" } });
  ImageType::PointType corner;
  image->TransformIndexToPhysicalPoint(image->GetLargestPossibleRegion().GetIndex(), corner);
  FilterType::VectorType size;
  size[0] = 6 * 0.9;
  size[1] = 6 * 1.1;
  size[2] = 6 * 2.0;
  filter->SetRegionOfInterest(corner, size);
  filter->Update();
  const auto * output = filter->GetOutput();
  double       sum = 0.0;
  for (itk::ImageRegionConstIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto index = it.GetIndex();
    sum += index[0] >= 0 && index[1] >= 0 && index[2] >= 0 ? static_cast<double>(it.Get()[0]) : 0.0;
  }
  EXPECT_NEAR(sum, 0.0, 1e-4);
}

TEST(SamResampleImageFilter, Clips)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  image->FillBuffer(-2000.0f);
  image->SetPixel(image->GetLargestPossibleRegion().GetIndex(), 60.0f);
  auto            filter = FilterType::New();
  itk::SamChannel channel;
  channel.normalization = "clip";
  channel.lower = -160.0;
  channel.upper = 240.0;
  channel.mean = 40.0;
  channel.deviation = 50.0;
  filter->SetInput(image);
  filter->SetChannels({ channel });
  filter->Update();
  EXPECT_FLOAT_EQ(filter->GetOutput()->GetPixel({ { 0, 0, 0 } })[0], 0.4f);
  EXPECT_FLOAT_EQ(filter->GetOutput()->GetPixel({ { 1, 0, 0 } })[0], -4.0f);
}

TEST(SamResampleImageFilter, ComponentsAreChannels)
{
  using RgbImageType = itk::Image<itk::RGBPixel<unsigned char>, 2>;
  auto image = RgbImageType::New();
  image->SetRegions(RgbImageType::SizeType{ { 5, 4 } });
  image->Allocate();
  for (itk::ImageRegionIteratorWithIndex<RgbImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto              x = static_cast<unsigned char>(it.GetIndex()[0]);
    const auto              y = static_cast<unsigned char>(it.GetIndex()[1]);
    RgbImageType::PixelType pixel;
    pixel.Set(x, static_cast<unsigned char>(100 + y), static_cast<unsigned char>(x + 10 * y));
    it.Set(pixel);
  }
  auto filter = itk::SamResampleImageFilter<RgbImageType>::New();
  filter->SetInput(image);
  filter->SetOrientation("RPS");
  filter->Update();
  const auto pixel = filter->GetOutput()->GetPixel({ { 1, 2 } });
  ASSERT_EQ(pixel.GetSize(), 3u);
  EXPECT_EQ(pixel[0], 3.0f);
  EXPECT_EQ(pixel[1], 102.0f);
  EXPECT_EQ(pixel[2], 23.0f);
}

TEST(SamResampleImageFilter, RefusesWhatItCannotUse)
{
  auto image = itk::MakeSamTestVolume<ImageType>();
  auto filter = FilterType::New();
  filter->SetInput(image);
  itk::SamTestModelOptions options;
  options.channels = R"([{"name": "T1", "normalization": "z_score"}, {"name": "T2", "normalization": "z_score"}])";
  filter->SetModel(itk::MakeSamTestModel(options));
  EXPECT_EQ(MessageOf([&] { filter->Update(); }), "the image has 1 channel, expected 2 (T1, T2)");

  filter->SetModel(itk::MakeSamTestModel());
  image->SetPixel({ { 6, -2, 3 } }, std::numeric_limits<float>::quiet_NaN());
  image->SetPixel({ { 7, -2, 3 } }, std::numeric_limits<float>::infinity());
  image->Modified();
  EXPECT_EQ(MessageOf([&] { filter->Update(); }),
            "the image holds 2 NaN or infinite values, the first at index [6, -2, 3], expected finite numbers");

  filter->SetOrientation("LLS");
  EXPECT_NE(MessageOf([&] { filter->Update(); }).find("LLS"), std::string::npos);

  auto flat = itk::SamResampleImageFilter<itk::Image<float, 2>>::New();
  flat->SetInput(itk::MakeSamTestVolume<itk::Image<float, 2>>({ { 8, 8 } }));
  flat->SetModel(itk::MakeSamTestModel());
  EXPECT_EQ(MessageOf([&] { flat->Update(); }), "the image has 2 dimensions, the model expects 3");
}
