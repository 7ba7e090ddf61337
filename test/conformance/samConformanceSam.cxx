// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samConformanceParts.h"
#include "samError.h"
#include "samImageTransform.h"
#include "samMaskGenerator.h"
#include "samWindows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cstdio>
#include <limits>

namespace sam
{
namespace
{
std::string
Number(int64_t number)
{
  return std::to_string(number);
}

/** How \a prompts lie in the leading axis: as the header says where slices see each other, else on \a images. */
SliceLayout
Layout(const Recording & recording, const TwoWayTransformerOptions & options, int64_t images, int64_t prompts)
{
  return options.slices > 0 ? SliceLayout{ recording.Number("B"), recording.Number("T"), recording.Number("nq") }
                            : SliceLayout{ images, 1, prompts / images };
}

/** Attention scores B×(h·w)×(h·w) with the relative terms of \a query B×(h·w)×C added. */
at::Tensor
AddRelativePositions(const at::Tensor & scores,
                     const at::Tensor & query,
                     const at::Tensor & rowTable,
                     const at::Tensor & columnTable,
                     const ImageSize &  grid)
{
  const auto [h, w] = grid;
  const auto q = query.view({ -1, h, w, query.size(2) });
  const auto rows = at::matmul(q, RelativePositions(h, h, rowTable).transpose(1, 2));
  const auto columns =
    at::matmul(q.transpose(1, 2), RelativePositions(w, w, columnTable).transpose(1, 2)).transpose(1, 2);
  return (scores.view({ -1, h, w, h, w }) + rows.unsqueeze(4) + columns.unsqueeze(3)).view(scores.sizes());
}

/** The answer of SAM's decoder to P prompts on one image 1×C×h×w: single/... and multimask/... . */
void
CompareMaskTokens(Recording &                 recording,
                  const MaskDecoder::Output & output,
                  const std::string &         masks,
                  const std::string &         iou)
{
  const int64_t ambiguous = output.masks.size(1) - 1;
  recording.Compare("out/single" + masks, output.masks.narrow(1, 0, 1));
  recording.Compare("out/single" + iou, output.iou.narrow(1, 0, 1));
  recording.Compare("out/multimask" + masks, output.masks.narrow(1, 1, ambiguous));
  recording.Compare("out/multimask" + iou, output.iou.narrow(1, 1, ambiguous));
}
/** Boxes and binary masks, dense positions with an embedding of the slices: MaskSAM's. */
void
CheckBoxPromptEncoder(Recording & recording)
{
  constexpr int64_t patch = 16;

  auto options = PromptOptions(recording, "");
  options.slices = recording.Extent("temporal_embedding", 0);
  options.grid = { recording.Extent("temporal_embedding", 2), recording.Extent("temporal_embedding", 3) };
  const auto    encoder = Build<PromptEncoder>(recording, "", options);
  const int64_t image = recording.Number("img");
  recording.Compare("out/sparse", encoder->EncodeBoxes((recording.Get("in/boxes") + 0.5) / image));
  recording.Compare("out/dense", encoder->EncodeMasks(recording.Get("in/masks")));
  const auto positions = [&](const ImageSize & frame) {
    return encoder->DensePositions(options.slices, options.grid, frame)
      .transpose(0, 1)
      .repeat({ recording.Number("B"), 1, 1, 1 });
  };
  recording.Compare("out/dense_pe", positions(options.grid));
  recording.Compare("out/dense_pe_size", positions({ image / patch, image / patch }));
}

} // namespace

void
CheckImageEncoder(Recording & recording)
{
  const auto              options = EncoderOptions(recording, "");
  const auto              encoder = Build<ImageEncoder>(recording, "", options);
  std::vector<at::Tensor> tokens;
  const auto              output = (*encoder)(
    recording.Get("in/x").unsqueeze(2), {}, [&recording, &tokens](const std::string & name, const at::Tensor & value) {
      recording.Compare("out/" + name, value);
      if (name != "patch_embed")
      {
        tokens.push_back(value);
      }
    });
  recording.Compare("out/embedding", output.embedding.squeeze(2));

  // The attention of each block by itself, on windows as they are cut.
  const auto & global = options.globalBlocks;
  for (int64_t k = 0; k < options.depth; ++k)
  {
    const bool isGlobal = std::find(global.begin(), global.end(), k) != global.end();
    const auto block = "blocks." + Number(k) + ".";
    const auto norm = recording.Weights(block + "norm1.");
    const auto normalized =
      at::layer_norm(tokens[static_cast<size_t>(k)], { options.width }, norm.at("weight"), norm.at("bias"), 1e-6);
    Parameters              parameters(recording.Weights(block + "attn."), "parameters");
    const auto              grid = isGlobal ? options.grid : std::array{ options.window, options.window };
    const RelativeAttention attention(Scope(parameters), options.width, options.heads, grid, 0);
    recording.Compare("out/block" + Number(k) + "_attn",
                      attention(isGlobal ? normalized : PartitionWindows(normalized, options.window)));
  }
}

void
CheckVolumeEncoder(Recording & recording)
{
  auto options = EncoderOptions(recording, "");
  options.slices = recording.Extent("temporal_embedding", 1);
  options.adapterBottleneck = recording.Extent("blocks.0.Space_Adapter.D_fc1.weight", 0);
  options.adaptsInWindows = true;
  options.padsBeforeNorm = true;
  options.cropsPositions = true;
  const auto encoder = Build<ImageEncoder>(recording, "", options);
  for (const std::string name : { "full", "small" })
  {
    const auto prefix = "out/" + name + "/";
    const auto output = (*encoder)(recording.Get("in/x_" + name), {}, recording.Comparer(prefix));
    auto       levels = output.levels;
    levels.push_back(output.embedding);
    for (size_t k = 0; k < levels.size(); ++k)
    {
      recording.Compare(prefix + "level" + std::to_string(k), levels[k].transpose(1, 2).flatten(0, 1));
    }
  }
}

void
CheckWindowsAndRelativePositions(Recording & recording)
{
  const auto &  x = recording.Get("in/x");
  const int64_t window = recording.Number("window");
  const int64_t h = x.size(1);
  const int64_t w = x.size(2);
  const auto    windows = PartitionWindows(x, window);
  const auto    grid = WindowGrid(window, h, w);
  recording.Compare("out/windows", windows);
  recording.Compare("out/padded_hw", { grid[0] * window, grid[1] * window });
  recording.Compare("out/unpartitioned", UnpartitionWindows(windows, window, h, w));

  for (const auto & name : recording.Outputs("out/get_rel_pos_"))
  {
    long queries = 0;
    long keys = 0;
    if (std::sscanf(name.c_str(), "q%ld_k%ld", &queries, &keys) == 2)
    {
      recording.Compare("out/get_rel_pos_" + name, RelativePositions(queries, keys, recording.Get("in/rel_pos")));
    }
  }

  // Which grid the tokens form is not recorded: the one of their numbers' factors that fits.
  const auto &  scores = recording.Get("in/attn");
  const auto &  query = recording.Get("in/q");
  const int64_t tokens = query.size(1);
  double        least = std::numeric_limits<double>::infinity();
  at::Tensor    best;
  std::string   remark;
  for (int64_t rows = 1; rows <= tokens; ++rows)
  {
    if (tokens % rows != 0)
    {
      continue;
    }
    const auto found = AddRelativePositions(
      scores, query, recording.Get("in/rel_h"), recording.Get("in/rel_w"), { rows, tokens / rows });
    const auto   expected = recording.Find("out/decomposed");
    const double error = expected.defined() ? (found.cpu() - expected).abs().max().item<double>() : 0.0;
    if (error < least)
    {
      least = error;
      best = found;
      remark = Number(rows) + "x" + Number(tokens / rows) + " tokens";
    }
  }
  recording.Compare("out/decomposed", best, remark);
}

void
CheckPromptEncoder(Recording & recording)
{
  if (recording.Has("param/temporal_embedding"))
  {
    CheckBoxPromptEncoder(recording);
    return;
  }
  const auto encoder = Build<PromptEncoder>(recording, "", PromptOptions(recording, ""));
  // Masks have four times as many pixels per axis as the grid has tokens.
  const auto                   masks = recording.Find("in/masks");
  const int64_t                patch = recording.Number("patch");
  const int64_t                side = recording.Number("img") / patch;
  const std::array<int64_t, 2> grid =
    masks.defined() ? std::array{ masks.size(2) / 4, masks.size(3) / 4 } : std::array{ side, side };
  const ManualPrompts all =
    ReadPrompts(recording, { grid[0] * patch, grid[1] * patch }, "in/points", "in/labels", "in/boxes", "in/masks");
  recording.Compare("out/dense_pe", encoder->DensePositions(1, grid).transpose(0, 1));

  // The names say what was given: points_boxes/sparse.
  for (const auto & name : recording.Outputs("out/"))
  {
    const auto    slash = name.find('/');
    ManualPrompts given;
    bool          isKnown = slash != std::string::npos;
    for (size_t begin = 0; isKnown && begin < slash;)
    {
      const auto end = std::min(name.find('_', begin), slash);
      const auto word = name.substr(begin, end - begin);
      begin = end + 1;
      if (word == "points")
      {
        given.points = all.points;
        given.labels = all.labels;
      }
      else if (word == "boxes")
      {
        given.boxes = all.boxes;
      }
      else if (word == "masks")
      {
        given.masks = all.masks;
      }
      else
      {
        isKnown = word == "none";
      }
    }
    if (isKnown)
    {
      const auto encoded = encoder->Encode(given, grid);
      recording.Compare("out/" + name.substr(0, slash) + "/sparse", encoded.sparse);
      recording.Compare("out/" + name.substr(0, slash) + "/dense", encoded.dense);
    }
  }
}

void
CheckTwoWayTransformer(Recording & recording)
{
  const auto    options = TransformerOptions(recording, "");
  const auto    transformer = Build<TwoWayTransformer>(recording, "", options);
  const auto &  image = recording.Get("in/image_embedding");
  const int64_t prompts = image.size(0);
  const auto [queries, keys] = (*transformer)(image,
                                              recording.Get("in/image_pe"),
                                              recording.Get("in/point_embedding"),
                                              Layout(recording, options, prompts, prompts),
                                              recording.Comparer("out/"));
  recording.Compare("out/queries", queries);
  recording.Compare("out/keys", keys);
}

void
CheckMaskDecoder(Recording & recording)
{
  const auto   options = DecoderOptions(recording, "");
  const auto   decoder = Build<MaskDecoder>(recording, "", options);
  const auto & image = recording.Get("in/image_embedding");
  const auto & dense = recording.Get("in/dense");
  const auto   layout = Layout(recording, options.transformer, image.size(0), dense.size(0));
  const auto   decode = [&](const at::Tensor & classTokens) {
    return (*decoder)(image, recording.Get("in/image_pe"), recording.Get("in/sparse"), dense, classTokens, {}, layout);
  };
  const auto classTokens = recording.Find("in/aux_classifier_tokens");
  const auto output = decode(classTokens.defined() ? classTokens.squeeze(1) : classTokens);
  CompareMaskTokens(recording, output, "/masks", "/iou");
  if (options.classes > 0)
  {
    recording.Compare("out/single/class_logits", output.classes);
    recording.Compare("out/multimask/class_logits", output.classes);
    recording.Compare("out/single_without_aux_tokens/class_logits", decode({}).classes);
  }
}

void
CheckWholeSam(Recording & recording)
{
  const auto options = EncoderOptions(recording, "image_encoder.");
  const auto encoder = Build<ImageEncoder>(recording, "image_encoder.", options);
  const auto promptEncoder =
    Build<PromptEncoder>(recording, "prompt_encoder.", PromptOptions(recording, "prompt_encoder."));
  const auto    decoder = Build<MaskDecoder>(recording, "mask_decoder.", DecoderOptions(recording, "mask_decoder."));
  const int64_t side = options.patch * options.grid[0];
  const auto    positions = promptEncoder->DensePositions(1, options.grid).transpose(0, 1);
  for (int64_t k = 0; recording.Has("in/" + Number(k) + "/image"); ++k)
  {
    const auto   record = "/" + Number(k);
    const auto   in = "in" + record;
    const auto & image = recording.Get(in + "/image");
    const auto   square = PadToSquare(image, side);
    recording.Compare("out/preprocessed" + record, square);

    const auto embedding = (*encoder)(square.unsqueeze(1).unsqueeze(0)).embedding.squeeze(2);
    const auto prompts = ReadPrompts(
      recording, { side, side }, in + "/point_coords", in + "/point_labels", in + "/boxes", in + "/mask_inputs");
    const auto encoded = promptEncoder->Encode(prompts, options.grid);
    const auto output =
      (*decoder)(embedding, positions, encoded.sparse, encoded.dense, {}, {}, { 1, 1, encoded.dense.size(0) });
    CompareMaskTokens(recording, output, record + "/low_res_logits", record + "/iou");

    const auto      original = recording.Get(in + "/original_size").to(at::kLong);
    const ImageSize originalSize{ original[0].item<int64_t>(), original[1].item<int64_t>() };
    const auto      masks = PostprocessMasks(output.masks, side, { image.size(1), image.size(2) }, originalSize);
    for (const auto & [mode, logits] : { std::pair("out/single", masks.narrow(1, 0, 1)),
                                         std::pair("out/multimask", masks.narrow(1, 1, masks.size(1) - 1)) })
    {
      recording.Compare(mode + record + "/postprocessed", logits);
      recording.CompareMasks(mode + record + "/masks", logits);
    }
  }
}

void
CheckTransforms(Recording & recording)
{
  const int64_t side = recording.Number("img");
  const auto    bytes = recording.Get("in/image_u8").permute({ 2, 0, 1 });
  recording.Compare("out/image_u8_resized", ResizeLongestSide(bytes, side).permute({ 1, 2, 0 }));
  recording.Compare("out/image_f_resized", ResizeLongestSide(recording.Get("in/image_f"), side));
  const ImageSize size{ bytes.size(1), bytes.size(2) };
  recording.Compare("out/coords", ResizeCoordinates(recording.Get("in/coords"), size, side));
  recording.Compare("out/boxes", ResizeBoxes(recording.Get("in/boxes"), size, side));
  for (const auto & name : recording.Outputs("out/preprocess_shape/"))
  {
    long rows = 0;
    long columns = 0;
    if (std::sscanf(name.c_str(), "%ldx%ld", &rows, &columns) == 2)
    {
      const auto resized = ResizedSize({ rows, columns }, side);
      recording.Compare("out/preprocess_shape/" + name, { resized[0], resized[1] });
    }
  }
  recording.Compare("out/stability_score", StabilityScore(recording.Get("in/mask_logits"), 0.0, 1.0));
  recording.Compare("out/mask_to_box", MaskBoxes(recording.Get("in/bool_masks").to(at::kBool)));
}

void
CheckAutomaticMasks(Recording & recording)
{
  auto plan = RecognizePlan(recording);
  plan.decoderHeads = recording.Number("dec_heads");
  const Network network(plan, recording.Weights(), "parameters");
  const auto    image = recording.Get("in/image").cpu().permute({ 2, 0, 1 }).contiguous();
  for (const std::string name : { "plain", "crops" })
  {
    AutomaticMaskOptions options;
    const auto           set = [&](const char * key, auto & option) {
      if (recording.HasEntry(name + key))
      {
        option = static_cast<std::decay_t<decltype(option)>>(recording.Real(name + key));
      }
    };
    set(".points_per_side", options.pointsPerSide);
    set(".points_per_batch", options.pointsPerBatch);
    set(".pred_iou_thresh", options.qualityThreshold);
    set(".stability_score_thresh", options.stabilityThreshold);
    set(".stability_score_offset", options.stabilityOffset);
    set(".box_nms_thresh", options.boxOverlapThreshold);
    set(".crop_n_layers", options.cropLayers);
    set(".crop_nms_thresh", options.cropBoxOverlapThreshold);
    set(".crop_overlap_ratio", options.cropOverlapRatio);
    set(".crop_n_points_downscale_factor", options.cropPointsDownscale);
    set(".min_mask_region_area", options.minimumRegionArea);
    const auto           masks = GenerateMasks(network, image, options);
    const auto &         recorded = recording.Get("out/" + name + "/runs");
    std::vector<int64_t> runs;
    std::vector<int64_t> boxes;
    std::vector<int64_t> crops;
    std::vector<float>   quality;
    std::vector<float>   stability;
    std::vector<float>   points;
    const auto           addCorner = [](std::vector<int64_t> & list, const std::array<int64_t, 4> & box) {
      list.insert(list.end(), { box[0], box[1], box[2] - box[0], box[3] - box[1] });
    };
    for (const auto & mask : masks)
    {
      runs.insert(runs.end(), mask.runs.begin(), mask.runs.end());
      runs.resize(runs.size() +
                  static_cast<size_t>(std::max<int64_t>(0, recorded.size(1) - static_cast<int64_t>(mask.runs.size()))));
      addCorner(boxes, mask.box);
      addCorner(crops, mask.crop);
      quality.push_back(mask.quality);
      stability.push_back(mask.stability);
      points.insert(points.end(), { static_cast<float>(mask.point[0]), static_cast<float>(mask.point[1]) });
    }
    recording.Compare("out/" + name + "/runs", at::tensor(runs).view({ static_cast<int64_t>(masks.size()), -1 }));
    recording.Compare("out/" + name + "/bbox", at::tensor(boxes).view({ -1, 4 }));
    recording.Compare("out/" + name + "/crop_box", at::tensor(crops).view({ -1, 4 }));
    recording.Compare("out/" + name + "/predicted_iou", at::tensor(quality));
    recording.Compare("out/" + name + "/stability_score", at::tensor(stability));
    recording.Compare("out/" + name + "/point", at::tensor(points).view({ -1, 2 }));
  }
}
} // namespace sam
