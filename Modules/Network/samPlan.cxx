// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPlan.h"

#include "samError.h"
#include "samInterpolation.h"
#include "samOrientation.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

constexpr int planVersion = 1;

// What a plan may take, far above what one needs: the parser spends time with the square of the number of keys.
constexpr size_t maximumLength = size_t{ 1 } << 20;
constexpr int    maximumDepth = 32;
constexpr size_t maximumKeys = 10'000;
constexpr size_t maximumPrintedLength = 60;

std::string
Join(const std::vector<std::string> & words)
{
  std::string text;
  for (const auto & word : words)
  {
    text += (text.empty() ? "" : ", ") + word;
  }
  return text;
}

Json
Parse(const std::string & text, const std::string & where)
{
  size_t     keys = 0;
  const auto check = [&](int depth, Json::parse_event_t event, Json &) {
    keys += event == Json::parse_event_t::key ? 1 : 0;
    if (depth > maximumDepth || keys > maximumKeys)
    {
      throw Error(where + ": the plan is nested deeper than " + std::to_string(maximumDepth) + " or has more than " +
                  std::to_string(maximumKeys) + " keys");
    }
    return true;
  };
  if (text.size() > maximumLength)
  {
    throw Error(where + ": the plan takes " + std::to_string(text.size()) + " bytes, expected " +
                std::to_string(maximumLength) + " at most");
  }
  Json json = Json::parse(text, check, false);
  if (json.is_discarded())
  {
    throw Error(where + ": the plan is not valid JSON");
  }
  return json;
}

/** A JSON object whose keys must all be asked for. */
class Section
{
public:
  Section(const Json & json, std::string where)
    : m_Json(json)
    , m_Where(std::move(where))
  {
    if (!json.is_object())
    {
      throw Error(m_Where + ": expected a JSON object");
    }
  }

  bool
  Has(const std::string & key) const
  {
    return m_Json.contains(key);
  }

  const Json &
  At(const std::string & key)
  {
    m_Used.insert(key);
    if (!m_Json.contains(key))
    {
      throw Error(m_Where + ": '" + key + "' is missing");
    }
    return m_Json[key];
  }

  Section
  Sub(const std::string & key)
  {
    return Section(At(key), m_Where + ": " + key);
  }

  template <typename T>
  T
  Get(const std::string & key)
  {
    try
    {
      return At(key).get<T>();
    }
    catch (const nlohmann::json::exception &)
    {
      throw Error(m_Where + ": '" + key + "' is " + m_Json[key].dump().substr(0, maximumPrintedLength) +
                  ", which is not of the expected kind");
    }
  }

  template <typename T>
  void
  Read(const std::string & key, T & value)
  {
    if (Has(key))
    {
      value = Get<T>(key);
    }
  }

  /** A whole number from 1 to \a maximum. */
  void
  ReadSize(const std::string & key, int64_t & value, int64_t maximum = 1 << 20)
  {
    Read(key, value);
    CheckSize(key, value, maximum);
  }

  void
  CheckSize(const std::string & key, int64_t value, int64_t maximum = 1 << 20) const
  {
    if (value < 1 || value > maximum)
    {
      throw Error(m_Where + ": '" + key + "' is " + std::to_string(value) + ", expected 1 to " +
                  std::to_string(maximum));
    }
  }

  std::string
  GetWord(const std::string & key, const std::vector<std::string> & known)
  {
    const auto word = Get<std::string>(key);
    if (std::find(known.begin(), known.end(), word) == known.end())
    {
      throw Error(m_Where + ": unknown word '" + word + "' for '" + key + "', expected " + Join(known));
    }
    return word;
  }

  void
  ThrowIfUnused() const
  {
    for (const auto & item : m_Json.items())
    {
      if (m_Used.count(item.key()) == 0)
      {
        throw Error(m_Where + ": unknown key '" + item.key() + "'");
      }
    }
  }

  [[noreturn]] void
  Fail(const std::string & message) const
  {
    throw Error(m_Where + ": " + message);
  }

private:
  const Json &          m_Json;
  std::string           m_Where;
  std::set<std::string> m_Used;
};

void
ApplyEncoderPreset(Plan & plan)
{
  struct Preset
  {
    const char *         word;
    int64_t              width;
    int64_t              depth;
    int64_t              heads;
    std::vector<int64_t> globalBlocks;
  };
  static const std::vector<Preset> presets{ { "vit_b", 768, 12, 12, { 2, 5, 8, 11 } },
                                            { "vit_l", 1024, 24, 16, { 5, 11, 17, 23 } },
                                            { "vit_h", 1280, 32, 16, { 7, 15, 23, 31 } } };
  for (const auto & preset : presets)
  {
    if (plan.encoder == preset.word)
    {
      plan.width = preset.width;
      plan.depth = preset.depth;
      plan.heads = preset.heads;
      plan.globalBlocks = preset.globalBlocks;
    }
  }
}

void
ReadFinestStride(Section & section, Plan & plan)
{
  section.Read("stride", plan.finestStride);
  if (plan.finestStride != 1 && plan.finestStride != 2 && plan.finestStride != 4)
  {
    section.Fail("'stride' is " + std::to_string(plan.finestStride) + ", expected 1, 2 or 4");
  }
}

void
ReadStem(Section section, Plan & plan)
{
  plan.stem = section.GetWord("type", { "pyramid", "pseudo_rgb", "enlarged_rgb", "gray_rgb", "none" });
  section.Read("widths", plan.stemWidths);
  for (const int64_t width : plan.stemWidths)
  {
    section.CheckSize("widths", width);
  }
  if (plan.stem == "pyramid"        ? plan.stemWidths.empty() || plan.stemWidths.size() > 8
      : plan.stem == "enlarged_rgb" ? plan.stemWidths.size() != 2
                                    : plan.stem != "pseudo_rgb" && !plan.stemWidths.empty())
  {
    section.Fail("'widths' does not fit the type '" + plan.stem + "'");
  }
  ReadFinestStride(section, plan);
  if (plan.finestStride > 1 && plan.stem != "pyramid")
  {
    section.Fail("'stride' is for the type 'pyramid' alone");
  }
  section.ThrowIfUnused();
}

/** The sizes of a TinyViT: four stages, the grid of tokens is a sixteenth of the image. */
void
ReadTinyEncoder(Section & section, Plan & plan)
{
  plan.patch = 16;
  plan.globalBlocks.clear();
  const std::vector<std::pair<std::string, std::vector<int64_t> *>> lists{ { "widths", &plan.stageWidths },
                                                                           { "depths", &plan.stageDepths },
                                                                           { "heads", &plan.stageHeads },
                                                                           { "windows", &plan.stageWindows } };
  for (const auto & [key, list] : lists)
  {
    section.Read(key, *list);
    if (list->size() != 4)
    {
      section.Fail("'" + key + "' has " + std::to_string(list->size()) + " entries, expected 4");
    }
    for (const int64_t value : *list)
    {
      section.CheckSize(key, value, 1 << 16);
    }
  }
  for (size_t k = 0; k < 4; ++k)
  {
    if (plan.stageWidths[k] % plan.stageHeads[k] != 0)
    {
      section.Fail("'widths' " + std::to_string(plan.stageWidths[k]) + " is not a multiple of 'heads' " +
                   std::to_string(plan.stageHeads[k]));
    }
  }
  section.Read("mlp_ratio", plan.mlpRatio);
  section.Read("grid", plan.grid);
  section.CheckSize("grid", plan.grid[0], 4096);
  section.CheckSize("grid", plan.grid[1], 4096);
  section.ReadSize("neck", plan.neck);
  section.ThrowIfUnused();
}

/** The sizes of a plain U-Net. */
void
ReadUnet(Section & section, Plan & plan)
{
  if (plan.stem != "none")
  {
    section.Fail("'unet' takes the image as it is, but the stem is '" + plan.stem + "'");
  }
  plan.globalBlocks.clear();
  section.Read("widths", plan.stageWidths);
  if (plan.stageWidths.size() < 2 || plan.stageWidths.size() > 8)
  {
    section.Fail("'widths' has " + std::to_string(plan.stageWidths.size()) + " entries, expected 2 to 8");
  }
  for (const int64_t width : plan.stageWidths)
  {
    section.CheckSize("widths", width, 1 << 16);
  }
  ReadFinestStride(section, plan);
  plan.patch = plan.finestStride << (plan.stageWidths.size() - 1);
  plan.neck = plan.stageWidths.back();
  section.ThrowIfUnused();
}

void
ReadEncoder(Section section, Plan & plan)
{
  plan.encoder = section.GetWord("type", { "vit", "vit_b", "vit_l", "vit_h", "tiny_vit", "unet" });
  ApplyEncoderPreset(plan);
  if (plan.encoder == "unet")
  {
    ReadUnet(section, plan);
    return;
  }
  if (plan.encoder == "tiny_vit")
  {
    ReadTinyEncoder(section, plan);
    return;
  }
  section.ReadSize("width", plan.width);
  section.ReadSize("depth", plan.depth, 1000);
  section.ReadSize("heads", plan.heads);
  section.Read("mlp_ratio", plan.mlpRatio);
  section.ReadSize("patch", plan.patch, 256);
  section.ReadSize("attention_window", plan.attentionWindow);
  section.Read("global_blocks", plan.globalBlocks);
  section.Read("grid", plan.grid);
  section.ReadSize("neck", plan.neck);
  if (section.Has("positions"))
  {
    plan.positions = section.GetWord("positions", { "both", "relative", "absolute" });
  }
  section.CheckSize("grid", plan.grid[0], 4096);
  section.CheckSize("grid", plan.grid[1], 4096);
  if (plan.width % plan.heads != 0)
  {
    section.Fail("'width' " + std::to_string(plan.width) + " is not a multiple of 'heads' " +
                 std::to_string(plan.heads));
  }
  if (!(plan.mlpRatio > 0.0 && plan.mlpRatio <= 64.0))
  {
    section.Fail("'mlp_ratio' must lie above 0 and not above 64");
  }
  for (const int64_t block : plan.globalBlocks)
  {
    if (block < 0 || block >= plan.depth)
    {
      section.Fail("'global_blocks' names block " + std::to_string(block) + " of " + std::to_string(plan.depth));
    }
  }
  // With a pyramid the patch embedding does the last doublings, so the patch holds a power of two.
  const int64_t stemStride = plan.stem == "pyramid" ? plan.finestStride << (plan.stemWidths.size() - 1) : 1;
  if (plan.patch % stemStride != 0)
  {
    section.Fail("'patch' " + std::to_string(plan.patch) + " is not a multiple of the stem's stride " +
                 std::to_string(stemStride));
  }
  section.ThrowIfUnused();
}

void
ReadAdaptation(const Json & json, const std::string & where, Plan & plan)
{
  if (!json.is_array())
  {
    throw Error(where + ": adaptation: expected a list");
  }
  plan.adaptation.clear();
  for (const auto & entry : json)
  {
    Section section(entry, where + ": adaptation");
    plan.adaptation.push_back(section.GetWord("type", { "depth_convolution", "depth_mlp", "low_level_attention" }));
    section.Read("ratio", plan.adapterRatio);
    section.ThrowIfUnused();
  }
  if (!(plan.adapterRatio > 0.0 && plan.adapterRatio <= 4.0))
  {
    throw Error(where + ": adaptation: 'ratio' must lie above 0 and not above 4");
  }
  if (!plan.adaptation.empty() && plan.encoder == "unet")
  {
    throw Error(where + ": adaptation: '" + plan.adaptation.front() + "' found, expected an empty list for a unet");
  }
  if (plan.HasAdaptation("low_level_attention") && plan.encoder == "tiny_vit")
  {
    throw Error(where + ": adaptation: 'low_level_attention' needs the blocks of a vit, but the encoder is a tiny_vit");
  }
}

void
ReadPromptSource(Section section, Plan & plan)
{
  plan.promptSource = section.GetWord("type", { "auxiliary", "prototype", "none", "manual" });
  if (plan.promptSource != "auxiliary")
  {
    if (plan.promptSource == "prototype")
    {
      section.ReadSize("prototypes", plan.prototypes);
      if (section.Has("addressing"))
      {
        plan.addressing = section.GetWord("addressing", { "softmax", "cosine" });
      }
      section.Read("temperature", plan.temperature);
      if (!(plan.temperature > 0.0 && plan.temperature < 1e6))
      {
        section.Fail("'temperature' must lie above 0");
      }
    }
    section.ThrowIfUnused();
    return;
  }
  if (plan.finestStride > 1)
  {
    section.Fail("'auxiliary' needs features at full resolution, but the stem's 'stride' is " +
                 std::to_string(plan.finestStride));
  }
  if (plan.encoder == "tiny_vit")
  {
    section.Fail("'auxiliary' needs the levels of a vit, but the encoder is a tiny_vit");
  }
  section.ReadSize("queries", plan.queries, 4096);
  section.Read("ladder", plan.ladder);
  section.Read("skips", plan.skips);
  section.ReadSize("hidden_width", plan.promptHiddenWidth);
  if (section.Has("heads"))
  {
    plan.promptHeads = section.GetWord("heads", { "perceptrons", "convolutions" });
  }
  section.Read("full_resolution_stages", plan.fullResolutionStages);
  if (plan.fullResolutionStages < 0 || plan.fullResolutionStages > 64 ||
      (plan.fullResolutionStages > 0 && (plan.stem == "pyramid" || plan.patch == 1)))
  {
    section.Fail("'full_resolution_stages' is " + std::to_string(plan.fullResolutionStages) +
                 ", expected 0 to 64, and 0 with a pyramid or a patch of 1");
  }
  section.Read("kernels", plan.kernels);
  for (const auto & kernel : plan.kernels)
  {
    for (const int64_t extent : kernel)
    {
      if (extent < 1 || extent > 15 || extent % 2 == 0)
      {
        section.Fail("'kernels' has " + std::to_string(extent) + ", expected an odd number from 1 to 15");
      }
    }
  }
  int64_t stages = 1 + plan.fullResolutionStages;
  for (int64_t size = plan.patch; size > 1; size /= 2)
  {
    if (size % 2 != 0)
    {
      section.Fail("the encoder's patch " + std::to_string(plan.patch) + " is not a power of two");
    }
    ++stages;
  }
  if (static_cast<int64_t>(plan.ladder.size()) != stages)
  {
    section.Fail("'ladder' has " + std::to_string(plan.ladder.size()) + " stages, expected " + std::to_string(stages) +
                 " for a patch of " + std::to_string(plan.patch));
  }
  for (const int64_t channels : plan.ladder)
  {
    section.CheckSize("ladder", channels);
  }
  if (!plan.kernels.empty() && plan.kernels.size() != plan.ladder.size())
  {
    section.Fail("'kernels' has " + std::to_string(plan.kernels.size()) + " entries, expected " +
                 std::to_string(plan.ladder.size()) + " like 'ladder'");
  }
  for (size_t stage = plan.ladder.size() - static_cast<size_t>(plan.fullResolutionStages); stage < plan.ladder.size();
       ++stage)
  {
    if (plan.ladder[stage] != plan.ladder[stage - 1] ||
        (!plan.kernels.empty() && plan.kernels[stage] != plan.kernels[stage - 1]))
    {
      section.Fail("the stages at full resolution share layers, expected the same 'ladder' and 'kernels'");
    }
  }
  const auto side = std::llround(std::sqrt(static_cast<double>(plan.neck)));
  if (plan.promptHeads == "convolutions" && side * side != plan.neck)
  {
    section.Fail("'heads' 'convolutions' need a 'neck' of the encoder that is a square, found " +
                 std::to_string(plan.neck));
  }
  if (plan.skips.size() + 1 != plan.ladder.size())
  {
    section.Fail("'skips' has " + std::to_string(plan.skips.size()) +
                 " entries, expected one for each stage but the first");
  }
  for (const auto & levels : plan.skips)
  {
    for (const int64_t level : levels)
    {
      if (level < 0 || level >= static_cast<int64_t>(plan.globalBlocks.size()))
      {
        section.Fail("'skips' names level " + std::to_string(level) + " of " +
                     std::to_string(plan.globalBlocks.size()));
      }
    }
  }
  section.ThrowIfUnused();
}

void
ReadDecoder(Section section, Plan & plan)
{
  plan.decoder = section.GetWord("type", { "mask_classification", "semantic", "unet", "sam", "hq" });
  const auto & source = plan.promptSource;
  if (plan.decoder == "mask_classification" ? source != "auxiliary"
      : plan.decoder == "semantic"          ? source != "prototype" && source != "none"
      : plan.decoder == "unet"              ? source != "none"
                                            : source != "manual")
  {
    section.Fail("'" + plan.decoder + "' does not go with the prompt source '" + source + "'");
  }
  if ((plan.decoder == "unet") != (plan.encoder == "unet"))
  {
    section.Fail("'" + plan.decoder + "' does not go with the encoder '" + plan.encoder + "'");
  }
  if (plan.decoder == "unet")
  {
    section.Read("nests_labels", plan.nestsLabels);
    section.ThrowIfUnused();
    return;
  }
  if (plan.promptSource != "manual")
  {
    section.Read("keeps_sam_heads", plan.keepsSamHeads);
  }
  if (plan.decoder == "semantic")
  {
    section.Read("nests_labels", plan.nestsLabels);
  }
  if (plan.decoder == "mask_classification")
  {
    section.Read("mask_convolution_width", plan.maskConvolutionWidth);
    if (plan.maskConvolutionWidth != 0)
    {
      section.CheckSize("mask_convolution_width", plan.maskConvolutionWidth);
    }
  }
  if (plan.promptSource == "manual" || plan.keepsSamHeads)
  {
    section.ReadSize("multimasks", plan.multimasks, 64);
    section.ReadSize("iou_head_depth", plan.iouHeadDepth, 64);
    section.ReadSize("iou_head_width", plan.iouHeadWidth);
  }
  section.ReadSize("depth", plan.decoderDepth, 1000);
  section.ReadSize("heads", plan.decoderHeads);
  section.ReadSize("mlp_width", plan.decoderMlpWidth);
  section.ReadSize("upscaling_steps", plan.upscalingSteps, 2);
  if (plan.decoder != "semantic")
  {
    section.ReadSize("mask_prompt_channels", plan.maskPromptChannels);
  }
  section.Read("refines_masks", plan.refinesMasks);
  if (plan.decoder == "semantic" && plan.refinesMasks && plan.stem != "pyramid")
  {
    section.Fail("'refines_masks' needs the features of a stem 'pyramid', found '" + plan.stem + "'");
  }
  if (plan.neck % (2 * plan.decoderHeads) != 0 || plan.neck < 8)
  {
    section.Fail("the encoder's 'neck' " + std::to_string(plan.neck) +
                 " must be 8 or more and a multiple of twice the decoder's 'heads' " +
                 std::to_string(plan.decoderHeads));
  }
  if (plan.refinesMasks && plan.maskConvolutionWidth > 0)
  {
    section.Fail("'refines_masks' and 'mask_convolution_width' exclude each other");
  }
  if (plan.maskPromptChannels % 4 != 0)
  {
    section.Fail("'mask_prompt_channels' must be a multiple of 4");
  }
  if (plan.decoder == "hq" && plan.encoder != "tiny_vit" && plan.globalBlocks.empty())
  {
    section.Fail("'hq' needs the map after an encoder's global block, but 'global_blocks' is empty");
  }
  if (plan.decoder == "hq" && plan.upscalingSteps != 2)
  {
    section.Fail("'upscaling_steps' is " + std::to_string(plan.upscalingSteps) + ", expected 2 for 'hq'");
  }
  section.ThrowIfUnused();
}

void
ReadDriver(Section section, Plan & plan)
{
  section.Read("window", plan.window);
  section.Read("overlap", plan.overlap);
  for (size_t i = 0; i < 3; ++i)
  {
    section.CheckSize("window", plan.window[i]);
    if (i < 2 && plan.window[i] % plan.patch != 0)
    {
      section.Fail("'window' " + std::to_string(plan.window[i]) + " is not a multiple of the patch " +
                   std::to_string(plan.patch));
    }
    if (!(plan.overlap[i] >= 0.0 && plan.overlap[i] <= 0.95))
    {
      section.Fail("'overlap' must lie from 0 to 0.95");
    }
  }
  section.ThrowIfUnused();
}

bool
IsOrientation(const std::string & word)
{
  const std::string code = GetOrientationLetters(word);
  if (code.size() != 3)
  {
    return false;
  }
  std::set<int> axes;
  for (const char letter : code)
  {
    const auto position = std::string("LRPASI").find(letter);
    if (position == std::string::npos)
    {
      return false;
    }
    axes.insert(static_cast<int>(position / 2));
  }
  return axes.size() == 3;
}

void
ReadPreprocessing(Section section, const std::string & where, Plan & plan)
{
  if (section.Has("fit"))
  {
    plan.fit = section.GetWord("fit", { "spacing", "longest_side", "square", "window" });
  }
  const bool isManual = plan.promptSource == "manual";
  const bool isForManual = plan.fit == "longest_side" || plan.fit == "square";
  if (isForManual != isManual || (plan.fit == "window" && plan.window[2] != 1))
  {
    section.Fail("'fit' is '" + plan.fit + "', expected " +
                 (isManual              ? "longest_side or square"
                  : plan.window[2] == 1 ? "spacing or window"
                                        : "spacing") +
                 " for the prompt source '" + plan.promptSource + "'" +
                 (isManual ? "" : " and a window of " + std::to_string(plan.window[2]) + " slices"));
  }
  if (isManual && plan.grid[0] != plan.grid[1])
  {
    section.Fail("'fit' '" + plan.fit + "' needs a square 'grid' of the encoder, found " +
                 std::to_string(plan.grid[0]) + "x" + std::to_string(plan.grid[1]));
  }
  section.Read("orientation", plan.orientation);
  if (plan.orientation != "acquisition" && !IsOrientation(plan.orientation))
  {
    section.Fail("unknown word '" + plan.orientation +
                 "' for 'orientation', expected three of L R P A S I, one per axis, these behind '" + nearestPrefix +
                 "', or acquisition");
  }
  if (section.Has("frame"))
  {
    plan.frame = section.GetWord("frame", { "none", "black" });
  }
  if (plan.frame != "none" && (isManual || plan.window[2] != 1))
  {
    section.Fail("'frame' is '" + plan.frame +
                 "', which is found slice by slice, expected none for a model that takes points, boxes and masks or a "
                 "window of several slices");
  }
  if (section.Has("interpolation"))
  {
    plan.interpolation = section.GetWord("interpolation", GetInterpolationWords());
  }
  if (plan.interpolation != "linear" && isManual)
  {
    section.Fail("'interpolation' is '" + plan.interpolation + "', expected linear for 'fit' '" + plan.fit +
                 "', which says itself how slices are scaled");
  }
  section.Read("spacing", plan.spacing);
  for (const double spacing : plan.spacing)
  {
    if (!(spacing >= 0.0 && spacing < 1e6))
    {
      section.Fail("'spacing' must not be negative");
    }
  }
  const Json & channels = section.At("channels");
  if (!channels.is_array() || channels.empty())
  {
    section.Fail("'channels' must be a list with one entry or more");
  }
  if (plan.stem == "gray_rgb" && channels.size() != 1)
  {
    section.Fail("'channels' has " + std::to_string(channels.size()) + " entries, expected 1 for the stem 'gray_rgb'");
  }
  plan.channels.clear();
  for (const auto & entry : channels)
  {
    Section     channel(entry, where + ": preprocessing: channels");
    ChannelPlan description;
    description.name = channel.Get<std::string>("name");
    description.normalization = channel.GetWord(
      "normalization", { "z_score", "clip", "display", "min_max", "slice_z_score", "slice_percentiles" });
    if (description.normalization == "clip")
    {
      description.lower = channel.Get<double>("lower");
      description.upper = channel.Get<double>("upper");
      description.mean = channel.Get<double>("mean");
      description.deviation = channel.Get<double>("deviation");
      if (!(description.lower < description.upper) || !(description.deviation > 0.0))
      {
        channel.Fail("'clip' needs lower < upper and a positive deviation");
      }
    }
    if ((description.normalization == "display" || description.normalization == "min_max") !=
        (plan.promptSource == "manual"))
    {
      channel.Fail("normalization '" + description.normalization + "' does not go with the prompt source '" +
                   plan.promptSource + "'");
    }
    if (description.normalization == "display")
    {
      description.mean = channel.Get<double>("mean");
      description.deviation = channel.Get<double>("deviation");
      if (!(description.deviation > 0.0))
      {
        channel.Fail("'display' needs a positive deviation");
      }
    }
    channel.ThrowIfUnused();
    plan.channels.push_back(description);
  }
  section.ThrowIfUnused();
}

void
ReadLabels(const Json & json, const std::string & where, Plan & plan)
{
  plan.labels.clear();
  std::set<int64_t> values;
  for (const auto & entry : json)
  {
    Section   label(entry, where + ": labels");
    LabelPlan description;
    description.value = label.Get<int64_t>("value");
    description.name = label.Get<std::string>("name");
    label.Read("color", description.color);
    label.ThrowIfUnused();
    if (!values.insert(description.value).second || description.value < 0 || description.value > 32767)
    {
      label.Fail("value " + std::to_string(description.value) + " is given twice or lies outside of 0 to 32767");
    }
    plan.labels.push_back(description);
  }
  if (plan.labels.size() < 2 || plan.labels.front().value != 0)
  {
    throw Error(where + ": labels: expected the background (value 0) first and one more label at least");
  }
}
void
ReadTraining(Section section, Plan & plan)
{
  section.Read("frozen", plan.frozen);
  section.Read("adapted", plan.adapted);
  section.Read("mask_loss_weight", plan.maskLossWeight);
  section.ReadSize("loss_points", plan.lossPoints, int64_t{ 1 } << 30);
  section.Read("prototype_diversity_weight", plan.prototypeDiversityWeight);
  if (!(plan.prototypeDiversityWeight >= 0.0 && plan.prototypeDiversityWeight < 1e6))
  {
    section.Fail("'prototype_diversity_weight' must not be negative");
  }
  if (section.Has("matching"))
  {
    plan.matchesVolumes = section.GetWord("matching", { "slice", "volume" }) == "volume";
  }
  if (!(plan.maskLossWeight >= 0.0 && plan.maskLossWeight < 1e6))
  {
    section.Fail("'mask_loss_weight' must not be negative");
  }
  section.ThrowIfUnused();
}

void
ReadCompatibility(Section & root, Plan & plan)
{
  plan.compatibility = root.Get<std::vector<std::string>>("compatibility");
  const auto & known = Plan::GetCompatibilityWords();
  for (const auto & word : plan.compatibility)
  {
    if (std::find(known.begin(), known.end(), word) == known.end())
    {
      root.Fail("unknown word '" + word.substr(0, maximumPrintedLength) + "' for 'compatibility', expected " +
                Join(known));
    }
  }
  if (plan.Keeps("cropped_positions") &&
      (plan.window[0] > plan.grid[0] * plan.patch || plan.window[1] > plan.grid[1] * plan.patch))
  {
    root.Fail("'cropped_positions' needs a 'grid' of the encoder that holds the driver's 'window'");
  }
}
} // namespace

const std::vector<std::string> &
Plan::GetCompatibilityWords()
{
  static const std::vector<std::string> words{ "depth_adapter_in_windows",
                                               "padding_before_norm",
                                               "cropped_positions",
                                               "binary_mask_prompts",
                                               "whole_pixel_boxes",
                                               "boxes_to_last_pixel",
                                               "halved_empty_boxes",
                                               "masks_through_input_size",
                                               "unnormalized_scores",
                                               "random_adapters",
                                               "probabilities_as_logits",
                                               "set_loss_only",
                                               "polynomial_learning_rate",
                                               "zeros_around_image",
                                               "rounded_window_weights",
                                               "shuffled_low_level",
                                               "column_gates",
                                               "random_positions",
                                               "batch_dice" };
  return words;
}

std::vector<std::string>
Plan::GetCompatibilityWords(const std::string & promptSource)
{
  static const std::set<std::string> ofPrototypes{
    "random_adapters", "shuffled_low_level", "column_gates", "random_positions", "batch_dice"
  };
  std::vector<std::string> words;
  for (const auto & word : GetCompatibilityWords())
  {
    const bool isOfPrototypes = ofPrototypes.count(word) > 0;
    if (promptSource == "prototype" ? isOfPrototypes : !isOfPrototypes || word == "random_adapters")
    {
      words.push_back(word);
    }
  }
  return words;
}

bool
Plan::Keeps(const std::string & word) const
{
  return std::find(compatibility.begin(), compatibility.end(), word) != compatibility.end();
}

bool
Plan::IsFrozen(const std::string & tensor) const
{
  return std::any_of(frozen.begin(), frozen.end(), [&](const auto & start) { return tensor.rfind(start, 0) == 0; }) &&
         std::none_of(
           adapted.begin(), adapted.end(), [&](const auto & part) { return tensor.find(part) != std::string::npos; });
}

bool
Plan::HasAdaptation(const std::string & word) const
{
  return std::find(adaptation.begin(), adaptation.end(), word) != adaptation.end();
}

Plan
Plan::WithEncoder(const std::string & word)
{
  Plan plan;
  plan.encoder = word;
  ApplyEncoderPreset(plan);
  return plan;
}

Plan
Plan::FromJson(const std::string & text, const std::string & where)
{
  const Json json = Parse(text, where);
  Plan       plan;
  Section    root(json, where + ": plan");
  if (const auto version = root.Get<int>("version"); version != planVersion)
  {
    root.Fail("version " + std::to_string(version) + ", expected " + std::to_string(planVersion));
  }
  ReadStem(root.Sub("stem"), plan);
  ReadEncoder(root.Sub("encoder"), plan);
  ReadAdaptation(root.At("adaptation"), where + ": plan", plan);
  root.ReadSize("slices", plan.slices, 4096);
  if (root.Has("planar_levels"))
  {
    root.ReadSize("planar_levels", plan.planarLevels, 16);
  }
  ReadPromptSource(root.Sub("prompt_source"), plan);
  ReadDecoder(root.Sub("decoder"), plan);
  ReadDriver(root.Sub("driver"), plan);
  ReadPreprocessing(root.Sub("preprocessing"), where + ": plan", plan);
  ReadLabels(root.At("labels"), where + ": plan", plan);
  if (root.Has("training"))
  {
    ReadTraining(root.Sub("training"), plan);
  }
  if (root.Has("compatibility"))
  {
    ReadCompatibility(root, plan);
  }
  if (root.Has("provenance"))
  {
    plan.provenance = root.At("provenance").dump();
  }
  root.ThrowIfUnused();
  return plan;
}

Plan
Plan::Changed(const std::string & change, const std::string & where) const
{
  const auto changes = Json::parse(change, nullptr, false);
  if (!changes.is_object())
  {
    throw Error(where + ": not a JSON object, expected one such as {\"driver\": {\"overlap\": [0, 0, 0]}}");
  }
  auto json = Json::parse(this->ToJson());
  json.merge_patch(changes);
  return FromJson(json.dump(), where);
}

std::string
Plan::ToJson() const
{
  Json json;
  json["version"] = planVersion;
  json["stem"] = { { "type", stem }, { "widths", stemWidths } };
  if (stem == "pyramid" && finestStride > 1)
  {
    json["stem"]["stride"] = finestStride;
  }
  json["encoder"] = { { "type", encoder },
                      { "width", width },
                      { "depth", depth },
                      { "heads", heads },
                      { "mlp_ratio", mlpRatio },
                      { "patch", patch },
                      { "attention_window", attentionWindow },
                      { "global_blocks", globalBlocks },
                      { "grid", grid },
                      { "neck", neck } };
  if (positions != "both")
  {
    json["encoder"]["positions"] = positions;
  }
  if (encoder == "unet")
  {
    json["encoder"] = { { "type", encoder }, { "widths", stageWidths }, { "stride", finestStride } };
  }
  if (encoder == "tiny_vit")
  {
    json["encoder"] = {
      { "type", encoder },         { "widths", stageWidths }, { "depths", stageDepths }, { "heads", stageHeads },
      { "windows", stageWindows }, { "mlp_ratio", mlpRatio }, { "grid", grid },          { "neck", neck }
    };
  }
  json["adaptation"] = Json::array();
  for (const auto & word : adaptation)
  {
    json["adaptation"].push_back({ { "type", word }, { "ratio", adapterRatio } });
  }
  json["slices"] = slices;
  if (planarLevels > 0)
  {
    json["planar_levels"] = planarLevels;
  }
  json["prompt_source"] = { { "type", promptSource },
                            { "queries", queries },
                            { "ladder", ladder },
                            { "skips", skips },
                            { "hidden_width", promptHiddenWidth } };
  if (promptHeads != "perceptrons")
  {
    json["prompt_source"]["heads"] = promptHeads;
  }
  if (fullResolutionStages > 0)
  {
    json["prompt_source"]["full_resolution_stages"] = fullResolutionStages;
  }
  if (!kernels.empty())
  {
    json["prompt_source"]["kernels"] = kernels;
  }
  if (promptSource != "auxiliary")
  {
    json["prompt_source"] = { { "type", promptSource } };
  }
  if (promptSource == "prototype")
  {
    json["prompt_source"]["prototypes"] = prototypes;
    if (addressing != "softmax" || temperature != 1.0)
    {
      json["prompt_source"]["addressing"] = addressing;
      json["prompt_source"]["temperature"] = temperature;
    }
  }
  json["decoder"] = { { "type", decoder },
                      { "depth", decoderDepth },
                      { "heads", decoderHeads },
                      { "mlp_width", decoderMlpWidth },
                      { "mask_prompt_channels", maskPromptChannels },
                      { "upscaling_steps", upscalingSteps },
                      { "refines_masks", refinesMasks } };
  if (decoder == "semantic")
  {
    json["decoder"].erase("mask_prompt_channels");
    if (!refinesMasks)
    {
      json["decoder"].erase("refines_masks");
    }
    json["decoder"]["nests_labels"] = nestsLabels;
  }
  if (decoder == "unet")
  {
    json["decoder"] = { { "type", decoder }, { "nests_labels", nestsLabels } };
  }
  if (keepsSamHeads)
  {
    json["decoder"]["keeps_sam_heads"] = keepsSamHeads;
  }
  if (maskConvolutionWidth > 0)
  {
    json["decoder"]["mask_convolution_width"] = maskConvolutionWidth;
  }
  if (promptSource == "manual" || keepsSamHeads)
  {
    json["decoder"]["multimasks"] = multimasks;
    json["decoder"]["iou_head_depth"] = iouHeadDepth;
    json["decoder"]["iou_head_width"] = iouHeadWidth;
  }
  json["driver"] = { { "window", window }, { "overlap", overlap } };
  Json channelList = Json::array();
  for (const auto & channel : channels)
  {
    Json entry{ { "name", channel.name }, { "normalization", channel.normalization } };
    if (channel.normalization == "clip")
    {
      entry["lower"] = channel.lower;
      entry["upper"] = channel.upper;
      entry["mean"] = channel.mean;
      entry["deviation"] = channel.deviation;
    }
    if (channel.normalization == "display")
    {
      entry["mean"] = channel.mean;
      entry["deviation"] = channel.deviation;
    }
    channelList.push_back(entry);
  }
  json["preprocessing"] = { { "orientation", orientation }, { "spacing", spacing }, { "channels", channelList } };
  if (fit != "spacing")
  {
    json["preprocessing"]["fit"] = fit;
  }
  if (frame != "none")
  {
    json["preprocessing"]["frame"] = frame;
  }
  if (interpolation != "linear")
  {
    json["preprocessing"]["interpolation"] = interpolation;
  }
  json["labels"] = Json::array();
  for (const auto & label : labels)
  {
    json["labels"].push_back({ { "value", label.value }, { "name", label.name }, { "color", label.color } });
  }
  const Plan standard;
  if (!frozen.empty() || prototypeDiversityWeight > 0.0 || maskLossWeight != standard.maskLossWeight ||
      lossPoints != standard.lossPoints || matchesVolumes)
  {
    json["training"] = { { "frozen", frozen },
                         { "adapted", adapted },
                         { "mask_loss_weight", maskLossWeight },
                         { "loss_points", lossPoints },
                         { "matching", matchesVolumes ? "volume" : "slice" } };
    if (prototypeDiversityWeight > 0.0)
    {
      json["training"]["prototype_diversity_weight"] = prototypeDiversityWeight;
    }
  }
  if (!compatibility.empty())
  {
    json["compatibility"] = compatibility;
  }
  json["provenance"] = Json::parse(provenance);
  return json.dump(1);
}
} // namespace sam
