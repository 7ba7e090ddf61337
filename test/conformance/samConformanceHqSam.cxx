// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samConformanceParts.h"
#include "samMatchingLoss.h"
#include "samNetwork.h"
#include "samSliceTransform.h"

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

void
CheckWholeHq(Recording & recording)
{
  const Network        network(RecognizePlan(recording), recording.Weights(), "parameters");
  const auto           bytes = recording.Get("in/image").cpu().permute({ 2, 0, 1 }).contiguous();
  const SliceTransform transform(network.GetPlan(), { bytes.size(1), bytes.size(2) });
  const auto           encoded = network.Encode(transform.PrepareImage(bytes).to(network.GetDevice()));
  recording.Compare("out/embedding", encoded.embedding.squeeze(2));
  const auto points = [&](const at::Tensor & pixels) {
    return transform.PreparePoints(pixels.cpu()).to(network.GetDevice());
  };
  // As an embedding image carries it.
  const auto carried = network.Unpack(network.Pack(encoded));
  for (const std::string given : { "points", "box", "points_box", "points_mask" })
  {
    const auto    has = [&given](const char * word) { return given.find(word) != std::string::npos; };
    ManualPrompts prompts;
    if (has("points"))
    {
      prompts.points = points(recording.Get("in/points")).unsqueeze(0);
      prompts.labels = recording.Get("in/labels").unsqueeze(0);
    }
    if (has("box"))
    {
      prompts.boxes = points(recording.Get("in/box").view({ 2, 2 })).view({ 1, 4 });
    }
    if (has("mask"))
    {
      prompts.masks = recording.Get("in/mask").unsqueeze(0);
    }
    for (const bool multimask : { false, true })
    {
      for (const bool hqTokenOnly : { false, true })
      {
        const auto answer = network.Decode(carried, prompts, multimask, hqTokenOnly);
        const auto name =
          "out/" + given + (multimask ? "/multimask1" : "/multimask0") + (hqTokenOnly ? "_hqonly1/" : "_hqonly0/");
        recording.Compare(name + "low_res", answer.masks.squeeze(0));
        recording.Compare(name + "iou", answer.quality.squeeze(0));
        recording.Compare(name + "logits", transform.RestoreMasks(answer.masks).squeeze(0));
      }
    }
  }
}
} // namespace sam
