// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskDecoder.h"

#include "samParallel.h"
#include "samSharedUpscaling.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/take_along_dim.h>

#include <algorithm>

namespace sam
{
namespace
{
/** Of the \a candidates P×n×... only the one of best \a quality P×n for each prompt. */
void
KeepBest(at::Tensor & candidates, at::Tensor & quality)
{
  const auto           best = quality.max(1, true);
  std::vector<int64_t> shape(static_cast<size_t>(candidates.dim()), 1);
  shape[0] = candidates.size(0);
  candidates = at::take_along_dim(candidates, std::get<1>(best).view(shape), 1);
  quality = std::get<0>(best);
}
} // namespace

MaskDecoder::MaskDecoder(const Scope & scope, const MaskDecoderOptions & options)
  : m_Options(options)
  , m_Transformer(scope / "transformer", options.transformer)
{
  const int64_t width = options.transformer.width;
  const auto    embedding = Initialization::Normal(1.0);
  if (options.hasIouHead)
  {
    m_IouToken = (scope / "iou_token").Declare("weight", { 1, width }, embedding);
    std::vector<int64_t> widths(static_cast<size_t>(options.iouHeadDepth), options.iouHeadWidth);
    widths.front() = width;
    widths.push_back(options.maskTokens);
    if (options.iouHeadDepth == 1)
    {
      widths = { width, options.maskTokens };
    }
    m_IouHead = Perceptron(scope / "iou_prediction_head", widths);
  }
  m_MaskTokens = (scope / "mask_tokens").Declare("weight", { options.maskTokens, width }, embedding);

  const Scope                upscaling = scope / "output_upscaling";
  const Convolution::Options doubling{ .kernel = { 2, 2 }, .stride = { 2, 2 }, .transposed = true };
  const int64_t              halfWidth = options.upscalingSteps == 1 ? width / 2 : width / 4;
  const int64_t              fineWidth = options.upscalingSteps == 1 ? width / 2 : width / 8;
  m_Upscaling1 = Convolution(upscaling / 0, width, halfWidth, doubling);
  m_UpscalingNorm = ChannelNorm(upscaling / 1, halfWidth);
  if (options.upscalingSteps == 2)
  {
    m_Upscaling2 = Convolution(upscaling / 3, halfWidth, fineWidth, doubling);
  }
  for (int64_t k = 0; k < options.maskTokens; ++k)
  {
    m_HyperNetworks.emplace_back(scope / "output_hypernetworks_mlps" / k,
                                 std::vector<int64_t>{ width, width, width, fineWidth });
  }
  if (options.detailChannels > 0)
  {
    m_DetailHyperNetwork = Perceptron(scope / "detail_hypernetwork_mlp", { width, width, options.detailChannels });
  }
  if (options.classes > 0)
  {
    m_ClassToken = scope.Declare("classifier_token_Adapter", { 1, width }, embedding);
    m_ClassHead = Linear(scope / "classifier_embed_Adapter", width, options.classes + 1);
  }
  if (options.earlyChannels > 0)
  {
    m_HighQuality.emplace(scope, width, options.earlyChannels);
  }
}

MaskDecoder::Output
MaskDecoder::operator()(const at::Tensor &  image,
                        const at::Tensor &  positions,
                        const at::Tensor &  sparse,
                        const at::Tensor &  dense,
                        const at::Tensor &  classTokens,
                        const at::Tensor &  details,
                        const SliceLayout & layout,
                        const Observer &    observe) const
{
  const int64_t           prompts = dense.size(0);
  std::vector<at::Tensor> parts{ FixedTokens().expand({ prompts, -1, -1 }), sparse };
  if (m_Options.classes > 0)
  {
    const auto global = m_ClassToken.unsqueeze(0).expand({ prompts, -1, -1 });
    parts.push_back(classTokens.defined() ? global + classTokens.unsqueeze(1) : global);
  }
  // A map per slice becomes a map per prompt, the queries of a slice side by side.
  const auto repeat = [&layout](const at::Tensor & map) {
    return layout.queries == 1 ? map : map.repeat_interleave(layout.queries, 0);
  };

  const auto tokens = at::cat(parts, 1);
  const auto source = repeat(image) + dense;
  const auto [answers, keys] = m_Transformer(source, repeat(positions), tokens, layout);

  const int64_t first = m_Options.hasIouHead ? 1 : 0;
  auto          fine = at::gelu(m_UpscalingNorm(m_Upscaling1(keys.transpose(1, 2).reshape_as(dense))));
  if (m_Options.upscalingSteps == 2)
  {
    fine = at::gelu(m_Upscaling2(fine));
  }
  if (observe)
  {
    observe("src_in", source);
    observe("src_out", keys);
    observe("tokens_in", tokens);
    observe("hs", answers);
    observe("upscaled_sam", fine);
  }
  Output output;
  output.masks = at::matmul(HyperNetworks(answers.narrow(1, first, m_Options.maskTokens), 0), fine.flatten(2))
                   .view({ prompts, m_Options.maskTokens, fine.size(2), fine.size(3) });
  if (m_Options.detailChannels > 0 && details.defined())
  {
    // One product per slice for all its queries: the fine features are never repeated per prompt.
    const int64_t refined = m_Options.refinesAllTokens ? m_Options.maskTokens : 1;
    const auto    detailWeights = m_DetailHyperNetwork(answers.narrow(1, first, refined))
                                 .view({ layout.batch * layout.slices, -1, m_Options.detailChannels });
    const auto refinement =
      at::matmul(detailWeights, details.flatten(2)).view({ prompts, refined, details.size(2), details.size(3) });
    output.masks = ResizeLinear(output.masks, { details.size(2), details.size(3) }) + refinement;
  }
  if (m_HighQuality)
  {
    const auto mask = (*m_HighQuality)(answers.select(1, first + m_Options.maskTokens), fine, details, observe);
    output.masks = at::cat({ output.masks, mask }, 1);
  }
  if (m_Options.hasIouHead)
  {
    output.iou = m_IouHead(answers.select(1, 0));
  }
  if (m_Options.classes > 0)
  {
    output.classes = m_ClassHead(answers.select(1, answers.size(1) - 1));
  }
  return output;
}

bool
MaskDecoder::CanShareImage() const
{
  return m_Options.transformer.slices == 0 && m_Options.hasIouHead && m_Options.upscalingSteps == 2 &&
         m_Options.classes == 0 && m_Options.detailChannels == 0;
}

at::Tensor
MaskDecoder::FixedTokens() const
{
  std::vector<at::Tensor> tokens;
  if (m_Options.hasIouHead)
  {
    tokens.push_back(m_IouToken);
  }
  tokens.push_back(m_MaskTokens);
  if (m_HighQuality)
  {
    tokens.push_back(m_HighQuality->GetToken());
  }
  return at::cat(tokens, 0).unsqueeze(0);
}

at::Tensor
MaskDecoder::FuseDetails(const at::Tensor & image, const at::Tensor & early, const Observer & observe) const
{
  return m_HighQuality->Fuse(image, early, observe);
}

PromptedMasks
MaskDecoder::Choose(const Output & output, bool multimask, bool hqTokenOnly) const
{
  const int64_t first = multimask ? 1 : 0;
  const int64_t number = multimask ? m_Options.maskTokens - 1 : 1;
  PromptedMasks chosen{ output.masks.narrow(1, first, number), output.iou.narrow(1, first, number) };
  if (m_HighQuality)
  {
    const auto ofHq = output.masks.narrow(1, m_Options.maskTokens, 1);
    KeepBest(chosen.masks, chosen.quality);
    chosen.masks = hqTokenOnly ? ofHq : chosen.masks + ofHq;
  }
  return chosen;
}

PromptedMasks
MaskDecoder::DecodeOnOneImage(const at::Tensor & image,
                              const at::Tensor & positions,
                              const at::Tensor & sparse,
                              const at::Tensor & details,
                              bool               multimask,
                              bool               hqTokenOnly) const
{
  const at::NoGradGuard noGrad;
  const int64_t         prompts = sparse.size(0);
  const int64_t         first = multimask ? 1 : 0;
  const int64_t         number = multimask ? m_Options.maskTokens - 1 : 1;
  const SharedImage     shared(m_Transformer, image[0].flatten(1), positions[0].flatten(1).contiguous());
  const SharedUpscaling upscaling(shared, m_Upscaling1, m_UpscalingNorm, m_Upscaling2, image.size(3));
  const auto            fixedTokens = FixedTokens();
  const int64_t         answerCount = m_HighQuality ? fixedTokens.size(1) : 1 + first + number;

  PromptedMasks chosen;
  const int64_t masks = m_HighQuality ? 1 : number;
  chosen.masks = at::empty({ prompts, masks, 4 * image.size(2), 4 * image.size(3) }, image.options());
  chosen.quality = at::empty({ prompts, masks }, image.options());
  // Bounded memory: some prompts at once, as many for each thread.
  const int64_t threads = at::get_num_threads();
  const int64_t group = threads * ((8 + threads - 1) / threads);
  for (int64_t begin = 0; begin < prompts; begin += group)
  {
    const int64_t              count = std::min(group, prompts - begin);
    std::vector<PromptedImage> images;
    const auto tokens = at::cat({ fixedTokens.expand({ count, -1, -1 }), sparse.narrow(0, begin, count) }, 1);
    const auto answers = shared(tokens, answerCount, images);
    auto       weights = HyperNetworks(answers.narrow(1, 1 + first, number), first);
    auto       quality = m_IouHead(answers.select(1, 0)).narrow(1, first, number);
    if (m_HighQuality)
    {
      KeepBest(weights, quality);
    }
    chosen.quality.narrow(0, begin, count).copy_(quality);
    ForEachInParallel(count, [&](int64_t p) {
      const auto target = chosen.masks[begin + p];
      const auto upscale = [&](const at::Tensor & rows, const at::Tensor & answer) {
        upscaling(images[static_cast<size_t>(p)], rows, answer);
      };
      if (!m_HighQuality)
      {
        upscale(weights[p], target);
        return;
      }
      // Rows of one 1 give the upscaled image tokens themselves, the last row SAM's mask.
      const int64_t channels = weights.size(2);
      const auto    fine = at::empty({ channels + 1, target.size(1), target.size(2) }, target.options());
      upscale(at::cat({ at::eye(channels, weights.options()), weights[p] }), fine);
      const auto ofHq =
        (*m_HighQuality)(answers[p].narrow(0, answerCount - 1, 1), fine.narrow(0, 0, channels).unsqueeze(0), details);
      target.copy_(hqTokenOnly ? ofHq[0] : ofHq[0] + fine.narrow(0, channels, 1));
    });
  }
  return chosen;
}

at::Tensor
MaskDecoder::HyperNetworks(const at::Tensor & answers, int64_t first) const
{
  std::vector<at::Tensor> weights;
  for (int64_t k = 0; k < answers.size(1); ++k)
  {
    weights.push_back(m_HyperNetworks[static_cast<size_t>(first + k)](answers.select(1, k)));
  }
  return at::stack(weights, 1);
}
} // namespace sam
