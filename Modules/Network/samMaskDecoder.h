// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMaskDecoder_h
#define samMaskDecoder_h

#include "samHighQualityMask.h"
#include "samPrompts.h"
#include "samTwoWayTransformer.h"

#include <optional>

namespace sam
{
/** Sizes of SAM's mask decoder and of MaskSAM's and HQ-SAM's additions to it. */
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
  bool                     refinesAllTokens{ false }; ///< the details refine each mask by its own token, not the first
  int64_t                  earlyChannels{ 0 };        ///< channels of the encoder's early map; 0: no HQ-SAM
};

/** \class MaskDecoder
 * \brief SAM's mask decoder; with a class token and a class head it is MaskSAM's, with a high-quality mask HQ-SAM's.
 * Tensor names are the published ones.
 */
class SegmentAnything_EXPORT MaskDecoder
{
public:
  MaskDecoder(const Scope & scope, const MaskDecoderOptions & options);

  struct Output
  {
    at::Tensor masks;   ///< P×masks×H×W logits, HQ-SAM's mask last
    at::Tensor iou;     ///< P×masks, without HQ-SAM's; undefined without the head
    at::Tensor classes; ///< P×(K+1) logits, the last for no object; undefined without classes
  };

  /** P = B·D·N prompts in \a layout. \a image and \a positions are (B·D)×C×h×w, \a sparse is P×n×C, \a dense is
   * P×C×h×w, \a classTokens P×C (undefined: zero), \a details (B·D)×c×H×W (undefined: none;
   * for HQ-SAM what FuseDetails() answers). Answers all mask tokens, of which Choose() takes some.
   * \a observe gets src_in and tokens_in, what the transformer takes of image and tokens, src_out and hs, what it makes
   * of them, upscaled_sam, and what HighQualityMask observes. */
  Output
  operator()(const at::Tensor &  image,
             const at::Tensor &  positions,
             const at::Tensor &  sparse,
             const at::Tensor &  dense,
             const at::Tensor &  classTokens,
             const at::Tensor &  details,
             const SliceLayout & layout,
             const Observer &    observe = {}) const;

  /** HQ-SAM's details of (B·D) slices from their \a image (B·D)×C×h×w and \a early map (B·D)×E×h×w. */
  at::Tensor
  FuseDetails(const at::Tensor & image, const at::Tensor & early, const Observer & observe = {}) const;

  /** Of all masks the single one or, with \a multimask, the others. HQ-SAM takes of those the one that is expected to
   * be the best, and adds its own mask to it or, with \a hqTokenOnly, replaces it by that: always one mask. */
  PromptedMasks
  Choose(const Output & output, bool multimask, bool hqTokenOnly) const;

  /** Whether DecodeOnOneImage can be used: SAM or HQ-SAM without adapters. */
  bool
  CanShareImage() const;

  /** What Choose() takes for P prompts on one image, without gradients and in bounded memory. \a image, with dense
   * prompts added, and \a positions are 1×C×h×w, \a sparse is P×n×C, \a details 1×c×4h×4w for HQ-SAM. What the prompts
   * share is computed once (SharedImage). */
  PromptedMasks
  DecodeOnOneImage(const at::Tensor & image,
                   const at::Tensor & positions,
                   const at::Tensor & sparse,
                   const at::Tensor & details,
                   bool               multimask,
                   bool               hqTokenOnly) const;

private:
  /** Weights P×n×c of the upscaled features for \a answers P×n×C of the mask tokens from \a first on. */
  at::Tensor
  HyperNetworks(const at::Tensor & answers, int64_t first) const;

  /** The tokens that are there for every prompt, in front of the prompt's own. */
  at::Tensor
  FixedTokens() const;

  MaskDecoderOptions             m_Options;
  TwoWayTransformer              m_Transformer;
  at::Tensor                     m_IouToken;
  at::Tensor                     m_MaskTokens;
  at::Tensor                     m_ClassToken;
  Convolution                    m_Upscaling1;
  ChannelNorm                    m_UpscalingNorm;
  Convolution                    m_Upscaling2;
  std::vector<Perceptron>        m_HyperNetworks;
  Perceptron                     m_DetailHyperNetwork;
  Perceptron                     m_IouHead;
  Linear                         m_ClassHead;
  std::optional<HighQualityMask> m_HighQuality;
};
} // namespace sam

#endif
