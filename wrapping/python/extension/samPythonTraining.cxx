// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonProcess.h"

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

/** Train, with the lock only where Python is told. */
TrainingResult
TrainFor(const TrainingOptions & options,
         const nb::callable &    report,
         const nb::callable &    note,
         const nb::callable &    warn)
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
    result = WithoutLock([&] { return Train(options, listener, isInterrupted); });
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
    .def_ro("best_mean_dice", &TrainingResult::bestMeanDice);

  nb::class_<TrainingOptions>(module, "TrainingOptions", "What a training run is told.")
    .def(nb::init<>())
    .def_rw("dataset", &TrainingOptions::dataset)
    .def_rw("output", &TrainingOptions::output)
    .def_rw("plan", &TrainingOptions::plan)
    .def_rw("initialize", &TrainingOptions::initialize)
    .def_rw("window", &TrainingOptions::window, nb::arg().none())
    .def_rw("cache", &TrainingOptions::cache)
    .def_rw("device", &TrainingOptions::device)
    .def_rw("split", &TrainingOptions::split)
    .def_rw("fold", &TrainingOptions::fold)
    .def_rw("folds", &TrainingOptions::folds)
    .def_rw("train_sites", &TrainingOptions::trainSites)
    .def_rw("sites", &TrainingOptions::sites)
    .def_rw("epochs", &TrainingOptions::epochs)
    .def_rw("max_minutes", &TrainingOptions::maximumMinutes)
    .def_rw("patience", &TrainingOptions::patience)
    .def_rw("threads", &TrainingOptions::threads)
    .def_rw("loaders", &TrainingOptions::loaders)
    .def_rw("save_interval", &TrainingOptions::saveMinutes)
    .def_rw("resume", &TrainingOptions::resume)
    .def_rw("seed", &TrainingOptions::seed)
    .def_rw("batch", &TrainingOptions::batch)
    .def_rw("accumulate", &TrainingOptions::accumulate)
    .def_rw("schedule", &TrainingOptions::schedule)
    .def_rw("precision", &TrainingOptions::precision)
    .def_rw("augmentation", &TrainingOptions::augmentation)
    .def_rw("mirror", &TrainingOptions::mirrorAxes)
    .def_rw("foreground", &TrainingOptions::foregroundShare)
    .def_rw("mirror_validation", &TrainingOptions::mirrorsValidation)
    .def_rw("validation_interval", &TrainingOptions::validationInterval)
    .def_rw("learning_rate", &TrainingOptions::learningRate);

  module.def("train", &TrainFor, nb::arg("options"), nb::arg("report"), nb::arg("note"), nb::arg("warn"));
}
} // namespace sam
