// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPublishedDapsam_h
#define samPublishedDapsam_h

#include "samPlan.h"

namespace sam
{
/** The networks that DAPSAM's authors published (arXiv:2409.12522), by a word: dapsam_prostate (gray slices of 384×384
 * pixels) and dapsam_fundus (color images of 512×512 pixels, optic disc and cup in it). Sizes, normalization and labels
 * are theirs, and images of another size are stretched to it; the parts that are SAM's are frozen. Behind _published a
 * word stands for the published behavior (all words of Plan::compatibility about it); without it everything is
 * corrected, with the same tensors.
 * \throws Error when the word is not one of GetPublishedDapsamWords(). */
SegmentAnything_EXPORT Plan
PublishedDapsamPlan(const std::string & word);

SegmentAnything_EXPORT const std::vector<std::string> &
                             GetPublishedDapsamWords();
} // namespace sam

#endif
