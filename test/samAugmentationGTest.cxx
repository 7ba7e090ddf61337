// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAugmentation.h"
#include "samError.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <set>

namespace
{
using Size = std::array<int64_t, 3>;
using Spacing = std::array<double, 3>;

/** Three channels that hold the position of each voxel in millimeters, x y z. */
at::Tensor
Positions(const Size & size, const Spacing & spacing)
{
  const auto axis = [&](size_t k, at::IntArrayRef shape) {
    return (at::arange(size[k], at::kFloat) * spacing[k]).view(shape).expand({ size[2], size[1], size[0] });
  };
  return at::stack({ axis(0, { 1, 1, -1 }), axis(1, { 1, -1, 1 }), axis(2, { -1, 1, 1 }) });
}

sam::TrainingCase
PositionCase(const Size & size, const Spacing & spacing = { 1.0, 1.0, 1.0 })
{
  return { "positions", Positions(size, spacing), at::zeros({ size[2], size[1], size[0] }, at::kByte), spacing };
}

/** What a step of one millimeter along each axis of the window is in the case: columns x y z. */
using Jacobian = std::array<std::array<double, 3>, 3>;

Jacobian
JacobianOf(const sam::TrainingWindow & window, const Spacing & spacing)
{
  Jacobian   result{};
  const auto image = window.image;
  const auto center = std::array<int64_t, 3>{ image.size(3) / 2, image.size(2) / 2, image.size(1) / 2 };
  for (size_t row = 0; row < 3; ++row)
  {
    for (size_t axis = 0; axis < 3; ++axis)
    {
      auto before = center;
      auto after = center;
      --before[axis];
      ++after[axis];
      const auto at = [&](const std::array<int64_t, 3> & p) {
        return image[static_cast<int64_t>(row)][p[2]][p[1]][p[0]].item<double>();
      };
      result[row][axis] = (at(after) - at(before)) / (2.0 * spacing[axis]);
    }
  }
  return result;
}

double
Determinant(const Jacobian & m)
{
  return m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0]) +
         m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0]);
}

sam::AugmentationOptions
RotationOnly()
{
  auto options = sam::AugmentationOptions::PositionOnly();
  options.spatialProbability = 1.0;
  options.scaleDeviation = 0.0;
  options.axisScaleDeviation = 0.0;
  return options;
}

struct Moments
{
  double sum{ 0.0 };
  double squares{ 0.0 };
  int    count{ 0 };

  void
  Add(double value)
  {
    sum += value;
    squares += value * value;
    ++count;
  }
  double
  Mean() const
  {
    return sum / count;
  }
  double
  Deviation() const
  {
    return std::sqrt(squares / count - Mean() * Mean());
  }
};

/** A case whose window is always the same: no margin, as large as the window. */
sam::TrainingCase
FixedCase()
{
  auto generator = at::detail::createCPUGenerator(8);
  return { "fixed", at::randn({ 1, 4, 12, 16 }, generator), at::zeros({ 4, 12, 16 }, at::kByte), { 1.0, 1.0, 1.0 } };
}

sam::AugmentationOptions
FixedOptions()
{
  auto options = sam::AugmentationOptions::PositionOnly();
  options.margin = 0;
  return options;
}

constexpr Size fixedWindow{ 16, 12, 4 };

/** Thousands of small windows: threads would spend their time waiting for each other on a busy machine. */
class samAugmentation : public ::testing::Test
{
protected:
  static void
  SetUpTestSuite()
  {
    threads = at::get_num_threads();
    at::set_num_threads(1);
  }

  static void
  TearDownTestSuite()
  {
    at::set_num_threads(threads);
  }

private:
  static inline int threads{ 1 };
};
} // namespace

TEST_F(samAugmentation, PlainWindowsAreCopiesAndReachTheMargins)
{
  const Size                       size{ 20, 30, 10 };
  const auto                       trainingCase = PositionCase(size);
  const Size                       window{ 16, 36, 10 };
  const sam::WindowSampler         sampler(window, sam::AugmentationOptions::PositionOnly());
  sam::RandomStream                random(1);
  std::array<std::set<int64_t>, 3> starts;
  for (int trial = 0; trial < 400; ++trial)
  {
    const auto result = sampler(trainingCase, random);
    ASSERT_EQ(result.image.sizes(), (std::vector<int64_t>{ 3, 10, 36, 16 }));
    ASSERT_EQ(result.labels.sizes(), (std::vector<int64_t>{ 10, 36, 16 }));
    ASSERT_EQ(result.labels.scalar_type(), at::kLong);
    for (int64_t axis = 0; axis < 3; ++axis)
    {
      // Along its axis a channel counts voxels, the border ones repeated: find the start, then expect all.
      const auto    k = static_cast<size_t>(axis);
      auto          line = result.image[axis];
      const int64_t dimension = 2 - axis;
      line = line.movedim(dimension, 2);
      const auto profile = line[0][0];
      int64_t    start = 0;
      if (profile[0].item<double>() > 0)
      {
        start = std::llround(profile[0].item<double>());
      }
      else
      {
        start = 1 - (profile == 0).sum().item<int64_t>();
      }
      const auto expected = at::arange(start, start + window[k], at::kLong).clamp(0, size[k] - 1).to(at::kFloat);
      ASSERT_TRUE(line.equal(expected.expand_as(line))) << "axis " << axis << " start " << start;
      starts[k].insert(start);
    }
  }
  // x: 20 voxels, window 16: -4 to 8. y: 30 voxels, window 36: centered at -3, 4 either way. z: fits exactly.
  EXPECT_EQ(*starts[0].begin(), -4);
  EXPECT_EQ(*starts[0].rbegin(), 8);
  EXPECT_EQ(starts[0].size(), 13u);
  EXPECT_EQ(*starts[1].begin(), -7);
  EXPECT_EQ(*starts[1].rbegin(), 1);
  EXPECT_EQ(starts[1].size(), 9u);
  EXPECT_EQ(starts[2], (std::set<int64_t>{ 0 }));
}

TEST_F(samAugmentation, ZerosAndBackgroundAreAroundTheImageOnRequest)
{
  const Size              size{ 20, 30, 10 };
  const Size              window{ 24, 36, 10 };
  const int64_t           voxels = size[0] * size[1] * size[2];
  const sam::TrainingCase ones{ "ones",
                                at::ones({ 1, size[2], size[1], size[0] }),
                                at::full({ size[2], size[1], size[0] }, 3, at::kByte),
                                { 1, 1, 1 } };
  auto                    options = sam::AugmentationOptions::PositionOnly();
  options.margin = 0;
  options.padsWithZeros = true;
  options.mirrorAxes = { 0 };
  sam::RandomStream random(1);
  for (int trial = 0; trial < 4; ++trial)
  {
    const auto result = sam::WindowSampler(window, options)(ones, random);
    const auto inside = result.image.narrow(2, 3, size[1]).narrow(3, 2, size[0]);
    EXPECT_EQ(inside.sum().item<double>(), static_cast<double>(voxels));
    EXPECT_EQ(result.image.sum().item<double>(), static_cast<double>(voxels));
    EXPECT_TRUE(result.labels.equal(result.image[0].to(at::kLong) * 3));
  }
  // Turned by any angle about z in a window that holds all of it.
  options.turnProbability = 1.0;
  options.largestTurn = 180.0;
  options.mirrorAxes = {};
  for (int trial = 0; trial < 8; ++trial)
  {
    const auto result = sam::WindowSampler({ 48, 48, 10 }, options)(ones, random);
    // An area is kept by a rotation, border voxels of an interpolated edge included.
    EXPECT_NEAR(result.image.sum().item<double>(), static_cast<double>(voxels), 1e-3 * static_cast<double>(voxels));
    EXPECT_TRUE(result.labels.equal(result.image[0].gt(0.5).to(at::kLong) * 3));
    EXPECT_EQ(result.labels[0][0][0].item<int64_t>(), 0);
  }
}

TEST_F(samAugmentation, SliceStartIsUniformInside)
{
  const auto               trainingCase = PositionCase({ 8, 8, 12 });
  const sam::WindowSampler sampler({ 8, 8, 8 }, sam::AugmentationOptions::PositionOnly());
  sam::RandomStream        random(2);
  std::array<int, 5>       seen{};
  for (int trial = 0; trial < 1000; ++trial)
  {
    const auto first = sampler(trainingCase, random).image[2][0][0][0].item<double>();
    ASSERT_GE(first, 0.0);
    ASSERT_LE(first, 4.0);
    ++seen[static_cast<size_t>(first)];
  }
  for (const int times : seen)
  {
    EXPECT_NEAR(times, 200, 5 * 13);
  }
}

TEST_F(samAugmentation, ForegroundWindowsAreAroundEachLabelAlike)
{
  const Size size{ 64, 48, 40 };
  auto       labels = at::zeros({ size[2], size[1], size[0] }, at::kShort);
  labels.narrow(0, 5, 10).narrow(1, 5, 10).narrow(2, 5, 10).fill_(1);
  labels[30][40][50] = 7;
  labels[0][0][0] = -1;
  const sam::TrainingCase trainingCase("case", Positions(size, { 1.0, 1.0, 1.0 }), labels, { 1.0, 1.0, 1.0 });
  ASSERT_EQ(trainingCase.foreground.size(), 2u);
  EXPECT_EQ(trainingCase.foreground[0].size(), 1000u);
  EXPECT_EQ(trainingCase.foreground[1].size(), 1u);

  auto options = sam::AugmentationOptions::PositionOnly();
  options.foregroundProbability = 1.0;
  const sam::WindowSampler sampler({ 9, 9, 5 }, options);
  sam::RandomStream        random(3);
  int                      rare = 0;
  for (int trial = 0; trial < 1000; ++trial)
  {
    const auto center = sampler(trainingCase, random).labels[2][4][4].item<int64_t>();
    ASSERT_TRUE(center == 1 || center == 7) << center;
    rare += center == 7 ? 1 : 0;
  }
  EXPECT_NEAR(rare, 500, 5 * 16);

  // A third by default; of the others hardly any meets the rare label's voxel.
  options.foregroundProbability = sam::AugmentationOptions{}.foregroundProbability;
  const sam::WindowSampler usual({ 9, 9, 5 }, options);
  int                      centered = 0;
  for (int trial = 0; trial < 2000; ++trial)
  {
    centered += usual(trainingCase, random).labels[2][4][4].item<int64_t>() == 7 ? 1 : 0;
  }
  EXPECT_NEAR(centered, 330, 5 * 17);
}

TEST_F(samAugmentation, ForegroundWindowsStayInside)
{
  auto labels = at::zeros({ 6, 20, 20 }, at::kByte);
  labels[5][19][0] = 1;
  const sam::TrainingCase trainingCase("case", Positions({ 20, 20, 6 }, { 1.0, 1.0, 1.0 }), labels, { 1.0, 1.0, 1.0 });
  auto                    options = sam::AugmentationOptions::PositionOnly();
  options.foregroundProbability = 1.0;
  const sam::WindowSampler sampler({ 16, 16, 4 }, options);
  sam::RandomStream        random(3);
  const auto               window = sampler(trainingCase, random);
  // Start (-4, 8, 2): as far as the margin allows in-plane, not beyond the last slice.
  EXPECT_EQ((window.image[0] == 0).sum().item<int64_t>(), 5 * 16 * 4);
  EXPECT_EQ(window.image[1].min().item<double>(), 8.0);
  EXPECT_EQ(window.image[2].min().item<double>(), 2.0);
  EXPECT_EQ(window.labels.max().item<int64_t>(), 1);
}

TEST_F(samAugmentation, SameStateGivesTheSameWindow)
{
  auto generator = at::detail::createCPUGenerator(4);
  auto labels = at::zeros({ 20, 30, 30 }, at::kByte);
  labels.narrow(0, 5, 9).narrow(1, 5, 9).fill_(2);
  const sam::TrainingCase  trainingCase("case", at::randn({ 2, 20, 30, 30 }, generator), labels, { 1.0, 1.0, 1.0 });
  sam::AugmentationOptions options;
  options.mirrorAxes = { 0, 2 };
  options.blurProbability = options.noiseProbability = 0.5;
  const sam::WindowSampler sampler({ 24, 16, 8 }, options);
  sam::RandomStream        random(5);
  for (int trial = 0; trial < 7; ++trial)
  {
    sampler(trainingCase, random);
  }
  const auto        state = random.GetState();
  sam::RandomStream resumed(77);
  resumed.SetState(state);
  at::Tensor previous;
  for (int trial = 0; trial < 20; ++trial)
  {
    const auto first = sampler(trainingCase, random);
    const auto second = sampler(trainingCase, resumed);
    ASSERT_TRUE(first.image.equal(second.image));
    ASSERT_TRUE(first.labels.equal(second.labels));
    ASSERT_TRUE(first.image.is_contiguous());
    if (previous.defined())
    {
      EXPECT_FALSE(first.image.equal(previous));
    }
    previous = first.image;
  }
}

TEST_F(samAugmentation, DoesNotChangeTheCase)
{
  const auto               trainingCase = FixedCase();
  const auto               before = trainingCase.image.clone();
  const sam::WindowSampler sampler(fixedWindow);
  sam::RandomStream        random(5);
  for (int trial = 0; trial < 50; ++trial)
  {
    sampler(trainingCase, random);
  }
  EXPECT_TRUE(trainingCase.image.equal(before));
}

// In millimeters a rotation is orthogonal, whatever the spacing; its three angles are read back from the matrix.
TEST_F(samAugmentation, RotatesInMillimeters)
{
  const Spacing spacing{ 0.5, 1.0, 1.4 };
  const auto    trainingCase = PositionCase({ 120, 60, 44 }, spacing);
  auto          options = RotationOnly();
  options.margin = 0;
  const sam::WindowSampler sampler({ 9, 7, 5 }, options);
  sam::RandomStream        random(6);
  std::array<Moments, 3>   angles;
  int                      inside = 0;
  for (int trial = 0; trial < 3000; ++trial)
  {
    const auto window = sampler(trainingCase, random);
    const auto flat = window.image.flatten(1);
    const auto lowest = std::get<0>(flat.min(1));
    const auto highest = std::get<0>(flat.max(1));
    bool       isInside = true;
    for (int64_t k = 0; k < 3; ++k)
    {
      const auto last = static_cast<double>(trainingCase.image.size(3 - k) - 1) * spacing[static_cast<size_t>(k)];
      isInside = isInside && lowest[k].item<double>() > 0.0 && highest[k].item<double>() < last - 1e-3;
    }
    if (!isInside)
    {
      continue;
    }
    ++inside;
    const auto m = JacobianOf(window, spacing);
    for (size_t a = 0; a < 3; ++a)
    {
      for (size_t b = 0; b < 3; ++b)
      {
        ASSERT_NEAR(m[0][a] * m[0][b] + m[1][a] * m[1][b] + m[2][a] * m[2][b], a == b ? 1.0 : 0.0, 1e-3);
      }
    }
    ASSERT_NEAR(Determinant(m), 1.0, 1e-3);
    constexpr double degrees = 180.0 / std::numbers::pi;
    angles[0].Add(std::atan2(m[2][1], m[2][2]) * degrees);
    angles[1].Add(-std::asin(m[2][0]) * degrees);
    angles[2].Add(std::atan2(m[1][0], m[0][0]) * degrees);

    // The window turns about its center, which lies on a voxel for odd sizes.
    for (int64_t k = 0; k < 3; ++k)
    {
      const auto place = window.image[k][2][3][4].item<double>() / spacing[static_cast<size_t>(k)];
      ASSERT_NEAR(place, std::round(place), 1e-3);
    }
  }
  ASSERT_GT(inside, 1500);
  for (const auto & moments : angles)
  {
    EXPECT_NEAR(moments.Mean(), 0.0, 5.0 * 10.0 / std::sqrt(inside));
    EXPECT_NEAR(moments.Deviation(), 10.0, 5.0 * 10.0 / std::sqrt(2.0 * inside));
  }
}

TEST_F(samAugmentation, ThickSlicesAndSingleSlicesStayInPlane)
{
  auto options = RotationOnly();
  options.scaleDeviation = 0.1;
  options.axisScaleDeviation = 0.05;
  sam::RandomStream random(7);
  for (const double thickness : { 2.9, 3.1 })
  {
    const Spacing            spacing{ 1.0, 1.0, thickness };
    const auto               trainingCase = PositionCase({ 40, 40, 30 }, spacing);
    const sam::WindowSampler sampler({ 7, 7, 7 }, options);
    double                   offPlane = 0.0;
    for (int trial = 0; trial < 20; ++trial)
    {
      const auto slices = sampler(trainingCase, random).image[2] / thickness;
      offPlane = std::max(offPlane, (slices - slices.round()).abs().max().item<double>());
    }
    if (thickness > 3.0)
    {
      EXPECT_LT(offPlane, 1e-4);
    }
    else
    {
      EXPECT_GT(offPlane, 0.1);
    }
  }
  const auto               flat = PositionCase({ 40, 40, 1 });
  const sam::WindowSampler sampler({ 16, 16, 1 }, options);
  const auto               window = sampler(flat, random);
  EXPECT_EQ(window.image.sizes(), (std::vector<int64_t>{ 3, 1, 16, 16 }));
  EXPECT_EQ(window.image[2].abs().max().item<double>(), 0.0);
  EXPECT_GT((window.image[0] - window.image[0].round()).abs().max().item<double>(), 1e-3);
}

TEST_F(samAugmentation, FewSlicesOfUnknownSpacingTurnInPlaneAndFurther)
{
  auto                     options = RotationOnly();
  const auto               trainingCase = PositionCase({ 61, 61, 10 });
  const sam::WindowSampler sampler({ 7, 7, 5 }, options);
  sam::RandomStream        random(9);
  Moments                  angle;
  for (int trial = 0; trial < 500; ++trial)
  {
    const auto window = sampler(trainingCase, random);
    const auto slices = window.image[2];
    ASSERT_LT((slices - slices.round()).abs().max().item<double>(), 1e-4);
    const auto m = JacobianOf(window, Spacing{ 1.0, 1.0, 1.0 });
    if (window.image[0].min().item<double>() > 1.0 && window.image[0].max().item<double>() < 59.0 &&
        window.image[1].min().item<double>() > 1.0 && window.image[1].max().item<double>() < 59.0)
    {
      angle.Add(std::atan2(m[1][0], m[0][0]) * 180.0 / std::numbers::pi);
    }
  }
  EXPECT_NEAR(angle.Mean(), 0.0, 5.0 * 20.0 / std::sqrt(400.0));
  EXPECT_NEAR(angle.Deviation(), 20.0, 5.0 * 20.0 / std::sqrt(800.0));
}

TEST_F(samAugmentation, ScalesAsStated)
{
  auto options = RotationOnly();
  options.rotationDeviation = 0.0;
  options.scaleDeviation = 0.1;
  options.axisScaleDeviation = 0.05;
  options.spatialProbability = 0.8;
  options.margin = 0;
  const Spacing            spacing{ 1.0, 1.0, 1.0 };
  const auto               trainingCase = PositionCase({ 60, 60, 60 });
  const sam::WindowSampler sampler({ 5, 5, 5 }, options);
  sam::RandomStream        random(8);
  Moments                  each;
  Moments                  between;
  int                      unchanged = 0;
  int                      changed = 0;
  for (int trial = 0; trial < 2000; ++trial)
  {
    const auto window = sampler(trainingCase, random);
    const auto m = JacobianOf(window, spacing);
    ASSERT_NEAR(m[0][1], 0.0, 1e-4);
    if (m[0][0] == 1.0 && m[1][1] == 1.0 && m[2][2] == 1.0)
    {
      ++unchanged;
      continue;
    }
    ++changed;
    if (window.image.min().item<double>() <= 1.0 || window.image.max().item<double>() >= 58.0)
    {
      continue; // repeated border voxels
    }
    each.Add(std::log(m[0][0]));
    between.Add(std::log(m[0][0]) - std::log(m[1][1]));
  }
  EXPECT_NEAR(changed / 2000.0, 0.8, 5.0 * std::sqrt(0.16 / 2000.0));
  ASSERT_GT(each.count, 1000);
  EXPECT_NEAR(each.Mean(), 0.0, 5.0 * 0.112 / std::sqrt(each.count));
  EXPECT_NEAR(each.Deviation(), std::sqrt(0.1 * 0.1 + 0.05 * 0.05), 5.0 * 0.112 / std::sqrt(2.0 * each.count));
  EXPECT_NEAR(between.Deviation(), std::sqrt(2.0) * 0.05, 5.0 * 0.071 / std::sqrt(2.0 * between.count));
}

TEST_F(samAugmentation, MirrorsTheGivenAxesOnly)
{
  for (const double spatial : { 0.0, 1.0 })
  {
    auto options = RotationOnly();
    options.spatialProbability = spatial;
    options.mirrorAxes = { 0, 2 };
    options.margin = 0;
    const auto               trainingCase = PositionCase({ 30, 30, 30 });
    const sam::WindowSampler sampler({ 5, 5, 5 }, options);
    sam::RandomStream        random(9);
    std::array<int, 3>       mirrored{};
    for (int trial = 0; trial < 400; ++trial)
    {
      const auto m = JacobianOf(sampler(trainingCase, random), { 1.0, 1.0, 1.0 });
      for (size_t axis = 0; axis < 3; ++axis)
      {
        mirrored[axis] += m[axis][axis] < 0 ? 1 : 0;
      }
    }
    EXPECT_NEAR(mirrored[0], 200, 50);
    EXPECT_EQ(mirrored[1], 0);
    EXPECT_NEAR(mirrored[2], 200, 50);
  }
}

// The label is 1 from x = 10 on: the interpolated share passes one half at 9.5, where the image, which is x, says so.
TEST_F(samAugmentation, LabelsFollowTheImage)
{
  const Size size{ 24, 20, 16 };
  auto       labels = at::zeros({ size[2], size[1], size[0] }, at::kShort);
  labels.narrow(2, 10, 8).fill_(1);
  labels.narrow(2, 18, 6).fill_(-1);
  const sam::TrainingCase  trainingCase("case", Positions(size, { 1.0, 1.0, 1.5 }), labels, { 1.0, 1.0, 1.5 });
  sam::AugmentationOptions options = RotationOnly();
  options.scaleDeviation = 0.1;
  options.mirrorAxes = { 0 };
  const sam::WindowSampler sampler({ 28, 16, 8 }, options);
  sam::RandomStream        random(10);
  for (int trial = 0; trial < 50; ++trial)
  {
    const auto window = sampler(trainingCase, random);
    const auto x = window.image[0];
    const auto expected = (x > 9.5).to(at::kLong) - 2 * (x > 17.5).to(at::kLong);
    const auto isClear = ((x - 9.5).abs() > 1e-3).logical_and((x - 17.5).abs() > 1e-3);
    ASSERT_GT(isClear.sum().item<int64_t>(), 3000);
    ASSERT_TRUE((expected == window.labels).logical_or(isClear.logical_not()).all().item<bool>());
  }
}

TEST_F(samAugmentation, GainAndShiftAreAffine)
{
  const auto        trainingCase = FixedCase();
  const auto        image = trainingCase.image;
  sam::RandomStream random(11);

  auto options = FixedOptions();
  options.gainProbability = 0.3;
  const sam::WindowSampler gain(fixedWindow, options);
  Moments                  factors;
  int                      unchanged = 0;
  for (int trial = 0; trial < 1000; ++trial)
  {
    const auto result = gain(trainingCase, random).image;
    const auto factor = (result * image).sum().item<double>() / image.square().sum().item<double>();
    ASSERT_LT((result - factor * image).abs().max().item<double>(), 1e-5);
    ASSERT_GT(factor, 0.7 - 1e-6);
    ASSERT_LT(factor, 1.3 + 1e-6);
    if (result.equal(image))
    {
      ++unchanged;
    }
    else
    {
      factors.Add(factor);
    }
  }
  EXPECT_NEAR(unchanged, 700, 5 * 14.5);
  EXPECT_NEAR(factors.Mean(), 1.0, 5.0 * 0.173 / std::sqrt(factors.count));
  EXPECT_NEAR(factors.Deviation(), 0.6 / std::sqrt(12.0), 0.02);

  options = FixedOptions();
  options.shiftProbability = 1.0;
  const sam::WindowSampler shift(fixedWindow, options);
  Moments                  shifts;
  for (int trial = 0; trial < 500; ++trial)
  {
    const auto difference = shift(trainingCase, random).image - image;
    ASSERT_LT((difference - difference.mean()).abs().max().item<double>(), 1e-6);
    ASSERT_LE(difference.abs().max().item<double>(), 0.2 + 1e-6);
    shifts.Add(difference.mean().item<double>());
  }
  EXPECT_NEAR(shifts.Mean(), 0.0, 5.0 * 0.115 / std::sqrt(500.0));
  EXPECT_NEAR(shifts.Deviation(), 0.4 / std::sqrt(12.0), 0.015);
}

TEST_F(samAugmentation, GammaKeepsOrderMeanAndDeviation)
{
  const auto trainingCase = FixedCase();
  const auto image = trainingCase.image;
  auto       options = FixedOptions();
  options.gammaProbability = 1.0;
  const sam::WindowSampler sampler(fixedWindow, options);
  sam::RandomStream        random(12);
  const auto               order = image.flatten().argsort();
  double                   bendDown = 0.0;
  double                   bendUp = 0.0;
  for (int trial = 0; trial < 100; ++trial)
  {
    const auto result = sampler(trainingCase, random).image;
    EXPECT_NEAR(result.mean().item<double>(), image.mean().item<double>(), 1e-4);
    EXPECT_NEAR(result.std(false).item<double>(), image.std(false).item<double>(), 1e-4);
    EXPECT_GE(result.flatten().index_select(0, order).diff().min().item<double>(), -1e-5);
    // Where the exponent is above 1 the median falls below the mean, and the other way round.
    const auto bend = result.median().item<double>() - image.median().item<double>();
    bendDown = std::min(bendDown, bend);
    bendUp = std::max(bendUp, bend);
  }
  EXPECT_LT(bendDown, -0.02);
  EXPECT_GT(bendUp, 0.01);

  // A constant window stays what it is.
  const sam::TrainingCase constant(
    "constant", at::full({ 1, 4, 12, 16 }, 0.5), at::zeros({ 4, 12, 16 }, at::kByte), { 1.0, 1.0, 1.0 });
  EXPECT_TRUE(sampler(constant, random).image.allclose(constant.image));
}

TEST_F(samAugmentation, NoiseHasTheStatedDeviation)
{
  const auto trainingCase = FixedCase();
  auto       options = FixedOptions();
  options.noiseProbability = 1.0;
  const sam::WindowSampler sampler(fixedWindow, options);
  sam::RandomStream        random(13);
  Moments                  deviations;
  at::Tensor               previous;
  for (int trial = 0; trial < 300; ++trial)
  {
    const auto noise = sampler(trainingCase, random).image - trainingCase.image;
    const auto deviation = noise.std(false).item<double>();
    ASSERT_LT(deviation, 0.115);
    ASSERT_LT(std::abs(noise.mean().item<double>()), 5.0 * 0.1 / std::sqrt(768.0));
    if (previous.defined())
    {
      const auto correlation = (noise * previous).mean().item<double>() / (deviation * previous.std().item<double>());
      ASSERT_LT(std::abs(correlation), 0.25);
    }
    previous = noise;
    deviations.Add(deviation);
  }
  EXPECT_NEAR(deviations.Mean(), 0.05, 5.0 * 0.029 / std::sqrt(300.0));
}

// masksam §g: variance 0 to 0.1, mirrors along all axes.
TEST_F(samAugmentation, PublishedNoiseHasAUniformVariance)
{
  const auto published = sam::AugmentationOptions::FromWord("masksam");
  EXPECT_EQ(published.mirrorAxes, (std::vector<size_t>{ 0, 1, 2 }));
  EXPECT_DOUBLE_EQ(published.noiseProbability, 0.1);
  auto options = FixedOptions();
  options.noiseProbability = 1.0;
  options.noiseDeviation = published.noiseDeviation;
  options.isNoiseVarianceDrawn = published.isNoiseVarianceDrawn;
  const auto               trainingCase = FixedCase();
  const sam::WindowSampler sampler(fixedWindow, options);
  sam::RandomStream        random(14);
  Moments                  variances;
  for (int trial = 0; trial < 400; ++trial)
  {
    variances.Add((sampler(trainingCase, random).image - trainingCase.image).square().mean().item<double>());
  }
  EXPECT_NEAR(variances.Mean(), 0.05, 5.0 * 0.03 / std::sqrt(400.0)) << "a uniform deviation would give 0.033";
}

TEST_F(samAugmentation, BlurIsAGaussianWithinSlices)
{
  auto image = at::zeros({ 1, 4, 12, 16 });
  image[0][2][6][8] = 1.0;
  const sam::TrainingCase trainingCase("point", image, at::zeros({ 4, 12, 16 }, at::kByte), { 1.0, 1.0, 1.0 });
  auto                    options = FixedOptions();
  options.blurProbability = 1.0;
  const sam::WindowSampler sampler(fixedWindow, options);
  sam::RandomStream        random(14);
  for (int trial = 0; trial < 20; ++trial)
  {
    const auto result = sampler(trainingCase, random).image[0];
    ASSERT_EQ(result[1].abs().max().item<double>(), 0.0);
    ASSERT_EQ(result[3].abs().max().item<double>(), 0.0);
    const auto slice = result[2];
    ASSERT_NEAR(slice.sum().item<double>(), 1.0, 1e-5);
    const auto center = slice[6][8].item<double>();
    const auto besideX = slice[6][9].item<double>();
    const auto besideY = slice[7][8].item<double>();
    ASSERT_NEAR(besideX, besideY, 1e-6);
    ASSERT_NEAR(slice[6][7].item<double>(), besideX, 1e-6);
    const auto sigma = std::sqrt(0.5 / std::log(center / besideX));
    ASSERT_GE(sigma, 0.5 - 1e-4);
    ASSERT_LE(sigma, 1.0 + 1e-4);
    ASSERT_NEAR(slice[7][9].item<double>(), besideX * besideX / center, 1e-6);
  }
}

// The published training's transforms, with the chance 1 and a factor that is known.
TEST_F(samAugmentation, TurnsInPlaneByAnyAngle)
{
  auto options = FixedOptions();
  options.turnProbability = 1.0;
  options.largestTurn = 180.0;
  const Spacing            spacing{ 0.5, 1.0, 1.4 };
  const auto               trainingCase = PositionCase({ 60, 40, 30 }, spacing);
  const sam::WindowSampler sampler({ 5, 5, 5 }, options);
  sam::RandomStream        random(21);
  Moments                  angles;
  for (int trial = 0; trial < 1500; ++trial)
  {
    const auto window = sampler(trainingCase, random);
    const auto m = JacobianOf(window, spacing);
    ASSERT_NEAR(m[2][2], 1.0, 1e-3);
    ASSERT_NEAR(m[2][0], 0.0, 1e-3);
    ASSERT_NEAR(m[0][2], 0.0, 1e-3);
    const auto image = window.image;
    if (image[0].min().item<double>() < 0.6 || image[0].max().item<double>() > 28.9 ||
        image[1].min().item<double>() < 1.1 || image[1].max().item<double>() > 37.9)
    {
      continue; // repeated border voxels
    }
    ASSERT_NEAR(m[0][0] * m[0][0] + m[1][0] * m[1][0], 1.0, 1e-3);
    ASSERT_NEAR(m[0][0], m[1][1], 1e-3);
    ASSERT_NEAR(m[1][0], -m[0][1], 1e-3);
    angles.Add(std::atan2(m[1][0], m[0][0]) * 180.0 / std::numbers::pi);
  }
  ASSERT_GT(angles.count, 700);
  EXPECT_NEAR(angles.Mean(), 0.0, 5.0 * 104.0 / std::sqrt(angles.count));
  EXPECT_NEAR(angles.Deviation(), 360.0 / std::sqrt(12.0), 5.0 * 104.0 / std::sqrt(2.0 * angles.count));
}

TEST_F(samAugmentation, ZoomsInPlane)
{
  auto options = FixedOptions();
  options.zoomProbability = 1.0;
  options.zoom = { 0.7, 1.4 };
  const Spacing            spacing{ 1.0, 1.0, 1.0 };
  const auto               trainingCase = PositionCase({ 60, 60, 30 });
  const sam::WindowSampler sampler({ 5, 5, 5 }, options);
  sam::RandomStream        random(22);
  Moments                  zooms;
  for (int trial = 0; trial < 1000; ++trial)
  {
    const auto window = sampler(trainingCase, random);
    const auto m = JacobianOf(window, spacing);
    ASSERT_NEAR(m[2][2], 1.0, 1e-3);
    if (window.image.narrow(0, 0, 2).min().item<double>() <= 1.0 ||
        window.image.narrow(0, 0, 2).max().item<double>() >= 58.0)
    {
      continue; // repeated border voxels
    }
    ASSERT_NEAR(m[0][0], m[1][1], 1e-3);
    const double zoom = 1.0 / m[0][0];
    ASSERT_GE(zoom, 0.7 - 1e-3);
    ASSERT_LE(zoom, 1.4 + 2e-3);
    zooms.Add(zoom);
  }
  ASSERT_GT(zooms.count, 500);
  EXPECT_NEAR(zooms.Mean(), 1.05, 5.0 * 0.21 / std::sqrt(zooms.count));
}

TEST_F(samAugmentation, CoarseImagesAreInterpolatedFromEverySecondVoxel)
{
  auto options = FixedOptions();
  options.coarseProbability = 1.0;
  options.coarse = { 0.5, 0.5 };
  const Size               window{ 24, 20, 2 };
  const auto               trainingCase = PositionCase(window);
  const sam::WindowSampler sampler(window, options);
  sam::RandomStream        random(23);
  const auto               change = sampler(trainingCase, random).image - trainingCase.image;
  // Every second voxel is taken, whose places are those between it and the next: half a voxel too low. The cubic with
  // the parameter -0.75 bends straight lines of slope 2 by 3/32 a quarter of the way from its nodes. Away from the
  // border.
  constexpr double bend = 3.0 / 32.0;
  const auto       even = at::arange(24).remainder(2) == 0;
  const auto       expected = at::where(even, -0.5 - bend, -0.5 + bend);
  EXPECT_LT((change[0].narrow(2, 4, 16) - expected.narrow(0, 4, 16)).abs().max().item<double>(), 1e-4);
  EXPECT_LT((change[1].narrow(1, 4, 12) - expected.narrow(0, 4, 12).unsqueeze(1)).abs().max().item<double>(), 1e-4);
  EXPECT_EQ(change[2].abs().max().item<double>(), 0.0) << "slices stay as they are";
}

TEST_F(samAugmentation, ContrastIsAboutTheMeanWithinTheRange)
{
  const auto trainingCase = FixedCase();
  const auto image = trainingCase.image;
  auto       options = FixedOptions();
  options.contrastProbability = 1.0;
  sam::RandomStream random(24);
  options.contrast = { 0.75, 0.75 };
  const auto mean = image.mean();
  const auto less = sam::WindowSampler(fixedWindow, options)(trainingCase, random).image;
  EXPECT_TRUE(less.allclose(mean + 0.75 * (image - mean)));
  options.contrast = { 1.25, 1.25 };
  const auto more = sam::WindowSampler(fixedWindow, options)(trainingCase, random).image;
  EXPECT_EQ(more.max().item<float>(), image.max().item<float>());
  EXPECT_EQ(more.min().item<float>(), image.min().item<float>());
  const auto free = (more < image.max()).logical_and(more > image.min());
  EXPECT_GT(free.sum().item<int64_t>(), 700);
  EXPECT_TRUE(more.masked_select(free).allclose((mean + 1.25 * (image - mean)).masked_select(free)));
}

TEST_F(samAugmentation, InvertedGammaBendsTheOtherWay)
{
  const auto              trainingCase = FixedCase();
  const sam::TrainingCase inverted("inverted", -trainingCase.image, trainingCase.labels, { 1.0, 1.0, 1.0 });
  auto                    options = FixedOptions();
  options.gamma = { 1.5, 1.5 };
  sam::RandomStream random(25);
  options.gammaProbability = 1.0;
  const auto ofInverted = sam::WindowSampler(fixedWindow, options)(inverted, random).image;
  options.gammaProbability = 0.0;
  options.invertedGammaProbability = 1.0;
  const auto found = sam::WindowSampler(fixedWindow, options)(trainingCase, random).image;
  EXPECT_TRUE(found.equal(-ofInverted));
  EXPECT_GT(found.median().item<double>(), trainingCase.image.median().item<double>() + 0.02);
}

TEST_F(samAugmentation, ChannelsVaryOnTheirOwn)
{
  const auto              one = at::full({ 1, 2, 8, 8 }, 1.0);
  const sam::TrainingCase trainingCase(
    "two", at::cat({ one, one }), at::zeros({ 2, 8, 8 }, at::kByte), { 1.0, 1.0, 1.0 });
  auto options = FixedOptions();
  options.gainProbability = 1.0;
  const sam::WindowSampler sampler({ 8, 8, 2 }, options);
  sam::RandomStream        random(15);
  const auto               result = sampler(trainingCase, random).image;
  EXPECT_NE(result[0][0][0][0].item<float>(), result[1][0][0][0].item<float>());
}

TEST_F(samAugmentation, RefusesWhatMakesNoSense)
{
  const auto    image = at::zeros({ 1, 2, 3, 4 });
  const auto    labels = at::zeros({ 2, 3, 4 }, at::kByte);
  const Spacing spacing{ 1.0, 1.0, 1.0 };
  EXPECT_NO_THROW(sam::TrainingCase("a", image, labels, spacing));
  EXPECT_THROW(sam::TrainingCase("a", image.to(at::kDouble), labels, spacing), sam::Error);
  EXPECT_THROW(sam::TrainingCase("a", image, labels.to(at::kLong), spacing), sam::Error);
  EXPECT_THROW(sam::TrainingCase("a", image, labels.narrow(0, 0, 1), spacing), sam::Error);
  EXPECT_THROW(sam::TrainingCase("a", image, labels, { 1.0, 0.0, 1.0 }), sam::Error);
  EXPECT_THROW(sam::WindowSampler({ 0, 8, 8 }), sam::Error);
  sam::AugmentationOptions options;
  options.noiseProbability = 1.5;
  EXPECT_THROW(sam::WindowSampler({ 8, 8, 8 }, options), sam::Error);
  options = {};
  options.gamma = { 1.5, 0.7 };
  EXPECT_THROW(sam::WindowSampler({ 8, 8, 8 }, options), sam::Error);
  options = {};
  options.mirrorAxes = { 3 };
  EXPECT_THROW(sam::WindowSampler({ 8, 8, 8 }, options), sam::Error);
  options = {};
  options.rotationDeviation = std::nan("");
  EXPECT_THROW(sam::WindowSampler({ 8, 8, 8 }, options), sam::Error);
}

TEST(samWindowSampler, OtherIntensitiesKeepMeanDeviationAndPlaces)
{
  auto options = sam::AugmentationOptions::PositionOnly();
  options.locationScaleProbability = 1.0;
  options.margin = 0;
  const auto image = at::randn({ 2, 3, 12, 14 }, at::detail::createCPUGenerator(3));
  auto       labels = at::zeros({ 3, 12, 14 }, at::kByte);
  labels.narrow(1, 3, 5).fill_(1);
  const sam::TrainingCase  trainingCase("noise", image, labels, { 1.0, 1.0, 1.0 });
  const sam::WindowSampler sample({ 14, 12, 3 }, options);
  sam::RandomStream        random(4);
  for (int k = 0; k < 10; ++k)
  {
    const auto window = sample(trainingCase, random);
    EXPECT_TRUE(window.labels.equal(labels.to(at::kLong)));
    EXPECT_GT((window.image - image).abs().max().item<double>(), 0.1);
    const auto a = window.image.flatten(1);
    const auto b = image.flatten(1);
    EXPECT_LT((a.mean(1) - b.mean(1)).abs().max().item<double>(), 1e-5);
    EXPECT_LT((a.std(1) - b.std(1)).abs().max().item<double>(), 1e-4);
  }
  EXPECT_GT(sam::AugmentationOptions::FromWord("slaug").locationScaleProbability, 0.0);
}

// What no normalization restores has to be learned: offset and scale of computed tomography.
TEST(samWindowSampler, AbsoluteChannelsChangeTheirMeanAndDeviation)
{
  auto options = sam::AugmentationOptions::PositionOnly();
  options.margin = 0;
  options.locationScaleProbability = 1.0;
  options.absoluteChannels = { 1 };
  const auto               image = at::randn({ 2, 3, 12, 14 }, at::detail::createCPUGenerator(3));
  const auto               labels = at::zeros({ 3, 12, 14 }, at::kByte);
  const sam::TrainingCase  trainingCase("noise", image, labels, { 1.0, 1.0, 1.0 });
  const sam::WindowSampler sample({ 14, 12, 3 }, options);
  sam::RandomStream        random(4);
  double                   largestChange = 0.0;
  for (int k = 0; k < 10; ++k)
  {
    const auto window = sample(trainingCase, random).image;
    const auto change = (window.flatten(1).mean(1) - image.flatten(1).mean(1)).abs();
    EXPECT_LT(change[0].item<double>(), 1e-5);
    largestChange = std::max(largestChange, change[1].item<double>());
    EXPECT_GE(window[1].min().item<float>(), image.min().item<float>() - 1e-4f) << "within the window's range";
    EXPECT_LE(window[1].max().item<float>(), image.max().item<float>() + 1e-4f);
  }
  EXPECT_GT(largestChange, 0.3);

  // A frame takes the smallest value, inside values stay as they are.
  options.locationScaleProbability = 0.0;
  options.frameProbability = 1.0;
  options.frame = { 0.5, 0.75 };
  auto halves = at::full({ 2, 3, 12, 14 }, 1.0f);
  halves.narrow(2, 6, 6).fill_(5.0f);
  const sam::TrainingCase item("halves", halves, labels, { 1.0, 1.0, 1.0 });
  const auto              framed = sam::WindowSampler({ 14, 12, 3 }, options)(item, random).image;
  EXPECT_NEAR(framed[1].min().item<float>(), 1.0f, 1e-5f);
  EXPECT_NEAR(framed[1].max().item<float>(), 5.0f, 1e-5f);
  EXPECT_NEAR(framed[0].mean().item<float>(), 3.0f, 1e-5f);
}

TEST(SamWindowSampler, WindowsShrinkIntoABlackFrame)
{
  // Bright everywhere with a label everywhere: what is dark and without a label is frame.
  auto image = at::full({ 1, 1, 32, 32 }, 1.0f);
  image[0][0][16].fill_(0.5);
  const sam::TrainingCase item("case", image, at::ones({ 1, 32, 32 }, at::kByte), { 1.0, 1.0, 1.0 });
  auto                    options = sam::AugmentationOptions::PositionOnly();
  options.margin = 0;
  options.frameProbability = 1.0;
  options.frame = { 0.5, 0.75 };
  const sam::WindowSampler sampler({ 32, 32, 1 }, options);
  sam::RandomStream        random(3);
  for (int k = 0; k < 20; ++k)
  {
    const auto window = sampler(item, random);
    const auto rows = window.labels[0].any(1).sum().item<int64_t>();
    const auto columns = window.labels[0].any(0).sum().item<int64_t>();
    EXPECT_GE(rows, 16);
    EXPECT_LE(rows, 24);
    EXPECT_GE(columns, 16);
    EXPECT_LE(columns, 24);
    EXPECT_EQ(window.labels.sum().item<int64_t>(), rows * columns) << "the frame has no label";
    const auto outside = window.image[0].masked_select(window.labels == 0);
    EXPECT_EQ(outside.min().item<float>(), outside.max().item<float>());
    EXPECT_EQ(outside.min().item<float>(), window.image.min().item<float>());
    EXPECT_NEAR(window.image.mean().item<double>(), image.mean().item<double>(), 1e-5);
    EXPECT_NEAR(window.image.std(false).item<double>(), image.std(false).item<double>(), 1e-5);
  }
  // Off unless asked for: the same random numbers as ever.
  options.frameProbability = 0.0;
  sam::RandomStream first(5);
  EXPECT_TRUE(sam::WindowSampler({ 32, 32, 1 }, options)(item, first).image.equal(image));
  options.frame = { 0.5, 1.2 };
  EXPECT_THROW(sam::WindowSampler({ 32, 32, 1 }, options), sam::Error);
}
