// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCsvFile.h"

#include "samError.h"
#include "samText.h"
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

/** The rows of a text that begins in line \a line of a file, empty ones too. \throws Error naming the \a path when the
 * text ends within a quoted field. */
std::vector<CsvFile::Row>
SplitRows(const std::string & path, const std::string & lines, char delimiter, std::size_t line = 1)
{
  const std::string         text = lines + '\n';
  std::vector<CsvFile::Row> rows;
  CsvFile::Row              row;
  std::string               field;
  bool                      isQuoted = false;   // the field at hand
  bool                      isInQuotes = false; // the place at hand
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
      else if (Trim(field).empty())
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
      row.fields.push_back(isQuoted ? field : Trim(field));
      field.clear();
      isQuoted = false;
      if (letter == '\n')
      {
        rows.push_back(row);
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
  return rows;
}

bool
IsEmpty(const CsvFile::Row & row)
{
  return std::all_of(row.fields.begin(), row.fields.end(), [](const auto & field) { return field.empty(); });
}
} // namespace

CsvFile
CsvFile::Read(const std::string & path)
{
  const auto text = ReadTextFile(path);
  auto       rows = SplitRows(path, text, FindDelimiter(text));
  rows.erase(std::remove_if(rows.begin(), rows.end(), IsEmpty), rows.end());
  if (rows.empty())
  {
    throw Error(path + ": is empty, expected a table whose first line names its columns");
  }
  CsvFile result;
  result.columns = rows.front().fields;
  result.rows.assign(rows.begin() + 1, rows.end());
  return result;
}

std::vector<std::string>
SplitCsvLine(const std::string & path, std::size_t number, const std::string & line)
{
  return SplitRows(path, line, ',', number).front().fields;
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
