// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"
#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"

#include "samDirectionRepair.h"

NB_MODULE(_itksam, module)
{
  namespace nb = nanobind;
  const sam::DirectionRepair repair({}); // the first one, before other threads read
  module.doc() = "The C++ library behind the package itksam.";
  module.attr("torch_version") = SegmentAnything_TORCH_VERSION;
  const auto error = nb::exception<sam::Error>(module, "Error", PyExc_RuntimeError);
  nb::exception<sam::Aborted>(module, "Aborted", error);
  sam::BindProcess(module);
  sam::BindImage(module);
  sam::BindModel(module);
  sam::BindSegmentation(module);
  sam::BindPrompting(module);
  sam::BindSlices(module);
  sam::BindStages(module);
  sam::BindPrompts(module);
  sam::BindEvaluation(module);
  sam::BindTraining(module);
}
