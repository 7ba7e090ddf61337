// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSlidingWindow_h
#define samSlidingWindow_h

#include "samPlan.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

namespace sam
{
/** Evenly spaced starts of windows that cover \a length voxels, neighbors overlapping by \a overlap of the window at
 * least; one start 0 when the window is as long or longer. */
SegmentAnything_EXPORT std::vector<int64_t>
                       WindowStarts(int64_t length, int64_t window, double overlap);

/** Weights D×H×W of the answers in a \a window (x, y, z): Gaussian, standard deviation an eighth of the window, 1 at
 * its middle, or at the voxel behind it (\a centersOnVoxel) as published. Float64. */
SegmentAnything_EXPORT at::Tensor
                       GaussianWeights(const std::array<int64_t, 3> & window, bool centersOnVoxel);

/** Weights as the published code stores them: ten times as large and rounded to float16, the smallest other weight
 * where that is zero. Float32. */
SegmentAnything_EXPORT at::Tensor
                       RoundWeights(const at::Tensor & weights);

/** \class SlidingWindow
 * \brief Where a model's windows lie in a volume, and the blending of their answers.
 *
 * A window that is larger than the volume in-plane reaches over it on both sides, where the volume's border voxels are
 * repeated; along the slices it shrinks to the volume. Answers are blended with Gaussian weights (standard deviation an
 * eighth of the window), so that voxels near a window's border count less. What a plan keeps of the published behavior
 * (Plan::compatibility) is kept.
 *
 * A part of the volume can be segmented by itself: Restrict() leaves the windows that touch it, which lie where they
 * lie for the whole, so that every voxel gets the same answer bit for bit.
 */
class SegmentAnything_EXPORT SlidingWindow
{
public:
  /** \a size of the volume in voxels, ITK's order x, y, z. */
  SlidingWindow(const Plan & plan, const std::array<int64_t, 3> & size);

  /** Only the voxels of a box from \a start on are of interest. To be called before anything else. */
  void
  Restrict(const std::array<int64_t, 3> & start, const std::array<int64_t, 3> & size);

  /** First voxel and size of what the windows are made of: the voxels of all of them that lie in the volume. */
  const std::array<int64_t, 3> &
  GetSourceStart() const
  {
    return m_SourceStart;
  }
  const std::array<int64_t, 3> &
  GetSourceSize() const
  {
    return m_SourceSize;
  }

  /** First voxel of each window (x, y, z); negative where the window reaches over the volume. */
  const std::vector<std::array<int64_t, 3>> &
  GetStarts() const
  {
    return m_Starts;
  }

  /** Voxels of every window (x, y, z). */
  const std::array<int64_t, 3> &
  GetWindow() const
  {
    return m_Window;
  }

  /** The window at \a start of the source C×D×H×W, border voxels of the volume repeated outside of it, or zeros. */
  at::Tensor
  Extract(const at::Tensor & source, const std::array<int64_t, 3> & start) const;

  /** Blend the answer K×D×H×W of the window at \a start into the part; no slice of it may have been taken. */
  void
  Add(const at::Tensor & answer, const std::array<int64_t, 3> & start);

  /** The blended slices K×D×H×W from the first that was not taken to the last that was added. Every voxel has been in
   * one window at least. */
  at::Tensor
  GetBlended() const;

  /** GetBlended() up to the slice of the volume before \a end, which are then forgotten: memory for the slices of one
   * window is enough where the windows come in the order of GetStarts(). There may be none. */
  at::Tensor
  TakeBlended(int64_t end);

private:
  std::array<int64_t, 3>              m_Size;
  std::array<int64_t, 3>              m_PartStart{ { 0, 0, 0 } };
  std::array<int64_t, 3>              m_PartSize;
  std::array<int64_t, 3>              m_SourceStart{ { 0, 0, 0 } };
  std::array<int64_t, 3>              m_SourceSize;
  bool                                m_PadsWithZeros;
  bool                                m_RoundsWeights;
  std::array<int64_t, 3>              m_Window;
  std::vector<std::array<int64_t, 3>> m_Starts;
  at::Tensor                          m_Weight;
  int64_t                             m_FirstSlice{ 0 }; ///< of the sums
  at::Tensor                          m_Sum;
  at::Tensor                          m_WeightSum;
};
} // namespace sam

#endif
