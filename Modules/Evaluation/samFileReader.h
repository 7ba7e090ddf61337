// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samFileReader_h
#define samFileReader_h

#include "samDicomSeries.h"
#include "samError.h"

#include "itkGDCMImageIO.h"
#include "itkImageFileReader.h"
#include "itkImageSeriesReader.h"
#include "itkMetaDataObject.h"

#include <filesystem>
#include <string>

namespace sam
{
/** A reader of one image file, or of the DICOM series in a folder. */
template <typename TImage>
typename itk::ImageSource<TImage>::Pointer
MakeFileReader(const std::string & path)
{
  if constexpr (TImage::ImageDimension == 3)
  {
    if (std::filesystem::is_directory(path))
    {
      const auto reader = itk::ImageSeriesReader<TImage>::New();
      reader->SetImageIO(itk::GDCMImageIO::New());
      reader->SetFileNames(FindDicomSeries(path));
      // A gantry that was tilted gives slices that are no box.
      reader->ForceOrthogonalDirectionOff();
      return reader.GetPointer();
    }
  }
  const auto reader = itk::ImageFileReader<TImage>::New();
  reader->SetFileName(path);
  return reader.GetPointer();
}

/** \throws Error naming the file of an image that was read when it is a DICOM series whose slices are not evenly
 * spaced: one may be missing. */
inline void
CheckSlices(const itk::DataObject * image, const std::string & path)
{
  constexpr double tolerance = 0.05; // mm
  double           deviation = 0.0;
  if (itk::ExposeMetaData(image->GetMetaDataDictionary(), "ITK_non_uniform_sampling_deviation", deviation) &&
      deviation > tolerance)
  {
    throw Error(path + ": slices are up to " + std::to_string(deviation) +
                " mm away from even places, expected a series without a gap");
  }
}
} // namespace sam

#endif
