// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samConformanceParts.h"
#include "samMatchingLoss.h"

#include <ATen/TensorOperators.h>

namespace sam
{
void
CheckHqDecoder(Recording & recording)
{
  const auto   decoder = Build<MaskDecoder>(recording, "", DecoderOptions(recording, ""));
  const auto & image = recording.Get("in/image_embeddings");
  const auto & dense = recording.Get("in/dense");
  const auto   observe = recording.Comparer("mid/");
  const auto   details = decoder->FuseDetails(image, recording.Get("in/interm_0").permute({ 0, 3, 1, 2 }), observe);
  recording.Compare("mid/hq_features", details);
  const SliceLayout layout{ image.size(0), 1, dense.size(0) / image.size(0) };
  const auto        output =
    (*decoder)(image, recording.Get("in/image_pe"), recording.Get("in/sparse"), dense, {}, details, layout, observe);
  recording.Compare("mid/all_masks", output.masks);
  recording.Compare("mid/all_iou", output.iou);
  for (const bool multimask : { false, true })
  {
    for (const bool hqTokenOnly : { false, true })
    {
      const auto chosen = decoder->Choose(output, multimask, hqTokenOnly);
      const auto name = std::string("_multimask") + (multimask ? "1" : "0") + "_hqonly" + (hqTokenOnly ? "1" : "0");
      recording.Compare("out/masks" + name, chosen.masks);
      recording.Compare("out/iou" + name, chosen.quality);
    }
  }
}

void
CheckHqEncoder(Recording & recording)
{
  const auto encoder = Build<ImageEncoder>(recording, "", EncoderOptions(recording, ""));
  const auto output = (*encoder)(recording.Get("in/image").unsqueeze(2));
  recording.Compare("out/image_embeddings", output.embedding.squeeze(2));
  for (size_t k = 0; k < output.levels.size(); ++k)
  {
    recording.Compare("out/interm_" + std::to_string(k), output.levels[k].squeeze(2).permute({ 0, 2, 3, 1 }));
  }
}

void
CheckHqPrompts(Recording & recording)
{
  const auto                   encoder = Build<PromptEncoder>(recording, "", PromptOptions(recording, ""));
  const int64_t                side = recording.Number("img");
  const std::array<int64_t, 2> grid{ recording.Number("G"), recording.Number("G") };
  const auto prompts = ReadPrompts(recording, { side, side }, "in/points", "in/labels", "in/boxes", "in/masks");
  const auto encoded = encoder->Encode(prompts, grid);
  recording.Compare("out/sparse", encoded.sparse);
  recording.Compare("out/dense", encoded.dense);
  recording.Compare("out/dense_pe", encoder->DensePositions(1, grid).transpose(0, 1));
}

void
CheckHqLosses(Recording & recording)
{
  const auto & points = recording.Get("in/point_coords");
  const auto   logits = SamplePoints(recording.Get("in/logits"), points).squeeze(1);
  const auto   truth = SamplePoints(recording.Get("in/target"), points).squeeze(1);
  const auto   losses = CompareSampled(logits, truth);
  const auto   masks = static_cast<double>(points.size(0));
  recording.Compare("mid/point_logits", logits);
  recording.Compare("mid/point_labels", truth);
  recording.Compare("out/loss_mask", (losses.crossEntropy / masks).view({ 1 }));
  recording.Compare("out/loss_dice", (losses.dice / masks).view({ 1 }));
}
} // namespace sam
