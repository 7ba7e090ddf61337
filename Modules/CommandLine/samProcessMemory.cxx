// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samProcessMemory.h"

#include "samError.h"

#include <charconv>
#include <cmath>
#include <fstream>
#include <sstream>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace sam
{
namespace
{
constexpr double mebi = 1024.0 * 1024.0;
constexpr double gibi = 1024.0 * mebi;

std::uint64_t
ReadKilobytes(const std::string & file, const std::string & key)
{
  std::ifstream status(file);
  for (std::string line; std::getline(status, line);)
  {
    std::istringstream words(line);
    std::string        name;
    std::uint64_t      kilobytes = 0;
    if (words >> name >> kilobytes && name == key)
    {
      return 1024 * kilobytes;
    }
  }
  return 0;
}
} // namespace

std::uint64_t
GetResidentMemory()
{
  return ReadKilobytes("/proc/self/status", "VmRSS:");
}

std::uint64_t
GetPeakMemory()
{
  return ReadKilobytes("/proc/self/status", "VmHWM:");
}

std::uint64_t
GetPhysicalMemory()
{
  return ReadKilobytes("/proc/meminfo", "MemTotal:");
}

void
ResetPeakMemory()
{
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  std::ofstream("/proc/self/clear_refs") << 5;
}

std::uint64_t
ParseBytes(const std::string & option, const std::string & text)
{
  double             number = 0.0;
  const char * const end = text.data() + text.size();
  const auto         result = std::from_chars(text.data(), end, number);
  std::string        unit(result.ptr, end);
  if (unit.size() == 2 && unit.back() == 'B')
  {
    unit.pop_back();
  }
  const double     factor = unit.empty() ? 1.0 : unit == "K" ? 1024.0 : unit == "M" ? mebi : unit == "G" ? gibi : 0.0;
  constexpr double most = 1e18;
  if (result.ec != std::errc() || !(number * factor >= 1.0) || number * factor > most)
  {
    throw Error(option + ": '" + text + "', expected a size such as 500M or 2G");
  }
  return static_cast<std::uint64_t>(number * factor);
}

std::string
FormatBytes(std::uint64_t bytes)
{
  const auto   real = static_cast<double>(bytes);
  const bool   isLarge = real >= gibi;
  const double steps = isLarge ? std::ceil(100.0 * real / gibi) / 100.0 : std::ceil(real / mebi);

  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << steps << (isLarge ? "G" : "M");
  return text.str();
}
} // namespace sam
