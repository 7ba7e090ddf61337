// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRunArguments.h"

#include "samAugmentation.h"
#include "samError.h"

#include <locale>
#include <sstream>

namespace sam
{
void
ReadNumber(TCLAP::ValueArg<std::string> & argument, double & value)
{
  if (!argument.isSet())
  {
    return;
  }
  const auto numbers = ParseNumbers("--" + argument.getName(), argument.getValue());
  if (numbers.size() != 1)
  {
    throw Error("--" + argument.getName() + " '" + argument.getValue() + "', expected one number");
  }
  value = numbers.front();
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

std::string
Clock(double minutes)
{
  const auto         seconds = static_cast<long>(minutes * 60.0 + 0.5);
  std::ostringstream text;
  text << seconds / 60 << ':' << (seconds % 60 < 10 ? "0" : "") << seconds % 60;
  return text.str();
}

RunArguments::RunArguments(CommandLine & line, const RunOptions & standard, const std::string & learningRate)
  : m_Line(line)
  , m_Resume(
      "",
      "resume",
      "Go on with the run in the run folder, with the options that it began with: others than limits need not be "
      "given again, and cannot be changed. Begin it where there is none.",
      line.GetParser())
  , m_Cache("",
            "cache",
            "Folder where prepared cases are kept for the next start, which runs may share; none: nowhere. Default: in "
            "the run folder.",
            false,
            "",
            "DIR|none",
            line.GetParser())
  , m_Epochs("",
             "epochs",
             "Passes over the training cases; 0: no limit. Default: no limit where --steps or --max-minutes is given, "
             "else 100.",
             false,
             0,
             "N",
             line.GetParser())
  , m_Steps("", "steps", "Steps of the whole run; 0: no limit. Default: no limit.", false, 0, "N", line.GetParser())
  , m_MaximumMinutes(
      "",
      "max-minutes",
      "Time for this call. The learning rate falls with it. Default: no limit; with --resume and no other "
      "limit, what the call before had left.",
      false,
      "",
      "MINUTES",
      line.GetParser())
  , m_Seed("", "seed", "Of everything that is random. Default: 0.", false, 0, "N", line.GetParser())
  , m_Batch("",
            "batch",
            "Windows of one pass, in each process. Default: " + std::to_string(standard.batch) + ".",
            false,
            standard.batch,
            "N",
            line.GetParser())
  , m_Accumulate("",
                 "accumulate",
                 "Passes whose gradients make one step. Default: 1.",
                 false,
                 standard.accumulate,
                 "N",
                 line.GetParser())
  , m_LearningRate("",
                   "learning-rate",
                   "The highest. Default: " + learningRate + ".",
                   false,
                   "",
                   "RATE",
                   line.GetParser())
  , m_Optimizer("",
                "optimizer",
                "adamw, or sgd: Nesterov's momentum of 0.99, as in nnU-Net and in MaskSAM for ACDC. Default: adamw.",
                false,
                "",
                "WORD",
                line.GetParser())
  , m_Schedule("",
               "schedule",
               "How the learning rate falls: cosine, polynomial or dapsam. Default: cosine.",
               false,
               "",
               "WORD",
               line.GetParser())
  , m_WeightDecay("",
                  "weight-decay",
                  "How fast weights fall to 0, times the learning rate; norms, biases and tables do not. Default: " +
                    Fixed(standard.weightDecay, 2) + ".",
                  false,
                  "",
                  "RATE",
                  line.GetParser())
  , m_GradientNorm("",
                   "gradient-norm",
                   "The longest gradient; longer ones are scaled. Default: 1.",
                   false,
                   "",
                   "NORM",
                   line.GetParser())
  , m_AveragingDecay("",
                     "averaging-decay",
                     "Of the moving average of the weights, which is validated and kept, from step to step; 0: the "
                     "weights themselves. Default: 0.995.",
                     false,
                     "",
                     "SHARE",
                     line.GetParser())
  , m_Precision(
      "",
      "precision",
      "float32, or bfloat16: mixed precision, which pays where the device has units for it. Default: float32.",
      false,
      "",
      "TYPE",
      line.GetParser())
  , m_Augmentation(
      "",
      "augmentation",
      "compact (small turns, noise, gamma), masksam (as published: turns up to 180 degrees in plane, mirrored axes, "
      "coarse images, contrast), slaug (compact, and every second window with other intensities, for other "
      "scanners: brightness and range as a whole change only of channels named CT, of others the normalization "
      "restores them) or none. Default: compact.",
      false,
      "",
      "WORD",
      line.GetParser())
  , m_AugmentFrame("",
                   "augment-frame",
                   "Share of the windows, 0 to 1, that shrink into a black frame of random width. Default: 0.",
                   false,
                   "",
                   "SHARE",
                   line.GetParser())
  , m_AugmentZoom("",
                  "augment-zoom",
                  "Share of the windows, 0 to 1, that are scaled in plane by 0.7 to 1.4, beside what the augmentation "
                  "does. Default: 0.2 with --augmentation masksam, else 0.",
                  false,
                  "",
                  "SHARE",
                  line.GetParser())
  , m_Mirror(
      "",
      "mirror",
      "Axes (0 = x, 1 = y, 2 = z of the model's grid) along which half of the windows are mirrored, such as 0, or "
      "none. Default: none; with --augmentation masksam 0,1,2 as published, which makes left and right alike.",
      false,
      "",
      "LIST|none",
      line.GetParser())
  , m_SaveInterval("",
                   "save-interval",
                   "Minutes between savings of the state; 0: after every step. Default: 5.",
                   false,
                   "",
                   "MINUTES",
                   line.GetParser())
  , m_Loaders("",
              "loaders",
              "Threads that make windows while the network computes. They change no result. Default: 1.",
              false,
              standard.loaders,
              "N",
              line.GetParser())
{
  line.AddDevice();
  line.AddFixDirection();
  line.AddThreads();
  line.AddQuiet();
}

void
RunArguments::Read(RunOptions & options)
{
  const auto read = [](TCLAP::ValueArg<std::string> & argument, std::string & value) {
    value = argument.isSet() ? argument.getValue() : value;
  };
  for (const TCLAP::Arg * argument : m_Line.GetParser().getArgList())
  {
    if (argument->isSet())
    {
      options.given.push_back(argument->getName());
    }
  }
  options.resume = m_Resume.getValue();
  options.device = m_Line.GetDevice();
  options.threads = m_Line.GetThreads();
  options.epochs = m_Epochs.getValue();
  options.maximumSteps = m_Steps.getValue();
  options.seed = m_Seed.getValue();
  options.batch = m_Batch.getValue();
  options.accumulate = m_Accumulate.getValue();
  options.loaders = m_Loaders.getValue();
  read(m_Cache, options.cache);
  read(m_Optimizer, options.optimizer);
  read(m_Schedule, options.schedule);
  read(m_Precision, options.precision);
  read(m_Augmentation, options.augmentation);
  ReadNumber(m_AugmentFrame, options.frameProbability);
  ReadNumber(m_AugmentZoom, options.zoomProbability);
  ReadNumber(m_MaximumMinutes, options.maximumMinutes);
  if (!m_MaximumMinutes.getValue().empty() && !(options.maximumMinutes > 0.0))
  {
    throw Error("--max-minutes: " + m_MaximumMinutes.getValue() + ", expected more than 0");
  }
  ReadNumber(m_LearningRate, options.learningRate);
  ReadNumber(m_WeightDecay, options.weightDecay);
  ReadNumber(m_GradientNorm, options.maximumGradientNorm);
  ReadNumber(m_AveragingDecay, options.averagingDecay);
  ReadNumber(m_SaveInterval, options.saveMinutes);
  if (!m_Mirror.isSet())
  {
    options.mirrorAxes = AugmentationOptions::FromWord(options.augmentation).mirrorAxes;
  }
  else if (m_Mirror.getValue() != "none")
  {
    const auto axes = ParseAxes("--mirror", m_Mirror.getValue());
    options.mirrorAxes.assign(axes.begin(), axes.end());
  }
}

TrainingListener
RunDisplay::GetListener()
{
  TrainingListener listener;
  listener.note = [this](const std::string & text) { m_Line.Print(text + "\n"); };
  listener.warn = [this](const std::string & text) { m_Line.Warn(text); };
  listener.report = [this](const TrainingProgress & progress) { Show(progress); };
  return listener;
}

void
RunDisplay::Show(const TrainingProgress & progress)
{
  if (!progress.finishesEpoch)
  {
    m_Line.ShowProgress(progress.fraction,
                        "epoch " + std::to_string(progress.epoch) + ", step " + std::to_string(progress.step) + "/" +
                          std::to_string(progress.steps) + ", loss " + Fixed(progress.loss, 4) + ", " +
                          Clock(progress.remainingMinutes) + " min left");
    return;
  }
  std::string text = "epoch " + std::to_string(progress.epoch) + ", " + Clock(progress.minutes) + " min, loss " +
                     Fixed(progress.loss, 4);
  if (progress.validated)
  {
    text += ", validation Dice " + Fixed(progress.meanDice, 4);
    for (const auto & [name, dice] : progress.dice)
    {
      text += ", " + name + " " + Fixed(dice, 4);
    }
    text += progress.isBest ? " (best)" : "";
  }
  m_Line.Print(text + "\n");
}

void
RunDisplay::Finish(const TrainingResult & result, const std::string & text)
{
  if (result.isFirstProcess)
  {
    m_Line.Print(result.interrupted ? "stopped in epoch " + std::to_string(result.epochs + 1) + ", --resume goes on\n"
                                    : text);
  }
  if (result.interrupted)
  {
    ThrowIfInterrupted();
  }
}
} // namespace sam
