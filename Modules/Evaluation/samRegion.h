// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRegion_h
#define samRegion_h

#include <array>
#include <cmath>

namespace sam
{
/** \class Region
 * \brief A physical box with faces along the axes of the patient (LPS): center and full edge lengths, in mm.
 *
 * A 2-D image uses the first two entries.
 */
struct Region
{
  std::array<double, 3> center{ { 0.0, 0.0, 0.0 } };
  std::array<double, 3> size{ { 0.0, 0.0, 0.0 } };

  /** Whether the point lies in the closed box. */
  template <typename TPoint>
  bool
  Contains(const TPoint & point) const
  {
    for (unsigned int d = 0; d < TPoint::PointDimension; ++d)
    {
      // A pixel center on a face belongs to the box whatever the rounding of its coordinates.
      if (std::abs(point[d] - center[d]) > 0.5 * size[d] + 1e-6)
      {
        return false;
      }
    }
    return true;
  }
};
} // namespace sam

#endif
