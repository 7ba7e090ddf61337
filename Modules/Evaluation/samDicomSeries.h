// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDicomSeries_h
#define samDicomSeries_h

#include <string>
#include <vector>

namespace sam
{
/** The first image in a folder, by name, when it is a DICOM file; empty otherwise. */
std::string
FindDicomFile(const std::string & folder);

/** The files of the DICOM series in a folder, in the order of their slices; none when its first image is no
 * DICOM file.
 * \throws Error when there are several series, naming them. */
std::vector<std::string>
FindDicomSeries(const std::string & folder);
} // namespace sam

#endif
