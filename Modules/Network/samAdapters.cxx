// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAdapters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>

namespace sam
{
DepthConvolutionAdapter::DepthConvolutionAdapter(const Scope & scope,
                                                 int64_t       width,
                                                 int64_t       bottleneck,
                                                 bool          hasSkip,
                                                 bool          startsAtRandom)
  : m_Down(scope / "D_fc1", width, bottleneck)
  , m_Up(scope / "D_fc2", bottleneck, width, true, !startsAtRandom)
  , m_DepthConvolution(scope / "T_DWconv",
                       bottleneck,
                       bottleneck,
                       { .kernel = { 3, 3, 3 }, .stride = {}, .groups = bottleneck, .padded = true })
  , m_Norm(scope / "norm", bottleneck, 1e-6)
  , m_HasSkip(hasSkip)
{}

at::Tensor
DepthConvolutionAdapter::operator()(const at::Tensor & x, const SliceLayout & layout) const
{
  const auto    u = at::gelu(m_Down(x));
  const int64_t h = u.size(1);
  const int64_t w = u.size(2);
  const int64_t r = u.size(3);
  const auto    volume = u.view({ layout.batch, layout.slices, layout.queries, h, w, r })
                        .permute({ 0, 2, 5, 1, 3, 4 })
                        .reshape({ layout.batch * layout.queries, r, layout.slices, h, w });
  const auto mixed = at::gelu(m_Norm(m_DepthConvolution(volume).movedim(1, -1)))
                       .view({ layout.batch, layout.queries, layout.slices, h, w, r })
                       .transpose(1, 2)
                       .reshape_as(u);
  const auto y = m_Up(u + mixed);
  return m_HasSkip ? x + y : y;
}

DepthMlpAdapter::DepthMlpAdapter(const Scope & scope,
                                 int64_t       width,
                                 int64_t       bottleneck,
                                 int64_t       slices,
                                 bool          hasSkip,
                                 bool          startsAtRandom)
  : m_Down(scope / "D_fc1", width, bottleneck)
  , m_Up(scope / "D_fc2", bottleneck, width, true, !startsAtRandom)
  , m_DepthFirst(scope / "T_fc1", slices, 4 * slices)
  , m_DepthSecond(scope / "T_fc2", 4 * slices, slices)
  , m_Slices(slices)
  , m_HasSkip(hasSkip)
{}

at::Tensor
DepthMlpAdapter::operator()(const at::Tensor & x, const SliceLayout & layout) const
{
  const auto    u = at::gelu(m_Down(x));
  const int64_t rest = u.numel() / (layout.batch * layout.slices);
  const auto    alongDepth = u.reshape({ layout.batch, layout.slices, rest }).transpose(1, 2);
  const auto    mixed = m_DepthSecond(at::gelu(m_DepthFirst(ResizeLinear(alongDepth, { m_Slices }))));
  const auto    back = ResizeLinear(mixed, { layout.slices }).transpose(1, 2).reshape_as(u);
  const auto    y = m_Up(u + back);
  return m_HasSkip ? x + y : y;
}
} // namespace sam
