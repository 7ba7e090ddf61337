// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDescribedLabels.h"

#include "samImageFile.h"
#include "samNiftiLabels.h"

#include "itkMetaDataObject.h"

#include <algorithm>
#include <locale>
#include <optional>
#include <sstream>

namespace sam
{
namespace
{
std::string
GetPrefix(std::size_t segment)
{
  return "Segment" + std::to_string(segment) + "_";
}

/** Three shares of 255. */
std::optional<std::array<unsigned char, 3>>
ParseColor(const std::string & text)
{
  std::istringstream stream(text);
  stream.imbue(std::locale::classic());
  std::array<unsigned char, 3> color{};
  for (unsigned char & part : color)
  {
    double share = 0.0;
    if (!(stream >> share))
    {
      return std::nullopt;
    }
    part = GetColorPart(share);
  }
  return color;
}

LabelTable
FindSegments(const itk::MetaDataDictionary & dictionary)
{
  LabelTable  table;
  std::string value;
  for (std::size_t k = 0; itk::ExposeMetaData(dictionary, GetPrefix(k) + "LabelValue", value); ++k)
  {
    const auto get = [&](const std::string & key) {
      std::string text;
      itk::ExposeMetaData(dictionary, GetPrefix(k) + key, text);
      return text;
    };
    std::istringstream stream(value);
    LabelDescription   label;
    label.name = get("Name");
    if (stream >> label.value && label.value != 0 && !label.name.empty())
    {
      label.color = ParseColor(get("Color")).value_or(GetLabelColor(table.size()));
      table.push_back(label);
    }
  }
  return table;
}
} // namespace

void
DescribeLabels(const LabelTable & table, itk::MetaDataDictionary & dictionary)
{
  std::string notes;
  for (size_t k = 0; k < table.size(); ++k)
  {
    std::string color;
    for (const unsigned char part : table[k].color)
    {
      std::string digits = std::to_string(part / 255.0);
      std::replace(digits.begin(), digits.end(), ',', '.');
      color += (color.empty() ? "" : " ") + digits;
    }
    const auto add = [&](const std::string & key, const std::string & value) {
      itk::EncapsulateMetaData<std::string>(dictionary, GetPrefix(k) + key, value);
    };
    add("ID", "Segment_" + std::to_string(table[k].value));
    add("Name", table[k].name);
    add("Color", color);
    add("LabelValue", std::to_string(table[k].value));
    add("Layer", "0");
    notes += (notes.empty() ? "" : ", ") + std::to_string(table[k].value) + " " + table[k].name;
  }
  itk::EncapsulateMetaData<std::string>(dictionary, "ITK_FileNotes", notes.substr(0, 79));
}

LabelTable
ReadDescribedLabels(const std::string & path)
{
  const auto header = PeekImageHeader(path);
  return std::string(header->GetNameOfClass()) == "NiftiImageIO" ? ReadNiftiLabels(path)
                                                                 : FindSegments(header->GetMetaDataDictionary());
}
} // namespace sam
