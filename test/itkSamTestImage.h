// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamTestImage_h
#define itkSamTestImage_h

#include "itkImage.h"
#include "itkImageRegionIteratorWithIndex.h"
#include "itkImageSource.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

namespace itk
{
/** A smooth function of the physical space, mm. */
template <typename TPoint>
double
SamPhantom(const TPoint & point)
{
  const double x = point[0];
  const double y = point[1];
  const double z = TPoint::PointDimension > 2 ? point[TPoint::PointDimension - 1] : 0.0;
  return 100.0 + 40.0 * std::sin(0.31 * x + 0.1) + 35.0 * std::cos(0.23 * y - 0.07 * x) + 20.0 * std::sin(0.19 * z);
}

/** Set every pixel to the phantom at its physical point. */
template <typename TImage>
void
FillWithSamPhantom(TImage * image)
{
  for (ImageRegionIteratorWithIndex<TImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    typename TImage::PointType point;
    image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
    it.Set(static_cast<typename TImage::PixelType>(SamPhantom(point)));
  }
}

template <typename TImage>
typename TImage::Pointer
MakeSamTestImage(const typename TImage::IndexType &     start,
                 const typename TImage::SizeType &      size,
                 const typename TImage::SpacingType &   spacing,
                 const typename TImage::PointType &     origin,
                 const typename TImage::DirectionType & direction)
{
  auto image = TImage::New();
  image->SetRegions(typename TImage::RegionType(start, size));
  image->SetSpacing(spacing);
  image->SetOrigin(origin);
  image->SetDirection(direction);
  image->Allocate();
  FillWithSamPhantom(image.GetPointer());
  return image;
}

/** An anisotropic volume with a start index and the identity direction. */
template <typename TImage>
typename TImage::Pointer
MakeSamTestVolume(typename TImage::SizeType size = { { 22, 19, 7 } })
{
  typename TImage::SpacingType   spacing;
  typename TImage::PointType     origin;
  typename TImage::DirectionType direction;
  typename TImage::IndexType     start;
  const std::array<double, 3>    spacings{ { 0.9, 1.1, 2.0 } };
  const std::array<double, 3>    origins{ { -11.3, 4.7, 21.9 } };
  const std::array<int, 3>       starts{ { 4, -3, 2 } };
  direction.SetIdentity();
  for (unsigned int i = 0; i < TImage::ImageDimension; ++i)
  {
    spacing[i] = spacings[i];
    origin[i] = origins[i];
    start[i] = starts[i];
  }
  return MakeSamTestImage<TImage>(start, size, spacing, origin, direction);
}

/** How the axes of a volume are stored: axis i of the new image is \c axes[i] of the old one, against it if \c flips.
 */
struct SamAxisOrder
{
  std::array<unsigned int, 3> axes{ { 0, 1, 2 } };
  std::array<bool, 3>         flips{ { false, false, false } };

  /** Index in \a from of the voxel \a index of \a to. */
  template <typename TFrom, typename TTo>
  typename TFrom::IndexType
  MapIndex(const typename TTo::IndexType & index, const TTo * to, const TFrom * from) const
  {
    typename TFrom::IndexType result;
    const auto &              toRegion = to->GetLargestPossibleRegion();
    const auto &              fromRegion = from->GetLargestPossibleRegion();
    for (unsigned int i = 0; i < 3; ++i)
    {
      const auto along = index[i] - toRegion.GetIndex(i);
      const auto last = static_cast<IndexValueType>(toRegion.GetSize(i)) - 1;
      result[axes[i]] = fromRegion.GetIndex(axes[i]) + (flips[i] ? last - along : along);
    }
    return result;
  }
};

inline std::vector<SamAxisOrder>
AllSamAxisOrders()
{
  std::vector<SamAxisOrder>   orders;
  std::array<unsigned int, 3> axes{ { 0, 1, 2 } };
  do
  {
    for (unsigned int flips = 0; flips < 8; ++flips)
    {
      orders.push_back({ axes, { { (flips & 1) != 0, (flips & 2) != 0, (flips & 4) != 0 } } });
    }
  } while (std::next_permutation(axes.begin(), axes.end()));
  return orders;
}

/** The same anatomy, stored in another order of axes and with another start index. */
template <typename TImage>
typename TImage::Pointer
StoreInOrder(const TImage * image, const SamAxisOrder & order)
{
  typename TImage::SizeType        size;
  typename TImage::SpacingType     spacing;
  typename TImage::DirectionType   direction;
  const typename TImage::IndexType start{ { 3, -2, 5 } };
  for (unsigned int i = 0; i < 3; ++i)
  {
    size[i] = image->GetLargestPossibleRegion().GetSize(order.axes[i]);
    spacing[i] = image->GetSpacing()[order.axes[i]];
    for (unsigned int a = 0; a < 3; ++a)
    {
      direction(a, i) = (order.flips[i] ? -1.0 : 1.0) * image->GetDirection()(a, order.axes[i]);
    }
  }
  auto result = TImage::New();
  result->SetRegions(typename TImage::RegionType(start, size));
  result->SetSpacing(spacing);
  result->SetDirection(direction);
  result->Allocate();
  typename TImage::PointType first;
  typename TImage::PointType firstAtZeroOrigin;
  image->TransformIndexToPhysicalPoint(order.MapIndex(start, result.GetPointer(), image), first);
  result->TransformIndexToPhysicalPoint(start, firstAtZeroOrigin);
  typename TImage::PointType origin;
  for (unsigned int a = 0; a < 3; ++a)
  {
    origin[a] = first[a] - firstAtZeroOrigin[a];
  }
  result->SetOrigin(origin);
  for (ImageRegionIteratorWithIndex<TImage> it(result, result->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(image->GetPixel(order.MapIndex(it.GetIndex(), result.GetPointer(), image)));
  }
  return result;
}

/** A direction that is turned about all three axes. */
inline Matrix<double, 3, 3>
ObliqueSamDirection()
{
  const double         a = 0.35;
  const double         b = -0.25;
  const double         c = 0.2;
  Matrix<double, 3, 3> aboutZ;
  Matrix<double, 3, 3> aboutY;
  Matrix<double, 3, 3> aboutX;
  aboutZ.SetIdentity();
  aboutY.SetIdentity();
  aboutX.SetIdentity();
  aboutZ(0, 0) = aboutZ(1, 1) = std::cos(a);
  aboutZ(0, 1) = -std::sin(a);
  aboutZ(1, 0) = std::sin(a);
  aboutY(0, 0) = aboutY(2, 2) = std::cos(b);
  aboutY(0, 2) = std::sin(b);
  aboutY(2, 0) = -std::sin(b);
  aboutX(1, 1) = aboutX(2, 2) = std::cos(c);
  aboutX(1, 2) = -std::sin(c);
  aboutX(2, 1) = std::sin(c);
  return Matrix<double, 3, 3>(aboutZ * aboutY * aboutX);
}

/** Makes of an image what is asked for alone, and tells what it made. */
template <typename TImage>
class SamTestSource : public ImageSource<TImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamTestSource);

  using Self = SamTestSource;
  using Pointer = SmartPointer<Self>;
  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamTestSource);

  typename TImage::Pointer    image;
  typename TImage::RegionType made;

protected:
  SamTestSource() = default;

  void
  GenerateOutputInformation() override
  {
    this->GetOutput()->CopyInformation(image);
    this->GetOutput()->SetLargestPossibleRegion(image->GetLargestPossibleRegion());
  }
  void
  GenerateData() override
  {
    this->AllocateOutputs();
    made = this->GetOutput()->GetBufferedRegion();
    for (ImageRegionIteratorWithIndex<TImage> it(this->GetOutput(), made); !it.IsAtEnd(); ++it)
    {
      it.Set(image->GetPixel(it.GetIndex()));
    }
  }
};
} // namespace itk

#endif
