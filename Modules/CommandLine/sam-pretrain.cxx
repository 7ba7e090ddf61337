// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samError.h"
#include "samPretraining.h"
#include "samRunArguments.h"

int
main(int argc, char * argv[])
{
  const std::string description =
    "Trains the encoder of a compact network on images without labels: hidden parts of an image are told from the rest "
    "(masked), regions from a point or a box (regions). The run folder gets model.safetensors, which sam-train "
    "--initialize starts from, resume.safetensors and log.csv. Ctrl-C saves the state; --resume goes on from there, "
    "also after the run was killed.";
  return sam::RunProgram("sam-pretrain", description, argc, argv, [](sam::CommandLine & line) {
    sam::PretrainingOptions      options;
    auto &                       parser = line.GetParser();
    TCLAP::MultiArg<std::string> images("",
                                        "images",
                                        "A folder of images of any format, with everything below it but folders of "
                                        "label maps (labels*). May be given several times.",
                                        false,
                                        "DIR",
                                        parser);
    TCLAP::ValueArg<std::string> plan("",
                                      "plan",
                                      "The plan of the network whose encoder is trained: a JSON file, or a model file, "
                                      "of which the plan alone is taken.",
                                      false,
                                      "",
                                      "FILE",
                                      parser);
    TCLAP::ValueArg<std::string> output(
      "", "output", "Where the files of the run go: the run folder.", true, "", "DIR", parser);
    TCLAP::ValueArg<std::string> method("",
                                        "method",
                                        "masked (hidden tokens of an image are predicted), regions (a point or a box "
                                        "asks for a region) or both, by turns. Default: masked.",
                                        false,
                                        options.method,
                                        "WORD",
                                        parser);
    TCLAP::ValueArg<std::string> labels("",
                                        "labels",
                                        "A folder of label maps, named as the images, whose labels are regions, too. "
                                        "Default: regions are found.",
                                        false,
                                        "",
                                        "DIR",
                                        parser);
    TCLAP::MultiArg<std::string> exclude("",
                                         "exclude",
                                         "Files that are not opened: a pattern with * and ? for the path below the "
                                         "folder or the name, or a .txt file with one of them in each line. May be "
                                         "given several times.",
                                         false,
                                         "PATTERN|LIST.txt",
                                         parser);
    TCLAP::MultiArg<std::string> trainSites("",
                                            "train-site",
                                            "Of folders that a table of sites knows, learn from the images of this "
                                            "site alone; no other one is opened. May be given several times. Default: "
                                            "all.",
                                            false,
                                            "NAME",
                                            parser);
    TCLAP::ValueArg<std::string> sites("",
                                       "sites",
                                       "The table (CSV) with the site of each image. Default: sites.csv in a folder or "
                                       "beside it.",
                                       false,
                                       "",
                                       "FILE",
                                       parser);
    TCLAP::ValueArg<std::string> hidden(
      "", "hidden", "Share of the tokens that are hidden. Default: 0.7.", false, "", "SHARE", parser);
    TCLAP::ValueArg<long> slices("",
                                 "slices",
                                 "Slices of a volume that a plan of single slices learns from, evenly chosen; 0: all. "
                                 "Default: 8.",
                                 false,
                                 options.slices,
                                 "N",
                                 parser);
    sam::RunArguments     run(line, options, "0.001");
    line.Parse();

    run.Read(options);
    options.images.folders = images.getValue();
    options.images.excluded = exclude.getValue();
    options.images.trainSites = trainSites.getValue();
    options.images.sites = sites.getValue();
    options.plan = plan.getValue();
    options.output = output.getValue();
    options.method = method.getValue();
    options.labels = labels.getValue();
    options.slices = slices.getValue();
    sam::ReadNumber(hidden, options.hiddenShare);

    sam::RunDisplay display(line);
    const auto      result = sam::Pretrain(options, display.GetListener(), sam::InterruptRequested);
    display.Finish(result,
                   std::to_string(result.steps) + " steps, loss " + sam::Fixed(result.loss, 4) + ", " + options.output +
                     "/model.safetensors\n");
  });
}
