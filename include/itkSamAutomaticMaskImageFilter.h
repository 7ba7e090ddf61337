// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamAutomaticMaskImageFilter_h
#define itkSamAutomaticMaskImageFilter_h

#include "itkSamAutomaticMask.h"
#include "itkSamSliceImageFilter.h"

#include "itkImage.h"

#include <vector>

namespace itk
{
/** \class SamAutomaticMaskImageFilter
 * \brief Finds the masks of everything on a 2-D image, or on slices of a volume, with a promptable model: SAM,
 * MobileSAM.
 *
 * A grid of points prompts the model on each slice; every point is answered by several masks. Those remain of which the
 * model expects a good overlap with the truth (PredIouThresh), that change little when the cut through their logits
 * moves (StabilityScoreThresh), and whose boxes overlap no better one's (BoxNmsThresh). With CropNLayers the same is
 * done on parts of the slice, which the model sees larger. Parameters, defaults and answers are those of the published
 * SamAutomaticMaskGenerator. At most a few masks at a time are kept as images of logits; the rest as run lengths.
 *
 * In the output the masks of a slice are numbered by falling area, and smaller masks lie over larger ones. Numbers go
 * on from slice to slice, which are looked at one by one: they do not say what belongs together across slices. What is
 * covered by no mask is 0. The output has the input's region, spacing, origin and direction.
 *
 * \ingroup SegmentAnything
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned short, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT SamAutomaticMaskImageFilter : public SamSliceImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamAutomaticMaskImageFilter);

  using Self = SamAutomaticMaskImageFilter;
  using Superclass = SamSliceImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamAutomaticMaskImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;
  using OutputPixelType = typename TOutputImage::PixelType;

  /** \class MaskType
   * \brief A mask of the last run.
   * \ingroup SegmentAnything */
  struct MaskType
  {
    unsigned int     label; ///< its number in the label map
    IndexValueType   slice; ///< index of the image along the axis
    SamAutomaticMask mask;
  };

  /** Set the slices to look at, \a first to \a last as indices of the image along the axis. Default is all. */
  void
  SetSliceRange(IndexValueType first, IndexValueType last)
  {
    this->SetRange(m_SliceRange, { first, last });
  }
  void
  ClearSliceRange()
  {
    this->SetRange(m_SliceRange, {});
  }

  /** Set/Get the points along each side of a slice. Default is 32. */
  itkSetMacro(PointsPerSide, unsigned int);
  itkGetConstMacro(PointsPerSide, unsigned int);

  /** Set/Get the points that are decoded together: more need more memory. Default is 64. */
  itkSetMacro(PointsPerBatch, unsigned int);
  itkGetConstMacro(PointsPerBatch, unsigned int);

  /** Set/Get the overlap (IoU) with the truth that the model must expect of a mask to keep it. Default is 0.88. */
  itkSetMacro(PredIouThresh, double);
  itkGetConstMacro(PredIouThresh, double);

  /** Set/Get the least stability score: overlap of the masks that are cut from the logits above and below 0. Default is
   * 0.95. */
  itkSetMacro(StabilityScoreThresh, double);
  itkGetConstMacro(StabilityScoreThresh, double);

  /** Set/Get how far above and below these cuts are. Default is 1. */
  itkSetMacro(StabilityScoreOffset, double);
  itkGetConstMacro(StabilityScoreOffset, double);

  /** Set/Get the overlap (IoU) of boxes from which on the worse mask is a duplicate. Default is 0.7. */
  itkSetMacro(BoxNmsThresh, double);
  itkGetConstMacro(BoxNmsThresh, double);

  /** Set/Get the layers of crops: layer k looks at 2^k × 2^k parts of the slice. Default is 0: the whole slice only. */
  itkSetMacro(CropNLayers, unsigned int);
  itkGetConstMacro(CropNLayers, unsigned int);

  /** Set/Get the same as BoxNmsThresh between masks of different crops, where smaller crops are better. Default is 0.7.
   */
  itkSetMacro(CropNmsThresh, double);
  itkGetConstMacro(CropNmsThresh, double);

  /** Set/Get how much the crops of the first layer overlap, as a fraction of the slice's shorter side; those of further
   * layers half as much each. Default is 512 / 1500. */
  itkSetMacro(CropOverlapRatio, double);
  itkGetConstMacro(CropOverlapRatio, double);

  /** Set/Get by what the points per side are divided from layer to layer. Default is 1. */
  itkSetMacro(CropNPointsDownscaleFactor, unsigned int);
  itkGetConstMacro(CropNPointsDownscaleFactor, unsigned int);

  /** Set/Get the pixels that an island or hole of a mask must have not to be removed. Default is 0: all stay. */
  itkSetMacro(MinMaskRegionArea, SizeValueType);
  itkGetConstMacro(MinMaskRegionArea, SizeValueType);

  /** The masks of the last run; number k of the label map is entry k − 1. */
  const std::vector<MaskType> &
  GetMasks() const
  {
    return m_Masks;
  }

protected:
  SamAutomaticMaskImageFilter() = default;
  ~SamAutomaticMaskImageFilter() override = default;

  void
  VerifyInputInformation() const override;

  void
  GenerateInputRequestedRegion() override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  SamAutomaticMaskOptions
  MakeOptions() const;

  std::vector<IndexValueType> m_SliceRange; ///< empty, or first and last
  unsigned int                m_PointsPerSide{ 32 };
  unsigned int                m_PointsPerBatch{ 64 };
  double                      m_PredIouThresh{ 0.88 };
  double                      m_StabilityScoreThresh{ 0.95 };
  double                      m_StabilityScoreOffset{ 1.0 };
  double                      m_BoxNmsThresh{ 0.7 };
  unsigned int                m_CropNLayers{ 0 };
  double                      m_CropNmsThresh{ 0.7 };
  double                      m_CropOverlapRatio{ 512.0 / 1500.0 };
  unsigned int                m_CropNPointsDownscaleFactor{ 1 };
  SizeValueType               m_MinMaskRegionArea{ 0 };
  std::vector<MaskType>       m_Masks;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamAutomaticMaskImageFilter.hxx"
#endif

#endif
