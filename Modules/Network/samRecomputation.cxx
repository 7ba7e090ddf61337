// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRecomputation.h"

#include "samAutocast.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/custom_class.h>

#include <algorithm>
#include <utility>

namespace sam
{
namespace
{
thread_local bool isRecomputing = false;

/** The function, and the precision that it is evaluated in. */
struct Step : torch::CustomClassHolder
{
  std::function<at::Tensor(const std::vector<at::Tensor> &)> function;
  bool                                                       isMixed{ false };
};

class Recomputed : public torch::autograd::Function<Recomputed>
{
public:
  static at::Tensor
  forward(torch::autograd::AutogradContext * context, const c10::IValue & step, at::TensorList inputs)
  {
    context->saved_data["step"] = step;
    context->save_for_backward(inputs.vec());
    std::vector<at::Tensor> values;
    for (const auto & input : inputs)
    {
      values.push_back(input.detach());
    }
    // With gradient, since networks may compute otherwise without one.
    const at::AutoGradMode withGradient(true);
    return c10::static_intrusive_pointer_cast<Step>(step.toCapsule())->function(values).detach();
  }

  static torch::autograd::variable_list
  backward(torch::autograd::AutogradContext * context, torch::autograd::variable_list gradients)
  {
    const auto              step = c10::static_intrusive_pointer_cast<Step>(context->saved_data["step"].toCapsule());
    std::vector<at::Tensor> inputs;
    for (const auto & saved : context->get_saved_variables())
    {
      auto & input = inputs.emplace_back(saved.detach());
      if (saved.requires_grad())
      {
        input.requires_grad_(true);
      }
    }
    at::Tensor output;
    {
      const at::AutoGradMode withGradient(true);
      const Autocast         autocast(step->isMixed, gradients[0].device().type());
      output = step->function(inputs);
    }
    torch::autograd::backward({ output }, { gradients[0] });
    torch::autograd::variable_list answer{ at::Tensor() };
    for (const auto & input : inputs)
    {
      answer.push_back(input.grad());
    }
    return answer;
  }
};
} // namespace

RecomputationGuard::RecomputationGuard(bool isOn)
  : m_Before(std::exchange(isRecomputing, isOn))
{}

RecomputationGuard::~RecomputationGuard()
{
  isRecomputing = m_Before;
}

at::Tensor
Recompute(std::function<at::Tensor(const std::vector<at::Tensor> &)> function, const std::vector<at::Tensor> & inputs)
{
  const auto needsGradient = [](const at::Tensor & input) { return input.requires_grad(); };
  if (!isRecomputing || !at::GradMode::is_enabled() || std::none_of(inputs.begin(), inputs.end(), needsGradient))
  {
    return function(inputs);
  }
  auto step = c10::make_intrusive<Step>();
  step->function = std::move(function);
  step->isMixed = at::autocast::is_autocast_enabled(inputs[0].device().type());
  const bool isCaching = at::autocast::is_autocast_cache_enabled();
  at::autocast::set_autocast_cache_enabled(false); // a weight that is cast without gradient must not be kept
  auto output = Recomputed::apply(c10::IValue::make_capsule(std::move(step)), at::TensorList(inputs));
  at::autocast::set_autocast_cache_enabled(isCaching);
  return output;
}
} // namespace sam
