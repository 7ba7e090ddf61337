// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSiteTable.h"

#include "samCsvFile.h"
#include "samError.h"
#include "samImageFile.h"
#include "samEvaluation.h"
#include "samText.h"

#include <algorithm>
#include <filesystem>
#include <set>

namespace sam
{
namespace
{
const std::vector<std::string> caseColumns{ "file", "filename", "image", "case", "case_id", "name", "id" };
const std::vector<std::string> siteColumns{ "site",        "center",  "centre", "hospital",
                                            "institution", "scanner", "domain", "group" };

std::size_t
FindColumn(const CsvFile & file, const std::string & path, const std::vector<std::string> & names, const char * what)
{
  std::vector<std::string> columns = file.columns;
  for (auto & column : columns)
  {
    column = ToLower(column);
  }
  for (const auto & name : names)
  {
    const auto found = std::find(columns.begin(), columns.end(), name);
    if (found != columns.end())
    {
      return static_cast<std::size_t>(found - columns.begin());
    }
  }
  throw Error(path + ": has the columns " + JoinNames(file.columns) + ", expected one that names the " + what + ": " +
              JoinNames(names));
}
} // namespace

std::string
JoinNames(const std::vector<std::string> & names)
{
  std::string text;
  for (const auto & name : names)
  {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

SiteTable
SiteTable::Read(const std::string & path)
{
  const auto file = CsvFile::Read(path);
  const auto caseColumn = FindColumn(file, path, caseColumns, "case");
  const auto siteColumn = FindColumn(file, path, siteColumns, "site");
  SiteTable  table;
  table.m_Path = path;
  for (const auto & row : file.rows)
  {
    const auto & fields = row.fields;
    const auto   line = path + ": line " + std::to_string(row.line);
    if (fields.size() <= std::max(caseColumn, siteColumn))
    {
      throw Error(line + " has " + std::to_string(fields.size()) + " fields, expected " +
                  std::to_string(file.columns.size()) + " as in its first line");
    }
    if (fields[caseColumn].empty() || fields[siteColumn].empty())
    {
      throw Error(line + " has no " + (fields[caseColumn].empty() ? "case" : "site") + ", expected " +
                  file.columns[caseColumn] + " and " + file.columns[siteColumn]);
    }
    const auto name = std::filesystem::path(fields[caseColumn]).filename().string();
    // With and without what may be an extension: "1.2.840.1" has none.
    for (const auto & key : std::set<std::string>{ name, GetCaseName(name) })
    {
      const auto & site = table.m_Sites.emplace(key, fields[siteColumn]).first->second;
      if (site != fields[siteColumn])
      {
        throw Error(line + " gives '" + key + "' the site " + fields[siteColumn] + ", a line before it " + site +
                    ", expected one");
      }
    }
  }
  if (table.m_Sites.empty())
  {
    throw Error(path + ": has no line but its first, expected one for each case");
  }
  return table;
}

const std::string &
SiteTable::GetSite(const std::string & name, const std::string & ending) const
{
  const std::string first = name + GetChannelSuffix(0);
  for (const auto & key : { name, name + ending, first, first + ending })
  {
    const auto found = m_Sites.find(key);
    if (found != m_Sites.end())
    {
      return found->second;
    }
  }
  throw Error(m_Path + ": has no line for the case '" + name + "', expected its file or name and its site");
}

void
SiteTable::CheckSite(const std::string & site) const
{
  std::set<std::string> sites;
  for (const auto & entry : m_Sites)
  {
    sites.insert(entry.second);
  }
  if (sites.count(site) == 0)
  {
    throw Error(m_Path + ": has no site '" + site + "', expected one of " +
                JoinNames(std::vector<std::string>(sites.begin(), sites.end())));
  }
}
} // namespace sam
