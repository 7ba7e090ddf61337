// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPythonModel_h
#define samPythonModel_h

#include "itkSamModel.h"

#include <nanobind/nanobind.h>

#include <vector>

namespace sam
{
/** \class PythonModel
 * \brief A model that Python holds.
 */
struct PythonModel
{
  itk::SamModel::ConstPointer model;
};

using PythonModels = std::vector<PythonModel>;

void
BindModel(nanobind::module_ & module);
} // namespace sam

#endif
