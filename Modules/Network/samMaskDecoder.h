// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMaskDecoder_h
#define samMaskDecoder_h

#include "samTwoWayTransformer.h"

namespace sam
{
/** Sizes of SAM's mask decoder and of MaskSAM's additions to it. */
struct MaskDecoderOptions
{
  TwoWayTransformerOptions transformer{};
  int64_t                  maskTokens{ 4 };     ///< one for a single mask, three for the multimask answer
  int64_t                  upscalingSteps{ 2 }; ///< doublings of the grid before the masks are read off
  bool                     hasIouHead{ true };  ///< predicts the quality of each mask
  int64_t                  iouHeadDepth{ 3 };
  int64_t                  iouHeadWidth{ 256 };
  int64_t                  classes{ 0 };        ///< labels with background; 0: no class token (plain SAM)
  int64_t                  detailChannels{ 0 }; ///< channels of full-resolution features that refine the masks; 0: none
};

/** \class MaskDecoder
 * \brief SAM's mask decoder; with a class token and a class head it is MaskSAM's. Tensor names are the published ones.
 */
class SegmentAnything_EXPORT MaskDecoder
{
public:
  MaskDecoder(const Scope & scope, const MaskDecoderOptions & options);

  struct Output
  {
    at::Tensor masks;   ///< P×masks×H×W logits
    at::Tensor iou;     ///< P×masks, undefined without the head
    at::Tensor classes; ///< P×(K+1) logits, the last for no object; undefined without classes
  };

  /** P = B·D·N prompts in \a layout. \a image and \a positions are (B·D)×C×h×w, \a sparse is P×n×C, \a dense is
   * P×C×h×w, \a classTokens P×C (undefined: zero), \a details (B·D)×c×H×W (undefined: none).
   * Answers all mask tokens; the caller chooses. */
  Output
  operator()(const at::Tensor &  image,
             const at::Tensor &  positions,
             const at::Tensor &  sparse,
             const at::Tensor &  dense,
             const at::Tensor &  classTokens,
             const at::Tensor &  details,
             const SliceLayout & layout) const;

  /** Whether DecodeOnOneImage can be used: plain SAM without adapters. */
  bool
  CanShareImage() const;

  /** Masks \a first to \a first + \a number of P prompts on one image, without gradients and in bounded memory. \a
   * image and \a positions are 1×C×h×w, \a sparse is P×n×C. What the prompts share is computed once (SharedImage). */
  Output
  DecodeOnOneImage(const at::Tensor & image,
                   const at::Tensor & positions,
                   const at::Tensor & sparse,
                   int64_t            first,
                   int64_t            number) const;

private:
  /** Weights P×n×c of the upscaled features for \a answers P×n×C of the mask tokens from \a first on. */
  at::Tensor
  HyperNetworks(const at::Tensor & answers, int64_t first) const;

  MaskDecoderOptions      m_Options;
  TwoWayTransformer       m_Transformer;
  at::Tensor              m_IouToken;
  at::Tensor              m_MaskTokens;
  at::Tensor              m_ClassToken;
  Convolution             m_Upscaling1;
  ChannelNorm             m_UpscalingNorm;
  Convolution             m_Upscaling2;
  std::vector<Perceptron> m_HyperNetworks;
  Perceptron              m_DetailHyperNetwork;
  Perceptron              m_IouHead;
  Linear                  m_ClassHead;
};
} // namespace sam

#endif
