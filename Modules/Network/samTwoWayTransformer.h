// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTwoWayTransformer_h
#define samTwoWayTransformer_h

#include "samAdapters.h"
#include "samObserver.h"

#include <optional>
#include <utility>
#include <vector>

namespace sam
{
/** Sizes of SAM's two-way transformer. */
struct TwoWayTransformerOptions
{
  int64_t width{ 256 };
  int64_t depth{ 2 };
  int64_t heads{ 8 };
  int64_t mlpWidth{ 2048 };
  int64_t slices{ 0 };                  ///< slices that the token adapters are made for; 0: no adapters (plain SAM)
  int64_t adapterBottleneck{ 0 };       ///< width of the adapters
  bool    adaptersStartRandom{ false }; ///< their last layers start at random instead of zero
};

/** \class DownscalingAttention
 * \brief SAM's attention with an inner width of width / rate; names q_proj, k_proj, v_proj, out_proj.
 */
class DownscalingAttention
{
public:
  DownscalingAttention(const Scope & scope, int64_t width, int64_t heads, int64_t rate);

  at::Tensor
  operator()(const at::Tensor & query, const at::Tensor & key, const at::Tensor & value) const;

  const Linear &
  GetQuery() const
  {
    return m_Query;
  }

  const Linear &
  GetKey() const
  {
    return m_Key;
  }

  const Linear &
  GetValue() const
  {
    return m_Value;
  }

  const Linear &
  GetOutput() const
  {
    return m_Output;
  }

  int64_t
  GetHeads() const
  {
    return m_Heads;
  }

private:
  Linear  m_Query;
  Linear  m_Key;
  Linear  m_Value;
  Linear  m_Output;
  int64_t m_Heads;
};

/** One layer of the two-way transformer, with adapters where slices are given. */
struct TwoWayLayer
{
  TwoWayLayer(const Scope & scope, const TwoWayTransformerOptions & options, bool isFirst);

  /** \a queries and \a keys are replaced; \a keys is P×h×w×C flattened over h and w. */
  void
  operator()(at::Tensor &        queries,
             at::Tensor &        keys,
             const at::Tensor &  tokenPositions,
             const at::Tensor &  imagePositions,
             int64_t             rows,
             const SliceLayout & layout) const;

  /** The queries after they attended to each other. */
  at::Tensor
  AttendToTokens(const at::Tensor & queries, const at::Tensor & tokenPositions, const SliceLayout & layout) const;

  /** The queries after the two-layer network. */
  at::Tensor
  Refine(const at::Tensor & queries, const SliceLayout & layout) const;

  DownscalingAttention                   selfAttention;
  LayerNorm                              norm1;
  DownscalingAttention                   tokenToImage;
  LayerNorm                              norm2;
  TransformerMlp                         mlp;
  LayerNorm                              norm3;
  DownscalingAttention                   imageToToken;
  LayerNorm                              norm4;
  bool                                   isFirst;
  std::optional<DepthMlpAdapter>         selfAdapter;
  std::optional<DepthMlpAdapter>         crossAdapter;
  std::optional<DepthMlpAdapter>         mlpAdapter;
  std::optional<DepthConvolutionAdapter> imageAdapter;
};

/** \class TwoWayTransformer
 * \brief Lets prompt tokens and image tokens attend to each other; with MaskSAM's adapters when slices are given.
 */
class SegmentAnything_EXPORT TwoWayTransformer
{
public:
  TwoWayTransformer(const Scope & scope, const TwoWayTransformerOptions & options);

  /** \a image and \a positions P×C×h×w, \a tokens P×n×C with P = B·D·N in \a layout.
   * Returns tokens P×n×C and image tokens P×(h·w)×C; \a observe gets layerK_queries and layerK_keys. */
  std::pair<at::Tensor, at::Tensor>
  operator()(const at::Tensor &  image,
             const at::Tensor &  positions,
             const at::Tensor &  tokens,
             const SliceLayout & layout,
             const Observer &    observe = {}) const;

  const std::vector<TwoWayLayer> &
  GetLayers() const
  {
    return m_Layers;
  }

  const DownscalingAttention &
  GetFinalAttention() const
  {
    return m_FinalAttention;
  }

  const LayerNorm &
  GetFinalNorm() const
  {
    return m_FinalNorm;
  }

private:
  std::vector<TwoWayLayer>       m_Layers;
  DownscalingAttention           m_FinalAttention;
  std::optional<DepthMlpAdapter> m_FinalAdapter;
  LayerNorm                      m_FinalNorm;
};
} // namespace sam

#endif
