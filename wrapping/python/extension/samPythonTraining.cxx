// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonProcess.h"

#include "samAugmentation.h"
#include "samPretraining.h"
#include "samTrainer.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace sam
{
namespace
{
namespace nb = nanobind;

/** Train or pretrain, with the lock only where Python is told. */
template <typename TOptions>
TrainingResult
RunFor(TrainingResult (*run)(const TOptions &, const TrainingListener &, const InterruptFunction &),
       const TOptions &     options,
       const nb::callable & report,
       const nb::callable & note,
       const nb::callable & warn)
{
  std::exception_ptr stopped;
  // What Python throws stops the run once its state is saved.
  const auto attempt = [&](const auto & action) {
    const nb::gil_scoped_acquire locked;
    try
    {
      if (!stopped)
      {
        action();
        CheckSignals();
      }
    }
    catch (...)
    {
      stopped = std::current_exception();
    }
  };
  const auto isInterrupted = [&] {
    attempt([] {});
    return stopped != nullptr;
  };
  TrainingListener listener;
  listener.report = [&](const TrainingProgress & progress) { attempt([&] { report(progress); }); };
  listener.note = [&](const std::string & line) { attempt([&] { note(line); }); };
  listener.warn = [&](const std::string & line) { attempt([&] { warn(line); }); };
  TrainingResult result;
  try
  {
    result = WithoutLock([&] { return run(options, listener, isInterrupted); });
  }
  catch (...)
  {
    if (!stopped)
    {
      throw;
    }
  }
  if (stopped)
  {
    std::rethrow_exception(stopped);
  }
  return result;
}
} // namespace

void
BindTraining(nb::module_ & module)
{
  nb::class_<TrainingProgress>(module, "TrainingProgress", "Where a training run stands.")
    .def_ro("epoch", &TrainingProgress::epoch, "From 1.")
    .def_ro("epochs", &TrainingProgress::epochs, "0 when only time limits the run.")
    .def_ro("step", &TrainingProgress::step, "Of the epoch, from 1.")
    .def_ro("steps", &TrainingProgress::steps, "Per epoch.")
    .def_ro("fraction", &TrainingProgress::fraction, "Of the whole run, 0 to 1.")
    .def_ro("minutes", &TrainingProgress::minutes, "Since the run began, earlier calls included.")
    .def_ro("remaining_minutes", &TrainingProgress::remainingMinutes, "Estimate.")
    .def_ro("loss", &TrainingProgress::loss, "Mean over the epoch so far.")
    .def_ro("validated", &TrainingProgress::validated, "Whether the numbers below are new.")
    .def_ro("dice", &TrainingProgress::dice, "Per label name, mean over the validation cases.")
    .def_ro("mean_dice", &TrainingProgress::meanDice)
    .def_ro("best_mean_dice", &TrainingProgress::bestMeanDice);

  nb::class_<TrainingResult>(module, "TrainingResult", "How a training run ended.")
    .def_ro("ran_out_of_patience", &TrainingResult::ranOutOfPatience)
    .def_ro("is_first_process", &TrainingResult::isFirstProcess, "The one that writes and tells.")
    .def_ro("epochs", &TrainingResult::epochs)
    .def_ro("steps", &TrainingResult::steps)
    .def_ro("loss", &TrainingResult::loss, "Mean over the last epoch.")
    .def_ro("best_mean_dice", &TrainingResult::bestMeanDice);

  nb::class_<RunOptions>(module, "RunOptions", "What every run is told.")
    .def_rw("output", &RunOptions::output)
    .def_rw("cache", &RunOptions::cache)
    .def_rw("device", &RunOptions::device)
    .def_rw("epochs", &RunOptions::epochs)
    .def_rw("steps", &RunOptions::maximumSteps)
    .def_rw("max_minutes", &RunOptions::maximumMinutes)
    .def_rw("threads", &RunOptions::threads)
    .def_rw("loaders", &RunOptions::loaders)
    .def_rw("save_interval", &RunOptions::saveMinutes)
    .def_rw("resume", &RunOptions::resume)
    .def_rw("seed", &RunOptions::seed)
    .def_rw("batch", &RunOptions::batch)
    .def_rw("accumulate", &RunOptions::accumulate)
    .def_rw("optimizer", &RunOptions::optimizer)
    .def_rw("schedule", &RunOptions::schedule)
    .def_rw("precision", &RunOptions::precision)
    .def_rw("augmentation", &RunOptions::augmentation)
    .def_rw("augment_frame", &RunOptions::frameProbability)
    .def_rw("augment_zoom", &RunOptions::zoomProbability)
    .def_rw("mirror", &RunOptions::mirrorAxes)
    .def_rw("learning_rate", &RunOptions::learningRate)
    .def_rw("weight_decay", &RunOptions::weightDecay)
    .def_rw("gradient_norm", &RunOptions::maximumGradientNorm)
    .def_rw("averaging_decay", &RunOptions::averagingDecay);

  nb::class_<TrainingOptions, RunOptions>(module, "TrainingOptions", "What a training run is told.")
    .def(nb::init<>())
    .def_rw("dataset", &TrainingOptions::dataset)
    .def_rw("plan", &TrainingOptions::plan)
    .def_rw("change_plan", &TrainingOptions::planChange)
    .def_rw("initialize", &TrainingOptions::initialize)
    .def_rw("freeze_encoder", &TrainingOptions::freezesEncoder)
    .def_rw("window", &TrainingOptions::window, nb::arg().none())
    .def_rw("frame", &TrainingOptions::frame)
    .def_rw("nest_labels", &TrainingOptions::nestsLabels)
    .def_rw("without", &TrainingOptions::without)
    .def_rw("split", &TrainingOptions::split)
    .def_rw("fold", &TrainingOptions::fold)
    .def_rw("folds", &TrainingOptions::folds)
    .def_rw("train_sites", &TrainingOptions::trainSites)
    .def_rw("sites", &TrainingOptions::sites)
    .def_rw("patience", &TrainingOptions::patience)
    .def_rw("foreground", &TrainingOptions::foregroundShare)
    .def_rw("mirror_validation", &TrainingOptions::mirrorsValidation)
    .def_rw("validation_interval", &TrainingOptions::validationInterval);

  nb::class_<PretrainingOptions, RunOptions>(module, "PretrainingOptions", "What a pretraining run is told.")
    .def(nb::init<>())
    .def_prop_rw(
      "images",
      [](const PretrainingOptions & self) { return self.images.folders; },
      [](PretrainingOptions & self, const std::vector<std::string> & folders) { self.images.folders = folders; })
    .def_prop_rw(
      "exclude",
      [](const PretrainingOptions & self) { return self.images.excluded; },
      [](PretrainingOptions & self, const std::vector<std::string> & patterns) { self.images.excluded = patterns; })
    .def_prop_rw(
      "train_sites",
      [](const PretrainingOptions & self) { return self.images.trainSites; },
      [](PretrainingOptions & self, const std::vector<std::string> & sites) { self.images.trainSites = sites; })
    .def_prop_rw(
      "sites",
      [](const PretrainingOptions & self) { return self.images.sites; },
      [](PretrainingOptions & self, const std::string & table) { self.images.sites = table; })
    .def_rw("plan", &PretrainingOptions::plan)
    .def_rw("method", &PretrainingOptions::method)
    .def_rw("labels", &PretrainingOptions::labels)
    .def_rw("hidden", &PretrainingOptions::hiddenShare)
    .def_rw("slices", &PretrainingOptions::slices);

  const auto bind = [&module](const char * name, auto * run, auto options) {
    using OptionsType = decltype(options);
    module.def(
      name,
      [run](
        const OptionsType & told, const nb::callable & report, const nb::callable & note, const nb::callable & warn) {
        return RunFor(run, told, report, note, warn);
      },
      nb::arg("options"),
      nb::arg("report"),
      nb::arg("note"),
      nb::arg("warn"));
  };
  module.def(
    "get_mirror_axes",
    [](const std::string & augmentation) { return AugmentationOptions::FromWord(augmentation).mirrorAxes; },
    nb::arg("augmentation"),
    "The axes that are mirrored where none are given.");
  bind("train", &Train, TrainingOptions());
  bind("pretrain", &Pretrain, PretrainingOptions());
}
} // namespace sam
