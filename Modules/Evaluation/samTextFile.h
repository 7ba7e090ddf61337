// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTextFile_h
#define samTextFile_h

#include <string>

namespace sam
{
/** Write beside \a path and move, so that what is there is complete. \throws Error naming the file. */
void
WriteTextFile(const std::string & path, const std::string & text);

/** \throws Error naming the file when it cannot be read. */
std::string
ReadTextFile(const std::string & path);
} // namespace sam

#endif
