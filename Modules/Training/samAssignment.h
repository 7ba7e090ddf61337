// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samAssignment_h
#define samAssignment_h

#include <cstdint>
#include <span>
#include <vector>

namespace sam
{
/** Rows and columns that belong together: \c rows[i] with \c columns[i], rows ascending. */
struct Assignment
{
  std::vector<int64_t> rows;
  std::vector<int64_t> columns;
  double               total{ 0.0 }; ///< sum of the chosen costs, NaN counted as 100
};

/** The one-to-one assignment of least total cost for a matrix \a costs of \a rows × \a columns in row-major order, by
 * shortest augmenting paths (Jonker and Volgenant, Computing 38, 1987; as stated by Crouse, IEEE TAES 52, 2016): O(n²m)
 * for n = min(rows, columns), m the other one. All n are assigned.
 *
 * A NaN counts as 100; where every cost is NaN nothing is assigned (masksam §f).
 * \throws Error when a cost is infinite or the size of \a costs is not rows·columns. */
Assignment
SolveAssignment(std::span<const double> costs, int64_t rows, int64_t columns);
} // namespace sam

#endif
