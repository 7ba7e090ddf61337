// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSplineResize_h
#define samSplineResize_h

#include "samImageTransform.h"

namespace sam
{
/** Stretch a uint8 image C×H×W to \a size with cubic splines, smoothed by a Gaussian of (factor − 1) / 2 pixels along
 * axes that shrink, clipped to the image's range and truncated: what scikit-image's resize does with order 3 and
 * anti-aliasing, which MedSAM was trained with. */
SegmentAnything_EXPORT at::Tensor
                       ResizeSpline(const at::Tensor & image, const ImageSize & size);
/** What each of \a outputs pixels takes of each of \a inputs ones, outputs×inputs (float64): linearly (\a order 1) or
 * with cubic splines (3), the border pixels repeated outside, where a spline may swing. Both grids fill the same
 * extent. */
SegmentAnything_EXPORT at::Tensor
                       ResizeMatrix(int64_t inputs, int64_t outputs, int64_t order);
} // namespace sam

#endif
