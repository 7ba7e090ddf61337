// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samConformanceParts_h
#define samConformanceParts_h

#include "samImageEncoder.h"
#include "samImageTransform.h"
#include "samMaskDecoder.h"
#include "samPlan.h"
#include "samPromptEncoder.h"
#include "samRecording.h"

#include <memory>

namespace sam
{
// Sizes of parts from the shapes of the recorded parameters below a prefix, and the parts with these parameters.

ImageEncoderOptions
EncoderOptions(const Recording & recording, const std::string & prefix);

PromptEncoderOptions
PromptOptions(const Recording & recording, const std::string & prefix);

/** The number of heads is in the header: dec_heads, or heads. */
TwoWayTransformerOptions
TransformerOptions(const Recording & recording, const std::string & prefix);

MaskDecoderOptions
DecoderOptions(const Recording & recording, const std::string & prefix);

/** The plan of a whole checkpoint. */
Plan
RecognizePlan(const Recording & recording);

/** Prompts of the named tensors; coordinates in pixels of an image of size \a size become fractions. */
ManualPrompts
ReadPrompts(const Recording &   recording,
            const ImageSize &   size,
            const std::string & points,
            const std::string & labels,
            const std::string & boxes,
            const std::string & masks);

/** A part built from the parameters below \a prefix; every one of them must be used. */
template <typename TPart, typename TOptions>
std::unique_ptr<const TPart>
Build(const Recording & recording, const std::string & prefix, const TOptions & options)
{
  auto weights = recording.Weights(prefix);
  // A table of one row in the published checkpoints.
  if (auto token = weights.extract("classifier_token_Adapter.weight"))
  {
    token.key() = "classifier_token_Adapter";
    weights.insert(std::move(token));
  }
  Parameters parameters(std::move(weights), "parameters");
  auto       part = std::make_unique<const TPart>(Scope(parameters), options);
  parameters.ThrowIfUnused();
  return part;
}
} // namespace sam

#endif
