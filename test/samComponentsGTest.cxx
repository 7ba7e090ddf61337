// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samComponents.h"
#include "samEvaluationTestImages.h"

#include <algorithm>

using namespace sam::test;

TEST(Components, OfEachLabelOneStays)
{
  using Volume = itk::Image<short, 3>;
  auto       labels = MakeImage<Volume>({ 9, 8, 7 }, { 1.0, 1.0, 1.0 });
  const auto fill = [&labels](short value, const std::array<long, 3> & first, const std::array<long, 3> & last) {
    FillBox(labels.GetPointer(), value, first, last);
  };
  fill(1, { 0, 0, 0 }, { 1, 1, 1 }); // 8 voxels
  fill(1, { 2, 2, 2 }, { 4, 3, 3 }); // 12, touches the first at a corner only
  fill(1, { 8, 7, 6 }, { 8, 7, 6 });
  fill(5, { 5, 2, 2 }, { 6, 2, 2 }); // another label beside it
  fill(5, { 0, 7, 0 }, { 1, 7, 0 }); // as large, but first in the order of pixels
  sam::KeepLargestComponents(labels.GetPointer());
  const auto * begin = labels->GetBufferPointer();
  const auto * end = begin + labels->GetBufferedRegion().GetNumberOfPixels();
  EXPECT_EQ(std::count(begin, end, 1), 12);
  EXPECT_EQ(labels->GetPixel({ 3, 3, 3 }), 1);
  EXPECT_EQ(labels->GetPixel({ 0, 0, 0 }), 0);
  EXPECT_EQ(labels->GetPixel({ 8, 7, 6 }), 0);
  EXPECT_EQ(std::count(begin, end, 5), 2);
  EXPECT_EQ(labels->GetPixel({ 0, 7, 0 }), 5);
}

TEST(Components, RowsDoNotWrapAround)
{
  using Picture = itk::Image<unsigned char, 2>;
  auto picture = MakeImage<Picture>({ 4, 3 }, { 1.0, 1.0 });
  FillBox(picture.GetPointer(), 2, { 3, 0 }, { 3, 0 }); // the end of a row and the begin of the next
  FillBox(picture.GetPointer(), 2, { 0, 1 }, { 1, 1 });
  sam::KeepLargestComponents(picture.GetPointer());
  EXPECT_EQ(picture->GetPixel({ 3, 0 }), 0);
  EXPECT_EQ(picture->GetPixel({ 0, 1 }), 2);
  sam::KeepLargestComponents(MakeImage<Picture>({ 4, 3 }, { 1.0, 1.0 }).GetPointer());
}

TEST(Components, OnlyTheGivenLabelsStay)
{
  using Picture = itk::Image<short, 2>;
  auto picture = MakeImage<Picture>({ 4, 1 }, { 1.0, 1.0 });
  for (long k = 0; k < 4; ++k)
  {
    picture->SetPixel({ { k, 0 } }, static_cast<short>(k == 3 ? 300 : k));
  }
  sam::KeepLabels(picture.GetPointer(), { 1, 300 });
  const auto * pixels = picture->GetBufferPointer();
  EXPECT_EQ(std::vector<short>(pixels, pixels + 4), (std::vector<short>{ 0, 1, 0, 300 }));
}

TEST(Components, SmallOnesGoByTheirVolume)
{
  using Volume = itk::Image<unsigned char, 3>;
  // A voxel has 0.15 mm³.
  auto labels = MakeImage<Volume>({ 10, 5, 5 }, { 0.5, 0.3, 1.0 });
  FillBox(labels.GetPointer(), 1, { 0, 0, 0 }, { 1, 1, 0 }); // 0.6
  FillBox(labels.GetPointer(), 1, { 3, 0, 0 }, { 5, 0, 0 }); // 0.45
  FillBox(labels.GetPointer(), 2, { 3, 1, 0 }, { 3, 1, 2 }); // 0.45, another label beside it
  sam::RemoveSmallComponents(labels.GetPointer(), 0.45);
  const auto * begin = labels->GetBufferPointer();
  const auto * end = begin + labels->GetBufferedRegion().GetNumberOfPixels();
  EXPECT_EQ(std::count(begin, end, 0), 250 - 10) << "as large as the limit stays";
  sam::RemoveSmallComponents(labels.GetPointer(), 0.46);
  EXPECT_EQ(std::count(begin, end, 1), 4);
  EXPECT_EQ(std::count(begin, end, 2), 0);
}

TEST(Components, HolesAreWhatOneLabelEncloses)
{
  using Volume = itk::Image<short, 3>;
  auto       labels = MakeImage<Volume>({ 20, 9, 9 }, { 1.0, 1.0, 1.0 });
  const auto fill = [&labels](short value, const std::array<long, 3> & first, const std::array<long, 3> & last) {
    FillBox(labels.GetPointer(), value, first, last);
  };
  fill(7, { 1, 1, 1 }, { 7, 7, 7 });
  fill(0, { 3, 3, 3 }, { 4, 4, 4 }); // a hole
  fill(0, { 6, 6, 6 }, { 6, 6, 8 }); // open at the image's border
  fill(3, { 9, 1, 1 }, { 14, 7, 7 });
  fill(4, { 15, 1, 1 }, { 18, 7, 7 });
  fill(0, { 14, 4, 4 }, { 15, 4, 4 }); // between two labels
  fill(0, { 11, 4, 4 }, { 11, 4, 4 });
  fill(4, { 11, 4, 4 }, { 11, 4, 4 }); // no background
  fill(7, { 0, 0, 0 }, { 0, 0, 0 });
  const auto before = std::vector<short>(labels->GetBufferPointer(), labels->GetBufferPointer() + 20 * 81);
  sam::FillHoles(labels.GetPointer());
  int changed = 0;
  for (size_t k = 0; k < before.size(); ++k)
  {
    if (before[k] != labels->GetBufferPointer()[k])
    {
      ++changed;
      EXPECT_EQ(labels->GetBufferPointer()[k], 7);
    }
  }
  EXPECT_EQ(changed, 8);
  EXPECT_EQ(labels->GetPixel({ { 3, 3, 3 } }), 7);
  EXPECT_EQ(labels->GetPixel({ { 6, 6, 6 } }), 0);
  EXPECT_EQ(labels->GetPixel({ { 14, 4, 4 } }), 0);

  // What is around the only label is no hole.
  auto alone = MakeImage<Volume>({ 7, 7, 7 }, { 1.0, 1.0, 1.0 });
  FillBox(alone.GetPointer(), 2, { 2, 2, 2 }, { 4, 4, 4 });
  FillBox(alone.GetPointer(), 0, { 3, 3, 3 }, { 3, 3, 3 });
  sam::FillHoles(alone.GetPointer());
  EXPECT_EQ(std::count(alone->GetBufferPointer(), alone->GetBufferPointer() + 343, 2), 27);

  auto nothing = MakeImage<Volume>({ 3, 3, 3 }, { 1.0, 1.0, 1.0 });
  sam::FillHoles(nothing.GetPointer());
  EXPECT_EQ(nothing->GetPixel({ { 1, 1, 1 } }), 0);
}
