// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMaskedImages_h
#define samMaskedImages_h

#include "samParameters.h"
#include "samRandomStream.h"

namespace sam
{
/** Learning without labels: tokens of an image are hidden, and what the encoder makes of the others has to tell the
 * voxels there (SimMIM, Xie et al. 2022; the normalized target is that of MAE, He et al. 2022).
 *
 * Voxels are hidden in the image itself, before its first convolution, so that neither the embedding nor the stem's
 * features of full resolution hold anything of them. All slices of a window hide the same tokens, else a slice would
 * be read off its neighbors. */

/** Which tokens of a grid of \a rows × \a columns are hidden, bool: \a share of them (rounded; neither none nor all) at
 * random, in squares of \a cell × \a cell tokens. */
at::Tensor
DrawHiddenTokens(int64_t rows, int64_t columns, double share, int64_t cell, RandomStream & random);

/** The side of these squares in tokens: one, or more where the grid has more than 16 to a side, so that what is hidden
 * cannot be continued from its border. */
int64_t
HiddenCell(int64_t rows, int64_t columns);

/** An image B×C×D×H×W where the voxels of the \a hidden tokens B×h×w are 0, which is the mean of normalized ones. */
at::Tensor
HideTokens(const at::Tensor & image, const at::Tensor & hidden);

/** What is to be predicted: the p×p voxels of each token and channel, less their mean and divided by √(variance +
 * 0.01). Answers B×(C·p·p)×D×h×w. */
at::Tensor
TokenTargets(const at::Tensor & image, int64_t patch);

/** The mean over the \a hidden tokens (B×h×w) of the squared difference of \a prediction and \a target, both as
 * TokenTargets(). */
at::Tensor
HiddenTokenLoss(const at::Tensor & prediction, const at::Tensor & target, const at::Tensor & hidden);

/** \class VoxelHead
 * \brief Reads the voxels of each token off the embedding by one linear map.
 */
class VoxelHead
{
public:
  /** \a width channels of the embedding. */
  VoxelHead(const Scope & scope, int64_t width, int64_t channels, int64_t patch);

  /** B×width×D×h×w to B×(C·p·p)×D×h×w. */
  at::Tensor
  operator()(const at::Tensor & embedding) const;

private:
  at::Tensor m_Weight;
  at::Tensor m_Bias;
};
} // namespace sam

#endif
