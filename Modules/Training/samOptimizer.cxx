// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samOptimizer.h"

#include "samError.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
constexpr double beta1 = 0.9;
constexpr double beta2 = 0.999;
constexpr double epsilon = 1e-8;

bool
Decays(const std::string & name, const at::Tensor & tensor)
{
  const auto contains = [&name](const char * part) { return name.find(part) != std::string::npos; };
  return tensor.dim() > 1 && !contains("embed") && !contains("rel_pos") && !contains("token");
}
} // namespace

Optimizer::Optimizer(Network & network, Network & average, const Settings & settings)
  : m_Settings(settings)
  , m_Groups(2)
{
  const auto & parameters = network.GetParameters();
  for (const auto & [name, tensor] : parameters.GetTensors())
  {
    if (parameters.GetConstants().count(name) > 0)
    {
      continue;
    }
    Group & group = m_Groups[settings.decaysEverything || Decays(name, tensor) ? 0 : 1];
    group.names.push_back(name);
    group.weights.push_back(tensor);
    group.weights.back().requires_grad_(true);
    group.averages.push_back(average.GetParameters().GetTensors().at(name));
    group.firstMoments.push_back(at::zeros_like(tensor, tensor.options().requires_grad(false)));
    group.secondMoments.push_back(at::zeros_like(tensor, tensor.options().requires_grad(false)));
    group.steps.push_back(at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(tensor.device())));
  }
  m_Groups[0].weightDecay = settings.weightDecay;
}

bool
Optimizer::Step(double learningRate, const std::function<void(at::Tensor &)> & sum)
{
  at::NoGradGuard         noGrad;
  std::vector<at::Tensor> norms;
  for (auto & group : m_Groups)
  {
    for (auto & weight : group.weights)
    {
      if (!weight.grad().defined())
      {
        weight.mutable_grad() = at::zeros_like(weight);
      }
    }
  }
  if (sum)
  {
    std::vector<at::Tensor> parts;
    std::vector<at::Tensor> gradients;
    for (auto & group : m_Groups)
    {
      for (auto & weight : group.weights)
      {
        gradients.push_back(weight.grad());
        parts.push_back(weight.grad().flatten());
      }
    }
    auto together = at::cat(parts);
    sum(together);
    int64_t place = 0;
    for (auto & gradient : gradients)
    {
      gradient.copy_(together.narrow(0, place, gradient.numel()).view(gradient.sizes()));
      place += gradient.numel();
    }
  }
  for (auto & group : m_Groups)
  {
    for (auto & weight : group.weights)
    {
      norms.push_back(weight.grad().norm());
    }
  }
  const double norm = at::stack(norms).norm().item<double>();
  const bool   isFinite = std::isfinite(norm);
  const double scale = std::min(1.0, m_Settings.maximumGradientNorm / (norm + 1e-6));
  if (isFinite)
  {
    ++m_NumberOfSteps;
  }
  // The average follows fast at first, else it would remember the random start for long.
  const auto   steps = static_cast<double>(m_NumberOfSteps);
  const double decay = std::min(m_Settings.averagingDecay, (1.0 + steps) / (10.0 + steps));
  for (auto & group : m_Groups)
  {
    std::vector<at::Tensor> gradients;
    for (auto & weight : group.weights)
    {
      gradients.push_back(weight.grad());
      weight.mutable_grad().reset();
    }
    if (!isFinite || group.weights.empty())
    {
      continue;
    }
    if (scale < 1.0)
    {
      at::_foreach_mul_(gradients, scale);
    }
    at::_foreach_add_(group.steps, 1.0);
    at::_fused_adamw_(group.weights,
                      gradients,
                      group.firstMoments,
                      group.secondMoments,
                      {},
                      group.steps,
                      learningRate,
                      beta1,
                      beta2,
                      group.weightDecay,
                      epsilon,
                      false,
                      false);
    at::_foreach_lerp_(group.averages, group.weights, 1.0 - decay);
  }
  return isFinite;
}

std::map<std::string, at::Tensor>
Optimizer::GetState() const
{
  std::map<std::string, at::Tensor> state;
  for (const auto & group : m_Groups)
  {
    for (size_t k = 0; k < group.names.size(); ++k)
    {
      state["weight/" + group.names[k]] = group.weights[k].detach();
      state["average/" + group.names[k]] = group.averages[k];
      state["first/" + group.names[k]] = group.firstMoments[k];
      state["second/" + group.names[k]] = group.secondMoments[k];
    }
  }
  return state;
}

void
Optimizer::SetState(const std::map<std::string, at::Tensor> & state, int64_t numberOfSteps, const std::string & where)
{
  at::NoGradGuard noGrad;
  const auto      restore = [&](const std::string & name, at::Tensor & tensor) {
    const auto found = state.find(name);
    if (found == state.end() || found->second.sizes() != tensor.sizes())
    {
      throw Error(where + ": tensor '" + name + "' is missing or of another shape, expected the state of this run");
    }
    tensor.copy_(found->second);
  };
  for (auto & group : m_Groups)
  {
    for (size_t k = 0; k < group.names.size(); ++k)
    {
      restore("weight/" + group.names[k], group.weights[k]);
      restore("average/" + group.names[k], group.averages[k]);
      restore("first/" + group.names[k], group.firstMoments[k]);
      restore("second/" + group.names[k], group.secondMoments[k]);
      group.steps[k].fill_(static_cast<double>(numberOfSteps));
    }
  }
  m_NumberOfSteps = numberOfSteps;
}
} // namespace sam
