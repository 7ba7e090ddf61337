// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageFile.h"
#include "samError.h"

#include "itkImageFileReader.h"
#include "itkImageIOFactory.h"
#include "itk_zlib.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <vector>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

[[noreturn]] void
ThrowIncomplete(const std::string & path, std::uint64_t found, std::uint64_t expected)
{
  throw Error(path + ": is incomplete: has " + std::to_string(found) + " bytes of data, expected " +
              std::to_string(expected));
}

/** Decompresses the file to its end; one that is not compressed is read as it is. */
void
CheckNifti(const std::string & path, std::uint64_t pixelBytes)
{
  const std::unique_ptr<std::remove_pointer_t<gzFile>, decltype(&gzclose)> file(gzopen(path.c_str(), "rb"), &gzclose);
  if (!file)
  {
    throw Error(path + ": cannot be opened");
  }
  std::vector<char> buffer(1 << 18);
  std::uint64_t     bytes = 0;
  int               count = 0;
  while ((count = gzread(file.get(), buffer.data(), static_cast<unsigned int>(buffer.size()))) > 0)
  {
    bytes += static_cast<std::uint64_t>(count);
  }
  int          status = Z_OK;
  const char * message = gzerror(file.get(), &status);
  if (count < 0 || (status != Z_OK && status != Z_STREAM_END))
  {
    throw Error(path + ": is incomplete or damaged: " + message);
  }
  constexpr std::uint64_t smallestHeader = 348;
  if (bytes < smallestHeader + pixelBytes)
  {
    ThrowIncomplete(path, bytes - std::min(bytes, smallestHeader), pixelBytes);
  }
}

void
CheckMetaImage(const std::string & path, std::uint64_t pixelBytes)
{
  std::ifstream stream(path, std::ios::binary);
  std::uint64_t expected = pixelBytes;
  for (std::string line; std::getline(stream, line);)
  {
    const auto equals = line.find('=');
    if (equals == std::string::npos)
    {
      return;
    }
    const auto trim = [](const std::string & text) {
      const auto first = text.find_first_not_of(" \t\r");
      return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
    };
    const std::string key = trim(line.substr(0, equals));
    const std::string value = trim(line.substr(equals + 1));
    if (key == "CompressedDataSize" && !value.empty() && value.find_first_not_of("0123456789") == std::string::npos)
    {
      expected = std::stoull(value);
    }
    else if (key == "CompressedData" && value == "True" && expected == pixelBytes)
    {
      expected = 0; // unknown unless a size follows
    }
    else if (key == "ElementDataFile")
    {
      std::error_code error;
      const bool      local = value == "LOCAL" || value == "Local" || value == "local";
      const fs::path  data = local ? fs::path(path) : fs::path(path).parent_path() / value;
      const auto      size = fs::file_size(data, error);
      if (error)
      {
        return; // a list or a pattern of files
      }
      const std::uint64_t found = size - (local ? static_cast<std::uint64_t>(stream.tellg()) : 0);
      if (found < expected)
      {
        ThrowIncomplete(data.string(), found, expected);
      }
      return;
    }
  }
}
} // namespace

itk::ImageIOBase::Pointer
ReadImageHeader(const std::string & path)
{
  if (!fs::exists(path))
  {
    throw Error(path + ": no such file");
  }
  if (fs::is_directory(path))
  {
    throw Error(path + ": is a folder, expected an image file");
  }
  itk::ImageIOBase::Pointer imageIO;
  try
  {
    imageIO = itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::ImageIOFactory::IOFileModeEnum::ReadMode);
    if (imageIO)
    {
      imageIO->SetFileName(path);
      imageIO->ReadImageInformation();
    }
  }
  catch (const itk::ExceptionObject & exception)
  {
    throw Error(path + ": cannot be read: " + exception.GetDescription());
  }
  if (!imageIO)
  {
    throw Error(path + ": is not an image that can be read");
  }
  const auto        bytes = static_cast<std::uint64_t>(imageIO->GetImageSizeInBytes());
  const std::string format = imageIO->GetNameOfClass();
  const bool        headerOnly = fs::path(path).extension() == ".hdr";
  if (format == "NiftiImageIO" && !headerOnly)
  {
    CheckNifti(path, bytes);
  }
  else if (format == "MetaImageIO")
  {
    CheckMetaImage(path, bytes);
  }
  return imageIO;
}
} // namespace sam
