// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samLinear.h"
#include "samQuantization.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace
{
at::Tensor
Random(const std::vector<int64_t> & size, uint64_t seed)
{
  return at::randn(size, at::detail::createCPUGenerator(seed));
}

/** Root mean square of the difference, relative to that of what is expected. */
double
RelativeError(const at::Tensor & found, const at::Tensor & expected)
{
  return ((found - expected).square().mean() / expected.square().mean()).sqrt().item<double>();
}

struct Layer
{
  sam::Parameters parameters{ 5 };
  sam::Linear     linear{ sam::Scope(parameters), 48, 80 };

  at::Tensor
  Expected(const at::Tensor & x) const
  {
    return at::linear(x, parameters.GetTensors().at("weight"), parameters.GetTensors().at("bias"));
  }
};
} // namespace

TEST(SamLinear, FusedEqualsPlain)
{
  const at::NoGradGuard noGrad;
  const Layer           layer;
  // Few rows and many take different ways; so does memory that is not in order.
  for (const int64_t rows : { 3, 700 })
  {
    const auto x = Random({ rows, 2, 48 }, 1);
    const auto other = Random({ 80, rows, 2 }, 2).permute({ 1, 2, 0 });
    const auto expected = layer.Expected(x);
    EXPECT_LE((layer.linear(x) - expected).abs().max().item<double>(), 1e-5);
    EXPECT_LE((layer.linear.Gelu(x) - at::gelu(expected)).abs().max().item<double>(), 1e-5);
    EXPECT_LE((layer.linear.Plus(x, other) - expected - other).abs().max().item<double>(), 1e-5);
  }
}

TEST(SamLinear, LowPrecisionIsCloseAndCanBeLeft)
{
  const Layer layer;
  const auto  x = Random({ 600, 48 }, 1);
  const auto  other = Random({ 600, 80 }, 2);
  const auto  expected = layer.Expected(x).detach();
  for (const auto & [precision, bound] : std::vector<std::pair<sam::Precision, double>>{
         { sam::Precision::BFloat16, 0.01 }, { sam::Precision::Int8, 0.02 } })
  {
    layer.parameters.Prepare("", precision);
    const at::NoGradGuard noGrad;
    const double          error = RelativeError(layer.linear(x).to(at::kFloat), expected);
    EXPECT_LE(error, bound) << sam::ToWord(precision);
    EXPECT_EQ(layer.linear(x).scalar_type(), at::kFloat);
    EXPECT_GT(error, 1e-5) << sam::ToWord(precision) << " was not used";
    EXPECT_LE(RelativeError(layer.linear.Gelu(x).to(at::kFloat), at::gelu(expected)), 2.0 * bound);
    EXPECT_LE(RelativeError(layer.linear.Plus(x, other), expected + other), bound);
  }
  // Another prefix leaves it as it is; float32 brings the plain answer back.
  layer.parameters.Prepare("elsewhere.", sam::Precision::Float32);
  layer.parameters.Prepare("", sam::Precision::Float32);
  const at::NoGradGuard noGrad;
  EXPECT_LE((layer.linear(x) - expected).abs().max().item<double>(), 1e-5);
}

TEST(SamLinear, GradientsIgnoreLowPrecision)
{
  Layer layer;
  layer.parameters.Prepare("", sam::Precision::Int8);
  const auto x = Random({ 600, 48 }, 1);
  EXPECT_LE((layer.linear(x) - layer.Expected(x)).abs().max().item<double>(), 1e-6);
}

TEST(SamPrecision, WordsAreChecked)
{
  EXPECT_EQ(sam::FindPrecision("bfloat16", at::kCPU), sam::Precision::BFloat16);
  EXPECT_NE(sam::FindPrecision("auto", at::kCPU), sam::Precision::Int8);
  EXPECT_THROW(sam::FindPrecision("float16", at::kCPU), sam::Error);
  EXPECT_THROW(sam::FindPrecision("int8", at::Device("cuda:0")), sam::Error);
}

TEST(SamQuantization, BytesSpanTheRangeAndZeroIsExact)
{
  const std::vector<float> values{ -1.0F, 0.0F, 0.3F, 4.1F };
  const auto               scale = sam::FindByteScale(values.data(), 4);
  std::vector<uint8_t>     bytes(4);
  sam::ToBytes(values.data(), 4, scale, bytes.data());
  for (size_t k = 0; k < 4; ++k)
  {
    EXPECT_NEAR(scale.scale * (static_cast<float>(bytes[k]) - static_cast<float>(scale.zero)), values[k], scale.scale);
  }
  EXPECT_EQ(bytes[0], 0);
  EXPECT_EQ(bytes[1], scale.zero);
  EXPECT_EQ(bytes[3], 255);
  // Nothing but zeros has no range.
  const std::vector<float> zeros(40, 0.0F);
  EXPECT_EQ(sam::FindByteScale(zeros.data(), 40).zero, 0);
}
