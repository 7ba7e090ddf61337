// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samNetwork.h"

#include "samError.h"
#include "samImageEncoder.h"
#include "samMaskDecoder.h"
#include "samParallel.h"
#include "samPromptEncoder.h"
#include "samPromptGenerator.h"
#include "samPrototypePrompts.h"
#include "samSafetensors.h"
#include "samTinyVit.h"
#include "samUnet.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_nearest2d.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <optional>

namespace sam
{
namespace
{
/** Of a pyramid, or of a path that climbs over features of these \a widths, finest first. */
UnetOptions
PyramidOptions(const Plan & plan, const std::vector<int64_t> & widths)
{
  return { static_cast<int64_t>(plan.channels.size()), widths, plan.finestStride, plan.planarLevels };
}

/** The network's first convolutions: features from the image's resolution to what the patch embedding takes. */
class Stem
{
public:
  Stem(const Scope & scope, const Plan & plan)
  {
    const auto inputs = static_cast<int64_t>(plan.channels.size());
    m_RepeatsGray = plan.stem == "gray_rgb";
    if (plan.stem == "pseudo_rgb")
    {
      int64_t channels = inputs;
      for (const int64_t width : plan.stemWidths)
      {
        AddUnit(scope, channels, width, plan.planarLevels > 0);
        channels = width;
      }
      AddUnit(scope, channels, 3, plan.planarLevels > 0);
    }
    else if (plan.stem == "enlarged_rgb")
    {
      const auto unit = [&scope, &plan](int64_t place, int64_t channels, int64_t outputs) {
        const std::array<int64_t, 3> kernel{ plan.planarLevels > 0 ? 1 : 3, 3, 3 };
        return ConvolutionUnit(scope / place / "convs" / 0, channels, outputs, { .kernel = kernel });
      };
      m_Enlarging.emplace(Enlarging{ unit(0, inputs, plan.stemWidths[0]),
                                     { scope / 1, plan.stemWidths[0], plan.stemWidths[0] },
                                     { scope / 4, plan.stemWidths[0], plan.stemWidths[1] },
                                     unit(7, plan.stemWidths[1], plan.stemWidths[1]),
                                     unit(8, plan.stemWidths[1], 3) });
    }
    else if (plan.stem == "pyramid")
    {
      m_Pyramid.emplace(scope, PyramidOptions(plan, plan.stemWidths));
    }
  }

  /** Fills the details of \a encoded and returns what the encoder takes. */
  at::Tensor
  operator()(at::Tensor x, EncodedImage & encoded) const
  {
    if (m_RepeatsGray)
    {
      return x.expand({ -1, 3, -1, -1, -1 });
    }
    if (m_Enlarging)
    {
      const auto & parts = *m_Enlarging;
      return parts.last(parts.fine(parts.quadruple(parts.twice(parts.first(x)))));
    }
    if (m_Pyramid)
    {
      encoded.details = (*m_Pyramid)(x);
      return encoded.details.back();
    }
    for (const auto & unit : m_Units)
    {
      x = unit(x);
    }
    return x;
  }

private:
  void
  AddUnit(const Scope & scope, int64_t inputs, int64_t outputs, bool isPlanar)
  {
    const Scope                  place = scope / static_cast<int64_t>(m_Units.size()) / "convs" / 0;
    const std::array<int64_t, 3> kernel{ isPlanar ? 1 : 3, 3, 3 };
    m_Units.emplace_back(place, inputs, outputs, ConvolutionUnit::Options{ .kernel = kernel });
  }

  struct Enlarging
  {
    ConvolutionUnit first;
    EnlargingUnit   twice;
    EnlargingUnit   quadruple;
    ConvolutionUnit fine;
    ConvolutionUnit last;
  };

  std::optional<Enlarging>       m_Enlarging;
  std::optional<ContractingPath> m_Pyramid;
  std::vector<ConvolutionUnit>   m_Units;
  bool                           m_RepeatsGray{ false };
};

/** Pixels of the encoder's input for each token and axis, where the image has plan.patch voxels. */
int64_t
EncoderPatch(const Plan & plan)
{
  return plan.stem == "pyramid"        ? plan.patch / (plan.finestStride << (plan.stemWidths.size() - 1))
         : plan.stem == "enlarged_rgb" ? 4 * plan.patch
                                       : plan.patch;
}

/** Channels of the encoder's input. */
int64_t
EncoderChannels(const Plan & plan)
{
  return plan.stem == "pyramid" ? plan.stemWidths.back()
         : plan.stem == "none"  ? static_cast<int64_t>(plan.channels.size())
                                : 3;
}

/** The features of a stem or U-Net that are finer than the token grid. */
std::vector<int64_t>
DetailChannels(const Plan & plan)
{
  if (plan.encoder == "unet")
  {
    return { plan.stageWidths.begin(), plan.stageWidths.end() - 1 };
  }
  return plan.stem == "pyramid" ? plan.stemWidths : std::vector<int64_t>{};
}

/** Features that are finer than the token grid and go with the embedding. */
struct Detail
{
  int64_t channels;
  int64_t factor; ///< voxels per token and axis
};

std::vector<Detail>
Details(const Plan & plan)
{
  std::vector<Detail> details;
  for (const int64_t channels : DetailChannels(plan))
  {
    details.push_back({ channels, (plan.patch / plan.finestStride) >> details.size() });
  }
  if (plan.decoder == "hq")
  {
    details.push_back({ plan.neck / 8, 4 });
  }
  return details;
}

/** The encoder's levels that prompts are made from. */
size_t
LevelCount(const Plan & plan)
{
  return plan.promptSource == "auxiliary" ? plan.globalBlocks.size() : 0;
}

int64_t
Bottleneck(const Plan & plan, int64_t width)
{
  return std::max<int64_t>(1, static_cast<int64_t>(plan.adapterRatio * static_cast<double>(width)));
}

ImageEncoderOptions
EncoderOptions(const Plan & plan)
{
  ImageEncoderOptions options;
  options.inputChannels = EncoderChannels(plan);
  options.width = plan.width;
  options.depth = plan.depth;
  options.heads = plan.heads;
  options.mlpRatio = plan.mlpRatio;
  options.patch = EncoderPatch(plan);
  options.window = plan.attentionWindow;
  options.globalBlocks = plan.globalBlocks;
  options.grid = { plan.grid[1], plan.grid[0] };
  options.neck = plan.neck;
  options.keepsLevels = plan.promptSource == "auxiliary" || plan.decoder == "hq";
  if (plan.HasAdaptation("depth_convolution"))
  {
    options.slices = plan.slices;
    options.adapterBottleneck = Bottleneck(plan, plan.width);
  }
  options.adaptsInWindows = plan.Keeps("depth_adapter_in_windows");
  options.padsBeforeNorm = plan.Keeps("padding_before_norm");
  options.cropsPositions = plan.Keeps("cropped_positions");
  options.hasAbsolutePositions = plan.positions != "relative";
  options.hasRelativePositions = plan.positions != "absolute";
  options.adaptersStartRandom = plan.Keeps("random_adapters");
  if (plan.HasAdaptation("low_level_attention"))
  {
    options.lowLevel.bottleneck = Bottleneck(plan, plan.width);
    options.lowLevel.startsAtRandom = options.adaptersStartRandom;
    options.lowLevel.shufflesTokens = plan.Keeps("shuffled_low_level");
    options.lowLevel.gatesColumns = plan.Keeps("column_gates");
  }
  return options;
}

TinyVitOptions
TinyOptions(const Plan & plan)
{
  TinyVitOptions options;
  options.inputChannels = EncoderChannels(plan);
  options.widths = plan.stageWidths;
  options.depths = plan.stageDepths;
  options.heads = plan.stageHeads;
  options.windows = plan.stageWindows;
  options.mlpRatio = plan.mlpRatio;
  options.neck = plan.neck;
  return options;
}

PromptGeneratorOptions
GeneratorOptions(const Plan & plan)
{
  PromptGeneratorOptions options;
  options.embeddingChannels = plan.neck;
  options.levelChannels = plan.width;
  options.detailChannels = DetailChannels(plan);
  options.queries = plan.queries;
  options.tokenWidth = plan.neck;
  options.hiddenWidth = plan.promptHiddenWidth;
  options.ladder = plan.ladder;
  options.skips = plan.skips;
  options.planarLevels = plan.planarLevels;
  options.fullResolutionStages = plan.fullResolutionStages;
  for (const auto & kernel : plan.kernels)
  {
    options.kernels.push_back({ kernel[2], kernel[1], kernel[0] });
  }
  options.hasConvolutionHeads = plan.promptHeads == "convolutions";
  options.boxesEndAtLastPixel = plan.Keeps("boxes_to_last_pixel");
  options.halvesEmptyBoxes = plan.Keeps("halved_empty_boxes");
  return options;
}

PromptEncoderOptions
PromptOptions(const Plan & plan)
{
  PromptEncoderOptions options;
  options.width = plan.neck;
  options.grid = { plan.window[1] / plan.patch, plan.window[0] / plan.patch };
  options.maskChannels = plan.maskPromptChannels;
  options.slices = plan.HasAdaptation("depth_convolution") || plan.HasAdaptation("depth_mlp") ? plan.slices : 0;
  return options;
}

MaskDecoderOptions
DecoderOptions(const Plan & plan)
{
  MaskDecoderOptions options;
  options.transformer.width = plan.neck;
  options.transformer.depth = plan.decoderDepth;
  options.transformer.heads = plan.decoderHeads;
  options.transformer.mlpWidth = plan.decoderMlpWidth;
  if (plan.HasAdaptation("depth_mlp"))
  {
    options.transformer.slices = plan.slices;
    options.transformer.adapterBottleneck = Bottleneck(plan, plan.neck);
    options.transformer.adaptersStartRandom = plan.Keeps("random_adapters");
  }
  options.upscalingSteps = plan.upscalingSteps;
  options.maskTokens = plan.multimasks + 1;
  options.iouHeadDepth = plan.iouHeadDepth;
  options.iouHeadWidth = plan.iouHeadWidth;
  if (plan.decoder == "hq")
  {
    options.earlyChannels = plan.encoder == "tiny_vit" ? plan.stageWidths[2] : plan.width;
  }
  if (plan.promptSource == "manual")
  {
    return options;
  }
  options.hasIouHead = plan.keepsSamHeads;
  if (plan.decoder == "semantic")
  {
    options.maskTokens = static_cast<int64_t>(plan.labels.size()) - 1;
    options.detailChannels = plan.refinesMasks ? plan.stemWidths.front() : 0;
    options.refinesAllTokens = true;
    return options;
  }
  options.maskTokens = plan.keepsSamHeads ? options.maskTokens : 1;
  options.classes = static_cast<int64_t>(plan.labels.size());
  options.detailChannels = plan.refinesMasks ? plan.ladder.back() : 0;
  return options;
}

/** Brings the masks of all queries B×N×D×h×w to four times the rows and columns with 3-D convolutions. */
class MaskConvolutions
{
public:
  MaskConvolutions(const Scope & scope, const Plan & plan)
    : m_First(scope / 0 / "convs" / 0, plan.queries, plan.maskConvolutionWidth, {})
    , m_Twice(scope / 1, plan.maskConvolutionWidth, plan.maskConvolutionWidth)
    , m_Quadruple(scope / 4, plan.maskConvolutionWidth, plan.maskConvolutionWidth)
    , m_Last(scope / 7,
             plan.maskConvolutionWidth,
             plan.queries,
             { .kernel = { 3, 3, 3 }, .stride = {}, .padded = true })
  {}

  at::Tensor
  operator()(const at::Tensor & masks) const
  {
    return m_Last(m_Quadruple(m_Twice(m_First(masks))));
  }

private:
  ConvolutionUnit m_First;
  EnlargingUnit   m_Twice;
  EnlargingUnit   m_Quadruple;
  Convolution     m_Last;
};

/** A plain U-Net, whose contracting path is the encoder. */
class Unet
{
public:
  Unet(const Scope & encoder, const Scope & decoder, const Plan & plan)
    : m_Contracting(encoder, PyramidOptions(plan, plan.stageWidths))
    , m_Expanding(decoder / "expanding", plan.neck, PyramidOptions(plan, DetailChannels(plan)), 2)
    , m_Head(decoder / "head",
             plan.stageWidths.front(),
             static_cast<int64_t>(plan.labels.size()) - 1,
             { .kernel = { 1, 1, 1 }, .stride = {} })
  {}

  EncodedImage
  Encode(const at::Tensor & image) const
  {
    EncodedImage encoded;
    encoded.details = m_Contracting(image);
    encoded.embedding = encoded.details.back();
    encoded.details.pop_back();
    return encoded;
  }

  /** Mask logits B×N×D×H'×W' at the finest resolution. */
  at::Tensor
  Decode(const EncodedImage & encoded) const
  {
    return m_Head(m_Expanding(encoded.embedding, encoded.details));
  }

private:
  ContractingPath m_Contracting;
  ExpandingPath   m_Expanding;
  Convolution     m_Head;
};

/** B×c×D×h×w into (B·D)×c×h×w. */
at::Tensor
PerSlice(const at::Tensor & x)
{
  return x.transpose(1, 2).flatten(0, 1);
}

/** B×c×D×(h·f)×(w·f) into B×(c·f·f)×D×h×w. */
at::Tensor
FoldVoxels(const at::Tensor & x, int64_t factor)
{
  return x.reshape({ x.size(0), x.size(1), x.size(2), x.size(3) / factor, factor, x.size(4) / factor, factor })
    .permute({ 0, 1, 4, 6, 2, 3, 5 })
    .flatten(1, 3);
}

/** The inverse of FoldVoxels. */
at::Tensor
UnfoldVoxels(const at::Tensor & x, int64_t factor)
{
  return x.reshape({ x.size(0), x.size(1) / (factor * factor), factor, factor, x.size(2), x.size(3), x.size(4) })
    .permute({ 0, 1, 4, 5, 2, 6, 3 })
    .reshape({ x.size(0), x.size(1) / (factor * factor), x.size(2), x.size(3) * factor, x.size(4) * factor });
}

bool
RequireGradients(const Parameters & parameters)
{
  const auto & tensors = parameters.GetTensors();
  return std::any_of(tensors.begin(), tensors.end(), [](const auto & entry) { return entry.second.requires_grad(); });
}

/** Shares of K labels B×K×D×H×W from the probabilities of the masks of all but the background. */
at::Tensor
SharesOfMasks(const at::Tensor & masks, bool areNested)
{
  std::vector<at::Tensor> shares(static_cast<size_t>(masks.size(1)) + 1);
  at::Tensor              highest; // of the labels behind
  for (int64_t k = masks.size(1) - 1; k >= 0; --k)
  {
    const auto mask = masks.select(1, k);
    auto &     share = shares[static_cast<size_t>(k) + 1];
    if (!highest.defined())
    {
      highest = share = mask;
      continue;
    }
    const auto above = highest;
    highest = at::maximum(above, mask);
    share = areNested ? at::minimum(highest, 1.0 - above) : mask;
  }
  shares.front() = 1.0 - highest;
  const auto all = at::stack(shares, 1);
  return all / all.sum(1, true);
}
} // namespace

at::Tensor
MaskClassification::Semantic() const
{
  if (!classes.defined())
  {
    return SharesOfMasks(at::sigmoid(masks), isNested);
  }
  const int64_t labels = classes.size(3) - 1;
  const auto    weights = at::softmax(classes, 3).narrow(3, 0, labels).transpose(2, 3); // B×D×K×N
  const auto    probabilities = at::sigmoid(masks).transpose(1, 2).flatten(3);          // B×D×N×(H·W)
  const auto    sums = at::matmul(weights, probabilities).transpose(1, 2);              // B×K×D×(H·W)
  const auto    normalized = isNormalized ? sums / sums.sum(1, true).clamp_min(1e-8) : sums;
  return normalized.reshape({ masks.size(0), labels, masks.size(2), masks.size(3), masks.size(4) });
}

struct Network::Implementation
{
  Implementation(const Plan & plan, const Scope & scope)
    : stem(scope / "stem", plan)
  {
    const Scope place = scope / "image_encoder";
    if (plan.encoder == "unet")
    {
      unet.emplace(place, scope / "mask_decoder", plan);
      return;
    }
    if (plan.promptSource == "none")
    {
      positions.emplace(scope / "prompt_encoder" / "pe_layer", plan.neck);
    }
    else if (plan.promptSource != "prototype")
    {
      promptEncoder.emplace(scope / "prompt_encoder", PromptOptions(plan));
    }
    decoder.emplace(scope / "mask_decoder", DecoderOptions(plan));
    if (plan.encoder == "tiny_vit")
    {
      tinyVit.emplace(place, TinyOptions(plan));
    }
    else
    {
      vit.emplace(place, EncoderOptions(plan));
    }
    if (plan.promptSource == "auxiliary")
    {
      generator.emplace(scope / "prompt_generator", GeneratorOptions(plan));
    }
    else if (plan.promptSource == "prototype")
    {
      prototypes.emplace(scope / "prompt_generator",
                         plan.neck,
                         PrototypeOptions{ plan.prototypes, plan.addressing == "cosine", plan.temperature });
    }
    if (plan.decoder == "semantic" && plan.refinesMasks)
    {
      refinement.emplace(scope / "mask_refinement", plan.neck, PyramidOptions(plan, DetailChannels(plan)), 1);
    }
    if (plan.maskConvolutionWidth > 0)
    {
      maskConvolutions.emplace(scope / "mask_convolutions", plan);
    }
  }

  /** Codes of the places of a grid of tokens, 1×C×h×w, where there is no prompt encoder. */
  at::Tensor
  DensePositions(const std::array<int64_t, 2> & grid) const
  {
    return (prototypes ? prototypes->DensePositions(grid) : positions->OfGrid(grid, grid)).unsqueeze(0);
  }

  Stem                            stem;
  std::optional<Unet>             unet;
  std::optional<ImageEncoder>     vit;
  std::optional<TinyVit>          tinyVit;
  std::optional<PromptEncoder>    promptEncoder;
  std::optional<PositionEncoding> positions;
  std::optional<MaskDecoder>      decoder;
  std::optional<ExpandingPath>    refinement;
  std::optional<PromptGenerator>  generator;
  std::optional<PrototypePrompts> prototypes;
  std::optional<MaskConvolutions> maskConvolutions;
};

Network::Network(const Plan & plan, uint64_t seed)
  : m_Plan(plan)
  , m_Parameters(seed)
{
  Build();
}

Network::Network(const Plan & plan, std::map<std::string, at::Tensor> tensors, const std::string & where)
  : m_Plan(plan)
  , m_Parameters(std::move(tensors), where)
{
  Build();
  m_Parameters.ThrowIfUnused();
}

Network::Network(const Plan & plan, TensorFile file)
  : m_Plan(plan)
  , m_Parameters(std::move(file))
{
  Build();
  m_Parameters.ThrowIfUnused();
  m_Parameters.Read();
}

Network::~Network() = default;

void
Network::Verify(const Plan & plan, TensorFile file)
{
  Parameters           parameters(std::move(file));
  const Implementation parts(plan, Scope(parameters));
  parameters.ThrowIfUnused();
  parameters.CheckFinite();
}

TensorShapes
Network::GetShapes(const Plan & plan)
{
  Parameters           parameters;
  const Implementation parts(plan, Scope(parameters));
  TensorShapes         shapes;
  for (const auto & [name, tensor] : parameters.GetTensors())
  {
    shapes[name] = tensor.sizes().vec();
  }
  return shapes;
}

void
Network::Build()
{
  m_Implementation = std::make_unique<Implementation>(m_Plan, Scope(m_Parameters));
  for (const auto & [name, tensor] : m_Parameters.GetTensors())
  {
    if (m_Plan.IsFrozen(name))
    {
      m_Parameters.MarkConstant(name);
    }
  }
}

EncodedImage
Network::Encode(const at::Tensor & image, const ProgressFunction & progress, const Observer & observe) const
{
  if (m_Implementation->unet)
  {
    const auto encoded = m_Implementation->unet->Encode(image);
    if (progress)
    {
      progress(1.0);
    }
    return encoded;
  }
  EncodedImage encoded;
  at::Tensor   early;
  const auto   features = m_Implementation->stem(image, encoded);
  if (observe)
  {
    observe("stem", features);
  }
  if (m_Implementation->tinyVit)
  {
    const auto output = (*m_Implementation->tinyVit)(features, progress);
    encoded.embedding = output.embedding;
    early = output.early;
  }
  else
  {
    auto output = (*m_Implementation->vit)(features, progress, observe);
    encoded.embedding = output.embedding;
    encoded.levels = std::move(output.levels);
  }
  if (m_Plan.decoder == "hq")
  {
    early = early.defined() ? early : encoded.levels.front();
    encoded.levels.clear();
    const auto details =
      m_Implementation->decoder->FuseDetails(PerSlice(encoded.embedding).contiguous(), PerSlice(early).contiguous());
    encoded.details.push_back(details.unflatten(0, { image.size(0), image.size(2) }).transpose(1, 2)); // B×c×D×4h×4w
  }
  return encoded;
}

Prompts
Network::GeneratePrompts(const EncodedImage & encoded, const Observer & observe) const
{
  if (m_Implementation->prototypes)
  {
    const auto found = (*m_Implementation->prototypes)(PerSlice(encoded.embedding), observe);
    if (observe)
    {
      observe("addresses", found.addresses);
    }
    const auto perImage = [&encoded](const at::Tensor & x) {
      return x.unflatten(0, { encoded.embedding.size(0), encoded.embedding.size(2) }).transpose(1, 2);
    };
    Prompts prompts;
    prompts.dense = perImage(found.dense);
    prompts.similarity = perImage(found.similarity);
    return prompts;
  }
  if (m_Plan.promptSource == "none")
  {
    return {};
  }
  if (!m_Implementation->generator)
  {
    throw Error("the model makes no prompts of its own, expected points, boxes or masks");
  }
  return (*m_Implementation->generator)(encoded, observe);
}

MaskClassification
Network::Decode(const EncodedImage & encoded, const Prompts & prompts, const Observer & observe) const
{
  if (m_Implementation->unet)
  {
    MaskClassification result;
    result.isNested = m_Plan.nestsLabels;
    const auto & embedding = encoded.embedding;
    result.masks =
      ResizeLinear(m_Implementation->unet->Decode(encoded),
                   { embedding.size(2), m_Plan.patch * embedding.size(3), m_Plan.patch * embedding.size(4) });
    return result;
  }
  if (m_Plan.decoder == "semantic")
  {
    return this->DecodeDense(encoded, prompts.dense, observe);
  }
  const auto &                 promptEncoder = *m_Implementation->promptEncoder;
  const auto &                 embedding = encoded.embedding;
  const SliceLayout            layout{ embedding.size(0), embedding.size(2), m_Plan.queries };
  const std::array<int64_t, 2> grid{ embedding.size(3), embedding.size(4) };
  const std::array<int64_t, 2> frame =
    m_Plan.Keeps("cropped_positions") ? std::array<int64_t, 2>{ m_Plan.grid[1], m_Plan.grid[0] } : grid;
  const int64_t height = prompts.masks.size(3);
  const int64_t width = prompts.masks.size(4);

  // B×N×D×H×W into one map per prompt, slices before queries.
  const auto maskLogits = prompts.masks.transpose(1, 2).reshape({ -1, 1, height, width });
  const auto maskPrompts = m_Plan.Keeps("binary_mask_prompts")
                             ? at::upsample_nearest2d((maskLogits > 0).to(at::kFloat), { 4 * grid[0], 4 * grid[1] })
                             : ResizeLinear(at::sigmoid(maskLogits), { 4 * grid[0], 4 * grid[1] });
  const auto boxPrompts = this->PlaceBoxes(prompts.boxes.reshape({ -1, 4 }), { height, width }, grid, frame);
  const auto dense = promptEncoder.EncodeMasks(maskPrompts);
  const auto sparse = promptEncoder.EncodeBoxes(boxPrompts);
  const auto positions = promptEncoder.DensePositions(layout.slices, grid, frame).transpose(0, 1);
  const auto slicePositions = positions.repeat({ layout.batch, 1, 1, 1 });
  const auto output = (*m_Implementation->decoder)(PerSlice(embedding),
                                                   slicePositions,
                                                   sparse,
                                                   dense,
                                                   prompts.classTokens.flatten(0, 2),
                                                   prompts.details.defined() ? PerSlice(prompts.details) : at::Tensor(),
                                                   layout);
  // The first mask token answers, SAM's others stay idle.
  const auto masks = output.masks.narrow(1, 0, 1);
  if (observe)
  {
    observe("prompt/boxes", boxPrompts);
    observe("prompt/masks", maskPrompts);
    observe("prompt/sparse", sparse);
    observe("prompt/dense", dense);
    observe("decoder/image_pe", slicePositions);
    observe("decoder/low_res_masks", masks);
    observe("decoder/class_logits", output.classes);
    if (output.iou.defined())
    {
      observe("decoder/iou", output.iou.narrow(1, 0, 1));
    }
  }
  const auto perWindow = [&layout](const at::Tensor & x) {
    return x.view({ layout.batch, layout.slices, layout.queries, x.size(2), x.size(3) }).transpose(1, 2);
  };
  MaskClassification result;
  result.isNormalized = !m_Plan.Keeps("unnormalized_scores");
  result.classes = output.classes.view({ layout.batch, layout.slices, layout.queries, -1 });
  if (m_Implementation->maskConvolutions)
  {
    const auto fine = (*m_Implementation->maskConvolutions)(perWindow(masks));
    result.masks = ResizeLinear(fine, { layout.slices, height, width });
    return result;
  }
  const int64_t patch = EncoderPatch(m_Plan);
  const auto    resized =
    m_Plan.Keeps("masks_through_input_size") ? ResizeLinear(masks, { patch * grid[0], patch * grid[1] }) : masks;
  result.masks = perWindow(ResizeLinear(resized, { height, width }));
  return result;
}

MaskClassification
Network::DecodeDense(const EncodedImage & encoded, const at::Tensor & dense, const Observer & observe) const
{
  const auto        image = PerSlice(encoded.embedding);
  const int64_t     slices = image.size(0);
  const SliceLayout layout{ encoded.embedding.size(0), encoded.embedding.size(2), 1 };
  const auto        positions = m_Implementation->DensePositions({ image.size(2), image.size(3) });
  const auto        nothing = at::zeros({ slices, 0, m_Plan.neck }, image.options());
  const auto        prompt = dense.defined() ? PerSlice(dense) : at::zeros_like(image);
  at::Tensor        details;
  if (m_Implementation->refinement)
  {
    details = PerSlice((*m_Implementation->refinement)(dense.defined() ? encoded.embedding + dense : encoded.embedding,
                                                       encoded.details));
  }
  const auto output =
    (*m_Implementation->decoder)(image, positions.expand({ slices, -1, -1, -1 }), nothing, prompt, {}, details, layout);
  if (observe)
  {
    observe("decoder/low_res_masks", output.masks);
    if (output.iou.defined())
    {
      observe("decoder/iou", output.iou);
    }
  }
  MaskClassification result;
  result.isNested = m_Plan.nestsLabels;
  result.masks = ResizeLinear(output.masks, { m_Plan.patch * image.size(2), m_Plan.patch * image.size(3) })
                   .unflatten(0, { layout.batch, layout.slices })
                   .transpose(1, 2);
  return result;
}

at::Tensor
Network::ComparePrototypes() const
{
  if (!m_Implementation->prototypes)
  {
    throw Error("the model has no prototypes to compare");
  }
  return m_Implementation->prototypes->Compare();
}

at::Tensor
Network::PlaceBoxes(const at::Tensor &             boxes,
                    const std::array<int64_t, 2> & size,
                    const std::array<int64_t, 2> & grid,
                    const std::array<int64_t, 2> & frame) const
{
  const auto corners = boxes.unflatten(1, { 2, 2 });
  const auto pair = [&boxes](double rows, double columns) { return at::tensor({ columns, rows }, boxes.options()); };
  if (!m_Plan.Keeps("whole_pixel_boxes"))
  {
    const auto shares = pair(static_cast<double>(grid[0]) / static_cast<double>(frame[0]),
                             static_cast<double>(grid[1]) / static_cast<double>(frame[1]));
    return (corners * shares).flatten(1);
  }
  // Pixels of the encoder's input, whose corners SAM moves to the pixels' centers.
  const auto patch = static_cast<double>(EncoderPatch(m_Plan));
  const auto voxels = pair(static_cast<double>(size[0]), static_cast<double>(size[1]));
  const auto pixels = pair(patch * static_cast<double>(grid[0]), patch * static_cast<double>(grid[1])) / voxels;
  const auto whole = pair(patch * static_cast<double>(frame[0]), patch * static_cast<double>(frame[1]));
  return (((corners * voxels).floor() * pixels + 0.5) / whole).flatten(1);
}

PromptedMasks
Network::Decode(const EncodedImage & encoded, const ManualPrompts & prompts, bool multimask, bool hqTokenOnly) const
{
  if (m_Plan.promptSource != "manual")
  {
    throw Error("the model makes its own prompts, expected a model that takes points, boxes or masks");
  }
  const bool isHq = m_Plan.decoder == "hq";
  if (hqTokenOnly && !isHq)
  {
    throw Error("the model has the decoder '" + m_Plan.decoder + "', expected hq for the mask of HQ-SAM's token alone");
  }
  // In one piece: a part of a larger tensor might be added up in another order than the same values from a file.
  const auto                   embedding = encoded.embedding.select(2, 0).contiguous();
  const auto                   details = isHq ? encoded.details.back().select(2, 0).contiguous() : at::Tensor();
  const auto &                 promptEncoder = *m_Implementation->promptEncoder;
  const std::array<int64_t, 2> grid{ embedding.size(2), embedding.size(3) };
  int64_t                      count = 0;
  for (const auto & given : { prompts.points, prompts.boxes, prompts.masks })
  {
    count = given.defined() ? given.size(0) : count;
  }
  if (count == 0)
  {
    throw Error("no prompt is given, expected points, boxes or masks");
  }
  const auto   tokens = prompts.points.defined() || prompts.boxes.defined()
                          ? promptEncoder.Encode({ prompts.points, prompts.labels, prompts.boxes, {} }, grid).sparse
                          : at::zeros({ count, 0, m_Plan.neck }, embedding.options());
  const auto & decoder = *m_Implementation->decoder;
  const auto   positions = promptEncoder.DensePositions(1, grid).transpose(0, 1);
  const auto   decode = [&](int64_t begin, int64_t length) {
    const auto dense = prompts.masks.defined() ? promptEncoder.EncodeMasks(prompts.masks.narrow(0, begin, length))
                                                 : promptEncoder.EncodeNoMask(length, grid);
    const auto sparse = tokens.narrow(0, begin, length);
    return decoder.Choose(
      decoder(embedding, positions, sparse, dense, {}, details, { 1, 1, length }), multimask, hqTokenOnly);
  };
  const bool hasGradients =
    at::GradMode::is_enabled() &&
    (embedding.requires_grad() || tokens.requires_grad() || (details.defined() && details.requires_grad()) ||
     (prompts.masks.defined() && prompts.masks.requires_grad()) || RequireGradients(m_Parameters));
  if (count == 1 || hasGradients)
  {
    return decode(0, count);
  }
  if (!prompts.masks.defined() && embedding.is_cpu() && decoder.CanShareImage())
  {
    return decoder.DecodeOnOneImage(
      embedding + promptEncoder.EncodeNoMask(1, grid), positions, tokens, details, multimask, hqTokenOnly);
  }
  // Bounded memory. A processor decodes faster one by one, a prompt on each thread.
  const int64_t           group = embedding.is_cpu() ? 1 : 8;
  const int64_t           groups = (count + group - 1) / group;
  std::vector<at::Tensor> masks(static_cast<size_t>(groups));
  std::vector<at::Tensor> quality(static_cast<size_t>(groups));
  const auto              decodeGroup = [&](int64_t k) {
    const auto part = decode(k * group, std::min(group, count - k * group));
    masks[static_cast<size_t>(k)] = part.masks.clone();
    quality[static_cast<size_t>(k)] = part.quality;
  };
  if (embedding.is_cpu())
  {
    ForEachInParallel(groups, decodeGroup);
  }
  else
  {
    for (int64_t k = 0; k < groups; ++k)
    {
      decodeGroup(k);
    }
  }
  return { at::cat(masks, 0), at::cat(quality, 0) };
}

int64_t
Network::GetNumberOfMasks(bool multimask) const
{
  return multimask && m_Plan.decoder != "hq" ? m_Plan.multimasks : 1;
}

at::Tensor
Network::Pack(const EncodedImage & encoded) const
{
  std::vector<at::Tensor> parts{ encoded.embedding };
  parts.insert(parts.end(), encoded.levels.begin(), encoded.levels.end());
  const auto details = Details(m_Plan);
  for (size_t k = 0; k < details.size(); ++k)
  {
    parts.push_back(FoldVoxels(encoded.details[k], details[k].factor));
  }
  return at::cat(parts, 1);
}

EncodedImage
Network::Unpack(const at::Tensor & packed) const
{
  EncodedImage encoded;
  int64_t      first = 0;
  const auto   take = [&](int64_t channels) {
    first += channels;
    return packed.narrow(1, first - channels, channels);
  };
  encoded.embedding = take(m_Plan.neck);
  for (size_t k = 0; k < LevelCount(m_Plan); ++k)
  {
    encoded.levels.push_back(take(m_Plan.width));
  }
  for (const auto & [channels, factor] : Details(m_Plan))
  {
    encoded.details.push_back(UnfoldVoxels(take(channels * factor * factor), factor));
  }
  return encoded;
}

int64_t
Network::GetPackedChannels() const
{
  int64_t channels = m_Plan.neck + static_cast<int64_t>(LevelCount(m_Plan)) * m_Plan.width;
  for (const auto & detail : Details(m_Plan))
  {
    channels += detail.channels * detail.factor * detail.factor;
  }
  return channels;
}

void
Network::SetPrecision(Precision precision)
{
  m_Parameters.Prepare("image_encoder.", precision);
  m_Precision = precision;
}

void
Network::To(const at::Device & device)
{
  for (const auto & [name, tensor] : m_Parameters.GetTensors())
  {
    tensor.set_data(tensor.to(device));
  }
}

std::unique_ptr<Network>
ReadModel(const std::string & path, const std::string & preprocessing)
{
  auto model = OpenModel(path, preprocessing);
  return std::make_unique<Network>(model.plan, std::move(model.tensors));
}

void
ConvertModel(const ModelFile &        model,
             const std::string &      path,
             at::ScalarType           precision,
             const ProgressFunction & progress)
{
  Network::Verify(model.plan, model.tensors);
  auto tensors = model.tensors.GetTensors();
  for (auto & [name, tensor] : tensors)
  {
    tensor.type = precision;
    tensor.strides.clear();
    tensor.begin = 0;
  }
  size_t     done = 0;
  const auto read = [&](const std::string & name) {
    if (progress)
    {
      progress(static_cast<double>(done++) / static_cast<double>(tensors.size()));
    }
    auto tensor = model.tensors.Read(name).to(precision);
    if (!AreFinite(tensor.data_ptr(), static_cast<uint64_t>(tensor.numel()), precision))
    {
      throw Error(model.tensors.GetPath() + ": tensor '" + name + "' holds numbers beyond the range of " +
                  c10::toString(precision));
    }
    return tensor;
  };
  WriteSafetensors(path, tensors, { { "format", "pt" }, { "plan", model.plan.ToJson() } }, read);
}

void
WriteModel(const std::string & path, const Plan & plan, const std::map<std::string, at::Tensor> & tensors)
{
  WriteSafetensors(path, { tensors, { { "format", "pt" }, { "plan", plan.ToJson() } } });
}
} // namespace sam
