// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samOrientation_h
#define samOrientation_h

#include <string>

/** The words of a plan's orientation, as itk::SamLattice says what they mean. */
namespace sam
{
/** What stands before the letters where oblique axes are kept. */
inline const std::string nearestPrefix = "nearest ";

inline bool
KeepsObliqueAxes(const std::string & orientation)
{
  return orientation.rfind(nearestPrefix, 0) == 0;
}

/** The letters of an orientation, whether oblique axes are kept or not; "acquisition" as it is. */
inline std::string
GetOrientationLetters(const std::string & orientation)
{
  return KeepsObliqueAxes(orientation) ? orientation.substr(nearestPrefix.size()) : orientation;
}
} // namespace sam

#endif
