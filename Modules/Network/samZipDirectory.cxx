// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samZipDirectory.h"

#include "samError.h"
#include "samTensorFile.h"

#include <algorithm>
#include <fstream>
#include <vector>

namespace sam
{
namespace
{
constexpr uint32_t endSignature = 0x06054b50;
constexpr uint32_t wideEndSignature = 0x06064b50;
constexpr uint32_t wideLocatorSignature = 0x07064b50;
constexpr uint32_t directorySignature = 0x02014b50;
constexpr uint32_t localSignature = 0x04034b50;
constexpr uint64_t endLength = 22;
constexpr uint64_t wideEndLength = 56;
constexpr uint64_t wideLocatorLength = 20;
constexpr uint64_t directoryEntryLength = 46;
constexpr uint64_t localLength = 30;
constexpr uint64_t maximumCommentLength = 0xffff;
constexpr uint64_t maximumDirectoryLength = uint64_t{ 1 } << 22;
constexpr uint32_t wide = 0xffffffff; ///< stands where the number is in the ZIP64 part
constexpr uint16_t wideExtra = 1;

/** Bytes of the file, all of which are there. */
class Block
{
public:
  Block(std::ifstream & stream, uint64_t begin, uint64_t size, const std::string & path)
    : m_Bytes(size)
    , m_Path(path)
  {
    stream.seekg(static_cast<std::streamoff>(begin));
    if (size > 0 && !stream.read(reinterpret_cast<char *>(m_Bytes.data()), static_cast<std::streamsize>(size)))
    {
      Fail();
    }
  }

  template <typename TNumber>
  TNumber
  Get(uint64_t place) const
  {
    Check(place, sizeof(TNumber));
    uint64_t number = 0;
    for (size_t k = sizeof(TNumber); k-- > 0;)
    {
      number = (number << 8) | m_Bytes[place + k];
    }
    return static_cast<TNumber>(number);
  }

  std::string
  GetText(uint64_t place, uint64_t length) const
  {
    Check(place, length);
    return std::string(reinterpret_cast<const char *>(m_Bytes.data()) + place, length);
  }

private:
  void
  Check(uint64_t place, uint64_t length) const
  {
    if (length > m_Bytes.size() || place > m_Bytes.size() - length)
    {
      Fail();
    }
  }

  [[noreturn]] void
  Fail() const
  {
    throw Error(m_Path + ": damaged or truncated, its zip directory cannot be read");
  }

  std::vector<unsigned char> m_Bytes;
  std::string                m_Path;
};

struct Directory
{
  uint64_t count{ 0 };
  uint64_t begin{ 0 };
  uint64_t size{ 0 };
};

Directory
FindDirectory(std::ifstream & stream, uint64_t fileSize, const std::string & path)
{
  const uint64_t tailLength = std::min(fileSize, endLength + maximumCommentLength);
  const Block    tail(stream, fileSize - tailLength, tailLength, path);
  for (uint64_t back = endLength; back <= tailLength; ++back)
  {
    const uint64_t place = tailLength - back;
    if (tail.Get<uint32_t>(place) != endSignature || tail.Get<uint16_t>(place + 20) != back - endLength)
    {
      continue;
    }
    Directory  directory{ tail.Get<uint16_t>(place + 10),
                         tail.Get<uint32_t>(place + 16),
                         tail.Get<uint32_t>(place + 12) };
    uint64_t   limit = fileSize - back;
    const bool isWide = directory.count == 0xffff || directory.begin == wide || directory.size == wide;
    if (isWide && limit >= wideLocatorLength)
    {
      const Block    locator(stream, limit - wideLocatorLength, wideLocatorLength, path);
      const uint64_t wideEnd = locator.Get<uint64_t>(8);
      if (locator.Get<uint32_t>(0) == wideLocatorSignature && wideEnd < limit && limit - wideEnd >= wideEndLength)
      {
        const Block end(stream, wideEnd, wideEndLength, path);
        if (end.Get<uint32_t>(0) == wideEndSignature)
        {
          directory = { end.Get<uint64_t>(32), end.Get<uint64_t>(48), end.Get<uint64_t>(40) };
          limit = wideEnd;
        }
      }
    }
    if (directory.size > maximumDirectoryLength || directory.begin > limit ||
        directory.size > limit - directory.begin || directory.count > directory.size / directoryEntryLength)
    {
      break;
    }
    return directory;
  }
  throw Error(path + ": damaged or truncated, its zip directory is missing");
}
} // namespace

std::map<std::string, ZipEntry>
ReadZipDirectory(const std::string & path)
{
  const uint64_t  fileSize = CheckReadable(path);
  std::ifstream   stream(path, std::ios::binary);
  const Directory directory = FindDirectory(stream, fileSize, path);
  const Block     block(stream, directory.begin, directory.size, path);

  std::map<std::string, ZipEntry>            entries;
  std::vector<std::pair<uint64_t, uint64_t>> spans; // from the local header to the end of the data
  uint64_t                                   place = 0;
  for (uint64_t k = 0; k < directory.count; ++k)
  {
    const auto        nameLength = block.Get<uint16_t>(place + 28);
    const auto        extraLength = block.Get<uint16_t>(place + 30);
    const auto        commentLength = block.Get<uint16_t>(place + 32);
    const std::string name = block.GetText(place + directoryEntryLength, nameLength);
    const std::string where = path + ": entry '" + ToPrintable(name) + "'";
    if (block.Get<uint32_t>(place) != directorySignature)
    {
      throw Error(path + ": damaged, its zip directory has an unknown entry");
    }
    const bool isPlain = (block.Get<uint16_t>(place + 8) & 1) == 0 && block.Get<uint16_t>(place + 10) == 0;
    uint64_t   packed = block.Get<uint32_t>(place + 20);
    uint64_t   size = block.Get<uint32_t>(place + 24);
    uint64_t   begin = block.Get<uint32_t>(place + 42);
    uint64_t   extra = place + directoryEntryLength + nameLength;
    for (const uint64_t end = extra + extraLength; extra + 4 <= end;)
    {
      const auto kind = block.Get<uint16_t>(extra);
      const auto length = block.Get<uint16_t>(extra + 2);
      uint64_t   number = extra + 4;
      extra = number + length;
      if (kind == wideExtra && extra <= end)
      {
        // In this order, and only those that did not fit.
        for (uint64_t * value : { &size, &packed, &begin })
        {
          if (*value == wide && number + sizeof(uint64_t) <= extra)
          {
            *value = block.Get<uint64_t>(number);
            number += sizeof(uint64_t);
          }
        }
      }
    }
    place += directoryEntryLength + nameLength + extraLength + commentLength;

    if (begin >= directory.begin || directory.begin - begin < localLength)
    {
      throw Error(where + " lies outside of the file");
    }
    const Block    local(stream, begin, localLength, path);
    const uint64_t data =
      begin + localLength + local.Get<uint16_t>(26) + static_cast<uint64_t>(local.Get<uint16_t>(28));
    if (local.Get<uint32_t>(0) != localSignature || data > directory.begin || packed > directory.begin - data ||
        (isPlain && packed != size))
    {
      throw Error(where + " is damaged or lies outside of the file");
    }
    spans.emplace_back(begin, data + packed);
    if (!entries.emplace(name, ZipEntry{ data, packed, isPlain }).second)
    {
      throw Error(where + " is there twice");
    }
  }
  std::sort(spans.begin(), spans.end());
  for (size_t k = 1; k < spans.size(); ++k)
  {
    if (spans[k].first < spans[k - 1].second)
    {
      throw Error(path + ": damaged, its zip entries overlap");
    }
  }
  return entries;
}
} // namespace sam
