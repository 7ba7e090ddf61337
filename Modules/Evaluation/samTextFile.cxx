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
  std::error_code       error;
  const auto            target = fs::is_symlink(path, error) ? fs::weakly_canonical(path, error) : fs::path(path);
  const fs::file_status status = fs::status(target, error);
  if (fs::exists(status) && !fs::is_regular_file(status) && !fs::is_directory(status))
  {
    throw Error(path + ": is a device or the like, expected the name of a file to write");
  }
  return target.empty() ? path : target.string();
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
  return text.str();
}
} // namespace sam
