// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samEvaluationTestImages.h"
#include "samLargestComponent.h"

#include <algorithm>

using namespace sam::test;

TEST(LargestComponent, OfEachLabelOneStays)
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

TEST(LargestComponent, RowsDoNotWrapAround)
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
