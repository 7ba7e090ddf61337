// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDescribedLabels_h
#define samDescribedLabels_h

#include "samLabelTable.h"

#include "itkMetaDataDictionary.h"

namespace sam
{
/** Names and colors into the file's header: the keys that 3D Slicer reads from NRRD files, and a line of text that also
 * fits into NIfTI's 80 characters of description. */
void
DescribeLabels(const LabelTable & table, itk::MetaDataDictionary & dictionary);

/** The labels other than 0 that the header of a label map names: by the keys of DescribeLabels(), or by
 * AddNiftiLabels() or the Connectome Workbench in NIfTI files. Empty where the header names none.
 * \throws Error when the file is no image. */
LabelTable
ReadDescribedLabels(const std::string & path);
} // namespace sam

#endif
