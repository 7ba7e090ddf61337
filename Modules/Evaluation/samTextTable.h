// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTextTable_h
#define samTextTable_h

#include <optional>
#include <string>
#include <vector>

namespace sam
{
/** A number with fixed digits and a point, whatever the locale; "-" without one. */
std::string
FormatNumber(const std::optional<double> & value, int digits);

/** Rows of the same length as lines of aligned columns: the first to the left, the others to the right. A rule is drawn
 * below the first row and above the last one when \a hasTotal. */
std::string
AlignColumns(const std::vector<std::vector<std::string>> & rows, bool hasTotal);
} // namespace sam

#endif
