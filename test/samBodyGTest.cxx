// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samBody.h"
#include "samRandomStream.h"

#include "itkImageRegionIteratorWithIndex.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

namespace
{
/** An image with noise around \a center, turned about the last axis by \a
 * angle. */
template <unsigned int VDimension>
typename itk::Image<float, VDimension>::Pointer
MakeImage(const std::array<unsigned int, VDimension> &                         size,
          const std::array<double, VDimension> &                               spacing,
          const std::array<double, VDimension> &                               center,
          const std::function<float(const itk::Point<double, VDimension> &)> & value,
          double                                                               angle = 0.0)
{
  using ImageType = itk::Image<float, VDimension>;
  const auto            image = ImageType::New();
  itk::Size<VDimension> extent;
  std::copy(size.begin(), size.end(), extent.begin());
  image->SetRegions(extent);
  image->SetSpacing(spacing.data());
  auto direction = image->GetDirection();
  direction[0][0] = direction[1][1] = std::cos(angle);
  direction[1][0] = std::sin(angle);
  direction[0][1] = -direction[1][0];
  image->SetDirection(direction);
  image->Allocate();
  itk::ContinuousIndex<double, VDimension> middle;
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    middle[axis] = 0.5 * (size[axis] - 1.0);
  }
  itk::Point<double, VDimension> point;
  image->TransformContinuousIndexToPhysicalPoint(middle, point);
  image->SetOrigin(itk::Point<double, VDimension>(center.data()) - point.GetVectorFromOrigin());
  sam::RandomStream random(3);
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
    it.Set(value(point) + static_cast<float>(40.0 * random.Normal()));
  }
  return image;
}

template <unsigned int VDimension>
bool
IsInBall(const itk::Point<double, VDimension> & point, const std::array<double, VDimension> & center, double radius)
{
  return point.EuclideanDistanceTo(itk::Point<double, VDimension>(center.data())) < radius;
}

/** Of CT: a ball, which is body, and a speck in the air of 0.5 cm³, which is not. */
float
Ball(const itk::Point<double, 3> & point)
{
  return IsInBall<3>(point, { 20, 90, 80 }, 60) || IsInBall<3>(point, { -60, 20, 20 }, 5) ? 50.0f : -1000.0f;
}
} // namespace

TEST(SamBody, IsTheBoxOfWhatIsBrightAndTenMillimeters)
{
  for (const double angle : { 0.0, 0.4 })
  {
    const auto image = MakeImage<3>({ 110, 100, 60 }, { 2.0, 2.0, 3.0 }, { 20, 90, 80 }, Ball, angle);
    const auto body = sam::FindBody<3>(image);
    // In the turned image the box of the voxels is turned, the box around it larger.
    const double turned = 120.0 * (std::cos(angle) + std::sin(angle));
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      EXPECT_NEAR(body.center[axis], (std::array<double, 3>{ 20, 90, 80 }[axis]), 2.5) << axis;
      EXPECT_NEAR(body.size[axis], (axis < 2 ? turned : 120.0) + 20.0, 6.0) << axis;
    }
  }
}

TEST(SamBody, SlicesHaveOne)
{
  const auto image = MakeImage<2>({ 200, 160 }, { 1.0, 1.5 }, { 100, 120 }, [](const itk::Point<double, 2> & point) {
    return IsInBall<2>(point, { 90, 130 }, 50) ? 300.0f : 0.0f;
  });
  const auto body = sam::FindBody<2>(image);
  EXPECT_NEAR(body.center[0], 90, 2.5);
  EXPECT_NEAR(body.center[1], 130, 2.5);
  EXPECT_NEAR(body.size[0], 120, 6);
  EXPECT_NEAR(body.size[1], 120, 6);
}

TEST(SamBody, IsAllWhereNothingIsBrighter)
{
  const auto image = MakeImage<3>({ 30, 30, 30 }, { 1.0, 1.0, 1.0 }, { 15, 15, 15 }, [](const auto &) { return 7.0f; });
  const auto speck =
    MakeImage<3>({ 60, 60, 60 }, { 2.0, 2.0, 2.0 }, { 60, 60, 60 }, [](const itk::Point<double, 3> & point) {
      return IsInBall<3>(point, { 60, 60, 60 }, 5) ? 5000.0f : 0.0f;
    });
  image->FillBuffer(7.0f);
  for (const auto & [one, extent] : { std::make_pair(image, 30.0), std::make_pair(speck, 120.0) })
  {
    const auto body = sam::FindBody<3>(one);
    for (unsigned int axis = 0; axis < 3; ++axis)
    {
      EXPECT_NEAR(body.center[axis], 0.5 * extent, 0.11);
      EXPECT_NEAR(body.size[axis], extent, 0.2);
    }
  }
}
