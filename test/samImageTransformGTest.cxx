// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samImageTransform.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cmath>

namespace
{
at::Tensor
RandomBytes(const std::vector<int64_t> & size)
{
  return at::randint(0, 256, size, at::detail::createCPUGenerator(3), at::kByte);
}

at::Tensor
Bytes(const std::vector<int64_t> & values)
{
  return at::tensor(values, at::kByte).view({ 1, -1 });
}
} // namespace

TEST(SamImageTransform, LongestSideIsRoundedHalfUp)
{
  EXPECT_EQ(sam::ResizedSize({ 480, 640 }, 1024), (sam::ImageSize{ 768, 1024 }));
  EXPECT_EQ(sam::ResizedSize({ 1000, 3 }, 500), (sam::ImageSize{ 500, 2 })); // 1.5
  EXPECT_EQ(sam::ResizedSize({ 5, 1000 }, 1000), (sam::ImageSize{ 5, 1000 }));
  EXPECT_EQ(sam::ResizedSize({ 1, 5000 }, 64), (sam::ImageSize{ 1, 64 })); // not 0
}

TEST(SamImageTransform, BytesAreInterpolatedAndRounded)
{
  // Twice the size: weights of 3/4 and 1/4; the edge pixels keep their own.
  EXPECT_TRUE(at::equal(sam::ResizeLongestSide(Bytes({ 0, 255 }), 4), Bytes({ 0, 64, 191, 255 }).expand({ 2, 4 })));
  // Half the size: a triangle over four pixels, 1/8 3/8 3/8 1/8, cut off and scaled at the borders.
  EXPECT_TRUE(at::equal(sam::ResizeLongestSide(Bytes({ 0, 0, 80, 160, 0, 0 }), 3),
                        Bytes({ static_cast<int64_t>(std::lround(80.0 / 7.0)), 90, 23 })));
}

TEST(SamImageTransform, BytesOfOneValueKeepIt)
{
  for (const int64_t side : { 5, 31, 64, 200 })
  {
    const auto resized = sam::ResizeLongestSide(at::full({ 3, 40, 61 }, 255, at::kByte), side);
    EXPECT_TRUE(resized.eq(255).all().item<bool>()) << side;
  }
}

TEST(SamImageTransform, BytesAreCloseToTheirRealNumbers)
{
  const auto image = RandomBytes({ 2, 3, 50, 37 });
  for (const int64_t side : { 20, 50, 90 })
  {
    const auto bytes = sam::ResizeLongestSide(image, side).to(at::kFloat);
    const auto reals = sam::ResizeLongestSide(image.to(at::kFloat), side);
    ASSERT_EQ(bytes.sizes(), reals.sizes());
    // Each pass rounds by half a gray value at most.
    EXPECT_LE((bytes - reals).abs().max().item<double>(), 1.01) << side;
  }
}

TEST(SamImageTransform, SameSizeIsTheSameImage)
{
  const auto image = RandomBytes({ 3, 24, 31 });
  EXPECT_TRUE(at::equal(sam::ResizeLongestSide(image, 31), image));
  EXPECT_TRUE(at::equal(sam::ResizeLongestSide(image.to(at::kFloat), 31), image.to(at::kFloat)));
}

TEST(SamImageTransform, LayoutInMemoryDoesNotMatter)
{
  const auto interleaved = RandomBytes({ 24, 31, 3 }).permute({ 2, 0, 1 });
  EXPECT_TRUE(at::equal(sam::ResizeLongestSide(interleaved, 20), sam::ResizeLongestSide(interleaved.contiguous(), 20)));
}

TEST(SamImageTransform, OtherIntegersAreRefused)
{
  EXPECT_THROW(sam::ResizeLongestSide(at::zeros({ 3, 4, 5 }, at::kShort), 8), sam::Error);
}

TEST(SamImageTransform, CornersOfTheImageStayCorners)
{
  const auto corners = at::tensor({ 0.0, 0.0, 640.0, 480.0 }, at::kFloat).view({ 1, 4 });
  EXPECT_TRUE(at::equal(sam::ResizeBoxes(corners, { 480, 640 }, 1024),
                        at::tensor({ 0.0, 0.0, 1024.0, 768.0 }, at::kFloat).view({ 1, 4 })));
}

TEST(SamImageTransform, SquareIsNormalizedThenPadded)
{
  const auto image = at::full({ 1, 2, 3, 2 }, 7.0);
  const auto square = sam::PadToSquare(image, 4, { 3.0, 5.0 }, { 2.0, 4.0 });
  auto       expected = at::zeros({ 1, 2, 4, 4 });
  expected.select(1, 0).narrow(1, 0, 3).narrow(2, 0, 2).fill_(2.0);
  expected.select(1, 1).narrow(1, 0, 3).narrow(2, 0, 2).fill_(0.5);
  EXPECT_TRUE(at::equal(square, expected));
  EXPECT_TRUE(at::equal(sam::PadToSquare(image.to(at::kByte), 4, { 3.0, 5.0 }, { 2.0, 4.0 }), expected));
  EXPECT_THROW(sam::PadToSquare(at::zeros({ 3, 5, 2 }), 4), sam::Error);
  EXPECT_THROW(sam::PadToSquare(at::zeros({ 1, 3, 2 }), 4), sam::Error);
}

TEST(SamImageTransform, PostprocessingUndoesThePadding)
{
  // A ramp along x in the square: linear interpolation keeps it away from the borders.
  const auto ramp = at::arange(16, at::kFloat).view({ 1, 1, 1, 16 }).expand({ 1, 1, 16, 16 });
  const auto masks = sam::PostprocessMasks(ramp, 64, { 32, 64 }, { 64, 128 });
  ASSERT_EQ(masks.sizes(), at::IntArrayRef({ 1, 1, 64, 128 }));
  const auto expected = (at::arange(128, at::kFloat) + 0.5) / 8.0 - 0.5;
  EXPECT_LT((masks[0][0][20] - expected).narrow(0, 8, 112).abs().max().item<double>(), 1e-5);
}

TEST(SamImageTransform, StabilityIsTheOverlapOfTwoCuts)
{
  auto logits = at::full({ 3, 4, 5 }, -9.0);
  logits[0].narrow(0, 0, 2).fill_(0.5); // 10 pixels above −1
  logits[0].narrow(0, 0, 1).fill_(1.5); // 5 of them above 1
  logits[1].fill_(3.0);
  const auto score = sam::StabilityScore(logits, 0.0, 1.0);
  EXPECT_EQ(score[0].item<double>(), 0.5);
  EXPECT_EQ(score[1].item<double>(), 1.0);
  EXPECT_TRUE(std::isnan(score[2].item<double>()));
}

TEST(SamImageTransform, BoxesAreTight)
{
  auto masks = at::zeros({ 2, 2, 6, 8 }, at::kBool);
  masks[0][0].fill_(true);
  masks[0][1][4][5] = true;
  masks[1][0][1][2] = true;
  masks[1][0][3][0] = true;
  const auto expected = at::tensor({ 0, 0, 7, 5, 5, 4, 5, 4, 0, 1, 2, 3, 0, 0, 0, 0 }, at::kLong).view({ 2, 2, 4 });
  EXPECT_TRUE(at::equal(sam::MaskBoxes(masks), expected));
  EXPECT_TRUE(at::equal(sam::MaskBoxes(masks[0][1]), expected[0][1]));
  EXPECT_EQ(sam::MaskBoxes(at::zeros({ 0, 6, 8 }, at::kBool)).sizes(), at::IntArrayRef({ 0, 4 }));
}
