// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samManualPage_h
#define samManualPage_h

#include <string>
#include <vector>

namespace sam
{
/** An argument as it is explained: "--threads N" or "IMAGE". */
struct ManualEntry
{
  std::string synopsis;
  std::string explanation;
  bool        isRequired{ false };
  bool        isRepeated{ false };
};

/** The page of a program for the manual, section 1, in the language of man(7). It is the same for the same version, on
 * any day. */
std::string
MakeManualPage(const std::string & program, const std::string & description, const std::vector<ManualEntry> & entries);
} // namespace sam

#endif
