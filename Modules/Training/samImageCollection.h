// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImageCollection_h
#define samImageCollection_h

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** Which files are looked at, and which are left alone. */
struct ImageCollectionOptions
{
  std::vector<std::string> folders; ///< with everything below them, also behind symbolic links

  bool takesLabels{ false }; ///< files in folders below that are named labels... (labelsTr) are images, too
  bool joinsSeries{ false }; ///< the files of a folder that are a DICOM series become one image, named by the folder

  /** Patterns with * (any text, also folders) and ? (one letter), or text files (.txt) with one of them in each line. A
   * pattern stands for a file when it fits its path below the folder, its name, or its name without extension. */
  std::vector<std::string> excluded;

  /** The files of these sites alone are taken from the folders that a table of sites knows; empty: of all. */
  std::vector<std::string> trainSites;
  std::string              sites; ///< the table; empty: sites.csv in each folder or beside it, where there is one
};

/** What was found below one folder. No file was opened but, to find series, some that are listed. */
struct ImageFolder
{
  std::string              path;
  std::vector<std::string> files;           ///< with the path from the root, in alphabetical order
  int64_t                  excluded{ 0 };   ///< files that a pattern stands for
  int64_t                  labels{ 0 };     ///< files in folders of label maps
  int64_t                  otherSites{ 0 }; ///< files of other sites
};

/** List the files of folders by their names alone; sites.csv in a folder is none of them. \a note is told which table
 * of sites was used for which folder, and how many label maps were left out.
 * \throws Error naming a folder that is not there or empty, a pattern that stands for no file, a site that is not in a
 * table, a file that is not in the table which knows others of its folder, or \c trainSites without any table. */
std::vector<ImageFolder>
CollectImages(const ImageCollectionOptions & options, const std::function<void(const std::string & line)> & note);

/** Whether \a text is what \a pattern stands for, as above. */
bool
FitsPattern(const std::string & text, const std::string & pattern);
} // namespace sam

#endif
