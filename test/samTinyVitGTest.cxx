// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTinyVit.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/scalar_tensor.h>

#include <gtest/gtest.h>

namespace
{
sam::TinyVitOptions
SmallOptions()
{
  sam::TinyVitOptions options;
  options.widths = { 8, 8, 12, 16 };
  options.depths = { 1, 1, 2, 1 };
  options.heads = { 1, 2, 3, 2 };
  options.windows = { 7, 3, 4, 3 };
  options.neck = 6;
  return options;
}

at::Tensor
RandomImage(const std::vector<int64_t> & size)
{
  return at::randn(size, at::detail::createCPUGenerator(7));
}

double
LargestDifference(const at::Tensor & a, const at::Tensor & b)
{
  return (a - b).abs().max().item<double>();
}

/** An encoder whose tensors can be changed. */
struct Encoder
{
  Encoder()
    : parameters(5)
    , encoder(sam::Scope(parameters), SmallOptions())
  {}

  at::Tensor
  Tensor(const std::string & name) const
  {
    return parameters.GetTensors().at(name);
  }

  sam::Parameters parameters;
  sam::TinyVit    encoder;
};
} // namespace

TEST(SamTinyVit, SlicesAreABatch)
{
  const Encoder encoder;
  const auto    volume = RandomImage({ 2, 3, 4, 32, 48 });
  const auto    embedding = encoder.encoder(volume).embedding;
  ASSERT_EQ(embedding.sizes(), at::IntArrayRef({ 2, 6, 4, 2, 3 }));
  for (int64_t b = 0; b < 2; ++b)
  {
    for (int64_t d = 0; d < 4; ++d)
    {
      const auto one = encoder.encoder(volume.narrow(0, b, 1).narrow(2, d, 1)).embedding;
      EXPECT_LT(LargestDifference(one, embedding.narrow(0, b, 1).narrow(2, d, 1)), 1e-5);
    }
  }
}

TEST(SamTinyVit, AnySizeFits)
{
  const Encoder encoder;
  for (const auto & [rows, columns] : { std::pair(16, 16), std::pair(17, 80), std::pair(112, 33) })
  {
    const auto embedding = encoder.encoder(RandomImage({ 1, 3, 1, rows, columns })).embedding;
    EXPECT_EQ(embedding.size(3), (rows + 15) / 16);
    EXPECT_EQ(embedding.size(4), (columns + 15) / 16);
    EXPECT_TRUE(embedding.isfinite().all().item<bool>());
  }
}

TEST(SamTinyVit, ProgressCountsTheBlocks)
{
  const Encoder       encoder;
  std::vector<double> fractions;
  encoder.encoder(RandomImage({ 1, 3, 1, 32, 32 }), [&fractions](double done) { fractions.push_back(done); });
  EXPECT_EQ(fractions, (std::vector<double>{ 0.2, 0.4, 0.6, 0.8, 1.0 }));
}

TEST(SamTinyVit, NormalizationUsesItsStatistics)
{
  const Encoder encoder;
  const auto    image = RandomImage({ 1, 3, 1, 32, 32 });
  const auto    before = encoder.encoder(image).embedding;
  // Four times the variance and twice the scale, a mean and the shift that undoes it: nothing changes.
  const std::string norm = "patch_embed.seq.0.bn.";
  auto              variance = encoder.Tensor(norm + "running_var");
  auto              scale = encoder.Tensor(norm + "weight");
  variance.mul_(4.0).add_(3e-5);
  scale.mul_(2.0);
  encoder.Tensor(norm + "running_mean").fill_(0.7);
  encoder.Tensor(norm + "bias").add_(0.7 * scale * (variance + 1e-5).rsqrt());
  EXPECT_LT(LargestDifference(encoder.encoder(image).embedding, before), 1e-5);
  scale.mul_(2.0);
  EXPECT_GT(LargestDifference(encoder.encoder(image).embedding, before), 1e-3);
}

TEST(SamTinyVit, BiasesOfAttentionActByTheirDifferences)
{
  const Encoder encoder;
  const auto    image = RandomImage({ 1, 3, 1, 48, 48 });
  const auto    before = encoder.encoder(image).embedding;
  auto          biases = encoder.Tensor("layers.1.blocks.0.attn.attention_biases");
  biases.add_(3.0);
  EXPECT_LT(LargestDifference(encoder.encoder(image).embedding, before), 1e-4);
  biases.select(1, 1).add_(3.0);
  EXPECT_GT(LargestDifference(encoder.encoder(image).embedding, before), 1e-4);
}

TEST(SamTinyVit, CountersOfTheCheckpointArePassedOver)
{
  const Encoder encoder;
  auto          tensors = encoder.parameters.GetTensors();
  tensors["patch_embed.seq.0.bn.num_batches_tracked"] = at::scalar_tensor(3, at::kLong);
  tensors["layers.2.blocks.1.attn.attention_bias_idxs"] = at::scalar_tensor(3, at::kLong);
  sam::Parameters    parameters(tensors, "checkpoint");
  const sam::TinyVit again(sam::Scope(parameters), SmallOptions());
  EXPECT_NO_THROW(parameters.ThrowIfUnused());
  const auto image = RandomImage({ 1, 3, 1, 32, 32 });
  EXPECT_EQ(LargestDifference(again(image).embedding, encoder.encoder(image).embedding), 0.0);
}

TEST(SamTinyVit, StatisticsAreNotTrained)
{
  const Encoder encoder;
  EXPECT_EQ(encoder.parameters.GetConstants().count("layers.0.blocks.0.conv2.bn.running_mean"), 1u);
  EXPECT_EQ(encoder.parameters.GetConstants().count("layers.0.blocks.0.conv2.bn.weight"), 0u);
}
