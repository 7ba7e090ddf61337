// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageTransform_h
#define samImageTransform_h

#include "SegmentAnythingExport.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

namespace sam
{
/** Rows and columns of an image. */
using ImageSize = std::array<int64_t, 2>;

/** The size of an image once its longer side has \a longestSide pixels, rounded as SAM does (halves up), at least 1. */
SegmentAnything_EXPORT ImageSize
ResizedSize(const ImageSize & size, int64_t longestSide);

/** Bring the longer side of an image ...×H×W to \a longestSide pixels, bilinearly with antialiasing. uint8 is resampled
 * in fixed-point numbers, equal to Pillow's bit by bit; floating-point numbers as they are.
 * \throws Error for another type. */
SegmentAnything_EXPORT at::Tensor
                       ResizeLongestSide(const at::Tensor & image, int64_t longestSide);

/** Where points ...×2 (x, y in pixels) of an image of size \a size go in ResizeLongestSide. */
SegmentAnything_EXPORT at::Tensor
                       ResizeCoordinates(const at::Tensor & points, const ImageSize & size, int64_t longestSide);

/** Where boxes ...×4 (x1, y1, x2, y2 in pixels) go in ResizeLongestSide. */
SegmentAnything_EXPORT at::Tensor
                       ResizeBoxes(const at::Tensor & boxes, const ImageSize & size, int64_t longestSide);

/** Mean and standard deviation of SAM's training images, red, green, blue. */
inline const std::vector<double> samPixelMean{ 123.675, 116.28, 103.53 };
inline const std::vector<double> samPixelDeviation{ 58.395, 57.12, 57.375 };

/** The encoder's input: ...×C×H×W minus \a mean, divided by \a deviation (one number per channel), zeros below and to
 * the right up to \a side × \a side.
 * \throws Error when the image is larger than that or has another number of channels. */
SegmentAnything_EXPORT at::Tensor
                       PadToSquare(const at::Tensor &          image,
                                   int64_t                     side,
                                   const std::vector<double> & mean = samPixelMean,
                                   const std::vector<double> & deviation = samPixelDeviation);

/** Mask logits N×M×h×w of the padded square at the original image's size, N×M×H×W: enlarged to \a side × \a side,
 * cropped to the \a inputSize that the image had in the square, resized to \a originalSize; all bilinearly. */
SegmentAnything_EXPORT at::Tensor
PostprocessMasks(const at::Tensor & masks, int64_t side, const ImageSize & inputSize, const ImageSize & originalSize);

/** Overlap (IoU) of masks ...×H×W that are cut from logits \a offset above and below \a threshold; NaN where even the
 * lower cut leaves nothing. Returns .... */
SegmentAnything_EXPORT at::Tensor
                       StabilityScore(const at::Tensor & logits, double threshold, double offset);

/** Tight boxes around masks ...×H×W (bool) as int64 ...×4: x1, y1, x2, y2 of the first and last pixels, zeros for an
 * empty mask. */
SegmentAnything_EXPORT at::Tensor
                       MaskBoxes(const at::Tensor & masks);
} // namespace sam

#endif
