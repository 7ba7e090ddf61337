// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samProgress_h
#define samProgress_h

#include <functional>

namespace sam
{
/** Called with the fraction done, from 0 to 1; may throw to stop. */
using ProgressFunction = std::function<void(double)>;
} // namespace sam

#endif
