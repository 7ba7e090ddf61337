// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samParallel.h"

#include <ATen/TensorIterator.h>
#include <ATen/ThreadLocalState.h>
#include <ATen/ops/arange.h>

namespace sam
{
void
ForEachInParallel(int64_t count, const std::function<void(int64_t)> & work)
{
  if (count == 1)
  {
    work(0);
    return;
  }
  // A loop over a tensor runs on the threads that LibTorch was built with. at::parallel_for is a template: it would run
  // on the OpenMP that this file is compiled with, which is none or a second one.
  auto                       indices = at::arange(count, at::kLong);
  auto                       iterator = at::TensorIterator::nullary_op(indices);
  const at::ThreadLocalState state;
  iterator.for_each(
    [&](char ** data, const int64_t * strides, int64_t columns, int64_t rows) {
      const at::ThreadLocalStateGuard guard(state);
      for (int64_t k = 0; k < rows * columns; ++k)
      {
        work(*reinterpret_cast<const int64_t *>(data[0] + k % columns * strides[0] + k / columns * strides[1]));
      }
    },
    1);
}
} // namespace sam
