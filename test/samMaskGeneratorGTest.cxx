// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskGenerator.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <string>

namespace
{
/** A mask from text: '#' is inside. */
at::Tensor
Mask(const std::vector<std::string> & rows)
{
  at::Tensor mask =
    at::zeros({ static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows.front().size()) }, at::kBool);
  auto values = mask.accessor<bool, 2>();
  for (size_t y = 0; y < rows.size(); ++y)
  {
    for (size_t x = 0; x < rows[y].size(); ++x)
    {
      values[static_cast<int64_t>(y)][static_cast<int64_t>(x)] = rows[y][x] == '#';
    }
  }
  return mask;
}
} // namespace

TEST(SamMaskGenerator, RunsGoDownTheColumns)
{
  EXPECT_EQ(sam::EncodeRuns(Mask({ "..#", "#.#" })), (std::vector<uint32_t>{ 1, 1, 2, 2 }));
  EXPECT_EQ(sam::EncodeRuns(Mask({ "##", "#." })), (std::vector<uint32_t>{ 0, 3, 1 })) << "background first";
  EXPECT_EQ(sam::EncodeRuns(Mask({ "..", ".." })), (std::vector<uint32_t>{ 4 }));
  const auto random = at::rand({ 13, 7 }, at::detail::createCPUGenerator(1)) > 0.6;
  EXPECT_TRUE(at::equal(sam::DecodeRuns(sam::EncodeRuns(random), { 13, 7 }), random));
  EXPECT_TRUE(at::equal(sam::DecodeRuns(sam::EncodeRuns(random.t()), { 7, 13 }), random.t()));
}

TEST(SamMaskGenerator, SmallRegionsAreFilledAndRemoved)
{
  // A hole of one pixel; islands of 11, of two and of one pixel.
  const auto mask = Mask({ "####....#", //
                           "#.##....#",
                           "####.....",
                           "......#.." });
  const auto [two, isTwoChanged] = sam::RemoveSmallRegions(mask, 2);
  EXPECT_TRUE(isTwoChanged);
  EXPECT_TRUE(at::equal(two,
                        Mask({ "####....#", //
                               "####....#",
                               "####.....",
                               "........." })));
  const auto [three, isThreeChanged] = sam::RemoveSmallRegions(mask, 3);
  EXPECT_TRUE(isThreeChanged);
  EXPECT_TRUE(at::equal(three,
                        Mask({ "####.....", //
                               "####.....",
                               "####.....",
                               "........." })));
  const auto [one, isOneChanged] = sam::RemoveSmallRegions(mask, 1);
  EXPECT_FALSE(isOneChanged);
  EXPECT_TRUE(at::equal(one, mask));
  // Pixels that touch at a corner belong together; of islands that are all too small the largest stays.
  const auto [largest, isLargestChanged] = sam::RemoveSmallRegions(Mask({ "#....", ".#...", "....#" }), 3);
  EXPECT_TRUE(isLargestChanged);
  EXPECT_TRUE(at::equal(largest, Mask({ "#....", ".#...", "....." })));
}
