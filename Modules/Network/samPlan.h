// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPlan_h
#define samPlan_h

#include "SegmentAnythingExport.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sam
{
/** One input channel and how its intensities are brought to the model's scale. */
struct ChannelPlan
{
  std::string name;
  /** z_score: (v − mean) / deviation of the image; clip: with the numbers below; display: gray values brought to
   * 0..255, then (v − mean) / deviation with the numbers below (SAM); min_max: the slice's range brought to 0..1
   * (MedSAM). */
  std::string normalization{ "z_score" };
  double      lower{ 0.0 };
  double      upper{ 0.0 };
  double      mean{ 0.0 };
  double      deviation{ 1.0 };
};

/** One value of the label map. */
struct LabelPlan
{
  int64_t                value{ 0 };
  std::string            name;
  std::array<uint8_t, 3> color{ { 0, 0, 0 } };
};

/** \class Plan
 * \brief Everything that is needed to build and run a network, apart from its weights.
 *
 * It is stored as JSON in the header of the model file. Sizes and spacings are in ITK's order (x, y, z); a 2-D model
 * has one slice. A word or key that is not known is an error that names it.
 */
struct SegmentAnything_EXPORT Plan
{
  // stem: pyramid (convolutions at full, half, ... resolution that replace most of the patch embedding and keep their
  // features for the masks), pseudo_rgb (two convolutions to SAM's three channels) or none.
  std::string          stem{ "none" };
  std::vector<int64_t> stemWidths{};

  // encoder: vit, or vit_b, vit_l, vit_h, which stand for SAM's sizes; tiny_vit (MobileSAM's).
  std::string            encoder{ "vit" };
  int64_t                width{ 768 };
  int64_t                depth{ 12 };
  int64_t                heads{ 12 };
  double                 mlpRatio{ 4.0 };
  int64_t                patch{ 16 };           ///< voxels per token and in-plane axis
  int64_t                attentionWindow{ 14 }; ///< tokens
  std::vector<int64_t>   globalBlocks{ 2, 5, 8, 11 };
  std::array<int64_t, 2> grid{ { 64, 64 } }; ///< columns and rows of tokens that the position tables are made for
  int64_t                neck{ 256 };
  std::vector<int64_t>   stageWidths{ 64, 128, 160, 320 }; ///< tiny_vit alone, like the next three
  std::vector<int64_t>   stageDepths{ 2, 2, 6, 2 };
  std::vector<int64_t>   stageHeads{ 2, 4, 5, 10 };
  std::vector<int64_t>   stageWindows{ 7, 7, 14, 7 }; ///< tokens

  // adaptation: depth_convolution (3-D adapters in encoder and decoder) and depth_mlp (token adapters in the decoder).
  std::vector<std::string> adaptation{};
  double                   adapterRatio{ 0.25 };
  int64_t                  slices{ 1 }; ///< slices that depth embeddings and depth networks are made for

  /** Of the finest resolutions, those whose convolutions stay within a slice: 1×3×3 rather than 3×3×3, for thick
   * slices. */
  int64_t planarLevels{ 0 };

  // prompt source: auxiliary (MaskSAM's generator) or manual (points, boxes and masks that are given).
  std::string                       promptSource{ "auxiliary" };
  int64_t                           queries{ 8 };
  std::vector<int64_t>              ladder{};
  std::vector<std::vector<int64_t>> skips{};
  int64_t                           promptHiddenWidth{ 128 };

  // decoder: mask_classification (MaskSAM's) or sam.
  std::string decoder{ "mask_classification" };
  int64_t     decoderDepth{ 2 };
  int64_t     decoderHeads{ 8 };
  int64_t     decoderMlpWidth{ 2048 };
  int64_t     maskPromptChannels{ 16 };
  int64_t     upscalingSteps{ 2 };
  bool        refinesMasks{ false }; ///< a second hyper-network on the generator's full-resolution features
  int64_t     multimasks{ 3 };       ///< sam: masks of the ambiguous answer, beside the single one
  int64_t     iouHeadDepth{ 3 };     ///< sam
  int64_t     iouHeadWidth{ 256 };   ///< sam

  // driver: windows that are blended with Gaussian weights.
  std::array<int64_t, 3> window{ { 256, 256, 1 } };    ///< voxels
  std::array<double, 3>  overlap{ { 0.5, 0.5, 0.5 } }; ///< fraction of the window, 0 to below 1

  // preprocessing. fit: spacing (resample to it), longest_side (SAM: scale slices so that their longer side fills the
  // grid of tokens, zeros below and to the right) or square (MedSAM: stretch them to the grid).
  std::string              fit{ "spacing" };
  std::string              orientation{ "LPS" };         ///< where the axes point, or acquisition: as stored
  std::array<double, 3>    spacing{ { 1.0, 1.0, 1.0 } }; ///< mm; 0 keeps the image's own
  std::vector<ChannelPlan> channels{ ChannelPlan{ "image" } };
  std::vector<LabelPlan>   labels{};

  std::string provenance{ "{}" }; ///< JSON object: data, licence, recipe, metrics

  /** \throws Error naming \a where and the key or word that is missing, unknown or out of range. */
  static Plan
  FromJson(const std::string & text, const std::string & where);

  std::string
  ToJson() const;

  /** The sizes that the encoder's word stands for: vit_b, vit_l or vit_h. */
  static Plan
  WithEncoder(const std::string & word);

  bool
  HasAdaptation(const std::string & word) const;
};
} // namespace sam

#endif
