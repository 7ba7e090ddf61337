// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTextTable.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace sam
{
std::string
FormatNumber(const std::optional<double> & value, int digits)
{
  if (!value)
  {
    return "-";
  }
  char buffer[64];
  std::snprintf(buffer, sizeof(buffer), "%.*f", digits, *value);
  std::string text = buffer;
  std::replace(text.begin(), text.end(), ',', '.'); // printf obeys LC_NUMERIC
  return text;
}

std::string
AlignColumns(const std::vector<std::vector<std::string>> & rows, bool hasTotal)
{
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto & row : rows)
  {
    for (std::size_t c = 0; c < row.size(); ++c)
    {
      widths[c] = std::max(widths[c], row[c].size());
    }
  }
  std::string text;
  for (std::size_t r = 0; r < rows.size(); ++r)
  {
    std::string line;
    for (std::size_t c = 0; c < widths.size(); ++c)
    {
      const std::string padding(widths[c] - rows[r][c].size(), ' ');
      line += c == 0 ? rows[r][c] + padding : "  " + padding + rows[r][c];
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
    if (r == 0 || (hasTotal && r + 2 == rows.size()))
    {
      text += std::string(std::accumulate(widths.begin(), widths.end(), 2 * (widths.size() - 1)), '-') + "\n";
    }
  }
  return text;
}
} // namespace sam
