// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLabelImage_h
#define samLabelImage_h

#include "samRegion.h"

#include "itkImage.h"
#include "itkImageIOBase.h"

#include <map>
#include <string>
#include <vector>

namespace sam
{
/** A label image as it is read from a file. The functions of this folder that take a \c TLabelImage exist for
 * itk::Image of unsigned char, short, unsigned short and int pixels in two and three dimensions. */
template <unsigned int VDimension>
using LabelImage = itk::Image<int, VDimension>;

/** Calls the macro with (pixel type, dimension) for each supported label image: for explicit instantiation. */
#define SAM_FOR_EACH_LABEL_IMAGE(macro) \
  macro(unsigned char, 2);              \
  macro(unsigned char, 3);              \
  macro(short, 2);                      \
  macro(short, 3);                      \
  macro(unsigned short, 2);             \
  macro(unsigned short, 3);             \
  macro(int, 2);                        \
  macro(int, 3)

/** The dimension of an image file, 2 or 3; further axes are ignored when they hold one sample, or \a channels.
 * Throws sam::Error naming the file when it is missing, no image, of another dimension, or of further axes and a
 * direction other than the identity, which ITK's readers leave out. */
unsigned int
ReadImageDimension(const std::string & path, std::size_t channels = 1);

/** The same of a header that was read. */
unsigned int
GetImageDimension(const itk::ImageIOBase * imageIO, const std::string & path, std::size_t channels = 1);

/** Reads a label image. Throws sam::Error naming the file when it cannot be read, has several components per pixel,
 * another dimension, or a value that is not an integer (files of floating point pixels are accepted when all their
 * values are integers). */
template <unsigned int VDimension>
typename LabelImage<VDimension>::Pointer
ReadLabelImage(const std::string & path);

/** Throws sam::Error saying what differs when two images do not lie on the same grid: size, spacing, position of the
 * first pixel, direction. Files keep geometry in single precision and as quaternions, so positions and spacings may
 * differ by a thousandth of a pixel and direction cosines by 0.001. */
template <unsigned int VDimension>
void
CheckSameGrid(const itk::ImageBase<VDimension> * first,
              const itk::ImageBase<VDimension> * second,
              const std::string &                firstName,
              const std::string &                secondName);

/** Replaces each value by its entry in the map; values without an entry become background. */
template <typename TLabelImage>
void
Relabel(TLabelImage * labels, const std::map<int, int> & map);

/** Sets to background what lies in none of the regions (by pixel centers). Nothing changes without regions.
 * \throws Error when a region has no extent along an axis of the image, as one for 2-D images in a volume. */
template <typename TLabelImage>
void
KeepRegions(TLabelImage * labels, const std::vector<Region> & regions);

/** What of a label image is measured: Relabel() by \a map unless it is empty, and KeepRegions(). */
template <typename TLabelImage>
void
SelectLabels(TLabelImage * labels, const std::map<int, int> & map, const std::vector<Region> & regions)
{
  if (!map.empty())
  {
    Relabel(labels, map);
  }
  KeepRegions(labels, regions);
}

/** The values other than 0, sorted. */
template <typename TLabelImage>
std::vector<int>
FindLabels(const TLabelImage * labels);
} // namespace sam

#endif
