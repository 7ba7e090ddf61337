// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrompts_h
#define samPrompts_h

#include <ATen/core/Tensor.h>

#include <vector>

namespace sam
{
/** What the encoder hands on: B batch, D slices, h×w tokens of an H×W slice. */
struct EncodedImage
{
  at::Tensor              embedding; ///< B×C×D×h×w, the neck's output
  std::vector<at::Tensor> levels;    ///< B×E×D×h×w after each global block, shallow first
  std::vector<at::Tensor> details; ///< B×c×D×H'×W' features that are finer than the grid: the stem's, finest first, or
                                   ///< what all prompts share of HQ-SAM's, c = C/8 and 4h×4w
};

/** What tells the decoder where to look: MaskSAM's N queries per slice, or DAPSAM's dense prompt. */
struct Prompts
{
  at::Tensor masks;       ///< B×N×D×H×W, auxiliary mask logits
  at::Tensor boxes;       ///< B×D×N×4, x1 y1 x2 y2 as fractions of the window's width and height (pixel edges)
  at::Tensor classTokens; ///< B×D×N×C
  at::Tensor details;     ///< B×c×D×H×W, features that refine the masks; undefined when the decoder takes none

  // From prototypes, without the ones above.
  at::Tensor dense{};      ///< B×C×D×h×w
  at::Tensor similarity{}; ///< B×1×D×h×w, cosine of the image's prototype and each token
};

/** Prompts that are given: P of them on one slice, each answered by masks of its own. What is undefined was not given.
 * Coordinates are fractions of the encoder's input, pixel centers at (i + 0.5) / size. */
struct ManualPrompts
{
  at::Tensor points; ///< P×n×2, x y
  at::Tensor labels; ///< P×n: 1 foreground, 0 background, −1 no point
  at::Tensor boxes;  ///< P×4, x1 y1 x2 y2
  at::Tensor masks;  ///< P×1×4h×4w logits
};

/** What SAM's or HQ-SAM's decoder answers to P prompts. */
struct PromptedMasks
{
  at::Tensor masks;   ///< P×M×4h×4w logits, M = 1 or the multimasks
  at::Tensor quality; ///< P×M, the overlap (IoU) with the truth that the network expects of each mask
};
} // namespace sam

#endif
