// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPythonFilters_h
#define samPythonFilters_h

#include <nanobind/nanobind.h>

/** The parts of the extension. */
namespace sam
{
void
BindSegmentation(nanobind::module_ & module);
void
BindPrompting(nanobind::module_ & module);
void
BindSlices(nanobind::module_ & module);
void
BindStages(nanobind::module_ & module);
void
BindPrompts(nanobind::module_ & module);
void
BindEvaluation(nanobind::module_ & module);
void
BindTraining(nanobind::module_ & module);
} // namespace sam

#endif
