// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSchedule_h
#define samSchedule_h

#include "samTrainingOptions.h"

namespace sam
{
/** The learning rate of step \a step (from 0) when \a fraction of the run is behind us. It rises linearly over the
 * warm-up and falls to a hundredth (TrainingRecipe::lastLearningRate), by half a cosine or as (1 − fraction)^0.9.
 * DAPSAM's (dapsam §f) begins to fall behind the warm-up, to nothing, and is a step late: the first two are alike. */
double
LearningRate(const TrainingRecipe & recipe, int64_t step, double fraction);
} // namespace sam

#endif
