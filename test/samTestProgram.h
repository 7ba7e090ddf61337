// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTestProgram_h
#define samTestProgram_h

#include "samEvaluationTestImages.h"
#include "samSliceImages.h"

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

/** Programs run by the shell, and the files that they write. */
namespace sam::test
{
struct Outcome
{
  bool        isWell;
  std::string output; ///< of both streams
};

template <typename TImage>
std::vector<typename TImage::InternalPixelType>
ReadPixels(const std::filesystem::path & path)
{
  const auto image = sam::Read<TImage>(path.string());
  const auto count = image->GetBufferedRegion().GetNumberOfPixels() * image->GetNumberOfComponentsPerPixel();
  return { image->GetBufferPointer(), image->GetBufferPointer() + count };
}

/** Run one of our programs on one thread of the CPU, unless it \a takes other options than those that say so. Its
 * output goes through a file in \a folder. */
inline Outcome
RunProgram(const TemporaryFolder & folder,
           const std::string &     program,
           const std::string &     arguments,
           const std::string &     takes = "--threads 1 --device cpu")
{
  const auto        output = (folder / "output.txt").string();
  const std::string command =
    "\"" SEGMENTANYTHING_PROGRAMS "/" + program + "\" " + takes + " " + arguments + " > \"" + output + "\" 2>&1";
  const bool isWell = std::system(command.c_str()) == 0;
  return { isWell, ReadText(output) };
}
} // namespace sam::test

#endif
