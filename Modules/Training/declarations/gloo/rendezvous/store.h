// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samGlooStore_h
#define samGlooStore_h

#include <chrono>
#include <string>
#include <vector>

namespace gloo::rendezvous
{
/** Only what LibTorch's store overrides; nothing here makes one. */
class Store
{
public:
  virtual ~Store() = default;
  virtual void
  set(const std::string & key, const std::vector<char> & value) = 0;
  virtual std::vector<char>
  get(const std::string & key) = 0;
  virtual void
  wait(const std::vector<std::string> & keys) = 0;
  virtual void
  wait(const std::vector<std::string> & keys, const std::chrono::milliseconds & timeout) = 0;
};
} // namespace gloo::rendezvous

#endif
