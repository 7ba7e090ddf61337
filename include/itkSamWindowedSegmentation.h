// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamWindowedSegmentation_h
#define itkSamWindowedSegmentation_h

#include "SegmentAnythingExport.h"

#include "itkSamLattice.h"
#include "itkSamModel.h"
#include "itkSamSlidingWindow.h"
#include "itkSamTensor.h"

#include <functional>
#include <map>
#include <utility>
#include <vector>

namespace itk
{
/** Probabilities of each label, K×D×H×W, in the window on this grid. */
using SamWindowFunction = std::function<SamTensor(const SamGrid & window)>;

/** What answers for a window: the mean over models and over mirrored windows, or a function. */
struct SamWindowAnswer
{
  std::vector<const SamModel *> models;     ///< the first says where the windows lie; all have the same preprocessing
  std::vector<unsigned int>     mirrorAxes; ///< of the model's grid, 0 = x; all their combinations
  SamWindowFunction             function;   ///< instead of running the models; empty: none
};

/** \class SamWindowKeeper
 * \brief Keeps the answers of windows that reach over the part of a volume that is segmented, for the next part.
 *
 * Only windows that the last part touched are kept, until the parts so far have covered them.
 * \ingroup SegmentAnything
 */
class SamWindowKeeper
{
public:
  using IndexType = SamSlidingWindow::IndexType;

  struct Kept
  {
    SamTensor     answer;
    SizeValueType left; ///< voxels of the window that were not asked for so far
  };

  /** Nothing when the window at \a start was not kept. */
  const Kept *
  Find(const IndexType & start) const
  {
    const auto found = m_Windows.find(start);
    return found == m_Windows.end() ? nullptr : &found->second;
  }

  void
  SetWindows(std::map<IndexType, Kept> windows)
  {
    m_Windows = std::move(windows);
  }

private:
  std::map<IndexType, Kept> m_Windows;
};

/** Probabilities of each label over a \a part (counted from the first voxel) of a volume that is on the model's grid:
 * SamEncoderImageFilter, SamAutoPromptImageFilter or SamPrototypePromptImageFilter, and
 * SamMaskClassificationImageFilter run over \a windows, which are restricted to the part and whose answers are blended
 * on the device. \a source are the voxels C×D×H×W of windows.GetSource(), none with a function; \a grid says where the
 * whole volume lies. \a take gets the probabilities K×d×H×W of all slices of the part, some at a time and in their
 * order: the whole is never held. \a progress is told how many windows are done, fractions included; the work is given
 * up when it answers false. VDimension is 2 or 3. Answers how many windows were run; the others were kept.
 * \throws ProcessAborted when it was given up. */
template <unsigned int VDimension>
SegmentAnything_EXPORT SizeValueType
SamSegmentWindows(const SamWindowAnswer &                        answer,
                  SamSlidingWindow &                             windows,
                  const SamIndexBox &                            part,
                  const SamTensor &                              source,
                  const SamGrid &                                grid,
                  SamWindowKeeper &                              keeper,
                  const std::function<void(const SamTensor &)> & take,
                  const std::function<bool(double)> &            progress);
} // namespace itk

#endif
