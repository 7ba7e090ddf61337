// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samTrainer.h"

#include <atomic>
#include <locale>
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
} // namespace

int
main(int argc, char * argv[])
{
  const std::string description =
    "Trains a network on a data set with a dataset.json (Medical Segmentation Decathlon or nnU-Net). The run folder "
    "gets model.safetensors (best validation Dice), last.safetensors, resume.safetensors, log.csv and split.json. "
    "Ctrl-C saves the state; --resume goes on from there.";
  return sam::RunProgram("sam-train", description, argc, argv, [](sam::CommandLine & line) {
    const sam::TrainingOptions   defaults;
    auto &                       parser = line.GetParser();
    TCLAP::ValueArg<std::string> dataset("", "dataset", "The folder of the data set.", true, "", "DIR", parser);
    TCLAP::ValueArg<std::string> plan(
      "",
      "plan",
      "masksam, which plans for the data set; masksam_acdc, masksam_synapse or masksam_amos, the published networks "
      "(with "
      "_published behind: with the published behavior, too); or a JSON file with a plan. Default: masksam.",
      false,
      "masksam",
      "PLAN",
      parser);
    TCLAP::ValueArg<std::string> initialize("",
                                            "initialize",
                                            "A checkpoint of SAM that the network's parts start from; what the plan "
                                            "freezes of them stays. Default: everything is new and trained.",
                                            false,
                                            "",
                                            "FILE",
                                            parser);
    TCLAP::ValueArg<std::string> output("", "output", "The run folder.", true, "", "DIR", parser);
    TCLAP::ValueArg<long>        epochs(
      "",
      "epochs",
      "Passes over the training cases. Default: no limit where --max-minutes is given, else 100.",
      false,
      0,
      "N",
      parser);
    TCLAP::ValueArg<std::string> maximumMinutes(
      "",
      "max-minutes",
      "Time for this call. The learning rate falls with it. Default: no limit.",
      false,
      "0",
      "MINUTES",
      parser);
    TCLAP::ValueArg<unsigned long> seed("", "seed", "Of everything that is random. Default: 0.", false, 0, "N", parser);
    TCLAP::SwitchArg               resume("", "resume", "Go on with the run in the run folder.", parser);
    TCLAP::ValueArg<std::string>   split(
      "",
      "split",
      "nnU-Net's splits_final.json; cases on neither side are not touched. Default: a random fifth of the patients is "
        "for validation.",
      false,
      "",
      "FILE",
      parser);
    TCLAP::ValueArg<long>        fold("", "fold", "Which entry of --split. Default: 0.", false, 0, "N", parser);
    TCLAP::ValueArg<std::string> mirror(
      "",
      "mirror",
      "Axes (0 = x, 1 = y, 2 = z of the model's grid) along which half of the windows "
      "are mirrored, such as 0. Default: none.",
      false,
      "",
      "LIST",
      parser);
    TCLAP::ValueArg<long> batch("", "batch", "Windows per step. Default: 2.", false, defaults.batch, "N", parser);
    TCLAP::ValueArg<std::string> learningRate(
      "", "learning-rate", "The highest. Default: 0.002.", false, "0.002", "RATE", parser);
    TCLAP::ValueArg<long> validationInterval("",
                                             "validation-interval",
                                             "Epochs between validations. Default: 5.",
                                             false,
                                             defaults.validationInterval,
                                             "N",
                                             parser);
    line.AddDevice();
    line.AddThreads();
    line.AddQuiet();
    line.Parse();

    sam::TrainingOptions options;
    options.dataset = dataset.getValue();
    options.plan = plan.getValue();
    options.initialize = initialize.getValue();
    options.note = [&line](const std::string & text) { line.Print(text + "\n"); };
    options.output = output.getValue();
    options.device = line.GetDevice();
    options.split = split.getValue();
    options.fold = fold.getValue();
    options.epochs = epochs.getValue();
    options.maximumMinutes = sam::ParseNumbers("--max-minutes", maximumMinutes.getValue()).front();
    options.seed = seed.getValue();
    options.threads = line.GetThreads();
    options.resume = resume.getValue();
    options.batch = batch.getValue();
    options.learningRate = sam::ParseNumbers("--learning-rate", learningRate.getValue()).front();
    options.validationInterval = validationInterval.getValue();
    if (mirror.isSet())
    {
      for (const int axis : sam::ParseIntegers("--mirror", mirror.getValue()))
      {
        options.mirrorAxes.push_back(static_cast<size_t>(axis));
      }
    }

    std::atomic<bool> interrupt{ false };
    const auto        report = [&](const sam::TrainingProgress & progress) {
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
    const auto result = sam::Train(options, report, interrupt);
    if (result.interrupted)
    {
      line.Print("stopped in epoch " + std::to_string(result.epochs + 1) + ", --resume goes on\n");
      sam::ThrowIfInterrupted();
    }
    line.Print("best validation Dice " + Fixed(result.bestMeanDice, 4) + ", " + options.output +
               "/model.safetensors\n");
  });
}
