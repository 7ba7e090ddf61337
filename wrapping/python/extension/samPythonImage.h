// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPythonImage_h
#define samPythonImage_h

#include "samError.h"

#include "itkImage.h"
#include "itkVectorImage.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <string>
#include <vector>

namespace sam
{
/** \class PythonImage
 * \brief An image of the caller: an array in NumPy's order of axes (z, y, x, component) and where it lies. Its buffer
 * is used as it is, not copied.
 */
struct PythonImage
{
  using ArrayType = nanobind::ndarray<nanobind::ro, nanobind::c_contig, nanobind::device::cpu>;

  ArrayType           array;
  std::vector<double> spacing;   ///< mm along x, y, z
  std::vector<double> origin;    ///< mm
  std::vector<double> direction; ///< cosines, row by row
  bool                isVector;  ///< whether the array's last axis counts components

  /** \throws Error when the array has neither two nor three axes, or the geometry another number, or one with which
   * nothing can be computed: not finite, a spacing beyond 1e-6 to 1e6 mm, no invertible direction. */
  PythonImage(ArrayType           pixels,
              std::vector<double> imageSpacing,
              std::vector<double> imageOrigin,
              std::vector<double> imageDirection,
              bool                hasComponents);

  unsigned int
  GetDimension() const
  {
    return static_cast<unsigned int>(array.ndim()) - (isVector ? 1 : 0);
  }
};

/** \class PythonResult
 * \brief An image that is handed to the caller: its buffer lives as long as the array that is made of it.
 */
struct PythonResult
{
  itk::Object::Pointer    owner;
  void *                  buffer;
  nanobind::dlpack::dtype type;
  std::vector<size_t>     shape;
  std::vector<double>     spacing;
  std::vector<double>     origin;
  std::vector<double>     direction;
  bool                    isVector;

  /** (array, spacing, origin, direction, is_vector). Needs the interpreter. */
  nanobind::tuple
  ToPython() const;
};

template <typename TImage>
void
CopyGeometry(const PythonImage & image, TImage * output)
{
  typename TImage::RegionType    region;
  typename TImage::SpacingType   spacing;
  typename TImage::PointType     origin;
  typename TImage::DirectionType direction;
  constexpr unsigned int         dimension = TImage::ImageDimension;
  for (unsigned int i = 0; i < dimension; ++i)
  {
    region.SetSize(i, image.array.shape(dimension - 1 - i));
    spacing[i] = image.spacing[i];
    origin[i] = image.origin[i];
    for (unsigned int j = 0; j < dimension; ++j)
    {
      direction(i, j) = image.direction[i * dimension + j];
    }
  }
  output->SetRegions(region);
  output->SetSpacing(spacing);
  output->SetOrigin(origin);
  output->SetDirection(direction);
}

/** The image on the caller's buffer. */
template <typename T, unsigned int VDimension>
typename itk::VectorImage<T, VDimension>::Pointer
Import(const PythonImage & image)
{
  auto output = itk::VectorImage<T, VDimension>::New();
  CopyGeometry(image, output.GetPointer());
  output->SetVectorLength(image.isVector ? static_cast<unsigned int>(image.array.shape(VDimension)) : 1);
  output->GetPixelContainer()->SetImportPointer(
    static_cast<T *>(const_cast<void *>(image.array.data())), image.array.size(), false);
  return output;
}

/** The same with one component. \throws Error naming \a what when the array has others or another type. */
template <typename T, unsigned int VDimension>
typename itk::Image<T, VDimension>::Pointer
ImportScalar(const PythonImage & image, const std::string & what)
{
  if (image.isVector || image.GetDimension() != VDimension || image.array.dtype() != nanobind::dtype<T>())
  {
    throw Error(what + ": expected an image of " + std::to_string(VDimension) + " dimensions with one component");
  }
  auto output = itk::Image<T, VDimension>::New();
  CopyGeometry(image, output.GetPointer());
  output->GetPixelContainer()->SetImportPointer(
    static_cast<T *>(const_cast<void *>(image.array.data())), image.array.size(), false);
  return output;
}

/** The names of a type that no filter is made for. */
[[noreturn]] void
ThrowPixelType();

template <unsigned int VDimension, typename TAction>
auto
VisitPixels(const PythonImage & image, const TAction & action)
{
  const auto type = image.array.dtype();
  if (type == nanobind::dtype<std::uint8_t>())
  {
    return action(Import<std::uint8_t, VDimension>(image));
  }
  if (type == nanobind::dtype<std::int8_t>())
  {
    return action(Import<std::int8_t, VDimension>(image));
  }
  if (type == nanobind::dtype<std::uint16_t>())
  {
    return action(Import<std::uint16_t, VDimension>(image));
  }
  if (type == nanobind::dtype<std::int16_t>())
  {
    return action(Import<std::int16_t, VDimension>(image));
  }
  if (type == nanobind::dtype<std::uint32_t>())
  {
    return action(Import<std::uint32_t, VDimension>(image));
  }
  if (type == nanobind::dtype<std::int32_t>())
  {
    return action(Import<std::int32_t, VDimension>(image));
  }
  if (type == nanobind::dtype<float>())
  {
    return action(Import<float, VDimension>(image));
  }
  if (type == nanobind::dtype<double>())
  {
    return action(Import<double, VDimension>(image));
  }
  ThrowPixelType();
}

/** Call \a action with the image as itk::VectorImage of its pixel type and dimension. */
template <typename TAction>
auto
VisitImage(const PythonImage & image, const TAction & action)
{
  return image.GetDimension() == 2 ? VisitPixels<2>(image, action) : VisitPixels<3>(image, action);
}

template <typename TImage>
PythonResult
MakeResult(TImage * image)
{
  using ComponentType = typename TImage::InternalPixelType;
  constexpr unsigned int dimension = TImage::ImageDimension;
  const auto &           region = image->GetBufferedRegion();
  PythonResult           result;
  result.owner = image;
  result.buffer = image->GetBufferPointer();
  result.type = nanobind::dtype<ComponentType>();
  result.isVector = !std::is_same<ComponentType, typename TImage::PixelType>::value;
  typename TImage::PointType origin;
  image->TransformIndexToPhysicalPoint(region.GetIndex(), origin); // arrays begin at index 0
  for (unsigned int i = 0; i < dimension; ++i)
  {
    result.shape.insert(result.shape.begin(), region.GetSize(i));
    result.spacing.push_back(image->GetSpacing()[i]);
    result.origin.push_back(origin[i]);
    for (unsigned int j = 0; j < dimension; ++j)
    {
      result.direction.push_back(image->GetDirection()(i, j));
    }
  }
  if (result.isVector)
  {
    result.shape.push_back(image->GetNumberOfComponentsPerPixel());
  }
  return result;
}

/** "(1, 2, 3)" or the other way round, with the image's dimension. \throws Error naming \a what. */
template <typename TPoint>
TPoint
MakePoint(const std::vector<double> & values, const std::string & what)
{
  TPoint point;
  if (values.size() != TPoint::Dimension)
  {
    throw Error(what + ": " + std::to_string(values.size()) + " numbers, expected " +
                std::to_string(TPoint::Dimension));
  }
  for (unsigned int i = 0; i < TPoint::Dimension; ++i)
  {
    point[i] = values[i];
  }
  return point;
}

void
BindImage(nanobind::module_ & module);
} // namespace sam

#endif
