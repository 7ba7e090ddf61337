// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRecomputation_h
#define samRecomputation_h

#include "SegmentAnythingExport.h"

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace sam
{
/** \class RecomputationGuard
 * \brief While it lives, Recompute() on this thread trades time for memory (Chen et al., arXiv 1604.06174).
 */
class SegmentAnything_EXPORT RecomputationGuard
{
public:
  explicit RecomputationGuard(bool isOn);
  ~RecomputationGuard();
  RecomputationGuard(const RecomputationGuard &) = delete;
  void
  operator=(const RecomputationGuard &) = delete;

private:
  bool m_Before;
};

/** Evaluate \a function at \a inputs, all of them defined. Under a RecomputationGuard, and where
 * an input needs a gradient, only the inputs are kept for it: \a function, which must answer the same again, is
 * evaluated once more when the gradient is taken. Its parameters get their gradients as ever. */
at::Tensor
Recompute(std::function<at::Tensor(const std::vector<at::Tensor> &)> function, const std::vector<at::Tensor> & inputs);
} // namespace sam

#endif
