// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPromptGenerator_h
#define samPromptGenerator_h

#include "samLayers.h"
#include "samObserver.h"
#include "samPrompts.h"

#include <optional>
#include <utility>

namespace sam
{
/** Sizes of MaskSAM's prompt generator. */
struct PromptGeneratorOptions
{
  int64_t              embeddingChannels{ 256 }; ///< channels of the encoder's embedding
  int64_t              levelChannels{ 768 };     ///< channels of the encoder's levels
  std::vector<int64_t> detailChannels{};         ///< channels of the stem's features, finest first
  int64_t              queries{ 8 };
  int64_t              tokenWidth{ 256 };
  int64_t              hiddenWidth{ 128 }; ///< hidden width of the box and class heads
  std::vector<int64_t> ladder{};           ///< channels per stage: the grid first, each next one twice as fine
  /** For each stage after the first: which levels it receives, enlarged to its size. */
  std::vector<std::vector<int64_t>> skips{};
  int64_t planarLevels{ 0 }; ///< of the finest resolutions, those whose convolutions stay within a slice
  /** Last stages of the ladder that do not climb, but receive levels at full resolution through the same layers as the
   * last stage that does. */
  int64_t                             fullResolutionStages{ 0 };
  std::vector<std::array<int64_t, 3>> kernels{}; ///< slices, rows, columns for each stage; empty: 3×3×3

  /** Boxes and class tokens are read by a convolution each instead of a perceptron: the quadrants of a slice give the
   * numbers of a box, a map of √tokenWidth × √tokenWidth gives the token. */
  bool hasConvolutionHeads{ false };

  // Published behavior (Plan::compatibility).
  bool boxesEndAtLastPixel{ false }; ///< boxes around auxiliary masks end at the last pixel's index, not behind it
  bool halvesEmptyBoxes{ false };    ///< the box of an empty mask is half of the predicted one
};

/** \class PromptGenerator
 * \brief Makes MaskSAM's prompts from an image's features: auxiliary masks, boxes and class tokens (masksam §c).
 *
 * A convolutional decoder climbs from the token grid to the image's size. Boxes and class tokens are read from pooled
 * features of every stage by small networks or convolutions, one answer per slice and query; a box is the mean of the
 * predicted one and of the one around the auxiliary mask, or the predicted one alone where the mask is empty.
 */
class SegmentAnything_EXPORT PromptGenerator
{
public:
  PromptGenerator(const Scope & scope, const PromptGeneratorOptions & options);

  /** \a observe gets stageK, mask_logits and what the heads of convolutions take and answer: bbox_pooled,
   * bbox_sigmoid, classifier_pooled, classifier_map, each B×c×D×h×w. */
  Prompts
  operator()(const EncodedImage & encoded, const Observer & observe = {}) const;

private:
  /** The numbers of the boxes, B×D×N×4 from 0 to 1, and the class tokens. */
  std::pair<at::Tensor, at::Tensor>
  ReadHeads(const std::vector<at::Tensor> & stages, const Observer & observe) const;

  struct Stage
  {
    std::optional<Convolution>                climb; ///< none at full resolution
    std::vector<std::vector<Convolution>>     skipClimbs;
    std::vector<std::vector<ConvolutionUnit>> skipUnits;
    ConvolutionUnit                           fusion;
  };

  PromptGeneratorOptions m_Options;
  ConvolutionUnit        m_First1;
  ConvolutionUnit        m_First2;
  std::vector<Stage>     m_Stages;
  Convolution            m_MaskHead;
  Perceptron             m_BoxHead;
  Perceptron             m_ClassHead;
  ConvolutionUnit        m_BoxConvolution;
  ConvolutionUnit        m_ClassConvolution;
};

/** Boxes x1 y1 x2 y2 of ...×4 numbers from 0 to 1: the first corner, and the parts of the way from it to the far edges
 * where the second one lies. */
SegmentAnything_EXPORT at::Tensor
                       BoxesFromCorners(const at::Tensor & numbers);

/** Boxes x1 y1 x2 y2 around the foreground of masks N×H×W (bool), as fractions of width and height and with the far
 * edge of the last pixel (index + 1), or its index alone; zeros for an empty mask. Returns N×4. */
SegmentAnything_EXPORT at::Tensor
                       BoxesFromMasks(const at::Tensor & masks, bool endAtFarEdge = true);
} // namespace sam

#endif
