// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPlanning_h
#define samPlanning_h

#include "samPlan.h"

#include <array>
#include <vector>

namespace sam
{
/** What is known of a data set before a network is planned for it. */
struct DatasetFingerprint
{
  std::vector<std::array<double, 3>> spacings; ///< mm, one per case, ITK's order, axes of the plan's orientation
  std::vector<std::array<double, 3>> extents;  ///< mm, one per case
};

/** A compact MaskSAM for this data: spacing is the median of the cases, the in-plane window holds the largest case up
 * to 128 voxels per axis, eight slices at a time. Channels and labels are the caller's. */
Plan
PlanMaskSam(const DatasetFingerprint &       fingerprint,
            const std::vector<ChannelPlan> & channels,
            const std::vector<LabelPlan> &   labels);
/** Whether PlanByName knows a word. */
bool
IsPlanName(const std::string & word);

/** The plan that a word stands for: masksam (PlanMaskSam), or one of GetPublishedMaskSamWords() with the published
 * sizes and the spacing of this data. \throws Error when the word is not known. */
Plan
PlanByName(const std::string &              word,
           const DatasetFingerprint &       fingerprint,
           const std::vector<ChannelPlan> & channels,
           const std::vector<LabelPlan> &   labels);
} // namespace sam

#endif
