// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLabelTable_h
#define samLabelTable_h

#include <array>
#include <string>
#include <vector>

namespace sam
{
/** \class LabelDescription
 * \brief What a value of a label image stands for, and the color (red, green, blue) it is drawn in.
 */
struct LabelDescription
{
  int                          value{ 0 };
  std::string                  name;
  std::array<unsigned char, 3> color{ { 255, 255, 255 } };
};

/** Labels in the order in which they are reported; the background is not among them. */
using LabelTable = std::vector<LabelDescription>;

/** The color of the n-th label: the seven hues of Okabe and Ito, which color-blind readers can tell apart, then lighter
 * and darker shades of them. */
std::array<unsigned char, 3>
GetLabelColor(std::size_t n);

/** Red, green or blue from its share of the brightest, 0 to 1. */
unsigned char
GetColorPart(double share);

/** Labels without names: each is named by its value and gets the color of its place. */
LabelTable
MakeLabelTable(const std::vector<int> & values);

/** The labels other than 0 of a dataset.json, sorted by value. Both spellings are read: {"name": 1} (nnU-Net) and
 * {"1": "name"} (Medical Segmentation Decathlon). \c path is the file or the folder that holds it.
 * Throws sam::Error when there is no such file or its labels cannot be understood. */
LabelTable
ReadLabelTable(const std::string & path);

/** The value of a label by its name or value; \a option and \a source, which has the labels, are for the message.
 * \throws Error when the table has no such label. */
int
FindLabel(const std::string & option, const std::string & word, const LabelTable & table, const std::string & source);

/** The name of a value, or the value itself as text when the table does not list it. */
std::string
GetLabelName(const LabelTable & table, int value);
} // namespace sam

#endif
