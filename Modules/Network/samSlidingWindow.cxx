// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSlidingWindow.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace sam
{
std::vector<int64_t>
WindowStarts(int64_t length, int64_t window, double overlap)
{
  if (window >= length)
  {
    return { 0 };
  }
  const double         step = std::max(1.0, static_cast<double>(window) * (1.0 - overlap));
  const auto           gaps = static_cast<int64_t>(std::ceil(static_cast<double>(length - window) / step));
  std::vector<int64_t> starts;
  for (int64_t i = 0; i <= gaps; ++i)
  {
    starts.push_back(std::llrint(static_cast<double>(i * (length - window)) / static_cast<double>(gaps)));
  }
  return starts;
}

at::Tensor
GaussianWeights(const std::array<int64_t, 3> & window, bool centersOnVoxel)
{
  const auto profile = [centersOnVoxel](int64_t length) {
    const double center = centersOnVoxel ? static_cast<double>(length / 2) : 0.5 * static_cast<double>(length - 1);
    const auto   offset = (at::arange(length, at::kDouble) - center) * 8.0 / length;
    return (-0.5 * offset * offset).exp();
  };
  return profile(window[2]).view({ -1, 1, 1 }) * profile(window[1]).view({ -1, 1 }) * profile(window[0]);
}

at::Tensor
RoundWeights(const at::Tensor & weights)
{
  const auto rounded = (10.0 * weights).to(at::kHalf).to(at::kFloat);
  return at::where(rounded > 0, rounded, rounded.masked_select(rounded > 0).min());
}

SlidingWindow::SlidingWindow(const Plan & plan, const std::array<int64_t, 3> & size)
  : m_Size(size)
  , m_PartSize(size)
  , m_SourceSize(size)
  , m_PadsWithZeros(plan.Keeps("zeros_around_image"))
  , m_RoundsWeights(plan.Keeps("rounded_window_weights"))
  , m_Window{ plan.window[0], plan.window[1], m_PadsWithZeros ? plan.window[2] : std::min(plan.window[2], size[2]) }
{
  std::array<std::vector<int64_t>, 3> starts;
  for (size_t i = 0; i < 3; ++i)
  {
    starts[i] = WindowStarts(size[i], m_Window[i], plan.overlap[i]);
    if (m_Window[i] > size[i])
    {
      starts[i] = { -((m_Window[i] - size[i]) / 2) };
    }
  }
  for (const int64_t z : starts[2])
  {
    for (const int64_t y : starts[1])
    {
      for (const int64_t x : starts[0])
      {
        m_Starts.push_back({ x, y, z });
      }
    }
  }
}

void
SlidingWindow::Restrict(const std::array<int64_t, 3> & start, const std::array<int64_t, 3> & size)
{
  m_PartStart = start;
  m_PartSize = size;
  m_FirstSlice = start[2];
  std::erase_if(m_Starts, [&](const std::array<int64_t, 3> & window) {
    return !std::ranges::all_of(std::array<size_t, 3>{ 0, 1, 2 }, [&](size_t i) {
      return window[i] < start[i] + size[i] && window[i] + m_Window[i] > start[i];
    });
  });
  for (size_t i = 0; i < 3; ++i)
  {
    // Windows are a grid: the first and the last one are so along every axis.
    m_SourceStart[i] = std::max<int64_t>(m_Starts.front()[i], 0);
    m_SourceSize[i] = std::min(m_Starts.back()[i] + m_Window[i], m_Size[i]) - m_SourceStart[i];
  }
}

at::Tensor
SlidingWindow::Extract(const at::Tensor & source, const std::array<int64_t, 3> & start) const
{
  auto part = source;
  for (int64_t i = 0; i < 3; ++i)
  {
    const auto axis = static_cast<size_t>(i);
    const auto place =
      at::arange(m_Window[axis], at::TensorOptions().dtype(at::kLong).device(source.device())) + start[axis];
    const auto index = place.clamp(0, m_Size[axis] - 1);
    part = part.index_select(3 - i, index - m_SourceStart[axis]);
    if (m_PadsWithZeros)
    {
      std::vector<int64_t> shape(4, 1);
      shape[static_cast<size_t>(3 - i)] = -1;
      part = part * (place == index).to(part.scalar_type()).view(shape);
    }
  }
  return part;
}

void
SlidingWindow::Add(const at::Tensor & answer, const std::array<int64_t, 3> & start)
{
  const auto options = answer.options().dtype(at::kFloat);
  if (!m_Sum.defined())
  {
    m_Sum = at::zeros({ answer.size(0), 0, m_PartSize[1], m_PartSize[0] }, options);
    m_WeightSum = at::zeros({ 0, m_PartSize[1], m_PartSize[0] }, options);
    const auto weights = GaussianWeights(m_Window, m_RoundsWeights);
    m_Weight = (m_RoundsWeights ? RoundWeights(weights) : weights).to(options);
  }
  const int64_t missing =
    std::min(start[2] + m_Window[2], m_PartStart[2] + m_PartSize[2]) - (m_FirstSlice + m_Sum.size(1));
  if (missing > 0)
  {
    m_Sum = at::cat({ m_Sum, at::zeros({ m_Sum.size(0), missing, m_PartSize[1], m_PartSize[0] }, options) }, 1);
    m_WeightSum = at::cat({ m_WeightSum, at::zeros({ missing, m_PartSize[1], m_PartSize[0] }, options) });
  }
  auto sum = m_Sum;
  auto weightSum = m_WeightSum;
  auto weight = m_Weight;
  auto part = answer;
  for (int64_t i = 0; i < 3; ++i)
  {
    const auto    axis = static_cast<size_t>(i);
    const int64_t first = i == 2 ? m_FirstSlice : m_PartStart[axis];
    const int64_t begin = std::max(start[axis], first);
    const int64_t end = std::min(start[axis] + m_Window[axis], m_PartStart[axis] + m_PartSize[axis]);
    sum = sum.narrow(3 - i, begin - first, end - begin);
    weightSum = weightSum.narrow(2 - i, begin - first, end - begin);
    weight = weight.narrow(2 - i, begin - start[axis], end - begin);
    part = part.narrow(3 - i, begin - start[axis], end - begin);
  }
  sum.add_(part * weight);
  weightSum.add_(weight);
}

at::Tensor
SlidingWindow::GetBlended() const
{
  return m_Sum / m_WeightSum;
}

at::Tensor
SlidingWindow::TakeBlended(int64_t end)
{
  const int64_t taken = std::max<int64_t>(0, std::min(end, m_PartStart[2] + m_PartSize[2]) - m_FirstSlice);
  const auto    blended = m_Sum.narrow(1, 0, taken) / m_WeightSum.narrow(0, 0, taken);
  m_Sum = m_Sum.narrow(1, taken, m_Sum.size(1) - taken).clone();
  m_WeightSum = m_WeightSum.narrow(0, taken, m_WeightSum.size(0) - taken).clone();
  m_FirstSlice += taken;
  return blended;
}
} // namespace sam
