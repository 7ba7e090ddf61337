// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSharedUpscaling.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/addcmul.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mm.h>

#include <algorithm>

namespace sam
{
namespace
{
constexpr int64_t tokensAtOnce = 512; ///< some hundred kilobytes of features
} // namespace

SharedUpscaling::SharedUpscaling(const SharedImage & image,
                                 const Convolution & first,
                                 const ChannelNorm & norm,
                                 const Convolution & second,
                                 int64_t             columns)
  : m_First(first.GetWeight().permute({ 0, 2, 3, 1 }).flatten(1))
  , m_Norm(norm.GetChannelsLast())
  , m_Second(second.GetWeight().permute({ 2, 0, 3, 1 }).flatten(2))
  , m_SecondBias(second.GetBias().repeat(2))
  , m_Columns(columns)
{
  m_Image = at::mm(image.GetImage().t(), m_First);
  m_Bias = (first.GetBias().repeat(4) + at::matmul(image.GetShift(), m_First)).view({ 2, 1, -1 });
}

void
SharedUpscaling::operator()(const PromptedImage & image, const at::Tensor & weights, const at::Tensor & masks) const
{
  const int64_t rows = m_Image.size(0) / m_Columns;
  const int64_t rowsAtOnce = std::max<int64_t>(1, tokensAtOnce / m_Columns);
  const auto    basis = at::mm(image.basis, m_First);
  const auto    target = masks.view({ -1, rows, 2, 2, 4 * m_Columns });
  for (int64_t row = 0; row < rows; row += rowsAtOnce)
  {
    const int64_t height = std::min(rowsAtOnce, rows - row);
    const int64_t start = row * m_Columns;
    const int64_t length = height * m_Columns;
    const auto product = at::addmm(m_Image.narrow(0, start, length), image.weights.narrow(1, start, length).t(), basis);

    // The rows of the doubled grid one after the other: first the even ones.
    auto half = at::empty({ 2, length, m_Bias.size(2) }, product.options());
    at::addcmul_out(
      half, m_Bias, product.view({ length, 2, -1 }).transpose(0, 1), image.scale.narrow(0, start, length).unsqueeze(1));
    half = m_Norm(half.view({ 2, 2 * length, -1 }));
    at::gelu_(half);
    for (int64_t y = 0; y < 4; ++y)
    {
      auto fine = at::addmm(m_SecondBias, half[y / 2], m_Second[y % 2]);
      at::gelu_(fine);
      const auto part = at::mm(weights, fine.view({ -1, weights.size(1) }).t());
      target.narrow(1, row, height).select(2, y / 2).select(2, y % 2).copy_(part.view({ -1, height, 4 * m_Columns }));
    }
  }
}
} // namespace sam
