// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samAdapters_h
#define samAdapters_h

#include "samLayers.h"

namespace sam
{
/** Number of slices that a fused leading axis holds: (batch · slices · queries), slices before queries. */
struct SliceLayout
{
  int64_t batch{ 1 };
  int64_t slices{ 1 };
  int64_t queries{ 1 };
};

/** \class DepthConvolutionAdapter
 * \brief MaskSAM's 3-D adapter: bottleneck, depthwise 3×3×3 convolution across slices, back (masksam paper 2403.14103).
 *
 * The last linear layer starts at zero, so that a network with pretrained weights starts as it was; the published one
 * starts at random (\a startsAtRandom).
 */
class SegmentAnything_EXPORT DepthConvolutionAdapter
{
public:
  DepthConvolutionAdapter() = default;
  DepthConvolutionAdapter(const Scope & scope,
                          int64_t       width,
                          int64_t       bottleneck,
                          bool          hasSkip,
                          bool          startsAtRandom = false);

  /** \a x is (B·D·N)×h×w×C; a voxel sees its neighbors in the slices of its own query. */
  at::Tensor
  operator()(const at::Tensor & x, const SliceLayout & layout) const;

private:
  Linear      m_Down;
  Linear      m_Up;
  Convolution m_DepthConvolution;
  LayerNorm   m_Norm;
  bool        m_HasSkip{ false };
};

/** \class DepthMlpAdapter
 * \brief MaskSAM's token adapter: bottleneck, two-layer network along the slices, back.
 *
 * The network along depth is built for \a slices slices; another number is resampled to it and back linearly.
 */
class SegmentAnything_EXPORT DepthMlpAdapter
{
public:
  DepthMlpAdapter() = default;
  DepthMlpAdapter(const Scope & scope,
                  int64_t       width,
                  int64_t       bottleneck,
                  int64_t       slices,
                  bool          hasSkip,
                  bool          startsAtRandom = false);

  /** \a x is (B·D·N)×...×C. */
  at::Tensor
  operator()(const at::Tensor & x, const SliceLayout & layout) const;

private:
  Linear  m_Down;
  Linear  m_Up;
  Linear  m_DepthFirst;
  Linear  m_DepthSecond;
  int64_t m_Slices{ 1 };
  bool    m_HasSkip{ false };
};
} // namespace sam

#endif
