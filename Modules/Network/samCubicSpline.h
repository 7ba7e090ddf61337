// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCubicSpline_h
#define samCubicSpline_h

#include "SegmentAnythingExport.h"

#include <cstdint>
#include <vector>

namespace sam
{
/** Values on either side that make a coefficient, to a tenth of what a float resolves. */
constexpr int64_t splineReach = 14;

/** The cubic B-spline around 0. */
SegmentAnything_EXPORT double
CubicSpline(double x);

/** What the coefficients of the cubic spline through values are made of: weights of the value itself and of those 1 to
 * \a reach places away, the same on both sides. The weights of both sides sum to one. */
SegmentAnything_EXPORT std::vector<double>
                       SplineFilter(int64_t reach);

/** What the cubic spline through values takes of them at \a fraction (0 to below 1) behind one of them: 2·reach + 4
 * weights, the first of the value \a reach + 1 places before that one. */
SegmentAnything_EXPORT std::vector<double>
                       SplineWeights(double fraction, int64_t reach);
} // namespace sam

#endif
