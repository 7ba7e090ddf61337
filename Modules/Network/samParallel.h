// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samParallel_h
#define samParallel_h

#include "SegmentAnythingExport.h"

#include <cstdint>
#include <functional>

namespace sam
{
/** Call \a work for 0, 1, ... \a count - 1 on LibTorch's threads. Tensor operations inside run on one thread each, or
 * on all where \a count is 1. Gradient and inference mode are the caller's. */
SegmentAnything_EXPORT void
ForEachInParallel(int64_t count, const std::function<void(int64_t)> & work);
} // namespace sam

#endif
