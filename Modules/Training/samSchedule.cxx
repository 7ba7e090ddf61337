// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSchedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace sam
{
double
LearningRate(const TrainingRecipe & recipe, int64_t step, double fraction)
{
  constexpr double power = 0.9; // as nnU-Net

  if (recipe.schedule == "dapsam")
  {
    const auto done = std::max<int64_t>(step - 1, 0);
    if (done < recipe.warmUpSteps)
    {
      return recipe.learningRate * static_cast<double>(done + 1) / static_cast<double>(recipe.warmUpSteps);
    }
    const double share = step > 0 ? static_cast<double>(done - recipe.warmUpSteps) / static_cast<double>(step) : 0.0;
    return recipe.learningRate * std::pow(std::max(0.0, 1.0 - fraction * share), power);
  }
  const double last = recipe.lastLearningRate;

  const double warmUp = recipe.warmUpSteps > 0
                          ? std::min(1.0, static_cast<double>(step + 1) / static_cast<double>(recipe.warmUpSteps))
                          : 1.0;
  const double fall = recipe.schedule == "polynomial" ? std::pow(1.0 - fraction, power)
                                                      : 0.5 * (1.0 + std::cos(std::numbers::pi * fraction));
  return recipe.learningRate * warmUp * (last + (1.0 - last) * fall);
}
} // namespace sam
