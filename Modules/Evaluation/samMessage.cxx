// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMessage.h"

#include <sstream>
#include <vector>

namespace sam
{
std::string
ToOneLine(const std::string & text)
{
  std::istringstream       stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;)
  {
    const bool isAddress = word.find("(0x") != std::string::npos && word.back() == ':';
    if (word == "itk::ERROR:" || isAddress)
    {
      continue;
    }
    const std::string last = words.empty() ? "" : words.back();
    if ((last == "ITK" && word == "ERROR:") || (last == "Reason:" && word == "Success"))
    {
      words.pop_back();
      continue;
    }
    words.push_back(word);
  }
  std::string line;
  for (const auto & word : words)
  {
    line += (line.empty() ? "" : " ") + word;
  }
  return line.empty() ? "failed without a message" : line;
}
} // namespace sam
