// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCaseReader_h
#define samCaseReader_h

#include "samAugmentation.h"
#include "samDataset.h"
#include "samPlan.h"

#include <array>
#include <string>

namespace sam
{
/** Read a case and bring it to the model's grid and intensities with the filter that the segmentation uses. The label
 * map follows by nearest neighbor; its values become places in the plan's list of labels.
 * \throws Error naming the file and what is wrong with it. */
TrainingCase
ReadTrainingCase(const Plan & plan, const Dataset & dataset, const DatasetCase & description);

/** Spacing and extent of an image in mm along the axes x, y, z of \a orientation, from its header alone. */
struct ImageExtent
{
  std::array<double, 3> spacing{};
  std::array<double, 3> extent{};
};

ImageExtent
ReadImageExtent(const std::string & image, const std::string & orientation);
} // namespace sam

#endif
