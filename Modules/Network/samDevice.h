// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDevice_h
#define samDevice_h

#include "SegmentAnythingExport.h"

#include <c10/core/Device.h>

#include <string>

namespace sam
{
/** The device that \a word names: cpu, cuda (the first), cuda:N, or auto: CUDA device \a place,
 * counted round, where there is one, else the CPU. Where it is a CUDA device, convolutions of float32 in this process
 * are computed in float32.
 * \throws Error for any other word and for a device that is not there. */
SegmentAnything_EXPORT c10::Device
                       FindDevice(const std::string & word, int64_t place = 0);
} // namespace sam

#endif
