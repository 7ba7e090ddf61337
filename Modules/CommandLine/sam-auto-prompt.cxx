// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samModelReading.h"
#include "samStages.h"

int
main(int argc, char * argv[])
{
  const std::string description = "Makes prompts from an embedding, with nothing drawn by hand: masks, boxes and class "
                                  "tokens (MaskSAM). The stage of "
                                  "sam-segment between sam-encode and sam-classify.";
  return sam::RunProgram("sam-auto-prompt", description, argc, argv, [](sam::CommandLine & line) {
    auto & parser = line.GetParser();
    line.AddModel();
    TCLAP::ValueArg<std::string> masks(
      "",
      "masks",
      "Where the logits of the prompts' masks go, as components of an image, or the folder for them.",
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
      "output", "The prompts, .safetensors, or the folder for them.", true, "", "OUT.safetensors|DIR", parser);
    line.Parse();

    sam::AutoPrompt(sam::ReadModel(line),
                    embedding.getValue(),
                    output.getValue(),
                    masks.getValue(),
                    sam::MakeProgress(line, embedding.getValue()));
    line.Print(embedding.getValue() + " -> " + output.getValue() + "\n");
  });
}
