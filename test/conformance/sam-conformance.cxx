// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samConformance.h"
#include "samDevice.h"

#include <ATen/Parallel.h>

int
main(int argc, char * argv[])
{
  int               status = 0;
  const std::string description =
    "Compares this software with published modules: runs its parts on recorded parameters and inputs, and prints for "
    "each recorded output the largest error. Ends with 0 when all outputs pass, 1 when some fail, 2 when a file or an "
    "output is not known.";
  const int mistake = sam::RunProgram("sam-conformance", description, argc, argv, [&status](sam::CommandLine & line) {
    line.AddDevice();
    line.AddThreads();
    TCLAP::UnlabeledMultiArg<std::string> paths(
      "recordings", "Recorded files (.safetensors), or folders of them.", true, "FILE|DIR", line.GetParser());
    line.Parse();
    if (line.GetThreads() > 0)
    {
      at::set_num_threads(static_cast<int>(line.GetThreads()));
    }
    const auto print = [&line](const std::string & text) {
      sam::ThrowIfInterrupted();
      line.Print(text + "\n");
    };
    sam::Conformance conformance(print, sam::FindDevice(line.GetDevice()));
    for (const auto & path : paths.getValue())
    {
      conformance.Check(path);
    }
    line.Print(conformance.GetSummary() + "\n");
    status = conformance.GetStatus();
  });
  return mistake != 0 ? mistake : status;
}
