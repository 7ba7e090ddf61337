// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAssignment.h"

#include "samError.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace sam
{
namespace
{
constexpr double nanCost = 100.0;

/** Column of each row, for no more rows than columns and finite costs. */
std::vector<size_t>
AssignRows(const std::vector<double> & costs, size_t rows, size_t columns)
{
  constexpr size_t none = std::numeric_limits<size_t>::max();

  std::vector<double> rowPotential(rows, 0.0);
  std::vector<double> columnPotential(columns, 0.0);
  std::vector<size_t> rowOfColumn(columns, none);
  std::vector<size_t> columnOfRow(rows, none);
  std::vector<double> distance(columns);
  std::vector<size_t> previousRow(columns);
  std::vector<bool>   visitedColumn(columns);
  std::vector<size_t> visitedRows;

  for (size_t start = 0; start < rows; ++start)
  {
    std::fill(distance.begin(), distance.end(), std::numeric_limits<double>::infinity());
    std::fill(visitedColumn.begin(), visitedColumn.end(), false);
    visitedRows.clear();

    size_t row = start;
    size_t sink = none;
    double shortest = 0.0;
    while (sink == none)
    {
      visitedRows.push_back(row);
      size_t nearest = none;
      for (size_t column = 0; column < columns; ++column)
      {
        if (visitedColumn[column])
        {
          continue;
        }
        const double reduced = shortest + costs[row * columns + column] - rowPotential[row] - columnPotential[column];
        if (reduced < distance[column])
        {
          distance[column] = reduced;
          previousRow[column] = row;
        }
        // Among equals a free column ends the search at once.
        if (nearest == none || distance[column] < distance[nearest] ||
            (distance[column] == distance[nearest] && rowOfColumn[column] == none))
        {
          nearest = column;
        }
      }
      shortest = distance[nearest];
      visitedColumn[nearest] = true;
      if (rowOfColumn[nearest] == none)
      {
        sink = nearest;
      }
      else
      {
        row = rowOfColumn[nearest];
      }
    }

    rowPotential[start] += shortest;
    for (const size_t visited : visitedRows)
    {
      if (visited != start)
      {
        rowPotential[visited] += shortest - distance[columnOfRow[visited]];
      }
    }
    for (size_t column = 0; column < columns; ++column)
    {
      if (visitedColumn[column])
      {
        columnPotential[column] -= shortest - distance[column];
      }
    }

    for (size_t column = sink;;)
    {
      const size_t owner = previousRow[column];
      rowOfColumn[column] = owner;
      std::swap(columnOfRow[owner], column);
      if (owner == start)
      {
        break;
      }
    }
  }
  return columnOfRow;
}
} // namespace

Assignment
SolveAssignment(std::span<const double> costs, int64_t rows, int64_t columns)
{
  if (rows < 0 || columns < 0 || static_cast<int64_t>(costs.size()) != rows * columns)
  {
    throw Error("assignment: " + std::to_string(costs.size()) + " costs given, expected " + std::to_string(rows) +
                " x " + std::to_string(columns));
  }
  if (std::any_of(costs.begin(), costs.end(), [](double cost) { return std::isinf(cost); }))
  {
    throw Error("assignment: a cost is infinite, expected finite costs");
  }
  Assignment result;
  if (std::all_of(costs.begin(), costs.end(), [](double cost) { return std::isnan(cost); }))
  {
    return result;
  }

  const auto          height = static_cast<size_t>(rows);
  const auto          width = static_cast<size_t>(columns);
  const bool          transposed = height > width;
  std::vector<double> matrix(costs.size());
  for (size_t row = 0; row < height; ++row)
  {
    for (size_t column = 0; column < width; ++column)
    {
      const double cost = costs[row * width + column];
      matrix[transposed ? column * height + row : row * width + column] = std::isnan(cost) ? nanCost : cost;
    }
  }

  const auto partners = AssignRows(matrix, std::min(height, width), std::max(height, width));
  std::vector<std::pair<int64_t, int64_t>> pairs;
  for (size_t k = 0; k < partners.size(); ++k)
  {
    const auto first = static_cast<int64_t>(k);
    const auto second = static_cast<int64_t>(partners[k]);
    pairs.push_back(transposed ? std::pair(second, first) : std::pair(first, second));
    result.total += matrix[k * std::max(height, width) + partners[k]];
  }
  std::sort(pairs.begin(), pairs.end());
  for (const auto & [row, column] : pairs)
  {
    result.rows.push_back(row);
    result.columns.push_back(column);
  }
  return result;
}
} // namespace sam
