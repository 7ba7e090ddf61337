// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPromptEncoder_h
#define samPromptEncoder_h

#include "samLayers.h"
#include "samPositionEncoding.h"
#include "samPrompts.h"

namespace sam
{
/** Sizes of SAM's prompt encoder. */
struct PromptEncoderOptions
{
  int64_t                width{ 256 };
  std::array<int64_t, 2> grid{ { 64, 64 } }; ///< rows and columns of the image embedding that training used
  int64_t                maskChannels{ 16 };
  int64_t                slices{ 0 }; ///< slices of the depth embedding of the dense positions; 0: none (plain SAM)
};

/** \class PromptEncoder
 * \brief SAM's prompt encoder: points, boxes and masks into sparse tokens and a dense map. Tensor names are SAM's.
 *
 * Coordinates are fractions of the image's width and height, pixel centers at (i + 0.5) / size.
 */
class SegmentAnything_EXPORT PromptEncoder
{
public:
  PromptEncoder(const Scope & scope, const PromptEncoderOptions & options);

  /** Points n×p×2 (x, y) with labels n×p (1 foreground, 0 background, −1 no point) into tokens n×p×C. */
  at::Tensor
  EncodePoints(const at::Tensor & points, const at::Tensor & labels) const;

  /** Boxes n×4 (x1, y1, x2, y2) into tokens n×2×C. */
  at::Tensor
  EncodeBoxes(const at::Tensor & boxes) const;

  /** Mask logits or probabilities n×1×4h×4w into a dense map n×C×h×w. */
  at::Tensor
  EncodeMasks(const at::Tensor & masks) const;

  /** The dense map n×C×h×w of prompts without a mask. */
  at::Tensor
  EncodeNoMask(int64_t count, const std::array<int64_t, 2> & grid) const;

  struct Output
  {
    at::Tensor sparse; ///< P×n×C
    at::Tensor dense;  ///< P×C×h×w
  };

  /** All prompts together as SAM does it: the points, a point that is none where no box follows, the box; the mask, or
   * the map of prompts without one. P is 1 when nothing is given. */
  Output
  Encode(const ManualPrompts & prompts, const std::array<int64_t, 2> & grid) const;

  /** Positions of an h×w \a grid in each slice, C×D×h×w, with the depth embedding resized to them. The grid is the top
   * left part of a \a frame of as many rows and columns of tokens. */
  at::Tensor
  DensePositions(int64_t slices, const std::array<int64_t, 2> & grid, const std::array<int64_t, 2> & frame) const;

  /** The same where the grid is the whole frame. */
  at::Tensor
  DensePositions(int64_t slices, const std::array<int64_t, 2> & grid) const
  {
    return this->DensePositions(slices, grid, grid);
  }

private:
  PositionEncoding        m_Positions;
  std::vector<at::Tensor> m_PointEmbeddings;
  at::Tensor              m_NotAPoint;
  at::Tensor              m_NoMask;
  at::Tensor              m_DepthEmbedding;
  Convolution             m_MaskConvolution1;
  ChannelNorm             m_MaskNorm1;
  Convolution             m_MaskConvolution2;
  ChannelNorm             m_MaskNorm2;
  Convolution             m_MaskConvolution3;
};
} // namespace sam

#endif
