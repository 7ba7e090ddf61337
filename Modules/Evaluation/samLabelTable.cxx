// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLabelTable.h"
#include "samError.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>

namespace sam
{
namespace
{
bool
IsInteger(const std::string & text, int & value)
{
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  return !text.empty() && result.ec == std::errc() && result.ptr == text.data() + text.size();
}
} // namespace

std::array<unsigned char, 3>
GetLabelColor(std::size_t n)
{
  // The bright hues come first: they are the ones that show on a gray image.
  constexpr std::array<std::array<unsigned char, 3>, 7> hues{ { { { 230, 159, 0 } },
                                                                { { 86, 180, 233 } },
                                                                { { 240, 228, 66 } },
                                                                { { 0, 158, 115 } },
                                                                { { 204, 121, 167 } },
                                                                { { 213, 94, 0 } },
                                                                { { 0, 114, 178 } } } };
  auto                                                  color = hues[n % hues.size()];
  const std::size_t                                     round = n / hues.size();
  for (auto & channel : color)
  {
    if (round % 3 == 1)
    {
      channel = static_cast<unsigned char>(channel + (255 - channel) / 2);
    }
    else if (round % 3 == 2)
    {
      channel = static_cast<unsigned char>(channel * 3 / 5);
    }
  }
  return color;
}

unsigned char
GetColorPart(double share)
{
  return static_cast<unsigned char>(std::lround(255.0 * std::clamp(share, 0.0, 1.0)));
}

LabelTable
MakeLabelTable(const std::vector<int> & values)
{
  LabelTable table;
  for (const int value : values)
  {
    table.push_back({ value, std::to_string(value), GetLabelColor(table.size()) });
  }
  return table;
}

LabelTable
ReadLabelTable(const std::string & path)
{
  const std::filesystem::path file =
    std::filesystem::is_directory(path) ? std::filesystem::path(path) / "dataset.json" : std::filesystem::path(path);
  std::ifstream stream(file);
  if (!stream)
  {
    throw Error(file.string() + ": cannot be opened; expected a dataset.json with \"labels\"");
  }
  nlohmann::json json;
  try
  {
    json = nlohmann::json::parse(stream);
  }
  catch (const nlohmann::json::exception & exception)
  {
    throw Error(file.string() + ": is not JSON: " + exception.what());
  }
  if (!json.is_object() || !json.contains("labels") || !json["labels"].is_object())
  {
    throw Error(file.string() + ": has no \"labels\"; expected an object such as {\"background\": 0, \"liver\": 1}");
  }
  LabelTable table;
  for (const auto & [key, item] : json["labels"].items())
  {
    int         value = 0;
    std::string name;
    if (item.is_number_integer())
    {
      name = key;
      value = item.get<int>();
    }
    else if (item.is_string() && IsInteger(item.get<std::string>(), value))
    {
      name = key;
    }
    else if (item.is_string() && IsInteger(key, value))
    {
      name = item.get<std::string>();
    }
    else
    {
      throw Error(file.string() + ": label \"" + key + "\" is " + item.dump() +
                  "; expected one integer value for each name");
    }
    if (value != 0)
    {
      table.push_back({ value, name, {} });
    }
  }
  std::sort(table.begin(), table.end(), [](const auto & a, const auto & b) { return a.value < b.value; });
  for (std::size_t i = 0; i < table.size(); ++i)
  {
    table[i].color = GetLabelColor(i);
    if (i > 0 && table[i].value == table[i - 1].value)
    {
      throw Error(file.string() + ": labels \"" + table[i - 1].name + "\" and \"" + table[i].name +
                  "\" have the same value " + std::to_string(table[i].value));
    }
  }
  if (table.empty())
  {
    throw Error(file.string() + ": \"labels\" names nothing but background");
  }
  return table;
}

int
FindLabel(const std::string & option, const std::string & word, const LabelTable & table, const std::string & source)
{
  std::string all;
  for (const auto & label : table)
  {
    if (label.name == word || std::to_string(label.value) == word)
    {
      return label.value;
    }
    all += (all.empty() ? "" : ", ") + std::to_string(label.value) + " (" + label.name + ")";
  }
  throw Error(option + ": '" + word + "' is no label of " + source +
              (all.empty() ? ", which names none" : ", expected some of " + all));
}

std::string
GetLabelName(const LabelTable & table, int value)
{
  for (const auto & label : table)
  {
    if (label.value == value)
    {
      return label.name;
    }
  }
  return std::to_string(value);
}
} // namespace sam
