// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPositionEncoding.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/stack.h>

#include <numbers>

namespace sam
{
PositionEncoding::PositionEncoding(const Scope & scope, int64_t width)
  : m_Matrix(
      scope.DeclareConstant("positional_encoding_gaussian_matrix", { 2, width / 2 }, Initialization::Normal(1.0)))
{}

at::Tensor
PositionEncoding::operator()(const at::Tensor & coordinates) const
{
  const auto projected = 2.0 * std::numbers::pi * at::matmul(2.0 * coordinates - 1.0, m_Matrix);
  return at::cat({ projected.sin(), projected.cos() }, -1);
}

at::Tensor
PositionEncoding::OfGrid(const std::array<int64_t, 2> & grid, const std::array<int64_t, 2> & frame) const
{
  const auto options = m_Matrix.options();
  const auto y = (at::arange(grid[0], options) + 0.5) / frame[0];
  const auto x = (at::arange(grid[1], options) + 0.5) / frame[1];
  const auto coordinates =
    at::stack({ x.unsqueeze(0).expand({ grid[0], grid[1] }), y.unsqueeze(1).expand({ grid[0], grid[1] }) }, -1);
  return (*this)(coordinates).permute({ 2, 0, 1 });
}
} // namespace sam
