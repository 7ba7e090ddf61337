// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSlicerMarkups_h
#define samSlicerMarkups_h

#include "samPromptList.h"

#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** mm (LPS) of an index of the image that prompts are for. */
using IndexToPhysical = std::function<std::vector<double>(const std::vector<double> & index)>;

/** Add what 3D Slicer wrote to a .mrk.json file (it has "markups"): the points of point lists and the boxes of ROIs,
 * from LPS or RAS. What else is in it, and what is hidden or has no position, is left out with a line in the list's
 * notices.
 *
 * A point is in the background when its label or its description begins with "-", "neg" or "background", in any case.
 * A description that is a whole number is the object; else it is 1. An ROI takes the description of its first
 * control point. One that is turned becomes the smallest box along the axes around it. A 2-D image takes x and y.
 * \throws Error naming the file and what is wrong in it. */
void
AddSlicerMarkups(const std::string & path, const std::string & json, unsigned int dimension, PromptList & list);

/** Add the points of a .fcsv file, the older format of 3D Slicer, in the same way. Its coordinate system is RAS, LPS or
 * IJK, or as older versions wrote it 0, 1 or 2; RAS where it says nothing. Indices (IJK) go through \a toPhysical. */
void
AddSlicerFiducials(const std::string &     path,
                   const std::string &     text,
                   unsigned int            dimension,
                   const IndexToPhysical & toPhysical,
                   PromptList &            list);
} // namespace sam

#endif
