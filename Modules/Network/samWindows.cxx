// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samWindows.h"

#include <ATen/ops/constant_pad_nd.h>

namespace sam
{
std::array<int64_t, 2>
WindowGrid(int64_t window, int64_t h, int64_t w)
{
  return { (h + window - 1) / window, (w + window - 1) / window };
}

at::Tensor
PartitionWindows(const at::Tensor & x, int64_t window)
{
  const auto [rows, columns] = WindowGrid(window, x.size(1), x.size(2));
  const int64_t padBottom = rows * window - x.size(1);
  const int64_t padRight = columns * window - x.size(2);
  const auto    padded = padBottom + padRight > 0 ? at::constant_pad_nd(x, { 0, 0, 0, padRight, 0, padBottom }, 0) : x;
  return padded.reshape({ x.size(0), rows, window, columns, window, x.size(3) })
    .transpose(2, 3)
    .reshape({ x.size(0) * rows * columns, window, window, x.size(3) });
}

at::Tensor
UnpartitionWindows(const at::Tensor & windows, int64_t window, int64_t h, int64_t w)
{
  const auto [rows, columns] = WindowGrid(window, h, w);
  const int64_t batch = windows.size(0) / (rows * columns);
  return windows.reshape({ batch, rows, columns, window, window, windows.size(3) })
    .transpose(2, 3)
    .reshape({ batch, rows * window, columns * window, windows.size(3) })
    .narrow(1, 0, h)
    .narrow(2, 0, w);
}
} // namespace sam
