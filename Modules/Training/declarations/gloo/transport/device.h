// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samGlooDevice_h
#define samGlooDevice_h

namespace gloo::transport
{
class Device;

class UnboundBuffer
{
public:
  virtual ~UnboundBuffer() = default;
};
} // namespace gloo::transport

#endif
