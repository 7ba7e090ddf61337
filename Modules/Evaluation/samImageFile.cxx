// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageFile.h"

#include "samDicomSeries.h"
#include "samError.h"
#include "samMessage.h"
#include "samNiftiFile.h"
#include "samText.h"

#include "itkImageFileReader.h"
#include "itkImageIOFactory.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

bool
EndsWith(const std::string & text, const std::string & ending)
{
  return text.size() >= ending.size() && text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

[[noreturn]] void
ThrowIncomplete(const std::string & path, std::uint64_t found, std::uint64_t expected)
{
  throw Error(path + ": is incomplete: has " + std::to_string(found) + " bytes of data, expected " +
              std::to_string(expected));
}

/** Number of values that are NaN or infinite: all bits of the exponent are set, whatever the order of bytes. */
std::uint64_t
CountNotFinite(const char * data, std::size_t count, std::size_t width, bool isBigEndian)
{
  const unsigned int exponent = width == 4 ? 0x7f80 : 0x7ff0;
  std::uint64_t      found = 0;
  for (const char * value = data; value + width <= data + count; value += width)
  {
    const auto high = static_cast<unsigned char>(value[isBigEndian ? 0 : width - 1]);
    const auto low = static_cast<unsigned char>(value[isBigEndian ? 1 : width - 2]);
    found += ((high << 8 | low) & exponent) == exponent ? 1 : 0;
  }
  return found;
}

/** Where a NIfTI file keeps its voxels. */
struct NiftiLayout
{
  std::uint64_t dataStart{ 352 };
  std::size_t   realWidth{ 0 }; ///< bytes of a floating point voxel; 0 for integers
  bool          isBigEndian{ false };
};

NiftiLayout
ParseNiftiHeader(std::vector<char> & bytes)
{
  const NiftiHeader header(bytes);
  const bool        isSecond = header.IsSecond();
  const auto        type = header.Get<std::int16_t>(isSecond ? 12 : 70);
  const auto        start =
    isSecond ? static_cast<double>(header.Get<std::int64_t>(168)) : static_cast<double>(header.Get<float>(108));
  NiftiLayout layout;
  layout.isBigEndian = header.IsBigEndian();
  layout.realWidth = type == 16 ? 4 : type == 64 ? 8 : 0;
  if (start > 352.0 && start < 1e9)
  {
    layout.dataStart = static_cast<std::uint64_t>(start);
  }
  return layout;
}

/** Decompresses the file to its end; one that is not compressed is read as it is. */
void
CheckNifti(const std::string & path, std::uint64_t pixelBytes)
{
  const GzipFile file(gzopen(path.c_str(), "rb"));
  if (!file)
  {
    throw Error(path + ": cannot be opened");
  }
  std::vector<char> buffer(1 << 18);
  std::uint64_t     bytes = 0;
  std::uint64_t     notFinite = 0;
  NiftiLayout       layout;
  int               count = gzread(file.get(), buffer.data(), static_cast<unsigned int>(layout.dataStart));
  if (count == static_cast<int>(layout.dataStart))
  {
    layout = ParseNiftiHeader(buffer);
    // From the start of the data on, so that no voxel lies across two buffers.
    bytes = static_cast<std::uint64_t>(
      std::max<z_off_t>(0, gzseek(file.get(), static_cast<z_off_t>(layout.dataStart), SEEK_SET)));
    while ((count = gzread(file.get(), buffer.data(), static_cast<unsigned int>(buffer.size()))) > 0)
    {
      bytes += static_cast<std::uint64_t>(count);
      if (layout.realWidth > 0)
      {
        notFinite +=
          CountNotFinite(buffer.data(), static_cast<std::size_t>(count), layout.realWidth, layout.isBigEndian);
      }
    }
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
  if (notFinite > 0)
  {
    throw Error(path + ": " + std::to_string(notFinite) + " voxels are NaN or infinite, expected finite numbers");
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
    const std::string key = Trim(line.substr(0, equals));
    const std::string value = Trim(line.substr(equals + 1));
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
PeekImageHeader(const std::string & path)
{
  if (!fs::exists(path))
  {
    throw Error(path + ": no such file");
  }
  if (fs::is_directory(path))
  {
    const auto slice = FindDicomFile(path);
    if (slice.empty())
    {
      throw Error(path + ": is a folder without DICOM images, expected an image file or a DICOM series");
    }
    return PeekImageHeader(slice);
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
    if (IsRefusedForItsAxes(exception))
    {
      throw Error(path + ": its axes are not perpendicular, expected orthonormal direction cosines "
                         "(of .nii and .nii.gz --fix-direction takes the nearest)");
    }
    throw Error(path + ": cannot be read: " + ToOneLine(exception.GetDescription()));
  }
  if (!imageIO)
  {
    throw Error(path + ": is not an image that can be read");
  }
  return imageIO;
}

bool
IsRefusedForItsAxes(const itk::ExceptionObject & exception)
{
  return std::string(exception.GetDescription()).find("orthonormal") != std::string::npos;
}

itk::ImageIOBase::Pointer
ReadImageHeader(const std::string & path)
{
  auto              imageIO = PeekImageHeader(path);
  const auto        bytes = static_cast<std::uint64_t>(imageIO->GetImageSizeInBytes());
  const std::string format = imageIO->GetNameOfClass();
  // Pairs of .hdr and .img have no header before the voxels.
  const std::string name = fs::path(path).filename().string();
  const bool        single = EndsWith(name, ".nii") || EndsWith(name, ".nii.gz");
  if (format == "NiftiImageIO" && single)
  {
    CheckNifti(path, bytes);
  }
  else if (format == "MetaImageIO")
  {
    CheckMetaImage(path, bytes);
  }
  return imageIO;
}

std::size_t
CountChannels(const itk::ImageIOBase * header)
{
  const std::size_t components = header->GetNumberOfComponents();
  return components == 1 && header->GetNumberOfDimensions() > 3 ? header->GetDimensions(3) : components;
}

bool
HoldsChannelSeries(const itk::ImageIOBase * header, std::size_t channels)
{
  return channels > 1 && header->GetNumberOfComponents() == 1 && CountChannels(header) == channels;
}

std::size_t
FindFirstChannel(const std::string & name)
{
  return name.rfind(GetChannelSuffix(0) + '.');
}

std::vector<std::string>
FindChannelFiles(const std::string & path, std::size_t channels)
{
  const fs::path    file(path);
  const std::string name = file.filename().string();
  const auto        place = FindFirstChannel(name);
  if (channels < 2 || place == std::string::npos || fs::is_directory(file))
  {
    return { path };
  }
  std::vector<std::string> files;
  for (std::size_t channel = 0; channel < channels; ++channel)
  {
    std::string ofChannel = name;
    ofChannel.replace(place, GetChannelSuffix(0).size(), GetChannelSuffix(channel));
    files.push_back((file.parent_path() / ofChannel).string());
  }
  // A color image is one file, whatever its number.
  if (!fs::exists(files[1]) || CountChannels(PeekImageHeader(path)) > 1)
  {
    return { path };
  }
  for (const auto & ofChannel : files)
  {
    if (!fs::exists(ofChannel))
    {
      throw Error(ofChannel + ": no such file, expected the " + std::to_string(channels) + " channels of " + path);
    }
  }
  return files;
}

std::string
GetChannelSuffix(std::size_t channel)
{
  const std::string number = std::to_string(channel);
  return "_" + std::string(number.size() < 4 ? 4 - number.size() : 0, '0') + number;
}
} // namespace sam
