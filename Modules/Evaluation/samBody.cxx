// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samBody.h"

#include "samComponents.h"

#include "itkBinShrinkImageFilter.h"
#include "itkImageRegionConstIteratorWithIndex.h"
#include "itkOtsuThresholdImageFilter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace sam
{
namespace
{
constexpr double voxel = 4.0;           ///< mm; noise is averaged over it
constexpr double smallestPart = 1000.0; ///< mm³
constexpr double margin = 10.0;         ///< mm
constexpr double digits = 10.0;         ///< of the box: what is printed is what was taken

/** Least and most of each coordinate, mm. */
struct Bounds
{
  std::array<double, 3> least{};
  std::array<double, 3> most{};
};

/** Around a box of continuous indices. */
template <unsigned int VDimension>
Bounds
FindBounds(const itk::ImageBase<VDimension> *               grid,
           const itk::ContinuousIndex<double, VDimension> & lower,
           const itk::ContinuousIndex<double, VDimension> & upper)
{
  Bounds bounds;
  for (unsigned int corner = 0; corner < (1u << VDimension); ++corner)
  {
    auto index = lower;
    for (unsigned int axis = 0; axis < VDimension; ++axis)
    {
      index[axis] = (corner >> axis & 1u) != 0 ? upper[axis] : lower[axis];
    }
    itk::Point<double, VDimension> point;
    grid->TransformContinuousIndexToPhysicalPoint(index, point);
    for (unsigned int axis = 0; axis < VDimension; ++axis)
    {
      bounds.least[axis] = corner == 0 ? point[axis] : std::min(bounds.least[axis], point[axis]);
      bounds.most[axis] = corner == 0 ? point[axis] : std::max(bounds.most[axis], point[axis]);
    }
  }
  return bounds;
}
} // namespace

template <unsigned int VDimension>
Region
FindBody(const itk::Image<float, VDimension> * image)
{
  using ScalarImage = itk::Image<float, VDimension>;
  using MaskImage = itk::Image<unsigned char, VDimension>;

  const auto shrink = itk::BinShrinkImageFilter<ScalarImage, ScalarImage>::New();
  shrink->SetInput(image);
  const auto whole = image->GetLargestPossibleRegion();
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    const double factor = std::floor(voxel / image->GetSpacing()[axis]);
    shrink->SetShrinkFactor(
      axis, static_cast<unsigned int>(std::clamp(factor, 1.0, static_cast<double>(whole.GetSize(axis)))));
  }
  const auto otsu = itk::OtsuThresholdImageFilter<ScalarImage, MaskImage>::New();
  otsu->SetInput(shrink->GetOutput());
  otsu->SetInsideValue(0);
  otsu->SetOutsideValue(1);
  otsu->Update();
  MaskImage * const mask = otsu->GetOutput();
  RemoveSmallComponents(mask, smallestPart);

  // The corners of voxels of the mask as continuous indices of its grid.
  itk::ContinuousIndex<double, VDimension> lower;
  itk::ContinuousIndex<double, VDimension> upper;
  lower.Fill(std::numeric_limits<double>::max());
  upper.Fill(std::numeric_limits<double>::lowest());
  bool isEmpty = true;
  for (itk::ImageRegionConstIteratorWithIndex<MaskImage> it(mask, mask->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    if (it.Get() != 0)
    {
      isEmpty = false;
      for (unsigned int axis = 0; axis < VDimension; ++axis)
      {
        lower[axis] = std::min(lower[axis], static_cast<double>(it.GetIndex()[axis]) - 0.5);
        upper[axis] = std::max(upper[axis], static_cast<double>(it.GetIndex()[axis]) + 0.5);
      }
    }
  }
  itk::ContinuousIndex<double, VDimension> first;
  itk::ContinuousIndex<double, VDimension> last;
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    first[axis] = static_cast<double>(whole.GetIndex(axis)) - 0.5;
    last[axis] = first[axis] + static_cast<double>(whole.GetSize(axis));
  }
  const Bounds ofImage = FindBounds<VDimension>(image, first, last);
  const Bounds ofBody = isEmpty ? ofImage : FindBounds<VDimension>(mask, lower, upper);
  Region       body;
  for (unsigned int axis = 0; axis < VDimension; ++axis)
  {
    const double least = std::max(ofBody.least[axis] - margin, ofImage.least[axis]);
    const double most = std::min(ofBody.most[axis] + margin, ofImage.most[axis]);
    body.center[axis] = std::round(0.5 * (least + most) * digits) / digits;
    body.size[axis] = std::ceil((most - least) * digits + 1.0) / digits;
  }
  return body;
}

template Region
FindBody(const itk::Image<float, 2> *);
template Region
FindBody(const itk::Image<float, 3> *);
} // namespace sam
