// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSliceImages_h
#define samSliceImages_h

#include "samImageFile.h"
#include "samImageReading.h"
#include "samLabelImage.h"
#include "samSteps.h"

#include "itkSamModel.h"

#include "itkVectorImage.h"

#include <string>
#include <type_traits>
#include <vector>

/** Images that promptable models see slice by slice. */
namespace sam
{
/** Which slices of an image a promptable model sees, and how. */
struct SliceOptions
{
  std::string         image;
  unsigned int        axis{ 2 };
  std::vector<double> window; ///< none, or the intensities that become black and white
  std::vector<long>   range;  ///< none: all slices; or first and last; prompts choose their slices
};

/** Call \a action with an image type: of the file's dimension, its components bytes where the file's are. */
template <typename TAction>
void
WithImageType(const std::string & path, const TAction & action)
{
  const auto header = ReadImageHeader(path);
  const bool isEightBit = header->GetComponentType() == itk::IOComponentEnum::UCHAR;
  if (GetImageDimension(header, path) == 2)
  {
    isEightBit ? action(itk::VectorImage<unsigned char, 2>::New()) : action(itk::VectorImage<float, 2>::New());
  }
  else
  {
    isEightBit ? action(itk::VectorImage<unsigned char, 3>::New()) : action(itk::VectorImage<float, 3>::New());
  }
}

template <typename TFilter>
void
SetRange(TFilter * filter, const SliceOptions & options)
{
  if (!options.range.empty())
  {
    filter->SetSliceRange(options.range[0], options.range[1]);
  }
}

template <typename TFilter>
void
SetSlices(TFilter * filter, const itk::SamModel * model, const SliceOptions & options)
{
  filter->SetModel(model);
  filter->SetAxis(options.axis);
  if (!options.window.empty())
  {
    filter->SetWindow(options.window[0], options.window[1]);
  }
}

/** The mean of the colors of each pixel, for pictures. */
template <typename TImage>
typename itk::Image<float, TImage::ImageDimension>::Pointer
ToGray(const TImage * image)
{
  auto gray = itk::Image<float, TImage::ImageDimension>::New();
  gray->CopyInformation(image);
  gray->SetRegions(image->GetLargestPossibleRegion());
  gray->Allocate();
  const size_t components = image->GetNumberOfComponentsPerPixel();
  const size_t colors = components < 3 ? 1 : 3;
  const size_t count = image->GetLargestPossibleRegion().GetNumberOfPixels();
  for (size_t k = 0; k < count; ++k)
  {
    float sum = 0.0f;
    for (size_t c = 0; c < colors; ++c)
    {
      sum += static_cast<float>(image->GetBufferPointer()[k * components + c]);
    }
    gray->GetBufferPointer()[k] = sum / static_cast<float>(colors);
  }
  return gray;
}
} // namespace sam

#endif
