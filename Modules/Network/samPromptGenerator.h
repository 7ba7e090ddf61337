// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPromptGenerator_h
#define samPromptGenerator_h

#include "samLayers.h"
#include "samPrompts.h"

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
};

/** \class PromptGenerator
 * \brief Makes MaskSAM's prompts from an image's features: auxiliary masks, boxes and class tokens (masksam §c).
 *
 * A convolutional decoder climbs from the token grid to the image's size. Boxes and class tokens are read from pooled
 * features of every stage by small networks, one answer per slice and query; a box is the mean of the predicted one and
 * of the one around the auxiliary mask, or the predicted one alone where the mask is empty.
 */
class SegmentAnything_EXPORT PromptGenerator
{
public:
  PromptGenerator(const Scope & scope, const PromptGeneratorOptions & options);

  Prompts
  operator()(const EncodedImage & encoded) const;

private:
  struct Stage
  {
    Convolution                               climb;
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
};

/** Boxes x1 y1 x2 y2 of ...×4 numbers from 0 to 1: the first corner, and the parts of the way from it to the far edges
 * where the second one lies. */
SegmentAnything_EXPORT at::Tensor
                       BoxesFromCorners(const at::Tensor & numbers);

/** Boxes x1 y1 x2 y2 around the foreground of masks N×H×W (bool), as fractions of width and height and with the far
 * edge of the last pixel (index + 1); zeros for an empty mask. Returns N×4. */
SegmentAnything_EXPORT at::Tensor
                       BoxesFromMasks(const at::Tensor & masks);
} // namespace sam

#endif
