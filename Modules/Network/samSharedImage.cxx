// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSharedImage.h"

#include "samParallel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mv.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/zeros.h>

#include <cmath>

namespace sam
{
namespace
{
at::Tensor
Center(const at::Tensor & x, int64_t axis)
{
  return x - x.mean(axis, true);
}

/** ...×n×(H·d) into ...×H×n×d. */
at::Tensor
SplitHeads(const at::Tensor & x, int64_t heads)
{
  return x.unflatten(-1, { heads, -1 }).transpose(-3, -2).contiguous();
}

/** Queries or keys of tokens, scaled for the softmax. */
at::Tensor
ScaledHeads(const Linear & linear, const at::Tensor & tokens, int64_t heads)
{
  const auto split = SplitHeads(linear(tokens), heads);
  return split / std::sqrt(static_cast<double>(split.size(-1)));
}
} // namespace

SharedImage::SharedImage(const TwoWayTransformer & transformer, const at::Tensor & image, const at::Tensor & positions)
  : m_Transformer(&transformer)
  , m_Image(image)
  , m_Shift(at::zeros({ image.size(0) }, image.options()))
{
  std::vector<at::Tensor> outputs;
  for (const auto & layer : transformer.GetLayers())
  {
    m_TokenToImage.push_back(Share(layer.tokenToImage, positions));

    const auto &  output = layer.imageToToken.GetOutput();
    const int64_t heads = layer.imageToToken.GetHeads();
    ImageToToken  shared;
    shared.query = Project(layer.imageToToken.GetQuery(), positions, heads);
    // An image token's weights sum to one in each head, so that the heads can carry bias and shift.
    const auto constant = (output.GetBias() + m_Shift) / heads;
    shared.output =
      at::cat({ output.GetWeight().t().unflatten(0, { heads, -1 }), constant.expand({ heads, 1, -1 }) }, 1);
    outputs.push_back(shared.output);

    m_Image = Center(m_Image, 0);
    shared.squaredNorm = (m_Image * m_Image).sum(0);
    shared.norm = &layer.norm4;
    for (auto & centered : outputs)
    {
      centered = Center(centered, -1);
      shared.outputsOfImage.push_back(at::matmul(centered, m_Image));
      centered = centered * layer.norm4.GetWeight();
    }
    m_Image = m_Image * layer.norm4.GetWeight().unsqueeze(1);
    m_Shift = layer.norm4.GetBias();
    m_ImageToToken.push_back(std::move(shared));
  }
  m_TokenToImage.push_back(Share(transformer.GetFinalAttention(), positions));
}

SharedImage::Projection
SharedImage::Project(const Linear & linear, const at::Tensor & positions, int64_t heads) const
{
  const auto & weight = linear.GetWeight();
  const auto   bias = (at::mv(weight, m_Shift) + linear.GetBias()).unsqueeze(1);
  const auto   byHead = [heads](const at::Tensor & x) { return x.unflatten(0, { heads, -1 }); };
  if (m_ImageToToken.empty())
  {
    return { weight, byHead(at::mm(weight, m_Image + positions) + bias), {} };
  }
  return { weight, byHead(at::mm(weight, m_Image)), byHead(at::mm(weight, positions) + bias) };
}

SharedImage::TokenToImage
SharedImage::Share(const DownscalingAttention & attention, const at::Tensor & positions) const
{
  const int64_t heads = attention.GetHeads();
  const auto &  value = attention.GetValue();
  return { &attention,
           Project(attention.GetKey(), positions, heads),
           at::mm(value.GetWeight(), m_Image).unflatten(0, { heads, -1 }),
           at::mv(value.GetWeight(), m_Shift) + value.GetBias() };
}

at::Tensor
SharedImage::operator()(const at::Tensor & tokens, int64_t answers, std::vector<PromptedImage> & images) const
{
  const auto &      layers = m_Transformer->GetLayers();
  const int64_t     prompts = tokens.size(0);
  const SliceLayout layout{ 1, 1, prompts };
  auto              queries = tokens;
  at::Tensor        keys;
  at::Tensor        values;
  images.assign(static_cast<size_t>(prompts), {});
  for (size_t k = 0; k <= layers.size(); ++k)
  {
    const bool isFinal = k == layers.size();
    queries = isFinal ? queries.narrow(1, 0, answers) : layers[k].AttendToTokens(queries, tokens, layout);

    // The image tokens attend to the layer before only now, when these queries are known: one pass for each prompt.
    const auto & shared = m_TokenToImage[k];
    const auto   positions = tokens.narrow(1, 0, queries.size(1));
    const auto   heads = ScaledHeads(shared.attention->GetQuery(), queries + positions, shared.attention->GetHeads());
    const auto   attended = at::empty({ prompts, queries.size(1), shared.valueBias.size(0) }, tokens.options());
    ForEachInParallel(prompts, [&](int64_t p) {
      auto & image = images[static_cast<size_t>(p)];
      if (k == 0)
      {
        image = Start(tokens.size(1));
      }
      else
      {
        Update(m_ImageToToken[k - 1], keys[p], values[p], image);
      }
      attended[p].copy_(Attend(shared, heads[p], image));
    });
    const auto & norm = isFinal ? m_Transformer->GetFinalNorm() : layers[k].norm2;
    queries = norm(queries + shared.attention->GetOutput()(attended));
    if (!isFinal)
    {
      queries = layers[k].Refine(queries, layout);
      const auto & attention = layers[k].imageToToken;
      keys = ScaledHeads(attention.GetKey(), queries + tokens, attention.GetHeads());
      values = SplitHeads(attention.GetValue()(queries), attention.GetHeads());
      values = at::cat({ values, at::ones({ prompts, values.size(1), values.size(2), 1 }, values.options()) }, -1);
    }
  }
  return queries;
}

PromptedImage
SharedImage::Start(int64_t tokens) const
{
  int64_t rank = 0;
  for (const auto & layer : m_ImageToToken)
  {
    rank += layer.output.size(0) * tokens;
  }
  const auto options = m_Image.options();
  return { at::ones({ m_Image.size(1) }, options),
           at::empty({ rank, m_Image.size(1) }, options),
           at::empty({ 0, m_Image.size(0) }, options),
           {} };
}

at::Tensor
SharedImage::Multiply(const Projection & projection, const at::Tensor & tokens, const PromptedImage & image)
{
  const auto products = at::bmm(tokens, projection.image);
  if (!projection.positions.defined())
  {
    return products;
  }
  const auto basis = SplitHeads(at::mm(image.basis, projection.weight.t()), tokens.size(0));
  const auto factors = at::bmm(tokens, basis.transpose(1, 2)).flatten(0, 1);
  products.flatten(0, 1).addmm_(factors, image.weights.narrow(0, 0, image.basis.size(0)));
  return at::bmm(tokens, projection.positions).addcmul_(products, image.scale);
}

at::Tensor
SharedImage::Attend(const TokenToImage & shared, const at::Tensor & queries, const PromptedImage & image)
{
  const int64_t heads = queries.size(0);
  const auto    weights = at::softmax(Multiply(shared.key, queries, image), 2).mul_(image.scale);
  const auto    factors = at::mm(weights.flatten(0, 1), image.weights.narrow(0, 0, image.basis.size(0)).t());
  const auto    basis = SplitHeads(at::mm(image.basis, shared.attention->GetValue().GetWeight().t()), heads);
  const auto    attended =
    at::bmm(weights, shared.value.transpose(1, 2)).baddbmm_(factors.unflatten(0, { heads, -1 }), basis);
  return attended.transpose(0, 1).flatten(1) + shared.valueBias;
}

void
SharedImage::Update(const ImageToToken & shared,
                    const at::Tensor &   keys,
                    const at::Tensor &   values,
                    PromptedImage &      image)
{
  const int64_t before = image.basis.size(0);
  const int64_t added = keys.size(0) * keys.size(1);
  auto          newWeights = image.weights.narrow(0, before, added);
  at::div_out(newWeights, at::softmax(Multiply(shared.query, keys, image), 1).flatten(0, 1), image.scale);
  image.values.push_back(values);
  image.basis = Center(at::cat({ image.basis, at::bmm(values, shared.output).flatten(0, 1) }, 0), 1);

  // The squared norm of image + basisᵀ·weights, layer by layer with those after it.
  const auto products = 2.0 * at::mm(image.basis, image.basis.t());
  auto       norm = shared.squaredNorm.clone();
  int64_t    first = 0;
  for (size_t k = 0; k < image.values.size(); ++k, first += added)
  {
    const int64_t rest = before + added - first;
    const auto    withRest = products.narrow(0, first, added).narrow(1, first, rest);
    withRest.narrow(1, 0, added).mul_(0.5);
    const auto weights = image.weights.narrow(0, first, rest);
    const auto part = at::bmm(image.values[k], shared.outputsOfImage[k]).flatten(0, 1).addmm_(withRest, weights, 2);
    norm += part.mul_(weights.narrow(0, 0, added)).sum(0);
  }
  const auto variance = norm.clamp_min_(0).mul_(image.scale).mul_(image.scale).div_(image.basis.size(1));
  image.scale = variance.add_(shared.norm->GetEpsilon()).rsqrt_().mul_(image.scale);
  image.basis.mul_(shared.norm->GetWeight());
}
} // namespace sam
