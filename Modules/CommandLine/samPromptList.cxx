// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPromptList.h"

#include "samError.h"
#include "samSlicerMarkups.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::json;

void
CheckCount(const std::string & option, size_t found, size_t expected, const std::string & meaning)
{
  if (found != expected)
  {
    throw Error(option + ": " + std::to_string(found) + " numbers, expected " + meaning);
  }
}
/** As numbers are written: (1, 2.5, 3). */
std::string
ToText(const std::vector<double> & numbers)
{
  std::ostringstream text;
  for (size_t k = 0; k < numbers.size(); ++k)
  {
    text << (k == 0 ? "(" : ", ") << numbers[k];
  }
  return text.str() + ")";
}

/** The label of an object of a JSON file, 1 where it has none. \throws Error when it is no whole number from 1 on. */
unsigned int
ReadLabel(const std::string & path, const Json & object)
{
  const Json label = object.value("label", Json(1));
  if (!label.is_number() || !(label.get<double>() >= 1.0) || label.get<double>() != std::floor(label.get<double>()) ||
      label.get<double>() > std::numeric_limits<unsigned int>::max())
  {
    throw Error(path + ": label: " + label.dump() + ", expected a whole number from 1 on");
  }
  return static_cast<unsigned int>(label.get<double>());
}

/** \throws Error when \a index is no voxel of an image of this size. */
void
CheckVoxel(const std::string & option, const std::vector<double> & index, const std::vector<size_t> & size)
{
  std::vector<double> last;
  bool                isInside = true;
  for (size_t k = 0; k < index.size(); ++k)
  {
    if (index[k] != std::floor(index[k]))
    {
      throw Error(option + ": " + ToText(index) + ", expected the index of a voxel, whole numbers");
    }
    last.push_back(static_cast<double>(size[k]) - 1.0);
    isInside = isInside && index[k] >= 0.0 && index[k] <= last[k];
  }
  if (!isInside)
  {
    throw Error(option + ": the voxel " + ToText(index) + " lies outside of the image, whose voxels reach from " +
                ToText(std::vector<double>(last.size())) + " to " + ToText(last));
  }
}
} // namespace

void
PromptList::AddPoint(const std::string &         option,
                     const std::vector<double> & numbers,
                     unsigned int                dimension,
                     unsigned int                object)
{
  const bool hasKind = numbers.size() == dimension + 1;
  if (!hasKind)
  {
    CheckCount(option,
               numbers.size(),
               dimension,
               dimension == 2 ? "x,y or x,y,0|1 for this 2-D image" : "x,y,z or x,y,z,0|1 for this volume");
  }
  else if (numbers.back() != 0.0 && numbers.back() != 1.0)
  {
    std::ostringstream found;
    found << numbers.back();
    throw Error(option + ": the last number is " + found.str() + ", expected 1 (foreground) or 0 (background)");
  }
  points.push_back({ { numbers.begin(), numbers.begin() + dimension }, !hasKind || numbers.back() == 1.0, object });
}

void
PromptList::AddBox(const std::string &         option,
                   const std::vector<double> & numbers,
                   unsigned int                dimension,
                   unsigned int                object)
{
  CheckCount(option,
             numbers.size(),
             2 * dimension,
             dimension == 2 ? "x1,y1,x2,y2 for this 2-D image" : "x1,y1,z1,x2,y2,z2 for this volume");
  boxes.push_back(
    { { numbers.begin(), numbers.begin() + dimension }, { numbers.begin() + dimension, numbers.end() }, object });
}

void
PromptList::AddFile(const std::string &         path,
                    unsigned int                dimension,
                    const std::vector<size_t> & size,
                    const IndexToPhysical &     toPhysical)
{
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
  {
    throw Error(path + ": no such file");
  }
  const std::string text{ std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>() };
  const size_t      before = points.size() + boxes.size();
  const auto        checkSome = [&] {
    if (points.size() + boxes.size() == before)
    {
      throw Error(path + ": no point and no box" + (notices.empty() ? "" : ": " + notices.back()));
    }
  };
  if (std::filesystem::path(path).extension() == ".fcsv")
  {
    AddSlicerFiducials(path, text, dimension, toPhysical, *this);
    checkSome();
    return;
  }
  const auto fromIndex = [&](const std::string & option, std::vector<double> & place) {
    CheckVoxel(option, place, size);
    place = toPhysical(place);
  };
  try
  {
    const Json json = Json::parse(text);
    if (json.is_object() && json.contains("markups"))
    {
      AddSlicerMarkups(path, text, dimension, *this);
      checkSome();
      return;
    }
    for (const auto & [key, value] : json.items())
    {
      if (json.is_object() && key != "objects")
      {
        throw Error(path + ": unknown key '" + key + "', expected objects alone, with coordinates in mm (LPS)");
      }
    }
    for (const auto & object : json.at("objects"))
    {
      const auto label = ReadLabel(path, object);
      for (const auto & [key, value] : object.items())
      {
        const bool isIndex = key.rfind("index_", 0) == 0;
        const bool isPoint = key == "points" || key == "index_points";
        const bool isBox = key == "boxes" || key == "index_boxes";
        if (key != "label" && !isPoint && !isBox)
        {
          throw Error(path + ": unknown key '" + key + "', expected label, points, boxes, index_points, index_boxes");
        }
        const std::string option = path + ": " + key;
        for (size_t k = 0; isPoint && k < value.size(); ++k)
        {
          AddPoint(option, value[k].get<std::vector<double>>(), dimension, label);
          if (isIndex)
          {
            fromIndex(option, points.back().position);
          }
        }
        for (size_t k = 0; isBox && k < value.size(); ++k)
        {
          AddBox(option, value[k].get<std::vector<double>>(), dimension, label);
          if (isIndex)
          {
            fromIndex(option, boxes.back().corner);
            fromIndex(option, boxes.back().oppositeCorner);
          }
        }
      }
    }
  }
  catch (const Json::exception &)
  {
    throw Error(path + R"(: expected JSON such as {"objects": [{"label": 1, "points": [[x, y, z, 1]], "boxes": []}]})");
  }
}
} // namespace sam
