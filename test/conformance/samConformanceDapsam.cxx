// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samConformanceParts.h"
#include "samLowLevelAdapters.h"
#include "samNetwork.h"
#include "samPrototypePrompts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace sam
{
namespace
{
constexpr int64_t batch = 0;

/** What two formulations of the whole network differ by in float32, as large as what each one differs by from float64.
 */
constexpr double networkTolerance = 1e-4;

/** The published behavior of the branches whose parameter \a down is the first layer of a bottleneck. */
LowLevelOptions
PublishedBranches(const Recording & recording, const std::string & down)
{
  LowLevelOptions options;
  options.bottleneck = recording.Extent(down, 0);
  options.width = recording.Extent(down, 1);
  options.startsAtRandom = true;
  options.shufflesTokens = true;
  options.gatesColumns = true;
  return options;
}

at::Tensor
ChannelsLast(const at::Tensor & x)
{
  return x.permute({ 0, 2, 3, 1 });
}

at::Tensor
ChannelsFirst(const at::Tensor & x)
{
  return x.permute({ 0, 3, 1, 2 });
}
} // namespace

void
CheckAttentionFilter(Recording & recording)
{
  for (const std::string name : { "nhwc", "nchw_as_passed" })
  {
    const auto & x = recording.Get("in/" + name);
    recording.Compare("out/" + name, FilterByAttention(x, 3));
    recording.Compare("gate/" + name, GateByAttention(x, 3).transpose(1, 3));
  }
}

void
CheckLowLevelAdapter(Recording & recording)
{
  const auto   adapter = Build<LowLevelAdapter>(recording, "", PublishedBranches(recording, "D_fc1.weight"));
  const auto & tokens = recording.Get("in/x");
  const auto   features = ChannelsLast(recording.Get("in/embedding_feature"));
  recording.Compare("mid/filtered", FilterByAttention(tokens + features, 3));
  recording.Compare("out/no_skip", (*adapter)(tokens, features));
  recording.Compare("out/skip", (*adapter)(tokens, features, true));
}

void
CheckLowLevelPrompts(Recording & recording)
{
  const int64_t depth = recording.Count("lightweight_mlp_", ".0.weight");
  const auto    build = [&](bool isPublished) {
    auto options = PublishedBranches(recording, "lightweight_mlp_0.0.weight");
    options.shufflesTokens = isPublished;
    Parameters      parameters(recording.Weights(), "parameters");
    LowLevelPrompts prompts(Scope(parameters), depth, options);
    parameters.ThrowIfUnused();
    return prompts;
  };
  const auto   prompts = build(true);
  const auto & tokens = recording.Get("in/tokens");
  const auto   features = prompts.MakeFeatures(tokens);
  recording.Compare("mid/scrambled_rows", ShuffleTokens(tokens).flatten(1, 2));
  recording.Compare("out/embedding_feature", ChannelsFirst(features));
  recording.Compare("contrast/embedding_feature_if_not_scrambled", ChannelsFirst(build(false).MakeFeatures(tokens)));
  for (int64_t k = 0; k < depth; ++k)
  {
    const auto   number = std::to_string(k);
    const auto & x = recording.Get("in/feature_" + number);
    recording.Compare("mid/filtered_nchw_" + number, ChannelsFirst(prompts.Filter(x, features)));
    recording.Compare("out/prompt_" + number, prompts(static_cast<size_t>(k), x, features).flatten(1, 2));
  }
}

void
CheckDapsamEncoder(Recording & recording)
{
  auto options = EncoderOptions(recording, "");
  options.lowLevel = PublishedBranches(recording, "l_adapter.lightweight_mlp_0.0.weight");
  const auto encoder = Build<ImageEncoder>(recording, "", options);
  const auto output = (*encoder)(
    recording.Get("in/image").unsqueeze(2), {}, [&recording](const std::string & name, const at::Tensor & value) {
      recording.Compare("mid/" + name, value);
      recording.Compare("mid/" + name + "_out", value);
    });
  recording.Compare("out/image_embeddings", output.embedding.squeeze(2));
}

void
CheckPrototypePrompts(Recording & recording)
{
  const auto &           embedding = recording.Get("in/feature");
  const auto             width = recording.Extent("memory_bank.weight", 1);
  Parameters             parameters(recording.Weights(), "parameters");
  const PrototypePrompts prompts(Scope(parameters), width, { recording.Extent("memory_bank.weight", 0) });
  parameters.ThrowIfUnused();
  const auto found = prompts(embedding, recording.Comparer("mid/"));
  recording.Compare("mid/addressing", found.addresses);
  recording.Compare("mid/cosine_map", found.similarity);
  recording.Compare("out/prompt", found.dense);
  recording.Compare("out/prompt_first_image_alone", prompts(embedding.narrow(batch, 0, 1)).dense);
  recording.Compare("out/dense_pe", prompts.DensePositions({ embedding.size(2), embedding.size(3) }).unsqueeze(0));
  // No tokens go with the map.
  recording.Compare("out/sparse_shape", { 1, 0, width });
}

void
CheckDapsamDecoder(Recording & recording)
{
  const auto    decoder = Build<MaskDecoder>(recording, "", DecoderOptions(recording, ""));
  const auto &  image = recording.Get("in/image_embeddings");
  const int64_t images = image.size(0);
  const auto    output = (*decoder)(image,
                                 recording.Get("in/image_pe").expand({ images, -1, -1, -1 }),
                                 at::zeros({ images, 0, image.size(1) }, image.options()),
                                 recording.Get("in/dense_prompt"),
                                 {},
                                 {},
                                 { images, 1, 1 },
                                 [&recording](const std::string & name, const at::Tensor & value) {
                                   recording.Compare(name == "upscaled_sam" ? "mid/upscaled" : "mid/" + name,
                                                     name == "tokens_in" ? value.narrow(batch, 0, 1) : value);
                                 });
  recording.Compare("out/low_res_masks", output.masks);
  recording.Compare("out/iou", output.iou);
}

void
CheckWholeDapsam(Recording & recording)
{
  Plan plan = RecognizePlan(recording);
  plan.decoderHeads = recording.Number("dheads");
  plan.stem = "none";
  plan.channels.assign(3, ChannelPlan{ "image" });
  const Network network(plan, recording.Weights(), "parameters");
  const auto    compare = [&recording](const std::string & name, const at::Tensor & value) {
    recording.CompareWithin(name, value, std::max(networkTolerance, 2e-5 * value.abs().max().item<double>()));
  };
  const auto encoded = network.Encode(recording.Get("in/image").unsqueeze(2));
  const auto answer =
    network.Decode(encoded, network.GeneratePrompts(encoded), [&](const std::string & name, const at::Tensor & value) {
      compare(name == "decoder/low_res_masks" ? "out/low_res_logits" : "out/iou_predictions", value);
    });
  const auto masks = answer.masks.squeeze(2);
  compare("out/masks", masks);
  compare("out/probability", at::sigmoid(masks));
}

void
CheckStartFromSam(Recording & recording)
{
  Plan plan;
  plan.promptSource = "prototype";
  plan.decoder = "semantic";
  plan.compatibility = Plan::GetCompatibilityWords("prototype");
  Plan checkpoint;
  checkpoint.decoder = "sam";
  for (const auto & name : recording.Outputs("out/"))
  {
    // What does not start from the checkpoint was recorded as zeros.
    const auto & expected = recording.Get("out/" + name);
    const auto   source = recording.Find("in/" + NameInCheckpoint(name, plan, checkpoint));
    const auto   fitted = source.defined() ? FitTensor(name, source, expected.sizes()) : std::nullopt;
    recording.Compare("out/" + name, fitted.value_or(at::zeros(expected.sizes(), expected.options())));
  }
}
} // namespace sam
