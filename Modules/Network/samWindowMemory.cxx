// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samWindowMemory.h"

#include <algorithm>
#include <cmath>

namespace sam
{
int64_t
EstimateWindowMemory(const Plan & plan, const std::array<int64_t, 3> & size)
{
  const auto padded = [&plan](int64_t length) {
    return static_cast<double>((length + plan.patch - 1) / plan.patch * plan.patch);
  };
  const double voxels = padded(size[0]) * padded(size[1]) * static_cast<double>(size[2]);
  const double tokens = voxels / static_cast<double>(plan.patch * plan.patch);

  // Input and answer, each once more while it is padded, cropped or normalized.
  double kept = voxels * 2.0 * static_cast<double>(plan.channels.size() + plan.labels.size());
  double stem = 0.0;
  double level = voxels;
  for (const int64_t width : plan.stemWidths)
  {
    kept += level * static_cast<double>(width);
    // Two tensors of a convolution in LibTorch's order and in that of its convolutions.
    stem = std::max(stem, 4.0 * level * static_cast<double>(width));
    level /= 4.0;
  }
  // The residual, its norm, queries, keys, values, the answer, and both sides of the activation of the perceptron.
  double width = static_cast<double>(plan.width);
  double encoder = tokens * width * (9.0 + 2.0 * plan.mlpRatio);
  if (plan.encoder == "tiny_vit")
  {
    // The first stage has a quarter of the image's rows and columns, expanded fourfold.
    encoder = voxels / 16.0 * static_cast<double>(plan.stageWidths.front()) * (9.0 + 2.0 * plan.mlpRatio);
  }
  kept += 3.0 * tokens * static_cast<double>(plan.neck);

  double generator = 0.0;
  if (!plan.ladder.empty() && plan.promptSource == "auxiliary")
  {
    const auto masks = voxels * static_cast<double>(plan.queries);
    kept += masks;
    generator = 6.0 * voxels * static_cast<double>(plan.ladder.back()) + masks;
  }
  // A map of tokens for each query, and its masks at the resolution of the decoder and of the image.
  const auto   queries = static_cast<double>(plan.promptSource == "auxiliary" ? plan.queries : 1);
  const double upscaled = tokens * std::pow(4.0, static_cast<double>(plan.upscalingSteps));
  const double decoder = queries * (tokens * 4.0 * static_cast<double>(plan.neck) +
                                    upscaled * static_cast<double>(plan.neck) / 8.0 + 2.0 * voxels);
  return static_cast<int64_t>(4.0 * (kept + std::max({ stem, encoder, generator, decoder })));
}
} // namespace sam
