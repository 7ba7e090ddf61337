// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamFrame.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamSegmentationImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"

#include "itkCastImageFilter.h"
#include "itkRegionOfInterestImageFilter.h"
#include "itkStreamingImageFilter.h"

#include <gtest/gtest.h>

#include <string>

namespace
{
using ImageType = itk::Image<unsigned char, 2>;

/** Gray \a inside the box from (\a left, \a top), \a outside elsewhere. */
template <typename TImage>
typename TImage::Pointer
MakeFramed(const itk::SamIndexBox &   inside,
           const itk::SamIndexBox &   whole,
           typename TImage::PixelType content,
           typename TImage::PixelType frame)
{
  const auto image = TImage::New();
  image->SetRegions(whole.ToRegion<TImage::ImageDimension>());
  image->Allocate();
  const auto region = inside.ToRegion<TImage::ImageDimension>();
  for (itk::ImageRegionIteratorWithIndex<TImage> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(region.IsInside(it.GetIndex()) ? content : frame);
  }
  return image;
}

void
ExpectBox(const itk::SamIndexBox & found, const itk::SamIndexBox & expected)
{
  EXPECT_EQ(found.start, expected.start);
  EXPECT_EQ(found.size, expected.size);
}

const itk::SamIndexBox whole{ { { 3, -5, 0 } }, { { 40, 30, 1 } } };
const itk::SamIndexBox inside{ { { 7, 0, 0 } }, { { 25, 20, 1 } } };
} // namespace

TEST(SamFrame, IsWhatHasNothingBrighterThanBlack)
{
  ExpectBox(itk::SamFindContent(MakeFramed<ImageType>(inside, whole, 255, 8).GetPointer(), "LPS"), inside);
  // Of the range of intensities, wherever it lies.
  using FloatType = itk::Image<float, 2>;
  ExpectBox(itk::SamFindContent(MakeFramed<FloatType>(inside, whole, 3000.0f, -1024.0f).GetPointer(), "LPS"), inside);
  ExpectBox(itk::SamFindContent(MakeFramed<FloatType>(inside, whole, 0.5f, 0.0f).GetPointer(), "LPS"), inside);
  // 8 of 255 is black, 9 is not.
  for (const unsigned char gray : { 8, 9 })
  {
    const auto image = MakeFramed<ImageType>(inside, whole, gray, 0);
    for (itk::IndexValueType x = 3; x < 6; ++x) // more than a thousandth
    {
      image->SetPixel({ { x, -5 } }, 255);
    }
    ExpectBox(itk::SamFindContent(image.GetPointer(), "LPS"), gray > 8 ? inside : whole);
  }
}

TEST(SamFrame, OutliersSayNothingAboutTheRange)
{
  using ShortType = itk::Image<short, 2>;
  const auto plain = MakeFramed<ShortType>(inside, whole, 120, 3);
  for (const short outlier : { short{ -30000 }, short{ 32000 } })
  {
    const auto image = MakeFramed<ShortType>(inside, whole, 120, 3);
    image->SetPixel({ { 3, -5 } }, outlier);
    ExpectBox(itk::SamFindContent(image.GetPointer(), "LPS"), inside);
  }
  ExpectBox(itk::SamFindContent(plain.GetPointer(), "LPS"), inside);
}

TEST(SamFrame, ATenthOfALineIsStillFrame)
{
  const auto image = MakeFramed<ImageType>(inside, whole, 200, 0);
  // Letters in the frame: 4 of 40 pixels of a row.
  for (int x = 0; x < 4; ++x)
  {
    image->SetPixel({ { 10 + x, -4 } }, 255);
  }
  ExpectBox(itk::SamFindContent(image.GetPointer(), "LPS"), inside);
  image->SetPixel({ { 14, -4 } }, 255);
  const itk::SamIndexBox larger{ { { 7, -4, 0 } }, { { 25, 24, 1 } } };
  ExpectBox(itk::SamFindContent(image.GetPointer(), "LPS"), larger);
}

TEST(SamFrame, ImagesOfOneValueAreWhole)
{
  ExpectBox(itk::SamFindContent(MakeFramed<ImageType>(inside, whole, 0, 0).GetPointer(), "LPS"), whole);
  ExpectBox(itk::SamFindContent(MakeFramed<ImageType>(inside, whole, 77, 77).GetPointer(), "LPS"), whole);
}

TEST(SamFrame, AllSlicesHaveOneBox)
{
  using VolumeType = itk::Image<short, 3>;
  const itk::SamIndexBox volume{ { { 0, 0, 4 } }, { { 30, 20, 3 } } };
  const itk::SamIndexBox part{ { { 5, 6, 5 } }, { { 10, 8, 1 } } };
  const auto             image = MakeFramed<VolumeType>(part, volume, 900, 0);
  ExpectBox(itk::SamFindContent(image.GetPointer(), "LPS"), { { { 5, 6, 4 } }, { { 10, 8, 3 } } });
  // Stored in another order of axes: slices lie across the first one.
  ExpectBox(itk::SamFindContent(image.GetPointer(), "PSL"), { { { 0, 6, 5 } }, { { 30, 8, 1 } } });
}

TEST(SamFrame, AnyComponentIsContent)
{
  using VectorType = itk::VectorImage<float, 2>;
  const auto image = VectorType::New();
  image->SetRegions(whole.ToRegion<2>());
  image->SetNumberOfComponentsPerPixel(2);
  image->Allocate();
  const auto region = inside.ToRegion<2>();
  for (itk::ImageRegionIteratorWithIndex<VectorType> it(image, image->GetLargestPossibleRegion()); !it.IsAtEnd(); ++it)
  {
    itk::VariableLengthVector<float> value(2);
    value[0] = 5.0f;
    value[1] = region.IsInside(it.GetIndex()) ? 100.0f : 0.0f;
    it.Set(value);
  }
  ExpectBox(itk::SamFindContent(image.GetPointer(), "LPS"), inside);
}

TEST(SamFrame, TheModelSeesWhatIsInsideAndNothingElse)
{
  using FloatType = itk::Image<float, 2>;
  const auto             framed = MakeFramed<FloatType>(inside, whole, 1.0f, 0.0f);
  FloatType::SpacingType spacing;
  spacing[0] = 0.7;
  spacing[1] = 1.2;
  framed->SetSpacing(spacing);
  for (itk::ImageRegionIteratorWithIndex<FloatType> it(framed, inside.ToRegion<2>()); !it.IsAtEnd(); ++it)
  {
    it.Set(static_cast<float>(60 + (it.GetIndex()[0] * 31 + it.GetIndex()[1] * 17) % 90));
  }
  const auto crop = itk::RegionOfInterestImageFilter<FloatType, FloatType>::New();
  crop->SetInput(framed);
  crop->SetRegionOfInterest(inside.ToRegion<2>());

  using FilterType = itk::SamResampleImageFilter<FloatType>;
  const auto resample = [](const FloatType * image, bool removes) {
    const auto filter = FilterType::New();
    filter->SetInput(image);
    filter->SetStretchedSize({ { 16, 16, 0 } });
    filter->SetChannels({ { "gray", "z_score" } });
    filter->SetRemovesFrame(removes);
    filter->Update();
    const FilterType::OutputImageType::Pointer output = filter->GetOutput();
    output->DisconnectPipeline();
    return output;
  };
  crop->Update();
  const auto cropped = resample(crop->GetOutput(), false);
  const auto removed = resample(framed, true);
  EXPECT_LT(removed->GetOrigin().EuclideanDistanceTo(cropped->GetOrigin()), 1e-9);
  EXPECT_LT((removed->GetSpacing() - cropped->GetSpacing()).GetNorm(), 1e-12);
  for (size_t k = 0; k < 256; ++k)
  {
    ASSERT_EQ(removed->GetBufferPointer()[k], cropped->GetBufferPointer()[k]) << k;
  }

  // Labels of the crop at their places, background in the frame.
  const std::string plan = R"({"version": 1, "stem": {"type": "none"},
    "encoder": {"type": "unet", "widths": [4, 6], "stride": 1}, "adaptation": [], "slices": 1, "planar_levels": 2,
    "prompt_source": {"type": "none"}, "decoder": {"type": "unet"},
    "driver": {"window": [16, 16, 1], "overlap": [0.5, 0.5, 0.0]},
    "preprocessing": {"fit": "window", "frame": ")";
  const std::string end = R"(", "spacing": [0, 0, 0], "channels": [{"name": "gray", "normalization": "slice_z_score"}]},
    "labels": [{"value": 0, "name": "background"}, {"value": 5, "name": "thing"}]})";
  const auto segment = [](const itk::SamModel * model, const FloatType * image) {
    const auto filter = itk::SamSegmentationImageFilter<FloatType>::New();
    filter->SetInput(image);
    filter->SetModel(model);
    filter->Update();
    const itk::Image<unsigned char, 2>::Pointer output = filter->GetOutput();
    output->DisconnectPipeline();
    return output;
  };
  const auto removing = itk::SamModel::FromPlan(plan + "black" + end, 5);
  const auto keeping = itk::SamModel::FromPlan(plan + "none" + end, 5);
  EXPECT_TRUE(removing->RemovesFrame());
  EXPECT_TRUE(removing->NeedsNoPrompts());
  EXPECT_THROW(removing->VerifyAveragesWith(keeping), itk::ExceptionObject);
  const auto ofCrop = segment(keeping, crop->GetOutput());
  const auto ofFramed = segment(removing, framed);
  int        found = 0;
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(ofFramed, ofFramed->GetLargestPossibleRegion()); !it.IsAtEnd();
       ++it)
  {
    const auto index = it.GetIndex();
    if (!inside.ToRegion<2>().IsInside(index))
    {
      ASSERT_EQ(it.Get(), 0) << index;
      continue;
    }
    ASSERT_EQ(it.Get(), ofCrop->GetPixel({ { index[0] - inside.start[0], index[1] - inside.start[1] } })) << index;
    found += it.Get() == 5 ? 1 : 0;
  }
  EXPECT_GT(found, 0);

  // A part of the labels needs the whole image: the frame is not known otherwise.
  const auto source = itk::CastImageFilter<FloatType, FloatType>::New();
  source->SetInput(framed);
  source->InPlaceOff();
  const auto inParts = itk::SamSegmentationImageFilter<FloatType>::New();
  inParts->SetInput(source->GetOutput());
  inParts->SetModel(removing);
  const auto collect = itk::StreamingImageFilter<ImageType, ImageType>::New();
  collect->SetInput(inParts->GetOutput());
  collect->SetNumberOfStreamDivisions(7);
  collect->Update();
  EXPECT_EQ(source->GetOutput()->GetBufferedRegion(), framed->GetLargestPossibleRegion());
  EXPECT_EQ(inParts->EstimateMemory(inParts->GetOutput()->GetBufferedRegion()).image,
            sizeof(float) * whole.GetNumberOfVoxels());
  EXPECT_TRUE(std::equal(ofFramed->GetBufferPointer(),
                         ofFramed->GetBufferPointer() + whole.GetNumberOfVoxels(),
                         collect->GetOutput()->GetBufferPointer()));

  // Where a function answers for the windows, too.
  source->GetOutput()->ReleaseData();
  inParts->SetWindowFunction([](const itk::SamGrid & window) {
    const std::vector<float>   probabilities = { 0.25f, 0.75f };
    const auto &               size = window.box.size;
    std::vector<float>         values;
    const itk::SizeValueType   voxels = size[0] * size[1] * size[2];
    const std::vector<int64_t> sizes{
      2, static_cast<int64_t>(size[2]), static_cast<int64_t>(size[1]), static_cast<int64_t>(size[0])
    };
    for (itk::SizeValueType k = 0; k < voxels; ++k)
    {
      values.insert(values.end(), probabilities.begin(), probabilities.end());
    }
    return itk::SamTensor::FromHostChannelsLast(values.data(), sizes);
  });
  inParts->UpdateLargestPossibleRegion();
  EXPECT_EQ(source->GetOutput()->GetBufferedRegion(), framed->GetLargestPossibleRegion());
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(inParts->GetOutput(), framed->GetLargestPossibleRegion());
       !it.IsAtEnd();
       ++it)
  {
    ASSERT_EQ(it.Get(), inside.ToRegion<2>().IsInside(it.GetIndex()) ? 5 : 0) << it.GetIndex();
  }
}
