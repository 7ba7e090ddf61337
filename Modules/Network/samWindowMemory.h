// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samWindowMemory_h
#define samWindowMemory_h

#include "samPlan.h"

#include <array>

namespace sam
{
/** About the bytes that a plan's network takes at its peak for a window of \a size voxels (x, y, z), beside its
 * weights: tensors of 32-bit floats that exist together in encoder, prompt generator and decoder, counted by the plan's
 * widths.
 */
SegmentAnything_EXPORT int64_t
EstimateWindowMemory(const Plan & plan, const std::array<int64_t, 3> & size);
} // namespace sam

#endif
