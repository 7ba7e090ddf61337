// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageEncoder.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <optional>
#include <string>

namespace sam
{
struct ImageEncoder::Block
{
  Block(const Scope & scope, const ImageEncoderOptions & options, bool isGlobal)
    : norm1(scope / "norm1", options.width, 1e-6)
    , attention(scope / "attn",
                options.width,
                options.heads,
                isGlobal ? options.grid : std::array<int64_t, 2>{ options.window, options.window },
                isGlobal ? 0 : options.window)
    , norm2(scope / "norm2", options.width, 1e-6)
    , mlp(scope / "mlp",
          options.width,
          static_cast<int64_t>(static_cast<double>(options.width) * options.mlpRatio),
          TransformerMlp::Activation::Gelu)
  {
    if (options.adapterBottleneck > 0)
    {
      spaceAdapter.emplace(scope / "Space_Adapter", options.width, options.adapterBottleneck, true);
      mlpAdapter.emplace(scope / "MLP_Adapter", options.width, options.adapterBottleneck, false);
    }
  }

  at::Tensor
  operator()(const at::Tensor & x, const SliceLayout & layout) const
  {
    const auto normalized = norm1(x);
    const auto y = spaceAdapter ? x + (*spaceAdapter)(attention(normalized), layout) : attention.Plus(normalized, x);
    const auto z = norm2(y);
    const auto answer = mlp.Plus(z, y);
    return mlpAdapter ? answer + 0.5 * (*mlpAdapter)(z, layout) : answer;
  }

  LayerNorm                              norm1;
  RelativeAttention                      attention;
  LayerNorm                              norm2;
  TransformerMlp                         mlp;
  std::optional<DepthConvolutionAdapter> spaceAdapter;
  std::optional<DepthConvolutionAdapter> mlpAdapter;
};

ImageEncoder::ImageEncoder(const Scope & scope, const ImageEncoderOptions & options)
  : m_Options(options)
  , m_PatchEmbedding(scope / "patch_embed" / "proj",
                     options.inputChannels,
                     options.width,
                     { .kernel = { options.patch, options.patch }, .stride = { options.patch, options.patch } })
  , m_PositionEmbedding(
      scope.Declare("pos_embed", { 1, options.grid[0], options.grid[1], options.width }, Initialization::Normal(0.02)))
{
  if (options.slices > 0)
  {
    m_DepthEmbedding =
      scope.Declare("temporal_embedding", { 1, options.slices, options.width }, Initialization::Constant(0.0));
  }
  const auto & global = options.globalBlocks;
  for (int64_t k = 0; k < options.depth; ++k)
  {
    const bool isGlobal = std::find(global.begin(), global.end(), k) != global.end();
    m_Blocks.emplace_back(scope / "blocks" / k, options, isGlobal);
  }
  m_Neck = EncoderNeck(scope / "neck", options.width, options.neck);
}

ImageEncoder::~ImageEncoder() = default;

ImageEncoder::Output
ImageEncoder::operator()(const at::Tensor & x, const ProgressFunction & progress, const Observer & observe) const
{
  const SliceLayout layout{ x.size(0), x.size(2), 1 };
  auto              tokens = m_PatchEmbedding(x.transpose(1, 2).flatten(0, 1)).permute({ 0, 2, 3, 1 });
  const int64_t     h = tokens.size(1);
  const int64_t     w = tokens.size(2);
  tokens = tokens.contiguous();
  if (observe)
  {
    observe("patch_embed", tokens);
  }
  tokens = tokens + ResizeLinear(m_PositionEmbedding.permute({ 0, 3, 1, 2 }), { h, w }).permute({ 0, 2, 3, 1 });
  if (m_DepthEmbedding.defined())
  {
    const auto depth = ResizeLinear(m_DepthEmbedding.transpose(1, 2), { layout.slices }).transpose(1, 2);
    tokens = (tokens.view({ layout.batch, layout.slices, h, w, m_Options.width }) +
              depth.view({ 1, layout.slices, 1, 1, m_Options.width }))
               .flatten(0, 1);
  }
  const auto unfold = [&layout](const at::Tensor & map) {
    return map.view({ layout.batch, layout.slices, map.size(1), map.size(2), map.size(3) }).transpose(1, 2);
  };
  if (observe)
  {
    observe("after_pos_and_depth_embed", tokens);
  }
  Output output;
  for (size_t k = 0; k < m_Blocks.size(); ++k)
  {
    tokens = m_Blocks[k](tokens, layout);
    if (observe)
    {
      observe("block" + std::to_string(k), tokens);
    }
    if (m_Options.keepsLevels && m_Options.keepsLevels && m_Blocks[k].attention.GetWindow() == 0)
    {
      output.levels.push_back(unfold(tokens.permute({ 0, 3, 1, 2 })));
    }
    if (progress)
    {
      progress(static_cast<double>(k + 1) / static_cast<double>(m_Blocks.size()));
    }
  }
  output.embedding = unfold(m_Neck(tokens.permute({ 0, 3, 1, 2 })));
  return output;
}
} // namespace sam
