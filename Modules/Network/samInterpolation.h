// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samInterpolation_h
#define samInterpolation_h

#include <string>
#include <vector>

namespace sam
{
/** The words of a plan's interpolation, as itk::SamLattice says what they mean. */
inline const std::vector<std::string> &
GetInterpolationWords()
{
  static const std::vector<std::string> words{ "linear", "nearest", "cubic", "nnunet" };
  return words;
}
} // namespace sam

#endif
