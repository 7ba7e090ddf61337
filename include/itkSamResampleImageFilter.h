// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamResampleImageFilter_h
#define itkSamResampleImageFilter_h

#include "itkSamLattice.h"
#include "itkSamMacro.h"
#include "itkSamModel.h"
#include "itkSamPixels.h"
#include "itkSamSampling.h"

#include "itkImageToImageFilter.h"
#include "itkVectorImage.h"

#include <array>
#include <string>
#include <vector>

namespace itk
{
/** \class SamResampleImageFilter
 * \brief Brings an image to the grid and the intensities that a model expects.
 *
 * The grid is that of SamLattice: axes as the orientation says, the given spacing, centered on the image; the same
 * anatomy gives the same numbers in whichever order of axes the image is stored. With a region of interest the output
 * is the part of this grid that is nearest to the region; its start index counts from the first voxel of the whole
 * grid. Outside of the image the border voxels are repeated.
 *
 * Then each channel is normalized: *z_score* subtracts the mean and divides by the standard deviation, both over the
 * output's voxels that lie inside of the image (a constant channel becomes 0); *clip* limits to [lower, upper],
 * subtracts the mean and divides by the deviation that the channel names.
 *
 * Between voxels the image is read linearly, or as SetInterpolation() says.
 *
 * A black frame around the image can be left out; in what follows the image is what is inside of it.
 *
 * The input's components (of a vector image, RGB or vector pixels, or the one of a scalar pixel) are the channels. Only
 * the voxels that the output needs are requested, and any region of the output can be: what a normalization measures,
 * and the range that cubic interpolation is limited to, is then measured first, in parts that are requested from the
 * input one after the other, and once for all regions.
 *
 * \sa SamLattice
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamResampleImageFilter
  : public ImageToImageFilter<TInputImage, VectorImage<float, TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamResampleImageFilter);

  using Self = SamResampleImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, VectorImage<float, TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamResampleImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using InputImageType = TInputImage;
  using OutputImageType = VectorImage<float, ImageDimension>;
  using PointType = Point<double, ImageDimension>;
  using VectorType = Vector<double, ImageDimension>;
  using SpacingType = SamModel::SpacingType;
  using StretchedSizeType = SamLattice::StretchedSizeType;
  using ChannelsType = std::vector<SamChannel>;

  /** Take orientation, spacing, interpolation and channels from a model. */
  void
  SetModel(const SamModel * model);

  /** Set/Get where the output's axes point: three of L R P A S I, one per axis; these behind "nearest " for the input's
   * own axes nearest to them; or "acquisition": as the input's. Default is "LPS", ITK's identity direction. 2-D images
   * use the first two letters. \sa SamLattice */
  itkSetStringMacro(Orientation);
  itkGetStringMacro(Orientation);

  /** Set/Get the output's spacing in mm along its axes x, y, z; 0 keeps the input's own. Default is 0, 0, 0. */
  void
  SetOutputSpacing(const SpacingType & spacing);
  itkGetConstReferenceMacro(OutputSpacing, SpacingType);

  /** Set/Get how the image is read between its voxels: "linear", "nearest", "cubic" or "nnunet" (cubic, and nearest
   * along an axis of coarse slices). Default is "linear". \sa SamLattice */
  itkSetStringMacro(Interpolation);
  itkGetStringMacro(Interpolation);

  /** Set/Get the number of voxels along the output's axes x, y, z that the image is stretched to; 0: as the spacing
   * says. Default is 0, 0, 0. */
  void
  SetStretchedSize(const StretchedSizeType & size);
  itkGetConstReferenceMacro(StretchedSize, StretchedSizeType);

  /** Set/Get how each channel is normalized. Default is no channel: any number of components, values unchanged. */
  void
  SetChannels(const ChannelsType & channels);
  itkGetConstReferenceMacro(Channels, ChannelsType);

  /** Set the region of interest: a box along the axes of the physical space, \a center and \a size in mm. It must
   * overlap the image. Default is none: the whole image. */
  void
  SetRegionOfInterest(const PointType & center, const VectorType & size);
  void
  ClearRegionOfInterest();
  itkGetConstMacro(HasRegionOfInterest, bool);

  /** Set/Get whether the black frame around the image is left out: the grid is that over the box of SamFindContent(),
   * as if there was nothing else. The box depends on the pixels, so that the input is brought up to date for the
   * output's information already. Default is false. */
  itkSetMacro(RemovesFrame, bool);
  itkGetConstMacro(RemovesFrame, bool);
  itkBooleanMacro(RemovesFrame);

#ifndef ITK_WRAPPING_PARSER // SWIG returns only what can be made empty
  /** The grid over the current input, whose information must be up to date; where a frame is removed this filter's
   * information, too. */
  SamLattice
  MakeLattice() const;
#endif

protected:
  SamResampleImageFilter() = default;
  ~SamResampleImageFilter() override = default;

  void
  VerifyPreconditions() const override;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateInputRequestedRegion() override;

  void
  UpdateOutputData(DataObject * output) override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  SamIndexBox
  MakeBox(const SamLattice & lattice) const;

  /** Whether what normalizations need is known of the input as it is. */
  bool
  IsMeasured() const;

  /** Whether a part of the output needs something of the whole input. */
  bool
  NeedsMeasuring() const;

  /** Measure the whole input in parts. */
  void
  MeasureInput();

  /** Ask the input for a box of its voxels and have them made. */
  void
  ReadInput(const SamIndexBox & box);

  /** What is buffered of the input, which is looked at for what is not finite. */
  SamComponentBuffer<SamComponentType<TInputImage>>
  GetBuffer() const;

  /** Samples of a part of the lattice into \a target; answers which are inside. */
  std::vector<unsigned char>
  Sample(const SamLattice &                                        lattice,
         const SamIndexBox &                                       part,
         const SamComponentBuffer<SamComponentType<TInputImage>> & buffer,
         float *                                                   target) const;

  std::string  m_Orientation{ "LPS" };
  std::string  m_Interpolation{ "linear" };
  SpacingType  m_OutputSpacing{ { 0.0, 0.0, 0.0 } };
  ChannelsType m_Channels{};

  StretchedSizeType m_StretchedSize{ { 0, 0, 0 } };

  bool        m_RemovesFrame{ false };
  SamIndexBox m_Content{}; ///< what is inside of the frame

  unsigned int m_ModelDimension{ 0 };
  bool         m_HasRegionOfInterest{ false };
  PointType    m_RegionCenter{};
  VectorType   m_RegionSize{};

  SamValueRange    m_Range{};
  SamNormalization m_Normalization{};
  ModifiedTimeType m_MeasuredTime{ 0 };
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamResampleImageFilter.hxx"
#endif

#endif
