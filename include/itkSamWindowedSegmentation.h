// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamWindowedSegmentation_h
#define itkSamWindowedSegmentation_h

#include "SegmentAnythingExport.h"

#include "itkSamLattice.h"
#include "itkSamModel.h"
#include "itkSamTensor.h"

#include <functional>

namespace itk
{
/** Probabilities of each label over a volume C×D×H×W that is on the model's grid: SamEncoderImageFilter,
 * SamAutoPromptImageFilter and SamMaskClassificationImageFilter run over windows, whose answers K×D×H×W are blended on
 * the device. \a grid says where the volume lies. \a progress is told how many windows are done, fractions included;
 * the work is given up when it answers false. VDimension is 2 or 3.
 * \throws ProcessAborted then. */
template <unsigned int VDimension>
SegmentAnything_EXPORT SamTensor
SamSegmentWindows(const SamModel *                    model,
                  const SamTensor &                   volume,
                  const SamGrid &                     grid,
                  const std::function<bool(double)> & progress);
} // namespace itk

#endif
