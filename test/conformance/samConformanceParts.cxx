// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformanceParts.h"

#include "samCheckpoint.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

namespace sam
{
ImageEncoderOptions
EncoderOptions(const Recording & recording, const std::string & prefix)
{
  ImageEncoderOptions options;
  const auto          blocks = prefix + "blocks.";
  options.width = recording.Extent(prefix + "patch_embed.proj.weight", 0);
  options.inputChannels = recording.Extent(prefix + "patch_embed.proj.weight", 1);
  options.patch = recording.Extent(prefix + "patch_embed.proj.weight", 2);
  options.depth = recording.Count(blocks, ".norm1.weight");
  options.heads = options.width / recording.Extent(blocks + "0.attn.rel_pos_h", 1);
  options.grid = { recording.Extent(prefix + "pos_embed", 1), recording.Extent(prefix + "pos_embed", 2) };
  options.neck = recording.Extent(prefix + "neck.0.weight", 0);
  // Half a channel more, so that the product of width and ratio is cut off to the recorded number.
  options.mlpRatio =
    (static_cast<double>(recording.Extent(blocks + "0.mlp.lin1.weight", 0)) + 0.5) / static_cast<double>(options.width);
  if (recording.HasEntry("glob") && recording.HasEntry("window"))
  {
    options.globalBlocks = recording.Numbers("glob");
    options.window = recording.Number("window");
    return options;
  }
  for (int64_t k = 0; k < options.depth; ++k)
  {
    const int64_t rows = recording.Extent(blocks + std::to_string(k) + ".attn.rel_pos_h", 0);
    const int64_t columns = recording.Extent(blocks + std::to_string(k) + ".attn.rel_pos_w", 0);
    if (rows == 2 * options.grid[0] - 1 && columns == 2 * options.grid[1] - 1)
    {
      options.globalBlocks.push_back(k);
    }
    else
    {
      options.window = (rows + 1) / 2;
    }
  }
  return options;
}

PromptEncoderOptions
PromptOptions(const Recording & recording, const std::string & prefix)
{
  PromptEncoderOptions options;
  options.width = recording.Extent(prefix + "not_a_point_embed.weight", 1);
  options.maskChannels = recording.Extent(prefix + "mask_downscaling.3.weight", 0);
  return options;
}

TwoWayTransformerOptions
TransformerOptions(const Recording & recording, const std::string & prefix)
{
  TwoWayTransformerOptions options;
  options.width = recording.Extent(prefix + "norm_final_attn.weight", 0);
  options.depth = recording.Count(prefix + "layers.", ".norm1.weight");
  options.heads = recording.Number(recording.HasEntry("dec_heads") ? "dec_heads"
                                   : recording.HasEntry("dheads")  ? "dheads"
                                                                   : "heads");
  options.mlpWidth = recording.Extent(prefix + "layers.0.mlp.lin1.weight", 0);
  if (recording.Has("param/" + prefix + "Space_Adapter.T_fc1.weight"))
  {
    options.slices = recording.Extent(prefix + "Space_Adapter.T_fc1.weight", 1);
    options.adapterBottleneck = recording.Extent(prefix + "Space_Adapter.D_fc1.weight", 0);
  }
  return options;
}

MaskDecoderOptions
DecoderOptions(const Recording & recording, const std::string & prefix)
{
  MaskDecoderOptions options;
  options.transformer = TransformerOptions(recording, prefix + "transformer.");
  options.maskTokens = recording.Extent(prefix + "mask_tokens.weight", 0);
  options.iouHeadDepth = recording.Count(prefix + "iou_prediction_head.layers.", ".weight");
  options.iouHeadWidth = recording.Extent(prefix + "iou_prediction_head.layers.0.weight", 0);
  if (recording.Has("param/" + prefix + "classifier_embed_Adapter.weight"))
  {
    options.classes = recording.Extent(prefix + "classifier_embed_Adapter.weight", 0) - 1;
  }
  if (recording.Has("param/" + prefix + "compress_vit_feat.0.weight"))
  {
    options.earlyChannels = recording.Extent(prefix + "compress_vit_feat.0.weight", 0);
  }
  return options;
}

Plan
RecognizePlan(const Recording & recording)
{
  TensorShapes shapes;
  for (const auto & [name, tensor] : recording.Weights())
  {
    shapes[name] = tensor.sizes().vec();
  }
  return RecognizeCheckpoint(shapes, "parameters").plan;
}

ManualPrompts
ReadPrompts(const Recording &   recording,
            const ImageSize &   size,
            const std::string & points,
            const std::string & labels,
            const std::string & boxes,
            const std::string & masks)
{
  const auto toFractions = [&size](const at::Tensor & pixels) {
    if (!pixels.defined())
    {
      return pixels;
    }
    const auto extent = at::tensor({ size[1], size[0] }, pixels.options());
    return ((pixels.unflatten(-1, { -1, 2 }) + 0.5) / extent).flatten(-2);
  };
  return { toFractions(recording.Find(points)),
           recording.Find(labels),
           toFractions(recording.Find(boxes)),
           recording.Find(masks) };
}
} // namespace sam
