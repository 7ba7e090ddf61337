// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samAutocast_h
#define samAutocast_h

#include <ATen/autocast_mode.h>
#include <c10/core/Device.h>

namespace sam
{
/** \class Autocast
 * \brief While it lives, LibTorch computes products and convolutions on this thread and device in bfloat16, and what
 * needs range or many digits in float32. Weights and gradients stay float32.
 */
class Autocast
{
public:
  Autocast(bool isOn, c10::DeviceType device)
    : m_IsOn(isOn)
    , m_Device(device)
  {
    if (m_IsOn)
    {
      m_Before = at::autocast::is_autocast_enabled(device);
      at::autocast::set_autocast_dtype(device, at::kBFloat16);
      at::autocast::set_autocast_enabled(device, true);
      at::autocast::increment_nesting();
    }
  }

  ~Autocast()
  {
    if (m_IsOn)
    {
      if (at::autocast::decrement_nesting() == 0)
      {
        at::autocast::clear_cache(); // weights change before the next pass
      }
      at::autocast::set_autocast_enabled(m_Device, m_Before);
    }
  }

  Autocast(const Autocast &) = delete;
  void
  operator=(const Autocast &) = delete;

private:
  bool            m_IsOn;
  bool            m_Before{ false };
  c10::DeviceType m_Device;
};
} // namespace sam

#endif
