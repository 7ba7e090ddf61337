// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samBenchmark_h
#define samBenchmark_h

#include "samNetwork.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sam
{
/** What one measurement runs. */
struct BenchmarkCase
{
  std::string architecture{ "vit_b" }; ///< vit_b, vit_l, vit_h or tiny_vit
  std::string weights{};               ///< a model file or published checkpoint instead of random weights
  std::string precision{ "float32" };  ///< float32, bfloat16, int8 or auto
  std::string device{ "cpu" };
  int64_t     size{ 1024 };  ///< pixels of a slice along both axes
  int64_t     slices{ 1 };   ///< encoded in one call
  int64_t     prompts{ 64 }; ///< decoded on one embedding
  int         threads{ 1 };
  int         repeats{ 3 };
};

/** What was measured. Seconds are the smallest of the repeats. */
struct BenchmarkResult
{
  BenchmarkCase setting;
  double        seconds{ 0.0 };
  double        floorSeconds{ 0.0 };    ///< encoder of a ViT: linear layers and fused attention without positions alone
  double        oneByOneSeconds{ 0.0 }; ///< prompts: each in a call of its own
  int64_t       peakBytes{ 0 };         ///< largest resident memory while it ran, above that before; −1: not known here
  int64_t       weightBytes{ 0 };
};

/** The network of a case, with seeded random weights where no file is named. */
std::unique_ptr<Network>
MakeBenchmarkNetwork(const BenchmarkCase & setting);

/** Time the encoder on slices of random gray values. */
BenchmarkResult
MeasureEncoder(const Network & network, const BenchmarkCase & setting, const std::function<void()> & checkpoint);

/** Time the decoder: one point per prompt on one embedding, all at once and one by one. */
BenchmarkResult
MeasurePrompts(const Network & network, const BenchmarkCase & setting, const std::function<void()> & checkpoint);
} // namespace sam

#endif
