// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSliceTransform.h"

#include "samError.h"
#include "samLayers.h"
#include "samSplineResize.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/logit.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/tensor.h>

namespace sam
{
SliceTransform::SliceTransform(const Plan & plan, const ImageSize & size)
  : m_Plan(plan)
  , m_Size(size)
  , m_Side(plan.grid[0] * plan.patch)
  , m_ResizedSize(plan.fit == "square" ? ImageSize{ m_Side, m_Side } : ResizedSize(size, m_Side))
{
  if (plan.fit == "spacing")
  {
    throw Error("the model takes images of its own spacing, expected one that takes single slices");
  }
}

at::Tensor
SliceTransform::PrepareImage(const at::Tensor & slice) const
{
  const auto resized = m_Plan.fit == "square" ? ResizeSpline(slice, m_ResizedSize) : ResizeLongestSide(slice, m_Side);
  std::vector<double> mean;
  std::vector<double> deviation;
  at::Tensor          values = resized;
  if (m_Plan.channels.front().normalization == "min_max")
  {
    const auto real = resized.to(at::kDouble);
    values = ((real - real.min()) / (real.max() - real.min()).clamp_min(1e-8)).to(at::kFloat);
    mean.assign(m_Plan.channels.size(), 0.0);
    deviation.assign(m_Plan.channels.size(), 1.0);
  }
  else
  {
    for (const auto & channel : m_Plan.channels)
    {
      mean.push_back(channel.mean);
      deviation.push_back(channel.deviation);
    }
  }
  return PadToSquare(values, m_Side, mean, deviation).unsqueeze(1).unsqueeze(0);
}

at::Tensor
SliceTransform::PreparePoints(const at::Tensor & points) const
{
  const auto factors = at::tensor({ static_cast<double>(m_ResizedSize[1]) / static_cast<double>(m_Size[1]),
                                    static_cast<double>(m_ResizedSize[0]) / static_cast<double>(m_Size[0]) },
                                  at::kDouble);
  return ((points.to(at::kDouble) * factors).to(at::kFloat) + 0.5) / static_cast<double>(m_Side);
}

at::Tensor
SliceTransform::PrepareMask(const at::Tensor & mask) const
{
  constexpr double rarest = 1e-3;
  const int64_t    cells = 4 * m_Plan.grid[0];
  const auto       fraction = at::_upsample_bilinear2d_aa(
    mask.to(at::kFloat).unsqueeze(0).unsqueeze(0), { m_ResizedSize[0], m_ResizedSize[1] }, false);
  const auto square = at::constant_pad_nd(fraction, { 0, m_Side - m_ResizedSize[1], 0, m_Side - m_ResizedSize[0] }, 0);
  return at::logit(at::_upsample_bilinear2d_aa(square, { cells, cells }, false), rarest);
}

at::Tensor
SliceTransform::RestoreMasks(const at::Tensor & logits) const
{
  if (m_Plan.fit == "square")
  {
    return at::logit(ResizeLinear(at::sigmoid(logits), { m_Size[0], m_Size[1] }), 1e-7);
  }
  return PostprocessMasks(logits, m_Side, m_ResizedSize, m_Size);
}
} // namespace sam
