// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSharedImage_h
#define samSharedImage_h

#include "samTwoWayTransformer.h"

#include <vector>

namespace sam
{
/** The T image tokens of one prompt: the columns of (image + basisᵀ·weights)·diag(scale) + shift. Image C×T and shift C
 * are those of the SharedImage; what the prompt adds to them has the rank R of its attention weights. */
struct PromptedImage
{
  at::Tensor              scale;   ///< T
  at::Tensor              weights; ///< R×T; more rows while layers are missing
  at::Tensor              basis;   ///< R×C
  std::vector<at::Tensor> values;  ///< H×n×(d+1) of each layer, what the basis is made of
};

/** \class SharedImage
 * \brief SAM's two-way transformer for many prompts on one image, without adapters and gradients.
 *
 * Attention to n prompt tokens adds at most n vectors per head to the image tokens, and the normalization that follows
 * is an affine map of the channels with one scale per image token. So the image tokens of a prompt are never written
 * down: their products are those of the image, which are computed once for all prompts, and products of rank H·n per
 * layer.
 */
class SharedImage
{
public:
  /** \a image and \a positions are C×T. */
  SharedImage(const TwoWayTransformer & transformer, const at::Tensor & image, const at::Tensor & positions);

  /** The first \a answers tokens of \a tokens P×n×C after the transformer, and the image tokens of each prompt. */
  at::Tensor
  operator()(const at::Tensor & tokens, int64_t answers, std::vector<PromptedImage> & images) const;

  /** C×T, after the last layer. */
  const at::Tensor &
  GetImage() const
  {
    return m_Image;
  }

  /** C, after the last layer. */
  const at::Tensor &
  GetShift() const
  {
    return m_Shift;
  }

private:
  /** A linear map of the image tokens, with positions. */
  struct Projection
  {
    at::Tensor weight;    ///< (H·d)×C
    at::Tensor image;     ///< H×d×T
    at::Tensor positions; ///< H×d×T, with shift and bias; added to the image in the first layer, which has no scale yet
  };

  struct TokenToImage
  {
    const DownscalingAttention * attention;
    Projection                   key;
    at::Tensor                   value;     ///< H×d×T
    at::Tensor                   valueBias; ///< H·d
  };

  struct ImageToToken
  {
    Projection              query;
    at::Tensor              output;         ///< H×(d+1)×C, the output map of each head and its part of bias and shift
    std::vector<at::Tensor> outputsOfImage; ///< H×(d+1)×T, this and earlier layers' outputs by the centered image
    at::Tensor              squaredNorm;    ///< T, of the centered image
    const LayerNorm *       norm;
  };

  Projection
  Project(const Linear & linear, const at::Tensor & positions, int64_t heads) const;

  TokenToImage
  Share(const DownscalingAttention & attention, const at::Tensor & positions) const;

  /** The image tokens before the first layer, with room for all weights of prompts of so many tokens. */
  PromptedImage
  Start(int64_t tokens) const;

  /** Products H×n×T of tokens H×n×d with the projected image tokens. */
  static at::Tensor
  Multiply(const Projection & projection, const at::Tensor & tokens, const PromptedImage & image);

  /** What tokens with queries H×n×d get from the image tokens, n×(H·d). */
  static at::Tensor
  Attend(const TokenToImage & shared, const at::Tensor & queries, const PromptedImage & image);

  /** The image tokens attend to keys H×n×d and values H×n×(d+1), and are normalized. */
  static void
  Update(const ImageToToken & shared, const at::Tensor & keys, const at::Tensor & values, PromptedImage & image);

  const TwoWayTransformer * m_Transformer;
  at::Tensor                m_Image;
  at::Tensor                m_Shift;
  std::vector<TokenToImage> m_TokenToImage; ///< of each layer, and the final one
  std::vector<ImageToToken> m_ImageToToken; ///< of each layer
};
} // namespace sam

#endif
