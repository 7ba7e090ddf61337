// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamWindowedSegmentation_h
#define itkSamWindowedSegmentation_h

#include "SegmentAnythingExport.h"

#include "itkSamLattice.h"
#include "itkSamModel.h"
#include "itkSamTensor.h"

#include <functional>
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

/** Probabilities of each label over a volume C×D×H×W that is on the model's grid: SamEncoderImageFilter,
 * SamAutoPromptImageFilter or SamPrototypePromptImageFilter, and SamMaskClassificationImageFilter run over windows,
 * whose answers are blended on the device. \a grid says where the volume lies;
 * with a function it alone is needed. \a take gets the probabilities K×d×H×W
 * of all slices, some at a time and in their order: the whole volume is never held. \a progress is told how many
 * windows are done, fractions included; the work is given up when it answers false. VDimension is 2 or 3.
 * \throws ProcessAborted then. */
template <unsigned int VDimension>
SegmentAnything_EXPORT void
SamSegmentWindows(const SamWindowAnswer &                        answer,
                  const SamTensor &                              volume,
                  const SamGrid &                                grid,
                  const std::function<void(const SamTensor &)> & take,
                  const std::function<bool(double)> &            progress);
} // namespace itk

#endif
