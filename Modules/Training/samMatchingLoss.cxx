// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMatchingLoss.h"

#include "samError.h"
#include "samPromptGenerator.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/full.h>
#include <ATen/ops/grid_sampler_2d.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/minimum.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <array>
#include <optional>
#include <sstream>

namespace sam
{
namespace
{
/** Binary cross-entropy (mean over P) and Dice of every mask with every target of its slice, each S×N×K. */
struct MaskComparison
{
  at::Tensor crossEntropy;
  at::Tensor dice;
};

/** \a logits S×N×P against \a targets S×K×P. The sums over pixels are matrix products, so no S×N×K×P is formed. */
MaskComparison
CompareMasks(const at::Tensor & logits, const at::Tensor & targets)
{
  const auto columns = targets.transpose(1, 2);
  const auto probabilities = at::sigmoid(logits);
  const auto softplus = at::softplus(logits).sum(2, true);
  const auto count = static_cast<double>(logits.size(2));
  const auto sums = probabilities.sum(2, true) + targets.sum(2).unsqueeze(1);
  return { (softplus - at::bmm(logits, columns)) / count,
           1.0 - (2.0 * at::bmm(probabilities, columns) + 1.0) / (sums + 1.0) };
}

/** Slices first: B×N×D×H×W into (B·D)×N×H×W. */
at::Tensor
PerSlice(const at::Tensor & masks)
{
  return masks.transpose(1, 2).flatten(0, 1);
}

/** \a counts, one per generator, times \a points. */
at::Tensor
RandomPoints(const std::vector<int64_t> & counts,
             int64_t                      points,
             const at::TensorOptions &    options,
             at::ArrayRef<at::Generator>  generators)
{
  std::vector<at::Tensor> parts;
  for (size_t k = 0; k < counts.size(); ++k)
  {
    const auto generator = generators.empty() ? std::nullopt : std::optional(generators[k]);
    parts.push_back(at::rand({ counts[k], points, 2 }, generator, options.device(at::kCPU)));
  }
  return at::cat(parts).to(options.device());
}

std::string
ShapeText(const at::Tensor & tensor)
{
  std::ostringstream text;
  for (int64_t axis = 0; axis < tensor.dim(); ++axis)
  {
    text << (axis > 0 ? "x" : "") << tensor.size(axis);
  }
  return text.str();
}

void
CheckShapes(const Prompts & prompts, const MaskClassification & classification, const at::Tensor & labels)
{
  const auto fail = [](const char * name, const at::Tensor & found, const std::string & expected) {
    throw Error(std::string("matching loss: ") + name + " are " + ShapeText(found) + ", expected " + expected);
  };
  if (labels.dim() != 4 || labels.scalar_type() != at::kLong)
  {
    fail("labels", labels, "int64 of batch x slices x height x width");
  }
  const auto batch = labels.size(0);
  const auto slices = labels.size(1);
  const auto leading = std::to_string(batch) + " x queries x " + std::to_string(slices) + " x height x width";
  const auto trailing = std::to_string(batch) + " x " + std::to_string(slices) + " x queries x ";
  const auto isMasks = [&](const at::Tensor & masks) {
    return masks.dim() == 5 && masks.size(0) == batch && masks.size(2) == slices;
  };
  if (!isMasks(classification.masks))
  {
    fail("masks", classification.masks, leading);
  }
  const auto queries = classification.masks.size(1);
  if (!isMasks(prompts.masks) || prompts.masks.size(1) != queries)
  {
    fail("auxiliary masks", prompts.masks, leading);
  }
  const auto isPerQuery = [&](const at::Tensor & x) {
    return x.dim() == 4 && x.size(0) == batch && x.size(1) == slices && x.size(2) == queries;
  };
  if (!isPerQuery(classification.classes) || classification.classes.size(3) < 2)
  {
    fail("classes", classification.classes, trailing + "(labels + 1)");
  }
  if (!isPerQuery(prompts.boxes) || prompts.boxes.size(3) != 4)
  {
    fail("boxes", prompts.boxes, trailing + "4");
  }
}

/** \a logits and \a targets are M'×1×H×W, each of its own size. Of \a candidates M'×n×2 the \a kept least certain ones
 * are used, and all of \a extra. */
PairLosses
ComparePairs(const at::Tensor & logits,
             const at::Tensor & targets,
             const at::Tensor & candidates,
             const at::Tensor & extra,
             int64_t            kept)
{
  at::Tensor points;
  at::Tensor truth;
  {
    const at::NoGradGuard noGradient;
    const auto            certainty = SamplePoints(logits, candidates).squeeze(1).abs();
    const auto            chosen = std::get<1>(certainty.topk(kept, 1, false, false)).unsqueeze(2);
    points = at::cat({ candidates.gather(1, chosen.expand({ -1, -1, 2 })), extra }, 1);
    truth = SamplePoints(targets, points).squeeze(1);
  }
  return CompareSampled(SamplePoints(logits, points).squeeze(1), truth);
}
} // namespace

at::Tensor
SamplePoints(const at::Tensor & maps, const at::Tensor & points)
{
  constexpr int64_t bilinear = 0;
  constexpr int64_t zeroPadding = 0;
  return at::grid_sampler_2d(maps, (2.0 * points - 1.0).unsqueeze(1), bilinear, zeroPadding, false).squeeze(2);
}

PairLosses
CompareSampled(const at::Tensor & logits, const at::Tensor & truth)
{
  const auto probabilities = at::sigmoid(logits);
  const auto overlap = (probabilities * truth).sum(1);
  return { (at::softplus(logits) - logits * truth).mean(1).sum(),
           (1.0 - (2.0 * overlap + 1.0) / (probabilities.sum(1) + truth.sum(1) + 1.0)).sum() };
}

SliceTargets
TargetsFromLabels(const at::Tensor & labels, int64_t count, bool boxesEndAtFarEdge)
{
  SliceTargets result;
  const auto   values = at::arange(count, labels.options()).view({ 1, count, 1, 1 });
  result.masks = labels.clamp_min(0).unsqueeze(1) == values;
  const auto masks = result.masks.flatten(0, 1);
  result.boxes = BoxesFromMasks(masks, boxesEndAtFarEdge).view({ labels.size(0), count, 4 });
  result.present = masks.flatten(1).any(1).view({ labels.size(0), count });
  return result;
}

BoxOverlap
PairwiseOverlap(const at::Tensor & a, const at::Tensor & b)
{
  constexpr double epsilon = 1e-6;

  const auto first = a.unsqueeze(-2);
  const auto second = b.unsqueeze(-3);
  const auto lowers = [](const at::Tensor & boxes) { return boxes.narrow(-1, 0, 2); };
  const auto uppers = [](const at::Tensor & boxes) { return boxes.narrow(-1, 2, 2); };
  const auto area = [](const at::Tensor & extent) { return extent.select(-1, 0) * extent.select(-1, 1); };

  const auto lowerFirst = lowers(first);
  const auto lowerSecond = lowers(second);
  const auto upperFirst = uppers(first);
  const auto upperSecond = uppers(second);
  const auto shared = at::minimum(upperFirst, upperSecond) - at::maximum(lowerFirst, lowerSecond);
  const auto around = at::maximum(upperFirst, upperSecond) - at::minimum(lowerFirst, lowerSecond);

  BoxOverlap result;
  const auto intersection = area(shared.clamp_min(0));
  result.unionArea = area(upperFirst - lowerFirst) + area(upperSecond - lowerSecond) - intersection;
  result.iou = intersection / (result.unionArea + epsilon);
  const auto hull = area(around.clamp_min(0));
  result.generalized = result.iou - (hull - result.unionArea) / (hull + epsilon);
  return result;
}

at::Tensor
PairwiseDistance(const at::Tensor & a, const at::Tensor & b)
{
  return (a.unsqueeze(-2) - b.unsqueeze(-3)).abs().sum(-1);
}

MatchingLossOptions
MatchingLossOptions::FromPlan(const Plan & plan)
{
  MatchingLossOptions options;
  options.maskWeight = plan.maskLossWeight;
  options.diceWeight = plan.maskLossWeight;
  options.points = plan.lossPoints;
  options.matchesVolumes = plan.matchesVolumes;
  options.boxesEndAtFarEdge = !plan.Keeps("boxes_to_last_pixel");
  options.takesProbabilitiesForLogits = plan.Keeps("probabilities_as_logits");
  return options;
}

MatchingLoss::MatchingLoss(const MatchingLossOptions & options)
  : m_Options(options)
{
  if (options.points < 1 || options.oversampling < options.importance || options.importance < 0.0 ||
      options.importance > 1.0)
  {
    throw Error("matching loss: points must be positive, importance from 0 to 1, oversampling no less than it");
  }
}

MatchingLosses
MatchingLoss::operator()(const Prompts &             prompts,
                         const MaskClassification &  classification,
                         const at::Tensor &          labels,
                         at::ArrayRef<at::Generator> generators,
                         const MatchingPoints *      points,
                         const SumOverProcesses &    sum) const
{
  CheckShapes(prompts, classification, labels);
  const auto windows = static_cast<size_t>(labels.size(0));
  if (!generators.empty() && generators.size() != windows)
  {
    throw Error("matching loss: " + std::to_string(generators.size()) + " generators, expected one for each of " +
                std::to_string(windows) + " windows");
  }
  const int64_t slices = labels.size(0) * labels.size(1);
  const int64_t queries = classification.masks.size(1);
  const int64_t count = classification.classes.size(3) - 1;
  const auto    largest = labels.max().item<int64_t>();
  if (largest >= count)
  {
    throw Error("matching loss: label " + std::to_string(largest) + " found, expected labels below " +
                std::to_string(count));
  }

  const auto sliceLabels = labels.flatten(0, 1);
  const auto targets = TargetsFromLabels(sliceLabels, count, m_Options.boxesEndAtFarEdge);
  const auto targetMasks = targets.masks.to(at::kFloat);
  const auto masks = PerSlice(classification.masks);
  const auto auxiliary = PerSlice(m_Options.takesProbabilitiesForLogits ? at::sigmoid(prompts.masks) : prompts.masks);
  const auto classes = classification.classes.flatten(0, 1);
  const auto boxes = prompts.boxes.flatten(0, 1);

  const bool usesPoints = m_Options.sampling == MatchingLossOptions::Sampling::Points ||
                          (m_Options.sampling == MatchingLossOptions::Sampling::Automatic &&
                           labels.size(2) * labels.size(3) > m_Options.points);

  // 1. Every query against every label of its slice; with all pixels these numbers are the losses as well.
  MaskComparison comparison;
  MaskComparison auxiliaryComparison;
  if (usesPoints)
  {
    const at::NoGradGuard noGradient;
    const auto            places =
      points ? points->matching
                        : RandomPoints(std::vector(windows, labels.size(1)), m_Options.points, masks.options(), generators);
    const auto truth = SamplePoints(targetMasks, places);
    comparison = CompareMasks(SamplePoints(masks, places), truth);
    auxiliaryComparison = CompareMasks(SamplePoints(auxiliary, places), truth);
  }
  else
  {
    for (const auto & found : { masks, auxiliary })
    {
      if (found.size(2) != labels.size(2) || found.size(3) != labels.size(3))
      {
        throw Error("matching loss: masks are " + ShapeText(found) + ", expected the size of the labels " +
                    ShapeText(labels) + " when all pixels are used");
      }
    }
    const auto truth = targetMasks.flatten(2);
    comparison = CompareMasks(masks.flatten(2), truth);
    auxiliaryComparison = CompareMasks(auxiliary.flatten(2), truth);
  }
  const auto overlap = PairwiseOverlap(boxes, targets.boxes);
  const auto distance = PairwiseDistance(boxes, targets.boxes);

  MatchingLosses result;
  {
    const at::NoGradGuard noGradient;
    const auto            probabilities = at::softmax(classes, 2).narrow(2, 0, count);
    result.costs = (m_Options.maskWeight * comparison.crossEntropy + m_Options.diceWeight * comparison.dice -
                    m_Options.classWeight * probabilities + m_Options.boxWeight * distance +
                    m_Options.auxiliaryMaskWeight * (auxiliaryComparison.crossEntropy + auxiliaryComparison.dice) -
                    m_Options.giouWeight * overlap.generalized)
                     .to(at::TensorOptions().dtype(at::kDouble).device(at::kCPU))
                     .contiguous();
    result.present = targets.present.cpu().contiguous();
  }

  // 2. The best assignment of each slice, or of all slices of a volume.
  std::vector<int64_t> pairQueries; // slice·N + query
  std::vector<int64_t> pairTargets; // slice·K + label
  std::vector<int64_t> pairs;       // (slice·N + query)·K + label
  std::vector<int64_t> pairsOfWindow(windows, 0);
  std::vector<int64_t> wanted(static_cast<size_t>(slices * queries), count);
  {
    const double *       costs = result.costs.const_data_ptr<double>();
    const bool *         present = result.present.const_data_ptr<bool>();
    const int64_t        group = m_Options.matchesVolumes ? labels.size(1) : 1;
    std::vector<int64_t> columns;
    std::vector<double>  matrix;
    for (int64_t first = 0; first < slices; first += group)
    {
      columns.clear();
      for (int64_t label = 0; label < count; ++label)
      {
        int64_t times = 0;
        for (int64_t slice = first; slice < first + group; ++slice)
        {
          times += present[slice * count + label] ? 1 : 0;
        }
        result.targets += times;
        if (times > 0)
        {
          columns.push_back(label);
        }
      }
      matrix.clear();
      for (int64_t query = 0; query < queries; ++query)
      {
        for (const int64_t label : columns)
        {
          double cost = 0.0;
          for (int64_t slice = first; slice < first + group; ++slice)
          {
            cost += present[slice * count + label] ? costs[(slice * queries + query) * count + label] : 0.0;
          }
          matrix.push_back(cost);
        }
      }
      const auto assignment = SolveAssignment(matrix, queries, static_cast<int64_t>(columns.size()));
      for (int64_t slice = first; slice < first + group; ++slice)
      {
        SliceMatch & match = result.matches.emplace_back();
        for (size_t k = 0; k < assignment.rows.size(); ++k)
        {
          const int64_t query = assignment.rows[k];
          const int64_t label = columns[static_cast<size_t>(assignment.columns[k])];
          if (!present[slice * count + label])
          {
            continue;
          }
          match.queries.push_back(query);
          match.labels.push_back(label);
          pairQueries.push_back(slice * queries + query);
          pairTargets.push_back(slice * count + label);
          pairs.push_back(pairQueries.back() * count + label);
          ++pairsOfWindow[static_cast<size_t>(slice / labels.size(1))];
          wanted[static_cast<size_t>(pairQueries.back())] = label;
        }
      }
    }
  }

  // 3. The losses of the pairs.
  const auto device = labels.device();
  const auto chosen = at::tensor(pairs, at::kLong).to(device);
  const auto sumOfPairs = [&chosen](const at::Tensor & values) {
    return values.flatten().index_select(0, chosen).sum();
  };
  if (usesPoints && !pairs.empty())
  {
    const auto kept = static_cast<int64_t>(m_Options.importance * static_cast<double>(m_Options.points));
    const auto candidates = static_cast<int64_t>(m_Options.oversampling * static_cast<double>(m_Options.points));
    const auto queryIndex = at::tensor(pairQueries, at::kLong).to(device);
    const auto truth =
      targetMasks.flatten(0, 1).index_select(0, at::tensor(pairTargets, at::kLong).to(device)).unsqueeze(1);
    const auto compare = [&](const at::Tensor & logits, const at::Tensor * candidatePoints, const at::Tensor * extra) {
      const auto random = [&](int64_t n) { return RandomPoints(pairsOfWindow, n, masks.options(), generators); };
      const auto first = candidatePoints ? *candidatePoints : random(candidates);
      const auto second = extra ? *extra : random(m_Options.points - kept);
      return ComparePairs(logits.flatten(0, 1).index_select(0, queryIndex).unsqueeze(1), truth, first, second, kept);
    };
    const auto main = compare(masks, points ? &points->maskCandidates : nullptr, points ? &points->maskExtra : nullptr);
    const auto helper =
      compare(auxiliary, points ? &points->auxiliaryCandidates : nullptr, points ? &points->auxiliaryExtra : nullptr);
    result.mask = main.crossEntropy;
    result.dice = main.dice;
    result.auxiliaryMask = helper.crossEntropy;
    result.auxiliaryDice = helper.dice;
  }
  else
  {
    result.mask = sumOfPairs(comparison.crossEntropy);
    result.dice = sumOfPairs(comparison.dice);
    result.auxiliaryMask = sumOfPairs(auxiliaryComparison.crossEntropy);
    result.auxiliaryDice = sumOfPairs(auxiliaryComparison.dice);
  }
  result.auxiliaryBox = sumOfPairs(distance);
  result.auxiliaryGiou = sumOfPairs(1.0 - overlap.generalized);

  auto classWeights = at::ones({ count + 1 }, classes.options());
  classWeights[count] = m_Options.noObjectWeight;
  const auto wantedClasses = at::tensor(wanted, at::kLong).to(device);
  result.classification =
    at::cross_entropy_loss(classes.flatten(0, 1), wantedClasses, classWeights, at::Reduction::Sum);

  // 4. What the sums are divided by: the weights of the classes, the number of targets.
  auto targetCount = at::full({}, static_cast<double>(result.targets), classes.options());
  auto weightSum = classWeights.index_select(0, wantedClasses).sum();
  if (sum)
  {
    std::array<at::Tensor *, 9> sums{ &result.mask,           &result.dice,         &result.auxiliaryMask,
                                      &result.auxiliaryDice,  &result.auxiliaryBox, &result.auxiliaryGiou,
                                      &result.classification, &targetCount,         &weightSum };
    std::vector<at::Tensor>     parts;
    for (const auto * part : sums)
    {
      parts.push_back(*part);
    }
    const auto together = sum(at::stack(parts));
    for (size_t k = 0; k < sums.size(); ++k)
    {
      *sums[k] = together[static_cast<int64_t>(k)];
    }
  }
  result.classification = result.classification / weightSum;
  targetCount = targetCount.clamp_min(1.0);
  for (auto * loss : { &result.mask,
                       &result.dice,
                       &result.auxiliaryMask,
                       &result.auxiliaryDice,
                       &result.auxiliaryBox,
                       &result.auxiliaryGiou })
  {
    *loss = *loss / targetCount;
  }

  result.total = m_Options.classWeight * result.classification + m_Options.maskWeight * result.mask +
                 m_Options.diceWeight * result.dice +
                 m_Options.auxiliaryMaskWeight * (result.auxiliaryMask + result.auxiliaryDice) +
                 m_Options.boxWeight * result.auxiliaryBox + m_Options.giouWeight * result.auxiliaryGiou;
  return result;
}
} // namespace sam
