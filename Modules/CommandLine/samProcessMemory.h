// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samProcessMemory_h
#define samProcessMemory_h

#include <cstdint>
#include <string>

/** The memory of this process, in bytes, as Linux tells it; 0 where the system does not tell. */
namespace sam
{
std::uint64_t
GetResidentMemory();

/** The most that was resident since the start, or since ResetPeakMemory(). */
std::uint64_t
GetPeakMemory();

/** Of the machine. */
std::uint64_t
GetPhysicalMemory();

/** Gives back what is free and forgets the peak. */
void
ResetPeakMemory();

/** Bytes of "2G", "500M", "1.5GB" (steps of 1024) or of a number alone. \throws Error naming the option. */
std::uint64_t
ParseBytes(const std::string & option, const std::string & text);

/** Bytes as "1.25G" or "340M", rounded up: ParseBytes() answers no less. */
std::string
FormatBytes(std::uint64_t bytes);
} // namespace sam

#endif
