// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samQuantization.h"

#include "samProcessorVariants.h"

#include <algorithm>
#include <bit>

namespace sam
{
namespace
{
constexpr int lanes = 16;

SAM_PROCESSOR_VARIANTS void
FindRange(const float * values, int64_t count, float & smallest, float & largest)
{
  float   low[lanes] = {};
  float   high[lanes] = {};
  int64_t k = 0;
  for (; k + lanes <= count; k += lanes)
  {
    for (int lane = 0; lane < lanes; ++lane)
    {
      low[lane] = values[k + lane] < low[lane] ? values[k + lane] : low[lane];
      high[lane] = values[k + lane] > high[lane] ? values[k + lane] : high[lane];
    }
  }
  for (; k < count; ++k)
  {
    low[0] = std::min(low[0], values[k]);
    high[0] = std::max(high[0], values[k]);
  }
  smallest = *std::min_element(low, low + lanes);
  largest = *std::max_element(high, high + lanes);
}

SAM_PROCESSOR_VARIANTS void
RoundToBytes(const float * values, int64_t count, float factor, float zero, uint8_t * bytes)
{
  constexpr float shift = 12582912.0F; // 1.5 · 2^23: adding it rounds to an integer in the lowest bits
  for (int64_t k = 0; k < count; ++k)
  {
    const float level = values[k] * factor + zero;
    const float bounded = level < 0.0F ? 0.0F : (level > 255.0F ? 255.0F : level);
    bytes[k] = static_cast<uint8_t>(std::bit_cast<int32_t>(bounded + shift));
  }
}
} // namespace

ByteScale
FindByteScale(const float * values, int64_t count)
{
  float smallest = 0.0F;
  float largest = 0.0F;
  FindRange(values, count, smallest, largest);
  ByteScale found;
  if (largest > smallest)
  {
    found.scale = (largest - smallest) / 255.0F;
    found.zero = std::clamp(static_cast<int32_t>(-smallest / found.scale + 0.5F), 0, 255);
  }
  return found;
}

void
ToBytes(const float * values, int64_t count, const ByteScale & scale, uint8_t * bytes)
{
  RoundToBytes(values, count, 1.0F / scale.scale, static_cast<float>(scale.zero), bytes);
}
} // namespace sam
