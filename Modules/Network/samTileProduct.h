// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTileProduct_h
#define samTileProduct_h

#include <cstdint>

namespace sam
{
/** Product of two small matrices on one thread: \a a is rows × inner, \a b inner × columns, \a c rows × columns, all
 * stored row by row without gaps. \a adds to what is in \a c instead of replacing it. Uses oneDNN's micro-kernels where
 * LibTorch has them for this processor, its BLAS elsewhere. */
void
MultiplyTile(int64_t rows, int64_t columns, int64_t inner, const float * a, const float * b, float * c, bool adds);

/** To be called by each thread after its last MultiplyTile(): gives back the processor's matrix unit. */
void
EndTileProducts();
} // namespace sam

#endif
