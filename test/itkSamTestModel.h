// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamTestModel_h
#define itkSamTestModel_h

#include "itkSamModel.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

/** Tiny models with random weights, for tests that need an answer, not a good one. */
namespace itk
{
/** What a tiny model differs in. */
struct SamTestModelOptions
{
  unsigned int dimension{ 3 };
  std::string  orientation{ "LPS" };
  std::string  spacing{ "[1.0, 1.0, 1.0]" };
  std::string  interpolation{ "linear" };
  std::string  channels{ R"([{"name": "MR", "normalization": "z_score"}])" };
  int          lastLabelValue{ 7 };
  uint64_t     seed{ 10 };
  bool         isSharp{ false }; ///< labels vary within a slice; else random weights label whole slices alike
};

/** Multiply tensors of a model: written to a file, changed there and read back. */
inline SamModel::Pointer
ScaleSamTestModel(const SamModel * model, const std::vector<std::pair<std::string, float>> & factors)
{
  const std::string fileName = testing::TempDir() + "itkSamTestModel" + std::to_string(getpid()) + "_" +
                               std::to_string(std::rand()) + ".safetensors";
  model->Write(fileName);
  std::ifstream     input(fileName, std::ios::binary);
  std::vector<char> bytes{ std::istreambuf_iterator<char>(input), std::istreambuf_iterator<char>() };
  input.close();
  uint64_t headerLength = 0;
  std::memcpy(&headerLength, bytes.data(), 8);
  const std::string header(bytes.data() + 8, headerLength);
  for (const auto & [name, factor] : factors)
  {
    const std::string key = "\"data_offsets\":[";
    const size_t      entry = header.find('"' + name + "\":");
    if (entry == std::string::npos)
    {
      itkSamExceptionMacro("no tensor '" << name << "'");
    }
    const size_t numbers = header.find(key, entry) + key.size();
    const size_t begin = std::stoul(header.substr(numbers));
    const size_t end = std::stoul(header.substr(header.find(',', numbers) + 1));
    for (size_t k = 8 + headerLength + begin; k < 8 + headerLength + end; k += 4)
    {
      float value = 0.0f;
      std::memcpy(&value, &bytes[k], 4);
      value *= factor;
      std::memcpy(&bytes[k], &value, 4);
    }
  }
  std::ofstream(fileName, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  auto result = SamModel::Read(fileName, "cpu");
  std::remove(fileName.c_str());
  return result;
}

inline SamModel::Pointer
MakeSamTestModel(const SamTestModelOptions & options = {})
{
  const bool        isFlat = options.dimension == 2;
  const std::string adaptation = isFlat ? "[]" : R"([{"type": "depth_convolution"}, {"type": "depth_mlp"}])";
  const std::string slices = isFlat ? "1" : "4";
  const std::string plan = R"({
    "version": 1,
    "stem": {"type": "pyramid", "widths": [4, 8]},
    "encoder": {"type": "vit", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 4.0, "patch": 4,
                "attention_window": 3, "global_blocks": [1], "grid": [4, 4], "neck": 16},
    "adaptation": )" + adaptation +
                           R"(,
    "slices": )" + slices + R"(,
    "prompt_source": {"type": "auxiliary", "queries": 3, "ladder": [16, 8, 4], "skips": [[0], []], "hidden_width": 8},
    "decoder": {"type": "mask_classification", "depth": 2, "heads": 2, "mlp_width": 16, "mask_prompt_channels": 4,
                "upscaling_steps": 1, "refines_masks": true},
    "driver": {"window": [16, 16, )" +
                           slices + R"(], "overlap": [0.5, 0.5, 0.5]},
    "preprocessing": {"orientation": ")" +
                           options.orientation + R"(", "spacing": )" + options.spacing + R"(, "interpolation": ")" +
                           options.interpolation + R"(",
                      "channels": )" +
                           options.channels + R"(},
    "labels": [{"value": 0, "name": "background", "color": [0, 0, 0]},
               {"value": 3, "name": "first", "color": [230, 159, 0]},
               {"value": )" +
                           std::to_string(options.lastLabelValue) +
                           R"(, "name": "second", "color": [86, 180, 233]}]
  })";
  const auto model = SamModel::FromPlan(plan, options.seed);
  // The network is so small that a second thread costs more than it gives.
  SamModel::SetNumberOfThreads(1);
  if (!options.isSharp)
  {
    return model;
  }
  return ScaleSamTestModel(model,
                           { { "mask_decoder.classifier_embed_Adapter.weight", 20.0f },
                             { "mask_decoder.detail_hypernetwork_mlp.layers.1.bias", 50.0f },
                             { "mask_decoder.detail_hypernetwork_mlp.layers.1.weight", 50.0f },
                             { "prompt_generator.class_head.layers.1.bias", 20.0f },
                             { "prompt_generator.class_head.layers.1.weight", 20.0f } });
}

/** A tiny DAPSAM for slices of 20 × 20 pixels, its labels as of a sharp model. */
inline SamModel::Pointer
MakePrototypeSamTestModel(const std::string & fit = "spacing")
{
  const std::string plan = R"({
    "version": 1,
    "stem": {"type": "gray_rgb", "widths": []},
    "encoder": {"type": "vit", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 2.0, "patch": 4,
                "attention_window": 3, "global_blocks": [1], "grid": [5, 5], "neck": 16},
    "adaptation": [{"type": "low_level_attention"}],
    "slices": 1,
    "prompt_source": {"type": "prototype", "prototypes": 6},
    "decoder": {"type": "semantic", "depth": 2, "heads": 2, "mlp_width": 16, "upscaling_steps": 2,
                "nests_labels": true},
    "driver": {"window": [20, 20, 1], "overlap": [0.5, 0.5, 0.0]},
    "preprocessing": {"fit": ")" +
                           fit + R"(", "orientation": "acquisition", "spacing": [0.0, 0.0, 0.0],
                      "channels": [{"name": "MR", "normalization": "slice_percentiles"}]},
    "labels": [{"value": 0, "name": "background"}, {"value": 1, "name": "disc"}, {"value": 5, "name": "cup"}]
  })";
  SamModel::SetNumberOfThreads(1);
  return ScaleSamTestModel(
    SamModel::FromPlan(plan, 3),
    { { "mask_decoder.output_upscaling.0.weight", 5.0f }, { "mask_decoder.output_upscaling.3.weight", 5.0f } });
}

/** What a tiny promptable model differs in. */
struct SamPromptableTestModelOptions
{
  std::string fit{ "longest_side" };
  std::string normalization{ R"("display", "mean": 120.0, "deviation": 57.0)" };
  std::string orientation{ "acquisition" };
  uint64_t    seed{ 3 };
};

/** A promptable model whose square has 32 × 32 pixels, its masks 32 × 32 logits. */
inline SamModel::Pointer
MakePromptableSamTestModel(const SamPromptableTestModelOptions & options = {})
{
  std::string channels;
  for (const char * name : { "red", "green", "blue" })
  {
    channels += (channels.empty() ? "" : ", ") + (R"({"name": ")" + std::string(name)) + R"(", "normalization": )" +
                options.normalization + "}";
  }
  const std::string plan = R"({
    "version": 1,
    "stem": {"type": "none", "widths": []},
    "encoder": {"type": "vit", "width": 16, "depth": 2, "heads": 2, "mlp_ratio": 4.0, "patch": 4,
                "attention_window": 3, "global_blocks": [1], "grid": [8, 8], "neck": 16},
    "adaptation": [],
    "slices": 1,
    "prompt_source": {"type": "manual"},
    "decoder": {"type": "sam", "depth": 2, "heads": 2, "mlp_width": 16, "mask_prompt_channels": 4,
                "upscaling_steps": 2, "refines_masks": false, "multimasks": 3, "iou_head_depth": 2,
                "iou_head_width": 8},
    "driver": {"window": [32, 32, 1], "overlap": [0.0, 0.0, 0.0]},
    "preprocessing": {"fit": ")" +
                           options.fit + R"(", "orientation": ")" + options.orientation +
                           R"(", "spacing": [0.0, 0.0, 0.0], "channels": [)" + channels + R"(]},
    "labels": [{"value": 0, "name": "background"}, {"value": 1, "name": "object"}]
  })";
  SamModel::SetNumberOfThreads(1);
  return SamModel::FromPlan(plan, options.seed);
}
} // namespace itk

#endif
