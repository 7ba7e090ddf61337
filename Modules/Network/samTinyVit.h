// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTinyVit_h
#define samTinyVit_h

#include "samObserver.h"
#include "samParameters.h"
#include "samProgress.h"

#include <memory>
#include <vector>

namespace sam
{
/** Sizes of TinyViT as MobileSAM builds it (TinyViT-5M); one entry per stage. */
struct TinyVitOptions
{
  int64_t              inputChannels{ 3 };
  std::vector<int64_t> widths{ 64, 128, 160, 320 };
  std::vector<int64_t> depths{ 2, 2, 6, 2 };
  std::vector<int64_t> heads{ 2, 4, 5, 10 };   ///< the first stage has no attention
  std::vector<int64_t> windows{ 7, 7, 14, 7 }; ///< tokens per axis of an attention window
  double               mlpRatio{ 4.0 };
  double               expansion{ 4.0 };      ///< of the convolution blocks of the first stage
  int64_t              localConvolution{ 3 }; ///< kernel of the convolution between attention and MLP
  int64_t              neck{ 256 };           ///< channels of the embedding
};

/** \class TinyVit
 * \brief MobileSAM's image encoder (Zhang et al., arXiv:2306.14289; TinyViT, Wu et al., arXiv:2207.10666).
 *
 * The patch embedding and the first two of the mergings between stages halve the grid, later mergings keep it: 16
 * pixels per token. Batch normalization uses its running statistics, in training, too. Tensor names are those of the
 * published checkpoint below image_encoder, without the classification head.
 */
class SegmentAnything_EXPORT TinyVit
{
public:
  TinyVit(const Scope & scope, const TinyVitOptions & options);

  struct Output
  {
    at::Tensor embedding; ///< B×neck×D×h×w
    at::Tensor early;     ///< B×E×D×h×w after the second stage, of the third one's width
  };

  /** \a x is B×C×D×H×W of any H and W, h = ⌈H/16⌉ and w = ⌈W/16⌉.
   * \a observe gets patch_embed and the output of each stage, layerK, as (B·D)×tokens×width. */
  Output
  operator()(const at::Tensor & x, const ProgressFunction & progress = {}, const Observer & observe = {}) const;

private:
  struct Layers;

  std::shared_ptr<const Layers> m_Layers;
};
} // namespace sam

#endif
