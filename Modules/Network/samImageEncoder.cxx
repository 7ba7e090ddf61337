// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageEncoder.h"

#include "samWindows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>

namespace sam
{
namespace
{
/** Largest number of scores that one step of the attention holds: 64 MiB of float32. */
constexpr int64_t maximumScores = int64_t{ 1 } << 24;
} // namespace

at::Tensor
RelativePositions(int64_t queries, int64_t keys, const at::Tensor & table)
{
  const int64_t length = 2 * std::max(queries, keys) - 1;
  const auto    fitted = ResizeLinear(table.t().unsqueeze(0), { length }).squeeze(0).t();
  const auto    options = at::TensorOptions().dtype(at::kLong).device(table.device());
  const double  queryScale = std::max(static_cast<double>(keys) / queries, 1.0);
  const double  keyScale = std::max(static_cast<double>(queries) / keys, 1.0);
  // Promoted to float32, as in the published code: its rounding decides between two rows of the table.
  const auto differences = at::arange(queries, options).unsqueeze(1) * queryScale -
                           at::arange(keys, options).unsqueeze(0) * keyScale + (keys - 1) * keyScale;
  return fitted.index_select(0, differences.to(at::kLong).flatten()).view({ queries, keys, table.size(1) });
}

RelativeAttention::RelativeAttention(const Scope &                  scope,
                                     int64_t                        width,
                                     int64_t                        heads,
                                     const std::array<int64_t, 2> & tableGrid)
  : m_QueryKeyValue(scope / "qkv", width, 3 * width)
  , m_Projection(scope / "proj", width, width)
  , m_RowTable(scope.Declare("rel_pos_h", { 2 * tableGrid[0] - 1, width / heads }, Initialization::Constant(0.0)))
  , m_ColumnTable(scope.Declare("rel_pos_w", { 2 * tableGrid[1] - 1, width / heads }, Initialization::Constant(0.0)))
  , m_Heads(heads)
{}

at::Tensor
RelativeAttention::operator()(const at::Tensor & x) const
{
  const int64_t batch = x.size(0);
  const int64_t h = x.size(1);
  const int64_t w = x.size(2);
  const int64_t headWidth = x.size(3) / m_Heads;
  // 3×(B·heads)×(h·w)×headWidth
  const auto parts = m_QueryKeyValue(x)
                       .reshape({ batch, h * w, 3, m_Heads, headWidth })
                       .permute({ 2, 0, 3, 1, 4 })
                       .reshape({ 3, batch * m_Heads, h * w, headWidth });
  const auto query = parts.select(0, 0).view({ batch * m_Heads, h, w, headWidth });
  const auto key = (parts.select(0, 1) * (1.0 / std::sqrt(static_cast<double>(headWidth)))).transpose(1, 2);
  const auto value = parts.select(0, 2);

  // The relative terms use the query as it is, without the scale of the dot product.
  const auto rowPositions = RelativePositions(h, h, m_RowTable).transpose(1, 2);       // h×C×h
  const auto columnPositions = RelativePositions(w, w, m_ColumnTable).transpose(1, 2); // w×C×w

  const int64_t           scoresPerRow = batch * m_Heads * w * h * w;
  const int64_t           step = std::clamp(maximumScores / scoresPerRow, int64_t{ 1 }, h);
  std::vector<at::Tensor> outputs;
  for (int64_t row = 0; row < h; row += step)
  {
    const int64_t rows = std::min(step, h - row);
    const auto    q = query.narrow(1, row, rows);
    const auto    rowTerm = at::matmul(q, rowPositions.narrow(0, row, rows));
    const auto    columnTerm = at::matmul(q.transpose(1, 2), columnPositions).transpose(1, 2);
    auto          scores =
      at::matmul(q.reshape({ batch * m_Heads, rows * w, headWidth }), key).view({ batch * m_Heads, rows, w, h, w });
    scores = scores + rowTerm.unsqueeze(4) + columnTerm.unsqueeze(3);
    outputs.push_back(at::matmul(at::softmax(scores.view({ batch * m_Heads, rows * w, h * w }), -1), value));
  }
  const auto attended = outputs.size() == 1 ? outputs.front() : at::cat(outputs, 1);
  return m_Projection(
    attended.view({ batch, m_Heads, h, w, headWidth }).permute({ 0, 2, 3, 1, 4 }).reshape({ batch, h, w, -1 }));
}

struct ImageEncoder::Block
{
  Block(const Scope & scope, const ImageEncoderOptions & options, bool isGlobal)
    : norm1(scope / "norm1", options.width, 1e-6)
    , attention(scope / "attn",
                options.width,
                options.heads,
                isGlobal ? options.grid : std::array<int64_t, 2>{ options.window, options.window })
    , norm2(scope / "norm2", options.width, 1e-6)
    , mlp(scope / "mlp",
          options.width,
          static_cast<int64_t>(static_cast<double>(options.width) * options.mlpRatio),
          TransformerMlp::Activation::Gelu)
    , window(isGlobal ? 0 : options.window)
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
    auto       attended =
      window > 0 ? UnpartitionWindows(attention(PartitionWindows(normalized, window)), window, x.size(1), x.size(2))
                       : attention(normalized);
    if (spaceAdapter)
    {
      attended = (*spaceAdapter)(attended, layout);
    }
    const auto y = x + attended;
    const auto z = norm2(y);
    return mlpAdapter ? y + mlp(z) + 0.5 * (*mlpAdapter)(z, layout) : y + mlp(z);
  }

  LayerNorm                              norm1;
  RelativeAttention                      attention;
  LayerNorm                              norm2;
  TransformerMlp                         mlp;
  std::optional<DepthConvolutionAdapter> spaceAdapter;
  std::optional<DepthConvolutionAdapter> mlpAdapter;
  int64_t                                window;
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
    if (m_Options.keepsLevels && m_Blocks[k].window == 0)
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
