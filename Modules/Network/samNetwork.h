// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samNetwork_h
#define samNetwork_h

#include "samCheckpoint.h"
#include "samObserver.h"
#include "samParameters.h"
#include "samProgress.h"
#include "samPrompts.h"

#include <memory>
#include <optional>

namespace sam
{
/** What the decoder answers: N masks per slice, each with a class, or one for each label but the background. */
struct SegmentAnything_EXPORT MaskClassification
{
  at::Tensor masks;                ///< B×N×D×H×W logits
  at::Tensor classes;              ///< B×D×N×(K+1) logits, the last for no object; undefined: N = K−1, in order
  bool       isNormalized{ true }; ///< whether the scores of the labels are made to sum to one
  bool       isNested{ false };    ///< without classes: each label's mask holds all later labels, too

  /** Probability of each label, B×K×D×H×W: the sum over queries of softmax(classes)·sigmoid(masks), divided by its sum
   * over the labels where normalized (masksam §e.5).
   *
   * Without classes a label is the most probable one where its mask is above 0, and higher than the others or the last
   * of nested ones; where no mask is, the background is. Its share is sigmoid(mask), limited by 1 − sigmoid of what is
   * nested in it; that of the background is 1 − sigmoid of the highest mask. All are divided by their sum. */
  at::Tensor
  Semantic() const;
};

/** \class Network
 * \brief A network that is built from a plan: encoder, prompt source and decoder, each looked up by its word.
 *
 * Images are B×C×D×H×W float32 of the model's spacing and intensity, H and W multiples of the patch; any number of
 * slices. All parts run on the device where the parameters are.
 */
class SegmentAnything_EXPORT Network
{
public:
  /** Build from nothing: weights are random, the same for the same seed. */
  Network(const Plan & plan, uint64_t seed);

  /** Build from tensors. \throws Error naming \a where and the tensor that is missing, unexpected or of wrong shape. */
  Network(const Plan & plan, std::map<std::string, at::Tensor> tensors, const std::string & where);

  /** Build from a file, which is read when everything in it was found to fit. \throws Error as above. */
  Network(const Plan & plan, TensorFile file);

  ~Network();

  /** Check what building from a file checks, in little memory. \throws Error as above. */
  static void
  Verify(const Plan & plan, TensorFile file);

  /** Names and shapes of the tensors of a network with a plan, without making it. */
  static TensorShapes
  GetShapes(const Plan & plan);

  const Plan &
  GetPlan() const
  {
    return m_Plan;
  }

  const Parameters &
  GetParameters() const
  {
    return m_Parameters;
  }

  at::Device
  GetDevice() const
  {
    return m_Parameters.GetTensors().begin()->second.device();
  }

  /** The heavy stage. \a observe gets what the encoder's does. */
  EncodedImage
  Encode(const at::Tensor & image, const ProgressFunction & progress = {}, const Observer & observe = {}) const;

  /** \a observe gets what the generator's does; of prototypes also addresses, (B·D)×slots. */
  Prompts
  GeneratePrompts(const EncodedImage & encoded, const Observer & observe = {}) const;

  /** \a observe gets what goes into the decoder and comes out of it, for each of P = B·D·N prompts: prompt/boxes (P×4,
   * fractions), prompt/masks, prompt/sparse, prompt/dense, decoder/image_pe (per slice), decoder/low_res_masks,
   * decoder/iou, decoder/class_logits. */
  MaskClassification
  Decode(const EncodedImage & encoded, const Prompts & prompts, const Observer & observe = {}) const;

  /** How alike the prototypes are, from 0 to 1: PrototypePrompts::Compare(). \throws Error when there are none. */
  at::Tensor
  ComparePrototypes() const;

  /** SAM's or HQ-SAM's decoder on one slice, B = D = 1. Answers one mask per prompt, or with \a multimask those for an
   * ambiguous prompt, of which HQ-SAM takes the one that is expected to be the best. To that HQ-SAM adds the mask of
   * its own token; \a hqTokenOnly leaves SAM's mask out. Without gradients many prompts in one call take a fraction of
   * the time of as many calls, in bounded memory.
   * \throws Error when the plan's decoder is another one, or nothing is given. */
  PromptedMasks
  Decode(const EncodedImage & encoded, const ManualPrompts & prompts, bool multimask, bool hqTokenOnly = false) const;

  /** How many masks Decode() answers per prompt. */
  int64_t
  GetNumberOfMasks(bool multimask) const;

  /** All features as one map on the token grid, B×C×D×h×w: embedding, levels, then each finer feature with its p×p
   * voxels per token as channels. Loses nothing: Unpack gives the same features back. */
  at::Tensor
  Pack(const EncodedImage & encoded) const;

  EncodedImage
  Unpack(const at::Tensor & packed) const;

  /** Channels of the packed map. */
  int64_t
  GetPackedChannels() const;

  /** What the encoder's linear layers compute with when there are no gradients; float32 in the beginning. */
  void
  SetPrecision(Precision precision);

  Precision
  GetPrecision() const
  {
    return m_Precision;
  }

  /** Move all parameters. */
  void
  To(const at::Device & device);

private:
  struct Implementation;

  void
  Build();

  /** Of a dense prompt B×C×D×h×w (undefined: none): all masks of the decoder. */
  MaskClassification
  DecodeDense(const EncodedImage & encoded, const at::Tensor & dense, const Observer & observe) const;

  /** Corners P×4 of boxes in windows of \a size voxels as the prompt encoder takes them, fractions of the \a frame of
   * tokens whose top left part the \a grid is. */
  at::Tensor
  PlaceBoxes(const at::Tensor &             boxes,
             const std::array<int64_t, 2> & size,
             const std::array<int64_t, 2> & grid,
             const std::array<int64_t, 2> & frame) const;

  Plan                            m_Plan;
  Parameters                      m_Parameters;
  Precision                       m_Precision{ Precision::Float32 };
  std::unique_ptr<Implementation> m_Implementation;
};

/** What became of a network's tensors when it was started from a checkpoint. */
struct SegmentAnything_EXPORT StartReport
{
  std::vector<std::string> taken;     ///< as they are in the file
  std::vector<std::string> resampled; ///< position tables, stretched linearly to the network's grid
  std::vector<std::string> fresh;     ///< not in the file: they stay at random
  std::vector<std::string> reshaped;  ///< of another shape in the file: likewise
  std::vector<std::string> unused;    ///< of the file, without a place in the network

  /** Lines for the user: how many were taken and the names of all others, numbers of blocks and layers as *. */
  std::vector<std::string>
  Describe() const;
};

/** The name of a tensor of a network with a \a plan in a checkpoint with another one; empty where it does not start
 * from it: DAPSAM's masks stand for labels, SAM's do not; its matrix of positions is SAM's prompt encoder's. */
SegmentAnything_EXPORT std::string
                       NameInCheckpoint(const std::string & name, const Plan & plan, const Plan & checkpoint);

/** A \a stored tensor where a network has one of \a shape: as it is, or a position table stretched linearly; none where
 * it does not fit. */
SegmentAnything_EXPORT std::optional<at::Tensor>
                       FitTensor(const std::string & name, const at::Tensor & stored, at::IntArrayRef shape);

/** Start a network's parts from a checkpoint of SAM or from a model file: tensors of the same name and shape are taken,
 * position tables of another size stretched.
 * \throws Error when the file is none of these, nothing of its image encoder fits, or it lacks a tensor that the plan
 * freezes. */
SegmentAnything_EXPORT StartReport
StartFromCheckpoint(Network & network, const std::string & path);

/** Read a model file, or a published checkpoint of SAM, MedSAM, MobileSAM or HQ-SAM (.pth, .pt,
 * .safetensors).
 * \a preprocessing of the latter is sam or medsam; empty: sam.
 * \throws Error naming the file and what is wrong in it. */
SegmentAnything_EXPORT std::unique_ptr<Network>
                       ReadModel(const std::string & path, const std::string & preprocessing = {});

/** Write what OpenModel() answered as a model file of the type \a precision (float32, float16 or bfloat16), with one
 * tensor in memory at a time; complete or not at all.
 * \throws Error as Network::Verify does, or when a number is beyond the range of \a precision. */
SegmentAnything_EXPORT void
ConvertModel(const ModelFile &        model,
             const std::string &      path,
             at::ScalarType           precision = at::kFloat,
             const ProgressFunction & progress = {});

/** Write a model file, complete or not at all. */
SegmentAnything_EXPORT void
WriteModel(const std::string & path, const Plan & plan, const std::map<std::string, at::Tensor> & tensors);
} // namespace sam

#endif
