// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMirroring.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/flip.h>

namespace sam
{
at::Tensor
MeanOverMirrors(const at::Tensor &                                    image,
                const std::vector<size_t> &                           axes,
                const std::function<at::Tensor(const at::Tensor &)> & answer)
{
  at::Tensor   sum;
  const size_t combinations = size_t{ 1 } << axes.size();
  for (size_t combination = 0; combination < combinations; ++combination)
  {
    std::vector<int64_t> flipped;
    for (size_t k = 0; k < axes.size(); ++k)
    {
      if ((combination >> k & 1) != 0)
      {
        flipped.push_back(4 - static_cast<int64_t>(axes[k]));
      }
    }
    const auto part = flipped.empty() ? answer(image) : answer(image.flip(flipped)).flip(flipped);
    sum = sum.defined() ? sum + part : part;
  }
  return combinations > 1 ? sum / static_cast<double>(combinations) : sum;
}
} // namespace sam
