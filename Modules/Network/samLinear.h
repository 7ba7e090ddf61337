// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLinear_h
#define samLinear_h

#include "samParameters.h"

#include <ATen/core/Tensor.h>

#include <memory>

namespace sam
{
/** \class Linear
 * \brief Affine map of the last axis; names weight, bias. Starts as PyTorch's Linear does, or at zero.
 *
 * Computes in float32 until Parameters::Prepare() asks for another precision; answers have the type of x. Without
 * gradients, on the processor and for many rows, oneDNN does the product and what follows it in one pass over memory.
 */
class SegmentAnything_EXPORT Linear
{
public:
  Linear() = default;
  Linear(const Scope & scope, int64_t inputs, int64_t outputs, bool hasBias = true, bool startsAtZero = false);

  /** W·x + b. */
  at::Tensor
  operator()(const at::Tensor & x) const;

  /** GELU(W·x + b), the exact one. */
  at::Tensor
  Gelu(const at::Tensor & x) const;

  /** W·x + b + \a other. */
  at::Tensor
  Plus(const at::Tensor & x, const at::Tensor & other) const;

  /** outputs×inputs. */
  const at::Tensor &
  GetWeight() const;

  /** \a x rounded to what this layer multiplies: its answers then have that type too, and no pass over memory is spent
   * on turning them back. */
  at::Tensor
  Round(const at::Tensor & x) const;

  const at::Tensor &
  GetBias() const;

private:
  struct Weights;

  std::shared_ptr<Weights> m_Weights;
};
} // namespace sam

#endif
