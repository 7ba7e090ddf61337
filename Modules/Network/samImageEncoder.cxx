// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageEncoder.h"

#include "samError.h"
#include "samRecomputation.h"
#include "samWindows.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
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
                isGlobal ? 0 : options.window,
                options.hasRelativePositions)
    , norm2(scope / "norm2", options.width, 1e-6)
    , mlp(scope / "mlp",
          options.width,
          static_cast<int64_t>(static_cast<double>(options.width) * options.mlpRatio),
          TransformerMlp::Activation::Gelu)
    , padsBeforeNorm(options.padsBeforeNorm && !isGlobal)
    , adaptsInWindows(options.adaptsInWindows && !isGlobal && options.adapterBottleneck > 0)
  {
    if (options.adapterBottleneck > 0)
    {
      const bool isRandom = options.adaptersStartRandom;
      spaceAdapter.emplace(scope / "Space_Adapter", options.width, options.adapterBottleneck, true, isRandom);
      mlpAdapter.emplace(scope / "MLP_Adapter", options.width, options.adapterBottleneck, false, isRandom);
    }
    if (options.lowLevel.bottleneck > 0)
    {
      lowLevelAdapter.emplace(scope / "channel_adapter", options.lowLevel);
    }
  }

  /** \a features are low-level ones, where the block has an adapter for them. \a observe gets space_adapter_out. */
  at::Tensor
  operator()(const at::Tensor &  x,
             const at::Tensor &  features,
             const SliceLayout & layout,
             const Observer &    observe) const
  {
    const auto y = padsBeforeNorm || adaptsInWindows ? x + this->AttendInWindows(x, layout, observe)
                   : spaceAdapter                    ? x + this->Adapt(attention(norm1(x)), layout, observe)
                                                     : attention.Plus(norm1(x), x);
    const auto z = norm2(y);
    auto       answer = mlp.Plus(z, y);
    if (mlpAdapter)
    {
      answer = answer + 0.5 * (*mlpAdapter)(z, layout);
    }
    if (lowLevelAdapter)
    {
      answer = answer + 0.5 * (*lowLevelAdapter)(z, features);
    }
    return answer;
  }

  at::Tensor
  Adapt(const at::Tensor & x, const SliceLayout & layout, const Observer & observe) const
  {
    if (!spaceAdapter)
    {
      return x;
    }
    const auto adapted = (*spaceAdapter)(x, layout);
    if (observe)
    {
      observe("space_adapter_out", adapted);
    }
    return adapted;
  }

  /** Attention and adapter where the windows are cut as the published code does. */
  at::Tensor
  AttendInWindows(const at::Tensor & x, const SliceLayout & layout, const Observer & observe) const
  {
    const int64_t window = attention.GetWindow();
    auto windows = attention(padsBeforeNorm ? norm1(PartitionWindows(x, window)) : PartitionWindows(norm1(x), window));
    if (adaptsInWindows)
    {
      // The leading axis is (batch, slice, window), but is taken as (rest, slice).
      windows = this->Adapt(windows, { windows.size(0) / layout.slices, layout.slices, 1 }, observe);
    }
    const auto slices = UnpartitionWindows(windows, window, x.size(1), x.size(2));
    return adaptsInWindows ? slices : this->Adapt(slices, layout, observe);
  }

  LayerNorm                              norm1;
  RelativeAttention                      attention;
  LayerNorm                              norm2;
  TransformerMlp                         mlp;
  std::optional<DepthConvolutionAdapter> spaceAdapter;
  std::optional<DepthConvolutionAdapter> mlpAdapter;
  std::optional<LowLevelAdapter>         lowLevelAdapter;
  bool                                   padsBeforeNorm;
  bool                                   adaptsInWindows;
};

ImageEncoder::ImageEncoder(const Scope & scope, const ImageEncoderOptions & options)
  : m_Options(options)
  , m_PatchEmbedding(scope / "patch_embed" / "proj",
                     options.inputChannels,
                     options.width,
                     { .kernel = { options.patch, options.patch }, .stride = { options.patch, options.patch } })
{
  if (options.hasAbsolutePositions)
  {
    m_PositionEmbedding =
      scope.Declare("pos_embed", { 1, options.grid[0], options.grid[1], options.width }, Initialization::Normal(0.02));
  }
  if (options.slices > 0)
  {
    m_DepthEmbedding =
      scope.Declare("temporal_embedding", { 1, options.slices, options.width }, Initialization::Constant(0.0));
  }
  m_Options.lowLevel.width = options.width;
  if (options.lowLevel.bottleneck > 0)
  {
    m_LowLevelPrompts.emplace(scope / "l_adapter", options.depth, m_Options.lowLevel);
  }
  const auto & global = options.globalBlocks;
  for (int64_t k = 0; k < options.depth; ++k)
  {
    const bool isGlobal = std::find(global.begin(), global.end(), k) != global.end();
    m_Blocks.emplace_back(scope / "blocks" / k, m_Options, isGlobal);
  }
  m_Neck = EncoderNeck(scope / "neck", options.width, options.neck);
}

ImageEncoder::~ImageEncoder() = default;

at::Tensor
ImageEncoder::GetPositions(int64_t h, int64_t w) const
{
  if (!m_Options.cropsPositions)
  {
    return ResizeLinear(m_PositionEmbedding.permute({ 0, 3, 1, 2 }), { h, w }).permute({ 0, 2, 3, 1 });
  }
  const auto size = [](int64_t rows, int64_t columns) { return std::to_string(rows) + "x" + std::to_string(columns); };
  if (h > m_Options.grid[0] || w > m_Options.grid[1])
  {
    throw Error("the image has " + size(h, w) + " tokens, expected " + size(m_Options.grid[0], m_Options.grid[1]) +
                " at most where positions are cropped");
  }
  return m_PositionEmbedding.narrow(1, 0, h).narrow(2, 0, w);
}

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
  tokens = m_PositionEmbedding.defined() ? tokens + this->GetPositions(h, w) : tokens;
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
  at::Tensor features;
  if (m_LowLevelPrompts)
  {
    features = m_LowLevelPrompts->MakeFeatures(tokens);
    if (observe)
    {
      observe("embedding_feature", features.permute({ 0, 3, 1, 2 }));
    }
  }
  Output output;
  for (size_t k = 0; k < m_Blocks.size(); ++k)
  {
    const auto name = "block" + std::to_string(k);
    if (m_LowLevelPrompts)
    {
      tokens = tokens + (*m_LowLevelPrompts)(k, tokens, features);
      if (observe)
      {
        observe(name + "_in_after_prompt", tokens);
      }
    }
    if (observe)
    {
      tokens = m_Blocks[k](tokens, features, layout, [&](const std::string & part, const at::Tensor & value) {
        observe(name + "_" + part, value);
      });
    }
    else
    {
      const auto & block = m_Blocks[k];
      const auto   run = [&block, layout](const std::vector<at::Tensor> & in) {
        return block(in.front(), in.size() > 1 ? in.back() : at::Tensor(), layout, {});
      };
      tokens = Recompute(run, features.defined() ? std::vector<at::Tensor>{ tokens, features } : std::vector{ tokens });
    }
    if (observe)
    {
      observe(name, tokens);
    }
    if (m_Options.keepsLevels && m_Blocks[k].attention.GetWindow() == 0)
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
