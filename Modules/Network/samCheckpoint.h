// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCheckpoint_h
#define samCheckpoint_h

#include "samPlan.h"
#include "samTensorFile.h"

namespace sam
{
/** Shapes of tensors by name. */
using TensorShapes = std::map<std::string, std::vector<int64_t>>;

/** A checkpoint that tells by its tensors what it is. */
struct Checkpoint
{
  std::string architecture; ///< such as "SAM ViT-B" or "HQ-SAM ViT-B"
  Plan        plan;
};

/** The plan of SAM (ViT of any size), MobileSAM, HQ-SAM, Light HQ-SAM or DAPSAM from the names and shapes of the
 * tensors.
 *
 * They do not tell the number of the decoder's heads, which is 8 in all published files, nor the input size of
 * MobileSAM and Light HQ-SAM, which is 1024, nor what was done to the images: \a preprocessing is sam (longest side to
 * the input size, SAM's means and deviations) or medsam (stretched to a square, brought to 0..1), of DAPSAM
 * dapsam_prostate or dapsam_fundus (PublishedDapsamPlan()); empty: sam, or for one mask the former, else the latter.
 * A snapshot of DAPSAM's authors keeps the published behavior.
 * \throws Error naming \a where and what was found when the architecture is not known. */
SegmentAnything_EXPORT Checkpoint
RecognizeCheckpoint(const TensorShapes & shapes, const std::string & where, const std::string & preprocessing = {});

/** Whether a tensor of a published checkpoint has no part in segmentation: counters of batch normalization, tables of
 * indices, the classification head of TinyViT, pixel means. */
SegmentAnything_EXPORT bool
IsUnneeded(const std::string & name);

/** A file with a plan, not read yet. */
struct ModelFile
{
  std::string architecture;
  bool        isRecognized{ false }; ///< by its tensors; otherwise the plan is stored in the file
  Plan        plan;
  TensorFile  tensors;
};

/** Open a model: a .safetensors file with the plan in its header, or a published checkpoint, .safetensors or of
 * torch.save, that RecognizeCheckpoint knows. \a preprocessing is for the latter.
 * \throws Error naming the file and what is wrong in it. */
SegmentAnything_EXPORT ModelFile
OpenModel(const std::string & path, const std::string & preprocessing = {});
} // namespace sam

#endif
