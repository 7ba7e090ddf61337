// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSegmentationImageFilter_h
#define itkSamSegmentationImageFilter_h

#include "itkSamLattice.h"
#include "itkSamMacro.h"
#include "itkSamMemory.h"
#include "itkSamModel.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamSampling.h"
#include "itkSamWindowedSegmentation.h"

#include "itkImage.h"
#include "itkImageToImageFilter.h"

#include <string>
#include <vector>

namespace itk
{
/** \class SamSegmentationImageFilter
 * \brief Turns an image into a label map on the same grid, with no prompt drawn by hand.
 *
 * Composes the stages: SamResampleImageFilter brings the image to the model's grid and intensities; over windows run
 * SamEncoderImageFilter, SamAutoPromptImageFilter (or SamPrototypePromptImageFilter, as the model is) and
 * SamMaskClassificationImageFilter; their answers are blended on
 * the device. The probabilities are then interpolated linearly at each voxel of the input, and the label of the
 * largest is written: the value that the model gives to the label, not its number. Where the voxels of both grids
 * coincide (same spacing, axes permuted or flipped) nothing is interpolated.
 *
 * Without regions of interest the whole image is segmented. With regions, each is segmented for itself and voxels
 * outside of all of them get 0; where regions overlap the label with the higher probability wins. Only the voxels that
 * the regions need are requested from the input.
 *
 * Of a model that leaves the black frame around images out, voxels in the frame get 0. So do windows of one value, of
 * models for single slices slices of one value: there is nothing to see, and nothing is encoded.
 *
 * The output has the input's region, spacing, origin and direction.
 *
 * Any region of it can be requested, and gets the labels that it has in the whole, bit for bit: windows lie where they
 * lie for the whole image, and a normalization by the whole image is measured first in parts. So an image larger than
 * memory is segmented by a pipeline that streams: an ImageFileReader of a format that can be read in parts, this
 * filter, and an ImageFileWriter with SetNumberOfStreamDivisions() of a format that can be written so (without
 * compression), or a StreamingImageFilter that collects the label map. Answers of windows that reach into the next
 * region are kept, so that regions along the slowest axis, one after the other, cost no window twice.
 * EstimateMemory() says what a region takes. A model that leaves a black frame out needs the whole input for any
 * region, to find the frame.
 *
 * \sa SamModel
 * \ingroup SegmentAnything
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned char, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT SamSegmentationImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamSegmentationImageFilter);

  using Self = SamSegmentationImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamSegmentationImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3, "images of two or three dimensions");
  static_assert(ImageDimension == TOutputImage::ImageDimension, "the label map has the image's dimension");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;
  using OutputPixelType = typename TOutputImage::PixelType;
  using OutputRegionType = typename TOutputImage::RegionType;
  using ProbabilityImageType = Image<float, ImageDimension>;
  using PointType = Point<double, ImageDimension>;
  using VectorType = Vector<double, ImageDimension>;

  /** Set/Get the model. There is no default. */
  itkSetConstObjectMacro(Model, SamModel);
  itkGetConstObjectMacro(Model, SamModel);

  /** Average with the answers of another model, of the same labels, channels, preprocessing and window: a member of an
   * ensemble. Default is none. */
  void
  AddModel(const SamModel * model);

  /** Forget the models that were added. */
  void
  ClearAddedModels();

  /** Set/Get the axes of the model's grid (0 = x, 1 = y, 2 = z) along which windows are mirrored: answers are means
   * over all combinations, two to the number of axes. For models that were trained so. Default is none. */
  void
  SetMirrorAxes(const std::vector<unsigned int> & axes);
  const std::vector<unsigned int> &
  GetMirrorAxes() const
  {
    return m_MirrorAxes;
  }

  /** Set what answers for each window instead of the network, such as SamMaskClassificationImageFilter on an embedding
   * that was made earlier (SamEncoderImageFilter::SetWindow): then of the input the grid alone counts (and the frame
   * that the model may leave out), and added models and mirrored windows are no use. The answer may be padded to whole
   * tokens. Default is none. */
  void
  SetWindowFunction(const SamWindowFunction & function);

  /** Add a region to segment: a box along the axes of the physical space, \a center and \a size in mm. It must overlap
   * the image. Default is none: the whole image. */
  void
  AddRegionOfInterest(const PointType & center, const VectorType & size);

  /** Forget all regions. */
  void
  ClearRegionsOfInterest();

  unsigned int
  GetNumberOfRegionsOfInterest() const
  {
    return static_cast<unsigned int>(m_Regions.size());
  }

  /** Set/Get values of labels whose probabilities are answered beside the label map, by GetProbability(): what the
   * label of each voxel was chosen by, the mean over models and mirrored windows, blended over windows and
   * interpolated. Those of all labels sum to one: where scores of a model do not, they are divided by their sum. Where
   * regions overlap they are those of the region whose label won; where nothing is segmented (outside of all regions,
   * in a frame) the background has 1. Default is none. */
  void
  SetProbabilityLabels(const std::vector<int> & values);
  const std::vector<int> &
  GetProbabilityLabels() const
  {
    return m_ProbabilityLabels;
  }

  /** The probabilities of a label on the grid of the label map, for the region that was requested of it.
   * \throws ExceptionObject when it is none of GetProbabilityLabels(). */
  ProbabilityImageType *
  GetProbability(int value);

  /** Set/Get whether GetUncertainty() is answered. Default is off. */
  void
  SetComputeUncertainty(bool isOn);
  itkGetConstMacro(ComputeUncertainty, bool);
  itkBooleanMacro(ComputeUncertainty);

  /** One minus the largest probability of all labels, on the grid of the label map; 0 where nothing is segmented. Null
   * when it is not computed. */
  ProbabilityImageType *
  GetUncertainty();

  /** Windows that the network ran over for the last requested region, all regions of interest together. */
  itkGetConstMacro(NumberOfWindows, SizeValueType);

  /** About the most memory that a requested region of the output takes beside the model, all things on the device of
   * the model. The input's information must be up to date. */
  SamMemory
  EstimateMemory(const OutputRegionType & region) const;

  using Superclass::MakeOutput;
  ProcessObject::DataObjectPointer
  MakeOutput(const ProcessObject::DataObjectIdentifierType & name) override;

protected:
  SamSegmentationImageFilter() = default;
  ~SamSegmentationImageFilter() override = default;

  void
  VerifyPreconditions() const override;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateInputRequestedRegion() override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  struct RegionOfInterest
  {
    PointType  center;
    VectorType size;
  };

  SamLattice
  MakeLattice() const;

  /** The lattice over a part of the input. */
  SamLattice
  MakeLattice(const SamIndexBox & content) const;

  /** The part of the lattice that each region takes; the whole lattice without regions. */
  std::vector<SamIndexBox>
  MakeBoxes(const SamLattice & lattice) const;

  /** What of the output's \a region the lattice's \a box covers; false where nothing is. \a part becomes the part of
   * the box that it is made of. */
  static bool
  FindPart(const SamLattice & lattice, const SamIndexBox & box, const SamIndexBox & region, SamIndexBox & part);

  /** The windows for a \a part of a \a box. */
  SamSlidingWindow
  MakeWindows(const SamIndexBox & box, const SamIndexBox & part) const;

  /** Forget what belongs to other settings or another input. */
  void
  PrepareRuns(size_t count);

  /** A part of the lattice as a tensor C×D×H×W, by the filter of a run; given up when \a report answers false. */
  SamTensor
  Resample(size_t run, const SamIndexBox & part, const std::function<bool(double)> & report);

  /** The name of the output with the probabilities of a label. */
  static std::string
  GetProbabilityName(int value)
  {
    return "Probability" + std::to_string(value);
  }

  /** Label the output's voxels that the sampler covers. \a confidence holds the best probability so far of every
   * output voxel; it is empty where there is one region only. */
  void
  WriteLabels(const SamLabelSampler & sampler, std::vector<float> & confidence);

  SamModel::ConstPointer m_Model;
  SamIndexBox            m_Content{}; ///< what is inside of a frame that the model leaves out

  std::vector<SamModel::ConstPointer> m_AddedModels;
  std::vector<unsigned int>           m_MirrorAxes;
  SamWindowFunction                   m_WindowFunction;
  std::vector<RegionOfInterest>       m_Regions;
  std::vector<int>                    m_ProbabilityLabels;
  bool                                m_ComputeUncertainty{ false };

  /** What stays from one requested region to the next. */
  struct Run
  {
    typename SamResampleImageFilter<TInputImage>::Pointer resample;
    SamWindowKeeper                                       keeper;
  };
  std::vector<Run> m_Runs; ///< one for each box
  ModifiedTimeType m_RunsTime{ 0 };

  SizeValueType m_NumberOfWindows{ 0 };
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamSegmentationImageFilter.hxx"
#endif

#endif
