// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskDecoder.h"

#include "samParallel.h"
#include "samSharedUpscaling.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include <algorithm>

namespace sam
{
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
}

MaskDecoder::Output
MaskDecoder::operator()(const at::Tensor &  image,
                        const at::Tensor &  positions,
                        const at::Tensor &  sparse,
                        const at::Tensor &  dense,
                        const at::Tensor &  classTokens,
                        const at::Tensor &  details,
                        const SliceLayout & layout) const
{
  const int64_t           prompts = dense.size(0);
  std::vector<at::Tensor> outputTokens;
  if (m_Options.hasIouHead)
  {
    outputTokens.push_back(m_IouToken);
  }
  outputTokens.push_back(m_MaskTokens);
  const auto fixedTokens = at::cat(outputTokens, 0);

  std::vector<at::Tensor> tokens{ fixedTokens.unsqueeze(0).expand({ prompts, -1, -1 }), sparse };
  if (m_Options.classes > 0)
  {
    const auto global = m_ClassToken.unsqueeze(0).expand({ prompts, -1, -1 });
    tokens.push_back(classTokens.defined() ? global + classTokens.unsqueeze(1) : global);
  }
  // A map per slice becomes a map per prompt, the queries of a slice side by side.
  const auto repeat = [&layout](const at::Tensor & map) {
    return layout.queries == 1 ? map : map.repeat_interleave(layout.queries, 0);
  };

  const auto [answers, keys] = m_Transformer(repeat(image) + dense, repeat(positions), at::cat(tokens, 1), layout);

  const int64_t first = m_Options.hasIouHead ? 1 : 0;
  auto          fine = at::gelu(m_UpscalingNorm(m_Upscaling1(keys.transpose(1, 2).reshape_as(dense))));
  if (m_Options.upscalingSteps == 2)
  {
    fine = at::gelu(m_Upscaling2(fine));
  }
  Output output;
  output.masks = at::matmul(HyperNetworks(answers.narrow(1, first, m_Options.maskTokens), 0), fine.flatten(2))
                   .view({ prompts, m_Options.maskTokens, fine.size(2), fine.size(3) });
  if (m_Options.detailChannels > 0 && details.defined())
  {
    // One product per slice for all its queries: the fine features are never repeated per prompt.
    const auto detailWeights = m_DetailHyperNetwork(answers.select(1, first))
                                 .view({ layout.batch * layout.slices, layout.queries, m_Options.detailChannels });
    const auto refinement =
      at::matmul(detailWeights, details.flatten(2)).view({ prompts, 1, details.size(2), details.size(3) });
    output.masks = ResizeLinear(output.masks, { details.size(2), details.size(3) }) + refinement;
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

MaskDecoder::Output
MaskDecoder::DecodeOnOneImage(const at::Tensor & image,
                              const at::Tensor & positions,
                              const at::Tensor & sparse,
                              int64_t            first,
                              int64_t            number) const
{
  const at::NoGradGuard noGrad;
  const int64_t         prompts = sparse.size(0);
  const SharedImage     shared(m_Transformer, image[0].flatten(1), positions[0].flatten(1).contiguous());
  const SharedUpscaling upscaling(shared, m_Upscaling1, m_UpscalingNorm, m_Upscaling2, image.size(3));
  const auto            fixedTokens = at::cat({ m_IouToken, m_MaskTokens }, 0).unsqueeze(0);

  Output output;
  output.masks = at::empty({ prompts, number, 4 * image.size(2), 4 * image.size(3) }, image.options());
  output.iou = at::empty({ prompts, number }, image.options());
  // Bounded memory: some prompts at once, as many for each thread.
  const int64_t threads = at::get_num_threads();
  const int64_t group = threads * ((8 + threads - 1) / threads);
  for (int64_t begin = 0; begin < prompts; begin += group)
  {
    const int64_t              count = std::min(group, prompts - begin);
    std::vector<PromptedImage> images;
    const auto tokens = at::cat({ fixedTokens.expand({ count, -1, -1 }), sparse.narrow(0, begin, count) }, 1);
    const auto answers = shared(tokens, 1 + first + number, images);
    const auto weights = HyperNetworks(answers.narrow(1, 1 + first, number), first);
    output.iou.narrow(0, begin, count).copy_(m_IouHead(answers.select(1, 0)).narrow(1, first, number));
    ForEachInParallel(
      count, [&](int64_t p) { upscaling(images[static_cast<size_t>(p)], weights[p], output.masks[begin + p]); });
  }
  return output;
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
