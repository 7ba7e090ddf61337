// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLayers_h
#define samLayers_h

#include "samLinear.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <vector>

namespace sam
{
/** Normalization over the last axis with scale and shift. */
class LayerNorm
{
public:
  LayerNorm() = default;
  LayerNorm(const Scope & scope, int64_t width, double epsilon);

  at::Tensor
  operator()(const at::Tensor & x) const;

  const at::Tensor &
  GetWeight() const
  {
    return m_Weight;
  }

  const at::Tensor &
  GetBias() const
  {
    return m_Bias;
  }

  double
  GetEpsilon() const
  {
    return m_Epsilon;
  }

private:
  at::Tensor m_Weight;
  at::Tensor m_Bias;
  double     m_Epsilon{ 1e-6 };
};

/** Normalization over the channel axis of B×C×... (SAM's LayerNorm2d, any number of spatial axes), epsilon 1e-6. */
class ChannelNorm
{
public:
  ChannelNorm() = default;
  ChannelNorm(const Scope & scope, int64_t width);

  at::Tensor
  operator()(const at::Tensor & x) const;

  /** The same for channels that come last. */
  const LayerNorm &
  GetChannelsLast() const
  {
    return m_Norm;
  }

private:
  LayerNorm m_Norm;
};

/** Convolution or transposed convolution of B×C×H×W or B×C×D×H×W; names weight, bias. */
class Convolution
{
public:
  struct Options
  {
    std::vector<int64_t> kernel;
    std::vector<int64_t> stride;
    bool                 bias{ true };
    bool                 transposed{ false };
    int64_t              groups{ 1 };
    bool                 padded{ false }; ///< zeros on both sides, (kernel - 1) / 2 of them
  };

  Convolution() = default;
  Convolution(const Scope & scope, int64_t inputs, int64_t outputs, const Options & options);

  at::Tensor
  operator()(const at::Tensor & x) const;

  /** outputs×inputs×kernel, or inputs×outputs×kernel of a transposed convolution. */
  const at::Tensor &
  GetWeight() const
  {
    return m_Weight;
  }

  const at::Tensor &
  GetBias() const
  {
    return m_Bias;
  }

private:
  at::Tensor           m_Weight;
  at::Tensor           m_Bias;
  std::vector<int64_t> m_Stride;
  std::vector<int64_t> m_Padding;
  bool                 m_Transposed{ false };
  int64_t              m_Groups{ 1 };
};

/** What turns an encoder's map B×E×h×w into the embedding B×C×h×w: convolutions 1×1 and 3×3 without bias, a
 * normalization after each; names 0 to 3. */
class EncoderNeck
{
public:
  EncoderNeck() = default;
  EncoderNeck(const Scope & scope, int64_t inputs, int64_t outputs);

  at::Tensor
  operator()(const at::Tensor & x) const;

private:
  Convolution m_Convolution1;
  ChannelNorm m_Norm1;
  Convolution m_Convolution2;
  ChannelNorm m_Norm2;
};

/** Convolution with zero padding, instance normalization with scale and shift (epsilon 1e-5), activation: the unit of
 * nnU-Net and of MaskSAM's prompt generator. */
class ConvolutionUnit
{
public:
  enum class Activation
  {
    LeakyRectifier, ///< slope 0.01 below zero
    Gelu,
    Sigmoid
  };

  struct Options
  {
    std::array<int64_t, 3> kernel{ { 3, 3, 3 } }; ///< slices, rows, columns
    int64_t                stride{ 1 };           ///< in-plane
    bool                   bias{ true };
    Activation             activation{ Activation::LeakyRectifier };
  };

  ConvolutionUnit() = default;
  ConvolutionUnit(const Scope & scope, int64_t inputs, int64_t outputs, const Options & options);

  at::Tensor
  operator()(const at::Tensor & x) const;

private:
  Convolution m_Convolution;
  at::Tensor  m_Scale;
  at::Tensor  m_Shift;
  Activation  m_Activation{ Activation::LeakyRectifier };
};

/** Transposed convolution that doubles rows and columns of B×C×D×H×W, instance normalization without scale and shift
 * (epsilon 1e-5), GELU. */
class EnlargingUnit
{
public:
  EnlargingUnit() = default;
  EnlargingUnit(const Scope & scope, int64_t inputs, int64_t outputs);

  at::Tensor
  operator()(const at::Tensor & x) const;

private:
  Convolution m_Convolution;
};

/** Linear layers "layers.0", "layers.1", ... with a rectifier between them (SAM's hyper-networks and heads). */
class Perceptron
{
public:
  Perceptron() = default;
  Perceptron(const Scope & scope, const std::vector<int64_t> & widths);

  at::Tensor
  operator()(at::Tensor x) const;

private:
  std::vector<Linear> m_Layers;
};

/** The transformer's two-layer network: "lin1", activation, "lin2". */
class TransformerMlp
{
public:
  enum class Activation
  {
    Gelu,
    Relu
  };

  TransformerMlp() = default;
  TransformerMlp(const Scope & scope, int64_t width, int64_t hidden, Activation activation);

  at::Tensor
  operator()(const at::Tensor & x) const;

  /** The same plus \a other, in fewer passes over memory. */
  at::Tensor
  Plus(const at::Tensor & x, const at::Tensor & other) const;

private:
  at::Tensor
  Hidden(const at::Tensor & x) const;

  Linear     m_First;
  Linear     m_Second;
  Activation m_Activation{ Activation::Gelu };
};

/** Transposed convolution that doubles rows and columns of B×C×D×H×W. */
extern const Convolution::Options inPlaneDoubling;

/** Resize the trailing axes of B×C×L, B×C×H×W or B×C×D×H×W linearly (align_corners false); the same size is returned as
 * it is. */
at::Tensor
ResizeLinear(const at::Tensor & x, const std::vector<int64_t> & size);
} // namespace sam

#endif
