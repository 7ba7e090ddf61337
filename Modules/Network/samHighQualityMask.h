// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samHighQualityMask_h
#define samHighQualityMask_h

#include "samLayers.h"
#include "samObserver.h"

namespace sam
{
/** \class HighQualityMask
 * \brief What HQ-SAM (Ke et al., arXiv:2306.01567) adds to SAM's mask decoder: one more token, whose mask is read off
 * features that see the embedding and an early map of the encoder besides the upscaled image tokens.
 *
 * C is the decoder's width. Tensor names are the published ones below mask_decoder: hf_token, hf_mlp,
 * compress_vit_feat, embedding_encoder and embedding_maskfeature.
 */
class SegmentAnything_EXPORT HighQualityMask
{
public:
  /** \a earlyChannels of the encoder's early map. */
  HighQualityMask(const Scope & scope, int64_t width, int64_t earlyChannels);

  /** 1×C */
  const at::Tensor &
  GetToken() const
  {
    return m_Token;
  }

  /** The part of the features that all prompts share: \a embedding S×C×h×w and \a early S×E×h×w of S slices into
   * S×(C/8)×4h×4w. \a observe gets embedding_encoder and compress_vit_feat. */
  at::Tensor
  Fuse(const at::Tensor & embedding, const at::Tensor & early, const Observer & observe = {}) const;

  /** Logits P×1×4h×4w for \a answers P×C of the token, \a upscaled image tokens P×(C/8)×4h×4w and \a shared features
   * S×(C/8)×4h×4w, P/S prompts per slice. \a observe gets hq_hyper P×(C/8) and mask_feature, what the prompt adds to
   * the shared features. */
  at::Tensor
  operator()(const at::Tensor & answers,
             const at::Tensor & upscaled,
             const at::Tensor & shared,
             const Observer &   observe = {}) const;

private:
  /** Two convolutions with a normalization and GELU between them; names 0, 1 and 3. */
  struct ConvolutionPair
  {
    ConvolutionPair(const Scope & scope, const std::array<int64_t, 3> & widths, const Convolution::Options & options);

    /** What the second convolution takes. */
    at::Tensor
    Hidden(const at::Tensor & x) const;

    Convolution first;
    ChannelNorm norm;
    Convolution second;
  };

  at::Tensor      m_Token;
  Perceptron      m_HyperNetwork;
  ConvolutionPair m_Early;
  ConvolutionPair m_Embedding;
  ConvolutionPair m_Upscaled;
};
} // namespace sam

#endif
