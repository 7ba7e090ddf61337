// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samModuleDescription_h
#define samModuleDescription_h

#include <tclap/CmdLine.h>

#include <string>
#include <vector>

namespace sam
{
/** What an argument is for, without the mark that TCLAP puts in front of required ones. */
std::string
GetExplanation(const TCLAP::Arg & argument);

/** The description of a program that 3D Slicer and ctk-cli make a dialog of (Slicer's execution model, XML).
 *
 * \a arguments stand in the order in which they are shown. What they are is known by their class and by the word for
 * their value: IMAGE is read as an image, OUT written as a label map, FILE and DIR are files and folders; of these the
 * ones whose explanation begins with "Where" are written. */
std::string
MakeModuleDescription(const std::string &               program,
                      const std::string &               explanation,
                      const std::vector<TCLAP::Arg *> & arguments);
} // namespace sam

#endif
