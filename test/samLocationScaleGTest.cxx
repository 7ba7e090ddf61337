// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLocationScale.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

namespace
{
at::Tensor
MakeImages()
{
  return at::rand({ 2, 3, 12, 14 }, at::detail::createCPUGenerator(1));
}

/** Values in the order of \a places. */
at::Tensor
Sorted(const at::Tensor & values, const at::Tensor & places)
{
  return values.flatten().index_select(0, places.flatten().argsort());
}
} // namespace

TEST(samLocationScale, CurvesRiseOrFallAndKeepTheRange)
{
  const auto        images = MakeImages();
  sam::RandomStream random(3);
  for (int k = 0; k < 20; ++k)
  {
    const auto rising = sam::MapByCurve(images, 0.0, sam::Draws::Of(random));
    const auto falling = sam::MapByCurve(images, 1.0, sam::Draws::Of(random));
    EXPECT_GE(Sorted(rising, images).diff().min().item<double>(), 0.0);
    EXPECT_LE(Sorted(falling, images).diff().max().item<double>(), 1e-9);
    for (const auto & mapped : { rising, falling })
    {
      EXPECT_GE(mapped.min().item<double>(), images.min().item<double>() - 1e-6);
      EXPECT_LE(mapped.max().item<double>(), images.max().item<double>() + 1e-6);
    }
  }
}

TEST(samLocationScale, PolynomialsAddUpToOne)
{
  for (const int64_t points : { 2, 3, 4, 6 })
  {
    const auto table = sam::BernsteinPolynomials(points, 11);
    EXPECT_EQ(table.size(0), points);
    EXPECT_LT((table.sum(0) - 1.0).abs().max().item<double>(), 1e-12);
    EXPECT_EQ(table[points - 1][0].item<double>(), 1.0) << "the last point comes first";
  }
}

TEST(samLocationScale, ChangesEachLabelByItselfAndLeavesTheBackground)
{
  auto images = MakeImages();
  images.narrow(2, 0, 2).zero_();
  auto labels = at::zeros({ 2, 1, 12, 14 }, at::kLong);
  labels.narrow(2, 4, 3).fill_(1);
  labels.narrow(2, 9, 3).fill_(3); // 2 is absent
  sam::RandomStream random(5);
  sam::RandomStream again(5);
  const auto        changed = sam::AugmentLabels(images, labels, sam::Draws::Of(random));
  EXPECT_TRUE(changed.equal(sam::AugmentLabels(images, labels, sam::Draws::Of(again))));
  EXPECT_TRUE(changed.narrow(2, 0, 2).equal(images.narrow(2, 0, 2)));
  EXPECT_EQ(changed.scalar_type(), at::kFloat);
  for (const int64_t label : { 0, 1, 3 })
  {
    const auto mask = (labels == label).expand_as(images).logical_and(images > 0.01);
    const auto after = Sorted(changed.masked_select(mask), images.masked_select(mask)).diff();
    EXPECT_TRUE(after.min().item<double>() >= 0.0 || after.max().item<double>() <= 1e-6) << label;
    EXPECT_FALSE(changed.masked_select(mask).equal(images.masked_select(mask))) << label;
  }
}

TEST(samLocationScale, ConstantImagesStayFinite)
{
  const auto        constant = at::full({ 1, 1, 4, 4 }, 0.4, at::kFloat);
  sam::RandomStream random(5);
  const auto        draws = sam::Draws::Of(random);
  EXPECT_TRUE(sam::AugmentGlobally(constant, draws).isfinite().all().item<bool>());
  EXPECT_TRUE(sam::AugmentLabels(constant, at::zeros({ 1, 1, 4, 4 }, at::kLong), draws).isfinite().all().item<bool>());
}

TEST(samLocationScale, AmplitudesOfLowFrequenciesAreExchanged)
{
  const auto images = MakeImages();
  EXPECT_LT((sam::ExchangeAmplitudes(images, images, 0.2) - images).abs().max().item<double>(), 1e-6);
  // The lowest frequency alone is the mean.
  const auto others = images.flip({ 0 });
  const auto changed = sam::ExchangeAmplitudes(images, others, 0.0);
  const auto expected = images - images.mean({ 2, 3 }, true) + others.mean({ 2, 3 }, true);
  EXPECT_LT((changed - expected).abs().max().item<double>(), 1e-6);
  EXPECT_LT(sam::ExchangeAmplitudes(images, {}, 0.0).mean({ 2, 3 }).abs().max().item<double>(), 1e-6);
}
