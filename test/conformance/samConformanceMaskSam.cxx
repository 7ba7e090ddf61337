// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAdapters.h"
#include "samConformance.h"
#include "samImageTransform.h"
#include "samMatchingLoss.h"
#include "samPromptGenerator.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cstdio>

namespace sam
{
namespace
{
std::vector<double>
ToVector(const at::Tensor & matrix)
{
  const auto values = matrix.to(at::kDouble).contiguous();
  return { values.const_data_ptr<double>(), values.const_data_ptr<double>() + values.numel() };
}

void
CompareAssignment(Recording & recording, const std::string & name, const at::Tensor & costs)
{
  const auto assignment = SolveAssignment(ToVector(costs.cpu()), costs.size(0), costs.size(1));
  recording.Compare(name + "/rows", assignment.rows);
  recording.Compare(name + "/cols", assignment.columns);
  recording.Compare(name + "/total", at::full({ 1 }, assignment.total, at::kDouble));
}
} // namespace

void
CheckAdapters(Recording & recording)
{
  const auto grid = recording.Numbers("hid_hw");
  // The names say which adapter ran on which input: conv3d_q_skip/img_bdq_hwc.
  for (const auto & name : recording.Outputs("out/"))
  {
    const auto        slash = std::min(name.find('/'), name.size() - 1);
    const auto        adapter = name.substr(0, slash);
    const bool        hasSkip = adapter.find("noskip") == std::string::npos;
    const bool        isConvolution = adapter.compare(0, 6, "conv3d") == 0;
    const bool        isPerSlice = isConvolution && adapter.compare(0, 8, "conv3d_q") != 0;
    const SliceLayout layout{ recording.Number("B"), recording.Number("T"), isPerSlice ? 1 : recording.Number("nq") };
    if (!isConvolution && adapter.compare(0, 9, "depth_mlp") != 0)
    {
      continue;
    }
    const auto &  x = recording.Get("in/" + name.substr(slash + 1));
    Parameters    parameters(recording.Weights(adapter + "."), "parameters");
    const int64_t bottleneck = recording.Extent(adapter + ".D_fc1.weight", 0);
    const int64_t width = recording.Extent(adapter + ".D_fc1.weight", 1);
    at::Tensor    found;
    if (isConvolution)
    {
      const DepthConvolutionAdapter run(Scope(parameters), width, bottleneck, hasSkip);
      found = run(x.view({ x.size(0), grid[0], grid[1], width }), layout).view(x.sizes());
    }
    else
    {
      const int64_t         slices = recording.Extent(adapter + ".T_fc1.weight", 1);
      const DepthMlpAdapter run(Scope(parameters), width, bottleneck, slices, hasSkip);
      found = run(x, layout);
    }
    parameters.ThrowIfUnused();
    recording.Compare("out/" + name, found);
  }
}

void
CheckAssignment(Recording & recording)
{
  for (int64_t k = 0; recording.Has("in/" + std::to_string(k)); ++k)
  {
    CompareAssignment(recording, "out/" + std::to_string(k), recording.Get("in/" + std::to_string(k)));
  }
  // out/case0_nan_at_1_1/rows: the matrix 0 with NaN in row 1, column 1.
  for (const auto & name : recording.Outputs("out/case"))
  {
    long matrix = 0;
    long row = 0;
    long column = 0;
    if (std::sscanf(name.c_str(), "%ld_nan_at_%ld_%ld/", &matrix, &row, &column) == 3)
    {
      auto costs = recording.Get("in/" + std::to_string(matrix)).clone();
      costs[row][column] = std::numeric_limits<double>::quiet_NaN();
      CompareAssignment(recording, "out/case" + name.substr(0, name.find('/')), costs);
    }
  }
}

void
CheckBoxesAndTargets(Recording & recording)
{
  const auto & first = recording.Get("in/boxes1");
  const auto & second = recording.Get("in/boxes2");
  const auto   overlap = PairwiseOverlap(first, second);
  recording.Compare("out/iou", overlap.iou);
  recording.Compare("out/union", overlap.unionArea);
  recording.Compare("out/giou", overlap.generalized);
  recording.Compare("out/l1_cdist", PairwiseDistance(first, second));

  const auto & numbers = recording.Get("in/corner_and_extent");
  recording.Compare("out/corner_extent_to_xyxy", BoxesFromCorners(numbers.flatten(2)).view(numbers.sizes()));

  // The published boxes end at the last pixel's index.
  const auto masks = recording.Get("in/net_masks").to(at::kBool);
  const auto extent =
    at::tensor({ masks.size(3), masks.size(2) }, at::TensorOptions(at::kFloat).device(masks.device()));
  recording.Compare("out/network_mask_boxes", MaskBoxes(masks).unflatten(-1, { 2, 2 }) / extent);

  const auto & labels = recording.Get("in/seg");
  const auto   targets = TargetsFromLabels(labels, labels.max().item<int64_t>() + 1, false);
  for (int64_t slice = 0; slice < labels.size(0); ++slice)
  {
    const auto name = "out/targets/" + std::to_string(slice);
    const auto present = targets.present[slice].nonzero().flatten();
    recording.Compare(name + "/labels", present);
    recording.Compare(name + "/masks", targets.masks[slice].index_select(0, present));
    recording.Compare(name + "/boxes", targets.boxes[slice].index_select(0, present));
  }
}

void
CheckMatchingLosses(Recording & recording)
{
  const at::AutoGradMode gradients(true);
  MatchingLossOptions    options;
  options.classWeight = recording.Real("w_cls");
  options.maskWeight = recording.Real("w_mask");
  options.diceWeight = recording.Real("w_dice");
  options.boxWeight = recording.Real("w_box");
  options.auxiliaryMaskWeight = recording.Real("w_am");
  options.giouWeight = recording.Real("w_giou");
  options.noObjectWeight = recording.Real("eos");
  options.points = recording.Number("P");
  options.oversampling = recording.Real("over");
  options.importance = recording.Real("imp");
  options.sampling = MatchingLossOptions::Sampling::Points;
  options.boxesEndAtFarEdge = false;

  const auto leaf = [&recording](const std::string & name) {
    return recording.Get("in/" + name).clone().requires_grad_(true);
  };
  const auto masks = leaf("pred_masks");
  const auto auxiliaryMasks = leaf("pred_aux_masks");
  const auto classes = leaf("pred_logits");
  const auto boxes = leaf("pred_aux_bboxes");
  Prompts    prompts;
  prompts.masks = auxiliaryMasks.transpose(0, 1).unsqueeze(0);
  prompts.boxes = boxes.unsqueeze(0);
  MaskClassification classification;
  classification.masks = masks.transpose(0, 1).unsqueeze(0);
  classification.classes = classes.unsqueeze(0);

  const auto &            labels = recording.Get("in/seg");
  const int64_t           slices = labels.size(0);
  std::vector<at::Tensor> matching;
  for (int64_t slice = 0; slice < slices; ++slice)
  {
    matching.push_back(recording.Get("in/rand/matcher/" + std::to_string(slice)).squeeze(0));
  }
  const MatchingPoints points{ at::stack(matching),
                               recording.Get("in/rand/loss_masks/candidates"),
                               recording.Get("in/rand/loss_masks/extra"),
                               recording.Get("in/rand/loss_aux_masks/candidates"),
                               recording.Get("in/rand/loss_aux_masks/extra") };

  const MatchingLoss loss(options);
  const auto         losses = loss(prompts, classification, labels.unsqueeze(0), {}, &points);
  CompareMatchingLosses(recording, losses, labels);

  losses.total.backward();
  recording.Compare("out/grad_total/pred_masks", masks.grad());
  recording.Compare("out/grad_total/pred_aux_masks", auxiliaryMasks.grad());
  recording.Compare("out/grad_total/pred_logits", classes.grad());
  recording.Compare("out/grad_total/pred_aux_bboxes", boxes.grad());
}

void
CompareMatchingLosses(Recording & recording, const MatchingLosses & losses, const at::Tensor & labels)
{
  const auto targets = TargetsFromLabels(labels.cpu(), losses.present.size(1), false);
  for (int64_t slice = 0; slice < labels.size(0); ++slice)
  {
    const auto   number = std::to_string(slice);
    const auto   present = losses.present[slice].nonzero().flatten();
    const auto & match = losses.matches[static_cast<size_t>(slice)];
    recording.Compare("out/target_labels/" + number, present);
    recording.Compare("out/target_boxes/" + number, targets.boxes[slice].index_select(0, present));
    recording.Compare("out/cost_matrix/" + number, losses.costs[slice].index_select(1, present));
    recording.Compare("out/matched_queries/" + number, match.queries);
    // The recorded ones count the present labels only.
    const auto order = losses.present[slice].to(at::kLong).cumsum(0) - 1;
    recording.Compare("out/matched_targets/" + number, order.index_select(0, at::tensor(match.labels, at::kLong)));
  }
  recording.Compare("out/num_masks", at::full({ 1 }, losses.targets, at::kFloat));
  recording.Compare("out/loss/loss_ce", losses.classification.view({ 1 }));
  recording.Compare("out/loss/loss_mask", losses.mask.view({ 1 }));
  recording.Compare("out/loss/loss_dice", losses.dice.view({ 1 }));
  recording.Compare("out/loss/loss_aux_mask", losses.auxiliaryMask.view({ 1 }));
  recording.Compare("out/loss/loss_aux_dice", losses.auxiliaryDice.view({ 1 }));
  recording.Compare("out/loss/loss_aux_bbox", losses.auxiliaryBox.view({ 1 }));
  recording.Compare("out/loss/loss_aux_giou", losses.auxiliaryGiou.view({ 1 }));
  recording.Compare("out/loss/total_weighted", losses.total.view({ 1 }));
}
} // namespace sam
