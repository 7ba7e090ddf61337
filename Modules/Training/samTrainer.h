// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainer_h
#define samTrainer_h

#include "samTrainingLoop.h"

namespace sam
{
/** Train a network on a data set in C++ and write into the run folder:
 * model.safetensors (the best validation Dice), last.safetensors (the newest), resume.safetensors (everything that
 * `resume` needs), log.csv (one line per epoch), report.html (the same as curves, with pictures of the worst cases),
 * split.json (which case was used for what, and sites).
 *
 * With the same recipe, threads and epochs, a run that was stopped or killed at any moment and resumed ends with the
 * same weights as one that was not, bit for bit; the number of loaders makes no difference. Every file is written
 * complete or not at all; a state that cannot be written is a warning while the run goes on and an error at its end.
 *
 * Processes that a launcher started (see ProcessPlace) train one network together: the losses are those of all their
 * batches as one, process 0 writes.
 *
 * When \a isInterrupted answers true the run saves its state and returns; before training began it ends with an Error.
 * \throws Error naming the file or option. */
TrainingResult
Train(const TrainingOptions & options, const TrainingListener & listener, const InterruptFunction & isInterrupted);
} // namespace sam

#endif
