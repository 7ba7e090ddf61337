// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samZipDirectory_h
#define samZipDirectory_h

#include <cstdint>
#include <map>
#include <string>

namespace sam
{
/** Where the bytes of an entry lie in a zip file. */
struct ZipEntry
{
  uint64_t begin{ 0 };
  uint64_t size{ 0 };
  bool     isPlain{ true }; ///< neither compressed nor encrypted
};

/** The entries of a zip file by name, ZIP64 included, as PKWARE's APPNOTE describes them.
 * \throws Error naming the file and the entry that is given twice or lies outside of the file or inside of another one.
 */
std::map<std::string, ZipEntry>
ReadZipDirectory(const std::string & path);
} // namespace sam

#endif
