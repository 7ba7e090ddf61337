// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPromptGenerator.h"

#include "samImageTransform.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

namespace sam
{
namespace
{
constexpr int64_t boxPool = 2;
constexpr int64_t classPool = 4;

const Convolution::Options doubling{ .kernel = { 1, 2, 2 }, .stride = { 1, 2, 2 }, .transposed = true };

/** Pool each slice of B×C×D×H×W to size×size: B×D×C×size×size. */
at::Tensor
PoolSlices(const at::Tensor & x, int64_t size)
{
  const auto slices = x.transpose(1, 2);
  return at::adaptive_avg_pool2d(slices.flatten(0, 1), { size, size })
    .view({ slices.size(0), slices.size(1), slices.size(2), size, size });
}
} // namespace

at::Tensor
BoxesFromCorners(const at::Tensor & numbers)
{
  const auto corner = numbers.narrow(-1, 0, 2);
  return at::cat({ corner, corner + (1.0 - corner) * numbers.narrow(-1, 2, 2) }, -1);
}

at::Tensor
BoxesFromMasks(const at::Tensor & masks)
{
  const auto pixels = MaskBoxes(masks).to(at::kFloat);
  const auto farEdge = masks.flatten(1).any(1).unsqueeze(1).to(at::kFloat);
  const auto size = at::tensor({ masks.size(2), masks.size(1) }, pixels.options());
  return at::cat({ pixels.narrow(1, 0, 2) / size, (pixels.narrow(1, 2, 2) + farEdge) / size }, 1);
}

PromptGenerator::PromptGenerator(const Scope & scope, const PromptGeneratorOptions & options)
  : m_Options(options)
{
  const auto &  ladder = options.ladder;
  const int64_t stages = static_cast<int64_t>(ladder.size());
  // The ladder is coarsest first.
  const auto isPlanar = [&](int64_t stage) { return stages - 1 - stage < options.planarLevels; };
  m_First1 = ConvolutionUnit(scope / "stages" / 0 / "convs" / 0, options.embeddingChannels, ladder[0], 1, isPlanar(0));
  m_First2 = ConvolutionUnit(scope / "stages" / 0 / "convs" / 1, ladder[0], ladder[0], 1, isPlanar(0));
  int64_t pooledChannels = ladder[0];
  for (int64_t s = 1; s < stages; ++s)
  {
    const Scope   stageScope = scope / "stages" / s;
    const int64_t channels = ladder[static_cast<size_t>(s)];
    Stage         stage;
    stage.climb = Convolution(scope / "transpconvs" / (s - 1), ladder[static_cast<size_t>(s - 1)], channels, doubling);
    int64_t      inputs = channels;
    const auto & levels = options.skips[static_cast<size_t>(s - 1)];
    for (size_t k = 0; k < levels.size(); ++k)
    {
      const Scope skip = scope / "skips" / (s - 1) / static_cast<int64_t>(k);
      auto &      climbs = stage.skipClimbs.emplace_back();
      auto &      units = stage.skipUnits.emplace_back();
      for (int64_t step = 0; step < s; ++step)
      {
        climbs.emplace_back(skip / (2 * step), step == 0 ? options.levelChannels : channels, channels, doubling);
        units.emplace_back(skip / (2 * step + 1), channels, channels, 1, isPlanar(step + 1));
      }
      inputs += channels;
    }
    // The stem's features are finest first.
    const int64_t detail = stages - 1 - s;
    if (detail < static_cast<int64_t>(options.detailChannels.size()))
    {
      inputs += options.detailChannels[static_cast<size_t>(detail)];
    }
    stage.fusion = ConvolutionUnit(stageScope / "convs" / 0, inputs, channels, 1, isPlanar(s));
    m_Stages.push_back(std::move(stage));
    pooledChannels += channels;
  }
  m_MaskHead =
    Convolution(scope / "mask_head", ladder.back(), options.queries, { .kernel = { 1, 1, 1 }, .stride = {} });
  m_BoxHead =
    Perceptron(scope / "box_head", { pooledChannels * boxPool * boxPool, options.hiddenWidth, options.queries * 4 });
  m_ClassHead =
    Perceptron(scope / "class_head",
               { pooledChannels * classPool * classPool, options.hiddenWidth, options.queries * options.tokenWidth });
}

Prompts
PromptGenerator::operator()(const EncodedImage & encoded) const
{
  auto                    x = m_First2(m_First1(encoded.embedding));
  std::vector<at::Tensor> boxPools{ PoolSlices(x, boxPool) };
  std::vector<at::Tensor> classPools{ PoolSlices(x, classPool) };
  for (size_t s = 0; s < m_Stages.size(); ++s)
  {
    const Stage &           stage = m_Stages[s];
    std::vector<at::Tensor> parts{ stage.climb(x) };
    for (size_t k = 0; k < stage.skipClimbs.size(); ++k)
    {
      auto level = encoded.levels[static_cast<size_t>(m_Options.skips[s][k])];
      for (size_t step = 0; step < stage.skipClimbs[k].size(); ++step)
      {
        level = stage.skipUnits[k][step](stage.skipClimbs[k][step](level));
      }
      parts.push_back(level);
    }
    const size_t detail = m_Stages.size() - 1 - s;
    if (detail < encoded.details.size())
    {
      parts.push_back(encoded.details[detail]);
    }
    x = stage.fusion(at::cat(parts, 1));
    boxPools.push_back(PoolSlices(x, boxPool));
    classPools.push_back(PoolSlices(x, classPool));
  }
  Prompts prompts;
  prompts.masks = m_MaskHead(x);
  prompts.details = x;

  const int64_t batch = x.size(0);
  const int64_t slices = x.size(2);
  const auto    numbers =
    at::sigmoid(m_BoxHead(at::cat(boxPools, 2).flatten(2))).view({ batch, slices, m_Options.queries, 4 });
  const auto predicted = BoxesFromCorners(numbers);
  const auto foreground = prompts.masks.detach().transpose(1, 2) > 0;
  const auto around = BoxesFromMasks(foreground.flatten(0, 2)).view_as(predicted);
  const auto hasMask = (around.narrow(3, 2, 1) > 0);
  prompts.boxes = at::where(hasMask, 0.5 * (predicted + around), predicted);
  prompts.classTokens =
    m_ClassHead(at::cat(classPools, 2).flatten(2)).view({ batch, slices, m_Options.queries, m_Options.tokenWidth });
  return prompts;
}
} // namespace sam
