// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPromptList.h"

#include "samError.h"
#include "samSlicerMarkups.h"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
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
PromptList::AddFile(const std::string & path, unsigned int dimension, const IndexToPhysical & toPhysical)
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
  try
  {
    const Json json = Json::parse(text);
    if (json.is_object() && json.contains("markups"))
    {
      AddSlicerMarkups(path, text, dimension, *this);
      checkSome();
      return;
    }
    for (const auto & object : json.at("objects"))
    {
      const auto label = object.value("label", 1u);
      for (const auto & [key, value] : object.items())
      {
        if (key != "label" && key != "points" && key != "boxes")
        {
          throw Error(path + ": unknown key '" + key + "', expected label, points, boxes");
        }
        for (size_t k = 0; key == "points" && k < value.size(); ++k)
        {
          AddPoint(path + ": points", value[k].get<std::vector<double>>(), dimension, label);
        }
        for (size_t k = 0; key == "boxes" && k < value.size(); ++k)
        {
          AddBox(path + ": boxes", value[k].get<std::vector<double>>(), dimension, label);
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
