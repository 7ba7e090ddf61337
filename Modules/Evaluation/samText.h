// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samText_h
#define samText_h

#include <algorithm>
#include <string>

namespace sam
{
/** The text without blanks, tabs and carriage returns at its ends. */
inline std::string
Trim(const std::string & text)
{
  const char * const blanks = " \t\r";
  const auto         first = text.find_first_not_of(blanks);
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/** The text with small letters for A to Z, whatever the locale. */
inline std::string
ToLower(std::string text)
{
  std::transform(text.begin(), text.end(), text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  return text;
}
} // namespace sam

#endif
