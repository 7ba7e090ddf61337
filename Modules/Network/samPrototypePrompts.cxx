// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPrototypePrompts.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
/** Below this a vector has no direction. */
constexpr double smallestLength = 1e-7;

at::Tensor
Length(const at::Tensor & x)
{
  return x.norm(2, 1, true).clamp_min(smallestLength);
}
} // namespace

PrototypePrompts::PrototypePrompts(const Scope & scope, int64_t width, const PrototypeOptions & options)
  : m_Options(options)
  , m_Prototypes((scope / "memory_bank")
                   .Declare("weight",
                            { options.slots, width },
                            Initialization::Uniform(1.0 / std::sqrt(static_cast<double>(width)))))
  , m_Fusion(scope / "fuse_conv", 2 * width + 1, width, { .kernel = { 1, 1 }, .stride = {} })
  , m_Positions(scope / "pe_layer", width)
{}

PrototypePrompts::Output
PrototypePrompts::operator()(const at::Tensor & embedding, const Observer & observe) const
{
  Output     output;
  const auto query = embedding.mean({ 2, 3 }) + embedding.amax({ 2, 3 });
  const auto direction = [this](const at::Tensor & x) { return m_Options.usesCosines ? x / Length(x) : x; };
  const auto scores = at::matmul(direction(query), direction(m_Prototypes).t());
  output.addresses = at::softmax(m_Options.temperature == 1.0 ? scores : scores / m_Options.temperature, 1);
  const auto prototype = at::matmul(output.addresses, m_Prototypes);
  if (observe)
  {
    observe("query", query);
    observe("prototype", prototype);
  }
  const auto everywhere = prototype.unsqueeze(2).unsqueeze(3);
  output.similarity = (everywhere * embedding).sum(1, true) / (Length(everywhere) * Length(embedding));
  output.dense = m_Fusion(at::cat({ embedding, everywhere.expand_as(embedding), output.similarity }, 1));
  return output;
}

at::Tensor
PrototypePrompts::Compare() const
{
  const auto    directions = m_Prototypes / Length(m_Prototypes);
  const int64_t slots = m_Prototypes.size(0);
  const auto    squares = at::matmul(directions, directions.t()).square();
  return (squares.sum() - squares.diagonal().sum()) / static_cast<double>(std::max<int64_t>(1, slots * (slots - 1)));
}
} // namespace sam
