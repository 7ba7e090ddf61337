// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMatchingLoss_h
#define samMatchingLoss_h

#include "samAssignment.h"
#include "samNetwork.h"
#include "samSemanticLoss.h"

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <vector>

namespace sam
{
/** Weights and manner of MaskSAM's set loss (masksam §f). */
struct MatchingLossOptions
{
  double classWeight{ 0.2 };         ///< λc, of cost and loss_ce
  double maskWeight{ 1.5 };          ///< λm, of binary cross-entropy of the masks (AMOS: 1.2)
  double diceWeight{ 1.5 };          ///< λd, of Dice of the masks (AMOS: 1.2)
  double boxWeight{ 0.5 };           ///< λb, of the boxes' L1 distance
  double auxiliaryMaskWeight{ 0.5 }; ///< λa, of cross-entropy and of Dice of the auxiliary masks
  double giouWeight{ 0.2 };          ///< λg, of the boxes' generalized intersection over union
  double noObjectWeight{ 0.1 };      ///< eos, of queries without target in loss_ce

  enum class Sampling
  {
    Automatic, ///< Dense where a slice has no more than \c points pixels, else Points
    Dense,     ///< every pixel; the auxiliary masks have the size of the labels
    Points     ///< random points; the masks may have any size
  };
  Sampling sampling{ Sampling::Automatic };
  int64_t  points{ 32768 };     ///< P, per slice in the matching and per pair in the losses
  double   oversampling{ 2.0 }; ///< candidates per point
  double   importance{ 0.75 };  ///< fraction of the points taken where the mask is least certain

  /** Boxes of targets end at the far edge of their last pixel (index + 1), or at its index as in the published code. */
  bool boxesEndAtFarEdge{ true };

  /** One assignment for all slices of a window, by the sum of the costs of the slices where a label is present; each
   * slice keeps the pairs whose label it has. So a query stands for the same label in all slices. */
  bool matchesVolumes{ false };

  /** Auxiliary masks become probabilities before they are taken for logits, as in the published code. */
  bool takesProbabilitiesForLogits{ false };

  /** Weights, points and published behavior of a plan. */
  static MatchingLossOptions
  FromPlan(const Plan & plan);
};

/** Random points in [0, 1)², x and y, in the order of the calls (S = B·D slices, M' matched pairs, P points,
 * R = floor(importance·P)). Handed in to replay a run. */
struct MatchingPoints
{
  at::Tensor matching;            ///< S×P×2
  at::Tensor maskCandidates;      ///< M'×floor(oversampling·P)×2
  at::Tensor maskExtra;           ///< M'×(P−R)×2
  at::Tensor auxiliaryCandidates; ///< as maskCandidates
  at::Tensor auxiliaryExtra;      ///< as maskExtra
};

/** Queries and labels of one slice that were matched: \c queries[i] with \c labels[i], queries ascending. */
struct SliceMatch
{
  std::vector<int64_t> queries;
  std::vector<int64_t> labels;
};

/** The losses as scalars with gradient, unweighted but for the total. */
struct MatchingLosses
{
  at::Tensor classification; ///< loss_ce
  at::Tensor mask;           ///< loss_mask
  at::Tensor dice;           ///< loss_dice
  at::Tensor auxiliaryMask;  ///< loss_aux_mask
  at::Tensor auxiliaryDice;  ///< loss_aux_dice
  at::Tensor auxiliaryBox;   ///< loss_aux_bbox
  at::Tensor auxiliaryGiou;  ///< loss_aux_giou
  at::Tensor total;          ///< weighted sum

  std::vector<SliceMatch> matches;      ///< per slice, B·D of them, the batch outermost
  at::Tensor              costs;        ///< (B·D)×N×K on the CPU, float64; only the columns of present labels count
  at::Tensor              present;      ///< (B·D)×K on the CPU, bool
  int64_t                 targets{ 0 }; ///< M: present labels over all slices, matched or not
};

/** One target per label that is present in a slice, background included. */
struct SliceTargets
{
  at::Tensor masks;   ///< S×K×H×W, bool
  at::Tensor present; ///< S×K, bool
  at::Tensor boxes;   ///< S×K×4, x1 y1 x2 y2 as fractions of width and height; zeros for an absent label
};

/** Targets of \a labels S×H×W (int64, values below \a count; negative ones count as background). */
SliceTargets
TargetsFromLabels(const at::Tensor & labels, int64_t count, bool boxesEndAtFarEdge = true);

/** Of every box x1 y1 x2 y2 in \a a (...×n×4) with every one in \a b (...×m×4), ...×n×m. */
struct BoxOverlap
{
  at::Tensor iou;         ///< intersection over union
  at::Tensor unionArea;   ///< area of the union
  at::Tensor generalized; ///< generalized intersection over union, 1e-6 added to both denominators
};

BoxOverlap
PairwiseOverlap(const at::Tensor & a, const at::Tensor & b);

/** Sum of the absolute differences of coordinates, for ...×n×4 and ...×m×4: ...×n×m. */
at::Tensor
PairwiseDistance(const at::Tensor & a, const at::Tensor & b);

/** \a maps n×C×H×W at \a points n×P×2 in [0, 1]², x and y, bilinear with zeros outside: n×C×P. */
at::Tensor
SamplePoints(const at::Tensor & maps, const at::Tensor & points);

/** Binary cross-entropy and Dice of masks, summed over them. */
struct PairLosses
{
  at::Tensor crossEntropy;
  at::Tensor dice; ///< with 1 added to numerator and denominator
};

/** Of the \a logits n×P at points and the \a truth n×P there, from 0 to 1. */
PairLosses
CompareSampled(const at::Tensor & logits, const at::Tensor & truth);

/** \class MatchingLoss
 * \brief MaskSAM's set loss: queries are matched to the labels of their slice or volume, then pulled towards them
 * (masksam §f).
 *
 * Auxiliary masks are taken as logits.
 */
class MatchingLoss
{
public:
  explicit MatchingLoss(const MatchingLossOptions & options = {});

  /** \a labels are B×D×H×W, int64 from 0 to K−1; negative ones (ignore, outside) count as background. Of \a prompts
   * only masks and boxes are used. Points, where they are needed, come from \a points or, if that is null, from
   * \a generators, one per window of the batch, so that a window's points do not depend on its neighbors (default:
   * PyTorch's own for all; points are drawn on the CPU). Where \a sum is given, the losses are those of the batches of
   * all processes together.
   * \throws Error when a label is K or larger, or shapes or the number of generators disagree. */
  MatchingLosses
  operator()(const Prompts &             prompts,
             const MaskClassification &  classification,
             const at::Tensor &          labels,
             at::ArrayRef<at::Generator> generators = {},
             const MatchingPoints *      points = nullptr,
             const SumOverProcesses &    sum = {}) const;

  const MatchingLossOptions &
  GetOptions() const
  {
    return m_Options;
  }

private:
  MatchingLossOptions m_Options;
};
} // namespace sam

#endif
