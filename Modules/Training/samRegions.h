// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRegions_h
#define samRegions_h

#include "samPrompts.h"
#include "samRandomStream.h"

namespace sam
{
/** Learning from regions without a class: a point in a region or a box around it is the prompt, the region the answer,
 * as SAM learned (Kirillov et al. 2023). Regions are known ones, of label maps, or found ones. */

/** Regions of an image C×D×H×W: one of its channels and slices is smoothed and cut into levels at 1 to 5 random
 * percentiles; the largest connected part of each level, with its holes filled, is a region. Answers D×H×W int64: 0,
 * or the number of the region; slices that were not looked at are 0. Regions below a 500th or above half of the slice
 * are left out. The same for the same state of \a random. */
at::Tensor
FindRegions(const at::Tensor & image, RandomStream & random);

/** Prompts for P regions of one slice, and what they ask for. */
struct RegionPrompts
{
  ManualPrompts prompts;               ///< one point or one box each; all undefined where the slice has no region
  at::Tensor    regions;               ///< P×H×W float32, 0 or 1
  bool          areAmbiguous{ false }; ///< points, which several masks may answer
};

/** Draw up to \a count regions of a slice H×W (numbers from 1 on) and prompts for them: points anywhere inside, or
 * boxes whose sides are moved by up to a tenth of the region's size. */
RegionPrompts
DrawRegionPrompts(const at::Tensor & slice, int64_t count, RandomStream & random);

/** Loss of the masks \a answer P×M×h×w for P \a regions P×H×W: of each prompt the mask that fits best counts, with
 * 0.2·cross-entropy + 0.8·(1 − soft Dice) at H×W; to the mean of them comes the mean squared error of the expected
 * overlaps of all masks. */
at::Tensor
RegionLoss(const PromptedMasks & answer, const at::Tensor & regions);
} // namespace sam

#endif
