// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAssignment.h"
#include "samError.h"
#include "samRandomStream.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>

namespace
{
constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();

/** Least total over all one-to-one assignments of rows <= columns, by trying them. */
double
LeastTotal(const std::vector<double> & costs, size_t rows, size_t columns)
{
  std::vector<size_t> order(columns);
  std::iota(order.begin(), order.end(), size_t{ 0 });
  double least = std::numeric_limits<double>::infinity();
  do
  {
    double total = 0.0;
    for (size_t row = 0; row < rows; ++row)
    {
      total += costs[row * columns + order[row]];
    }
    least = std::min(least, total);
  } while (std::next_permutation(order.begin(), order.end()));
  return least;
}
} // namespace

TEST(samAssignment, NanCountsAsHundred)
{
  // 100 is neither forbidden nor free: dearer than 60 + 30, cheaper than 80 + 30.
  EXPECT_EQ(sam::SolveAssignment(std::vector{ notANumber, 60.0, 30.0, 0.0 }, 2, 2).columns,
            (std::vector<int64_t>{ 1, 0 }));
  EXPECT_EQ(sam::SolveAssignment(std::vector{ notANumber, 80.0, 30.0, 0.0 }, 2, 2).columns,
            (std::vector<int64_t>{ 0, 1 }));
  EXPECT_EQ(sam::SolveAssignment(std::vector{ notANumber, 80.0, 30.0, 0.0 }, 2, 2).total, 100.0);
}

TEST(samAssignment, NothingIsAssignedWhereAllIsNan)
{
  const auto result = sam::SolveAssignment(std::vector{ notANumber, notANumber, notANumber, notANumber }, 2, 2);
  EXPECT_TRUE(result.rows.empty());
  EXPECT_TRUE(result.columns.empty());
  EXPECT_TRUE(sam::SolveAssignment({}, 0, 0).rows.empty());
  EXPECT_TRUE(sam::SolveAssignment({}, 4, 0).rows.empty());
}

TEST(samAssignment, IsTheCheapestOfAll)
{
  sam::RandomStream random(11);
  for (int trial = 0; trial < 300; ++trial)
  {
    const auto          rows = random.Integer(1, 5);
    const auto          columns = random.Integer(rows, 6);
    std::vector<double> costs(static_cast<size_t>(rows * columns));
    for (double & cost : costs)
    {
      // Few distinct values in every other trial, so that ties occur.
      cost = trial % 2 == 0 ? random.Normal() : static_cast<double>(random.Integer(-2, 2));
    }
    const auto result = sam::SolveAssignment(costs, rows, columns);
    EXPECT_NEAR(result.total, LeastTotal(costs, static_cast<size_t>(rows), static_cast<size_t>(columns)), 1e-12);
    ASSERT_EQ(static_cast<int64_t>(result.rows.size()), rows);

    std::vector<double> transposed(costs.size());
    double              sum = 0.0;
    for (int64_t row = 0; row < rows; ++row)
    {
      for (int64_t column = 0; column < columns; ++column)
      {
        transposed[static_cast<size_t>(column * rows + row)] = costs[static_cast<size_t>(row * columns + column)];
      }
      EXPECT_EQ(result.rows[static_cast<size_t>(row)], row);
      sum += costs[static_cast<size_t>(row * columns + result.columns[static_cast<size_t>(row)])];
    }
    EXPECT_NEAR(sum, result.total, 1e-12);
    auto used = result.columns;
    std::sort(used.begin(), used.end());
    EXPECT_EQ(std::adjacent_find(used.begin(), used.end()), used.end());

    const auto other = sam::SolveAssignment(transposed, columns, rows);
    EXPECT_NEAR(other.total, result.total, 1e-12);
    EXPECT_TRUE(std::is_sorted(other.rows.begin(), other.rows.end()));
  }
}

TEST(samAssignment, RefusesInfinityAndWrongSize)
{
  EXPECT_THROW(sam::SolveAssignment(std::vector{ 1.0, std::numeric_limits<double>::infinity() }, 1, 2), sam::Error);
  EXPECT_THROW(sam::SolveAssignment(std::vector{ 1.0, 2.0, 3.0 }, 2, 2), sam::Error);
}
