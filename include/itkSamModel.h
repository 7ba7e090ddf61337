// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamModel_h
#define itkSamModel_h

#include "itkSamAutomaticMask.h"
#include "itkSamMacro.h"
#include "itkSamTensor.h"

#include "itkIntTypes.h"
#include "itkObject.h"
#include "itkObjectFactory.h"

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sam
{
class Network;
}

namespace itk
{
/** \class SamChannel
 * \brief One input channel of a model and how its intensities are brought to the model's scale.
 * \ingroup SegmentAnything
 */
struct SamChannel
{
  std::string name;
  std::string normalization{ "z_score" }; ///< z_score: (v − mean) / deviation of the image; slice_z_score: of each
                                          ///< slice; slice_percentiles: the same after what is above 0 in it was
                                          ///< limited to its percentiles 0.2 and 99.8; clip, display: with the
                                          ///< numbers below; min_max: the slice's range
  double lower{ 0.0 };                    ///< clip: smallest intensity
  double upper{ 0.0 };                    ///< clip: largest intensity
  double mean{ 0.0 };                     ///< clip: subtracted after clipping; display: from gray values 0 to 255
  double deviation{ 1.0 };                ///< divided by after that

  bool
  operator==(const SamChannel & other) const
  {
    return name == other.name && normalization == other.normalization && lower == other.lower && upper == other.upper &&
           mean == other.mean && deviation == other.deviation;
  }
};

/** \class SamSlicePrompts
 * \brief What is given for one object on one slice. Coordinates are x, y in pixels, the first pixel's center is 0, 0.
 * \ingroup SegmentAnything
 */
struct SamSlicePrompts
{
  using PointType = std::array<double, 2>;

  std::vector<PointType> points;
  std::vector<bool>      isForeground; ///< of each point
  std::vector<PointType> box;          ///< none, or two opposite corners, the smaller coordinates first
  SamTensor              maskLogits;   ///< 1×4h×4w on the grid of h×w tokens; empty: none

  bool
  IsEmpty() const
  {
    return points.empty() && box.empty() && maskLogits.IsEmpty();
  }
};

/** \class SamMaskAnswer
 * \brief The masks that a promptable model answers, and how good it expects them to be.
 * \ingroup SegmentAnything
 */
struct SamMaskAnswer
{
  SamTensor          logits; ///< M×1×4h×4w on the grid of h×w tokens; a mask is where they are positive
  std::vector<float> scores; ///< M expected overlaps (IoU) with the truth
};

/** \class SamModel
 * \brief A network with its plan, read from one file and held on one device.
 *
 * The plan says what the model expects (channels, spacing, orientation, window) and answers (labels); the stages are
 * functions on tensors, which the filters call. A model does not change after it was read, so that any number of
 * filters may share it. Sizes and spacings are in ITK's order x, y, z.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamModel : public Object
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamModel);

  using Self = SamModel;
  using Superclass = Object;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkOverrideGetNameOfClassMacro(SamModel);

  using SpacingType = std::array<double, 3>;
  using SizeType = std::array<SizeValueType, 3>;
  using ColorType = std::array<unsigned char, 3>;
  using PlaneSizeType = std::array<SizeValueType, 2>; ///< columns and rows

  /** Called with the fraction done, from 0 to 1; returns false to stop. */
  using ProgressFunction = std::function<bool(double)>;

  /** Read a model file (.safetensors with the plan in its header) or a published checkpoint of SAM, MedSAM or
   * MobileSAM.
   * \a device is auto (a CUDA device when there is one), cpu, cuda or cuda:N. \a precision is what the encoder's linear
   * layers compute with: float32, bfloat16, int8 (cpu alone) or auto, which takes bfloat16 where a short measurement
   * finds it faster than float32.
   * \throws ExceptionObject naming the file and what is wrong in it, or the device or precision that is not there. */
  static Pointer
  Read(const std::string & fileName, const std::string & device = "auto", const std::string & precision = "float32");

  /** Wrap a network that exists already, on the device where its parameters are. \a name stands for the file name. */
  static Pointer
  FromNetwork(std::shared_ptr<const sam::Network> network, const std::string & name);

  /** Make a model from a plan (JSON), with random weights that are the same for the same seed: a start for training. */
  static Pointer
  FromPlan(const std::string & planJson, uint64_t seed);

  /** Write a model file, complete or not at all. \throws ExceptionObject naming the file. */
  void
  Write(const std::string & fileName) const;

  /** \throws ExceptionObject when \a model is null, expects more dimensions than the image has, or takes prompts that
   * are given. */
  static void
  Verify(const SamModel * model, unsigned int imageDimension);

  /** \throws ExceptionObject when \a model is null or makes its own prompts. */
  static void
  VerifyPromptable(const SamModel * model);

  /** \throws ExceptionObject when the model has no prototypes. */
  void
  VerifyPrototypes() const;

  /** \throws ExceptionObject when the labels, the channels, the preprocessing, the window or the device are not those
   * of
   * \a other: then both answers cannot be averaged. */
  void
  VerifyAveragesWith(const SamModel * other) const;

  /** \throws ExceptionObject when an embedding with this number of components was not made by this model. */
  void
  VerifyEmbedding(unsigned int components) const;

  /** Threads that LibTorch uses on the processor, for all models. */
  static void
  SetNumberOfThreads(unsigned int number);
  static unsigned int
  GetNumberOfThreads();

  const std::string &
  GetFileName() const;

  /** Where the model runs: "cpu", "cuda:0". */
  std::string
  GetDevice() const;

  /** What the encoder's linear layers compute with: float32, bfloat16 or int8. */
  std::string
  GetPrecision() const;

  /** The whole plan as JSON. */
  std::string
  GetPlanJson() const;

  /** 2 when the model looks at single slices, else 3. A 2-D model takes 3-D images slice by slice. */
  unsigned int
  GetDimension() const;

  /** Where the axes of the model's voxels point, as SamLattice says ("LPS": ITK's identity direction). */
  const std::string &
  GetOrientation() const;

  /** Spacing of the model's voxels in mm; 0 keeps the image's own along that axis. */
  SpacingType
  GetSpacing() const;

  /** How an image is read between its voxels: linear, nearest, cubic or nnunet, as SamLattice says. */
  const std::string &
  GetInterpolation() const;

  /** Voxels along each axis that any image is stretched to, whatever its spacing; 0 along axes where it is not. */
  SizeType
  GetStretchedSize() const;

  /** Whether the black frame around an image is left out: SamFindContent(). */
  bool
  RemovesFrame() const;

  /** Voxels of a window. */
  SizeType
  GetWindowSize() const;

  /** About the bytes that the network takes at its peak for a window of this size, beside its weights. */
  SizeValueType
  EstimateWindowMemory(const SizeType & size) const;

  /** Voxels per token along x and y. */
  SizeValueType
  GetPatchSize() const;

  /** Input channels. */
  unsigned int
  GetNumberOfChannels() const;
  const std::vector<SamChannel> &
  GetChannels() const;

  /** Names of the channels, separated by commas. */
  std::string
  GetChannelNames() const;

  /** Labels, the background first. Values are what the label map holds. */
  unsigned int
  GetNumberOfLabels() const;
  const std::vector<int> &
  GetLabelValues() const;
  const std::vector<std::string> &
  GetLabelNames() const;
  const std::vector<ColorType> &
  GetLabelColors() const;

  /** Prompts per slice. */
  unsigned int
  GetNumberOfQueries() const;

  /** Whether the model tells the decoder by a dense prompt, made from prototypes, where to look (DAPSAM); else by
   * masks, boxes and class tokens (MaskSAM). */
  bool
  HasPrototypes() const;

  /** Whether the decoder takes the embedding alone, without any prompt: a U-Net, or DAPSAM without prototypes. */
  bool
  NeedsNoPrompts() const;

  /** Prototypes that an image is described by; 0 where there are none. */
  unsigned int
  GetNumberOfPrototypes() const;

  /** Components of the dense prompt. */
  unsigned int
  GetNumberOfDensePromptChannels() const;

  /** Whether the model segments what points, boxes or masks on a slice point at (SAM), instead of prompting itself. */
  bool
  IsPromptable() const;

  /** Promptable models: tokens of the square that every slice is scaled to. */
  PlaneSizeType
  GetTokenGridSize() const;

  /** Promptable models: pixels of that square, patch · tokens on each side, that a slice of this size fills. */
  PlaneSizeType
  GetResizedSize(const PlaneSizeType & size) const;

  /** Promptable models: pixels of the mask logits over that square, four per token and axis. */
  PlaneSizeType
  GetLogitGridSize() const;

  /** Promptable models: masks of the ambiguous answer; 1 for HQ-SAM, which takes the best of them itself. */
  unsigned int
  GetNumberOfMultimasks() const;

  /** Components of the embedding that Encode answers. */
  unsigned int
  GetNumberOfEmbeddingChannels() const;

  /** The heavy stage: image C×D×H×W on the model's grid and intensity scale into the embedding E×D×h×w on the grid of
   * tokens, h = ceil(H / patch). Where H or W is no multiple of the patch the far border is repeated. An image of one
   * value, where there is nothing to see, has the embedding 0; of a 2-D model each slice by itself.
   * \throws ProcessAborted when \a progress answers false. */
  SamTensor
  Encode(const SamTensor & image, const ProgressFunction & progress = {}) const;

  /** Prompts on the voxel grid, H = h · patch. */
  SamPrompts
  Prompt(const SamTensor & embedding) const;

  /** The dense prompt of a model with prototypes. */
  SamDensePrompt
  PromptByPrototypes(const SamTensor & embedding) const;

  /** Probability of each label, K×D×H×W, summing to one. The background has 1 in slices whose embedding is 0. */
  SamTensor
  Classify(const SamTensor & embedding, const SamPrompts & prompts) const;

  /** The same of a model with prototypes, from its dense prompt C×D×h×w. */
  SamTensor
  Classify(const SamTensor & embedding, const SamTensor & densePrompt) const;

  /** The same of a model that needs no prompts. */
  SamTensor
  Classify(const SamTensor & embedding) const;

  /** The heavy stage of a promptable model, slice by slice: \a read answers slice k as C×1×H×W whole numbers from 0 to
   * 255, the answer is E×D×h×w on the grid of tokens. Slices are scaled and padded as the model's preprocessing says.
   * \throws ProcessAborted when \a progress answers false. */
  SamTensor
  EncodeSlices(SizeValueType                                     count,
               const std::function<SamTensor(SizeValueType k)> & read,
               const ProgressFunction &                          progress = {}) const;

  /** The masks of one object on a slice of \a size pixels with the \a embedding E×1×h×w: one, or with \a multimask
   * several that read an ambiguous prompt differently. HQ-SAM answers one in both cases, with \a hqTokenOnly that of
   * its own token alone.
   * \throws ExceptionObject when there is no prompt. */
  SamMaskAnswer
  Predict(const SamTensor &       embedding,
          const PlaneSizeType &   size,
          const SamSlicePrompts & prompts,
          bool                    multimask,
          bool                    hqTokenOnly = false) const;

  /** Mask logits M×1×4h×4w at the size of the slice, M×1×H×W. */
  SamTensor
  RestoreMasks(const SamTensor & logits, const PlaneSizeType & size) const;

  /** Mask logits 1×4h×4w that stand for a mask 1×H×W of zeros and ones: the logarithm of the odds of each logit's
   * coverage, limited to ±6.9. */
  SamTensor
  MakeMaskLogits(const SamTensor & mask) const;

  /** The masks of everything on a slice, C×1×H×W whole numbers from 0 to 255, of a promptable model.
   * \throws ExceptionObject naming the option that is out of range; ProcessAborted when \a progress answers false. */
  std::vector<SamAutomaticMask>
  GenerateMasks(const SamTensor &               slice,
                const SamAutomaticMaskOptions & options,
                const ProgressFunction &        progress = {}) const;

  /** For the library's own code. */
  const sam::Network &
  GetNetwork() const;

protected:
  SamModel();
  ~SamModel() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  struct Implementation;
  std::unique_ptr<Implementation> m_Implementation;
};
} // namespace itk

#endif
