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
} // namespace sam

#endif
