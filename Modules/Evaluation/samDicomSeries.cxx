// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDicomSeries.h"

#include "samError.h"

#include "itkGDCMSeriesFileNames.h"

namespace sam
{
std::vector<std::string>
FindDicomSeries(const std::string & folder)
{
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
