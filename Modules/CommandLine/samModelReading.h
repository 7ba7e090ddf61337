// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samModelReading_h
#define samModelReading_h

#include "samCommandLine.h"

#include "itkSamModel.h"

#include <functional>
#include <string>

namespace sam
{
/** Read a model onto a device, for the precision and threads that are asked for. */
itk::SamModel::Pointer
ReadModel(const CommandLine & line, const std::string & file, const std::string & device);

/** The same on the device that is asked for. */
itk::SamModel::Pointer
ReadModel(const CommandLine & line, const std::string & file);

/** The same of --model, see CommandLine::AddModel(). */
itk::SamModel::Pointer
ReadModel(const CommandLine & line);

/** What shows the fraction done and stops after Ctrl-C. */
std::function<void(double)>
MakeProgress(CommandLine & line, const std::string & text);
} // namespace sam

#endif
