// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTextFile_h
#define samTextFile_h

#include <string>
#include <vector>

namespace sam
{
/** What moving a finished file to \a path would replace: the file that a symbolic link names, be it there or not.
 * \throws Error naming the path when a device or the like is there. */
std::string
FindFileToReplace(const std::string & path);

/** Write beside \a path and move, so that what is there is complete. \throws Error naming the file. */
void
WriteTextFile(const std::string & path, const std::string & text);

/** Without the byte order mark that editors of Windows begin with. \throws Error naming the file when it cannot be
 * read. */
std::string
ReadTextFile(const std::string & path);

/** The lines that are not empty, without the blanks around them. \throws as ReadTextFile(). */
std::vector<std::string>
ReadTextLines(const std::string & path);
} // namespace sam

#endif
