// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPromptEncoder.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace sam
{
PromptEncoder::PromptEncoder(const Scope & scope, const PromptEncoderOptions & options)
{
  const int64_t width = options.width;
  const auto    embedding = Initialization::Normal(1.0);
  m_Positions = PositionEncoding(scope / "pe_layer", width);
  for (int64_t k = 0; k < 4; ++k)
  {
    m_PointEmbeddings.push_back((scope / "point_embeddings" / k).Declare("weight", { 1, width }, embedding));
  }
  m_NotAPoint = (scope / "not_a_point_embed").Declare("weight", { 1, width }, embedding);
  m_NoMask = (scope / "no_mask_embed").Declare("weight", { 1, width }, embedding);
  const Scope   masks = scope / "mask_downscaling";
  const int64_t channels = options.maskChannels;
  m_MaskConvolution1 = Convolution(masks / 0, 1, channels / 4, { .kernel = { 2, 2 }, .stride = { 2, 2 } });
  m_MaskNorm1 = ChannelNorm(masks / 1, channels / 4);
  m_MaskConvolution2 = Convolution(masks / 3, channels / 4, channels, { .kernel = { 2, 2 }, .stride = { 2, 2 } });
  m_MaskNorm2 = ChannelNorm(masks / 4, channels);
  m_MaskConvolution3 = Convolution(masks / 6, channels, width, { .kernel = { 1, 1 }, .stride = {} });
  if (options.slices > 0)
  {
    m_DepthEmbedding = scope.Declare(
      "temporal_embedding", { options.slices, width, options.grid[0], options.grid[1] }, Initialization::Constant(0.0));
  }
}

at::Tensor
PromptEncoder::EncodePoints(const at::Tensor & points, const at::Tensor & labels) const
{
  const auto kind = labels.unsqueeze(-1);
  const auto positions = m_Positions(points);
  const auto nothing = at::zeros_like(positions);
  return at::where(kind == -1, nothing, positions) + at::where(kind == -1, m_NotAPoint, nothing) +
         at::where(kind == 0, m_PointEmbeddings[0], nothing) + at::where(kind == 1, m_PointEmbeddings[1], nothing);
}

at::Tensor
PromptEncoder::EncodeBoxes(const at::Tensor & boxes) const
{
  return m_Positions(boxes.reshape({ -1, 2, 2 })) + at::cat({ m_PointEmbeddings[2], m_PointEmbeddings[3] }, 0);
}

at::Tensor
PromptEncoder::EncodeMasks(const at::Tensor & masks) const
{
  const auto half = at::gelu(m_MaskNorm1(m_MaskConvolution1(masks)));
  return m_MaskConvolution3(at::gelu(m_MaskNorm2(m_MaskConvolution2(half))));
}

at::Tensor
PromptEncoder::EncodeNoMask(int64_t count, const std::array<int64_t, 2> & grid) const
{
  return m_NoMask.view({ 1, -1, 1, 1 }).expand({ count, -1, grid[0], grid[1] });
}

PromptEncoder::Output
PromptEncoder::Encode(const ManualPrompts & prompts, const std::array<int64_t, 2> & grid) const
{
  int64_t                 count = 1;
  std::vector<at::Tensor> sparse;
  if (prompts.points.defined())
  {
    count = prompts.points.size(0);
    auto points = prompts.points;
    auto labels = prompts.labels;
    if (!prompts.boxes.defined())
    {
      points = at::cat({ points, at::zeros({ count, 1, 2 }, points.options()) }, 1);
      labels = at::cat({ labels, at::full({ count, 1 }, -1, labels.options()) }, 1);
    }
    sparse.push_back(this->EncodePoints(points, labels));
  }
  if (prompts.boxes.defined())
  {
    count = prompts.boxes.size(0);
    sparse.push_back(this->EncodeBoxes(prompts.boxes));
  }
  if (prompts.masks.defined())
  {
    count = prompts.masks.size(0);
  }
  return { sparse.empty() ? at::zeros({ count, 0, m_NoMask.size(1) }, m_NoMask.options()) : at::cat(sparse, 1),
           prompts.masks.defined() ? this->EncodeMasks(prompts.masks) : this->EncodeNoMask(count, grid) };
}

at::Tensor
PromptEncoder::DensePositions(int64_t                        slices,
                              const std::array<int64_t, 2> & grid,
                              const std::array<int64_t, 2> & frame) const
{
  const auto positions = m_Positions.OfGrid(grid, frame).unsqueeze(1);
  if (!m_DepthEmbedding.defined())
  {
    return positions.expand({ -1, slices, -1, -1 });
  }
  const auto depth = ResizeLinear(m_DepthEmbedding.transpose(0, 1).unsqueeze(0), { slices, grid[0], grid[1] });
  return positions + depth.squeeze(0);
}
} // namespace sam
