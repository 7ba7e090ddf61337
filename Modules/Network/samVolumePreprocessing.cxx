// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samVolumePreprocessing.h"

#include "samError.h"
#include "samSplineResize.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/_unique2.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sam
{
namespace
{
constexpr double coarseRatio = 3.0;

/** Percentiles of slice_percentiles. */
constexpr std::array<double, 2> positivePercentiles{ 0.2, 99.8 };

/** The coarse axes of a spacing whose ratio is large. */
std::vector<size_t>
CoarseAxes(const std::array<double, 3> & spacing)
{
  const auto [least, most] = std::minmax_element(spacing.begin(), spacing.end());
  std::vector<size_t> axes;
  for (size_t axis = 0; axis < 3 && *most / *least > coarseRatio; ++axis)
  {
    if (spacing[axis] == *most)
    {
      axes.push_back(axis);
    }
  }
  return axes;
}

/** Resize the spatial axes of N×D×H×W one after the other. */
at::Tensor
ResizeAxes(at::Tensor x, const std::array<int64_t, 3> & size, int64_t order)
{
  for (size_t k = 0; k < 3; ++k)
  {
    const auto axis = static_cast<int64_t>(k) + 1;
    if (x.size(axis) != size[k])
    {
      const auto matrix = ResizeMatrix(x.size(axis), size[k], order).to(x.device());
      x = at::matmul(x.movedim(axis, -1), matrix.t()).movedim(-1, axis);
    }
  }
  return x;
}

/** Where the pixels of one axis lie between those of another one: two neighbors, their shares, and the nearest. */
struct AxisPlaces
{
  at::Tensor neighbors[2];
  at::Tensor shares[2];
  at::Tensor nearest;

  AxisPlaces(int64_t inputs, int64_t outputs, const at::TensorOptions & options)
  {
    const double scale = static_cast<double>(inputs) / static_cast<double>(outputs);
    const auto   places =
      ((at::arange(outputs, options) + 0.5) * scale - 0.5).clamp(0.0, static_cast<double>(inputs - 1));
    const auto first = places.floor();
    neighbors[0] = first.to(at::kLong);
    neighbors[1] = (neighbors[0] + 1).clamp_max(inputs - 1);
    shares[1] = places - first;
    shares[0] = 1.0 - shares[1];
    nearest = (places + 0.5).floor().to(at::kLong);
  }
};

/** The label of the largest share at each voxel; of several that share alike the nearest voxel's, else the smallest.
 * Ties are frequent, so the shares are summed corner by corner: their rounding is the published one. */
at::Tensor
ResizeLabels(const at::Tensor & x, const std::array<int64_t, 3> & size)
{
  std::vector<AxisPlaces> axes;
  for (size_t k = 0; k < 3; ++k)
  {
    axes.emplace_back(x.size(static_cast<int64_t>(k) + 1), size[k], x.options());
  }
  const auto pick = [&x, &axes](const std::array<at::Tensor, 3> & places) {
    return x.index_select(1, places[0]).index_select(2, places[1]).index_select(3, places[2]);
  };
  const auto nearest = pick({ axes[0].nearest, axes[1].nearest, axes[2].nearest });
  at::Tensor winner;
  at::Tensor best;
  at::Tensor nearestShare = at::zeros_like(nearest);
  const auto values = std::get<0>(at::_unique2(x));
  for (int64_t k = 0; k < values.numel(); ++k)
  {
    auto share = at::zeros_like(nearest);
    for (size_t corner = 0; corner < 8; ++corner)
    {
      const std::array<size_t, 3> side{ corner >> 2, (corner >> 1) & 1, corner & 1 };
      const auto                  isLabel =
        (pick({ axes[0].neighbors[side[0]], axes[1].neighbors[side[1]], axes[2].neighbors[side[2]] }) == values[k])
          .to(x.scalar_type());
      share = share + isLabel * axes[0].shares[side[0]].view({ -1, 1, 1 }) * axes[1].shares[side[1]].view({ -1, 1 }) *
                        axes[2].shares[side[2]];
    }
    nearestShare = at::where(nearest == values[k], share, nearestShare);
    if (!best.defined())
    {
      best = share;
      winner = at::zeros_like(nearest) + values[k];
      continue;
    }
    winner = at::where(share > best, values[k], winner);
    best = at::maximum(best, share);
  }
  return at::where(nearestShare == best, nearest, winner);
}

/** Each of N volumes by itself. */
at::Tensor
ResizeVolumes(const at::Tensor & x, const std::array<int64_t, 3> & size, VolumeInterpolation interpolation)
{
  if (interpolation == VolumeInterpolation::Labels)
  {
    return ResizeLabels(x, size);
  }
  const auto resized = ResizeAxes(x, size, interpolation == VolumeInterpolation::Cubic ? 3 : 1);
  const auto flat = x.flatten(1);
  const auto limit = [&flat](bool upper) {
    return (upper ? flat.amax({ 1 }) : flat.amin({ 1 })).view({ -1, 1, 1, 1 });
  };
  return resized.clamp(limit(false), limit(true));
}
} // namespace

std::array<int64_t, 3>
ResampledSize(const std::array<int64_t, 3> & size,
              const std::array<double, 3> &  spacing,
              const std::array<double, 3> &  newSpacing)
{
  std::array<int64_t, 3> result{};
  for (size_t axis = 0; axis < 3; ++axis)
  {
    result[axis] = std::llrint(spacing[axis] / newSpacing[axis] * static_cast<double>(size[axis]));
  }
  return result;
}

std::optional<size_t>
FindCoarseAxis(const std::array<double, 3> & spacing, const std::array<double, 3> & newSpacing)
{
  auto axes = CoarseAxes(spacing);
  if (axes.empty())
  {
    axes = CoarseAxes(newSpacing);
  }
  return axes.size() == 1 ? std::optional<size_t>(axes.front()) : std::nullopt;
}

at::Tensor
ResampleVolume(const at::Tensor &             volume,
               const std::array<int64_t, 3> & size,
               VolumeInterpolation            interpolation,
               const std::optional<size_t> &  coarseAxis)
{
  if (volume.sizes().slice(1) == at::IntArrayRef(size))
  {
    return volume;
  }
  const auto real = volume.to(at::kDouble);
  if (!coarseAxis)
  {
    return ResizeVolumes(real, size, interpolation).to(volume.scalar_type());
  }
  // Slices become volumes of one slice.
  const auto axis = static_cast<int64_t>(*coarseAxis) + 1;
  const auto slices = real.movedim(axis, 1);
  auto       sliceSize = size;
  sliceSize[*coarseAxis] = 1;
  auto flat = slices.flatten(0, 1).unsqueeze(axis);
  flat = ResizeVolumes(flat, sliceSize, interpolation).squeeze(axis);
  const auto       resized = flat.view({ slices.size(0), slices.size(1), flat.size(1), flat.size(2) });
  const AxisPlaces places(slices.size(1), size[*coarseAxis], real.options());
  return resized.index_select(1, places.nearest).movedim(1, axis).to(volume.scalar_type());
}

at::Tensor
LimitPositive(const at::Tensor & values, const std::array<double, 2> & percentiles, at::Tensor * limits)
{
  const auto real = values.to(at::kDouble);
  auto       limited = real.clone();
  auto       found = at::zeros({ values.size(0), 2 }, real.options());
  for (int64_t slice = 0; slice < values.size(0); ++slice)
  {
    const auto mask = real[slice] > 0.0;
    const auto sorted = std::get<0>(real[slice].masked_select(mask).sort());
    if (sorted.numel() == 0)
    {
      continue;
    }
    for (size_t side = 0; side < 2; ++side)
    {
      const double  rank = percentiles[side] / 100.0 * static_cast<double>(sorted.numel() - 1);
      const int64_t lower = std::clamp<int64_t>(static_cast<int64_t>(rank), 0, sorted.numel() - 1);
      const int64_t upper = std::min(lower + 1, sorted.numel() - 1);
      found[slice][static_cast<int64_t>(side)] =
        sorted[lower] + (sorted[upper] - sorted[lower]) * (rank - static_cast<double>(lower));
    }
    limited[slice] = at::where(mask, real[slice].clamp(found[slice][0], found[slice][1]), real[slice]);
  }
  if (limits != nullptr)
  {
    *limits = found;
  }
  return limited.to(values.scalar_type());
}

at::Tensor
NormalizeVolume(const at::Tensor & values, const ChannelPlan & channel, const at::Tensor & mask)
{
  constexpr double leastDeviation = 1e-8;

  const auto real = values.to(at::kDouble);
  if (channel.normalization == "clip")
  {
    return ((real.clamp(channel.lower, channel.upper) - channel.mean) / std::max(channel.deviation, leastDeviation))
      .to(values.scalar_type());
  }
  if (channel.normalization == "slice_z_score" || channel.normalization == "slice_percentiles")
  {
    const auto limited = channel.normalization == "slice_z_score" ? real : LimitPositive(real, positivePercentiles);
    const auto slices = limited.flatten(1);
    const auto mean = slices.mean(1).view({ -1, 1, 1 });
    return ((limited - mean) / slices.std(1, false).clamp_min(leastDeviation).view({ -1, 1, 1 }))
      .to(values.scalar_type());
  }
  if (channel.normalization != "z_score")
  {
    throw Error("normalization '" + channel.normalization + "' of channel '" + channel.name +
                "', expected z_score, clip, slice_z_score or slice_percentiles");
  }
  const auto seen = mask.defined() ? real.masked_select(mask) : real.flatten();
  if (seen.numel() == 0)
  {
    return values;
  }
  const auto normalized = (real - seen.mean()) / seen.std(false).clamp_min(leastDeviation);
  return (mask.defined() ? at::where(mask, normalized, real) : normalized).to(values.scalar_type());
}
} // namespace sam
