// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPrecision.h"

#include "samError.h"

#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>

namespace sam
{
namespace
{
/** Seconds of a linear layer of SAM's size, the fastest of some runs. */
double
TimeLinear(const at::TensorOptions & options)
{
  using Clock = std::chrono::steady_clock;
  const c10::InferenceMode guard;
  const auto               x = at::ones({ 1024, 768 }, options);
  const auto               weight = at::ones({ 768, 768 }, options);
  double                   fastest = 1e9;
  for (int run = 0; run < 5; ++run)
  {
    const auto start = Clock::now();
    // Reading one value waits for a device that works behind the program's back.
    at::linear(x, weight).select(0, 0).select(0, 0).item<float>();
    fastest = std::min(fastest, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return fastest;
}
} // namespace

Precision
FindPrecision(const std::string & word, const c10::Device & device)
{
  if (word == "float32")
  {
    return Precision::Float32;
  }
  if (word == "bfloat16")
  {
    return Precision::BFloat16;
  }
  if (word == "int8")
  {
    if (!device.is_cpu())
    {
      throw Error("precision 'int8' is there for the device cpu alone, found " + device.str());
    }
    return Precision::Int8;
  }
  if (word != "auto")
  {
    throw Error("precision '" + word + "', expected auto, float32, bfloat16 or int8");
  }
  const auto options = at::TensorOptions().device(device);
  return TimeLinear(options.dtype(at::kBFloat16)) < 0.8 * TimeLinear(options.dtype(at::kFloat)) ? Precision::BFloat16
                                                                                                : Precision::Float32;
}

std::string
ToWord(Precision precision)
{
  switch (precision)
  {
    case Precision::BFloat16:
      return "bfloat16";
    case Precision::Int8:
      return "int8";
    default:
      return "float32";
  }
}
} // namespace sam
