// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samVolumePreprocessing_h
#define samVolumePreprocessing_h

#include "samPlan.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <optional>

namespace sam
{
// The preprocessing that MaskSAM was published with (nnU-Net's, masksam §h), on arrays instead of images: sizes and
// spacings are in the order of the axes D×H×W.

/** Voxels of a grid of another spacing over the same extent, rounded to even at halves. */
SegmentAnything_EXPORT std::array<int64_t, 3>
                       ResampledSize(const std::array<int64_t, 3> & size,
                                     const std::array<double, 3> &  spacing,
                                     const std::array<double, 3> &  newSpacing);

/** The axis along which the old or else the new grid is more than three times as coarse as along another one, if it is
 * only one axis. */
SegmentAnything_EXPORT std::optional<size_t>
                       FindCoarseAxis(const std::array<double, 3> & spacing, const std::array<double, 3> & newSpacing);

enum class VolumeInterpolation
{
  Linear, ///< scores
  Cubic,  ///< images; limited to the range of the volume, or of the slice
  Labels  ///< each label linearly, the largest share wins; of several alike the nearest voxel's, else the smallest
};

/** Resample C×D×H×W to \a size, border voxels repeated outside. Slices across a \a coarseAxis are resampled by
 * themselves, and along it the nearest one is taken. */
SegmentAnything_EXPORT at::Tensor
                       ResampleVolume(const at::Tensor &             volume,
                                      const std::array<int64_t, 3> & size,
                                      VolumeInterpolation            interpolation,
                                      const std::optional<size_t> &  coarseAxis);

/** What is above 0 in each slice of D×H×W limited to two percentiles of it, with linear interpolation between ranks;
 * \a limits gets them, D×2, zeros where nothing is above 0. */
SegmentAnything_EXPORT at::Tensor
LimitPositive(const at::Tensor & values, const std::array<double, 2> & percentiles, at::Tensor * limits = nullptr);

/** A channel's intensities D×H×W as its normalization (z_score, clip, slice_z_score or slice_percentiles) says;
 * constant ones become 0. With a \a mask (bool, of the same shape) a z_score looks at what lies in it and leaves
 * everything else as it is.
 * \throws Error when the normalization is another one. */
SegmentAnything_EXPORT at::Tensor
NormalizeVolume(const at::Tensor & values, const ChannelPlan & channel, const at::Tensor & mask = {});
} // namespace sam

#endif
