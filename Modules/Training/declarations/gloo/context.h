// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samGlooContext_h
#define samGlooContext_h

#include <chrono>

namespace gloo
{
class Context
{
public:
  void
  setTimeout(std::chrono::milliseconds timeout);
};
} // namespace gloo

#endif
