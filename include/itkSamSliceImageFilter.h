// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSliceImageFilter_h
#define itkSamSliceImageFilter_h

#include "itkSamMacro.h"
#include "itkSamModel.h"
#include "itkSamSliceReader.h"
#include "itkSamSlices.h"

#include "itkImageToImageFilter.h"

#include <vector>

namespace itk
{
/** \class SamSliceImageFilter
 * \brief Base of the filters that show slices of an image to a promptable model: SAM, MobileSAM, MedSAM.
 *
 * The input is a 2-D image, or a volume whose slices across an axis the model sees one by one. The output is always
 * made as a whole.
 *
 * \sa SamSlices SamSliceReader
 * \ingroup SegmentAnything
 */
template <typename TInputImage, typename TOutputImage>
class ITK_TEMPLATE_EXPORT SamSliceImageFilter : public ImageToImageFilter<TInputImage, TOutputImage>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamSliceImageFilter);

  using Self = SamSliceImageFilter;
  using Superclass = ImageToImageFilter<TInputImage, TOutputImage>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;

  itkOverrideGetNameOfClassMacro(SamSliceImageFilter);

  static constexpr unsigned int ImageDimension = TInputImage::ImageDimension;
  static_assert(ImageDimension == 2 || ImageDimension == 3, "images of two or three dimensions");
  static_assert(ImageDimension == TOutputImage::ImageDimension, "input and output have the same dimension");

  using InputImageType = TInputImage;
  using OutputImageType = TOutputImage;

  /** Set/Get the model. There is no default. */
  itkSetConstObjectMacro(Model, SamModel);
  itkGetConstObjectMacro(Model, SamModel);

  /** Set/Get the axis across the slices, see SamSlices. Default is 2. 2-D images ignore it. */
  itkSetMacro(Axis, unsigned int);
  itkGetConstMacro(Axis, unsigned int);

  /** Set the window: the intensities that become black and white. Default is none: 8-bit images as they are, of others
   * the 0.5th to the 99.5th percentile of the whole image. */
  void
  SetWindow(double lower, double upper)
  {
    this->SetRange(m_Window, { lower, upper });
  }
  void
  ClearWindow()
  {
    this->SetRange(m_Window, {});
  }
  /** Lower and upper, or empty. */
  const std::vector<double> &
  GetWindow() const
  {
    return m_Window;
  }

protected:
  SamSliceImageFilter() = default;
  ~SamSliceImageFilter() override = default;

  using ReaderType = SamSliceReader<TInputImage>;

  void
  VerifyPreconditions() const override
  {
    Superclass::VerifyPreconditions();
    SamModel::VerifyPromptable(m_Model);
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
    os << indent << "Axis: " << m_Axis << std::endl;
    PrintRange(os << indent << "Window: ", m_Window);
  }

  SamSlices
  MakeSlices() const
  {
    return SamSlices(SamGrid::FromImage<ImageDimension>(this->GetInput()), m_Model, m_Axis);
  }

  void
  VerifyPixels() const
  {
    ReaderType::Verify(this->GetInput(), m_Model, m_Window);
  }

  /** Request the pixels that MakeReader() needs. */
  void
  RequestSlices(IndexValueType first, SizeValueType count)
  {
    auto * input = const_cast<InputImageType *>(this->GetInput());
    if (ReaderType::NeedsWholeImage(m_Window))
    {
      input->SetRequestedRegionToLargestPossibleRegion();
    }
    else
    {
      input->SetRequestedRegion(this->MakeSlices().GetImageBox(first, count).template ToRegion<ImageDimension>());
    }
  }

  ReaderType
  MakeReader(IndexValueType first, SizeValueType count) const
  {
    return ReaderType(this->GetInput(), m_Model, this->MakeSlices(), m_Window, first, count);
  }

  /** Set two numbers, or none. */
  template <typename T>
  void
  SetRange(std::vector<T> & member, const std::vector<T> & range)
  {
    if (member != range)
    {
      member = range;
      this->Modified();
    }
  }

  template <typename T>
  static void
  PrintRange(std::ostream & os, const std::vector<T> & range)
  {
    range.empty() ? os << "(none)" : os << range[0] << " to " << range[1];
    os << std::endl;
  }

private:
  SamModel::ConstPointer m_Model;
  unsigned int           m_Axis{ 2 };
  std::vector<double>    m_Window; ///< empty, or lower and upper
};
} // namespace itk

#endif
