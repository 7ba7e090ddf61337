// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSlicerMarkups.h"

#include "samCommandLine.h"
#include "samCsvFile.h"
#include "samError.h"
#include "samText.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::json;

bool
IsBackground(const std::string & text)
{
  const auto lower = ToLower(text);
  const auto startsWith = [&lower](const std::string & word) { return lower.rfind(word, 0) == 0; };
  return startsWith("-") || startsWith("neg") || startsWith("background");
}

/** The object that a description names; 1 where it is another text. \throws Error when it fits no label map. */
unsigned int
ToObject(const std::string & option, const std::string & description)
{
  unsigned int object = 0;
  const char * end = description.data() + description.size();
  const auto   result = std::from_chars(description.data(), end, object);
  if (description.empty() || result.ptr != end || result.ec == std::errc::invalid_argument)
  {
    return 1;
  }
  if (result.ec != std::errc() || object < 1 || object > 255)
  {
    throw Error(option + ": the object " + description + " in the description, expected 1 to 255");
  }
  return object;
}

/** RAS to LPS and back. */
std::vector<double>
FlipFirstTwo(std::vector<double> point)
{
  point[0] = -point[0];
  point[1] = -point[1];
  return point;
}

std::vector<double>
ReadNumbers(const std::string & what, const Json & json, size_t count)
{
  auto numbers = json.get<std::vector<double>>();
  if (numbers.size() != count)
  {
    throw Error(what + ": " + std::to_string(numbers.size()) + " numbers, expected " + std::to_string(count));
  }
  return numbers;
}

/** A point of a list, in mm (LPS). */
void
AddLabeledPoint(const std::string & option,
                std::vector<double> position,
                const std::string & label,
                const std::string & description,
                unsigned int        dimension,
                PromptList &        list)
{
  position.resize(dimension);
  position.push_back(IsBackground(label) || IsBackground(description) ? 0.0 : 1.0);
  list.AddPoint(option, position, dimension, ToObject(option, description));
}

void
AddPointList(const std::string & path, const Json & markup, bool isRas, unsigned int dimension, PromptList & list)
{
  for (const auto & point : markup.value("controlPoints", Json::array()))
  {
    const auto label = point.value("label", "");
    const auto name = path + ": point '" + label + "'";
    const auto status = point.value("positionStatus", "defined");
    if (status != "defined")
    {
      list.notices.push_back(name + " has no position (" + status + ") and is left out");
      continue;
    }
    if (!point.value("visibility", true))
    {
      list.notices.push_back(name + " is hidden and left out");
      continue;
    }
    auto position = ReadNumbers(name, point.at("position"), 3);
    AddLabeledPoint(
      name, isRas ? FlipFirstTwo(position) : position, label, point.value("description", ""), dimension, list);
  }
}

void
AddRoi(const std::string & path, const Json & markup, bool isRas, unsigned int dimension, PromptList & list)
{
  const auto name = path + ": ROI";
  const auto controlPoints = markup.value("controlPoints", Json::array());
  if (!markup.contains("center") || !markup.contains("size"))
  {
    list.notices.push_back(name + " has no position and is left out");
    return;
  }
  if (markup.value("insideOut", false))
  {
    throw Error(name + ": is inside out, expected a box around the object");
  }
  const auto center = ReadNumbers(name + " center", markup.at("center"), 3);
  const auto size = ReadNumbers(name + " size", markup.at("size"), 3);
  const auto orientation =
    ReadNumbers(name + " orientation", markup.value("orientation", Json{ 1, 0, 0, 0, 1, 0, 0, 0, 1 }), 9);
  const auto          middle = isRas ? FlipFirstTwo(center) : center;
  std::vector<double> low;
  std::vector<double> high;
  bool                isTurned = false;
  for (size_t i = 0; i < dimension; ++i)
  {
    double reach = 0.0;
    for (size_t j = 0; j < 3; ++j)
    {
      // Columns are the axes of the box; their signs do not count, hence neither does RAS or LPS.
      const double cosine = std::abs(orientation[3 * i + j]);
      reach += 0.5 * cosine * size[j];
      isTurned = isTurned || std::min(cosine, std::abs(1.0 - cosine)) > 1e-3;
    }
    low.push_back(middle[i] - reach);
    high.push_back(middle[i] + reach);
  }
  if (isTurned)
  {
    list.notices.push_back(name + " is turned: the smallest box along the axes around it is taken");
  }
  low.insert(low.end(), high.begin(), high.end());
  const auto description = controlPoints.empty() ? "" : controlPoints.front().value("description", "");
  list.AddBox(name, low, dimension, ToObject(name, description));
}

enum class CoordinateSystem
{
  Ras,
  Lps,
  Ijk
};

CoordinateSystem
ParseCoordinateSystem(const std::string & path, const std::string & text)
{
  static const std::map<std::string, CoordinateSystem> words{
    { "RAS", CoordinateSystem::Ras }, { "0", CoordinateSystem::Ras },   { "LPS", CoordinateSystem::Lps },
    { "1", CoordinateSystem::Lps },   { "IJK", CoordinateSystem::Ijk }, { "2", CoordinateSystem::Ijk }
  };
  const auto found = words.find(text);
  if (found == words.end())
  {
    throw Error(path + ": the coordinate system '" + text + "', expected RAS (0), LPS (1) or IJK (2)");
  }
  return found->second;
}
} // namespace

void
AddSlicerMarkups(const std::string & path, const std::string & json, unsigned int dimension, PromptList & list)
{
  try
  {
    const Json document = Json::parse(json);
    for (const auto & markup : document.at("markups"))
    {
      const auto type = markup.value("type", "");
      if (type != "Fiducial" && type != "ROI")
      {
        list.notices.push_back(path + ": a markup of type '" + type + "' is left out, expected point lists and ROIs");
        continue;
      }
      if (markup.contains("display") && !markup.at("display").value("visibility", true))
      {
        list.notices.push_back(path + ": a markup of type '" + type + "' is hidden and left out");
        continue;
      }
      const auto system = ParseCoordinateSystem(path, markup.value("coordinateSystem", "LPS"));
      if (system == CoordinateSystem::Ijk)
      {
        throw Error(path + ": the coordinate system IJK, expected LPS or RAS");
      }
      const auto units = markup.value("coordinateUnits", Json("mm"));
      if ((units.is_array() && !units.empty() ? units.front() : units) != "mm")
      {
        throw Error(path + ": coordinates in " + units.dump() + ", expected mm");
      }
      const bool isRas = system == CoordinateSystem::Ras;
      type == "ROI" ? AddRoi(path, markup, isRas, dimension, list) : AddPointList(path, markup, isRas, dimension, list);
    }
  }
  catch (const Json::exception & error)
  {
    throw Error(path + ": is not as 3D Slicer writes markups (" + error.what() + ")");
  }
}

void
AddSlicerFiducials(const std::string &     path,
                   const std::string &     text,
                   unsigned int            dimension,
                   const IndexToPhysical & toPhysical,
                   PromptList &            list)
{
  auto                     system = CoordinateSystem::Ras;
  std::vector<std::string> columns = SplitCsvLine(
    path, 0, "id,x,y,z,ow,ox,oy,oz,vis,sel,lock,label,desc,associatedNodeID"); // as all versions write them
  std::istringstream lines(text);
  size_t             number = 0;
  for (std::string line; std::getline(lines, line);)
  {
    ++number;
    if (!line.empty() && line.back() == '\r')
    {
      line.pop_back();
    }
    if (line.empty())
    {
      continue;
    }
    if (line[0] == '#')
    {
      const auto equals = line.find('=');
      const auto key = equals == std::string::npos ? "" : Trim(line.substr(1, equals - 1));
      const auto value = equals == std::string::npos ? "" : Trim(line.substr(equals + 1));
      if (key == "CoordinateSystem")
      {
        system = ParseCoordinateSystem(path, value);
      }
      else if (key == "columns")
      {
        columns = SplitCsvLine(path, number, value);
      }
      continue;
    }
    const auto fields = SplitCsvLine(path, number, line);
    const auto get = [&](const std::string & column, const std::string & otherwise) {
      const auto place = static_cast<size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
      return place < columns.size() && place < fields.size() ? Trim(fields[place]) : otherwise;
    };
    const auto label = get("label", "");
    const auto name = path + ": line " + std::to_string(number) + " ('" + label + "')";
    if (get("vis", "1") == "0")
    {
      list.notices.push_back(name + " is hidden and left out");
      continue;
    }
    auto position = ParseNumbers(name, get("x", "") + "," + get("y", "") + "," + get("z", ""));
    if (system == CoordinateSystem::Ras)
    {
      position = FlipFirstTwo(position);
    }
    else if (system == CoordinateSystem::Ijk)
    {
      position = toPhysical(position);
    }
    AddLabeledPoint(name, position, label, get("desc", ""), dimension, list);
  }
}
} // namespace sam
