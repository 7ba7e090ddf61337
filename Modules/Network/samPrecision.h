// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrecision_h
#define samPrecision_h

#include "SegmentAnythingExport.h"

#include <c10/core/Device.h>

#include <string>

namespace sam
{
/** What an encoder's linear layers compute with at inference. Norms, softmax and sums stay float32. */
enum class Precision
{
  Float32,
  BFloat16, ///< inputs, weights and outputs rounded to 8 bits of mantissa
  Int8      ///< weights quantized once per output channel, inputs with each call (processor only)
};

/** float32, bfloat16, int8, or auto: bfloat16 where a short measurement on this device finds it faster, else float32;
 * int8 is taken only when it is asked for. \throws Error naming the word, or the device that lacks it. */
SegmentAnything_EXPORT Precision
FindPrecision(const std::string & word, const c10::Device & device);

/** The word for it. */
SegmentAnything_EXPORT std::string
                       ToWord(Precision precision);
} // namespace sam

#endif
