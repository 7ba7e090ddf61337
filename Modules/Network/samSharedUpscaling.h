// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSharedUpscaling_h
#define samSharedUpscaling_h

#include "samSharedImage.h"

namespace sam
{
/** \class SharedUpscaling
 * \brief SAM's two doublings of the grid and the masks that are read off it, for many prompts on one image.
 *
 * A transposed 2×2 convolution of stride 2 is a matrix product, and the first one is shared but for the rank of a
 * prompt. A prompt is upscaled some rows at a time, so that its features stay in the cache.
 */
class SharedUpscaling
{
public:
  /** \a columns of the image embedding's grid. */
  SharedUpscaling(const SharedImage & image,
                  const Convolution & first,
                  const ChannelNorm & norm,
                  const Convolution & second,
                  int64_t             columns);

  /** Fills \a masks M×4h×4w: the product of \a weights M×c with the upscaled image tokens of a prompt. */
  void
  operator()(const PromptedImage & image, const at::Tensor & weights, const at::Tensor & masks) const;

private:
  at::Tensor m_Image; ///< T×(4·c1), columns by kernel row, kernel column and channel
  at::Tensor m_First; ///< C×(4·c1)
  at::Tensor m_Bias;  ///< 2×1×(2·c1)
  LayerNorm  m_Norm;
  at::Tensor m_Second; ///< 2×c1×(2·c2), by kernel row
  at::Tensor m_SecondBias;
  int64_t    m_Columns;
};
} // namespace sam

#endif
