// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageEncoder_h
#define samImageEncoder_h

#include "samAdapters.h"
#include "samLowLevelAdapters.h"
#include "samObserver.h"
#include "samProgress.h"
#include "samRelativeAttention.h"

#include <array>
#include <optional>
#include <vector>

namespace sam
{
/** Sizes of a vision transformer as SAM builds it. */
struct ImageEncoderOptions
{
  int64_t                inputChannels{ 3 };
  int64_t                width{ 768 };
  int64_t                depth{ 12 };
  int64_t                heads{ 12 };
  double                 mlpRatio{ 4.0 };
  int64_t                patch{ 16 };            ///< pixels of the encoder's input per token and axis
  int64_t                window{ 14 };           ///< tokens per axis of a local attention window
  std::vector<int64_t>   globalBlocks{};         ///< blocks that attend to the whole grid
  std::array<int64_t, 2> grid{ { 64, 64 } };     ///< rows and columns of tokens that the tables are made for
  int64_t                neck{ 256 };            ///< channels of the embedding
  int64_t                slices{ 0 };            ///< slices that the depth embedding is made for; 0: none
  int64_t                adapterBottleneck{ 0 }; ///< width of the 3-D adapters in each block; 0: none
  bool                   keepsLevels{ true };    ///< answers the maps after the global blocks, too

  bool hasAbsolutePositions{ true }; ///< a table of positions is added to the tokens
  bool hasRelativePositions{ true }; ///< attention has tables of relative positions

  // Published behavior (Plan::compatibility).
  bool adaptsInWindows{ false };     ///< Space_Adapter runs in the windows, where it mixes windows for slices
  bool padsBeforeNorm{ false };      ///< windows are padded before the first norm, not behind it
  bool cropsPositions{ false };      ///< a smaller grid takes the top left part of the position table
  bool adaptersStartRandom{ false }; ///< their last layers start at random instead of zero

  LowLevelOptions lowLevel{}; ///< its width is this one's
};

/** \class ImageEncoder
 * \brief SAM's image encoder (ViT with local windows), MaskSAM's adaptation of it to volumes and DAPSAM's by low-level
 * features.
 *
 * Tensor names are SAM's; MaskSAM's adapters are Space_Adapter and MLP_Adapter of each block, the depth embedding is
 * temporal_embedding; DAPSAM's are channel_adapter of each block and l_adapter.
 */
class SegmentAnything_EXPORT ImageEncoder
{
public:
  ImageEncoder(const Scope & scope, const ImageEncoderOptions & options);
  ~ImageEncoder();

  struct Output
  {
    at::Tensor              embedding; ///< B×C×D×h×w
    std::vector<at::Tensor> levels;    ///< B×E×D×h×w after each global block, shallow first
  };

  /** \a x is B×C×D×H×W with H and W multiples of the patch. \a observe gets patch_embed,
   * after_pos_and_depth_embed and blockK, each (B·D)×h×w×E, and blockK_space_adapter_out; of the low-level
   * branches embedding_feature, (B·D)×E×h×w, and blockK_in_after_prompt.
   * \throws Error when positions are cropped and the grid is larger than their table. */
  Output
  operator()(const at::Tensor & x, const ProgressFunction & progress = {}, const Observer & observe = {}) const;

private:
  struct Block;

  /** Position embedding of a grid of tokens, 1×h×w×E. */
  at::Tensor
  GetPositions(int64_t h, int64_t w) const;

  ImageEncoderOptions m_Options;
  Convolution         m_PatchEmbedding;
  at::Tensor          m_PositionEmbedding;
  at::Tensor          m_DepthEmbedding;
  std::vector<Block>  m_Blocks;

  std::optional<LowLevelPrompts> m_LowLevelPrompts;

  EncoderNeck m_Neck;
};
} // namespace sam

#endif
