// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPlanning.h"

#include "samError.h"
#include "samPublishedMaskSam.h"

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
constexpr int64_t maximumWindow = 128;
constexpr int64_t windowSlices = 8;

double
Quantile(std::vector<double> values, double fraction)
{
  const auto place = static_cast<std::ptrdiff_t>(fraction * static_cast<double>(values.size() - 1) + 0.5);
  std::nth_element(values.begin(), values.begin() + place, values.end());
  return values[static_cast<size_t>(place)];
}
} // namespace

bool
IsPlanName(const std::string & word)
{
  const auto & published = GetPublishedMaskSamWords();
  return word == "masksam" || std::find(published.begin(), published.end(), word) != published.end();
}

Plan
PlanByName(const std::string &              word,
           const DatasetFingerprint &       fingerprint,
           const std::vector<ChannelPlan> & channels,
           const std::vector<LabelPlan> &   labels)
{
  auto adapted = PlanMaskSam(fingerprint, channels, labels);
  if (word == "masksam")
  {
    return adapted;
  }
  Plan plan = PublishedMaskSamPlan(word);
  plan.channels = channels;
  plan.labels = labels;
  plan.spacing = adapted.spacing;
  return plan;
}

Plan
PlanMaskSam(const DatasetFingerprint &       fingerprint,
            const std::vector<ChannelPlan> & channels,
            const std::vector<LabelPlan> &   labels)
{
  if (fingerprint.spacings.empty())
  {
    throw Error("the data set has no training case to plan a network for");
  }
  Plan plan;
  plan.channels = channels;
  plan.labels = labels;

  std::array<double, 3> voxels{};
  for (size_t axis = 0; axis < 3; ++axis)
  {
    std::vector<double> spacings;
    std::vector<double> extents;
    for (size_t k = 0; k < fingerprint.spacings.size(); ++k)
    {
      spacings.push_back(fingerprint.spacings[k][axis]);
      extents.push_back(fingerprint.extents[k][axis]);
    }
    plan.spacing[axis] = Quantile(spacings, 0.5);
    voxels[axis] = Quantile(extents, 0.95) / plan.spacing[axis];
  }

  plan.stem = "pyramid";
  plan.stemWidths = { 16, 32 };
  plan.encoder = "vit";
  plan.width = 96;
  plan.depth = 4;
  plan.heads = 4;
  plan.patch = 4;
  plan.attentionWindow = 5;
  plan.globalBlocks = { 1, 3 };
  plan.neck = 64;
  for (size_t axis = 0; axis < 2; ++axis)
  {
    // A multiple of twice the patch, so that the grid halves evenly.
    const auto wanted = static_cast<int64_t>(std::ceil(voxels[axis] / 8.0)) * 8;
    plan.window[axis] = std::clamp<int64_t>(wanted, 16, maximumWindow);
    plan.grid[axis] = plan.window[axis] / plan.patch;
  }
  plan.slices = std::clamp<int64_t>(std::llround(voxels[2]), 1, windowSlices);
  plan.window[2] = plan.slices;
  plan.overlap = { 0.25, 0.25, 0.5 };
  plan.adaptation = { "depth_convolution", "depth_mlp" };
  plan.queries = std::max<int64_t>(4, static_cast<int64_t>(labels.size()) + 1);
  plan.ladder = { 64, 32, 16 };
  plan.skips = { { 0, 1 }, {} };
  plan.decoderHeads = 4;
  plan.decoderMlpWidth = 256;
  plan.upscalingSteps = 1;
  plan.refinesMasks = true;
  return plan;
}
} // namespace sam
