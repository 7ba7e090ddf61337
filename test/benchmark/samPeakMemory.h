// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPeakMemory_h
#define samPeakMemory_h

#include <ATen/DeviceAccelerator.h>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#ifdef __GLIBC__
#  include <malloc.h>
#endif

namespace sam
{
/** \class PeakMemory
 * \brief The most memory in use since the object was made, above what it was then: this process's resident memory for
 * the CPU (Linux), LibTorch's tensors on any other device.
 */
class PeakMemory
{
public:
  explicit PeakMemory(const at::Device & device)
    : m_Device(device)
  {
    if (!m_Device.is_cpu())
    {
      at::accelerator::resetPeakStats(m_Device.index());
      m_Start = this->ReadDevice().current;
      return;
    }
#ifdef __GLIBC__
    malloc_trim(0);
#endif
    std::ofstream("/proc/self/clear_refs") << 5; // forgets the peak
    m_Start = Read("VmRSS:");
  }

  /** −1 where the system does not tell. */
  int64_t
  GetBytes() const
  {
    const int64_t peak = m_Device.is_cpu() ? Read("VmHWM:") : this->ReadDevice().peak;
    return peak < 0 || m_Start < 0 ? -1 : peak - m_Start;
  }

private:
  c10::CachingAllocator::Stat
  ReadDevice() const
  {
    const auto stats = at::accelerator::getDeviceStats(m_Device.index());
    return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  }

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

  at::Device m_Device;
  int64_t    m_Start;
};
} // namespace sam

#endif
