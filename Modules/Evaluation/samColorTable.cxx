// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samColorTable.h"

#include "samError.h"

#include <algorithm>
#include <filesystem>

namespace sam
{
namespace
{
std::string
DescribeColor(const LabelDescription & label)
{
  return std::to_string(label.color[0]) + " " + std::to_string(label.color[1]) + " " + std::to_string(label.color[2]);
}

/** "1 230 159 0 1 1 1 "name"": opacity, visibility, visibility in 3-D. */
std::string
MakeSnapTable(const LabelTable & table)
{
  std::string text = "# ITK-SNAP label descriptions: value, red, green, blue, opacity, visible, visible in 3-D, name\n"
                     "0 0 0 0 0 0 0 \"Clear Label\"\n";
  for (const auto & label : table)
  {
    std::string name = label.name;
    std::replace(name.begin(), name.end(), '"', '\'');
    text += std::to_string(label.value) + " " + DescribeColor(label) + " 1 1 1 \"" + name + "\"\n";
  }
  return text;
}

/** "1 name 230 159 0 255"; Slicer takes underscores for blanks. */
std::string
MakeSlicerTable(const LabelTable & table)
{
  std::string text = "# 3D Slicer color table: value, name, red, green, blue, opacity\n0 background 0 0 0 0\n";
  for (const auto & label : table)
  {
    std::string name = label.name;
    std::replace(name.begin(), name.end(), ' ', '_');
    text += std::to_string(label.value) + " " + name + " " + DescribeColor(label) + " 255\n";
  }
  return text;
}
} // namespace

std::string
MakeColorTable(const LabelTable & table, const std::string & path)
{
  const auto ending = std::filesystem::path(path).extension();
  if (ending != ".txt" && ending != ".ctbl")
  {
    throw Error(path + ": expected a name that ends with .txt (ITK-SNAP) or .ctbl (3D Slicer)");
  }
  return ending == ".txt" ? MakeSnapTable(table) : MakeSlicerTable(table);
}
} // namespace sam
