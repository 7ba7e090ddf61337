// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samError.h"
#include "samRunArguments.h"
#include "samTrainer.h"

#include <memory>

namespace
{
/** --fold: an entry of --split, or K/N. */
void
ReadFold(const std::string & text, sam::TrainingOptions & options)
{
  const auto slash = text.find('/');
  options.fold = sam::ParseIntegers("--fold", text.substr(0, slash)).front();
  if (slash != std::string::npos)
  {
    options.folds = sam::ParseIntegers("--fold", text.substr(slash + 1)).front();
  }
  if (options.split.empty() ? options.folds < 2 : options.folds != 0)
  {
    throw sam::Error(
      "--fold '" + text + "', expected " +
      (options.split.empty() ? "K/N without --split, such as 0/5" : "the number of an entry of --split"));
  }
}
} // namespace

int
main(int argc, char * argv[])
{
  const std::string description =
    "Trains a network on a data set with a dataset.json (Medical Segmentation Decathlon or nnU-Net). The run folder "
    "gets model.safetensors (best validation Dice), last.safetensors, resume.safetensors, log.csv, report.html and "
    "split.json. Ctrl-C saves the state; --resume goes on from there, also after the run was killed. Started by "
    "torchrun, srun or mpirun, the processes train one network together.";
  return sam::RunProgram("sam-train", description, argc, argv, [](sam::CommandLine & line) {
    const sam::TrainingOptions defaults;
    auto &                     parser = line.GetParser();
    const auto                 make = [&parser](const char * name, const char * text, const char * value) {
      return std::make_unique<TCLAP::ValueArg<std::string>>("", name, text, false, "", value, parser);
    };
    TCLAP::ValueArg<std::string> dataset("", "dataset", "The folder of the data set.", true, "", "DIR", parser);
    TCLAP::ValueArg<std::string> output(
      "", "output", "Where the files of the run go: the run folder.", true, "", "DIR", parser);
    const auto plan = make(
      "plan",
      "masksam, which plans for the data set; dapsam, a network of slices for several scanners, or unet, a plain "
      "U-Net, "
      "likewise; masksam_acdc, masksam_synapse or masksam_amos, the published networks "
      "(with _published behind: with the published behavior, too); dapsam_prostate or dapsam_fundus likewise; or a "
      "JSON file with a plan, or a model file, of which the plan alone is taken. Default: masksam.",
      "PLAN");
    const auto change = make("change-plan",
                             "JSON that is merged into the plan (RFC 7386), such as {\"compatibility\": "
                             "[\"set_loss_only\"]}, to see what a part is worth. Default: none.",
                             "JSON");
    const auto initialize =
      make("initialize",
           "A checkpoint of SAM, or a model file such as sam-pretrain's, that the network's parts "
           "start from; what the plan freezes of them stays. Default: everything is new and "
           "trained.",
           "FILE");
    TCLAP::SwitchArg freezeEncoder(
      "", "freeze-encoder", "Train nothing of the encoder that --initialize brings but its adapters.", parser);
    const auto window =
      make("window", "Voxels of the planned network's window, x,y,z. Default: from the data.", "X,Y,Z");
    const auto                   frame = make("frame",
                            "What the planned network does with a black frame around slices: remove (it sees what is "
                                              "inside, here and in sam-segment), keep, or auto (dapsam and unet: removed where training "
                                              "images that are single slices have one; volumes are not searched). Default: auto.",
                            "WORD");
    TCLAP::MultiArg<std::string> without(
      "",
      "without",
      "Leave a part out of the plan dapsam: adapters (of low-level features) or prototypes. May be given twice.",
      false,
      "PART",
      parser);
    TCLAP::SwitchArg nestLabels(
      "",
      "nest-labels",
      "The planned network's labels are nested, each one contains those after it: disc and cup. With --plan dapsam or "
      "unet.",
      parser);
    const auto split = make("split",
                            "nnU-Net's splits_final.json; cases on neither side are not touched. Default: a random "
                            "fifth of the patients is for validation.",
                            "FILE");
    const auto fold =
      make("fold", "Which entry of --split (default 0), or K/N: part K of N, by patient, shuffled by --seed.", "K|K/N");
    TCLAP::MultiArg<std::string> trainSites(
      "",
      "train-site",
      "Train and validate on the cases of this site alone; no file of another one is opened. May be given several "
      "times. Default: all.",
      false,
      "NAME",
      parser);
    const auto sites =
      make("sites", "The table (CSV) with the site of each case. Default: sites.csv beside dataset.json.", "FILE");
    TCLAP::ValueArg<long> patience("",
                                   "patience",
                                   "End after so many validations in a row without a better Dice. Default: 0, never.",
                                   false,
                                   defaults.patience,
                                   "N",
                                   parser);
    TCLAP::SwitchArg      mirrorValidation(
      "", "mirror-validation", "Validate on the mean over the mirrored axes, as sam-segment --mirror.", parser);
    const auto            foreground = make("foreground",
                                 "Share of the windows around a foreground voxel, 0 to 1. Default: a third, half where "
                                            "foreground is rare.",
                                 "SHARE");
    TCLAP::ValueArg<long> validationInterval("",
                                             "validation-interval",
                                             "Epochs between validations. Default: 5.",
                                             false,
                                             defaults.validationInterval,
                                             "N",
                                             parser);
    sam::RunArguments     run(line, defaults, "0.002");
    line.Parse();

    sam::TrainingOptions options;
    const auto           read = [](const auto & argument, std::string & value) {
      value = argument->isSet() ? argument->getValue() : value;
    };
    run.Read(options);
    options.dataset = dataset.getValue();
    options.output = output.getValue();
    options.freezesEncoder = freezeEncoder.getValue();
    read(plan, options.plan);
    read(change, options.planChange);
    read(initialize, options.initialize);
    read(split, options.split);
    read(sites, options.sites);
    options.trainSites = trainSites.getValue();
    read(frame, options.frame);
    options.without = without.getValue();
    options.nestsLabels = nestLabels.getValue();
    sam::ReadNumber(*foreground, options.foregroundShare);
    options.patience = patience.getValue();
    options.validationInterval = validationInterval.getValue();
    options.mirrorsValidation = mirrorValidation.getValue();
    if (fold->isSet())
    {
      ReadFold(fold->getValue(), options);
    }
    if (window->isSet())
    {
      const auto sizes = sam::ParseIntegers("--window", window->getValue());
      if (sizes.size() != 3)
      {
        throw sam::Error("--window '" + window->getValue() + "', expected three sizes, such as 256,256,8");
      }
      options.window = { sizes[0], sizes[1], sizes[2] };
    }

    sam::RunDisplay display(line);
    const auto      result = sam::Train(options, display.GetListener(), sam::InterruptRequested);
    display.Finish(
      result,
      std::string(result.ranOutOfPatience
                    ? "ended early: no better Dice in " + std::to_string(options.patience) + " validations\n"
                    : "") +
        "best validation Dice " + sam::Fixed(result.bestMeanDice, 4) + ", " + options.output + "/model.safetensors\n");
  });
}
