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
  int64_t fineVoxels{ int64_t{ 1 } << 20 }; ///< of a plane whose finest features are at full resolution (PlanDapsam)

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
 * - Slices are taken along z, or along the axis of which images have one voxel, or whose voxels are more than 1.5 times
 *   as long as those of the others.
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

/** What is asked for where a plan would be made from the data alone. */
struct PlanningWishes
{
  std::optional<std::array<int64_t, 3>> window;                ///< voxels x, y, z
  std::string                           frame{ "auto" };       ///< auto, remove or keep: PlanFrame()
  bool                                  hasAdapters{ true };   ///< dapsam: low-level adapters
  bool                                  hasPrototypes{ true }; ///< dapsam: prompts from prototypes
  bool                                  nestsLabels{ false };  ///< dapsam, unet: each label holds those after it
};

/** A compact DAPSAM for single slices, to be trained from nothing. Channels and labels are those of the data set.
 *
 * - Slices are taken as in PlanMaskSam() and stretched to the window (`fit: window`), which has the 95th percentile of
 *   their voxels, up to \c PlanningLimits::planeSize along the longer side. A patch is 8 voxels, doubled until there
 * are no more than 16 tokens along each axis.
 * - A pyramid of convolutions with instance normalization, which makes each image its own measure, precedes the tokens.
 *   Its features, at half resolution and less where a plane has more than \c PlanningLimits::fineVoxels, refine the
 *   masks over an expanding path: edges do not pass through the tokens.
 * - Attention has relative positions alone: a frame that shifts and shrinks the anatomy does not change them.
 * - Prototypes are addressed by cosines and kept apart in the loss: products of long queries choose the same mixture
 *   for every image.
 * - Frames as in PlanFrame().
 *
 * \throws Error when the data set has no case, or the window cannot be had. */
Planning
PlanDapsam(const DatasetFingerprint & fingerprint,
           const Dataset &            dataset,
           const PlanningLimits &     limits = {},
           const PlanningWishes &     wishes = {});

/** A plain U-Net for the same data: for slices with PlanDapsam()'s window, normalization and frame, for volumes with
 * those of PlanMaskSam(). Widths double from 10 up to 160, until the coarsest map has 8 to 15 voxels along the longer
 * side or there are six resolutions. \throws Error likewise. */
Planning
PlanUnet(const DatasetFingerprint & fingerprint,
         const Dataset &            dataset,
         const PlanningLimits &     limits = {},
         const PlanningWishes &     wishes = {});

/** Decide what becomes of black frames: \a wish is remove, keep, or auto: they are removed where one image of twenty
 * has one that takes a twentieth of it or more; only images that are single slices are measured. \throws Error when
 * they are to be removed and the plan's window has several slices. */
void
PlanFrame(Planning & planning, const DatasetFingerprint & fingerprint, const std::string & wish);

/** The plan of a JSON file, or in the header of a model file (.safetensors), without what is said there about weights.
 * \throws Error naming the file. */
Plan
ReadPlanFile(const std::string & path);

/** Whether PlanByName() knows a word. */
bool
IsPlanName(const std::string & word);

/** The plan that a word stands for: masksam (PlanMaskSam), dapsam (PlanDapsam), unet (PlanUnet), or one of
 * GetPublishedMaskSamWords() or GetPublishedDapsamWords() with the published sizes and with channels, labels, spacing
 * and orientation of this data; how channels are normalized is DAPSAM's own affair. \throws Error when the word is not
 * known, or the network has not what is wished for. */
Planning
PlanByName(const std::string &        word,
           const DatasetFingerprint & fingerprint,
           const Dataset &            dataset,
           const PlanningLimits &     limits = {},
           const PlanningWishes &     wishes = {});

/** The share of windows that are centered on a foreground voxel: a third, as nnU-Net, and half where less than a
 * 500th of the voxels is foreground (\a foregroundFraction, median of the cases). */
double
PlanForegroundShare(double foregroundFraction);
} // namespace sam

#endif
