// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTextFile.h"

#include "samError.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sam
{
std::string
FindFileToReplace(const std::string & path)
{
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path        target(path);
  for (int links = 0; links < 40 && fs::is_symlink(target, error); ++links) // as many as Linux follows
  {
    target = target.parent_path() / fs::read_symlink(target, error); // an absolute one remains
  }
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status))
  {
    throw Error(path + ": is a device or the like, expected the name of a file to write");
  }
  return target.string();
}

void
WriteTextFile(const std::string & path, const std::string & text)
{
  const std::string target = FindFileToReplace(path);
  const std::string temporary = target + ".part";
  errno = 0;
  std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  std::error_code error;
  if (stream)
  {
    std::filesystem::rename(temporary, target, error);
  }
  else
  {
    error.assign(errno, std::generic_category());
  }
  if (!stream || error)
  {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw Error(path + ": cannot be written" + (error ? " (" + error.message() + ")" : ""));
  }
}

std::string
ReadTextFile(const std::string & path)
{
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
  {
    throw Error(path + ": cannot be opened, expected a text file");
  }
  std::ostringstream text;
  text << stream.rdbuf();
  constexpr char byteOrderMark[] = "\xEF\xBB\xBF";
  auto           read = text.str();
  read.erase(0, read.rfind(byteOrderMark, 0) == 0 ? sizeof byteOrderMark - 1 : 0);
  return read;
}

std::vector<std::string>
ReadTextLines(const std::string & path)
{
  constexpr char           blanks[] = " \t\r";
  std::istringstream       text(ReadTextFile(path));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);)
  {
    if (const auto first = line.find_first_not_of(blanks); first != std::string::npos)
    {
      lines.push_back(line.substr(first, line.find_last_not_of(blanks) - first + 1));
    }
  }
  return lines;
}
} // namespace sam
