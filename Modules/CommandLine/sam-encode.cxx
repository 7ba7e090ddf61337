// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samEncoding.h"
#include "samError.h"
#include "samModelReading.h"
#include "samSliceArguments.h"
#include "samStages.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Writes the embedding of an image, the part that takes the time: an image on the grid of the model's tokens, a "
    "vector of floats in each voxel. Of a promptable model (SAM, MobileSAM, MedSAM, HQ-SAM) it is that of an image, or "
    "of slices of a volume; sam-prompt takes it again and again. Of a model that makes its own prompts it is that of "
    "an "
    "image that sam-resample wrote; sam-auto-prompt or sam-prototype-prompt and sam-classify go on with it.";
  return sam::RunProgram("sam-encode", description, argc, argv, [](sam::CommandLine & line) {
    auto &              parser = line.GetParser();
    sam::SliceArguments slices(parser, true);
    TCLAP::SwitchArg    byWindow("",
                              "by-window",
                              "Models that make their own prompts: the output is a folder, which gets an embedding for "
                                 "each of the windows that sam-segment takes, window_0000.nrrd and so on. Without it the "
                                 "image is encoded as one, whatever its size.",
                              parser);
    line.AddDevice();
    line.AddPrecision();
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image("image", "The image.", true, "", "IMAGE", parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "embedding", "The embedding, .nrrd or .mha.", true, "", "EMBEDDING", parser);
    line.Parse();

    sam::EncodingJob job{ slices.Get(image.getValue()), output.getValue() };
    const auto       model = slices.ReadModel(line);
    const auto       progress = sam::MakeProgress(line, job.slices.image);
    if (model->IsPromptable())
    {
      if (byWindow.getValue())
      {
        throw sam::Error("--by-window: " + model->GetFileName() +
                         " takes slices, expected a model that makes its own "
                         "prompts");
      }
      sam::Encode(model, job, progress);
    }
    else
    {
      slices.CheckUnset(model);
      sam::EncodeResampled(model, job.slices.image, byWindow.getValue(), job.output, progress);
    }
    line.Print(job.slices.image + " -> " + job.output + "\n");
  });
}
