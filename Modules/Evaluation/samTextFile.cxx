// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTextFile.h"

#include "samError.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sam
{
void
WriteTextFile(const std::string & path, const std::string & text)
{
  const std::string temporary = path + ".part";
  errno = 0;
  std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  std::error_code error;
  if (stream)
  {
    std::filesystem::rename(temporary, path, error);
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
