// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDevice.h"

#include "samError.h"

#include <ATen/Context.h>

#include <charconv>

namespace sam
{
c10::Device
FindDevice(const std::string & word, int64_t place)
{
  const int64_t count = at::hasCUDA() ? static_cast<int64_t>(at::getNumGPUs()) : 0;
  if (word == "cpu" || (word == "auto" && count == 0))
  {
    return c10::Device(at::kCPU);
  }
  const std::string prefix = "cuda";
  int64_t           index = word == "auto" ? place % count : 0;
  bool              isUnderstood = word == "auto" || word == prefix;
  if (word.compare(0, prefix.size() + 1, prefix + ":") == 0)
  {
    const char * const end = word.data() + word.size();
    const auto         result = std::from_chars(word.data() + prefix.size() + 1, end, index);
    isUnderstood = result.ec == std::errc() && result.ptr == end && index >= 0;
  }
  if (!isUnderstood)
  {
    throw Error("device '" + word + "', expected auto, cpu, cuda or cuda:N");
  }
  if (index >= count)
  {
    throw Error("device '" + word + "' is not there (" + std::to_string(count) +
                (count == 1 ? " CUDA device" : " CUDA devices") + "), expected auto or cpu");
  }
  // LibTorch's default rounds what goes into a convolution to 10 bits.
  at::globalContext().setFloat32Precision(at::Float32Backend::CUDA, at::Float32Op::CONV, at::Float32Precision::IEEE);
  return c10::Device(at::kCUDA, static_cast<at::DeviceIndex>(index));
}
} // namespace sam
