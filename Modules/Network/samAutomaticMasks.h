// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samAutomaticMasks_h
#define samAutomaticMasks_h

#include "samImageTransform.h"

namespace sam
{
// Parts of SAM's automatic mask generation: everything in an image is segmented by prompting with a grid of points, in
// the image and in crops of it, and masks that say the same are thrown out.

/** x1, y1, x2, y2 in pixels; the second corner is the first pixel outside. */
using CropBox = std::array<int64_t, 4>;

/** A part of the image that is segmented by itself. */
struct ImageCrop
{
  CropBox box{};
  int64_t layer{ 0 }; ///< 0: the whole image
};

/** The image, then for each layer i from 1 to \a layers 2^i × 2^i crops, columns first. Neighbors of layer 1 overlap by
 * \a overlap of the image's shorter side, those of further layers by half as much as the layer before. */
SegmentAnything_EXPORT std::vector<ImageCrop>
                       ImageCrops(const ImageSize & size, int64_t layers, double overlap);

/** Evenly spaced points as fractions of width and height, row by row: n²×2 (x, y), float64. */
SegmentAnything_EXPORT at::Tensor
                       PointGrid(int64_t pointsPerSide);

/** Which of the boxes N×4 (pixels of the \a crop) end within \a tolerance pixels of an edge of the crop where the image
 * of size \a size goes on: their masks are cut off. Returns N bool. */
SegmentAnything_EXPORT at::Tensor
AreNearCropEdge(const at::Tensor & boxes, const CropBox & crop, const ImageSize & size, double tolerance = 20.0);

/** Non-maximum suppression: of the boxes N×4 those that overlap (IoU) none of higher score by more than \a threshold.
 * Returns their indices by descending score, equal scores in the given order; int64. */
SegmentAnything_EXPORT at::Tensor
                       BoxNms(const at::Tensor & boxes, const at::Tensor & scores, double threshold);
} // namespace sam

#endif
