// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPublishedMaskSam_h
#define samPublishedMaskSam_h

#include "samPlan.h"

namespace sam
{
/** The networks that MaskSAM's authors published (arXiv 2403.14103), by a word: masksam_acdc (ViT-B, slices enlarged to
 * SAM's size), masksam_synapse and masksam_amos (ViT-H, slices as they are). All sizes are theirs; channels, labels and
 * spacing are the caller's. Behind _published a word stands for the published behavior (all words of
 * Plan::compatibility about it, and nnU-Net's interpolation); without it everything is corrected, with the same
 * tensors. The parts that are SAM's are frozen.
 * \throws Error when the word is not one of GetPublishedMaskSamWords(). */
SegmentAnything_EXPORT Plan
PublishedMaskSamPlan(const std::string & word);

SegmentAnything_EXPORT const std::vector<std::string> &
                             GetPublishedMaskSamWords();

/** The name here of a tensor of the published MaskSAM with a \a plan; empty for what its files hold a second time
 * under another name, and for the pixel statistics that it does not use. */
SegmentAnything_EXPORT std::string
                       ImportMaskSamName(const std::string & published, const Plan & plan);
} // namespace sam

#endif
