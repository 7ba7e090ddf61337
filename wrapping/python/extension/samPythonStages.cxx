// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"

#include "itkSamEncoderImageFilter.h"
#include "itkSamResampleImageFilter.h"

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
         const std::vector<double> & size)
{
  return WithoutLock([&] {
           return VisitImage(image, [&](const auto & input) {
             using FilterType = itk::SamResampleImageFilter<typename std::decay_t<decltype(*input)>>;
             const auto filter = FilterType::New();
             filter->SetInput(input);
             filter->SetModel(model.model);
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
PythonResult
EncodeAs(PythonProcess & process, const PythonImage & image, const PythonModel & model)
{
  using ImageType = itk::VectorImage<float, VDimension>;
  const auto filter = itk::SamEncoderImageFilter<ImageType>::New();
  filter->SetInput(Import<float, VDimension>(image));
  filter->SetModel(model.model);
  process.Run(filter);
  return MakeResult<ImageType>(filter->GetOutput());
}

nanobind::tuple
Encode(PythonProcess & process, const PythonImage & image, const PythonModel & model)
{
  if (image.array.dtype() != nanobind::dtype<float>())
  {
    throw Error("the encoder's image has another pixel type, expected float32: what ResampleImageFilter answers");
  }
  return WithoutLock([&] {
           return image.GetDimension() == 2 ? EncodeAs<2>(process, image, model) : EncodeAs<3>(process, image, model);
         })
    .ToPython();
}
} // namespace

void
BindStages(nanobind::module_ & module)
{
  namespace nb = nanobind;
  module.def(
    "resample", &Resample, nb::arg("process"), nb::arg("image"), nb::arg("model"), nb::arg("center"), nb::arg("size"));
  module.def("encode", &Encode, nb::arg("process"), nb::arg("image"), nb::arg("model"));
}
} // namespace sam
