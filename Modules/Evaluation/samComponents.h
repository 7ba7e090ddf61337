// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samComponents_h
#define samComponents_h

#include "samLabelImage.h"

#include <set>

/** Changes of a label image by its connected components: pixels of one value that share faces. */
namespace sam
{
/** Labels that are not among \a values become background. */
template <typename TLabelImage>
void
KeepLabels(TLabelImage * labels, const std::set<int> & values);

/** Keeps of each label the component with the most pixels; what else has the label becomes background. Of components of
 * the same size the first in the order of the pixels stays. */
template <typename TLabelImage>
void
KeepLargestComponents(TLabelImage * labels);

/** Components of less than \a volume mm³ (mm² of a 2-D image) become background. */
template <typename TLabelImage>
void
RemoveSmallComponents(TLabelImage * labels, double volume);

/** Background that one label alone encloses, and not the image's border, gets this label. */
template <typename TLabelImage>
void
FillHoles(TLabelImage * labels);
} // namespace sam

#endif
