// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCaseReader_h
#define samCaseReader_h

#include "samAugmentation.h"
#include "samDataset.h"
#include "samPlan.h"

#include <array>
#include <string>
#include <vector>

namespace sam
{
/** Read a case, of files or of a folder with a DICOM series (of one file with as many images along a fourth axis as the
 * plan has channels, those are the channels), and bring it to the model's grid and intensities with the filter that the
 * segmentation uses. The label map follows by nearest neighbor; its values become places in the plan's list of labels.
 * \throws Error naming the file and what is wrong with it. */
TrainingCase
ReadTrainingCase(const Plan & plan, const Dataset & dataset, const DatasetCase & description);

/** Gray values of every channel at up to \a count voxels of the labels above 0 but the ignore label, evenly chosen; a
 * file's channels in its own intensities. */
std::vector<std::vector<double>>
ReadForeground(const Dataset & dataset, const DatasetCase & description, size_t count);

/** The share of an image's plane that lies inside of a black frame, see SamFindContent(). */
double
ReadContent(const DatasetCase & description, size_t channels, const std::string & orientation);

/** Read the headers of a case: channels as many as \a channels, image and label map on the same grid.
 * \throws Error naming the file and what is wrong with it. */
void
CheckCase(const DatasetCase & description, size_t channels);

/** Spacing and extent of an image in mm along its axes in the order of those of LPS that they are nearest to. */
struct ImageExtent
{
  std::array<double, 3> spacing{};
  std::array<double, 3> extent{};
  bool                  isOblique{ false }; ///< the axes are not those of LPS in another order
};

/** From the header of the image alone. */
ImageExtent
ReadImageExtent(const std::string & image);
} // namespace sam

#endif
