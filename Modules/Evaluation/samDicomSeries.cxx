// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDicomSeries.h"

#include "samError.h"

#include "itkGDCMImageIO.h"
#include "itkGDCMSeriesFileNames.h"
#include "itkImageIOFactory.h"

#include <filesystem>
#include <set>

namespace sam
{
std::string
FindDicomFile(const std::string & folder)
{
  std::set<std::string> files;
  for (const auto & entry : std::filesystem::directory_iterator(folder))
  {
    if (entry.is_regular_file())
    {
      files.insert(entry.path().string());
    }
  }
  for (const auto & file : files)
  {
    if (const auto format = itk::ImageIOFactory::CreateImageIO(file.c_str(), itk::IOFileModeEnum::ReadMode))
    {
      return dynamic_cast<const itk::GDCMImageIO *>(format.GetPointer()) != nullptr ? file : std::string();
    }
  }
  return {};
}

std::vector<std::string>
FindDicomSeries(const std::string & folder)
{
  // Looking for series would read every file of other formats.
  if (FindDicomFile(folder).empty())
  {
    return {};
  }
  const auto names = itk::GDCMSeriesFileNames::New();
  names->SetUseSeriesDetails(true);
  names->SetDirectory(folder);
  const auto & series = names->GetSeriesUIDs();
  if (series.size() > 1)
  {
    throw Error(folder + ": has " + std::to_string(series.size()) + " DICOM series, the first are " + series[0] +
                " and " + series[1] + "; expected one series in a folder");
  }
  return series.empty() ? std::vector<std::string>() : names->GetFileNames(series[0]);
}
} // namespace sam
