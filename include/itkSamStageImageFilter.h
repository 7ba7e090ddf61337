// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamStageImageFilter_h
#define itkSamStageImageFilter_h

#include "itkSamMacro.h"
#include "itkSamModel.h"
#include "itkSamTensorImage.h"

#include "itkImageToImageFilter.h"

namespace itk
{
/** \class SamStageImageFilter
 * \brief Base of the stages of a model on its own grid: encoding, prompting, classification.
 *
 * All inputs are needed as a whole, of which the tensors are enough; the output is always made as a whole.
 *
 * \sa SamEncoderImageFilter SamAutoPromptImageFilter SamPrototypePromptImageFilter SamMaskClassificationImageFilter
 * \ingroup SegmentAnything
 */
template <typename TInputImage, typename TOutputImage>
class ITK_TEMPLATE_EXPORT SamStageImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamStageImageFilter);

  using Self = SamStageImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkOverrideGetNameOfClassMacro(SamStageImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;

  /** Set/Get the model. There is no default. */
  itkSetConstObjectMacro(Model, SamModel);
  itkGetConstObjectMacro(Model, SamModel);

protected:
  SamStageImageFilter() = default;
  ~SamStageImageFilter() override = default;

  void
  VerifyPreconditions() const override
  {
    Superclass::VerifyPreconditions();
    SamModel::Verify(m_Model, ImageDimension);
  }

  void
  GenerateInputRequestedRegion() override
  {
    ProcessObject::GenerateInputRequestedRegion();
    this->DeferPixelsOfInputs();
  }

  void
  DeferPixelsOfInputs()
  {
    for (const auto & input : this->GetInputs())
    {
      SamTensorImage<ImageDimension>::DeferPixelsOf(input);
    }
  }

  void
  EnlargeOutputRequestedRegion(DataObject * output) override
  {
    Superclass::EnlargeOutputRequestedRegion(output);
    output->SetRequestedRegionToLargestPossibleRegion();
  }

  void
  PrintSelf(std::ostream & os, Indent indent) const override
  {
    Superclass::PrintSelf(os, indent);
    itkPrintSelfObjectMacro(Model);
  }

  SamModel::ConstPointer m_Model;
};
} // namespace itk

#endif
