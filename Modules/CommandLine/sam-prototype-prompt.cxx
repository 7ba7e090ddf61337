// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samModelReading.h"
#include "samStages.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Makes a dense prompt from an embedding with the prototypes that the model has learned (DAPSAM). The stage of "
    "sam-segment between sam-encode and sam-classify.";
  return sam::RunProgram("sam-prototype-prompt", description, argc, argv, [](sam::CommandLine & line) {
    auto & parser = line.GetParser();
    line.AddModel();
    TCLAP::ValueArg<std::string> similarity(
      "",
      "similarity",
      "Where the cosine of each token and the slice's mixture of prototypes goes, as an image, or the folder for them.",
      false,
      "",
      "FILE|DIR",
      parser);
    line.AddDevice();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> embedding(
      "embedding",
      "The embedding that sam-encode wrote, or a part of it, or a folder of them.",
      true,
      "",
      "FILE|DIR",
      parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "output", "The dense prompt, .nrrd or .mha, or the folder for them.", true, "", "OUT.nrrd|DIR", parser);
    line.Parse();

    sam::PrototypePrompt(sam::ReadModel(line),
                         embedding.getValue(),
                         output.getValue(),
                         similarity.getValue(),
                         sam::MakeProgress(line, embedding.getValue()));
    line.Print(embedding.getValue() + " -> " + output.getValue() + "\n");
  });
}
