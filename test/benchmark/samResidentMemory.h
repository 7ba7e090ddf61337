// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samResidentMemory_h
#define samResidentMemory_h

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace sam
{
/** \class ResidentMemory
 * \brief The largest resident memory of this process since the object was made, above what it was then. Linux.
 */
class ResidentMemory
{
public:
  ResidentMemory()
  {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    std::ofstream("/proc/self/clear_refs") << 5; // forgets the peak
    m_Start = Read("VmRSS:");
  }

  /** −1 where the system does not tell. */
  int64_t
  GetPeakBytes() const
  {
    const int64_t peak = Read("VmHWM:");
    return peak < 0 || m_Start < 0 ? -1 : peak - m_Start;
  }

private:
  static int64_t
  Read(const std::string & key)
  {
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
    {
      std::istringstream words(line);
      std::string        name;
      int64_t            kilobytes = 0;
      if (words >> name >> kilobytes && name == key)
      {
        return 1024 * kilobytes;
      }
    }
    return -1;
  }

  int64_t m_Start;
};
} // namespace sam

#endif
