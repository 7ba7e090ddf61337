// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"

#include "itkSamEncoderImageFilter.h"
#include "itkSamResampleImageFilter.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace sam
{
namespace
{
nanobind::tuple
Resample(PythonProcess &             process,
         const PythonImage &         image,
         const PythonModel &         model,
         const std::vector<double> & center,
         const std::vector<double> & size,
         const std::string &         interpolation)
{
  return WithoutLock([&] {
           return VisitImage(image, [&](const auto & input) {
             using FilterType = itk::SamResampleImageFilter<typename std::decay_t<decltype(*input)>>;
             const auto filter = FilterType::New();
             filter->SetInput(input);
             filter->SetModel(model.model);
             if (!interpolation.empty())
             {
               filter->SetInterpolation(interpolation);
             }
             if (!center.empty())
             {
               filter->SetRegionOfInterest(MakePoint<typename FilterType::PointType>(center, "center of the region"),
                                           MakePoint<typename FilterType::VectorType>(size, "size of the region"));
             }
             process.Run(filter);
             return MakeResult(filter->GetOutput());
           });
         })
    .ToPython();
}

template <unsigned int VDimension>
auto
MakeEncoder(const PythonImage & image, const PythonModel & model)
{
  if (image.array.dtype() != nanobind::dtype<float>())
  {
    throw Error("the encoder's image has another pixel type, expected float32: what ResampleImageFilter answers");
  }
  auto encoder = itk::SamEncoderImageFilter<itk::VectorImage<float, VDimension>>::New();
  encoder->SetInput(Import<float, VDimension>(image));
  encoder->SetModel(model.model);
  return encoder;
}

template <unsigned int VDimension>
PythonResult
EncodeAs(PythonProcess & process, const PythonImage & image, const PythonModel & model, itk::IndexValueType window)
{
  const auto encoder = MakeEncoder<VDimension>(image, model);
  encoder->SetWindow(window);
  process.Run(encoder);
  return MakeResult<itk::VectorImage<float, VDimension>>(encoder->GetOutput());
}

nanobind::tuple
Encode(PythonProcess & process, const PythonImage & image, const PythonModel & model, itk::IndexValueType window)
{
  return WithoutLock([&] {
           return image.GetDimension() == 2 ? EncodeAs<2>(process, image, model, window)
                                            : EncodeAs<3>(process, image, model, window);
         })
    .ToPython();
}

itk::SizeValueType
CountWindows(const PythonImage & image, const PythonModel & model)
{
  return WithoutLock([&] {
    const unsigned int dimension = image.GetDimension();
    itk::SamModel::Verify(model.model, dimension);
    return dimension == 2 ? MakeEncoder<2>(image, model)->GetNumberOfWindows()
                          : MakeEncoder<3>(image, model)->GetNumberOfWindows();
  });
}
} // namespace

void
BindStages(nanobind::module_ & module)
{
  namespace nb = nanobind;
  module.def("resample",
             &Resample,
             nb::arg("process"),
             nb::arg("image"),
             nb::arg("model"),
             nb::arg("center"),
             nb::arg("size"),
             nb::arg("interpolation"));
  module.def("encode", &Encode, nb::arg("process"), nb::arg("image"), nb::arg("model"), nb::arg("window"));
  module.def("count_windows", &CountWindows, nb::arg("image"), nb::arg("model"));
}
} // namespace sam
