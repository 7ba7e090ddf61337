// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTinyPlan_h
#define samTinyPlan_h

#include "samPlan.h"

namespace sam
{
/** A network of some thousand parameters that has every part: for tests that need an answer, not a good one. */
inline Plan
MakeTinyPlan(int64_t slices = 4)
{
  Plan plan;
  plan.stem = "pyramid";
  plan.stemWidths = { 4, 8 };
  plan.width = 16;
  plan.depth = 2;
  plan.heads = 2;
  plan.patch = 4;
  plan.attentionWindow = 3;
  plan.globalBlocks = { 1 };
  plan.grid = { 4, 4 };
  plan.neck = 16;
  plan.adaptation = { "depth_convolution", "depth_mlp" };
  plan.slices = slices;
  plan.queries = 3;
  plan.ladder = { 16, 8, 4 };
  plan.skips = { { 0 }, {} };
  plan.promptHiddenWidth = 8;
  plan.decoderHeads = 2;
  plan.decoderMlpWidth = 16;
  plan.maskPromptChannels = 4;
  plan.upscalingSteps = 1;
  plan.refinesMasks = true;
  plan.window = { 16, 16, slices };
  plan.overlap = { 0.5, 0.5, 0.5 };
  plan.channels = { ChannelPlan{ "MR" } };
  plan.labels = { { 0, "background", {} }, { 1, "first", { 230, 159, 0 } }, { 2, "second", { 86, 180, 233 } } };
  return plan;
}

/** The same of DAPSAM, for single slices. */
inline Plan
MakeTinyDapsamPlan()
{
  Plan plan = MakeTinyPlan(1);
  plan.stem = "gray_rgb";
  plan.stemWidths.clear();
  plan.adaptation = { "low_level_attention" };
  plan.promptSource = "prototype";
  plan.prototypes = 6;
  plan.decoder = "semantic";
  plan.refinesMasks = false;
  plan.upscalingSteps = 2;
  plan.channels = { ChannelPlan{ "MR", "slice_z_score" } };
  return plan;
}
} // namespace sam

#endif
