// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMessage_h
#define samMessage_h

#include <string>

namespace sam
{
/** A message as one line: line breaks and runs of blanks become single blanks, and what tells nothing to users goes:
 * ITK's "ITK ERROR: Class(0x...):", wherever it stands, and "Reason: Success". */
std::string
ToOneLine(const std::string & text);
} // namespace sam

#endif
