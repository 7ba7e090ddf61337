// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samSurfaceDistance.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>

using namespace sam::test;

namespace
{
using Volume = itk::Image<unsigned char, 3>;
using Picture = itk::Image<short, 2>;

/** The definition taken literally: every surface pixel against every other. */
template <typename TImage>
std::vector<itk::Point<double, TImage::ImageDimension>>
ListSurface(const TImage * image, int label)
{
  std::vector<itk::Point<double, TImage::ImageDimension>> points;
  const auto                                              region = image->GetBufferedRegion();
  for (itk::ImageRegionIteratorWithIndex<TImage> it(const_cast<TImage *>(image), region); !it.IsAtEnd(); ++it)
  {
    bool surface = false;
    for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
    {
      for (const int step : { -1, 1 })
      {
        auto neighbor = it.GetIndex();
        neighbor[d] += step;
        surface =
          surface || (region.GetSize(d) > 1 && (!region.IsInside(neighbor) || image->GetPixel(neighbor) != label));
      }
    }
    if (it.Get() == label && surface)
    {
      typename TImage::PointType point;
      image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      points.push_back(point);
    }
  }
  return points;
}

double
LinearPercentile(std::vector<double> values, double percent)
{
  std::sort(values.begin(), values.end());
  const double rank = percent / 100.0 * static_cast<double>(values.size() - 1);
  const auto   below = static_cast<std::size_t>(std::floor(rank));
  const auto   above = static_cast<std::size_t>(std::ceil(rank));
  return values[below] + (rank - static_cast<double>(below)) * (values[above] - values[below]);
}

template <typename TImage>
void
ExpectBruteForce(const TImage * prediction, const TImage * reference, const std::vector<int> & labels)
{
  const auto results = sam::ComputeSurfaceDistances(prediction, reference, labels);
  for (const int label : labels)
  {
    const auto   a = ListSurface(prediction, label);
    const auto   b = ListSurface(reference, label);
    const auto & result = results.at(label);
    EXPECT_EQ(result.predictionPixels, a.size());
    EXPECT_EQ(result.referencePixels, b.size());
    if (a.empty() || b.empty())
    {
      EXPECT_FALSE(result.hd95 || result.mean || result.maximum);
      continue;
    }
    const auto directed = [](const auto & from, const auto & to) {
      std::vector<double> distances;
      for (const auto & p : from)
      {
        double nearest = std::numeric_limits<double>::max();
        for (const auto & q : to)
        {
          nearest = std::min(nearest, p.EuclideanDistanceTo(q));
        }
        distances.push_back(nearest);
      }
      return distances;
    };
    const auto   forth = directed(a, b);
    const auto   back = directed(b, a);
    const double sum =
      std::accumulate(forth.begin(), forth.end(), 0.0) + std::accumulate(back.begin(), back.end(), 0.0);
    EXPECT_NEAR(*result.mean, sum / static_cast<double>(forth.size() + back.size()), 1e-9);
    EXPECT_NEAR(*result.hd95, std::max(LinearPercentile(forth, 95.0), LinearPercentile(back, 95.0)), 1e-9);
    EXPECT_NEAR(*result.maximum,
                std::max(*std::max_element(forth.begin(), forth.end()), *std::max_element(back.begin(), back.end())),
                1e-9);
  }
}
} // namespace

TEST(SurfaceDistance, PercentileIsNumpys)
{
  // numpy.percentile([4, 1, 3, 2], 95) and others
  std::vector<double> values{ 4.0, 1.0, 3.0, 2.0 };
  EXPECT_DOUBLE_EQ(sam::ComputePercentile(values, 95.0), 3.85);
  EXPECT_DOUBLE_EQ(sam::ComputePercentile(values, 50.0), 2.5);
  EXPECT_DOUBLE_EQ(sam::ComputePercentile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(sam::ComputePercentile(values, 100.0), 4.0);
  std::vector<double> single{ 7.0 };
  EXPECT_DOUBLE_EQ(sam::ComputePercentile(single, 95.0), 7.0);
}

TEST(SurfaceDistance, SingleVoxelsInMillimeters)
{
  auto prediction = MakeImage<Volume>({ 8, 8, 8 }, { 0.5, 1.25, 3.0 });
  auto reference = MakeImage<Volume>({ 8, 8, 8 }, { 0.5, 1.25, 3.0 });
  prediction->SetPixel({ { 1, 2, 3 } }, 1);
  reference->SetPixel({ { 5, 4, 4 } }, 1);
  const double distance = std::sqrt(2.0 * 2.0 + 2.5 * 2.5 + 3.0 * 3.0);
  auto         result = sam::ComputeSurfaceDistances<Volume>(prediction, reference, { 1 }).at(1);
  EXPECT_DOUBLE_EQ(*result.hd95, distance);
  EXPECT_DOUBLE_EQ(*result.mean, distance);

  // prediction {a}, reference {a, b}: directed distances {0} and {0, 3 mm}
  reference->SetPixel({ { 5, 4, 4 } }, 0);
  reference->SetPixel({ { 1, 2, 3 } }, 1);
  reference->SetPixel({ { 1, 2, 4 } }, 1);
  result = sam::ComputeSurfaceDistances<Volume>(prediction, reference, { 1 }).at(1);
  EXPECT_DOUBLE_EQ(*result.mean, 1.0);
  EXPECT_DOUBLE_EQ(*result.hd95, 0.95 * 3.0);
  EXPECT_DOUBLE_EQ(*result.maximum, 3.0);
}

TEST(SurfaceDistance, ShiftedBoxes)
{
  const std::array<double, 3> spacing{ 0.5, 1.25, 3.0 };
  for (unsigned int axis = 0; axis < 3; ++axis)
  {
    auto prediction = MakeImage<Volume>({ 20, 20, 20 }, spacing);
    auto reference = MakeImage<Volume>({ 20, 20, 20 }, spacing);
    FillBox(prediction.GetPointer(), 3, { 4, 4, 4 }, { 11, 11, 11 });
    std::array<long, 3> first{ 4, 4, 4 };
    std::array<long, 3> last{ 11, 11, 11 };
    first[axis] += 2;
    last[axis] += 2;
    FillBox(reference.GetPointer(), 3, first, last);
    // The faces across the shift, a fifth of the surface, are 2 voxels away from the other box.
    const auto result = sam::ComputeSurfaceDistances<Volume>(prediction, reference, { 3 }).at(3);
    EXPECT_DOUBLE_EQ(*result.hd95, 2.0 * spacing[axis]);
    EXPECT_DOUBLE_EQ(*result.maximum, 2.0 * spacing[axis]);
    EXPECT_EQ(result.predictionPixels, 8u * 8u * 8u - 6u * 6u * 6u);
    EXPECT_GT(*result.mean, 0.0);
    EXPECT_LT(*result.mean, 2.0 * spacing[axis]);
    const auto same = sam::ComputeSurfaceDistances<Volume>(prediction, prediction, { 3 }).at(3);
    EXPECT_DOUBLE_EQ(*same.hd95, 0.0);
    EXPECT_DOUBLE_EQ(*same.mean, 0.0);
  }
}

TEST(SurfaceDistance, ConcentricSpheres)
{
  // Radii of 10 and 14 mm, voxels of 0.5 x 0.8 x 1.6 mm: 4 mm apart, up to the voxel's size.
  const std::array<double, 3> spacing{ 0.5, 0.8, 1.6 };
  auto                        prediction = MakeImage<Volume>({ 64, 40, 21 }, spacing);
  auto                        reference = MakeImage<Volume>({ 64, 40, 21 }, spacing);
  const auto                  sphere = [&spacing](double radius) {
    return [radius, &spacing](const Volume::IndexType & i) {
      const double x = (static_cast<double>(i[0]) - 31.5) * spacing[0];
      const double y = (static_cast<double>(i[1]) - 19.5) * spacing[1];
      const double z = (static_cast<double>(i[2]) - 10.0) * spacing[2];
      return x * x + y * y + z * z <= radius * radius;
    };
  };
  Fill(prediction.GetPointer(), 1, sphere(10.0));
  Fill(reference.GetPointer(), 1, sphere(14.0));
  const auto result = sam::ComputeSurfaceDistances<Volume>(prediction, reference, { 1 }).at(1);
  EXPECT_NEAR(*result.mean, 4.0, 0.3);
  EXPECT_NEAR(*result.hd95, 4.0, 0.8);
}

TEST(SurfaceDistance, RandomLabelMapsAgreeWithTheDefinition)
{
  std::mt19937                           random(20);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  for (int round = 0; round < 24; ++round)
  {
    const std::array<double, 3> spacing{ 0.3 + 3.0 * unit(random), 0.3 + 3.0 * unit(random), 0.3 + 3.0 * unit(random) };
    std::array<unsigned int, 3> size{ 9, 11, 8 };
    if (round % 6 == 5)
    {
      size[2] = 1;
    }
    // From few isolated voxels to nearly full images, which touch the border everywhere.
    const double density = round % 4 == 0 ? 0.02 : 0.3 * (round % 4);
    auto         prediction = MakeImage<Volume>(size, spacing, { 5.0, -3.0, 2.0 }, { -3, 7, 0 });
    auto         reference = MakeImage<Volume>(size, spacing, { 5.0, -3.0, 2.0 }, { -3, 7, 0 });
    for (auto * image : { prediction.GetPointer(), reference.GetPointer() })
    {
      Fill(image, 1, [&](const auto &) { return unit(random) < density; });
      Fill(image, 2, [&](const auto &) { return unit(random) < 0.2 * density; });
    }
    ExpectBruteForce<Volume>(prediction, reference, { 1, 2, 9 });
    // Blobs: thick, with an inside.
    auto blob = MakeImage<Volume>(size, spacing, { 5.0, -3.0, 2.0 }, { -3, 7, 0 });
    FillBox(blob.GetPointer(), 1, { -2, 9, 0 }, { 2, 15, 5 });
    FillBox(blob.GetPointer(), 2, { 0, 9, 0 }, { 4, 12, 3 });
    ExpectBruteForce<Volume>(prediction, blob, { 1, 2 });
  }
}

TEST(SurfaceDistance, RandomPicturesAgreeWithTheDefinition)
{
  std::mt19937                           random(21);
  std::uniform_real_distribution<double> unit(0.0, 1.0);
  for (int round = 0; round < 12; ++round)
  {
    auto prediction = MakeImage<Picture>({ 23, 17 }, { 0.2 + unit(random), 0.2 + unit(random) });
    auto reference = MakeImage<Picture>({ 23, 17 }, { 1.0, 1.0 });
    reference->SetSpacing(prediction->GetSpacing());
    for (auto * image : { prediction.GetPointer(), reference.GetPointer() })
    {
      const double cx = 23.0 * unit(random);
      const double cy = 17.0 * unit(random);
      const double r = 2.0 + 6.0 * unit(random);
      Fill(image, 300, [&](const auto & i) { return std::hypot(i[0] - cx, i[1] - cy) < r || unit(random) < 0.02; });
    }
    ExpectBruteForce<Picture>(prediction, reference, { 300 });
  }
}

TEST(SurfaceDistance, ASliceOfAVolumeIsAPicture)
{
  // Along an axis of one pixel there is no surface: the inside of a disk stays inside.
  auto       volumeP = MakeImage<itk::Image<short, 3>>({ 30, 30, 1 }, { 1.0, 1.0, 5.0 });
  auto       volumeR = MakeImage<itk::Image<short, 3>>({ 30, 30, 1 }, { 1.0, 1.0, 5.0 });
  auto       pictureP = MakeImage<Picture>({ 30, 30 }, { 1.0, 1.0 });
  auto       pictureR = MakeImage<Picture>({ 30, 30 }, { 1.0, 1.0 });
  const auto disk = [](double r) { return [r](const auto & i) { return std::hypot(i[0] - 14.0, i[1] - 15.0) < r; }; };
  Fill(volumeP.GetPointer(), 1, disk(6.0));
  Fill(pictureP.GetPointer(), 1, disk(6.0));
  Fill(volumeR.GetPointer(), 1, disk(9.0));
  Fill(pictureR.GetPointer(), 1, disk(9.0));
  const auto volume = sam::ComputeSurfaceDistances<itk::Image<short, 3>>(volumeP, volumeR, { 1 }).at(1);
  const auto picture = sam::ComputeSurfaceDistances<Picture>(pictureP, pictureR, { 1 }).at(1);
  EXPECT_EQ(volume.predictionPixels, picture.predictionPixels);
  EXPECT_DOUBLE_EQ(*volume.hd95, *picture.hd95);
  EXPECT_DOUBLE_EQ(*volume.mean, *picture.mean);
}

TEST(SurfaceDistance, NoValueWhereALabelIsMissing)
{
  auto prediction = MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 1.0 });
  auto reference = MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 1.0 });
  prediction->SetPixel({ { 1, 1, 1 } }, 1);
  reference->SetPixel({ { 1, 1, 1 } }, 2);
  const auto results = sam::ComputeSurfaceDistances<Volume>(prediction, reference, { 1, 2, 3 });
  for (const int label : { 1, 2, 3 })
  {
    EXPECT_FALSE(results.at(label).hd95.has_value());
    EXPECT_FALSE(results.at(label).mean.has_value());
    EXPECT_FALSE(results.at(label).maximum.has_value());
  }
  EXPECT_EQ(results.at(1).predictionPixels, 1u);
  EXPECT_EQ(results.at(3).predictionPixels + results.at(3).referencePixels, 0u);
}

TEST(SurfaceDistance, OtherGridsAreRefused)
{
  const auto prediction = MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 1.0 });
  const auto reference = MakeImage<Volume>({ 5, 5, 4 }, { 1.0, 1.0, 1.0 });
  EXPECT_THROW(sam::ComputeSurfaceDistances<Volume>(prediction, reference, { 1 }), sam::Error);
}
