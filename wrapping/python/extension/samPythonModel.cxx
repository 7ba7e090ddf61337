// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonModel.h"

#include "samPythonProcess.h"

#include "samProvenance.h"

#include "itkMultiThreaderBase.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace sam
{
void
BindModel(nanobind::module_ & module)
{
  namespace nb = nanobind;
  nb::class_<PythonModel>(module, "Model", "A network with its plan, on one device.")
    .def_static(
      "read",
      [](const std::string & path, const std::string & device, const std::string & precision) {
        return WithoutLock([&] {
          const auto model = itk::SamModel::Read(path, device, precision);
          if (!model->IsPromptable()) // label maps of these alone are written to files
          {
            KeepMd5(model);
          }
          return PythonModel{ model.GetPointer() };
        });
      },
      nb::arg("path"),
      nb::arg("device"),
      nb::arg("precision"))
    .def_static(
      "from_plan",
      [](const std::string & plan, uint64_t seed) {
        return WithoutLock([&] { return PythonModel{ itk::SamModel::FromPlan(plan, seed).GetPointer() }; });
      },
      nb::arg("plan"),
      nb::arg("seed"))
    .def(
      "write",
      [](const PythonModel & self, const std::string & path) {
        WithoutLock([&] {
          self.model->Write(path);
          return 0;
        });
      },
      nb::arg("path"))
    .def_prop_ro("path", [](const PythonModel & self) { return self.model->GetFileName(); })
    .def_prop_ro("device", [](const PythonModel & self) { return self.model->GetDevice(); })
    .def_prop_ro("precision", [](const PythonModel & self) { return self.model->GetPrecision(); })
    .def_prop_ro(
      "plan", [](const PythonModel & self) { return self.model->GetPlanJson(); }, "The plan as JSON.")
    .def_prop_ro("dimension", [](const PythonModel & self) { return self.model->GetDimension(); })
    .def_prop_ro("orientation", [](const PythonModel & self) { return self.model->GetOrientation(); })
    .def_prop_ro("interpolation", [](const PythonModel & self) { return self.model->GetInterpolation(); })
    .def_prop_ro("spacing", [](const PythonModel & self) { return self.model->GetSpacing(); })
    .def_prop_ro("window_size", [](const PythonModel & self) { return self.model->GetWindowSize(); })
    .def_prop_ro("patch_size", [](const PythonModel & self) { return self.model->GetPatchSize(); })
    .def_prop_ro("channels",
                 [](const PythonModel & self) {
                   std::vector<std::string> names;
                   for (const auto & channel : self.model->GetChannels())
                   {
                     names.push_back(channel.name);
                   }
                   return names;
                 })
    .def_prop_ro("label_values", [](const PythonModel & self) { return self.model->GetLabelValues(); })
    .def_prop_ro("label_names", [](const PythonModel & self) { return self.model->GetLabelNames(); })
    .def_prop_ro("label_colors", [](const PythonModel & self) { return self.model->GetLabelColors(); })
    .def_prop_ro("is_promptable", [](const PythonModel & self) { return self.model->IsPromptable(); })
    .def_prop_ro("has_prototypes", [](const PythonModel & self) { return self.model->HasPrototypes(); })
    .def_prop_ro("embedding_channels",
                 [](const PythonModel & self) { return self.model->GetNumberOfEmbeddingChannels(); });

  module.def(
    "set_number_of_threads",
    [](unsigned int number) {
      itk::SamModel::SetNumberOfThreads(number);
      itk::MultiThreaderBase::SetGlobalDefaultNumberOfThreads(number);
    },
    nb::arg("number"));
  module.def("get_number_of_threads", &itk::SamModel::GetNumberOfThreads);
}
} // namespace sam
