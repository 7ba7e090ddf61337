// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samWindows_h
#define samWindows_h

#include "SegmentAnythingExport.h"

#include <ATen/core/Tensor.h>

#include <array>

namespace sam
{
/** Rows and columns of windows that cover a map of \a h × \a w tokens. */
SegmentAnything_EXPORT std::array<int64_t, 2>
                       WindowGrid(int64_t window, int64_t h, int64_t w);

/** B×h×w×C into (B·windows)×window×window×C, rows of windows first, zeros below and to the right of the map. */
SegmentAnything_EXPORT at::Tensor
                       PartitionWindows(const at::Tensor & x, int64_t window);

/** The inverse of PartitionWindows for a map of \a h × \a w tokens: B×h×w×C. */
SegmentAnything_EXPORT at::Tensor
                       UnpartitionWindows(const at::Tensor & windows, int64_t window, int64_t h, int64_t w);
} // namespace sam

#endif
