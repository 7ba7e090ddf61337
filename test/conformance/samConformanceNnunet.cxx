// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samError.h"
#include "samSchedule.h"
#include "samSlidingWindow.h"
#include "samVolumePreprocessing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <cstdio>
#include <set>

namespace sam
{
namespace
{
/** What the recorded channel of CT was normalized with: the foreground's range, mean and deviation. */
const ChannelPlan recordedCt{ "CT", "clip", -60.0, 180.0, 40.5, 33.25 };

std::array<double, 3>
ReadSpacing(const Recording & recording, const std::string & name)
{
  const auto values = recording.Get(name).to(at::kDouble);
  return { values[0].item<double>(), values[1].item<double>(), values[2].item<double>() };
}
} // namespace

void
CheckPreprocessing(Recording & recording)
{
  // out/iso/new_shape: the grids iso, aniso, ...
  std::set<std::string> grids;
  for (const auto & name : recording.Outputs("out/"))
  {
    if (const auto slash = name.find('/'); slash != std::string::npos)
    {
      grids.insert(name.substr(0, slash));
    }
  }
  for (const auto & grid : grids)
  {
    const auto   input = "in/" + grid + "/";
    const auto   output = "out/" + grid + "/";
    const auto & image = recording.Get(input + "image");
    const auto   spacing = ReadSpacing(recording, input + "spacing_old");
    const auto   newSpacing = ReadSpacing(recording, input + "spacing_new");
    const auto   size = ResampledSize({ image.size(1), image.size(2), image.size(3) }, spacing, newSpacing);
    const auto   axis = FindCoarseAxis(spacing, newSpacing);
    recording.Compare(output + "new_shape", { size[0], size[1], size[2] });
    recording.Compare(output + "image_order3", ResampleVolume(image, size, VolumeInterpolation::Cubic, axis));
    recording.Compare(output + "scores_order1", ResampleVolume(image, size, VolumeInterpolation::Linear, axis));
    recording.Compare(output + "labels_order1",
                      ResampleVolume(recording.Get(input + "labels"), size, VolumeInterpolation::Labels, axis));
  }
  const ChannelPlan mr{ "MR" };
  recording.Compare("out/ct_norm", NormalizeVolume(recording.Get("in/hu"), recordedCt));
  recording.Compare("out/zscore", NormalizeVolume(recording.Get("in/mr"), mr));
  recording.Compare("out/zscore_masked", NormalizeVolume(recording.Get("in/mr"), mr, recording.Get("in/mask") >= 0));

  // out/poly_lr_500_1e-3: the first epoch of each of as many parts of 500.
  for (const auto & name : recording.Outputs("out/poly_lr_"))
  {
    long   epochs = 0;
    double rate = 0.0;
    if (std::sscanf(name.c_str(), "%ld_%lf", &epochs, &rate) == 2)
    {
      TrainingRecipe recipe;
      recipe.schedule = "polynomial";
      recipe.learningRate = rate;
      recipe.warmUpSteps = 0;
      recipe.lastLearningRate = 0.0;
      const auto          count = recording.Get("out/poly_lr_" + name).size(0);
      std::vector<double> rates;
      for (int64_t k = 0; k < count; ++k)
      {
        rates.push_back(LearningRate(recipe, k, static_cast<double>(k) / static_cast<double>(count)));
      }
      recording.Compare("out/poly_lr_" + name, at::tensor(rates, at::kDouble));
    }
  }
}

void
CheckSlidingWindow(Recording & recording)
{
  // out/gaussian/4x32x32/f16
  for (const auto & name : recording.Outputs("out/gaussian/"))
  {
    std::array<long, 3> size{};
    std::array<char, 8> type{};
    if (std::sscanf(name.c_str(), "%ldx%ldx%ld/%7s", &size[0], &size[1], &size[2], type.data()) == 4)
    {
      const auto weights = GaussianWeights({ size[2], size[1], size[0] }, true);
      recording.Compare("out/gaussian/" + name,
                        std::string(type.data()) == "f16" ? RoundWeights(weights) : 10.0 * weights);
    }
  }
  // out/steps/10x110x256_tile_4x64x256_step_0.5/axis0
  for (const auto & name : recording.Outputs("out/steps/"))
  {
    std::array<long, 3> size{};
    std::array<long, 3> window{};
    double              step = 0.0;
    size_t              axis = 0;
    if (std::sscanf(name.c_str(),
                    "%ldx%ldx%ld_tile_%ldx%ldx%ld_step_%lf/axis%zu",
                    &size[0],
                    &size[1],
                    &size[2],
                    &window[0],
                    &window[1],
                    &window[2],
                    &step,
                    &axis) == 8 &&
        axis < 3)
    {
      recording.Compare("out/steps/" + name, WindowStarts(size[axis], window[axis], 1.0 - step));
    }
  }
}
} // namespace sam
