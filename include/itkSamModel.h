// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamModel_h
#define itkSamModel_h

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
  std::string normalization{
    "z_score"
  }; ///< z_score: (v − mean) / deviation of the image; clip: with the numbers below
  double lower{ 0.0 };     ///< clip: smallest intensity
  double upper{ 0.0 };     ///< clip: largest intensity
  double mean{ 0.0 };      ///< clip: subtracted after clipping
  double deviation{ 1.0 }; ///< clip: divided by after that

  bool
  operator==(const SamChannel & other) const
  {
    return name == other.name && normalization == other.normalization && lower == other.lower && upper == other.upper &&
           mean == other.mean && deviation == other.deviation;
  }
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

  /** Called with the fraction done, from 0 to 1; returns false to stop. */
  using ProgressFunction = std::function<bool(double)>;

  /** Read a model file (.safetensors with the plan in its header). \a device is auto (a CUDA device when there is one),
   * cpu, cuda or cuda:N.
   * \throws ExceptionObject naming the file and what is wrong in it, or the device that is not there. */
  static Pointer
  Read(const std::string & fileName, const std::string & device = "auto");

  /** Wrap a network that exists already, on the device where its parameters are. \a name stands for the file name. */
  static Pointer
  FromNetwork(std::shared_ptr<const sam::Network> network, const std::string & name);

  /** Make a model from a plan (JSON), with random weights that are the same for the same seed: a start for training. */
  static Pointer
  FromPlan(const std::string & planJson, uint64_t seed);

  /** Write a model file, complete or not at all. \throws ExceptionObject naming the file. */
  void
  Write(const std::string & fileName) const;

  /** \throws ExceptionObject when \a model is null or expects more dimensions than the image has. */
  static void
  Verify(const SamModel * model, unsigned int imageDimension);

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

  /** The whole plan as JSON. */
  std::string
  GetPlanJson() const;

  /** 2 when the model looks at single slices, else 3. A 2-D model takes 3-D images slice by slice. */
  unsigned int
  GetDimension() const;

  /** Where the axes of the model's voxels point ("LPS": ITK's identity direction), or "acquisition": as stored. */
  const std::string &
  GetOrientation() const;

  /** Spacing of the model's voxels in mm; 0 keeps the image's own along that axis. */
  SpacingType
  GetSpacing() const;

  /** Voxels of a window. */
  SizeType
  GetWindowSize() const;

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

  /** Components of the embedding that Encode answers. */
  unsigned int
  GetNumberOfEmbeddingChannels() const;

  /** The heavy stage: image C×D×H×W on the model's grid and intensity scale into the embedding E×D×h×w on the grid of
   * tokens, h = ceil(H / patch). Where H or W is no multiple of the patch the far border is repeated.
   * \throws ProcessAborted when \a progress answers false. */
  SamTensor
  Encode(const SamTensor & image, const ProgressFunction & progress = {}) const;

  /** Prompts on the voxel grid, H = h · patch. */
  SamPrompts
  Prompt(const SamTensor & embedding) const;

  /** Probability of each label, K×D×H×W, summing to one. */
  SamTensor
  Classify(const SamTensor & embedding, const SamPrompts & prompts) const;

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
