// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPretraining_h
#define samPretraining_h

#include "samImageCollection.h"
#include "samTrainingLoop.h"

namespace sam
{
/** What a pretraining run is told. */
struct PretrainingOptions : RunOptions
{
  /** Another start than for training: larger batches, a lower rate, more decay. */
  PretrainingOptions();

  ImageCollectionOptions images;
  std::string            plan;               ///< JSON file with a plan, or a model file whose plan is taken
  std::string            method{ "masked" }; ///< masked, regions, or both by turns
  std::string            labels;             ///< folder of label maps, named as the images: known regions; empty: none
  double                 hiddenShare{ 0.7 }; ///< masked: of the tokens
  int64_t                slices{ 8 };        ///< evenly chosen of each volume for a plan of single slices; 0: all

  /** As RunOptions; files and folders by their paths from the root. */
  std::map<std::string, std::string>
  Describe() const;
};

/** Train the stem and the encoder of a plan on images alone and write into the run folder: model.safetensors,
 * resume.safetensors and log.csv. The model file holds what was trained, under the names that a network of the plan
 * has, for `sam-train --initialize`; other tensors are not in it.
 *
 * masked: see samMaskedImages.h. regions: see samRegions.h; prompts and decoder are SAM's, whatever the plan's, and
 * what a network of the plan has of them is in the model file, too.
 *
 * Volumes give their slices where the plan's window is one slice, else windows; then a folder with the files of a DICOM
 * series is a volume. Files that are no images, cannot be
 * read or do not fit are left out with a warning; a resumed run needs those that it began with.
 *
 * With the same recipe, threads and steps a run that was stopped and resumed ends with the same weights as one that was
 * not. \throws Error naming the file or option. */
TrainingResult
Pretrain(const PretrainingOptions & options,
         const TrainingListener &   listener,
         const InterruptFunction &  isInterrupted);
} // namespace sam

#endif
