// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samInterpolation.h"
#include "samModelReading.h"
#include "samStages.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Brings an image to the orientation, spacing and intensities that a model expects: the first stage of sam-segment. "
    "sam-encode takes what is written.";
  return sam::RunProgram("sam-resample", description, argc, argv, [](sam::CommandLine & line) {
    auto & parser = line.GetParser();
    line.AddModel();
    TCLAP::ValueArg<std::string> region(
      "",
      "region",
      "The part of the image that is written: cx,cy,cz,sx,sy,sz, center and size in mm (LPS). Default: all of it.",
      false,
      "",
      "BOX",
      parser);
    std::vector<std::string>             words = sam::GetInterpolationWords();
    TCLAP::ValuesConstraint<std::string> knownWords(words);
    // No default, since 3D Slicer gives every one that is not empty.
    TCLAP::ValueArg<std::string> interpolation("",
                                               "interpolation",
                                               "How the image is read between its voxels: linear; nearest; cubic "
                                               "(splines); nnunet (cubic without smoothing where "
                                               "voxels become larger, and the nearest slice along an axis of slices "
                                               "more than three times as thick as pixels are "
                                               "wide). Default: what the model says.",
                                               false,
                                               "",
                                               &knownWords,
                                               parser);
    line.AddDevice();
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image(
      "image", "The image, or the folder of a DICOM series.", true, "", "IMAGE", parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "output", "The image for sam-encode, .nrrd or .mha: a float for each channel.", true, "", "OUT.nrrd", parser);
    line.Parse();

    std::vector<sam::Region> regions;
    if (region.isSet())
    {
      regions.push_back(sam::ParseRegion("--region", region.getValue()));
    }
    sam::Resample(sam::ReadModel(line),
                  image.getValue(),
                  regions,
                  interpolation.getValue(),
                  output.getValue(),
                  sam::MakeProgress(line, image.getValue()));
    line.Print(image.getValue() + " -> " + output.getValue() + "\n");
  });
}
