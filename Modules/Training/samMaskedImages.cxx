// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskedImages.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sam
{
namespace
{
constexpr int64_t mostCells = 16;       // to a side
constexpr double  leastVariance = 0.01; // of normalized voxels: noise of flat tokens is not enlarged
} // namespace

at::Tensor
DrawHiddenTokens(int64_t rows, int64_t columns, double share, int64_t cell, RandomStream & random)
{
  const int64_t        down = (rows + cell - 1) / cell;
  const int64_t        across = (columns + cell - 1) / cell;
  std::vector<int64_t> cells(static_cast<size_t>(down * across));
  std::iota(cells.begin(), cells.end(), int64_t{ 0 });
  random.Shuffle(cells);
  const auto wanted = std::llround(share * static_cast<double>(down * across));
  const auto count = std::clamp<int64_t>(wanted, 1, std::max<int64_t>(1, down * across - 1));
  auto       hidden = at::zeros({ rows, columns }, at::kBool);
  bool *     data = hidden.mutable_data_ptr<bool>();
  for (int64_t k = 0; k < count; ++k)
  {
    const int64_t top = cells[static_cast<size_t>(k)] / across * cell;
    const int64_t left = cells[static_cast<size_t>(k)] % across * cell;
    for (int64_t row = top; row < std::min(top + cell, rows); ++row)
    {
      std::fill_n(data + row * columns + left, std::min(cell, columns - left), true);
    }
  }
  return hidden;
}

int64_t
HiddenCell(int64_t rows, int64_t columns)
{
  return (std::max(rows, columns) + mostCells - 1) / mostCells;
}

at::Tensor
HideTokens(const at::Tensor & image, const at::Tensor & hidden)
{
  const int64_t height = image.size(3) / hidden.size(1);
  const int64_t width = image.size(4) / hidden.size(2);
  const auto    voxels = hidden.repeat_interleave(height, 1).repeat_interleave(width, 2).unsqueeze(1).unsqueeze(1);
  return at::where(voxels, at::zeros({}, image.options()), image);
}

at::Tensor
TokenTargets(const at::Tensor & image, int64_t patch)
{
  const auto tokens = image.unflatten(4, { -1, patch }).unflatten(3, { -1, patch }); // B×C×D×h×p×w×p
  const auto mean = tokens.mean({ 4, 6 }, true);
  const auto centered = tokens - mean;
  const auto variance = centered.square().mean({ 4, 6 }, true);
  return (centered * (variance + leastVariance).rsqrt()).permute({ 0, 1, 4, 6, 2, 3, 5 }).flatten(1, 3);
}

at::Tensor
HiddenTokenLoss(const at::Tensor & prediction, const at::Tensor & target, const at::Tensor & hidden)
{
  const auto ofTokens = (prediction - target).square().mean({ 1, 2 }); // B×h×w
  const auto weights = hidden.to(ofTokens.scalar_type());
  return (ofTokens * weights).sum() / weights.sum();
}

VoxelHead::VoxelHead(const Scope & scope, int64_t width, int64_t channels, int64_t patch)
{
  const auto voxels = channels * patch * patch;
  const auto start = Initialization::Uniform(1.0 / std::sqrt(static_cast<double>(width)));
  m_Weight = scope.Declare("weight", { voxels, width }, start);
  m_Bias = scope.Declare("bias", { voxels }, start);
}

at::Tensor
VoxelHead::operator()(const at::Tensor & embedding) const
{
  return at::linear(embedding.movedim(1, 4), m_Weight, m_Bias).movedim(4, 1);
}
} // namespace sam
