// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamAutomaticMaskImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkCommand.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <vector>

namespace
{
using sam::test::MessageOf;
using FlatImage = itk::Image<unsigned char, 2>;
using Volume = itk::Image<unsigned char, 3>;
using FlatFilter = itk::SamAutomaticMaskImageFilter<FlatImage>;
using VolumeFilter = itk::SamAutomaticMaskImageFilter<Volume>;

/** A random network expects nothing of its masks: the thresholds that judge them are off. */
template <typename TFilter, typename TImage>
typename TFilter::Pointer
MakeFilter(const TImage * image)
{
  itk::SamPromptableTestModelOptions options;
  options.seed = 9;
  auto filter = TFilter::New();
  filter->SetInput(image);
  filter->SetModel(itk::MakePromptableSamTestModel(options));
  filter->SetPointsPerSide(3);
  filter->SetPredIouThresh(0.0);
  filter->SetStabilityScoreThresh(0.0);
  filter->SetBoxNmsThresh(1.0);
  return filter;
}

/** Whether each pixel of a slice is in a mask, row by row. */
std::vector<bool>
Decode(const itk::SamAutomaticMask & mask, size_t columns, size_t rows)
{
  std::vector<bool> inside(columns * rows);
  size_t            place = 0;
  bool              value = false;
  for (const uint32_t length : mask.runs)
  {
    for (const size_t end = place + length; place < end; ++place)
    {
      inside[place % rows * columns + place / rows] = value;
    }
    value = !value;
  }
  EXPECT_EQ(place, columns * rows);
  return inside;
}
} // namespace

TEST(SamAutomaticMaskImageFilter, SmallerMasksLieOverLargerOnes)
{
  constexpr size_t columns = 30;
  constexpr size_t rows = 24;
  const auto       image = itk::MakeSamTestVolume<FlatImage>({ { columns, rows } });
  auto             filter = MakeFilter<FlatFilter>(image.GetPointer());
  filter->Update();
  const auto & masks = filter->GetMasks();
  ASSERT_EQ(masks.size(), 3u * 3u * 3u) << "points times masks";
  std::vector<unsigned short> expected(columns * rows);
  for (size_t k = 0; k < masks.size(); ++k)
  {
    const auto & mask = masks[k].mask;
    const auto   inside = Decode(mask, columns, rows);
    EXPECT_EQ(masks[k].label, k + 1);
    EXPECT_EQ(masks[k].slice, 0);
    EXPECT_EQ(mask.area, static_cast<size_t>(std::count(inside.begin(), inside.end(), true)));
    EXPECT_TRUE(k == 0 || mask.area <= masks[k - 1].mask.area);
    EXPECT_EQ(mask.cropBox, (itk::SamAutomaticMask::BoxType{ { 0, 0, columns, rows } }));
    // Centers of thirds: 5, 15, 25 and 4, 12, 20.
    EXPECT_NEAR(std::fmod(mask.point[0], 10.0), 5.0, 1e-9);
    EXPECT_NEAR(std::fmod(mask.point[1], 8.0), 4.0, 1e-9);
    for (size_t p = 0; p < expected.size(); ++p)
    {
      const auto column = static_cast<itk::IndexValueType>(p % columns);
      const auto row = static_cast<itk::IndexValueType>(p / columns);
      if (inside[p])
      {
        EXPECT_TRUE(column >= mask.box[0] && column <= mask.box[2] && row >= mask.box[1] && row <= mask.box[3]);
        expected[p] = static_cast<unsigned short>(k + 1);
      }
    }
  }
  const auto * output = filter->GetOutput();
  EXPECT_EQ(std::vector<unsigned short>(output->GetBufferPointer(), output->GetBufferPointer() + expected.size()),
            expected);
  EXPECT_EQ(output->GetLargestPossibleRegion(), image->GetLargestPossibleRegion());
  EXPECT_EQ(output->GetOrigin(), image->GetOrigin());
  EXPECT_EQ(output->GetSpacing(), image->GetSpacing());
}

TEST(SamAutomaticMaskImageFilter, ThresholdsKeepWhatTheySay)
{
  const auto image = itk::MakeSamTestVolume<FlatImage>({ { 30, 24 } });
  auto       filter = MakeFilter<FlatFilter>(image.GetPointer());
  filter->Update();
  const auto all = filter->GetMasks();
  filter->SetStabilityScoreOffset(0.05);
  filter->Update();
  std::vector<float> quality;
  std::vector<float> stability;
  for (size_t k = 0; k < all.size(); ++k)
  {
    quality.push_back(all[k].mask.predictedIou);
    stability.push_back(filter->GetMasks()[k].mask.stabilityScore);
    EXPECT_GE(stability[k], all[k].mask.stabilityScore) << "cuts that are nearer to each other";
  }
  auto sorted = stability;
  std::sort(sorted.begin(), sorted.end());
  const float middle = sorted[sorted.size() / 2];
  ASSERT_LT(sorted.front(), middle);
  const auto countFrom = [](const std::vector<float> & values, float threshold) {
    return static_cast<size_t>(
      std::count_if(values.begin(), values.end(), [threshold](float value) { return value >= threshold; }));
  };
  filter->SetStabilityScoreThresh(middle);
  filter->Update();
  EXPECT_EQ(filter->GetMasks().size(), countFrom(stability, middle));

  filter->SetStabilityScoreThresh(0.0);
  const float high = *std::max_element(quality.begin(), quality.end()) - 1e-3f;
  ASSERT_GT(high, 0.0f);
  filter->SetPredIouThresh(high);
  filter->Update();
  EXPECT_EQ(filter->GetMasks().size(), countFrom(quality, high));
  EXPECT_LT(filter->GetMasks().size(), all.size());

  filter->SetPredIouThresh(0.0);
  filter->SetBoxNmsThresh(0.0);
  filter->Update();
  ASSERT_FALSE(filter->GetMasks().empty());
  for (const auto & one : filter->GetMasks())
  {
    for (const auto & other : filter->GetMasks())
    {
      const auto & a = one.mask.box;
      const auto & b = other.mask.box;
      EXPECT_TRUE(one.label == other.label || std::min(a[2], b[2]) <= std::max(a[0], b[0]) ||
                  std::min(a[3], b[3]) <= std::max(a[1], b[1]))
        << "boxes overlap";
    }
  }
}

TEST(SamAutomaticMaskImageFilter, BatchesOfPointsChangeNothing)
{
  const auto image = itk::MakeSamTestVolume<FlatImage>({ { 30, 24 } });
  auto       filter = MakeFilter<FlatFilter>(image.GetPointer());
  filter->SetPointsPerSide(5);
  filter->Update();
  const auto whole = filter->GetMasks();
  filter->SetPointsPerBatch(7);
  filter->Update();
  ASSERT_EQ(filter->GetMasks().size(), whole.size());
  size_t different = 0;
  for (size_t k = 0; k < whole.size(); ++k)
  {
    different += filter->GetMasks()[k].mask.area != whole[k].mask.area ? 1 : 0;
  }
  EXPECT_LE(different, 1u) << "sums in another order";
}

TEST(SamAutomaticMaskImageFilter, SlicesOfAVolume)
{
  const auto volume = itk::MakeSamTestVolume<Volume>({ { 20, 5, 18 } });
  const auto start = volume->GetLargestPossibleRegion().GetIndex();
  auto       filter = MakeFilter<VolumeFilter>(volume.GetPointer());
  filter->SetAxis(1);
  filter->SetSliceRange(start[1] + 1, start[1] + 3);
  filter->Update();
  ASSERT_EQ(filter->GetMasks().size(), 3u * 27u);
  for (size_t k = 0; k < filter->GetMasks().size(); ++k)
  {
    EXPECT_EQ(filter->GetMasks()[k].label, k + 1);
    EXPECT_EQ(filter->GetMasks()[k].slice, start[1] + 1 + static_cast<itk::IndexValueType>(k / 27));
  }
  // The second slice alone.
  auto flat = FlatImage::New();
  flat->SetRegions(FlatImage::SizeType{ { 20, 18 } });
  flat->Allocate();
  for (itk::ImageRegionIteratorWithIndex<FlatImage> it(flat, flat->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(volume->GetPixel({ { start[0] + it.GetIndex()[0], start[1] + 2, start[2] + it.GetIndex()[1] } }));
  }
  auto single = MakeFilter<FlatFilter>(flat.GetPointer());
  single->Update();
  size_t covered = 0;
  for (itk::ImageRegionIteratorWithIndex<Volume> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto place = it.GetIndex() - start;
    const int  found = filter->GetOutput()->GetPixel(it.GetIndex());
    if (place[1] == 0 || place[1] == 4)
    {
      ASSERT_EQ(found, 0);
    }
    if (place[1] == 2)
    {
      const int expected = single->GetOutput()->GetPixel({ { place[0], place[2] } });
      ASSERT_EQ(found, expected == 0 ? 0 : expected + 27);
      covered += expected != 0 ? 1 : 0;
    }
  }
  EXPECT_GT(covered, 0u);
}

TEST(SamAutomaticMaskImageFilter, Mistakes)
{
  const auto image = itk::MakeSamTestVolume<FlatImage>({ { 30, 24 } });
  auto       filter = MakeFilter<FlatFilter>(image.GetPointer());
  const auto message = [&filter] { return MessageOf([&filter] { filter->Update(); }); };
  filter->SetPointsPerSide(0);
  EXPECT_EQ(message(), "points per side is 0, expected 1 to 1024");
  filter->SetPointsPerSide(2);
  filter->SetPredIouThresh(1.5);
  EXPECT_EQ(message(), "predicted IoU threshold is 1.5, expected 0 to 1");
  filter->SetPredIouThresh(0.0);
  filter->SetCropNLayers(2);
  filter->SetCropNPointsDownscaleFactor(2);
  EXPECT_NE(message().find("leave none in layer 2"), std::string::npos) << message();
  filter->SetCropNLayers(0);
  EXPECT_EQ(message(), "no exception");
  filter->SetModel(itk::MakeSamTestModel());
  EXPECT_NE(message().find("makes its own prompts"), std::string::npos);

  using ByteFilter = itk::SamAutomaticMaskImageFilter<FlatImage, FlatImage>;
  auto bytes = MakeFilter<ByteFilter>(image.GetPointer());
  bytes->SetPointsPerSide(10);
  EXPECT_EQ(MessageOf([&] { bytes->Update(); }),
            "300 masks or more, expected at most 255, which the output's pixels can number");
  auto volume = MakeFilter<VolumeFilter>(itk::MakeSamTestVolume<Volume>({ { 9, 9, 3 } }).GetPointer());
  volume->SetSliceRange(2, 5);
  EXPECT_EQ(MessageOf([&] { volume->Update(); }), "slices 2 to 5, expected some of 2 to 4");
}

TEST(SamAutomaticMaskImageFilter, ReportsProgressAndStops)
{
  const auto         image = itk::MakeSamTestVolume<FlatImage>({ { 30, 24 } });
  auto               filter = MakeFilter<FlatFilter>(image.GetPointer());
  std::vector<float> seen;
  filter->SetPointsPerBatch(2);
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) { seen.push_back(filter->GetProgress()); });
  filter->Update();
  EXPECT_GE(seen.size(), 6u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen.back(), 1.0f);
  filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) { filter->AbortGenerateDataOn(); });
  filter->Modified();
  EXPECT_THROW(filter->Update(), itk::ProcessAborted);
  filter->RemoveAllObservers();
  EXPECT_NO_THROW(filter->Update());
  std::ostringstream text;
  filter->Print(text);
  for (const auto * part : { "PointsPerSide: 3", "BoxNmsThresh: 1", "CropOverlapRatio: 0.341333", "Masks: 27" })
  {
    EXPECT_NE(text.str().find(part), std::string::npos) << part;
  }
}
