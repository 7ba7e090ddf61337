// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samNiftiLabels.h"

#include "samError.h"
#include "samMarkup.h"
#include "samNiftiFile.h"
#include "samText.h"

#include "itkDOMNodeXMLReader.h"

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
// The same of NIfTI 2.
constexpr std::size_t  secondVoxelsPlace = 168;
constexpr std::size_t  secondStartSize = 540 + 4;
constexpr std::int32_t labelsCode = 30; // NIFTI_ECODE_CARET

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
  std::array<std::int32_t, 2> head{ 0, labelsCode };
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
/** \class LabelReader
 * \brief The elements Label of an XML text, without a tree: that of ITK loses blanks beside escaped characters.
 */
class LabelReader : public itk::DOMNodeXMLReader
{
public:
  using Self = LabelReader;
  using Pointer = itk::SmartPointer<Self>;
  itkNewMacro(Self);

  void
  StartElement(const char * name, const char ** attributes) override
  {
    m_IsLabel = std::strcmp(name, "Label") == 0;
    if (!m_IsLabel)
    {
      return;
    }
    m_Table.push_back({ 0, "", GetLabelColor(m_Table.size()) });
    auto & label = m_Table.back();
    for (; attributes[0] != nullptr; attributes += 2)
    {
      std::istringstream value(attributes[1]);
      value.imbue(std::locale::classic());
      constexpr std::array<const char *, 3> colors{ "Red", "Green", "Blue" };
      double                                share = 0.0;
      if (std::strcmp(attributes[0], "Key") == 0)
      {
        value >> label.value;
      }
      for (std::size_t k = 0; k < colors.size(); ++k)
      {
        if (std::strcmp(attributes[0], colors[k]) == 0 && value >> share)
        {
          label.color[k] = GetColorPart(share);
        }
      }
    }
  }

  void
  EndElement(const char *) override
  {
    m_IsLabel = false;
  }

  void
  CharacterDataHandler(const char * text, int length) override
  {
    if (m_IsLabel)
    {
      m_Table.back().name.append(text, static_cast<std::size_t>(length));
    }
  }

  LabelTable
  GetLabels() const
  {
    LabelTable table;
    for (auto label : m_Table)
    {
      label.name = Trim(label.name);
      if (label.value != 0 && !label.name.empty() && label.name != "???")
      {
        table.push_back(label);
      }
    }
    return table;
  }

private:
  LabelTable m_Table;
  bool       m_IsLabel{ false };
};
} // namespace

LabelTable
ReadNiftiLabels(const std::string & path)
{
  const GzipFile file(gzopen(path.c_str(), "rb"));
  const auto     read = [&file](char * bytes, std::size_t size) {
    return file && gzread(file.get(), bytes, static_cast<unsigned int>(size)) == static_cast<int>(size);
  };
  std::vector<char> start(secondStartSize);
  if (!read(start.data(), startSize))
  {
    return {};
  }
  const NiftiHeader header(start);
  const bool        isSecond = header.IsSecond();
  const std::size_t size = isSecond ? secondStartSize : startSize;
  if (!read(start.data() + startSize, size - startSize) || start[size - 4] == 0)
  {
    return {};
  }
  constexpr double largest = 1 << 24; // what says to be larger is damaged
  const double     voxelsStart = isSecond ? static_cast<double>(header.Get<std::int64_t>(secondVoxelsPlace))
                                          : static_cast<double>(header.Get<float>(voxelsPlace));
  if (!(voxelsStart >= 0.0 && voxelsStart <= largest))
  {
    return {};
  }
  const auto voxels = static_cast<std::int64_t>(voxelsStart);
  // Behind each other: size, code, content. The first bytes of the file tell in which order theirs are.
  std::vector<char> extension(start.begin(), start.begin() + 4);
  extension.resize(12);
  const NiftiHeader  fields(extension);
  const std::int64_t headSize = 8;
  for (auto place = static_cast<std::int64_t>(size);
       place + headSize <= voxels && read(extension.data() + 4, headSize);)
  {
    const auto length = static_cast<std::int64_t>(fields.Get<std::int32_t>(4)) - headSize;
    const auto code = fields.Get<std::int32_t>(8);
    place += headSize + length;
    if (length < 0 || place > voxels)
    {
      return {};
    }
    if (code != labelsCode)
    {
      gzseek(file.get(), static_cast<z_off_t>(length), SEEK_CUR);
      continue;
    }
    std::string text(static_cast<std::size_t>(length), '\0');
    if (!read(text.data(), text.size()))
    {
      return {};
    }
    std::istringstream stream(text.substr(0, text.find('\0')));
    const auto         reader = LabelReader::New();
    try
    {
      reader->Update(stream);
    }
    catch (const itk::ExceptionObject &)
    {
      return {}; // damaged names are none
    }
    return reader->GetLabels();
  }
  return {};
}

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
