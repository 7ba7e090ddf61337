// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samBenchmark.h"

#include "samDevice.h"
#include "samError.h"
#include "samPeakMemory.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace sam
{
namespace
{
constexpr uint64_t seed = 7;

/** Seconds of the fastest of some calls; \a checkpoint is called before each and may throw. */
double
Fastest(int repeats, const std::function<at::Tensor()> & call, const std::function<void()> & checkpoint)
{
  using Clock = std::chrono::steady_clock;
  double fastest = std::numeric_limits<double>::infinity();
  for (int run = 0; run < repeats; ++run)
  {
    checkpoint();
    const auto start = Clock::now();
    // Reading one value waits for a device that works behind the program's back.
    call().flatten().select(0, 0).item<float>();
    fastest = std::min(fastest, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return fastest;
}

/** The linear layers of a ViT's blocks and its attention without positions, by LibTorch's own functions: what no
 * implementation in float32 that calls them can go below. */
double
MeasureFloor(const Plan &                  plan,
             const BenchmarkCase &         setting,
             const at::Device &            device,
             const std::function<void()> & checkpoint)
{
  const auto    options = at::TensorOptions().device(device);
  const int64_t grid = setting.size / plan.patch;
  const int64_t window = plan.attentionWindow;
  const int64_t windows = (grid + window - 1) / window * ((grid + window - 1) / window);
  const int64_t channels = plan.width / plan.heads;
  const auto    hidden = static_cast<int64_t>(static_cast<double>(plan.width) * plan.mlpRatio);
  const auto    tokens = at::ones({ setting.slices * grid * grid, plan.width }, options);
  const auto    part = at::ones({ setting.slices, plan.heads, grid * grid, channels }, options);
  const auto    windowPart = at::ones({ setting.slices * windows, plan.heads, window * window, channels }, options);
  const auto    attentionWeight = at::ones({ 3 * plan.width, plan.width }, options);
  const auto    projectionWeight = at::ones({ plan.width, plan.width }, options);
  const auto    firstWeight = at::ones({ hidden, plan.width }, options);
  const auto    secondWeight = at::ones({ plan.width, hidden }, options);
  return Fastest(
    setting.repeats,
    [&] {
      at::Tensor last;
      for (int64_t block = 0; block < plan.depth; ++block)
      {
        const bool isGlobal =
          std::find(plan.globalBlocks.begin(), plan.globalBlocks.end(), block) != plan.globalBlocks.end();
        const auto & x = isGlobal ? part : windowPart;
        at::linear(tokens, attentionWeight);
        at::scaled_dot_product_attention(x, x, x);
        at::linear(tokens, projectionWeight);
        last = at::linear(at::linear(tokens, firstWeight), secondWeight);
      }
      return last;
    },
    checkpoint);
}

int64_t
WeightBytes(const Network & network)
{
  int64_t bytes = 0;
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    bytes += static_cast<int64_t>(tensor.nbytes());
  }
  return bytes;
}

Plan
MakePlan(const BenchmarkCase & setting)
{
  const int64_t     grid = std::max<int64_t>(setting.size / 16, 1);
  const std::string side = std::to_string(grid);
  // The words of the plan say the rest.
  const std::string channel = R"({"name": "gray", "normalization": "display", "mean": 123.7, "deviation": 58.4})";
  return Plan::FromJson(R"({"version": 1, "stem": {"type": "none"}, "encoder": {"type": ")" + setting.architecture +
                          R"(", "grid": [)" + side + ", " + side +
                          R"(]}, "adaptation": [], "slices": 1, "prompt_source": {"type": "manual"},
                             "decoder": {"type": "sam"}, "driver": {}, "preprocessing": {"fit": "longest_side",
                             "orientation": "acquisition", "spacing": [0, 0, 0], "channels": [)" +
                          channel + ", " + channel + ", " + channel +
                          R"(]}, "labels": [{"value": 0, "name": "background"}, {"value": 1, "name": "object"}]})",
                        "--architecture " + setting.architecture);
}

at::Tensor
RandomTensor(const std::vector<int64_t> & size, const at::Device & device)
{
  return at::randn(size, at::detail::createCPUGenerator(seed)).to(device);
}
} // namespace

std::unique_ptr<Network>
MakeBenchmarkNetwork(const BenchmarkCase & setting)
{
  auto network =
    setting.weights.empty() ? std::make_unique<Network>(MakePlan(setting), seed) : ReadModel(setting.weights);
  if (network->GetPlan().promptSource != "manual")
  {
    throw Error(setting.weights + ": a model that makes its own prompts, expected one of SAM's kind");
  }
  const auto device = FindDevice(setting.device);
  network->To(device);
  network->SetPrecision(FindPrecision(setting.precision, device));
  return network;
}

BenchmarkResult
MeasureEncoder(const Network & network, const BenchmarkCase & setting, const std::function<void()> & checkpoint)
{
  at::set_num_threads(setting.threads);
  const c10::InferenceMode guard;
  const auto &             plan = network.GetPlan();
  const auto               device = network.GetDevice();
  if (setting.size % plan.patch != 0)
  {
    throw Error("--size: " + std::to_string(setting.size) + ", expected a multiple of the patch " +
                std::to_string(plan.patch));
  }
  const auto image =
    RandomTensor({ 1, static_cast<int64_t>(plan.channels.size()), setting.slices, setting.size, setting.size }, device);
  BenchmarkResult result;
  result.setting = setting;
  result.setting.device = device.str();
  result.setting.precision = ToWord(network.GetPrecision());
  result.weightBytes = WeightBytes(network);
  const PeakMemory memory(device);
  result.seconds = Fastest(setting.repeats, [&] { return network.Encode(image).embedding; }, checkpoint);
  result.peakBytes = memory.GetBytes();
  if (plan.encoder != "tiny_vit")
  {
    result.floorSeconds = MeasureFloor(plan, setting, device, checkpoint);
  }
  return result;
}

BenchmarkResult
MeasurePrompts(const Network & network, const BenchmarkCase & setting, const std::function<void()> & checkpoint)
{
  at::set_num_threads(setting.threads);
  const c10::InferenceMode guard;
  const auto &             plan = network.GetPlan();
  const auto               device = network.GetDevice();
  const auto               embedding =
    network.Unpack(RandomTensor({ 1, network.GetPackedChannels(), 1, plan.grid[1], plan.grid[0] }, device));
  const auto points = RandomTensor({ setting.prompts, 1, 2 }, device).sigmoid();
  const auto labels = at::ones({ setting.prompts, 1 }, points.options());

  BenchmarkResult result;
  result.setting = setting;
  result.setting.device = device.str();
  result.setting.precision = ToWord(network.GetPrecision());
  result.weightBytes = WeightBytes(network);
  const PeakMemory memory(device);
  result.seconds = Fastest(
    setting.repeats, [&] { return network.Decode(embedding, { points, labels, {}, {} }, true).masks; }, checkpoint);
  result.peakBytes = memory.GetBytes();
  result.oneByOneSeconds = Fastest(
    setting.repeats,
    [&] {
      at::Tensor last;
      for (int64_t k = 0; k < setting.prompts; ++k)
      {
        last = network.Decode(embedding, { points.narrow(0, k, 1), labels.narrow(0, k, 1), {}, {} }, true).masks;
      }
      return last;
    },
    checkpoint);
  return result;
}
} // namespace sam
