// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLargestComponent_h
#define samLargestComponent_h

#include "samLabelImage.h"

namespace sam
{
/** Keeps of each label the largest connected component, measured in pixels that share faces; what else has the label
 * becomes background. Of components of the same size the first in the order of the pixels stays. */
template <typename TLabelImage>
void
KeepLargestComponents(TLabelImage * labels);
} // namespace sam

#endif
