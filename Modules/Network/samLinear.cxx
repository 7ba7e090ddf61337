// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLinear.h"

#include "samParallel.h"
#include "samQuantization.h"

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <exception>
#include <vector>

namespace sam
{
namespace
{
/** Fewer rows are faster with LibTorch's BLAS. */
constexpr int64_t fewestRowsForOneDnn = 512;

/** What follows the product. */
enum class Epilogue
{
  None,
  Gelu
};

template <typename TFunction>
auto
FindOperator(const char * name, const char * overload)
{
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).template typed<TFunction>();
}

using Scalars = c10::List<std::optional<at::Scalar>>;

at::Tensor
OneDnnLinear(const at::Tensor & x, const at::Tensor & weight, const at::Tensor & bias, Epilogue epilogue)
{
  static const auto call = FindOperator<at::Tensor(const at::Tensor &,
                                                   const at::Tensor &,
                                                   const std::optional<at::Tensor> &,
                                                   std::string_view,
                                                   Scalars,
                                                   std::optional<std::string_view>)>("mkldnn::_linear_pointwise", "");
  return call.call(x, weight, bias, epilogue == Epilogue::Gelu ? "gelu" : "none", Scalars(), "none");
}

at::Tensor
OneDnnLinearPlus(const at::Tensor & x, const at::Tensor & other, const at::Tensor & weight, const at::Tensor & bias)
{
  static const auto call = FindOperator<at::Tensor(
    const at::Tensor &, const at::Tensor &, const at::Tensor &, const std::optional<at::Tensor> &, std::string_view)>(
    "mkldnn::_linear_pointwise", "binary");
  return call.call(x, other, weight, bias, "add");
}

/** Whether oneDNN has products of bfloat16 for this processor, which it tells by failing: not without AVX-512. */
bool
HasOneDnnBFloat16()
{
  static const bool has = [] {
    const auto ones = at::ones({ 16, 16 }, at::kBFloat16);
    try
    {
      OneDnnLinear(ones, ones, {}, Epilogue::None);
      return true;
    }
    catch (const std::exception &)
    {
      return false;
    }
  }();
  return has;
}

/** A weight matrix in bytes, in oneDNN's own layout. */
struct ByteWeights
{
  at::Tensor packed;
  at::Tensor scales; ///< of each output
  at::Tensor zeros;

  explicit ByteWeights(const at::Tensor & weight)
    : ByteWeights(weight, FindLargest())
  {}

  ByteWeights(const at::Tensor & weight, double largest)
  {
    scales = (weight.abs().amax(1) / largest).clamp_min(1e-30);
    zeros = at::zeros(scales.sizes(), scales.options().dtype(at::kLong));
    static const auto pack =
      FindOperator<at::Tensor(at::Tensor, std::optional<c10::List<int64_t>>)>("onednn::qlinear_prepack", "");
    static const std::optional<c10::List<int64_t>> anyRows;
    packed = pack.call((weight / scales.unsqueeze(1)).round().to(at::kChar), anyRows);
  }

  at::Tensor
  Multiply(const at::Tensor & x, const at::Tensor & other, const at::Tensor & bias, Epilogue epilogue) const
  {
    // The product that oneDNN has instructions for is that of unsigned inputs with signed weights.
    const auto    values = x.contiguous();
    auto          bytes = at::empty(values.sizes(), values.options().dtype(at::kByte));
    const float * source = values.const_data_ptr<float>();
    uint8_t *     target = bytes.data_ptr<uint8_t>();
    const auto    scale = FindScale(source, values.numel());
    const int64_t count = values.numel();
    ForEachInParallel((count + grain - 1) / grain, [&](int64_t part) {
      const int64_t begin = part * grain;
      ToBytes(source + begin, std::min(grain, count - begin), scale, target + begin);
    });
    const std::string_view post = epilogue == Epilogue::Gelu ? "gelu" : "none";
    if (other.defined())
    {
      static const auto call = FindOperator<at::Tensor(at::Tensor,
                                                       double,
                                                       int64_t,
                                                       at::Tensor,
                                                       at::Tensor,
                                                       at::Tensor,
                                                       std::optional<at::Tensor>,
                                                       std::optional<at::Tensor>,
                                                       double,
                                                       int64_t,
                                                       std::optional<at::ScalarType>,
                                                       double,
                                                       int64_t,
                                                       std::string_view,
                                                       double,
                                                       std::string_view,
                                                       Scalars,
                                                       std::string_view)>("onednn::qlinear_pointwise", "binary");
      return call.call(bytes,
                       scale.scale,
                       scale.zero,
                       packed,
                       scales,
                       zeros,
                       other.contiguous(), // anything else goes to a reference implementation
                       bias,
                       1.0,
                       0,
                       at::kFloat,
                       1.0,
                       0,
                       "add",
                       1.0,
                       "none",
                       Scalars(),
                       "");
    }
    static const auto call = FindOperator<at::Tensor(at::Tensor,
                                                     double,
                                                     int64_t,
                                                     at::Tensor,
                                                     at::Tensor,
                                                     at::Tensor,
                                                     std::optional<at::Tensor>,
                                                     double,
                                                     int64_t,
                                                     std::optional<at::ScalarType>,
                                                     std::string_view,
                                                     Scalars,
                                                     std::string_view)>("onednn::qlinear_pointwise", "");
    return call.call(bytes,
                     scale.scale,
                     scale.zero,
                     packed,
                     scales,
                     zeros,
                     bias,
                     1.0,
                     0,
                     at::kFloat,
                     post,
                     Scalars(),
                     epilogue == Epilogue::Gelu ? "none" : "");
  }

private:
  static constexpr int64_t grain = 1 << 18;

  /** The largest byte of a weight. Processors without VNNI add two products of bytes in 16 bits, which are cut off
   * above 32767: 2 x 255 x 64 is not. */
  static double
  FindLargest()
  {
    static const double largest = [] {
      const auto ones = at::ones({ 64, 64 }, at::kFloat);
      const auto sums = ByteWeights(ones, 127.0).Multiply(ones, {}, at::zeros({ 64 }), Epilogue::None);
      return sums.min().item<double>() > 63.0 ? 127.0 : 64.0;
    }();
    return largest;
  }

  /** FindByteScale() on all threads. */
  static ByteScale
  FindScale(const float * values, int64_t count)
  {
    const int64_t      parts = (count + grain - 1) / grain;
    std::vector<float> ends(static_cast<size_t>(2 * parts));
    ForEachInParallel(parts, [&](int64_t part) {
      const auto scale = FindByteScale(values + part * grain, std::min(grain, count - part * grain));
      ends[static_cast<size_t>(2 * part)] = -scale.scale * static_cast<float>(scale.zero);
      ends[static_cast<size_t>(2 * part + 1)] = scale.scale * static_cast<float>(255 - scale.zero);
    });
    return FindByteScale(ends.data(), 2 * parts);
  }
};
} // namespace

struct Linear::Weights
{
  at::Tensor                   weight;
  at::Tensor                   bias;
  Precision                    precision{ Precision::Float32 };
  at::Tensor                   roundedWeight; ///< bfloat16
  at::Tensor                   roundedBias;
  std::unique_ptr<ByteWeights> bytes;

  void
  Prepare(Precision wanted)
  {
    precision = wanted;
    roundedWeight.reset();
    roundedBias.reset();
    bytes.reset();
    if (wanted == Precision::BFloat16)
    {
      roundedWeight = weight.detach().to(at::kBFloat16);
      roundedBias = bias.defined() ? bias.detach().to(at::kBFloat16) : bias;
    }
    else if (wanted == Precision::Int8)
    {
      bytes = std::make_unique<ByteWeights>(weight.detach());
    }
  }

  at::Tensor
  Apply(const at::Tensor & x, const at::Tensor & other, Epilogue epilogue) const
  {
    if (!at::GradMode::is_enabled())
    {
      if (bytes)
      {
        return bytes->Multiply(x, other, bias, epilogue);
      }
      const int64_t rows = x.numel() / x.size(-1);
      const bool    isFused = x.device().is_cpu() && rows >= fewestRowsForOneDnn && at::hasMKLDNN() &&
                           at::globalContext().userEnabledMkldnn();
      if (precision == Precision::BFloat16)
      {
        const auto rounded = x.to(at::kBFloat16);
        const bool isOneDnns = isFused && HasOneDnnBFloat16();
        // A sum is kept in float32.
        const auto product = isOneDnns ? OneDnnLinear(rounded, roundedWeight, roundedBias, epilogue)
                                       : at::linear(rounded, roundedWeight, roundedBias);
        const auto answer = (isOneDnns || epilogue == Epilogue::None ? product : at::gelu(product)).to(x.scalar_type());
        return other.defined() ? other + answer : answer;
      }
      if (isFused && x.scalar_type() == at::kFloat)
      {
        return other.defined() ? OneDnnLinearPlus(x, other.contiguous(), weight, bias)
                               : OneDnnLinear(x, weight, bias, epilogue);
      }
    }
    const auto product = at::linear(x, weight, bias);
    const auto answer = epilogue == Epilogue::Gelu ? at::gelu(product) : product;
    return other.defined() ? other + answer : answer;
  }
};

Linear::Linear(const Scope & scope, int64_t inputs, int64_t outputs, bool hasBias, bool startsAtZero)
  : m_Weights(std::make_shared<Weights>())
{
  const auto start = Initialization::Uniform(startsAtZero ? 0.0 : 1.0 / std::sqrt(static_cast<double>(inputs)));
  m_Weights->weight = scope.Declare("weight", { outputs, inputs }, start);
  if (hasBias)
  {
    m_Weights->bias = scope.Declare("bias", { outputs }, start);
  }
  scope.OnPrepare([weights = m_Weights](Precision precision) { weights->Prepare(precision); });
}

at::Tensor
Linear::operator()(const at::Tensor & x) const
{
  return m_Weights->Apply(x, {}, Epilogue::None);
}

at::Tensor
Linear::Gelu(const at::Tensor & x) const
{
  return m_Weights->Apply(x, {}, Epilogue::Gelu);
}

at::Tensor
Linear::Plus(const at::Tensor & x, const at::Tensor & other) const
{
  return m_Weights->Apply(x, other, Epilogue::None);
}

const at::Tensor &
Linear::GetWeight() const
{
  return m_Weights->weight;
}

at::Tensor
Linear::Round(const at::Tensor & x) const
{
  return !at::GradMode::is_enabled() && m_Weights->precision == Precision::BFloat16 ? x.to(at::kBFloat16) : x;
}

const at::Tensor &
Linear::GetBias() const
{
  return m_Weights->bias;
}
} // namespace sam
