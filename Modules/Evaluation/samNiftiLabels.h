// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samNiftiLabels_h
#define samNiftiLabels_h

#include "samLabelTable.h"

#include <string>
#include <utility>
#include <vector>

namespace sam
{
/** Write names and colors of labels, and notes (name and value), into the header of a label map that has just been
 * written: the NIfTI intent "label" (1002) and the header extension of the Connectome Workbench (code 30), which
 * programs that do not know it skip. The background is added. Files of other formats are left as they are.
 * \throws Error naming the file when it cannot be written anew. */
void
AddNiftiLabels(const std::string &                                      path,
               const LabelTable &                                       table,
               const std::vector<std::pair<std::string, std::string>> & notes);

/** The labels other than 0 that the header of a NIfTI file names as AddNiftiLabels() and the Connectome Workbench write
 * them. Empty where there are none. */
LabelTable
ReadNiftiLabels(const std::string & path);
} // namespace sam

#endif
