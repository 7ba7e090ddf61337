// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samColorTable_h
#define samColorTable_h

#include "samLabelTable.h"

namespace sam
{
/** Names and colors of labels for programs that show label maps, whose files need not hold them (NIfTI does not): by
 * the ending of \a path ITK-SNAP's label descriptions (.txt) or 3D Slicer's color table (.ctbl). The background is
 * added.
 * \throws Error when the path ends otherwise. */
std::string
MakeColorTable(const LabelTable & table, const std::string & path);
} // namespace sam

#endif
