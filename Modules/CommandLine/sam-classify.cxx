// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samModelReading.h"
#include "samProvenance.h"
#include "samStages.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Turns embeddings and their prompts into a label map: the last stage of sam-segment. With --image the windows of "
    "an "
    "image are blended and the labels lie on its grid; without it those of one embedding, whole or a part, lie on its "
    "own voxels.";
  return sam::RunProgram("sam-classify", description, argc, argv, [](sam::CommandLine & line) {
    auto & parser = line.GetParser();
    line.AddModel();
    TCLAP::ValueArg<std::string> image(
      "", "image", "The image that was given to sam-resample. Its grid alone is read.", false, "", "FILE|DIR", parser);
    TCLAP::MultiArg<std::string> region("",
                                        "region",
                                        "The part of the image that was given to sam-resample: cx,cy,cz,sx,sy,sz. May "
                                        "be given several times, with the windows of all parts in one folder.",
                                        false,
                                        "BOX",
                                        parser);
    TCLAP::ValueArg<std::string> probabilities(
      "",
      "probabilities",
      "Where the probability of each label goes, as components of an image; without --image.",
      false,
      "",
      "FILE",
      parser);
    line.AddDevice();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> embedding(
      "embedding", "The embedding that sam-encode wrote, or a folder of them.", true, "", "FILE|DIR", parser);
    TCLAP::UnlabeledValueArg<std::string> prompts(
      "prompts",
      "Its prompts that sam-auto-prompt or sam-prototype-prompt wrote, or the folder of them.",
      true,
      "",
      "FILE|DIR",
      parser);
    TCLAP::UnlabeledValueArg<std::string> output("output", "The label map.", true, "", "OUT", parser);
    line.Parse();

    sam::ClassificationJob job;
    job.embedding = embedding.getValue();
    job.prompts = prompts.getValue();
    job.image = image.getValue();
    for (const auto & text : region.getValue())
    {
      job.regions.push_back(sam::ParseRegion("--region", text));
    }
    job.output = output.getValue();
    job.probabilities = probabilities.getValue();
    const auto model = sam::ReadModel(line);
    sam::KeepMd5For(job.output, model);
    sam::Classify(model, job, sam::MakeProgress(line, job.embedding));
    line.Print(job.embedding + " -> " + job.output + "\n");
  });
}
