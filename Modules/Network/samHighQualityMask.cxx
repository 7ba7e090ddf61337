// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samHighQualityMask.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/col2im.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>

namespace sam
{
namespace
{
const Convolution::Options doubling{ .kernel = { 2, 2 }, .stride = { 2, 2 }, .transposed = true };
const Convolution::Options smoothing{ .kernel = { 3, 3 }, .stride = {}, .padded = true };
} // namespace

HighQualityMask::ConvolutionPair::ConvolutionPair(const Scope &                  scope,
                                                  const std::array<int64_t, 3> & widths,
                                                  const Convolution::Options &   options)
  : first(scope / 0, widths[0], widths[1], options)
  , norm(scope / 1, widths[1])
  , second(scope / 3, widths[1], widths[2], options)
{}

at::Tensor
HighQualityMask::ConvolutionPair::Hidden(const at::Tensor & x) const
{
  return at::gelu(norm(first(x)));
}

HighQualityMask::HighQualityMask(const Scope & scope, int64_t width, int64_t earlyChannels)
  : m_Token((scope / "hf_token").Declare("weight", { 1, width }, Initialization::Normal(1.0)))
  , m_HyperNetwork(scope / "hf_mlp", { width, width, width, width / 8 })
  , m_Early(scope / "compress_vit_feat", { earlyChannels, width, width / 8 }, doubling)
  , m_Embedding(scope / "embedding_encoder", { width, width / 4, width / 8 }, doubling)
  , m_Upscaled(scope / "embedding_maskfeature", { width / 8, width / 4, width / 8 }, smoothing)
{}

at::Tensor
HighQualityMask::Fuse(const at::Tensor & embedding, const at::Tensor & early, const Observer & observe) const
{
  const auto fromEmbedding = m_Embedding.second(m_Embedding.Hidden(embedding));
  const auto fromEarly = m_Early.second(m_Early.Hidden(early));
  if (observe)
  {
    observe("embedding_encoder", fromEmbedding);
    observe("compress_vit_feat", fromEarly);
  }
  return fromEmbedding + fromEarly;
}

at::Tensor
HighQualityMask::operator()(const at::Tensor & answers,
                            const at::Tensor & upscaled,
                            const at::Tensor & shared,
                            const Observer &   observe) const
{
  const int64_t prompts = answers.size(0);
  const int64_t height = upscaled.size(2);
  const int64_t width = upscaled.size(3);
  const auto    weights = m_HyperNetwork(answers); // P×c
  const auto    hidden = m_Upscaled.Hidden(upscaled);
  if (observe)
  {
    observe("hq_hyper", weights);
    observe("mask_feature", m_Upscaled.second(hidden));
  }
  const auto ofShared = at::matmul(weights.view({ shared.size(0), -1, weights.size(1) }), shared.flatten(2));

  // The second convolution and the product with the weights behind it are one convolution to a single channel, which is
  // a product for each place of its kernel, added up with the place's shift.
  const auto & kernel = m_Upscaled.second.GetWeight(); // c×2c×3×3
  const auto   places = at::matmul(weights, kernel.flip({ 2, 3 }).flatten(1)).view({ prompts, kernel.size(1), -1 });
  const auto   products = at::matmul(places.transpose(1, 2), hidden.flatten(2)); // P×9×(H·W)
  const auto   ofPrompt = at::col2im(
    products, { height, width }, { kernel.size(2), kernel.size(3) }, { 1, 1 }, { 1, 1 }, { 1, 1 }); // P×1×H×W
  const auto constant = at::matmul(weights, m_Upscaled.second.GetBias()).view({ prompts, 1, 1, 1 });
  return ofPrompt + ofShared.reshape_as(ofPrompt) + constant;
}
} // namespace sam
