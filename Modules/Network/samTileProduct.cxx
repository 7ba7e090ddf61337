// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTileProduct.h"

#include <ATen/native/CPUBlas.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>

#include <exception>

namespace sam
{
namespace
{
#ifdef CPUBLAS_BRGEMM_F32F32F32
/** Whether this LibTorch has the micro-kernels for this processor: it throws where not. */
bool
HasMicroKernels()
{
  static const bool answer = [] {
    try
    {
      const float a[16]{};
      const float b[256]{};
      float       c[16];
      at::native::cpublas::brgemm(1, 16, 16, 16, 16, 16, false, a, b, c, false);
      at::native::cpublas::brgemm_release(false);
      return true;
    }
    catch (const std::exception &)
    {
      return false;
    }
  }();
  return answer;
}
#endif
} // namespace

void
MultiplyTile(int64_t rows, int64_t columns, int64_t inner, const float * a, const float * b, float * c, bool adds)
{
#ifdef CPUBLAS_BRGEMM_F32F32F32
  if (HasMicroKernels())
  {
    at::native::cpublas::brgemm(rows, columns, inner, inner, columns, columns, adds, a, b, c, false);
    return;
  }
#endif
  const auto wrap = [](const float * values, int64_t height, int64_t width) {
    return at::from_blob(const_cast<float *>(values), { height, width }, at::TensorOptions().dtype(at::kFloat));
  };
  auto target = wrap(c, rows, columns);
  if (adds)
  {
    at::addmm_out(target, target, wrap(a, rows, inner), wrap(b, inner, columns));
  }
  else
  {
    at::mm_out(target, wrap(a, rows, inner), wrap(b, inner, columns));
  }
}

void
EndTileProducts()
{
#ifdef CPUBLAS_BRGEMM_F32F32F32
  if (HasMicroKernels())
  {
    at::native::cpublas::brgemm_release(false);
  }
#endif
}
} // namespace sam
