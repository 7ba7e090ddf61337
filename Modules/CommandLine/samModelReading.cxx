// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samModelReading.h"

namespace sam
{
itk::SamModel::Pointer
ReadModel(const CommandLine & line, const std::string & file, const std::string & device)
{
  if (line.GetThreads() > 0)
  {
    itk::SamModel::SetNumberOfThreads(line.GetThreads());
  }
  return itk::SamModel::Read(file, device, line.GetPrecision());
}

itk::SamModel::Pointer
ReadModel(const CommandLine & line, const std::string & file)
{
  return ReadModel(line, file, line.GetDevice());
}

itk::SamModel::Pointer
ReadModel(const CommandLine & line)
{
  return ReadModel(line, line.GetModel());
}

std::function<void(double)>
MakeProgress(CommandLine & line, const std::string & text)
{
  return [&line, text](double fraction) {
    ThrowIfInterrupted();
    line.ShowProgress(fraction, text);
  };
}
} // namespace sam
