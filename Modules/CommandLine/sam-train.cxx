// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samError.h"
#include "samTrainer.h"

#include <atomic>
#include <locale>
#include <memory>
#include <sstream>

namespace
{
std::string
Clock(double minutes)
{
  const auto         seconds = static_cast<long>(minutes * 60.0 + 0.5);
  std::ostringstream text;
  text << seconds / 60 << ':' << (seconds % 60 < 10 ? "0" : "") << seconds % 60;
  return text.str();
}

std::string
Fixed(double value, int digits)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.setf(std::ios::fixed);
  text.precision(digits);
  text << value;
  return text.str();
}

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

std::vector<size_t>
ReadAxes(const std::string & option, const std::string & text)
{
  std::vector<size_t> axes;
  for (const int axis : sam::ParseIntegers(option, text))
  {
    axes.push_back(static_cast<size_t>(axis));
  }
  return axes;
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
    TCLAP::SwitchArg resume(
      "", "resume", "Go on with the run in the run folder; begin it where there is none.", parser);
    const auto plan = make(
      "plan",
      "masksam, which plans for the data set; dapsam, a network of slices for several scanners, or unet, a plain "
      "U-Net, "
      "likewise; masksam_acdc, masksam_synapse or masksam_amos, the published networks "
      "(with _published behind: with the published behavior, too); dapsam_prostate or dapsam_fundus likewise; or a "
      "JSON "
      "file with a plan. Default: masksam.",
      "PLAN");
    const auto change = make("change-plan",
                             "JSON that is merged into the plan (RFC 7386), such as {\"compatibility\": "
                             "[\"set_loss_only\"]}, to see what a part is worth. Default: none.",
                             "JSON");
    const auto initialize = make("initialize",
                                 "A checkpoint of SAM that the network's parts start from; what the plan freezes of "
                                 "them stays. Default: everything is new and trained.",
                                 "FILE");
    const auto window =
      make("window", "Voxels of the planned network's window, x,y,z. Default: from the data.", "X,Y,Z");
    const auto                   frame = make("frame",
                            "What the planned network does with a black frame around slices: remove (it sees what is "
                                              "inside, here and in sam-segment), keep, or auto (dapsam and unet: removed where training "
                                              "images have one). Default: auto.",
                            "WORD");
    TCLAP::MultiArg<std::string> without(
      "",
      "without",
      "Leave a part out of the plan dapsam: adapters (of low-level features) or prototypes. May be given twice.",
      false,
      "PART",
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
    const auto            cache = make("cache",
                            "Folder where prepared cases are kept for the next start, which runs may share; none: "
                                       "nowhere. Default: in the run folder.",
                            "DIR|none");
    TCLAP::ValueArg<long> epochs(
      "",
      "epochs",
      "Passes over the training cases. Default: no limit where --max-minutes is given, else 100.",
      false,
      0,
      "N",
      parser);
    const auto maximumMinutes =
      make("max-minutes", "Time for this call. The learning rate falls with it. Default: no limit.", "MINUTES");
    TCLAP::ValueArg<long>          patience("",
                                   "patience",
                                   "End after so many validations in a row without a better Dice. Default: 0, never.",
                                   false,
                                   defaults.patience,
                                   "N",
                                   parser);
    TCLAP::ValueArg<unsigned long> seed("", "seed", "Of everything that is random. Default: 0.", false, 0, "N", parser);
    TCLAP::ValueArg<long>          batch(
      "", "batch", "Windows of one pass, in each process. Default: 2.", false, defaults.batch, "N", parser);
    TCLAP::ValueArg<long> accumulate(
      "", "accumulate", "Passes whose gradients make one step. Default: 1.", false, defaults.accumulate, "N", parser);
    const auto learningRate = make("learning-rate", "The highest. Default: 0.002.", "RATE");
    const auto schedule =
      make("schedule", "How the learning rate falls: cosine, polynomial or dapsam. Default: cosine.", "WORD");
    const auto precision =
      make("precision",
           "float32, or bfloat16: mixed precision, which pays where the device has units for it. Default: float32.",
           "TYPE");
    const auto augmentation =
      make("augmentation",
           "compact (small turns, noise, gamma), masksam (as published: turns up to 180 "
           "degrees in plane, coarse images, contrast), slaug (compact, and every second window "
           "with other intensities, for other scanners) or none. Default: compact.",
           "WORD");
    const auto augmentFrame =
      make("augment-frame",
           "Share of the windows, 0 to 1, that shrink into a black frame of random width. Default: 0.",
           "SHARE");
    const auto       mirror = make("mirror",
                             "Axes (0 = x, 1 = y, 2 = z of the model's grid) along which half of the windows are "
                                   "mirrored, such as 0. Default: none.",
                             "LIST");
    TCLAP::SwitchArg mirrorValidation(
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
    const auto            saveInterval =
      make("save-interval", "Minutes between savings of the state; 0: after every step. Default: 5.", "MINUTES");
    TCLAP::ValueArg<long> loaders("",
                                  "loaders",
                                  "Threads that make windows while the network computes. They change no result. "
                                  "Default: 1.",
                                  false,
                                  defaults.loaders,
                                  "N",
                                  parser);
    line.AddDevice();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    sam::TrainingOptions options;
    const auto           read = [](const auto & argument, std::string & value) {
      value = argument->isSet() ? argument->getValue() : value;
    };
    const auto readNumber = [](const auto & argument, double & value) {
      if (argument->isSet())
      {
        const auto numbers = sam::ParseNumbers("--" + argument->getName(), argument->getValue());
        if (numbers.size() != 1)
        {
          throw sam::Error("--" + argument->getName() + " '" + argument->getValue() + "', expected one number");
        }
        value = numbers.front();
      }
    };
    options.dataset = dataset.getValue();
    options.output = output.getValue();
    options.resume = resume.getValue();
    read(plan, options.plan);
    read(change, options.planChange);
    read(initialize, options.initialize);
    read(split, options.split);
    read(sites, options.sites);
    options.trainSites = trainSites.getValue();
    read(cache, options.cache);
    read(schedule, options.schedule);
    read(precision, options.precision);
    read(augmentation, options.augmentation);
    read(frame, options.frame);
    options.without = without.getValue();
    readNumber(augmentFrame, options.frameProbability);
    readNumber(maximumMinutes, options.maximumMinutes);
    readNumber(learningRate, options.learningRate);
    readNumber(foreground, options.foregroundShare);
    readNumber(saveInterval, options.saveMinutes);
    options.device = line.GetDevice();
    options.threads = line.GetThreads();
    options.epochs = epochs.getValue();
    options.patience = patience.getValue();
    options.seed = seed.getValue();
    options.batch = batch.getValue();
    options.accumulate = accumulate.getValue();
    options.validationInterval = validationInterval.getValue();
    options.loaders = loaders.getValue();
    options.mirrorsValidation = mirrorValidation.getValue();
    if (fold->isSet())
    {
      ReadFold(fold->getValue(), options);
    }
    if (mirror->isSet())
    {
      options.mirrorAxes = ReadAxes("--mirror", mirror->getValue());
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

    std::atomic<bool>     interrupt{ false };
    sam::TrainingListener listener;
    listener.note = [&line](const std::string & text) { line.Print(text + "\n"); };
    listener.warn = [&line](const std::string & text) { line.Warn(text); };
    listener.report = [&](const sam::TrainingProgress & progress) {
      interrupt = sam::InterruptRequested();
      if (progress.validated)
      {
        std::string text = "epoch " + std::to_string(progress.epoch) + ", " + Clock(progress.minutes) + " min, loss " +
                           Fixed(progress.loss, 4) + ", validation Dice " + Fixed(progress.meanDice, 4);
        for (const auto & [name, dice] : progress.dice)
        {
          text += ", " + name + " " + Fixed(dice, 4);
        }
        line.Print(text + (progress.meanDice >= progress.bestMeanDice ? " (best)\n" : "\n"));
        return;
      }
      line.ShowProgress(progress.fraction,
                        "epoch " + std::to_string(progress.epoch) + ", step " + std::to_string(progress.step) + "/" +
                          std::to_string(progress.steps) + ", loss " + Fixed(progress.loss, 4) + ", " +
                          Clock(progress.remainingMinutes) + " min left");
    };
    const auto result = sam::Train(options, listener, interrupt);
    const auto print = [&](const std::string & text) {
      if (result.isFirstProcess)
      {
        line.Print(text);
      }
    };
    if (result.interrupted)
    {
      print("stopped in epoch " + std::to_string(result.epochs + 1) + ", --resume goes on\n");
      sam::ThrowIfInterrupted();
    }
    if (result.ranOutOfPatience)
    {
      print("ended early: no better Dice in " + std::to_string(options.patience) + " validations\n");
    }
    print("best validation Dice " + Fixed(result.bestMeanDice, 4) + ", " + options.output + "/model.safetensors\n");
  });
}
