// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageCollection.h"

#include "samError.h"
#include "samEvaluation.h"
#include "samSiteTable.h"
#include "samTextFile.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <set>
#include <sstream>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

/** What --exclude says, and whether each pattern stood for a file. */
class Patterns
{
public:
  explicit Patterns(const std::vector<std::string> & words)
  {
    for (const auto & word : words)
    {
      if (!word.ends_with(".txt") || word.find_first_of("*?") != std::string::npos)
      {
        m_Groups.push_back({ word, { word } });
        continue;
      }
      Group              group{ word, {} };
      std::istringstream lines(ReadTextFile(word));
      for (std::string line; std::getline(lines, line);)
      {
        const auto first = line.find_first_not_of(" \t\r");
        if (first != std::string::npos)
        {
          group.patterns.push_back(line.substr(first, line.find_last_not_of(" \t\r") - first + 1));
        }
      }
      m_Groups.push_back(std::move(group));
    }
  }

  bool
  Fit(const std::string & path)
  {
    const auto name = fs::path(path).filename().string();
    const auto bare = GetCaseName(name);
    bool       fits = false;
    for (auto & group : m_Groups)
    {
      const bool isInGroup = std::any_of(group.patterns.begin(), group.patterns.end(), [&](const auto & pattern) {
        return FitsPattern(path, pattern) || FitsPattern(name, pattern) || FitsPattern(bare, pattern);
      });
      group.isUsed = group.isUsed || isInGroup;
      fits = fits || isInGroup;
    }
    return fits;
  }

  /** A slip of the pen must not let in what was to stay out. */
  void
  ThrowIfUnused() const
  {
    for (const auto & group : m_Groups)
    {
      if (!group.isUsed)
      {
        throw Error("--exclude '" + group.word + "' stands for no file, expected one at least");
      }
    }
  }

private:
  struct Group
  {
    std::string              word;
    std::vector<std::string> patterns;
    bool                     isUsed{ false };
  };
  std::vector<Group> m_Groups;
};

/** The table for a folder, if there is one. */
std::optional<std::string>
FindTable(const ImageCollectionOptions & options, const fs::path & folder)
{
  if (!options.sites.empty())
  {
    return options.sites;
  }
  const auto inside = folder / "sites.csv";
  const auto beside = fs::absolute(folder / "").parent_path().parent_path() / "sites.csv";
  return fs::exists(inside)   ? std::make_optional(inside.string())
         : fs::exists(beside) ? std::make_optional(beside.string())
                              : std::nullopt;
}

/** Names of files below a folder that may be images. */
std::vector<std::string>
ListFiles(const fs::path & folder)
{
  if (!fs::is_directory(folder))
  {
    throw Error(folder.string() + ": is no folder, expected one with images");
  }
  std::set<std::string> names;
  for (const auto & entry : fs::recursive_directory_iterator(folder))
  {
    const auto name = entry.path().filename().string();
    if (!entry.is_directory() && name.front() != '.')
    {
      names.insert(entry.path().lexically_relative(folder).generic_string());
    }
  }
  std::vector<std::string> files;
  for (const auto & name : names)
  {
    // Pairs of files are read by their headers.
    const auto withoutEnding = name.substr(0, name.rfind('.'));
    const bool isOfPair = (name.ends_with(".img") && names.count(withoutEnding + ".hdr") > 0) ||
                          (name.ends_with("raw") && names.count(withoutEnding + ".mhd") > 0);
    if (!isOfPair)
    {
      files.push_back(name);
    }
  }
  return files;
}

/** Leave out the files of other sites; false when the table knows no file of this folder. */
bool
KeepSites(ImageFolder & folder, const SiteTable & table, const ImageCollectionOptions & options)
{
  const auto findSite = [&table](const std::string & file) -> std::optional<std::string> {
    const auto name = fs::path(file).filename().string();
    for (const auto & candidate : { name, GetCaseName(name) })
    {
      try
      {
        return table.GetSite(candidate);
      }
      catch (const Error &)
      {}
    }
    return std::nullopt;
  };
  std::vector<std::string> kept;
  std::string              unknown;
  bool                     isKnown = false;
  for (const auto & file : folder.files)
  {
    const auto site = findSite(file);
    unknown = site ? unknown : file;
    isKnown = isKnown || site;
    if (site && std::find(options.trainSites.begin(), options.trainSites.end(), *site) != options.trainSites.end())
    {
      kept.push_back(file);
    }
  }
  if (!isKnown)
  {
    return false;
  }
  if (!unknown.empty())
  {
    throw Error(unknown + ": has no line in " + table.GetPath() +
                ", which knows other files of the folder; expected a line or --exclude");
  }
  folder.otherSites = std::ssize(folder.files) - std::ssize(kept);
  folder.files = kept;
  return true;
}
} // namespace

bool
FitsPattern(const std::string & text, const std::string & pattern)
{
  // Of several places for a * the last one is tried anew, which is enough.
  size_t place = 0;
  size_t star = std::string::npos;
  size_t retry = 0;
  size_t k = 0;
  while (place < text.size())
  {
    if (k < pattern.size() && pattern[k] == '*')
    {
      star = k++;
      retry = place;
    }
    else if (k < pattern.size() && (pattern[k] == '?' || pattern[k] == text[place]))
    {
      ++k;
      ++place;
    }
    else if (star != std::string::npos)
    {
      k = star + 1;
      place = ++retry;
    }
    else
    {
      return false;
    }
  }
  return pattern.find_first_not_of('*', k) == std::string::npos;
}

std::vector<ImageFolder>
CollectImages(const ImageCollectionOptions & options, const std::function<void(const std::string &)> & note)
{
  Patterns                 excluded(options.excluded);
  std::vector<ImageFolder> folders;
  std::set<std::string>    seen;
  bool                     hasTable = false;
  if (options.trainSites.empty() && !options.sites.empty())
  {
    throw Error(options.sites + ": a table of sites without a site to train on, expected --train-site");
  }
  for (const auto & path : options.folders)
  {
    ImageFolder folder;
    folder.path = path;
    for (const auto & name : ListFiles(path))
    {
      if (excluded.Fit(name))
      {
        ++folder.excluded;
      }
      else if (const auto file = (fs::path(path) / name).string();
               seen.insert(fs::weakly_canonical(file).string()).second)
      {
        folder.files.push_back(file);
      }
    }
    if (!options.trainSites.empty())
    {
      const auto file = FindTable(options, path);
      bool       isKnown = false;
      if (file)
      {
        const auto table = SiteTable::Read(*file);
        for (const auto & site : options.trainSites)
        {
          table.CheckSite(site);
        }
        isKnown = KeepSites(folder, table, options);
        note(path + ": " +
             (isKnown
                ? std::to_string(folder.files.size()) + " files are of the sites " + JoinNames(options.trainSites) +
                    ", " + std::to_string(folder.otherSites) + " of others, which are not opened, by " + *file
                : "no file is in " + *file + ", so all are taken"));
      }
      else
      {
        note(path + ": no table of sites, so all files are taken");
      }
      hasTable = hasTable || isKnown;
    }
    folders.push_back(std::move(folder));
  }
  excluded.ThrowIfUnused();
  if (!options.trainSites.empty() && !hasTable)
  {
    throw Error("--train-site " + JoinNames(options.trainSites) +
                ": no table of sites knows a file of the folders, expected --sites or sites.csv beside them");
  }
  return folders;
}
} // namespace sam
