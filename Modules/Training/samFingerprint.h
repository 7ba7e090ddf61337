// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samFingerprint_h
#define samFingerprint_h

#include "samDataset.h"

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** Gray values of a channel under all labels but the background, over all cases. */
struct ForegroundIntensity
{
  double  lower{ 0.0 }; ///< 0.5th percentile
  double  upper{ 0.0 }; ///< 99.5th percentile
  double  mean{ 0.0 };
  double  deviation{ 0.0 };
  int64_t samples{ 0 }; ///< voxels that were looked at
};

/** What is known of a data set before a network is planned for it. */
struct DatasetFingerprint
{
  std::vector<std::array<double, 3>> spacings;     ///< mm, one per case, ITK's order, axes of LPS
  std::vector<std::array<double, 3>> extents;      ///< mm, one per case
  size_t                             oblique{ 0 }; ///< cases whose axes are not those of LPS in another order
  std::vector<double>                contents;     ///< share of the image inside of a black frame, of single slices
  std::vector<ForegroundIntensity>   intensities;  ///< per channel; without samples where they were not asked for
};

/** Whether an image of this extent and spacing in mm has one voxel along an axis. */
inline bool
HasOneVoxel(double extent, double spacing)
{
  return extent < 1.5 * spacing;
}

/** Whether the values of a channel of this name mean the same in every image, as those of CT do. */
bool
HasAbsoluteIntensities(const std::string & channel);

/** Read the headers of these cases, images that are single slices as a whole and, where a channel has absolute
 * intensities, up to 10000 foreground voxels of each case, evenly chosen. \a progress is told the fraction done.
 * \throws Error naming a file that cannot be read or does not fit the others. */
DatasetFingerprint
ReadFingerprint(const Dataset &                              dataset,
                const std::vector<const DatasetCase *> &     cases,
                const std::function<void(double fraction)> & progress = {});

/** The part of the values below which lies \a fraction of them, linearly between neighbors. */
double
Percentile(std::vector<double> values, double fraction);
} // namespace sam

#endif
