// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTwoWayTransformer.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/scaled_dot_product_attention.h>

namespace sam
{
namespace
{
constexpr double  layerNormEpsilon = 1e-5;
constexpr int64_t crossAttentionRate = 2;
} // namespace

DownscalingAttention::DownscalingAttention(const Scope & scope, int64_t width, int64_t heads, int64_t rate)
  : m_Query(scope / "q_proj", width, width / rate)
  , m_Key(scope / "k_proj", width, width / rate)
  , m_Value(scope / "v_proj", width, width / rate)
  , m_Output(scope / "out_proj", width / rate, width)
  , m_Heads(heads)
{}

at::Tensor
DownscalingAttention::operator()(const at::Tensor & query, const at::Tensor & key, const at::Tensor & value) const
{
  const auto split = [this](const at::Tensor & x) {
    return x.view({ x.size(0), x.size(1), m_Heads, x.size(2) / m_Heads }).transpose(1, 2);
  };
  const auto attended =
    at::scaled_dot_product_attention(split(m_Query(query)), split(m_Key(key)), split(m_Value(value)));
  return m_Output(attended.transpose(1, 2).flatten(2));
}

TwoWayLayer::TwoWayLayer(const Scope & scope, const TwoWayTransformerOptions & options, bool first)
  : selfAttention(scope / "self_attn", options.width, options.heads, 1)
  , norm1(scope / "norm1", options.width, layerNormEpsilon)
  , tokenToImage(scope / "cross_attn_token_to_image", options.width, options.heads, crossAttentionRate)
  , norm2(scope / "norm2", options.width, layerNormEpsilon)
  , mlp(scope / "mlp", options.width, options.mlpWidth, TransformerMlp::Activation::Relu)
  , norm3(scope / "norm3", options.width, layerNormEpsilon)
  , imageToToken(scope / "cross_attn_image_to_token", options.width, options.heads, crossAttentionRate)
  , norm4(scope / "norm4", options.width, layerNormEpsilon)
  , isFirst(first)
{
  if (options.slices > 0)
  {
    const int64_t bottleneck = options.adapterBottleneck;
    const bool    isRandom = options.adaptersStartRandom;
    selfAdapter.emplace(scope / "Space_Queries_Adapter", options.width, bottleneck, options.slices, true, isRandom);
    crossAdapter.emplace(scope / "Cross_Space_Adapter1", options.width, bottleneck, options.slices, true, isRandom);
    mlpAdapter.emplace(scope / "MLP_Queries_Adapter", options.width, bottleneck, options.slices, false, isRandom);
    imageAdapter.emplace(scope / "Cross_Space_Adapter2", options.width, bottleneck, true, isRandom);
  }
}

void
TwoWayLayer::operator()(at::Tensor &        queries,
                        at::Tensor &        keys,
                        const at::Tensor &  tokenPositions,
                        const at::Tensor &  imagePositions,
                        int64_t             rows,
                        const SliceLayout & layout) const
{
  queries = AttendToTokens(queries, tokenPositions, layout);

  const auto k = keys + imagePositions;
  auto       update = tokenToImage(queries + tokenPositions, k, keys);
  if (crossAdapter)
  {
    update = (*crossAdapter)(update, layout);
  }
  queries = Refine(norm2(queries + update), layout);

  update = imageToToken(k, queries + tokenPositions, queries);
  if (imageAdapter)
  {
    update = (*imageAdapter)(update.view({ update.size(0), rows, -1, update.size(2) }), layout).flatten(1, 2);
  }
  keys = norm4(keys + update);
}

at::Tensor
TwoWayLayer::AttendToTokens(const at::Tensor &  queries,
                            const at::Tensor &  tokenPositions,
                            const SliceLayout & layout) const
{
  const auto q = isFirst ? queries : queries + tokenPositions;
  auto       update = selfAttention(q, q, queries);
  if (selfAdapter)
  {
    update = (*selfAdapter)(update, layout);
  }
  return norm1(isFirst ? update : queries + update);
}

at::Tensor
TwoWayLayer::Refine(const at::Tensor & queries, const SliceLayout & layout) const
{
  auto update = mlp(queries);
  if (mlpAdapter)
  {
    update = update + 0.5 * (*mlpAdapter)(queries, layout);
  }
  return norm3(queries + update);
}

TwoWayTransformer::TwoWayTransformer(const Scope & scope, const TwoWayTransformerOptions & options)
  : m_FinalAttention(scope / "final_attn_token_to_image", options.width, options.heads, crossAttentionRate)
  , m_FinalNorm(scope / "norm_final_attn", options.width, layerNormEpsilon)
{
  for (int64_t k = 0; k < options.depth; ++k)
  {
    m_Layers.emplace_back(scope / "layers" / k, options, k == 0);
  }
  if (options.slices > 0)
  {
    m_FinalAdapter.emplace(scope / "Space_Adapter",
                           options.width,
                           options.adapterBottleneck,
                           options.slices,
                           true,
                           options.adaptersStartRandom);
  }
}

std::pair<at::Tensor, at::Tensor>
TwoWayTransformer::operator()(const at::Tensor &  image,
                              const at::Tensor &  positions,
                              const at::Tensor &  tokens,
                              const SliceLayout & layout,
                              const Observer &    observe) const
{
  const auto imagePositions = positions.flatten(2).transpose(1, 2);
  auto       keys = image.flatten(2).transpose(1, 2);
  auto       queries = tokens;
  for (size_t k = 0; k < m_Layers.size(); ++k)
  {
    m_Layers[k](queries, keys, tokens, imagePositions, image.size(2), layout);
    if (observe)
    {
      observe("layer" + std::to_string(k) + "_queries", queries);
      observe("layer" + std::to_string(k) + "_keys", keys);
    }
  }
  auto update = m_FinalAttention(queries + tokens, keys + imagePositions, keys);
  if (m_FinalAdapter)
  {
    update = (*m_FinalAdapter)(update, layout);
  }
  return { m_FinalNorm(queries + update), keys };
}
} // namespace sam
