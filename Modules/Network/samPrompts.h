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
  std::vector<at::Tensor> details;   ///< B×c×D×H'×W', the stem's features that are finer than the grid, finest first
};

/** What tells the decoder where to look: N queries per slice. */
struct Prompts
{
  at::Tensor masks;       ///< B×N×D×H×W, auxiliary mask logits
  at::Tensor boxes;       ///< B×D×N×4, x1 y1 x2 y2 as fractions of the window's width and height (pixel edges)
  at::Tensor classTokens; ///< B×D×N×C
  at::Tensor details;     ///< B×c×D×H×W, features that refine the masks; undefined when the decoder takes none
};
} // namespace sam

#endif
