// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCsvFile.h"

#include "samError.h"
#include "samTextFile.h"

#include <algorithm>

namespace sam
{
namespace
{
char
FindDelimiter(const std::string & text)
{
  const std::string header = text.substr(0, text.find_first_of("\r\n"));
  const std::string candidates = ",;\t";
  return *std::max_element(candidates.begin(), candidates.end(), [&header](char a, char b) {
    return std::count(header.begin(), header.end(), a) < std::count(header.begin(), header.end(), b);
  });
}

std::string
Trimmed(const std::string & text)
{
  const auto first = text.find_first_not_of(" \t");
  return first == std::string::npos ? std::string() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}
} // namespace

CsvFile
CsvFile::Read(const std::string & path)
{
  std::string text = ReadTextFile(path);
  if (text.compare(0, 3, "\xEF\xBB\xBF") == 0)
  {
    text.erase(0, 3);
  }
  text += '\n';
  const char       delimiter = FindDelimiter(text);
  std::vector<Row> rows;
  Row              row;
  std::string      field;
  bool             isQuoted = false;   // the field at hand
  bool             isInQuotes = false; // the place at hand
  std::size_t      line = 1;
  row.line = line;
  for (std::size_t k = 0; k < text.size(); ++k)
  {
    const char letter = text[k];
    if (letter == '"')
    {
      if (isInQuotes && text[k + 1] == '"')
      {
        field += letter;
        ++k;
      }
      else if (isInQuotes)
      {
        isInQuotes = false;
      }
      else if (Trimmed(field).empty())
      {
        isQuoted = isInQuotes = true;
        field.clear();
      }
      else
      {
        field += letter; // 5" in the middle of a field that is not quoted
      }
    }
    else if (!isInQuotes && (letter == delimiter || letter == '\n'))
    {
      row.fields.push_back(isQuoted ? field : Trimmed(field));
      field.clear();
      isQuoted = false;
      if (letter == '\n')
      {
        if (std::any_of(row.fields.begin(), row.fields.end(), [](const auto & entry) { return !entry.empty(); }))
        {
          rows.push_back(row);
        }
        row.fields.clear();
        row.line = line + 1;
      }
    }
    else if (letter != '\r' && !(isQuoted && !isInQuotes))
    {
      field += letter;
    }
    line += letter == '\n';
  }
  if (isInQuotes)
  {
    throw Error(path + ": the field in quotes of line " + std::to_string(row.line) + " does not end");
  }
  if (rows.empty())
  {
    throw Error(path + ": is empty, expected a table whose first line names its columns");
  }
  CsvFile result;
  result.columns = rows.front().fields;
  result.rows.assign(rows.begin() + 1, rows.end());
  return result;
}

std::string
QuoteCsvField(const std::string & field)
{
  if (field.find_first_of(",;\t\"\r\n") == std::string::npos)
  {
    return field;
  }
  std::string quoted = "\"";
  for (const char letter : field)
  {
    quoted += letter == '"' ? "\"\"" : std::string(1, letter);
  }
  return quoted + '"';
}
} // namespace sam
