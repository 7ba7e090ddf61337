// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCheckpoint.h"

#include "samError.h"
#include "samPublishedDapsam.h"
#include "samSafetensors.h"
#include "samTorchArchive.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

namespace sam
{
namespace
{
const std::string encoderPrefix = "image_encoder.";
const std::string vitMark = encoderPrefix + "patch_embed.proj.weight";
const std::string tinyVitMark = encoderPrefix + "patch_embed.seq.0.c.weight";
const std::string hqMark = "mask_decoder.hf_token.weight";
const std::string prototypeMark = "prompt_generator.memory_bank.weight";

constexpr int64_t publishedDecoderHeads = 8;
constexpr int64_t publishedTinyGrid = 64;

/** Shapes that are asked for by name, number of axes and what was expected. */
class Shapes
{
public:
  Shapes(const TensorShapes & shapes, const std::string & where)
    : m_Shapes(shapes)
    , m_Where(where)
  {}

  bool
  Has(const std::string & name) const
  {
    return m_Shapes.count(name) > 0;
  }

  const std::vector<int64_t> &
  Get(const std::string & name, size_t axes) const
  {
    const auto found = m_Shapes.find(name);
    if (found == m_Shapes.end())
    {
      Fail("tensor '" + name + "' is missing");
    }
    if (found->second.size() != axes ||
        std::any_of(found->second.begin(), found->second.end(), [](int64_t extent) { return extent < 1; }))
    {
      Fail("tensor '" + name + "' has shape " + ToText(found->second) + ", expected " + std::to_string(axes) +
           " axes of 1 or more");
    }
    return found->second;
  }

  /** How many of prefix0suffix, prefix1suffix, ... are there. */
  int64_t
  Count(const std::string & prefix, const std::string & suffix) const
  {
    int64_t count = 0;
    while (Has(prefix + std::to_string(count) + suffix))
    {
      ++count;
    }
    return count;
  }

  static std::string
  ToText(const std::vector<int64_t> & shape)
  {
    std::string text;
    for (const int64_t extent : shape)
    {
      text += (text.empty() ? "" : ", ") + std::to_string(extent);
    }
    return "[" + text + "]";
  }

  [[noreturn]] void
  Fail(const std::string & message) const
  {
    throw Error(m_Where + ": " + message);
  }

private:
  const TensorShapes & m_Shapes;
  const std::string &  m_Where;
};

/** The ratio that gives back \a hidden when \a width is multiplied with it and the fraction cut off. */
double
GetRatio(int64_t hidden, int64_t width)
{
  const auto wide = static_cast<double>(width);
  double     ratio = static_cast<double>(hidden) / wide;
  while (static_cast<int64_t>(wide * ratio) < hidden)
  {
    ratio = std::nextafter(ratio, static_cast<double>(hidden) + 1.0);
  }
  return ratio;
}

void
RecognizeVit(const Shapes & shapes, Plan & plan)
{
  const auto & patches = shapes.Get(vitMark, 4);
  if (patches[1] != 3 || patches[2] != patches[3])
  {
    shapes.Fail("tensor '" + vitMark + "' has shape " + Shapes::ToText(patches) +
                ", expected 3 channels and a square patch");
  }
  const auto & positions = shapes.Get(encoderPrefix + "pos_embed", 4);
  const auto   blocks = encoderPrefix + "blocks.";
  plan.width = patches[0];
  plan.patch = patches[2];
  plan.grid = { positions[2], positions[1] };
  plan.depth = shapes.Count(blocks, ".attn.rel_pos_h");
  plan.neck = shapes.Get(encoderPrefix + "neck.0.weight", 4)[0];
  plan.mlpRatio = GetRatio(shapes.Get(blocks + "0.mlp.lin1.weight", 2)[0], plan.width);
  const int64_t headWidth = shapes.Get(blocks + "0.attn.rel_pos_h", 2)[1];
  plan.heads = plan.width / headWidth;
  if (plan.heads * headWidth != plan.width)
  {
    shapes.Fail("its attention tables have " + std::to_string(headWidth) + " columns, which do not divide the width " +
                std::to_string(plan.width));
  }
  plan.globalBlocks.clear();
  int64_t windowTable = 0;
  for (int64_t k = 0; k < plan.depth; ++k)
  {
    const auto    attention = blocks + std::to_string(k) + ".attn.rel_pos_";
    const int64_t rows = shapes.Get(attention + "h", 2)[0];
    const int64_t columns = shapes.Get(attention + "w", 2)[0];
    if (rows == 2 * plan.grid[1] - 1 && columns == 2 * plan.grid[0] - 1)
    {
      plan.globalBlocks.push_back(k);
    }
    else if (rows == columns && rows % 2 == 1 && (windowTable == 0 || windowTable == rows))
    {
      windowTable = rows;
    }
    else
    {
      shapes.Fail("the attention tables of block " + std::to_string(k) + " have " + std::to_string(rows) + " and " +
                  std::to_string(columns) + " rows, expected " + std::to_string(2 * plan.grid[1] - 1) + " and " +
                  std::to_string(2 * plan.grid[0] - 1) + " for the whole grid or those of one window");
    }
  }
  if (windowTable > 0)
  {
    plan.attentionWindow = (windowTable + 1) / 2;
  }
}

void
RecognizeTinyVit(const Shapes & shapes, Plan & plan)
{
  plan.encoder = "tiny_vit";
  plan.patch = 16;
  plan.globalBlocks.clear();
  plan.grid = { publishedTinyGrid, publishedTinyGrid };
  plan.neck = shapes.Get(encoderPrefix + "neck.0.weight", 4)[0];
  plan.stageWidths[0] = shapes.Get(encoderPrefix + "patch_embed.seq.2.c.weight", 4)[0];
  plan.stageDepths[0] = shapes.Count(encoderPrefix + "layers.0.blocks.", ".conv1.c.weight");
  for (size_t stage = 1; stage < plan.stageWidths.size(); ++stage)
  {
    const auto layers = encoderPrefix + "layers.";
    const auto here = layers + std::to_string(stage) + ".blocks.";
    plan.stageWidths[stage] = shapes.Get(layers + std::to_string(stage - 1) + ".downsample.conv1.c.weight", 4)[0];
    plan.stageDepths[stage] = shapes.Count(here, ".attn.attention_biases");
    const auto & biases = shapes.Get(here + "0.attn.attention_biases", 2);
    plan.stageHeads[stage] = biases[0];
    plan.stageWindows[stage] = std::llround(std::sqrt(static_cast<double>(biases[1])));
    plan.mlpRatio = GetRatio(shapes.Get(here + "0.mlp.fc1.weight", 2)[0], plan.stageWidths[stage]);
  }
}

void
RecognizeDecoder(const Shapes & shapes, Plan & plan)
{
  const std::string decoder = "mask_decoder.";
  const std::string iouHead = decoder + "iou_prediction_head.layers.";
  plan.decoderHeads = publishedDecoderHeads;
  plan.decoderDepth = shapes.Count(decoder + "transformer.layers.", ".mlp.lin1.weight");
  plan.decoderMlpWidth = shapes.Get(decoder + "transformer.layers.0.mlp.lin1.weight", 2)[0];
  plan.upscalingSteps = shapes.Has(decoder + "output_upscaling.3.weight") ? 2 : 1;
  plan.iouHeadDepth = shapes.Count(iouHead, ".weight");
  plan.iouHeadWidth = shapes.Get(iouHead + "0.weight", 2)[0];
  const int64_t masks = shapes.Get(decoder + "mask_tokens.weight", 2)[0];
  if (shapes.Has(prototypeMark))
  {
    plan.promptSource = "prototype";
    plan.prototypes = shapes.Get(prototypeMark, 2)[0];
    plan.decoder = "semantic";
    plan.keepsSamHeads = true;
    plan.adaptation = { "low_level_attention" };
    plan.adapterRatio = GetRatio(shapes.Get(encoderPrefix + "l_adapter.lightweight_mlp_0.0.weight", 2)[0], plan.width);
    plan.compatibility = Plan::GetCompatibilityWords("prototype");
    plan.frozen = { encoderPrefix };
    plan.adapted = { "adapter" };
    plan.labels.assign(static_cast<size_t>(masks) + 1, LabelPlan());
    return;
  }
  plan.promptSource = "manual";
  plan.decoder = shapes.Has(hqMark) ? "hq" : "sam";
  plan.maskPromptChannels = shapes.Get("prompt_encoder.mask_downscaling.3.weight", 4)[0];
  plan.multimasks = masks - 1;
}

/** What DAPSAM's authors did to gray slices of prostates or to color images of the fundus, as many labels as masks. */
void
FillDapsamPreprocessing(std::string word, const std::string & where, Plan & plan)
{
  const size_t masks = plan.labels.size() - 1;
  word = !word.empty() ? word : masks == 1 ? "dapsam_prostate" : "dapsam_fundus";
  if (word != "dapsam_prostate" && word != "dapsam_fundus")
  {
    throw Error(where + ": preprocessing '" + word + "', expected dapsam_prostate or dapsam_fundus");
  }
  const Plan published = PublishedDapsamPlan(word);
  plan.stem = published.stem;
  plan.fit = published.fit;
  plan.window = { plan.grid[0] * plan.patch, plan.grid[1] * plan.patch, 1 };
  plan.overlap = published.overlap;
  plan.orientation = published.orientation;
  plan.spacing = published.spacing;
  plan.channels = published.channels;
  plan.labels = published.labels;
  plan.nestsLabels = published.nestsLabels;
  if (plan.labels.size() - 1 != masks)
  {
    plan.nestsLabels = false;
    plan.labels.resize(1);
    for (size_t k = 1; k <= masks; ++k)
    {
      plan.labels.push_back({ static_cast<int64_t>(k), "mask " + std::to_string(k), { 230, 159, 0 } });
    }
  }
}

void
FillPreprocessing(const std::string & given, const std::string & where, Plan & plan)
{
  if (plan.promptSource == "prototype")
  {
    FillDapsamPreprocessing(given, where, plan);
    return;
  }
  const std::string word = given.empty() ? "sam" : given;
  if (word != "sam" && word != "medsam")
  {
    throw Error(where + ": preprocessing '" + word + "', expected sam or medsam");
  }
  plan.fit = word == "sam" ? "longest_side" : "square";
  plan.window = { plan.grid[0] * plan.patch, plan.grid[1] * plan.patch, 1 };
  plan.overlap = { 0.0, 0.0, 0.0 };
  plan.orientation = "acquisition";
  plan.spacing = { 0.0, 0.0, 0.0 };
  plan.slices = 1;
  if (word == "sam")
  {
    plan.channels = { { "red", "display", 0.0, 0.0, 123.675, 58.395 },
                      { "green", "display", 0.0, 0.0, 116.28, 57.12 },
                      { "blue", "display", 0.0, 0.0, 103.53, 57.375 } };
  }
  else
  {
    plan.channels = { { "red", "min_max" }, { "green", "min_max" }, { "blue", "min_max" } };
  }
  plan.labels = { { 0, "background", {} }, { 1, "object", { 230, 159, 0 } } };
}

bool
HasSizesOf(const Plan & plan, const Plan & preset)
{
  return plan.width == preset.width && plan.depth == preset.depth && plan.heads == preset.heads &&
         plan.globalBlocks == preset.globalBlocks;
}

/** Name of the encoder; a size that SAM's authors published gets its word in the plan. */
std::string
NameVit(Plan & plan)
{
  for (const char letter : { 'b', 'l', 'h' })
  {
    const std::string word = std::string("vit_") + letter;
    if (HasSizesOf(plan, Plan::WithEncoder(word)))
    {
      plan.encoder = word;
      return std::string("SAM ViT-") + static_cast<char>(letter - 'a' + 'A');
    }
  }
  return "SAM ViT of width " + std::to_string(plan.width) + " and depth " + std::to_string(plan.depth);
}

TensorFile
OpenTensors(const std::string & path)
{
  CheckReadable(path);
  if (IsTorchArchive(path))
  {
    return OpenTorchArchive(path);
  }
  std::ifstream stream(path, std::ios::binary);
  stream.seekg(sizeof(uint64_t));
  if (stream.get() != '{')
  {
    throw Error(path + ": neither a .safetensors file nor one of torch.save (.pth, .pt)");
  }
  return OpenSafetensors(path);
}

TensorShapes
GetShapes(const TensorFile & file)
{
  TensorShapes shapes;
  for (const auto & [name, tensor] : file.GetTensors())
  {
    shapes[name] = tensor.shape;
  }
  return shapes;
}
} // namespace

bool
IsUnneeded(const std::string & name)
{
  static const std::set<std::string> ends{ "num_batches_tracked", "attention_bias_idxs" };
  const auto                         dot = name.rfind('.');
  const auto startsWith = [&name](const std::string & start) { return name.compare(0, start.size(), start) == 0; };
  return (dot != std::string::npos && ends.count(name.substr(dot + 1)) > 0) ||
         startsWith(encoderPrefix + "norm_head.") || startsWith(encoderPrefix + "head.") || name == "pixel_mean" ||
         name == "pixel_std";
}

Checkpoint
RecognizeCheckpoint(const TensorShapes & shapes, const std::string & where, const std::string & preprocessing)
{
  const Shapes known(shapes, where);
  Checkpoint   checkpoint;
  if (known.Has(vitMark))
  {
    RecognizeVit(known, checkpoint.plan);
    checkpoint.architecture = NameVit(checkpoint.plan);
  }
  else if (known.Has(tinyVitMark))
  {
    RecognizeTinyVit(known, checkpoint.plan);
    checkpoint.architecture = "MobileSAM";
  }
  else
  {
    known.Fail("unknown architecture: " + std::to_string(shapes.size()) + " tensors" +
               (shapes.empty() ? "" : " such as '" + shapes.begin()->first + "'") + ", expected '" + vitMark +
               "' (SAM, MedSAM, HQ-SAM, DAPSAM) or '" + tinyVitMark + "' (MobileSAM, Light HQ-SAM)");
  }
  RecognizeDecoder(known, checkpoint.plan);
  if (checkpoint.plan.decoder == "hq")
  {
    checkpoint.architecture = checkpoint.plan.encoder == "tiny_vit" ? "Light HQ-SAM" : "HQ-" + checkpoint.architecture;
  }
  if (checkpoint.plan.decoder == "semantic")
  {
    checkpoint.architecture = "DAPSAM" + checkpoint.architecture.substr(std::string("SAM").size());
  }
  FillPreprocessing(preprocessing, where, checkpoint.plan);
  if (preprocessing == "medsam")
  {
    checkpoint.architecture += " with MedSAM's preprocessing";
  }
  // What a plan in a file must keep to holds here, too.
  checkpoint.plan = Plan::FromJson(checkpoint.plan.ToJson(), where);
  return checkpoint;
}

ModelFile
OpenModel(const std::string & path, const std::string & preprocessing)
{
  TensorFile   file = OpenTensors(path);
  const auto & metadata = file.GetMetadata();
  if (const auto text = metadata.find("plan"); text != metadata.end())
  {
    if (!preprocessing.empty())
    {
      throw Error(path + ": has a plan, expected none where a preprocessing is given");
    }
    auto plan = Plan::FromJson(text->second, path);
    return { plan.decoder + " decoder, " + plan.encoder + " encoder", false, std::move(plan), std::move(file) };
  }
  file.Drop(IsUnneeded);
  auto checkpoint = RecognizeCheckpoint(GetShapes(file), path, preprocessing);
  checkpoint.plan.provenance = nlohmann::json{ { "source", std::filesystem::path(path).filename().string() },
                                               { "architecture", checkpoint.architecture },
                                               { "licence", "that of its publication, not stored in the file" } }
                                 .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return { checkpoint.architecture, true, std::move(checkpoint.plan), std::move(file) };
}
} // namespace sam
