// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRelativeAttention.h"
#include "samScoreTile.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace
{
at::Tensor
Random(const std::vector<int64_t> & size, uint64_t seed = 3)
{
  return at::randn(size, at::detail::createCPUGenerator(seed));
}

struct Attention
{
  sam::Parameters        parameters{ 5 };
  sam::RelativeAttention layer;

  Attention(int64_t width, int64_t heads, std::array<int64_t, 2> table, int64_t window)
    : layer(sam::Scope(parameters), width, heads, table, window)
  {
    // The tables start at zero, which would hide them.
    for (const auto & [name, tensor] : parameters.GetTensors())
    {
      tensor.copy_(Random(tensor.sizes().vec(), name.size()) * (name.find("rel_pos") == 0 ? 1.0 : 0.2));
    }
  }

  /** In tiles, and by plain tensor operations. */
  void
  ExpectSame(const at::Tensor & x) const
  {
    at::Tensor tiles;
    {
      const at::NoGradGuard noGrad;
      tiles = layer(x);
    }
    const auto plain = layer(x).detach();
    ASSERT_EQ(tiles.sizes(), plain.sizes());
    EXPECT_LE((tiles - plain).abs().max().item<double>(), 2e-5 * plain.abs().max().item<double>() + 1e-6) << x.sizes();
  }
};
} // namespace

TEST(SamRelativeAttention, TilesEqualTensorOperations)
{
  // Whole grids: one tile, several tiles of keys, several of queries, narrower than a vector, wider than high.
  for (const auto & [h, w] :
       std::vector<std::array<int64_t, 2>>{ { 5, 5 }, { 40, 33 }, { 3, 70 }, { 70, 3 }, { 1, 1 } })
  {
    Attention(24, 3, { h, w }, 0).ExpectSame(Random({ 2, h, w, 24 }));
  }
  // Tables of another size are stretched.
  Attention(16, 2, { 9, 6 }, 0).ExpectSame(Random({ 1, 12, 7, 16 }));
}

TEST(SamRelativeAttention, WindowsBeyondTheBorderHoldTheBias)
{
  for (const int64_t window : { 3, 7, 14 })
  {
    Attention(32, 2, { window, window }, window).ExpectSame(Random({ 2, 16, 9, 32 }));
    Attention(32, 2, { window, window }, window).ExpectSame(Random({ 1, 14, 14, 32 }));
  }
}

TEST(SamRelativeAttention, DoesNotDependOnBatchOrThreads)
{
  const at::NoGradGuard noGrad;
  const Attention       attention(32, 2, { 20, 20 }, 0);
  const auto            x = Random({ 3, 20, 20, 32 });
  const int             threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = attention.layer(x);
  EXPECT_TRUE(at::equal(one.narrow(0, 1, 1), attention.layer(x.narrow(0, 1, 1))));
  at::set_num_threads(3);
  EXPECT_TRUE(at::equal(one, attention.layer(x)));
  at::set_num_threads(threads);
}

TEST(SamScoreTile, IsSoftmaxOverTilesInAnyOrder)
{
  constexpr int64_t keyRows = 4;
  constexpr int64_t width = 16;
  const auto        scores = Random({ 2, 1, keyRows * width }) * 30.0;
  const auto        rowTerms = Random({ 2, keyRows }, 4) * 10.0;
  const auto        columnTerms = Random({ width }, 5) * 10.0;
  const double      scale = 0.25;
  float             maximum = sam::scoreOfNothing;
  float             sum = 0.0F;
  float             correction = 0.0F;
  double            weightOfFirst = 0.0;
  for (int64_t part = 0; part < 2; ++part)
  {
    auto           tile = scores[part].clone();
    const float *  rows = rowTerms[part].const_data_ptr<float>();
    const float *  columns = columnTerms.const_data_ptr<float>();
    sam::ScoreTile description{ tile.data_ptr<float>(), 1, keyRows, width, float(scale), &rows, &columns };
    sam::ExponentiateTile(description, &maximum, &sum, &correction);
    weightOfFirst = part == 0 ? tile[0][7].item<double>() : weightOfFirst * correction;
  }
  const auto terms = (scores.view({ 2, keyRows, width }) * scale + rowTerms.unsqueeze(2) + columnTerms).to(at::kDouble);
  const double largest = terms.max().item<double>();
  EXPECT_FLOAT_EQ(maximum, float(largest));
  EXPECT_NEAR(sum, (terms - largest).exp().sum().item<double>(), 1e-5 * sum);
  EXPECT_NEAR(weightOfFirst, std::exp(terms[0][0][7].item<double>() - largest), 1e-6);
}
