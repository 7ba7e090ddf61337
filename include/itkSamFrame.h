// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamFrame_h
#define itkSamFrame_h

#include "itkSamPixels.h"
#include "itkSamSampling.h"

#include <string>

namespace itk
{
/** The part of an image inside of a black frame, as films, collimators and scanners leave it: the smallest box in plane
 * around all rows and columns that have content.
 *
 * A pixel has content where one of its components is above the smallest value that this component has in the image plus
 * 8/255 of its range: for gray values from 0 to 255, above 8. A thousandth of the pixels at either end of the range are
 * outliers that do not count. A row or column has content where more than a tenth of its pixels in a slice have. All
 * slices along \a sliceAxis get one box, so that nothing of any slice is lost. Where no row or no column has content,
 * as in an image of one value, the box is the whole image.
 *
 * \a image buffers the whole image, whose values are finite. TComponent is any of those of SamSampleLattice(). */
template <typename TComponent>
SegmentAnything_EXPORT SamIndexBox
SamFindContent(const SamComponentBuffer<TComponent> & image, unsigned int sliceAxis);

/** The same of an image whose largest possible region is buffered; its slices are those of \a orientation.
 * \throws ExceptionObject when it holds NaN or infinity. */
template <typename TImage>
SamIndexBox
SamFindContent(const TImage * image, const std::string & orientation)
{
  constexpr unsigned int dimension = TImage::ImageDimension;
  const auto &           region = image->GetLargestPossibleRegion();
  SamCheckFinite(image, region);
  SamComponentBuffer<SamComponentType<TImage>> buffer;
  buffer.values = SamComponents(image);
  buffer.components = image->GetNumberOfComponentsPerPixel();
  buffer.box = SamIndexBox::FromRegion(region);
  return SamFindContent(buffer, SamGrid::FromImage<dimension>(image).FindAxes(orientation).axis[2]);
}
} // namespace itk

#endif
