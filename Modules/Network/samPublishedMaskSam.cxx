// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPublishedMaskSam.h"

#include "samError.h"

#include <algorithm>
#include <utility>

namespace sam
{
const std::vector<std::string> &
GetPublishedMaskSamWords()
{
  static const std::vector<std::string> words{
    "masksam_acdc",           "masksam_synapse",           "masksam_amos",
    "masksam_acdc_published", "masksam_synapse_published", "masksam_amos_published"
  };
  return words;
}

Plan
PublishedMaskSamPlan(const std::string & word)
{
  const auto & words = GetPublishedMaskSamWords();
  if (std::find(words.begin(), words.end(), word) == words.end())
  {
    std::string known;
    for (const auto & one : words)
    {
      known += (known.empty() ? "" : ", ") + one;
    }
    throw Error("plan '" + word + "' is not known, expected " + known);
  }
  const auto is = [&word](const std::string & name) { return word.rfind(name, 0) == 0; };
  Plan       plan = Plan::WithEncoder(is("masksam_acdc") ? "vit_b" : "vit_h");
  plan.adaptation = { "depth_convolution", "depth_mlp" };
  plan.promptHeads = "convolutions";
  plan.skips = { { 3 }, { 2 }, { 1 }, { 0 } };
  plan.keepsSamHeads = true;
  plan.frozen = { "image_encoder.", "prompt_encoder.", "mask_decoder." };
  plan.adapted = { "Adapter", "temporal_embedding" };
  if (is("masksam_acdc"))
  {
    plan.stem = "enlarged_rgb";
    plan.stemWidths = { 16, 32 };
    plan.patch = 4;
    plan.slices = 4;
    plan.window = { 256, 256, 4 };
    plan.queries = 8;
    plan.ladder = { 256, 128, 128, 128, 128 };
    plan.fullResolutionStages = 2;
  }
  else
  {
    plan.stem = "pseudo_rgb";
    plan.stemWidths = { 8 };
    plan.slices = is("masksam_amos") ? 9 : 26;
    plan.window = is("masksam_amos") ? std::array<int64_t, 3>{ 512, 512, 9 } : std::array<int64_t, 3>{ 256, 256, 26 };
    plan.queries = 24;
    plan.ladder = { 256, 128, 128, 64, 64 };
    plan.kernels = { { 3, 3, 3 }, { 3, 3, 3 }, { 3, 3, 3 }, { 3, 3, 3 }, { 3, 3, 1 } };
    plan.maskConvolutionWidth = 64;
  }
  if (is("masksam_amos"))
  {
    plan.maskLossWeight = 1.2;
    plan.lossPoints = 131072;
  }
  if (word.find("_published") != std::string::npos)
  {
    plan.compatibility = Plan::GetCompatibilityWords("auxiliary");
    plan.interpolation = "nnunet";
  }
  return plan;
}

std::string
ImportMaskSamName(const std::string & published, const Plan & plan)
{
  const auto startsWith = [&published](const std::string & start) { return published.rfind(start, 0) == 0; };
  if (published.find(".all_modules.") != std::string::npos || startsWith("sam_model.pixel_") ||
      startsWith("image_decoder_skips_"))
  {
    return {};
  }
  if (published == "sam_model.mask_decoder.classifier_token_Adapter.weight")
  {
    return "mask_decoder.classifier_token_Adapter";
  }
  const auto                                             stages = static_cast<int64_t>(plan.ladder.size());
  const std::vector<std::pair<std::string, std::string>> starts{
    { "sam_model.", "" },
    { "first_conv.", "stem." },
    { "image_decoder_stages.", "prompt_generator.stages." },
    { "image_decoder_stages_second.0.", "prompt_generator.stages." + std::to_string(stages - 2) + "." },
    { "image_decoder_stages_first.0.", "prompt_generator.stages." + std::to_string(stages - 1) + "." },
    { "image_decoder_transpconvs.", "prompt_generator.transpconvs." },
    { "image_decoder_skips.", "prompt_generator.skips." },
    { "image_decoder_seg_layers.0.", "prompt_generator.mask_head." },
    { "bbox_conv.", "prompt_generator.box_head." },
    { "residual_classifier.", "prompt_generator.class_head." },
    { "final_conv.", "mask_convolutions." }
  };
  for (const auto & [theirs, ours] : starts)
  {
    if (startsWith(theirs))
    {
      auto name = ours + published.substr(theirs.size());
      if (theirs == "image_decoder_skips.")
      {
        // The first and only level of its stage; a unit is not a list of units.
        name.insert(name.find('.', ours.size()), ".0");
        if (const auto units = name.find(".convs.0."); units != std::string::npos)
        {
          name.erase(units, std::string(".convs.0").size());
        }
      }
      return name;
    }
  }
  return published;
}
} // namespace sam
