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
   * (MedSAM); slice_z_score: z_score of each slice by itself (DAPSAM); slice_percentiles: the same after what is above
   * 0 in the slice was limited to its percentiles 0.2 and 99.8 (DAPSAM's prostates). */
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
  // features for the masks), pseudo_rgb (two convolutions to SAM's three channels), enlarged_rgb (to three channels of
  // four times as many rows and columns, two widths), gray_rgb (the only channel three times) or none.
  std::string          stem{ "none" };
  std::vector<int64_t> stemWidths{};

  /** Of a pyramid or a unet: voxels for each feature of its finest resolution and in-plane axis, 1, 2 or 4. Where more
   * than 1, masks are made at that resolution and interpolated: a fraction of the time for large images. */
  int64_t finestStride{ 1 };

  // encoder: vit, or vit_b, vit_l, vit_h, which stand for SAM's sizes; tiny_vit (MobileSAM's); unet, the contracting
  // path of a plain U-Net with stageWidths from the finest resolution on, whose patch is that of the coarsest one.
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

  /** vit: what tells tokens where they are: both (SAM: a table that is added to them, and tables of relative positions
   * in each block), relative or absolute (one of them alone). Relative ones do not depend on where the image lies in
   * the window. */
  std::string positions{ "both" };

  std::vector<int64_t> stageWidths{ 64, 128, 160, 320 }; ///< tiny_vit alone, like the next three
  std::vector<int64_t> stageDepths{ 2, 2, 6, 2 };
  std::vector<int64_t> stageHeads{ 2, 4, 5, 10 };
  std::vector<int64_t> stageWindows{ 7, 7, 14, 7 }; ///< tokens

  // adaptation: depth_convolution (3-D adapters in encoder and decoder), depth_mlp (token adapters in the decoder) and
  // low_level_attention (DAPSAM's two branches in the encoder).
  std::vector<std::string> adaptation{};
  double                   adapterRatio{ 0.25 };
  int64_t                  slices{ 1 }; ///< slices that depth embeddings and depth networks are made for

  /** Of the finest resolutions, those whose convolutions stay within a slice: 1×3×3 rather than 3×3×3, for thick
   * slices. */
  int64_t planarLevels{ 0 };

  // prompt source: auxiliary (MaskSAM's generator), prototype (DAPSAM's), none (the decoder looks at the image alone)
  // or manual (points, boxes and masks that are given).
  std::string                       promptSource{ "auxiliary" };
  int64_t                           queries{ 8 };
  std::vector<int64_t>              ladder{};
  std::vector<std::vector<int64_t>> skips{};
  int64_t                           promptHiddenWidth{ 128 };
  /** How boxes and class tokens are read: perceptrons, or convolutions as published. */
  std::string                         promptHeads{ "perceptrons" };
  int64_t                             fullResolutionStages{ 0 }; ///< of the ladder, which do not climb
  std::vector<std::array<int64_t, 3>> kernels{};                 ///< x, y, z for each stage; empty: 3, 3, 3
  int64_t                             prototypes{ 256 };         ///< prototype: slots of the memory
  /** prototype: the shares of the slots are the softmax of products of query and slot (softmax, as published) or of
   * their cosines (cosine), divided by the temperature. Cosines keep a long query from choosing the same slot for every
   * image. */
  std::string addressing{ "softmax" };
  double      temperature{ 1.0 };

  // decoder: mask_classification (MaskSAM's), semantic (DAPSAM's: a mask for each label but the background), unet (the
  // expanding path of a unet, a mask for each label but the background), sam or hq (HQ-SAM's, which takes the encoder's
  // map after the first global block, of a tiny_vit that after the second stage).
  std::string decoder{ "mask_classification" };
  int64_t     decoderDepth{ 2 };
  int64_t     decoderHeads{ 8 };
  int64_t     decoderMlpWidth{ 2048 };
  int64_t     maskPromptChannels{ 16 };
  int64_t     upscalingSteps{ 2 };
  /** A second hyper-network on fine features: mask_classification: the generator's; semantic: those of an expanding
   * path from embedding and dense prompt over the features of a pyramid. */
  bool    refinesMasks{ false };
  int64_t multimasks{ 3 };      ///< sam, hq: masks for an ambiguous prompt, beside the single one
  int64_t iouHeadDepth{ 3 };    ///< sam, hq
  int64_t iouHeadWidth{ 256 };  ///< sam, hq
  bool    nestsLabels{ false }; ///< semantic: a label's mask holds all later labels, as the optic disc the cup
  /** mask_classification, semantic: has sam's head of quality, and the former its other masks, unused. */
  bool keepsSamHeads{ false };
  /** mask_classification: channels of the 3-D convolutions that bring all masks of a slice to the image's size
   * together; 0: each one is resized linearly. */
  int64_t maskConvolutionWidth{ 0 };

  // driver: windows that are blended with Gaussian weights.
  std::array<int64_t, 3> window{ { 256, 256, 1 } };    ///< voxels
  std::array<double, 3>  overlap{ { 0.5, 0.5, 0.5 } }; ///< fraction of the window, 0 to below 1

  /** Models of single slices: none, or black: rows and columns at the border in which nine of ten voxels are black or
   * more are left out of what the model sees, and are background in its answer (SamFindContent). */
  std::string frame{ "none" };

  // preprocessing. fit: spacing (resample to it), longest_side (SAM: scale slices so that their longer side fills the
  // grid of tokens, zeros below and to the right), square (MedSAM: stretch them to the grid) or window (DAPSAM: stretch
  // slices to the window).
  std::string              fit{ "spacing" };
  std::string              orientation{ "LPS" };         ///< where the axes point: see itk::SamLattice
  std::array<double, 3>    spacing{ { 1.0, 1.0, 1.0 } }; ///< mm; 0 keeps the image's own
  std::string              interpolation{ "linear" };    ///< linear, nearest, cubic or nnunet: see itk::SamLattice
  std::vector<ChannelPlan> channels{ ChannelPlan{ "image" } };
  std::vector<LabelPlan>   labels{};

  // training: what starts as SAM and stays so. Tensors whose names start with one of \c frozen, except those whose
  // names contain one of \c adapted.
  std::vector<std::string> frozen{};
  std::vector<std::string> adapted{};
  double                   maskLossWeight{ 1.5 }; ///< of cross-entropy and Dice of masks in the set loss
  int64_t                  lossPoints{ 32768 };   ///< where masks are compared, at most
  /** prototype: of the mean squared cosine of two slots in the loss, so that slots do not become the same. */
  double prototypeDiversityWeight{ 0.0 };

  /** Queries are matched to labels once for all slices of a window, not for each slice (masksam §k). */
  bool matchesVolumes{ false };

  /** Words for what this model keeps of the published code's behavior where later ones are corrected:
   * - depth_adapter_in_windows: the encoder's first adapter runs in the attention windows of local blocks and mixes
   *   neighboring windows; corrected: it mixes slices in every block.
   * - padding_before_norm: windows at the border are padded before the first norm, so that the padding becomes the
   *   norm's bias; corrected: as in SAM, behind it.
   * - cropped_positions: a smaller grid takes the top left part of the position table, and its boxes and dense
   * positions are those of that part of the whole; corrected: table, boxes and positions are stretched to the grid, as
   * the tables of relative positions are in both.
   * - binary_mask_prompts: auxiliary masks prompt as 0 or 1; corrected: as probabilities.
   * - whole_pixel_boxes: prompts' corners are rounded down to pixels; corrected: they are not.
   * - boxes_to_last_pixel: boxes of masks end at their last pixel's index; corrected: behind it.
   * - halved_empty_boxes: the box of an empty mask is half of the predicted one; corrected: the predicted one.
   * - masks_through_input_size: masks are resized to the size of the encoder's input and back; corrected: once.
   * - unnormalized_scores: the labels' scores do not sum to one; corrected: they do.
   * - random_adapters: adapters start at random; corrected: without effect.
   * - probabilities_as_logits: the set loss takes probabilities of auxiliary masks for logits; corrected: logits.
   * - set_loss_only: training has no direct loss of the label map; corrected: Dice and cross-entropy of it.
   * - polynomial_learning_rate: it falls as (1 − t)^0.9 over the run; corrected: it warms up and falls as a cosine.
   * - zeros_around_image: windows larger than the image are filled with zeros; corrected: with its border voxels, and
   *   they have no more slices than the image.
   * - rounded_window_weights: windows are blended with weights around the voxel behind the middle, in float16;
   *   corrected: around the middle, in float32.
   * - shuffled_low_level: low-level features are read from the tokens in another order than they are stored; corrected:
   *   each token has its own.
   * - column_gates: the attention filter in front of a block gates columns of the image; corrected: channels.
   * - random_positions: a network that starts from SAM draws the decoder's matrix of positions anew; corrected: it
   * takes SAM's.
   * - batch_dice: the loss of masks has one Dice for all images of a batch; corrected: one for each image. */
  std::vector<std::string> compatibility{};

  std::string provenance{ "{}" }; ///< JSON object: data, licence, recipe, metrics

  /** \throws Error naming \a where and the key or word that is missing, unknown or out of range. */
  static Plan
  FromJson(const std::string & text, const std::string & where);

  std::string
  ToJson() const;

  /** This plan with a JSON object merged into it (RFC 7386), such as {"driver": {"overlap": [0, 0, 0]}}.
   * \throws Error naming \a where, as FromJson(), also when \a change is no object. */
  Plan
  Changed(const std::string & change, const std::string & where) const;

  /** The sizes that the encoder's word stands for: vit_b, vit_l or vit_h. */
  static Plan
  WithEncoder(const std::string & word);

  bool
  HasAdaptation(const std::string & word) const;

  /** All words of \c compatibility. */
  static const std::vector<std::string> &
  GetCompatibilityWords();

  /** Those that say something about networks with a prompt source: auxiliary (MaskSAM) or prototype (DAPSAM). */
  static std::vector<std::string>
  GetCompatibilityWords(const std::string & promptSource);

  /** Whether \c compatibility has a word. */
  bool
  Keeps(const std::string & word) const;

  /** Whether training leaves a tensor of this name as it is. */
  bool
  IsFrozen(const std::string & tensor) const;
};
} // namespace sam

#endif
