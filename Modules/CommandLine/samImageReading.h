// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageReading_h
#define samImageReading_h

#include "samImageReader.h"
#include "samSteps.h"

#include <string>

namespace sam
{
/** Read the pixels of a file whose header was read, or of a DICOM series; of several channels see MakeImageReader().
 * \throws Error naming the file, also as CheckSlices(). */
template <typename TImage>
typename TImage::Pointer
Read(const std::string & path, std::size_t channels = 1)
{
  const auto reader = MakeImageReader<TImage>(path, channels);
  Naming(path, [&reader] { reader->Update(); });
  CheckSlices(reader->GetOutput(), path);
  return reader->GetOutput();
}

/** An image with the geometry of a file and no pixels. */
template <typename TImage>
typename TImage::Pointer
ReadGrid(const std::string & path, std::size_t channels = 1)
{
  const auto reader = MakeImageReader<TImage>(path, channels);
  Naming(path, [&reader] { reader->UpdateOutputInformation(); });
  auto grid = TImage::New();
  grid->CopyInformation(reader->GetOutput());
  grid->SetLargestPossibleRegion(reader->GetOutput()->GetLargestPossibleRegion());
  return grid;
}
} // namespace sam

#endif
