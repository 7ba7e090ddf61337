// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPromptGenerator.h"

#include "samImageTransform.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <string>

namespace sam
{
namespace
{
constexpr int64_t boxPool = 2;
constexpr int64_t classPool = 4;

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
BoxesFromMasks(const at::Tensor & masks, bool endAtFarEdge)
{
  const auto pixels = MaskBoxes(masks).to(at::kFloat);
  const auto size = at::tensor({ masks.size(2), masks.size(1) }, pixels.options());
  if (!endAtFarEdge)
  {
    return (pixels.unflatten(1, { 2, 2 }) / size).flatten(1);
  }
  const auto farEdge = masks.flatten(1).any(1).unsqueeze(1).to(at::kFloat);
  return at::cat({ pixels.narrow(1, 0, 2) / size, (pixels.narrow(1, 2, 2) + farEdge) / size }, 1);
}

PromptGenerator::PromptGenerator(const Scope & scope, const PromptGeneratorOptions & options)
  : m_Options(options)
{
  const auto &  ladder = options.ladder;
  const int64_t stages = static_cast<int64_t>(ladder.size());
  const int64_t climbs = stages - 1 - options.fullResolutionStages;
  // A unit of a stage, at the resolution that one has climbed to. The ladder is coarsest first.
  const auto unit = [&](int64_t stage, int64_t climbed) {
    ConvolutionUnit::Options result;
    if (!options.kernels.empty())
    {
      result.kernel = options.kernels[static_cast<size_t>(stage)];
    }
    else if (climbs - climbed < options.planarLevels)
    {
      result.kernel[0] = 1;
    }
    return result;
  };
  m_First1 = ConvolutionUnit(scope / "stages" / 0 / "convs" / 0, options.embeddingChannels, ladder[0], unit(0, 0));
  m_First2 = ConvolutionUnit(scope / "stages" / 0 / "convs" / 1, ladder[0], ladder[0], unit(0, 0));
  int64_t pooledChannels = ladder[0];
  for (int64_t s = 1; s < stages; ++s)
  {
    const Scope   stageScope = scope / "stages" / s;
    const int64_t channels = ladder[static_cast<size_t>(s)];
    const int64_t steps = std::min(s, climbs);
    Stage         stage;
    int64_t       inputs = ladder[static_cast<size_t>(s - 1)];
    if (s <= climbs)
    {
      stage.climb.emplace(scope / "transpconvs" / (s - 1), inputs, channels, inPlaneDoubling);
      inputs = channels;
    }
    const auto & levels = options.skips[static_cast<size_t>(s - 1)];
    for (size_t k = 0; k < levels.size(); ++k)
    {
      const Scope skip = scope / "skips" / (steps - 1) / static_cast<int64_t>(k);
      auto &      skipClimbs = stage.skipClimbs.emplace_back();
      auto &      units = stage.skipUnits.emplace_back();
      for (int64_t step = 0; step < steps; ++step)
      {
        skipClimbs.emplace_back(
          skip / (2 * step), step == 0 ? options.levelChannels : channels, channels, inPlaneDoubling);
        units.emplace_back(skip / (2 * step + 1), channels, channels, unit(s, step + 1));
      }
      inputs += channels;
    }
    // The stem's features are finest first.
    const int64_t detail = climbs - s;
    if (detail >= 0 && detail < static_cast<int64_t>(options.detailChannels.size()))
    {
      inputs += options.detailChannels[static_cast<size_t>(detail)];
    }
    stage.fusion = ConvolutionUnit(stageScope / "convs" / 0, inputs, channels, unit(s, steps));
    m_Stages.push_back(std::move(stage));
    pooledChannels += channels;
  }
  m_MaskHead =
    Convolution(scope / "mask_head", ladder.back(), options.queries, { .kernel = { 1, 1, 1 }, .stride = {} });
  if (options.hasConvolutionHeads)
  {
    m_BoxConvolution =
      ConvolutionUnit(scope / "box_head" / "convs" / 0,
                      pooledChannels,
                      options.queries,
                      { .kernel = { 1, 1, 1 }, .bias = false, .activation = ConvolutionUnit::Activation::Sigmoid });
    m_ClassConvolution = ConvolutionUnit(scope / "class_head" / "convs" / 0,
                                         pooledChannels,
                                         options.queries,
                                         { .activation = ConvolutionUnit::Activation::Gelu });
    return;
  }
  m_BoxHead =
    Perceptron(scope / "box_head", { pooledChannels * boxPool * boxPool, options.hiddenWidth, options.queries * 4 });
  m_ClassHead =
    Perceptron(scope / "class_head",
               { pooledChannels * classPool * classPool, options.hiddenWidth, options.queries * options.tokenWidth });
}

std::pair<at::Tensor, at::Tensor>
PromptGenerator::ReadHeads(const std::vector<at::Tensor> & stages, const Observer & observe) const
{
  const auto pool = [&stages](int64_t size) {
    std::vector<at::Tensor> pooled;
    for (const auto & stage : stages)
    {
      pooled.push_back(PoolSlices(stage, size));
    }
    return at::cat(pooled, 2);
  };
  const auto    boxFeatures = pool(boxPool);
  const int64_t batch = boxFeatures.size(0);
  const int64_t slices = boxFeatures.size(1);
  if (!m_Options.hasConvolutionHeads)
  {
    const auto classFeatures = pool(classPool);
    return { at::sigmoid(m_BoxHead(boxFeatures.flatten(2))).view({ batch, slices, m_Options.queries, 4 }),
             m_ClassHead(classFeatures.flatten(2)).view({ batch, slices, m_Options.queries, m_Options.tokenWidth }) };
  }
  const auto classFeatures = pool(std::llround(std::sqrt(static_cast<double>(m_Options.tokenWidth))));
  const auto boxMap = m_BoxConvolution(boxFeatures.transpose(1, 2));
  const auto classMap = m_ClassConvolution(classFeatures.transpose(1, 2));
  if (observe)
  {
    observe("bbox_pooled", boxFeatures.transpose(1, 2));
    observe("bbox_sigmoid", boxMap);
    observe("classifier_pooled", classFeatures.transpose(1, 2));
    observe("classifier_map", classMap);
  }
  return { boxMap.permute({ 0, 2, 1, 3, 4 }).flatten(3), classMap.permute({ 0, 2, 1, 3, 4 }).flatten(3) };
}

Prompts
PromptGenerator::operator()(const EncodedImage & encoded, const Observer & observe) const
{
  std::vector<at::Tensor> stages{ m_First2(m_First1(encoded.embedding)) };
  for (size_t s = 0; s < m_Stages.size(); ++s)
  {
    const Stage &           stage = m_Stages[s];
    std::vector<at::Tensor> parts{ stage.climb ? (*stage.climb)(stages.back()) : stages.back() };
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
    stages.push_back(stage.fusion(at::cat(parts, 1)));
  }
  Prompts prompts;
  prompts.masks = m_MaskHead(stages.back());
  prompts.details = stages.back();
  if (observe)
  {
    for (size_t s = 0; s < stages.size(); ++s)
    {
      observe("stage" + std::to_string(s), stages[s]);
    }
    observe("mask_logits", prompts.masks);
  }

  const auto [numbers, tokens] = this->ReadHeads(stages, observe);
  const auto predicted = BoxesFromCorners(numbers);
  const auto foreground = (prompts.masks.detach().transpose(1, 2) > 0).flatten(0, 2);
  const auto around = BoxesFromMasks(foreground, !m_Options.boxesEndAtLastPixel).view_as(predicted);
  const auto mean = 0.5 * (predicted + around);
  const auto hasMask = foreground.flatten(1).any(1).view({ predicted.size(0), predicted.size(1), -1, 1 });
  prompts.boxes = m_Options.halvesEmptyBoxes ? mean : at::where(hasMask, mean, predicted);
  prompts.classTokens = tokens;
  return prompts;
}
} // namespace sam
