// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamResampleImageFilter.h"
#include "itkSamSegmentationImageFilter.h"
#include "itkSamTestImage.h"
#include "itkSamTestModel.h"

#include "itkCastImageFilter.h"
#include "itkImageRegionSplitterSlowDimension.h"
#include "itkStreamingImageFilter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace
{
template <unsigned int VDimension>
using Picture = itk::Image<float, VDimension>;
template <unsigned int VDimension>
using Filter = itk::SamSegmentationImageFilter<Picture<VDimension>>;
template <unsigned int VDimension>
using Labels = typename Filter<VDimension>::OutputImageType;

itk::SamModel::Pointer
MakeModel(unsigned int        dimension,
          const std::string & spacing = "[1.0, 1.0, 1.0]",
          const std::string & normalization = "z_score",
          const std::string & interpolation = "linear")
{
  itk::SamTestModelOptions options;
  options.dimension = dimension;
  options.spacing = spacing;
  options.interpolation = interpolation;
  options.isSharp = true;
  options.channels = R"([{"name": "MR", "normalization": ")" + normalization + "\"}]";
  return itk::MakeSamTestModel(options);
}

template <typename TImage>
std::vector<typename TImage::PixelType>
PixelsOf(const TImage * image)
{
  return { image->GetBufferPointer(), image->GetBufferPointer() + image->GetBufferedRegion().GetNumberOfPixels() };
}

/** The labels of an image as a whole and by regions of several kinds. */
template <unsigned int VDimension>
void
ExpectSameLabels(Filter<VDimension> * filter, const std::string & what)
{
  filter->UpdateLargestPossibleRegion();
  typename Labels<VDimension>::Pointer whole = filter->GetOutput();
  whole->DisconnectPipeline();
  const auto expected = PixelsOf(whole.GetPointer());
  EXPECT_GE(std::set<int>(expected.begin(), expected.end()).size(), 2u) << what;
  for (const unsigned int pieces : { 3u, 100u })
  {
    const auto collect = itk::StreamingImageFilter<Labels<VDimension>, Labels<VDimension>>::New();
    collect->SetInput(filter->GetOutput());
    collect->SetNumberOfStreamDivisions(pieces);
    collect->Update();
    EXPECT_TRUE(PixelsOf(collect->GetOutput()) == expected) << what << ", " << pieces << " pieces";
  }
  auto region = whole->GetLargestPossibleRegion();
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    region.SetIndex(i, region.GetIndex(i) + static_cast<itk::IndexValueType>(region.GetSize(i) / 3));
    region.SetSize(i, 1 + region.GetSize(i) / 4);
  }
  auto * output = filter->GetOutput();
  output->SetRequestedRegion(region);
  filter->Update();
  EXPECT_EQ(output->GetBufferedRegion(), region);
  for (itk::ImageRegionConstIteratorWithIndex<Labels<VDimension>> it(output, region); !it.IsAtEnd(); ++it)
  {
    ASSERT_EQ(it.Get(), whole->GetPixel(it.GetIndex())) << what << ' ' << it.GetIndex();
  }
}

template <unsigned int VDimension>
typename Filter<VDimension>::Pointer
MakeFilter(const Picture<VDimension> * image, const itk::SamModel * model)
{
  auto filter = Filter<VDimension>::New();
  filter->SetInput(image);
  filter->SetModel(model);
  return filter;
}
} // namespace

TEST(SamStreaming, RegionsHaveTheLabelsOfTheWhole)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 26, 19, 13 } });
  for (const std::string spacing : { "[1.0, 1.0, 1.0]", "[0.0, 0.0, 0.0]", "[1.3, 2.5, 3.1]" })
  {
    ExpectSameLabels<3>(MakeFilter<3>(volume, MakeModel(3, spacing)), "spacing " + spacing);
  }
}

TEST(SamStreaming, RegionsInAnyStoredOrder)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 18, 13, 7 } });
  const auto model = MakeModel(3, "[1.0, 1.0, 2.0]");
  for (const auto & order : itk::AllSamAxisOrders())
  {
    // A quarter of the orders is enough.
    if (order.flips[0] == order.flips[1] && order.flips[0] == order.flips[2])
    {
      ExpectSameLabels<3>(MakeFilter<3>(itk::StoreInOrder(volume.GetPointer(), order), model), "reordered");
    }
  }
}

TEST(SamStreaming, RegionsOfObliqueAndFlatImages)
{
  Picture<3>::SpacingType spacing;
  Picture<3>::PointType   origin;
  spacing.Fill(1.1);
  origin.Fill(-7.0);
  const auto oblique =
    itk::MakeSamTestImage<Picture<3>>({ { 3, -4, 2 } }, { { 20, 17, 9 } }, spacing, origin, itk::ObliqueSamDirection());
  ExpectSameLabels<3>(MakeFilter<3>(oblique, MakeModel(3)), "oblique");
  const auto flat = itk::MakeSamTestVolume<Picture<2>>({ { 61, 47 } });
  ExpectSameLabels<2>(MakeFilter<2>(flat, MakeModel(2)), "flat");
  ExpectSameLabels<2>(MakeFilter<2>(flat, MakeModel(2, "[0.0, 0.0, 0.0]", "slice_percentiles")), "percentiles");
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 26, 19, 7 } });
  ExpectSameLabels<3>(MakeFilter<3>(volume, MakeModel(2, "[0.0, 0.0, 0.0]", "slice_z_score")), "slices");
}

TEST(SamStreaming, RegionsOfEveryInterpolation)
{
  Picture<3>::SpacingType spacing;
  Picture<3>::PointType   origin;
  spacing.Fill(1.1);
  spacing[2] = 4.0;
  origin.Fill(-7.0);
  const auto straight = Picture<3>::DirectionType::GetIdentity();
  for (const auto & [interpolation, direction] : { std::pair{ "nearest", straight },
                                                   std::pair{ "cubic", straight },
                                                   std::pair{ "nnunet", itk::ObliqueSamDirection() } })
  {
    const auto image =
      itk::MakeSamTestImage<Picture<3>>({ { 3, -4, 2 } }, { { 13, 11, 4 } }, spacing, origin, direction);
    ExpectSameLabels<3>(MakeFilter<3>(image, MakeModel(3, "[0.9, 1.2, 3.1]", "z_score", interpolation)), interpolation);
  }
  const auto flat = itk::MakeSamTestVolume<Picture<2>>({ { 31, 27 } });
  ExpectSameLabels<2>(MakeFilter<2>(flat, MakeModel(2, "[0.7, 1.3, 0.0]", "slice_percentiles", "cubic")), "flat");
}

TEST(SamStreaming, RegionsOfRegionsOfInterest)
{
  const auto            volume = itk::MakeSamTestVolume<Picture<3>>({ { 30, 26, 12 } });
  const auto            filter = MakeFilter<3>(volume, MakeModel(3));
  Picture<3>::PointType center;
  Filter<3>::VectorType size;
  size.Fill(12.0);
  volume->TransformIndexToPhysicalPoint({ { 12, 8, 6 } }, center);
  filter->AddRegionOfInterest(center, size);
  volume->TransformIndexToPhysicalPoint({ { 20, 11, 9 } }, center);
  filter->AddRegionOfInterest(center, size);
  ExpectSameLabels<3>(filter, "two regions");
}

TEST(SamStreaming, RegionsOfWhatAFunctionAnswers)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 26, 19, 13 } });
  const auto grid = Picture<3>::New(); // without any pixels
  grid->CopyInformation(volume);
  grid->SetLargestPossibleRegion(volume->GetLargestPossibleRegion());
  const auto model = MakeModel(3); // of several windows along each axis
  const auto filter = MakeFilter<3>(grid, model);
  const auto labels = static_cast<int64_t>(model->GetNumberOfLabels());
  filter->SetWindowFunction([labels](const itk::SamGrid & window) {
    const auto &       size = window.box.size;
    std::vector<float> probabilities;
    for (itk::SizeValueType k = 0; k < size[0] * size[1] * size[2]; ++k)
    {
      const auto point = window.ToPhysical(
        { { static_cast<double>(window.box.start[0]) + static_cast<double>(k % size[0]),
            static_cast<double>(window.box.start[1]) + static_cast<double>(k / size[0] % size[1]),
            static_cast<double>(window.box.start[2]) + static_cast<double>(k / (size[0] * size[1])) } });
      const auto band = static_cast<int64_t>(std::floor((point[0] + 2.0 * point[1] + 3.0 * point[2]) / 11.0));
      for (int64_t label = 0; label < labels; ++label)
      {
        probabilities.push_back(label == ((band % labels) + labels) % labels ? 0.9f : 0.1f);
      }
    }
    return itk::SamTensor::FromHostChannelsLast(
      probabilities.data(),
      { labels, static_cast<int64_t>(size[2]), static_cast<int64_t>(size[1]), static_cast<int64_t>(size[0]) });
  });
  ExpectSameLabels<3>(filter, "function");
}

TEST(SamStreaming, EveryWindowRunsOnce)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 20, 19, 24 } });
  for (const std::string spacing : { "[0.0, 0.0, 0.0]", "[0.0, 0.0, 1.5]" })
  {
    const auto once = MakeFilter<3>(volume, MakeModel(3, spacing));
    once->Update();
    const auto         all = once->GetNumberOfWindows();
    const auto         filter = MakeFilter<3>(volume, once->GetModel());
    const auto         splitter = itk::ImageRegionSplitterSlowDimension::New();
    itk::SizeValueType run = 0;
    for (unsigned int piece = 0; piece < 4; ++piece)
    {
      auto region = volume->GetLargestPossibleRegion();
      splitter->GetSplit(piece, 4, region);
      filter->GetOutput()->SetRequestedRegion(region);
      filter->Update();
      EXPECT_LT(filter->GetNumberOfWindows(), all);
      run += filter->GetNumberOfWindows();
    }
    EXPECT_EQ(run, all);
    // Another image of the same size: nothing of the first one is kept.
    volume->FillBuffer(3.0f);
    volume->SetPixel({ { 9, 9, 3 } }, 700.0f);
    volume->Modified();
    filter->Update();
    EXPECT_GT(filter->GetNumberOfWindows(), 0u);
    const auto part = PixelsOf(filter->GetOutput());
    const auto fresh = MakeFilter<3>(volume, filter->GetModel());
    fresh->Update();
    const auto whole = PixelsOf(fresh->GetOutput());
    EXPECT_TRUE(std::equal(part.rbegin(), part.rend(), whole.rbegin()));
  }
}

TEST(SamStreaming, RequestsTheInputInParts)
{
  using CastType = itk::CastImageFilter<Picture<3>, Picture<3>>;
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 20, 19, 60 } });
  const auto source = CastType::New();
  source->SetInput(volume);
  source->InPlaceOff();
  std::vector<itk::SizeValueType> slices;
  source->AddObserver(itk::EndEvent(), [&](const itk::EventObject &) {
    slices.push_back(source->GetOutput()->GetBufferedRegion().GetSize(2));
  });
  for (const bool isMeasured : { false, true })
  {
    slices.clear();
    itk::SamTestModelOptions options;
    options.spacing = "[0.0, 0.0, 0.0]";
    if (!isMeasured)
    {
      options.channels =
        R"([{"name": "CT", "normalization": "clip", "lower": 0.0, "upper": 200.0, "mean": 100.0, "deviation": 40.0}])";
    }
    const auto filter = MakeFilter<3>(source->GetOutput(), itk::MakeSamTestModel(options));
    const auto collect = itk::StreamingImageFilter<Labels<3>, Labels<3>>::New();
    collect->SetInput(filter->GetOutput());
    collect->SetNumberOfStreamDivisions(10);
    collect->Update();
    // Six slices and what their windows of four slices, two apart, reach beyond them.
    std::vector<itk::SizeValueType> expected(10, 10);
    expected.front() = 8;
    expected.back() = 8;
    if (isMeasured)
    {
      // So small an image is measured in one part, and is at hand from then on.
      expected = { 8, 60 };
    }
    EXPECT_EQ(slices, expected);
  }
}

TEST(SamStreaming, PixelsThatAreChangedBehindASourceAreSegmentedAnew)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 26, 19, 13 } });
  const auto source = itk::CastImageFilter<Picture<3>, Picture<3>>::New();
  source->SetInput(volume);
  source->InPlaceOff();
  source->UpdateLargestPossibleRegion();
  const auto  model = MakeModel(3);
  const auto  filter = MakeFilter<3>(source->GetOutput(), model);
  const auto  whole = volume->GetLargestPossibleRegion();
  Labels<3> * output = filter->GetOutput();
  const auto  update = [&](itk::IndexValueType first, itk::SizeValueType count) {
    auto region = whole;
    region.SetIndex(2, whole.GetIndex(2) + first);
    region.SetSize(2, count);
    output->SetRequestedRegion(region);
    filter->Update();
  };
  update(0, 6);
  for (itk::ImageRegionIteratorWithIndex<Picture<3>> it(source->GetOutput(), whole); !it.IsAtEnd(); ++it)
  {
    it.Set(50.0f - 2.0f * it.Get());
  }
  source->GetOutput()->Modified();
  update(6, 7);
  const auto fresh = MakeFilter<3>(source->GetOutput(), model);
  fresh->UpdateLargestPossibleRegion();
  for (itk::ImageRegionConstIteratorWithIndex<Labels<3>> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    ASSERT_EQ(it.Get(), fresh->GetOutput()->GetPixel(it.GetIndex())) << it.GetIndex();
  }
}

TEST(SamStreaming, PartsAreNormalizedAsTheWholeIs)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 17, 19, 11 } });
  for (const std::string normalization : { "z_score", "slice_z_score", "slice_percentiles" })
  {
    const auto resample = itk::SamResampleImageFilter<Picture<3>>::New();
    resample->SetInput(volume);
    resample->SetOutputSpacing({ { 1.0, 1.3, 2.0 } });
    resample->SetChannels({ { "MR", normalization } });
    resample->Update();
    const itk::VectorImage<float, 3>::Pointer whole = resample->GetOutput();
    whole->DisconnectPipeline();
    auto region = whole->GetLargestPossibleRegion();
    region.SetIndex({ { 3, 2, 4 } });
    region.SetSize({ { 5, 6, 3 } });
    auto * part = resample->GetOutput();
    resample->UpdateOutputInformation();
    part->SetRequestedRegion(region);
    resample->Update();
    ASSERT_EQ(part->GetBufferedRegion(), region);
    for (itk::ImageRegionConstIteratorWithIndex<itk::VectorImage<float, 3>> it(part, region); !it.IsAtEnd(); ++it)
    {
      ASSERT_EQ(it.Get()[0], whole->GetPixel(it.GetIndex())[0]) << normalization << ' ' << it.GetIndex();
    }
  }
}

TEST(SamStreaming, PartsAreMeasuredAsTheWholeIs)
{
  const auto volume = itk::MakeSamTestVolume<Picture<3>>({ { 17, 19, 11 } });
  const auto order = itk::AllSamAxisOrders().back();
  for (const auto & image : { volume, itk::StoreInOrder(volume.GetPointer(), order) })
  {
    const itk::SamLattice lattice(itk::SamGrid::FromImage<3>(image.GetPointer()), "LPS", { { 1.0, 1.3, 2.0 } });
    const auto            box = lattice.GetGrid().box;
    itk::SamComponentBuffer<float> buffer;
    buffer.values = image->GetBufferPointer();
    buffer.box = itk::SamIndexBox::FromRegion(image->GetBufferedRegion());
    for (const std::string normalization : { "z_score", "slice_z_score", "slice_percentiles" })
    {
      std::vector<std::vector<float>> normalized;
      for (const itk::SizeValueType voxels : { 1000000u, 700u, 1u })
      {
        const auto            parts = lattice.Divide(box, voxels);
        itk::SamNormalization channels({ { "MR", normalization } }, box);
        itk::SizeValueType    all = 0;
        for (const auto & part : parts)
        {
          std::vector<float> samples(part.GetNumberOfVoxels());
          const auto         inside = itk::SamSampleLattice(lattice, part, buffer, 1, samples.data());
          channels.Measure(part, inside, samples.data());
          all += samples.size();
        }
        EXPECT_EQ(parts.size() == 1, voxels == 1000000u);
        EXPECT_EQ(all, box.GetNumberOfVoxels());
        normalized.emplace_back(box.GetNumberOfVoxels());
        itk::SamSampleLattice(lattice, box, buffer, 1, normalized.back().data());
        channels.Apply(box, normalized.back().data());
      }
      EXPECT_TRUE(normalized[0] == normalized[1] && normalized[0] == normalized[2]) << normalization;
    }
  }
}
