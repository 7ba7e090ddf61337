// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamMaskClassificationImageFilter_h
#define itkSamMaskClassificationImageFilter_h

#include "itkSamPromptImage.h"
#include "itkSamStageImageFilter.h"

namespace itk
{
/** \class SamMaskClassificationImageFilter
 * \brief Turns an embedding and its prompts into the probability of each label at each voxel.
 *
 * The first input is the embedding, as for SamAutoPromptImageFilter; the second the prompts, or the dense prompt of a
 * model with prototypes. The output has one component per label of the model, in the model's order, and lies on the
 * grid of the image's voxels, as the prompts do. Components sum to one.
 *
 * \sa SamAutoPromptImageFilter SamPrototypePromptImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage>
class ITK_TEMPLATE_EXPORT SamMaskClassificationImageFilter
  : public SamStageImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamMaskClassificationImageFilter);

  using Self = SamMaskClassificationImageFilter;
  using Superclass = SamStageImageFilter<TInputImage, SamTensorImage<TInputImage::ImageDimension>>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkNewMacro(Self);
  itkOverrideGetNameOfClassMacro(SamMaskClassificationImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using typename Superclass::InputImageType;
  using typename Superclass::OutputImageType;
  using PromptImageType = SamPromptImage<ImageDimension>;

  /** Set/Get the prompts that belong to the embedding. */
  itkSetInputMacro(Prompts, PromptImageType);
  itkGetInputMacro(Prompts, PromptImageType);

  /** Set/Get the dense prompt that belongs to the embedding, of SamPrototypePromptImageFilter. */
  itkSetInputMacro(DensePrompt, InputImageType);
  itkGetInputMacro(DensePrompt, InputImageType);

  void
  UpdateOutputData(DataObject * output) override;

protected:
  SamMaskClassificationImageFilter() = default;
  ~SamMaskClassificationImageFilter() override = default;

  void
  VerifyPreconditions() const override;

  void
  VerifyInputInformation() const override;

  void
  GenerateOutputInformation() override;

  void
  GenerateData() override;

private:
  using Superclass::m_Model;
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamMaskClassificationImageFilter.hxx"
#endif

#endif
