// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMirroring_h
#define samMirroring_h

#include "SegmentAnythingExport.h"

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace sam
{
/** The mean of what \a answer says to \a image (B×C×D×H×W) mirrored along every combination of \a axes (0 = x, 1 = y,
 * 2 = z), each answer (B×K×D×H×W) mirrored back: 2 to the number of axes calls. */
SegmentAnything_EXPORT at::Tensor
                       MeanOverMirrors(const at::Tensor &                                    image,
                                       const std::vector<size_t> &                           axes,
                                       const std::function<at::Tensor(const at::Tensor &)> & answer);
} // namespace sam

#endif
