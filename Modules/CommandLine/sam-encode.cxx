// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samEncoding.h"
#include "samSliceArguments.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Writes the embedding of an image, or of slices of a volume, that a promptable model (SAM, MobileSAM, MedSAM) "
    "makes. sam-prompt takes it again and again, without the seconds that it takes to make it. It is an image on the "
    "grid of the model's tokens, a vector of floats in each voxel.";
  return sam::RunProgram("sam-encode", description, argc, argv, [](sam::CommandLine & line) {
    auto &              parser = line.GetParser();
    sam::SliceArguments slices(parser, true);
    line.AddDevice();
    line.AddPrecision();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image("image", "The image.", true, "", "IMAGE", parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "embedding", "The embedding, .nrrd or .mha.", true, "", "EMBEDDING", parser);
    line.Parse();

    sam::EncodingJob job{ slices.Get(image.getValue()), output.getValue() };
    const auto       model = slices.ReadModel(line);
    sam::Encode(model, job, [&](double fraction) {
      sam::ThrowIfInterrupted();
      line.ShowProgress(fraction, job.slices.image);
    });
    line.Print(job.slices.image + " -> " + job.output + "\n");
  });
}
