// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageReader_h
#define samImageReader_h

#include "samChannelReader.h"
#include "samFileReader.h"

#include <string>
#include <type_traits>

namespace sam
{
/** A reader of an image file, or of the DICOM series in a folder; of several channels also of those that are files of
 * their own or lie along a fourth axis.
 * \throws Error as FindChannelFiles(). */
template <typename TImage>
typename itk::ImageSource<TImage>::Pointer
MakeImageReader(const std::string & path, std::size_t channels = 1)
{
  if constexpr (std::is_same_v<TImage, itk::VectorImage<float, TImage::ImageDimension>>)
  {
    const auto files = FindChannelFiles(path, channels);
    if (files.size() > 1 || (channels > 1 && HoldsChannelSeries(PeekImageHeader(path), channels)))
    {
      const auto reader = ChannelReader<TImage::ImageDimension>::New();
      reader->SetFileNames(files);
      return reader.GetPointer();
    }
  }
  return MakeFileReader<TImage>(path);
}
} // namespace sam

#endif
