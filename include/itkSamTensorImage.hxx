// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamTensorImage_hxx
#define itkSamTensorImage_hxx

#include "itkSamTensorImage.h"

#include <algorithm>
#include <cmath>

namespace itk
{
template <unsigned int VDimension>
void
SamTensorImage<VDimension>::SetTensor(const SamTensor & tensor)
{
  if (!tensor.IsEmpty())
  {
    const auto           sizes = tensor.GetSizes();
    const auto           size = this->GetBufferedRegion().GetSize();
    std::vector<int64_t> expected{ 1, 1, 1 };
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      expected[2 - i] = static_cast<int64_t>(size[i]);
    }
    if (sizes.size() != 4 || sizes[0] < 1 || !std::equal(expected.begin(), expected.end(), sizes.begin() + 1))
    {
      std::ostringstream found;
      for (const int64_t extent : sizes)
      {
        found << (found.tellp() > 0 ? "x" : "") << extent;
      }
      itkSamExceptionMacro("tensor of " << found.str() << " for an image that buffers " << size
                                        << " voxels, expected channels, slices, rows, columns");
    }
    this->SetVectorLength(static_cast<unsigned int>(sizes[0]));
    // A container of its own: other images may share the one so far.
    this->SetPixelContainer(Superclass::PixelContainer::New());
  }
  m_Tensor = tensor;
  m_PixelsAreFilled = tensor.IsEmpty();
  this->Modified();
}

template <unsigned int VDimension>
SamTensor
SamTensorImage<VDimension>::GetTensor() const
{
  if (m_Tensor.IsEmpty())
  {
    m_Tensor = TensorOfPixels(this);
  }
  return m_Tensor;
}

template <unsigned int VDimension>
SamTensor
SamTensorImage<VDimension>::TensorOf(const Superclass * image)
{
  if (const auto * tensorImage = dynamic_cast<const Self *>(image))
  {
    return tensorImage->GetTensor();
  }
  return TensorOfPixels(image);
}

template <unsigned int VDimension>
SamTensor
SamTensorImage<VDimension>::TensorOfPixels(const Superclass * image)
{
  const auto & region = image->GetBufferedRegion();
  if (region.GetNumberOfPixels() == 0 || image->GetBufferPointer() == nullptr)
  {
    itkSamExceptionMacro("the image has no pixels");
  }
  if (region != image->GetLargestPossibleRegion())
  {
    itkSamExceptionMacro("the image buffers " << region.GetSize() << " voxels of "
                                              << image->GetLargestPossibleRegion().GetSize() << ", expected all");
  }
  const unsigned int components = image->GetNumberOfComponentsPerPixel();
  const float *      values = image->GetBufferPointer();
  const size_t       count = region.GetNumberOfPixels() * components;
  for (size_t k = 0; k < count; ++k)
  {
    if (!std::isfinite(values[k]))
    {
      itkSamExceptionMacro("the value " << values[k] << " in component " << k % components << " at index "
                                        << image->ComputeIndex(static_cast<OffsetValueType>(k / components))
                                        << ", expected finite numbers");
    }
  }
  std::vector<int64_t> sizes{ static_cast<int64_t>(components), 1, 1, 1 };
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    sizes[3 - i] = static_cast<int64_t>(region.GetSize(i));
  }
  return SamTensor::FromHostChannelsLast(values, sizes);
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::DeferPixelsOf(const DataObject * image)
{
  if (const auto * tensorImage = dynamic_cast<const Self *>(image))
  {
    const_cast<Self *>(tensorImage)->DeferPixels();
  }
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::UpdateTensor()
{
  this->UpdateOutputInformation();
  this->DeferPixels();
  this->PropagateRequestedRegion();
  this->UpdateOutputData();
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::FillPixels()
{
  if (m_PixelsAreFilled || m_Tensor.IsEmpty())
  {
    return;
  }
  // Not Modified(): the values are the same as before, consumers need not run again.
  Superclass::Allocate(false);
  m_Tensor.CopyToHostChannelsLast(this->GetBufferPointer());
  m_PixelsAreFilled = true;
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::UpdateOutputInformation()
{
  m_Deferrals = 0;
  m_PixelsAreWanted = false;
  Superclass::UpdateOutputInformation();
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::PropagateRequestedRegion()
{
  // One request per consumer, in any order: pixels are wanted where there are more requests than deferrals.
  if (m_Deferrals > 0)
  {
    --m_Deferrals;
  }
  else
  {
    m_PixelsAreWanted = true;
  }
  Superclass::PropagateRequestedRegion();
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::UpdateOutputData()
{
  Superclass::UpdateOutputData();
  if (m_PixelsAreWanted)
  {
    this->FillPixels();
  }
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::Allocate(bool initialize)
{
  m_Tensor = SamTensor();
  m_PixelsAreFilled = true;
  Superclass::Allocate(initialize);
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::Initialize()
{
  m_Tensor = SamTensor();
  m_PixelsAreFilled = true;
  Superclass::Initialize();
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::Graft(const Superclass * image)
{
  if (image == nullptr)
  {
    return;
  }
  Superclass::Graft(image);
  const auto * other = dynamic_cast<const Self *>(image);
  m_Tensor = other ? other->m_Tensor : SamTensor();
  m_PixelsAreFilled = other ? other->m_PixelsAreFilled : true;
}

template <unsigned int VDimension>
void
SamTensorImage<VDimension>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Tensor: ";
  if (m_Tensor.IsEmpty())
  {
    os << "(none)" << std::endl;
  }
  else
  {
    for (const int64_t extent : m_Tensor.GetSizes())
    {
      os << extent << ' ';
    }
    os << "on " << m_Tensor.GetDevice() << std::endl;
  }
  os << indent << "PixelsAreFilled: " << m_PixelsAreFilled << std::endl;
}
} // namespace itk

#endif
