// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPromptedSegmentationImageFilter_h
#define itkSamPromptedSegmentationImageFilter_h

#include "itkSamSliceImageFilter.h"
#include "itkSamTensorImage.h"

#include "itkImage.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

namespace itk
{
/** \class SamPromptedSegmentationImageFilter
 * \brief Segments what points, boxes and masks point at, with a promptable model: SAM, MobileSAM, MedSAM.
 *
 * Prompts belong to objects. An object is a value of the label map; on each slice it may have points in the foreground
 * and in the background, one box and one mask, which are answered together. Each slice is answered for itself. Slices
 * without prompts, and what no mask covers, get 0; where masks overlap the object with the higher logit wins.
 *
 * Points and corners are physical, mm. The slice of a point is the nearest one. A box is parallel to the image's axes
 * and given by two opposite corners; it prompts all slices whose centers lie in it with its rectangle, or the nearest
 * slice when it is thinner. Points must lie inside of the image, corners at most one voxel outside; in-plane a box must
 * have an extent.
 *
 * With Multimask the model answers several masks, whose scores say which overlap with the truth (IoU) it expects; the
 * best goes into the label map. This suits one ambiguous point; several prompts, or a box, get better answers without.
 *
 * The embedding of the prompted slices is computed once and kept for the next prompts on the same image (CacheSize), or
 * given as an input: then nothing is read of the image but its grid.
 *
 * The output has the input's region, spacing, origin and direction.
 *
 * \sa SamSliceEncoderImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage, typename TOutputImage = Image<unsigned char, TInputImage::ImageDimension>>
class ITK_TEMPLATE_EXPORT SamPromptedSegmentationImageFilter : public SamSliceImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamPromptedSegmentationImageFilter);

  using Self = SamPromptedSegmentationImageFilter;
  using Superclass = SamSliceImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamPromptedSegmentationImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;
  using OutputPixelType = typename TOutputImage::PixelType;
  using PointType = Point<double, ImageDimension>;
  using EmbeddingImageType = VectorImage<float, ImageDimension>;
  using LogitsImageType = VectorImage<float, ImageDimension>;
  using MasksImageType = VectorImage<unsigned char, ImageDimension>;

  /** \class ScoreType
   * \brief One mask of the last run.
   * \ingroup SegmentAnything */
  struct ScoreType
  {
    unsigned int   object;
    IndexValueType slice;
    unsigned int   mask;     ///< its number among the masks of this object and slice
    float          score;    ///< overlap (IoU) with the truth that the model expects
    bool           isChosen; ///< whether it went into the label map
  };

  /** Add a point in the foreground or background of an object. */
  void
  AddPoint(const PointType & point, bool isForeground = true, unsigned int object = 1);

  /** Add a box around an object. */
  void
  AddBox(const PointType & corner, const PointType & oppositeCorner, unsigned int object = 1);

  /** Forget all points and boxes. */
  void
  ClearPrompts();

  /** Set/Get a label map on the image's grid: its voxels with the value of an object are a mask prompt of this object
   * on each slice that has some. The model sees a logit of up to ±6.9 for the fraction of a cell that the mask covers.
   */
  itkSetInputMacro(MaskPrompt, OutputImageType);
  itkGetInputMacro(MaskPrompt, OutputImageType);

  /** Set/Get the logits of a former run, as GetLogits() answers them: component k is the mask prompt of the k-th object
   * by value, slices that are 0 are none. They count before MaskPrompt. */
  itkSetInputMacro(LogitsPrompt, LogitsImageType);
  itkGetInputMacro(LogitsPrompt, LogitsImageType);

  /** Set/Get the embedding of the slices that have prompts, made by SamSliceEncoderImageFilter of this image with the
   * same model and axis, or read from a file. Default is none: the image is encoded. */
  itkSetInputMacro(Embedding, EmbeddingImageType);
  itkGetInputMacro(Embedding, EmbeddingImageType);

  /** Set/Get whether the model answers several masks per object and slice, of which the best is taken; HQ-SAM takes it
   * itself and answers that one. Default is false.
   */
  itkSetMacro(Multimask, bool);
  itkGetConstMacro(Multimask, bool);
  itkBooleanMacro(Multimask);

  /** Set/Get whether HQ-SAM's mask is that of its own token alone, without SAM's added to it. Default is false. Other
   * models throw when it is true. */
  itkSetMacro(HqTokenOnly, bool);
  itkGetConstMacro(HqTokenOnly, bool);
  itkBooleanMacro(HqTokenOnly);

  /** Set/Get for how many slices the embedding is kept for the next run. Default is 32. */
  itkSetMacro(CacheSize, unsigned int);
  itkGetConstMacro(CacheSize, unsigned int);

  /** Slices that were encoded since the filter was made. */
  itkGetConstMacro(NumberOfEncodedSlices, SizeValueType);

  /** The masks of the last run with their scores, by slice, object and number. */
  std::vector<ScoreType>
  GetScores() const;

  /** All masks of the last run on the output's grid, 0 and 1: components are the masks of the first object, then those
   * of the next. */
  typename MasksImageType::Pointer
  GetMasks() const;

  /** Logits of the chosen masks of the last run from the first to the last slice with prompts, one component per
   * object, as the model answered them: four per token and axis, padding included. */
  typename LogitsImageType::Pointer
  GetLogits() const;

  void
  UpdateOutputData(DataObject * output) override;

protected:
  SamPromptedSegmentationImageFilter() = default;
  ~SamPromptedSegmentationImageFilter() override = default;

  void
  VerifyInputInformation() const override;

  void
  GenerateInputRequestedRegion() override;

  void
  GenerateData() override;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  struct PointPrompt
  {
    PointType    point;
    bool         isForeground;
    unsigned int object;
  };
  struct BoxPrompt
  {
    PointType    corner;
    PointType    oppositeCorner;
    unsigned int object;
  };
  struct Answer
  {
    unsigned int   object;
    IndexValueType slice;
    SamMaskAnswer  masks;
    unsigned int   best;
  };
  using SlicePrompts = std::map<unsigned int, SamSlicePrompts>; ///< by object
  using Prompts = std::map<IndexValueType, SlicePrompts>;       ///< by slice

  static SamGrid::VectorType
  ToVector(const PointType & point);

  /** Points and boxes by slice. \throws ExceptionObject when one lies outside of the image or is empty. */
  Prompts
  CollectPrompts(const SamSlices & slices) const;

  void
  AddMasks(const SamSlices & slices, Prompts & prompts) const;

  void
  AddLogits(const SamSlices & slices, Prompts & prompts) const;

  /** What kept embeddings are made of. */
  using CacheKey = std::
    tuple<const DataObject *, ModifiedTimeType, const SamModel *, ModifiedTimeType, unsigned int, std::vector<double>>;

  CacheKey
  MakeCacheKey() const;

  /** The kept embedding of a slice, or an empty tensor. */
  SamTensor
  FindKept(IndexValueType slice) const;

  void
  Keep(IndexValueType slice, const SamTensor & embedding);

  std::set<unsigned int>
  GetObjects() const;

  std::vector<PointPrompt> m_Points;
  std::vector<BoxPrompt>   m_Boxes;
  bool                     m_Multimask{ false };
  bool                     m_HqTokenOnly{ false };
  unsigned int             m_CacheSize{ 32 };
  SizeValueType            m_NumberOfEncodedSlices{ 0 };
  std::vector<Answer>      m_Answers; ///< by slice and object

  /** What the answers are about. */
  struct Answered
  {
    SamModel::ConstPointer model;
    SamGrid                grid;
    unsigned int           axis{ 2 };
  };
  Answered m_Answered;

  std::vector<std::pair<IndexValueType, SamTensor>> m_Cache; ///< by time of last use
  CacheKey                                          m_CacheKey{};
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamPromptedSegmentationImageFilter.hxx"
#endif

#endif
