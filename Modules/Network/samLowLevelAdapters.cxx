// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLowLevelAdapters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/sigmoid.h>

#include <string>

namespace sam
{
namespace
{
/** Share of the tokens in what the filter in front of a block sees, beside all of the features. */
constexpr double tokenShare = 0.5;

/** A layer whose weights start normal with a deviation of 0.02 and whose bias starts at zero, or all of it at zero. */
Linear
MakeLinear(const Scope & scope, int64_t inputs, int64_t outputs, bool startsAtZero = false)
{
  scope.Declare("weight", { outputs, inputs }, Initialization::Normal(startsAtZero ? 0.0 : 0.02));
  scope.Declare("bias", { outputs }, Initialization::Constant(0.0));
  return Linear(scope, inputs, outputs);
}
} // namespace

at::Tensor
GateByAttention(const at::Tensor & x, int64_t axis)
{
  std::vector<int64_t> others;
  for (int64_t k = 1; k < x.dim(); ++k)
  {
    if (k != axis)
    {
      others.push_back(k);
    }
  }
  return at::sigmoid(x.amax(others, true) + x.mean(others, true));
}

at::Tensor
FilterByAttention(const at::Tensor & x, int64_t axis)
{
  return x * GateByAttention(x, axis);
}

at::Tensor
ShuffleTokens(const at::Tensor & tokens)
{
  const auto mistaken = tokens.contiguous().view({ tokens.size(0), tokens.size(3), -1 }).transpose(1, 2);
  return mistaken.contiguous().view(tokens.sizes());
}

LowLevelAdapter::LowLevelAdapter(const Scope & scope, const LowLevelOptions & options)
  : m_Down(scope / "D_fc1", options.width, options.bottleneck)
  , m_Up(scope / "D_fc2", options.bottleneck, options.width, true, !options.startsAtRandom)
{}

at::Tensor
LowLevelAdapter::operator()(const at::Tensor & tokens, const at::Tensor & features, bool hasSkip) const
{
  const auto filtered = FilterByAttention(tokens + features, 3);
  const auto hidden = m_Down.Gelu(filtered);
  return hasSkip ? m_Up.Plus(hidden, filtered) : m_Up(hidden);
}

LowLevelPrompts::LowLevelPrompts(const Scope & scope, int64_t depth, const LowLevelOptions & options)
  : m_Generator(MakeLinear(scope / "embedding_generator", options.width, options.width))
  , m_ShufflesTokens(options.shufflesTokens)
  , m_GatesColumns(options.gatesColumns)
{
  for (int64_t k = 0; k < depth; ++k)
  {
    const Scope place = scope / ("lightweight_mlp_" + std::to_string(k));
    m_Bottlenecks.push_back({ MakeLinear(place / 0, options.width, options.bottleneck),
                              MakeLinear(place / 2, options.bottleneck, options.width, !options.startsAtRandom) });
  }
}

at::Tensor
LowLevelPrompts::MakeFeatures(const at::Tensor & tokens) const
{
  return m_Generator(m_ShufflesTokens ? ShuffleTokens(tokens) : tokens);
}

at::Tensor
LowLevelPrompts::Filter(const at::Tensor & x, const at::Tensor & features) const
{
  return FilterByAttention(tokenShare * x + features, m_GatesColumns ? 2 : 3);
}

at::Tensor
LowLevelPrompts::operator()(size_t block, const at::Tensor & x, const at::Tensor & features) const
{
  const auto & bottleneck = m_Bottlenecks[block];
  return bottleneck.up(bottleneck.down.Gelu(this->Filter(x, features)));
}
} // namespace sam
