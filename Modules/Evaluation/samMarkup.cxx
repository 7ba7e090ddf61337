// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMarkup.h"

namespace sam
{
std::string
EscapeMarkup(const std::string & text)
{
  std::string result;
  for (const char letter : text)
  {
    switch (letter)
    {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += letter;
    }
  }
  return result;
}
} // namespace sam
