// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samUnet.h"

#include <ATen/ops/cat.h>

namespace sam
{
namespace
{
std::array<int64_t, 3>
KernelOf(size_t level, const UnetOptions & options)
{
  return { static_cast<int64_t>(level) < options.planarLevels ? 1 : 3, 3, 3 };
}
} // namespace

ContractingPath::ContractingPath(const Scope & scope, const UnetOptions & options)
{
  int64_t channels = options.inputs;
  for (size_t k = 0; k < options.widths.size(); ++k)
  {
    const Scope   place = scope / static_cast<int64_t>(k) / "convs";
    const auto    kernel = KernelOf(k, options);
    const int64_t width = options.widths[k];
    m_Levels.push_back(
      { ConvolutionUnit(place / 0, channels, width, { .kernel = kernel, .stride = k == 0 ? options.finestStride : 2 }),
        ConvolutionUnit(place / 1, width, width, { .kernel = kernel }) });
    channels = width;
  }
}

std::vector<at::Tensor>
ContractingPath::operator()(at::Tensor x) const
{
  std::vector<at::Tensor> features;
  for (const auto & [first, second] : m_Levels)
  {
    x = second(first(x));
    features.push_back(x);
  }
  return features;
}

ExpandingPath::ExpandingPath(const Scope & scope, int64_t coarse, const UnetOptions & options, int64_t units)
{
  for (size_t k = 0; k < options.widths.size(); ++k)
  {
    const Scope   place = scope / static_cast<int64_t>(k);
    const int64_t width = options.widths[k];
    const bool    isCoarsest = k + 1 == options.widths.size();
    Level         level{ { place / "climb", isCoarsest ? coarse : options.widths[k + 1], width, inPlaneDoubling }, {} };
    for (int64_t unit = 0; unit < units; ++unit)
    {
      level.units.emplace_back(place / "convs" / unit,
                               unit == 0 ? 2 * width : width,
                               width,
                               ConvolutionUnit::Options{ .kernel = KernelOf(k, options) });
    }
    m_Levels.push_back(std::move(level));
  }
}

at::Tensor
ExpandingPath::operator()(at::Tensor x, const std::vector<at::Tensor> & features) const
{
  for (size_t k = m_Levels.size(); k-- > 0;)
  {
    x = at::cat({ m_Levels[k].climb(x), features[k] }, 1);
    for (const auto & unit : m_Levels[k].units)
    {
      x = unit(x);
    }
  }
  return x;
}
} // namespace sam
