// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samError.h"
#include "samNetwork.h"
#include "samPublishedMaskSam.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

namespace sam
{
namespace
{
/** What two formulations of a gradient differ by in float32, relative to its own norm and to the largest one of all
 * tensors: biases in front of a normalization have none but rounding. */
constexpr double gradientTolerance = 1e-4;
constexpr double gradientRounding = 1e-6;

/** The published networks with the sizes of a recording. */
Plan
ReadPlan(const Recording & recording)
{
  const bool isAcdc = recording.Text("kind") == "acdc";
  Plan       plan = PublishedMaskSamPlan(isAcdc ? "masksam_acdc_published" : "masksam_amos_published");
  plan.encoder = "vit";
  plan.width = recording.Number("embed");
  plan.depth = recording.Number("depth");
  plan.heads = recording.Number("heads");
  plan.attentionWindow = recording.Number("window");
  plan.globalBlocks = recording.Numbers("glob");
  // Half a channel more, so that the product of width and ratio is cut off to the recorded number.
  plan.mlpRatio = (static_cast<double>(recording.Extent("sam_model.image_encoder.blocks.0.mlp.lin1.weight", 0)) + 0.5) /
                  static_cast<double>(plan.width);
  plan.grid = { recording.Extent("sam_model.image_encoder.pos_embed", 2),
                recording.Extent("sam_model.image_encoder.pos_embed", 1) };
  plan.neck = recording.Number("dim");
  plan.slices = recording.Number("T");
  plan.window = { recording.Number("W"), recording.Number("H"), plan.slices };
  plan.queries = recording.Number("nq");
  plan.decoderHeads = recording.Number("dec_heads");
  plan.decoderMlpWidth = recording.Number("mlp");
  plan.iouHeadWidth = recording.Number("iou_h");

  // Widths and kernels are listed from fine to coarse; the first stage is the last but one.
  const auto widths = recording.Numbers("feats");
  const auto kernels = recording.Numbers("ks");
  plan.kernels.clear();
  for (size_t stage = 0; stage < plan.ladder.size(); ++stage)
  {
    const size_t place = std::min(stage, plan.ladder.size() - 1 - static_cast<size_t>(plan.fullResolutionStages)) + 2;
    if (place > widths.size() || 3 * place > kernels.size())
    {
      throw Error("the header's entries 'feats' and 'ks' are too short, expected " + std::to_string(place) +
                  " stages at least");
    }
    plan.ladder[stage] = widths[widths.size() - place];
    const size_t kernel = kernels.size() - 3 * place;
    plan.kernels.push_back({ kernels[kernel + 2], kernels[kernel + 1], kernels[kernel] });
  }
  plan.channels.assign(static_cast<size_t>(recording.Number("Cin")), ChannelPlan{ "image" });
  plan.labels.clear();
  for (int64_t label = 0; label < recording.Number("K"); ++label)
  {
    plan.labels.push_back({ label, "label " + std::to_string(label) });
  }
  return Plan::FromJson(plan.ToJson(), "the recorded sizes");
}

std::map<std::string, at::Tensor>
ReadWeights(const Recording & recording, const Plan & plan)
{
  std::map<std::string, at::Tensor> weights;
  for (const auto & [published, tensor] : recording.Weights())
  {
    if (const auto name = ImportMaskSamName(published, plan); !name.empty())
    {
      weights[name] = name == "mask_decoder.classifier_token_Adapter" ? tensor.view({ 1, -1 }) : tensor;
    }
  }
  return weights;
}

/** B×c×D×h×w into (B·D)×c×h×w. */
at::Tensor
PerSlice(const at::Tensor & x)
{
  return x.transpose(1, 2).flatten(0, 1);
}

struct Answer
{
  Prompts            prompts;
  MaskClassification classification;
};

/** Run the network and compare what is recorded of its way. */
Answer
Run(Recording & recording, const Network & network)
{
  const Plan & plan = network.GetPlan();
  const auto   encoded =
    network.Encode(recording.Get("in/x"), {}, [&recording](const std::string & name, const at::Tensor & value) {
      recording.Compare(name == "stem" ? "mid/first_conv" : "mid/" + name, value);
    });
  auto levels = encoded.levels;
  levels.push_back(encoded.embedding);
  for (size_t k = 0; k < levels.size(); ++k)
  {
    recording.Compare("mid/encoder_level" + std::to_string(k), PerSlice(levels[k]));
  }

  // The stages that do not climb have names of their own.
  const auto last = static_cast<int64_t>(plan.ladder.size()) - 1;
  const auto generatorName = [&plan, last](const std::string & name) {
    return plan.fullResolutionStages == 0               ? name
           : name == "stage" + std::to_string(last)     ? "stage_first"
           : name == "stage" + std::to_string(last - 1) ? "stage_second"
                                                        : name;
  };
  Answer answer;
  answer.prompts = network.GeneratePrompts(encoded, [&](const std::string & name, const at::Tensor & value) {
    recording.Compare("mid/generator/" + generatorName(name), value);
  });
  recording.Compare("mid/decoder/classifier_tokens", answer.prompts.classTokens.flatten(0, 2).unsqueeze(1));

  const auto frame = recording.Number("img");
  answer.classification =
    network.Decode(encoded, answer.prompts, [&](const std::string & name, const at::Tensor & value) {
      if (name == "prompt/boxes")
      {
        recording.Compare("mid/prompt/boxes", value * frame - 0.5);
        return;
      }
      recording.Compare(name == "decoder/class_logits" ? "mid/decoder/class_logits_flat" : "mid/" + name, value);
    });
  return answer;
}

void
CompareAnswers(Recording & recording, const Answer & answer)
{
  const auto & prompts = answer.prompts;
  recording.Compare("out/train/pred_aux_masks", at::sigmoid(PerSlice(prompts.masks)));
  recording.Compare("out/train/pred_aux_bboxes", prompts.boxes.flatten(0, 1));
  recording.Compare("out/train/pred_logits", answer.classification.classes.flatten(0, 1));
  recording.Compare("out/train/pred_masks", PerSlice(answer.classification.masks));
  recording.Compare("out/semseg", answer.classification.Semantic());

  // How far the prompts are from tipping over: distances in quantities of larger magnitude.
  const auto within = [](const at::Tensor & x) { return 2e-5 * x.abs().max().item<double>() + 1e-6; };
  recording.CompareWithin("info/aux_mask_logit_margin", prompts.masks.abs().min().view({ 1 }), within(prompts.masks));
  const auto extent = at::tensor({ prompts.masks.size(4), prompts.masks.size(3) }, prompts.boxes.options());
  const auto voxels = prompts.boxes.unflatten(3, { 2, 2 }) * extent;
  recording.CompareWithin(
    "info/box_floor_margin_px", (voxels - voxels.round()).abs().min().view({ 1 }), within(voxels));
}

void
CompareTraining(Recording & recording, Network & network)
{
  const at::AutoGradMode gradients(true);
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    tensor.set_requires_grad(true);
  }
  const auto answer = Run(recording, network);
  const auto labels = recording.Get("in/seg").squeeze(1).to(at::kLong);

  auto options = MatchingLossOptions::FromPlan(network.GetPlan());
  options.sampling = MatchingLossOptions::Sampling::Points;
  options.points = recording.Get("in/rand/matcher/0").size(1);
  std::vector<at::Tensor> matching;
  for (int64_t slice = 0; slice < labels.size(0) * labels.size(1); ++slice)
  {
    matching.push_back(recording.Get("in/rand/matcher/" + std::to_string(slice)).squeeze(0));
  }
  const MatchingPoints points{ at::stack(matching),
                               recording.Get("in/rand/loss_masks/candidates"),
                               recording.Get("in/rand/loss_masks/extra"),
                               recording.Get("in/rand/loss_aux_masks/candidates"),
                               recording.Get("in/rand/loss_aux_masks/extra") };
  const MatchingLoss   loss(options);
  const auto           losses = loss(answer.prompts, answer.classification, labels, {}, &points);
  CompareMatchingLosses(recording, losses, labels.flatten(0, 1));
  losses.total.backward();

  const Plan & plan = network.GetPlan();
  double       squares = 0.0;
  double       rounding = 0.0;
  for (const auto & published : recording.Outputs("out/grad_norm/"))
  {
    rounding = std::max(rounding, gradientRounding * recording.Get("out/grad_norm/" + published).max().item<double>());
  }
  for (const auto & published : recording.Outputs("out/trainable/"))
  {
    const auto name = ImportMaskSamName(published, plan);
    const auto found = network.GetParameters().GetTensors().find(name);
    if (found == network.GetParameters().GetTensors().end())
    {
      continue;
    }
    const auto &     tensor = found->second;
    const at::Tensor gradient = tensor.grad().defined() ? tensor.grad() : at::zeros_like(tensor.detach());
    const auto       norm = gradient.to(at::kDouble).norm().view({ 1 });
    const double     length = norm.item<double>();
    const double     tolerance = gradientTolerance * length + rounding;
    const bool       isTrainable = !plan.IsFrozen(name);
    squares += isTrainable ? length * length : 0.0;
    recording.CompareWithin("out/grad_norm/" + published, norm, tolerance);
    recording.CompareWithin("out/grad/" + published, gradient.view(tensor.sizes()), tolerance);
    recording.Compare("out/no_grad/" + published, at::full({ 1 }, length == 0.0, at::kByte));
    recording.Compare("out/trainable/" + published, at::full({ 1 }, isTrainable, at::kByte));
  }
  const auto total = std::sqrt(squares);
  recording.CompareWithin(
    "out/grad_norm_all_trainable", at::full({ 1 }, total, at::kDouble), gradientTolerance * total);
}
} // namespace

void
CheckMaskSamModel(Recording & recording)
{
  const Plan plan = ReadPlan(recording);
  Network    network(plan, ReadWeights(recording, plan), "parameters");
  if (recording.Outputs("").empty())
  {
    recording.Confirm("parameters", "each one has its place and shape");
    return;
  }
  if (!recording.Outputs("out/trainable/").empty())
  {
    CompareTraining(recording, network);
    return;
  }
  CompareAnswers(recording, Run(recording, network));
}
} // namespace sam
