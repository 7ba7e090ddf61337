// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samStages_h
#define samStages_h

#include "samRegion.h"

#include "itkSamModel.h"

#include <functional>
#include <string>
#include <vector>

/** The stages of SamSegmentationImageFilter, one at a time, from files to files: everything that a stage makes of an
 * image is written, or nothing of it. Embeddings and prompts of several windows are the files of a folder: what is
 * written for window_0002.nrrd is called window_0002, too. Functions call \a progress with the fraction done, which may
 * throw to stop. \throws Error naming the file and what is wrong with it. */
namespace sam
{
using StageProgress = std::function<void(double)>;

/** Write an image on the grid and with the intensities of a model. \a region: none, or the box that is written. \a
 * interpolation: empty for that of the model. */
void
Resample(const itk::SamModel *       model,
         const std::string &         image,
         const std::vector<Region> & region,
         const std::string &         interpolation,
         const std::string &         output,
         const StageProgress &       progress);

/** Write the embedding of an image that Resample() wrote. \a byWindow: \a output is a folder, which gets the embedding
 * of each window of the model; else the image is taken as one. */
void
EncodeResampled(const itk::SamModel * model,
                const std::string &   image,
                bool                  byWindow,
                const std::string &   output,
                const StageProgress & progress);

/** Write the prompts (.safetensors) of an embedding, or of those of a folder; \a masks: empty, or where the logits of
 * their masks go. */
void
AutoPrompt(const itk::SamModel * model,
           const std::string &   embedding,
           const std::string &   output,
           const std::string &   masks,
           const StageProgress & progress);

/** Write the dense prompt (an image) of an embedding, or of those of a folder; \a similarity: empty, or where the
 * similarity goes. */
void
PrototypePrompt(const itk::SamModel * model,
                const std::string &   embedding,
                const std::string &   output,
                const std::string &   similarity,
                const StageProgress & progress);

struct ClassificationJob
{
  std::string         embedding; ///< a file or a folder
  std::string         prompts;   ///< of AutoPrompt() or PrototypePrompt(), as the model needs them
  std::string         image;     ///< whose grid the labels get, for embeddings of windows; empty: that of the embedding
  std::vector<Region> regions;   ///< of the image; none: all of it
  std::string         output;    ///< label map
  std::string         probabilities; ///< empty, or where those of each label go: of one embedding without image
};

/** Write the label map of embeddings and prompts. */
void
Classify(const itk::SamModel * model, const ClassificationJob & job, const StageProgress & progress);
} // namespace sam

#endif
