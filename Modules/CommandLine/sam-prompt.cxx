// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samPrompting.h"
#include "samProvenance.h"
#include "samSliceArguments.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Segments what points, boxes and masks point at, with a promptable model (SAM, MobileSAM, MedSAM, HQ-SAM), on a "
    "2-D image or on slices of a volume. The label map has the image's size, spacing, origin and direction; slices "
    "without prompts "
    "are 0. Coordinates are mm (LPS); a picture without spacing has pixels of 1 mm, the first one's center at 0,0.";
  return sam::RunProgram("sam-prompt", description, argc, argv, [](sam::CommandLine & line) {
    auto &                       parser = line.GetParser();
    sam::SliceArguments          slices(parser, false);
    TCLAP::ValueArg<std::string> embedding(
      "", "embedding", "The embedding of the image that sam-encode wrote.", false, "", "FILE", parser);
    TCLAP::MultiArg<std::string> point("",
                                       "point",
                                       "A point: x,y,z or x,y,z,0 in the background; 2-D images: x,y or x,y,0. May be "
                                       "given several times.",
                                       false,
                                       "POINT",
                                       parser);
    TCLAP::MultiArg<std::string> box(
      "",
      "box",
      "A box: opposite corners x1,y1,z1,x2,y2,z2, 2-D images x1,y1,x2,y2. In a volume it "
      "prompts every slice whose center lies in it. May be given several times.",
      false,
      "BOX",
      parser);
    TCLAP::ValueArg<std::string> mask("",
                                      "mask",
                                      "A mask as a prompt: a label map on the image's grid whose values are objects "
                                      "(one value is that of the only object), or what --logits wrote.",
                                      false,
                                      "",
                                      "FILE",
                                      parser);
    TCLAP::MultiArg<std::string> prompts(
      "",
      "prompts",
      "Points and boxes of several objects: JSON such as {\"objects\": [{\"label\": 1, \"points\": [[x, y, z, 1]], "
      "\"boxes\": []}]} in mm, with \"index_points\" and \"index_boxes\" in whole voxels of the image, counted from 0 "
      "(of a box the first and the last one), or what 3D Slicer wrote (.mrk.json of point lists and ROIs, .fcsv). In "
      "Slicer's files a point "
      "whose label or description begins with '-', 'neg' or 'background' lies in the background, and a number as "
      "description is the object (default: 1); what is hidden is left out. May be given several times.",
      false,
      "FILE.fcsv|FILE.json",
      parser);
    TCLAP::SwitchArg multimask("",
                               "multimask",
                               "Let the model answer several masks and take the one with the best score: for a single "
                               "point, which is ambiguous.",
                               parser,
                               false);
    TCLAP::SwitchArg hqTokenOnly(
      "", "hq-token-only", "HQ-SAM: the mask of its own token alone, without SAM's added to it.", parser, false);
    TCLAP::ValueArg<std::string> scores("",
                                        "scores",
                                        "Where the scores of all masks go, as JSON: the overlap (IoU) with the truth "
                                        "that the model expects.",
                                        false,
                                        "",
                                        "FILE.json",
                                        parser);
    TCLAP::ValueArg<std::string> masks("",
                                       "masks",
                                       "Where all masks go, 0 and 1, as components of an image: those of the first "
                                       "object, then those of the next.",
                                       false,
                                       "",
                                       "FILE",
                                       parser);
    TCLAP::ValueArg<std::string> logits(
      "", "logits", "Where the logits of the chosen masks go, to refine with --mask.", false, "", "FILE", parser);
    TCLAP::ValueArg<std::string> preview(
      "", "preview", "Where a picture with the labels' outlines goes.", false, "", "FILE.png", parser);
    line.AddDevice();
    line.AddPrecision();
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image("image", "The image.", true, "", "IMAGE", parser);
    TCLAP::UnlabeledValueArg<std::string> output("output", "The label map.", true, "", "OUT", parser);
    line.Parse();

    sam::PromptingJob job;
    job.slices = slices.Get(image.getValue());
    job.embedding = embedding.getValue();
    job.mask = mask.getValue();
    job.points = point.getValue();
    job.boxes = box.getValue();
    job.prompts = prompts.getValue();
    job.multimask = multimask.getValue();
    job.hqTokenOnly = hqTokenOnly.getValue();
    job.output = output.getValue();
    job.scores = scores.getValue();
    job.masks = masks.getValue();
    job.logits = logits.getValue();
    job.preview = preview.getValue();
    const auto model = slices.ReadModel(line);
    sam::KeepMd5For(job.output, model);
    const auto lines = sam::Prompt(
      model,
      job,
      [&](double fraction) {
        sam::ThrowIfInterrupted();
        line.ShowProgress(fraction, job.slices.image);
      },
      [&](const std::string & notice) { line.Warn(notice); });
    line.Print(lines + job.slices.image + " -> " + job.output + "\n");
  });
}
