// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSplineResize.h"

#include "samCubicSpline.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
/** Index in 0 to \a last of an index that may lie outside, mirrored at the centers of the border pixels. */
int64_t
Mirror(int64_t index, int64_t last)
{
  if (last == 0)
  {
    return 0;
  }
  index = std::abs(index) % (2 * last);
  return index > last ? 2 * last - index : index;
}

/** Turn weights of spline coefficients into weights of pixels, in place: solves the transposed tridiagonal system
 * whose inner rows are 1/6, 4/6, 1/6. What becomes of it is truncated to whole numbers, where a last digit counts:
 * hence not SplineWeights(). */
void
SolveSplineSystem(double * weights, int64_t count)
{
  if (count == 1)
  {
    return;
  }
  // The transpose of mirrored borders: the first and last row are 4/6, 1/6, their neighbors begin and end with 2/6.
  const auto lower = [count](int64_t row) { return row == 0 ? 0.0 : row == 1 && count > 1 ? 2.0 / 6.0 : 1.0 / 6.0; };
  const auto upper = [count](int64_t row) { return row == count - 1 ? 0.0 : row == count - 2 ? 2.0 / 6.0 : 1.0 / 6.0; };
  std::vector<double> factors(static_cast<size_t>(count));
  double              pivot = 4.0 / 6.0;
  for (int64_t row = 0; row < count; ++row)
  {
    if (row > 0)
    {
      pivot = 4.0 / 6.0 - lower(row) * factors[static_cast<size_t>(row - 1)];
      weights[row] -= lower(row) * weights[row - 1];
    }
    weights[row] /= pivot;
    factors[static_cast<size_t>(row)] = upper(row) / pivot;
  }
  for (int64_t row = count - 2; row >= 0; --row)
  {
    weights[row] -= factors[static_cast<size_t>(row)] * weights[row + 1];
  }
}

/** Weights of a Gaussian that is cut off at four standard deviations, from its middle on; they sum to one. */
std::vector<double>
HalfGaussian(double deviation)
{
  const auto          radius = static_cast<int64_t>(4.0 * deviation + 0.5);
  std::vector<double> half;
  double              sum = -1.0;
  for (int64_t k = 0; k <= radius; ++k)
  {
    half.push_back(k == 0 ? 1.0 : std::exp(-0.5 * static_cast<double>(k * k) / (deviation * deviation)));
    sum += 2.0 * half.back();
  }
  for (double & weight : half)
  {
    weight /= sum;
  }
  return half;
}

/** outputs×inputs: what each output pixel takes of each input pixel, smoothed where it shrinks. */
at::Tensor
SmoothingMatrix(int64_t inputs, int64_t outputs)
{
  const double        scale = static_cast<double>(inputs) / static_cast<double>(outputs);
  const auto          gaussian = HalfGaussian(std::max(0.0, 0.5 * (scale - 1.0)));
  const int64_t       last = inputs - 1;
  at::Tensor          matrix = at::zeros({ outputs, inputs }, at::kDouble);
  std::vector<double> row;
  for (int64_t k = 0; k < outputs; ++k)
  {
    const double position = (static_cast<double>(k) + 0.5) * scale - 0.5;
    const auto   first = static_cast<int64_t>(std::floor(position)) - 1;
    row.assign(static_cast<size_t>(inputs), 0.0);
    for (int64_t index = first; index < first + 4; ++index)
    {
      row[static_cast<size_t>(Mirror(index, last))] += CubicSpline(position - static_cast<double>(index));
    }
    SolveSplineSystem(row.data(), inputs);
    double * const weights = matrix.data_ptr<double>() + k * inputs;
    for (int64_t index = 0; index < inputs; ++index)
    {
      const double weight = row[static_cast<size_t>(index)];
      weights[index] += gaussian[0] * weight;
      for (size_t offset = 1; offset < gaussian.size(); ++offset)
      {
        const auto reach = static_cast<int64_t>(offset);
        weights[Mirror(index - reach, last)] += gaussian[offset] * weight;
        weights[Mirror(index + reach, last)] += gaussian[offset] * weight;
      }
    }
  }
  return matrix;
}
} // namespace

at::Tensor
ResizeMatrix(int64_t inputs, int64_t outputs, int64_t order)
{
  // Far enough for every digit of a coefficient.
  constexpr int64_t exactReach = 30;

  const double  scale = static_cast<double>(inputs) / static_cast<double>(outputs);
  const int64_t last = inputs - 1;
  at::Tensor    matrix = at::zeros({ outputs, inputs }, at::kDouble);
  for (int64_t k = 0; k < outputs; ++k)
  {
    const double place = (static_cast<double>(k) + 0.5) * scale - 0.5;
    const double position = order == 1 ? std::clamp(place, 0.0, static_cast<double>(last)) : place;
    const double floor = std::floor(position);
    const double fraction = position - floor;
    const auto   taken =
      order == 1 ? std::vector<double>{ 1.0 - fraction, fraction } : SplineWeights(fraction, exactReach);
    int64_t        index = static_cast<int64_t>(floor) - (order == 1 ? 0 : 1 + exactReach);
    double * const weights = matrix.data_ptr<double>() + k * inputs;
    for (const double weight : taken)
    {
      weights[std::clamp<int64_t>(index++, 0, last)] += weight;
    }
  }
  return matrix;
}

at::Tensor
ResizeSpline(const at::Tensor & image, const ImageSize & size)
{
  const auto real = image.to(at::kDouble);
  const auto rows = SmoothingMatrix(image.size(1), size[0]).to(image.device());
  const auto columns = SmoothingMatrix(image.size(2), size[1]).to(image.device());
  const auto resized = at::matmul(at::matmul(rows, real), columns.t());
  return at::clamp(resized, real.min(), real.max()).to(at::kByte);
}
} // namespace sam
