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
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
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
constexpr double momentum = 0.99;

bool
Decays(const std::string & name, const at::Tensor & tensor)
{
  const auto contains = [&name](const char * part) { return name.find(part) != std::string::npos; };
  return tensor.dim() > 1 && !contains("embed") && !contains("rel_pos") && !contains("token");
}
} // namespace

Optimizer::Settings
Optimizer::Settings::FromRecipe(const TrainingRecipe & recipe)
{
  return { recipe.weightDecay, false, recipe.maximumGradientNorm, recipe.averagingDecay, recipe.optimizer == "sgd" };
}

Optimizer::Optimizer(const Network & network, const Network & average, const Settings & settings)
  : Optimizer(GetVariables(network), average.GetParameters().GetTensors(), settings)
{}

Optimizer::Optimizer(const NamedTensors & weights, const NamedTensors & averages, const Settings & settings)
  : m_Settings(settings)
  , m_Groups(2)
{
  for (const auto & [name, tensor] : weights)
  {
    Group & group = m_Groups[settings.decaysEverything || Decays(name, tensor) ? 0 : 1];
    group.names.push_back(name);
    group.weights.push_back(tensor);
    group.weights.back().requires_grad_(true);
    group.averages.push_back(averages.at(name));
    group.firstMoments.push_back(at::zeros_like(tensor, tensor.options().requires_grad(false)));
    const auto options = tensor.options().requires_grad(false);
    group.secondMoments.push_back(settings.isSgd ? at::zeros({ 0 }, options) : at::zeros_like(tensor, options));
    group.steps.push_back(at::zeros({}, at::TensorOptions().dtype(at::kFloat).device(tensor.device())));
  }
  m_Groups[0].weightDecay = settings.weightDecay;
}

Optimizer::NamedTensors
Optimizer::GetVariables(const Network & network)
{
  auto variables = network.GetParameters().GetTensors();
  for (const auto & name : network.GetParameters().GetConstants())
  {
    variables.erase(name);
  }
  return variables;
}

bool
Optimizer::Step(double learningRate, const std::function<void(at::Tensor &)> & sum)
{
  at::NoGradGuard noGrad;
  if (sum)
  {
    this->SumGradients(sum);
  }
  std::vector<at::Tensor> norms;
  for (const auto & group : m_Groups)
  {
    for (const auto & weight : group.weights)
    {
      if (weight.grad().defined())
      {
        norms.push_back(weight.grad().norm());
      }
    }
  }
  const double norm = norms.empty() ? 0.0 : at::stack(norms).norm().item<double>();
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
    Group                   used; // shares the tensors that have a gradient
    std::vector<at::Tensor> gradients;
    for (size_t k = 0; k < group.weights.size(); ++k)
    {
      if (group.weights[k].grad().defined())
      {
        gradients.push_back(group.weights[k].grad());
        group.weights[k].mutable_grad().reset();
        used.weights.push_back(group.weights[k]);
        used.firstMoments.push_back(group.firstMoments[k]);
        used.secondMoments.push_back(group.secondMoments[k]);
        used.steps.push_back(group.steps[k]);
      }
    }
    if (!isFinite || group.weights.empty())
    {
      continue;
    }
    if (!gradients.empty())
    {
      if (scale < 1.0)
      {
        at::_foreach_mul_(gradients, scale);
      }
      at::_foreach_add_(used.steps, 1.0);
      this->Follow(used, gradients, group.weightDecay, learningRate);
    }
    at::_foreach_lerp_(group.averages, group.weights, 1.0 - decay);
  }
  return isFinite;
}

void
Optimizer::Follow(Group & used, std::vector<at::Tensor> & gradients, double weightDecay, double learningRate) const
{
  if (m_Settings.isSgd)
  {
    // Momentum begins as zero, with which a first step is like any other.
    at::_fused_sgd_(
      used.weights, gradients, used.firstMoments, weightDecay, momentum, learningRate, 0.0, true, false, false);
    return;
  }
  at::_fused_adamw_(used.weights,
                    gradients,
                    used.firstMoments,
                    used.secondMoments,
                    {},
                    used.steps,
                    learningRate,
                    beta1,
                    beta2,
                    weightDecay,
                    epsilon,
                    false,
                    false);
}

void
Optimizer::SumGradients(const std::function<void(at::Tensor &)> & sum)
{
  std::vector<at::Tensor *> weights;
  std::vector<at::Tensor>   parts;
  std::vector<float>        isUsed;
  for (auto & group : m_Groups)
  {
    for (auto & weight : group.weights)
    {
      isUsed.push_back(weight.grad().defined() ? 1.0f : 0.0f);
      if (!weight.grad().defined())
      {
        weight.mutable_grad() = at::zeros_like(weight);
      }
      weights.push_back(&weight);
      parts.push_back(weight.grad().flatten());
    }
  }
  // All processes shall skip the same tensors: those that none of them has a gradient of.
  const auto count = static_cast<int64_t>(isUsed.size());
  parts.push_back(at::tensor(isUsed).to(parts.front().options().requires_grad(false)));
  auto together = at::cat(parts);
  sum(together);
  const auto uses = together.narrow(0, together.numel() - count, count).to(at::kCPU);
  int64_t    place = 0;
  for (int64_t k = 0; k < count; ++k)
  {
    at::Tensor & gradient = weights[static_cast<size_t>(k)]->mutable_grad();
    gradient.copy_(together.narrow(0, place, gradient.numel()).view(gradient.sizes()));
    place += gradient.numel();
    if (uses[k].item<double>() == 0.0)
    {
      gradient.reset();
    }
  }
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
      if (group.steps[k].item<double>() != static_cast<double>(m_NumberOfSteps))
      {
        state["steps/" + group.names[k]] = group.steps[k];
      }
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
      if (state.count("steps/" + group.names[k]) > 0)
      {
        restore("steps/" + group.names[k], group.steps[k]);
      }
    }
  }
  m_NumberOfSteps = numberOfSteps;
}
} // namespace sam
