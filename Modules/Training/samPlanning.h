// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPlanning_h
#define samPlanning_h

#include "samFingerprint.h"
#include "samPlan.h"

#include <optional>

namespace sam
{
/** What a planned network may take. */
struct PlanningLimits
{
  int64_t voxels{ int64_t{ 1 } << 19 }; ///< of a window: memory and time of a training step grow with them
  int64_t tokens{ 32 };                 ///< per in-plane axis: attention grows with the fourth power
  int64_t planeSize{ 256 };             ///< voxels per in-plane axis; larger images are tiled
  int64_t slices{ 8 };

  /** What a step of some seconds allows on a device without (\a hasAccelerator false) and with an accelerator. */
  static PlanningLimits
  OfDevice(bool hasAccelerator);
};

/** \class Planning
 * \brief A network for a data set, and why it is as it is.
 */
struct Planning
{
  Plan                     plan;
  std::vector<std::string> decisions; ///< one line each: what was decided, and from which figures
};

/** A compact MaskSAM for this data. Channels and labels are those of the data set.
 *
 * - Slices are taken along z, or along the axis whose voxels are more than 1.5 times as long as those of the others.
 * - Spacing is the median of the cases; along an axis that is three times as coarse as the others and has less than a
 *   third of their voxels the 10th percentile, so that fewer cases lose slices.
 * - The window holds the 95th percentile of the images in plane up to \c PlanningLimits::planeSize, and up to eight
 *   slices, fewer where it would have more than \c PlanningLimits::voxels. A patch is 4 voxels, doubled until the grid
 *   has no more than \c PlanningLimits::tokens along each axis. \a window, where given, is taken instead (x, y, z).
 * - Where slices are more than twice as far apart as the voxels in them, convolutions stay within the slice.
 * - Channels named CT are clipped to the foreground's percentiles and scaled by its mean and deviation, others are
 *   scaled by the image's own mean and deviation.
 *
 * \throws Error when the data set has no case, or \a window cannot be had. */
Planning
PlanMaskSam(const DatasetFingerprint &                    fingerprint,
            const Dataset &                               dataset,
            const PlanningLimits &                        limits = {},
            const std::optional<std::array<int64_t, 3>> & window = {});

/** Whether PlanByName() knows a word. */
bool
IsPlanName(const std::string & word);

/** The plan that a word stands for: masksam (PlanMaskSam), or one of GetPublishedMaskSamWords() or
 * GetPublishedDapsamWords() with the published sizes and with channels, labels, spacing and orientation of this data;
 * how channels are normalized is DAPSAM's own affair. \throws Error when the word is not known. */
Planning
PlanByName(const std::string &                           word,
           const DatasetFingerprint &                    fingerprint,
           const Dataset &                               dataset,
           const PlanningLimits &                        limits = {},
           const std::optional<std::array<int64_t, 3>> & window = {});

/** The share of windows that are centered on a foreground voxel: a third, as nnU-Net, and half where less than a
 * 500th of the voxels is foreground (\a foregroundFraction, median of the cases). */
double
PlanForegroundShare(double foregroundFraction);
} // namespace sam

#endif
