// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samQuantization_h
#define samQuantization_h

#include "SegmentAnythingExport.h"

#include <cstdint>

namespace sam
{
/** What a byte b stands for: scale · (b − zero). */
struct ByteScale
{
  float   scale{ 1.0F };
  int32_t zero{ 0 };
};

/** The scale that spreads \a count values, and 0, over 0..255. */
SegmentAnything_EXPORT ByteScale
FindByteScale(const float * values, int64_t count);

/** Round values to the nearest bytes of a scale. */
SegmentAnything_EXPORT void
ToBytes(const float * values, int64_t count, const ByteScale & scale, uint8_t * bytes);
} // namespace sam

#endif
