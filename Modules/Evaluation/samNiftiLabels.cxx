// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samNiftiLabels.h"

#include "samError.h"
#include "samMarkup.h"
#include "samNiftiFile.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

// Places in a NIfTI 1 header; the voxels of a file without extensions begin behind it and four bytes that say so.
constexpr std::size_t headerSize = 348;
constexpr std::size_t intentPlace = 68;
constexpr std::size_t voxelsPlace = 108;
constexpr std::size_t startSize = headerSize + 4;

void
AddLabel(std::ostream & stream, const LabelDescription & label, int alpha)
{
  stream << "<Label Key=\"" << label.value << "\" Red=\"" << label.color[0] / 255.0 << "\" Green=\""
         << label.color[1] / 255.0 << "\" Blue=\"" << label.color[2] / 255.0 << "\" Alpha=\"" << alpha << "\">"
         << EscapeMarkup(label.name) << "</Label>\n";
}

/** Its size and code, the text, and zeros up to a multiple of 16 bytes. */
std::string
MakeExtension(const LabelTable & table, const std::vector<std::pair<std::string, std::string>> & notes)
{
  std::ostringstream stream;
  stream.imbue(std::locale::classic());
  stream << "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CaretExtension>\n<MetaData>\n";
  for (const auto & [name, value] : notes)
  {
    stream << "<MD><Name>" << EscapeMarkup(name) << "</Name><Value>" << EscapeMarkup(value) << "</Value></MD>\n";
  }
  stream << "</MetaData>\n<VolumeInformation Index=\"0\">\n<LabelTable>\n";
  AddLabel(stream, { 0, "background", { { 0, 0, 0 } } }, 0);
  for (const auto & label : table)
  {
    AddLabel(stream, label, 1);
  }
  stream << "</LabelTable>\n<StudyMetaDataLinkSet>\n</StudyMetaDataLinkSet>\n<VolumeType>Label</VolumeType>\n"
            "</VolumeInformation>\n</CaretExtension>\n";
  const std::string           text = stream.str();
  constexpr std::size_t       unit = 16;
  constexpr std::int32_t      code = 30; // NIFTI_ECODE_CARET
  std::array<std::int32_t, 2> head{ 0, code };
  const std::size_t           size = (sizeof(head) + text.size() + unit) / unit * unit;
  std::string                 extension(size, '\0');
  head[0] = static_cast<std::int32_t>(size);
  std::memcpy(extension.data(), head.data(), sizeof(head));
  std::copy(text.begin(), text.end(), extension.begin() + sizeof(head));
  return extension;
}

/** Whether the file is as ITK writes it: NIfTI 1 in one file, in this machine's order of bytes, without extensions. */
bool
IsPlainNifti(std::vector<char> & start)
{
  const NiftiHeader header(start);
  return header.Get<std::int32_t>(0) == headerSize && std::memcmp(start.data() + 344, "n+1", 4) == 0 &&
         header.IsBigEndian() == itk::ByteSwapper<int>::SystemIsBigEndian() &&
         header.Get<float>(voxelsPlace) == startSize && start[headerSize] == 0;
}
} // namespace

void
AddNiftiLabels(const std::string &                                      path,
               const LabelTable &                                       table,
               const std::vector<std::pair<std::string, std::string>> & notes)
{
  const bool        isCompressed = fs::path(path).extension() == ".gz";
  GzipFile          source(gzopen(path.c_str(), "rb"));
  std::vector<char> start(startSize);
  if (!source || gzread(source.get(), start.data(), startSize) != static_cast<int>(startSize) || !IsPlainNifti(start))
  {
    return;
  }
  const std::string extension = MakeExtension(table, notes);
  NiftiHeader       header(start);
  header.Set<std::int16_t>(intentPlace, 1002); // NIFTI_INTENT_LABEL
  header.Set<float>(voxelsPlace, static_cast<float>(startSize + extension.size()));
  start[headerSize] = 1;

  const std::string temporary = path + ".labels";
  GzipFile          target(gzopen(temporary.c_str(), isCompressed ? "wb" : "wbT"));
  const auto        write = [&target](const char * data, std::size_t size) {
    return target && gzwrite(target.get(), data, static_cast<unsigned int>(size)) == static_cast<int>(size);
  };
  bool              isWritten = write(start.data(), start.size()) && write(extension.data(), extension.size());
  std::vector<char> buffer(1 << 18);
  int               count = 0;
  while (isWritten && (count = gzread(source.get(), buffer.data(), static_cast<unsigned int>(buffer.size()))) > 0)
  {
    isWritten = write(buffer.data(), static_cast<std::size_t>(count));
  }
  isWritten = isWritten && count == 0 && gzclose(target.release()) == Z_OK;
  std::error_code error;
  if (isWritten)
  {
    fs::rename(temporary, path, error);
  }
  if (!isWritten || error)
  {
    target.reset();
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw Error(path + ": cannot be written");
  }
}
} // namespace sam
