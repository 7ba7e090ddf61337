// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSurfaceDistance_h
#define samSurfaceDistance_h

#include "samLabelImage.h"

#include <cstdint>
#include <optional>

namespace sam
{
/** \class SurfaceDistance
 * \brief How far apart the surfaces of one label are in a prediction and a reference, in mm.
 *
 * A surface pixel is a pixel of the label with a neighbor (6 in 3-D, 4 in 2-D) outside of the label; what lies outside
 * of the image is outside of the label, and along an axis of a single pixel there are no neighbors. Distances are
 * Euclidean, from the center of a surface pixel of the one image to the nearest center of a surface pixel of the other.
 *
 * The measures have no value when the label is missing in one of the images or in both.
 */
struct SurfaceDistance
{
  std::uint64_t predictionPixels{ 0 }; ///< surface pixels of the prediction
  std::uint64_t referencePixels{ 0 };  ///< surface pixels of the reference

  /** The greater of the 95th percentiles of the distances prediction to reference and reference to prediction. */
  std::optional<double> hd95;
  /** The 95th percentile of all these distances together, which MedPy calls hd95. */
  std::optional<double> pooled95;
  /** The greatest distance: the Hausdorff distance. */
  std::optional<double> maximum;
  /** Average symmetric surface distance: the mean over the surface pixels of both images together. */
  std::optional<double> mean;
  /** The mean distance of the prediction's surface from the reference's. */
  std::optional<double> toReference;
  /** The mean distance of the reference's surface from the prediction's. */
  std::optional<double> toPrediction;
};

/** The surface distances of each label. Throws sam::Error when the grids differ. */
template <typename TLabelImage>
std::map<int, SurfaceDistance>
ComputeSurfaceDistances(const TLabelImage * prediction, const TLabelImage * reference, const std::vector<int> & labels);

/** The percentile, 0 to 100, with linear interpolation between the nearest ranks (as NumPy's default); the order of the
 * values changes. There must be at least one value. */
double
ComputePercentile(std::vector<double> & values, double percent);
} // namespace sam

#endif
