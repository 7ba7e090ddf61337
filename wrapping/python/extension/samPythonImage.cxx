// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonImage.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cmath>
#include <sstream>

namespace sam
{
namespace
{
/** "the image's spacing is (1, nan, 1), expected ..." */
[[noreturn]] void
ThrowGeometry(const char * name, const std::vector<double> & values, const char * expected)
{
  std::ostringstream text;
  text << "the image's " << name << " is (";
  for (size_t k = 0; k < values.size(); ++k)
  {
    text << (k == 0 ? "" : ", ") << values[k];
  }
  throw Error(text.str() + "), expected " + expected);
}

/** Of the cosines of two or three axes, row by row. */
double
ComputeDeterminant(const std::vector<double> & m)
{
  return m.size() == 4 ? m[0] * m[3] - m[1] * m[2]
                       : m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) +
                           m[2] * (m[3] * m[7] - m[4] * m[6]);
}
} // namespace

PythonImage::PythonImage(ArrayType           pixels,
                         std::vector<double> imageSpacing,
                         std::vector<double> imageOrigin,
                         std::vector<double> imageDirection,
                         bool                hasComponents)
  : array(std::move(pixels))
  , spacing(std::move(imageSpacing))
  , origin(std::move(imageOrigin))
  , direction(std::move(imageDirection))
  , isVector(hasComponents)
{
  const size_t dimension = array.ndim() - (isVector && array.ndim() > 0 ? 1 : 0);
  if (dimension != 2 && dimension != 3)
  {
    throw Error("the image has " + std::to_string(dimension) + " dimensions, expected 2 or 3");
  }
  if (array.size() == 0)
  {
    throw Error("the image has no pixels");
  }
  const auto check = [](const char * name, const std::vector<double> & values, size_t expected) {
    if (values.size() != expected)
    {
      throw Error(std::string("the image's ") + name + " has " + std::to_string(values.size()) + " numbers, expected " +
                  std::to_string(expected));
    }
    if (!std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); }))
    {
      ThrowGeometry(name, values, "finite numbers");
    }
  };
  check("spacing", spacing, dimension);
  check("origin", origin, dimension);
  check("direction", direction, dimension * dimension);
  if (!std::all_of(spacing.begin(), spacing.end(), [](double mm) { return mm >= 1e-6 && mm <= 1e6; }))
  {
    ThrowGeometry("spacing", spacing, "lengths from 1e-6 to 1e6 mm");
  }
  if (!(std::abs(ComputeDeterminant(direction)) > 1e-6))
  {
    ThrowGeometry("direction", direction, "cosines of axes that do not lie in one plane");
  }
}

nanobind::tuple
PythonResult::ToPython() const
{
  namespace nb = nanobind;
  nb::capsule                  keeper(new itk::Object::Pointer(owner),
                     [](void * pointer) noexcept { delete static_cast<itk::Object::Pointer *>(pointer); });
  const nb::ndarray<nb::numpy> array(buffer, shape.size(), shape.data(), keeper, nullptr, type);
  return nb::make_tuple(array, spacing, origin, direction, isVector);
}

void
ThrowPixelType()
{
  throw Error("the image's pixel type is not known, expected integers of 8, 16 or 32 bits, float32 or float64");
}

void
BindImage(nanobind::module_ & module)
{
  namespace nb = nanobind;
  nb::class_<PythonImage>(module, "Image", "An array and where it lies; its buffer is used as it is, not copied.")
    .def(nb::init<PythonImage::ArrayType, std::vector<double>, std::vector<double>, std::vector<double>, bool>(),
         nb::arg("array"),
         nb::arg("spacing"),
         nb::arg("origin"),
         nb::arg("direction"),
         nb::arg("is_vector"))
    .def_prop_ro("dimension", &PythonImage::GetDimension)
    .def_ro("spacing", &PythonImage::spacing)
    .def_ro("origin", &PythonImage::origin)
    .def_ro("direction", &PythonImage::direction)
    .def_ro("is_vector", &PythonImage::isVector)
    .def_prop_ro(
      "address",
      [](const PythonImage & image) {
        return VisitImage(
          image, [](const auto & input) { return reinterpret_cast<std::uintptr_t>(input->GetBufferPointer()); });
      },
      "Where the buffer of the ITK image begins that the filters get.");
}
} // namespace sam
