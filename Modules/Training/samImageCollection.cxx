// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageCollection.h"

#include "samDicomSeries.h"
#include "samError.h"
#include "samEvaluation.h"
#include "samImageFile.h"
#include "samSiteTable.h"
#include "samText.h"
#include "samTextFile.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>

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
      m_Groups.push_back({ word, ReadTextLines(word) });
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

/** Names of files below a folder, each folder once: by a symbolic link where that is the only way to it. */
std::set<std::string>
FindFiles(const fs::path & folder)
{
  std::set<std::string> names;
  std::set<fs::path>    seen;
  std::set<fs::path>    links{ "" };
  while (!links.empty())
  {
    std::vector<fs::path> folders{ links.extract(links.begin()).value() };
    while (!folders.empty())
    {
      const auto inside = folders.back();
      folders.pop_back();
      if (!seen.insert(fs::canonical(folder / inside)).second)
      {
        continue;
      }
      for (const auto & entry : fs::directory_iterator(folder / inside))
      {
        std::error_code ignored; // of a link to nowhere
        const auto      name = inside / entry.path().filename();
        if (entry.is_directory(ignored) && entry.is_symlink())
        {
          links.insert(name);
        }
        else if (entry.is_directory(ignored))
        {
          folders.push_back(name);
        }
        else if (name.filename().string().front() != '.')
        {
          names.insert(name.generic_string());
        }
      }
    }
  }
  return names;
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
  try
  {
    names = FindFiles(folder);
  }
  catch (const fs::filesystem_error & error)
  {
    throw Error(error.path1().string() + ": cannot be listed (" + error.code().message() + ")");
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

/** Whether a file is in a folder of label maps, such as nnU-Net's labelsTr. */
bool
IsInLabels(const fs::path & name)
{
  const auto folders = name.parent_path();
  return std::any_of(
    folders.begin(), folders.end(), [](const fs::path & folder) { return folder.string().starts_with("labels"); });
}

/** Whether the files of a folder are the slices of a DICOM series. */
bool
HoldsSlices(const std::string & folder)
{
  try
  {
    const auto file = FindDicomFile(folder);
    const auto header = file.empty() ? nullptr : ReadImageHeader(file);
    return header && (header->GetNumberOfDimensions() < 3 || header->GetDimensions(2) == 1);
  }
  catch (const Error &)
  {
    return false; // whoever reads the file tells why
  }
}

/** The slices of a series become its folder, where all of its files are wanted. */
void
JoinSeries(ImageFolder & folder)
{
  std::map<std::string, std::vector<std::string>> byFolder;
  for (const auto & file : folder.files)
  {
    byFolder[fs::path(file).parent_path().string()].push_back(file);
  }
  folder.files.clear();
  for (const auto & [path, files] : byFolder)
  {
    const auto all = std::count_if(fs::directory_iterator(path), fs::directory_iterator(), [](const auto & entry) {
      return entry.is_regular_file();
    });
    if (files.size() > 1 && std::ssize(files) == all && HoldsSlices(path))
    {
      folder.files.push_back(path);
    }
    else
    {
      folder.files.insert(folder.files.end(), files.begin(), files.end());
    }
  }
  std::sort(folder.files.begin(), folder.files.end());
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
  // What is no image needs no line in the table.
  std::erase_if(folder.files, [](const std::string & file) {
    static const std::set<std::string> others{ ".csv", ".json", ".md", ".txt", ".xml" };
    return others.count(ToLower(fs::path(file).extension().string())) > 0;
  });
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
  std::set<std::string>    seen{ fs::weakly_canonical(options.sites).string() }; // a table is no image
  bool                     hasTable = false;
  if (options.trainSites.empty() && !options.sites.empty())
  {
    throw Error(options.sites + ": a table of sites without a site to train on, expected --train-site");
  }
  for (const auto & path : options.folders)
  {
    ImageFolder folder;
    folder.path = path;
    seen.insert(fs::weakly_canonical(fs::path(path) / "sites.csv").string());
    for (const auto & name : ListFiles(path))
    {
      if (excluded.Fit(name))
      {
        ++folder.excluded;
      }
      else if (!options.takesLabels && IsInLabels(name))
      {
        ++folder.labels;
      }
      else if (const auto file = (fs::absolute(path) / name).lexically_normal().string();
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
    if (folder.labels > 0)
    {
      note(path + ": " + std::to_string(folder.labels) + " files in folders of label maps are left out");
    }
    if (options.joinsSeries)
    {
      JoinSeries(folder);
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
