// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLayers.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/instance_norm.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/mkldnn_convolution.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_linear1d.h>
#include <ATen/ops/upsample_trilinear3d.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace sam
{
LayerNorm::LayerNorm(const Scope & scope, int64_t width, double epsilon)
  : m_Weight(scope.Declare("weight", { width }, Initialization::Constant(1.0)))
  , m_Bias(scope.Declare("bias", { width }, Initialization::Constant(0.0)))
  , m_Epsilon(epsilon)
{}

at::Tensor
LayerNorm::operator()(const at::Tensor & x) const
{
  return at::layer_norm(x, m_Weight.sizes(), m_Weight, m_Bias, m_Epsilon);
}

ChannelNorm::ChannelNorm(const Scope & scope, int64_t width)
  : m_Norm(scope, width, 1e-6)
{}

at::Tensor
ChannelNorm::operator()(const at::Tensor & x) const
{
  return m_Norm(x.movedim(1, -1)).movedim(-1, 1);
}

Convolution::Convolution(const Scope & scope, int64_t inputs, int64_t outputs, const Options & options)
  : m_Stride(options.stride)
  , m_Transposed(options.transposed)
  , m_Groups(options.groups)
{
  std::vector<int64_t> shape(2 + options.kernel.size());
  shape[0] = m_Transposed ? inputs : outputs;
  shape[1] = (m_Transposed ? outputs : inputs) / m_Groups;
  std::copy(options.kernel.begin(), options.kernel.end(), shape.begin() + 2);
  const int64_t fanIn = std::accumulate(shape.begin() + 1, shape.end(), int64_t{ 1 }, std::multiplies<>());
  const auto    start = Initialization::Uniform(1.0 / std::sqrt(static_cast<double>(fanIn)));
  m_Weight = scope.Declare("weight", shape, start);
  if (options.bias)
  {
    m_Bias = scope.Declare("bias", { outputs }, start);
  }
  if (m_Stride.empty())
  {
    m_Stride.assign(options.kernel.size(), 1);
  }
  for (const int64_t extent : options.kernel)
  {
    m_Padding.push_back(options.padded ? (extent - 1) / 2 : 0);
  }
}

at::Tensor
Convolution::operator()(const at::Tensor & x) const
{
  const std::vector<int64_t> dilation(m_Stride.size(), 1);
  const std::vector<int64_t> noPadding(m_Stride.size(), 0);
  const auto                 device = x.device().type();
  if (at::autocast::is_autocast_enabled(device))
  {
    // LibTorch's list of operations does not have this one.
    const auto type = at::autocast::get_autocast_dtype(device);
    const auto cast = [type](const at::Tensor & tensor) { return tensor.defined() ? tensor.to(type) : tensor; };
    return at::convolution(
      cast(x), cast(m_Weight), cast(m_Bias), m_Stride, m_Padding, dilation, m_Transposed, noPadding, m_Groups);
  }
  // On one thread LibTorch leaves small 3-D convolutions of a single sample to a plain loop, 7 times as slow.
  if (!m_Transposed && m_Stride.size() == 3 && x.device().is_cpu() && x.scalar_type() == at::kFloat &&
      at::globalContext().userEnabledMkldnn() && at::hasMKLDNN())
  {
    return at::mkldnn_convolution(x.contiguous(), m_Weight, m_Bias, m_Padding, m_Stride, dilation, m_Groups);
  }
  return at::convolution(x, m_Weight, m_Bias, m_Stride, m_Padding, dilation, m_Transposed, noPadding, m_Groups);
}

EncoderNeck::EncoderNeck(const Scope & scope, int64_t inputs, int64_t outputs)
  : m_Convolution1(scope / 0, inputs, outputs, { .kernel = { 1, 1 }, .stride = {}, .bias = false })
  , m_Norm1(scope / 1, outputs)
  , m_Convolution2(scope / 2, outputs, outputs, { .kernel = { 3, 3 }, .stride = {}, .bias = false, .padded = true })
  , m_Norm2(scope / 3, outputs)
{}

at::Tensor
EncoderNeck::operator()(const at::Tensor & x) const
{
  return m_Norm2(m_Convolution2(m_Norm1(m_Convolution1(x))));
}

const Convolution::Options inPlaneDoubling{ .kernel = { 1, 2, 2 }, .stride = { 1, 2, 2 }, .transposed = true };

namespace
{
at::Tensor
NormalizeInstances(const at::Tensor & x, const at::Tensor & scale, const at::Tensor & shift)
{
  return at::instance_norm(x, scale, shift, {}, {}, true, 0.1, 1e-5, false);
}
} // namespace

ConvolutionUnit::ConvolutionUnit(const Scope & scope, int64_t inputs, int64_t outputs, const Options & options)
  : m_Convolution(scope / "conv",
                  inputs,
                  outputs,
                  { .kernel = { options.kernel.begin(), options.kernel.end() },
                    .stride = { 1, options.stride, options.stride },
                    .bias = options.bias,
                    .padded = true })
  , m_Scale((scope / "norm").Declare("weight", { outputs }, Initialization::Constant(1.0)))
  , m_Shift((scope / "norm").Declare("bias", { outputs }, Initialization::Constant(0.0)))
  , m_Activation(options.activation)
{}

at::Tensor
ConvolutionUnit::operator()(const at::Tensor & x) const
{
  const auto normalized = NormalizeInstances(m_Convolution(x), m_Scale, m_Shift);
  switch (m_Activation)
  {
    case Activation::Gelu:
      return at::gelu(normalized);
    case Activation::Sigmoid:
      return at::sigmoid(normalized);
    default:
      return at::leaky_relu(normalized, 0.01);
  }
}

EnlargingUnit::EnlargingUnit(const Scope & scope, int64_t inputs, int64_t outputs)
  : m_Convolution(scope, inputs, outputs, inPlaneDoubling)
{}

at::Tensor
EnlargingUnit::operator()(const at::Tensor & x) const
{
  return at::gelu(NormalizeInstances(m_Convolution(x), {}, {}));
}

Perceptron::Perceptron(const Scope & scope, const std::vector<int64_t> & widths)
{
  for (size_t i = 0; i + 1 < widths.size(); ++i)
  {
    m_Layers.emplace_back(scope / "layers" / static_cast<int64_t>(i), widths[i], widths[i + 1]);
  }
}

at::Tensor
Perceptron::operator()(at::Tensor x) const
{
  for (size_t i = 0; i < m_Layers.size(); ++i)
  {
    x = m_Layers[i](x);
    if (i + 1 < m_Layers.size())
    {
      x = at::relu(x);
    }
  }
  return x;
}

TransformerMlp::TransformerMlp(const Scope & scope, int64_t width, int64_t hidden, Activation activation)
  : m_First(scope / "lin1", width, hidden)
  , m_Second(scope / "lin2", hidden, width)
  , m_Activation(activation)
{}

at::Tensor
TransformerMlp::Hidden(const at::Tensor & x) const
{
  return m_Activation == Activation::Gelu ? m_First.Gelu(m_First.Round(x)) : at::relu(m_First(x));
}

at::Tensor
TransformerMlp::operator()(const at::Tensor & x) const
{
  return m_Second(this->Hidden(x)).to(x.scalar_type());
}

at::Tensor
TransformerMlp::Plus(const at::Tensor & x, const at::Tensor & other) const
{
  return m_Second.Plus(this->Hidden(x), other);
}

at::Tensor
ResizeLinear(const at::Tensor & x, const std::vector<int64_t> & size)
{
  if (x.sizes().slice(2) == at::IntArrayRef(size))
  {
    return x;
  }
  switch (size.size())
  {
    case 1:
      return at::upsample_linear1d(x, size, false);
    case 2:
      return at::upsample_bilinear2d(x, size, false);
    default:
      return at::upsample_trilinear3d(x, size, false);
  }
}
} // namespace sam
