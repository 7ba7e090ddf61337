// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamTensorImage_h
#define itkSamTensorImage_h

#include "itkSamLattice.h"
#include "itkSamMacro.h"
#include "itkSamTensor.h"

#include "itkVectorImage.h"

namespace itk
{
/** \class SamTensorImage
 * \brief A vector image that keeps its values as a tensor on the device.
 *
 * What flows between the stages stays on the device; the pixel buffer is filled when somebody else reads it. A consumer
 * that reads the tensor says so with DeferPixels() in its GenerateInputRequestedRegion(). Each request that no consumer
 * deferred (an ordinary filter, a writer, Update() called on the image or on the filter that makes it) fills the pixels
 * in UpdateOutputData().
 *
 * The tensor is C×D×H×W with one channel per component, the buffered region's size and, in 2-D, one slice.
 *
 * \ingroup SegmentAnything
 */
template <unsigned int VDimension = 3>
class ITK_TEMPLATE_EXPORT SamTensorImage : public VectorImage<float, VDimension>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(SamTensorImage);

  using Self = SamTensorImage;
  using Superclass = VectorImage<float, VDimension>;
  using Pointer = SmartPointer<Self>;
  using ConstPointer = SmartPointer<const Self>;
  using ConstWeakPointer = WeakPointer<const Self>;

  itkNewMacro(Self);

  // GetNameOfClass() stays "VectorImage": ITK's readers and writers know vector images by this name.

  /** Set the values. The buffered region must have the tensor's size; the number of components becomes that of the
   * tensor's channels. An empty tensor means that the pixels are what counts: call it after changing pixels by hand.
   * \throws ExceptionObject when the sizes do not fit. */
  void
  SetTensor(const SamTensor & tensor);

  /** The values. Made from the pixels where no tensor was set.
   * \throws ExceptionObject when there are no pixels, or one of them is NaN or infinite. */
  SamTensor
  GetTensor() const;

  /** The tensor of any vector image: the one that it keeps, or its pixels in a new one on the processor.
   * \throws ExceptionObject when the image is not buffered as a whole, or a pixel is NaN or infinite. */
  static SamTensor
  TensorOf(const Superclass * image);

  /** Say that the next request comes from a consumer that reads the tensor. */
  void
  DeferPixels()
  {
    ++m_Deferrals;
  }

  /** DeferPixels() where \a image is a SamTensorImage, nothing otherwise. */
  static void
  DeferPixelsOf(const DataObject * image);

  /** Update() without filling the pixels. */
  void
  UpdateTensor();

  /** Copy the tensor into the pixel buffer if that is not done yet. */
  void
  FillPixels();

  void
  UpdateOutputInformation() override;

  void
  PropagateRequestedRegion() override;

  void
  UpdateOutputData() override;

  void
  Allocate(bool initialize = false) override;

  void
  Initialize() override;

  /** Share the pixels and the tensor of another image; of an ordinary vector image just the pixels. */
  using Superclass::Graft;
  void
  Graft(const Superclass * image) override;

protected:
  SamTensorImage() = default;
  ~SamTensorImage() override = default;

  void
  PrintSelf(std::ostream & os, Indent indent) const override;

private:
  static SamTensor
  TensorOfPixels(const Superclass * image);

  mutable SamTensor m_Tensor;
  bool              m_PixelsAreFilled{ true }; ///< or the tensor was made from them
  bool              m_PixelsAreWanted{ false };
  unsigned int      m_Deferrals{ 0 };
};
} // namespace itk

#ifndef ITK_MANUAL_INSTANTIATION
#  include "itkSamTensorImage.hxx"
#endif

#endif
