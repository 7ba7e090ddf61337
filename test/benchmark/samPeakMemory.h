// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPeakMemory_h
#define samPeakMemory_h

#include "samProcessMemory.h"

#include <ATen/DeviceAccelerator.h>

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
    ResetPeakMemory();
    m_Start = static_cast<int64_t>(GetResidentMemory());
  }

  /** −1 where the system does not tell. */
  int64_t
  GetBytes() const
  {
    const int64_t peak = m_Device.is_cpu() ? static_cast<int64_t>(GetPeakMemory()) : this->ReadDevice().peak;
    return m_Device.is_cpu() && peak == 0 ? -1 : peak - m_Start;
  }

private:
  c10::CachingAllocator::Stat
  ReadDevice() const
  {
    const auto stats = at::accelerator::getDeviceStats(m_Device.index());
    return stats.allocated_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)];
  }

  at::Device m_Device;
  int64_t    m_Start;
};
} // namespace sam

#endif
