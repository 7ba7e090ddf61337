// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSafetensors.h"

#include "samError.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <utility>

namespace sam
{
namespace
{
struct TypeName
{
  const char *   name;
  at::ScalarType type;
};

constexpr std::array<TypeName, 10> typeNames{ { { "F64", at::kDouble },
                                                { "F32", at::kFloat },
                                                { "F16", at::kHalf },
                                                { "BF16", at::kBFloat16 },
                                                { "I64", at::kLong },
                                                { "I32", at::kInt },
                                                { "I16", at::kShort },
                                                { "I8", at::kChar },
                                                { "U8", at::kByte },
                                                { "BOOL", at::kBool } } };

/** Some hundred bytes per tensor; the format itself allows 100 MB. */
constexpr uint64_t maximumHeaderLength = uint64_t{ 1 } << 24;

at::ScalarType
TypeFromName(const std::string & name, const std::string & where)
{
  for (const auto & entry : typeNames)
  {
    if (name == entry.name)
    {
      return entry.type;
    }
  }
  throw Error(where + ": unknown element type '" + ToPrintable(name) + "'");
}

std::string
NameFromType(at::ScalarType type)
{
  for (const auto & entry : typeNames)
  {
    if (type == entry.type)
    {
      return entry.name;
    }
  }
  throw Error(std::string("element type ") + c10::toString(type) + " cannot be stored in a .safetensors file");
}

/** \class HeaderReader
 * \brief Takes the header apart while it is parsed, so that depth and repetition of a hostile one cost nothing.
 *
 * Fills StoredTensor::begin with the first data offset; the second is kept beside it.
 */
class HeaderReader : public nlohmann::json_sax<nlohmann::json>
{
public:
  struct Entry
  {
    StoredTensor tensor;
    uint64_t     end{ 0 };
  };

  explicit HeaderReader(std::string path)
    : m_Path(std::move(path))
  {}

  std::map<std::string, Entry>       entries;
  std::map<std::string, std::string> metadata;

  bool
  key(string_t & text) override
  {
    if (m_Place == Place::Root)
    {
      m_Name = text;
      if (m_Name == metadataKey ? std::exchange(m_HasMetadata, true) : entries.count(m_Name) > 0)
      {
        throw Error(m_Path + ": damaged, '" + ToPrintable(m_Name) + "' is described twice");
      }
      return true;
    }
    m_Key = text;
    if (m_Place == Place::Metadata ? metadata.count(m_Key) > 0 : !m_Seen.insert(m_Key).second)
    {
      throw Error(m_Path + ": damaged, '" + ToPrintable(m_Key) + "' is given twice for '" + ToPrintable(m_Name) + "'");
    }
    return true;
  }

  bool
  start_object(std::size_t) override
  {
    switch (m_Place)
    {
      case Place::Outside:
        m_Place = Place::Root;
        return true;
      case Place::Root:
        m_Place = m_Name == metadataKey ? Place::Metadata : Place::Entry;
        m_Seen.clear();
        m_Offsets.clear();
        if (m_Place == Place::Entry)
        {
          entries[m_Name];
        }
        return true;
      default:
        return Refuse();
    }
  }

  bool
  end_object() override
  {
    if (m_Place == Place::Entry)
    {
      if (m_Seen != std::set<std::string>{ "data_offsets", "dtype", "shape" } || m_Offsets.size() != 2)
      {
        return Refuse();
      }
      entries[m_Name].tensor.begin = m_Offsets[0];
      entries[m_Name].end = m_Offsets[1];
    }
    m_Place = m_Place == Place::Root ? Place::Outside : Place::Root;
    return true;
  }

  bool
  start_array(std::size_t) override
  {
    if (m_Place != Place::Entry || (m_Key != "shape" && m_Key != "data_offsets"))
    {
      return Refuse();
    }
    m_Place = Place::Numbers;
    return true;
  }

  bool
  end_array() override
  {
    m_Place = Place::Entry;
    return true;
  }

  bool
  string(string_t & text) override
  {
    if (m_Place == Place::Metadata)
    {
      metadata[m_Key] = text;
      return true;
    }
    if (m_Place != Place::Entry || m_Key != "dtype")
    {
      return Refuse();
    }
    entries[m_Name].tensor.type = TypeFromName(text, m_Path + ": tensor '" + ToPrintable(m_Name) + "'");
    return true;
  }

  bool
  number_unsigned(number_unsigned_t number) override
  {
    if (m_Place != Place::Numbers || number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()))
    {
      return Refuse();
    }
    if (m_Key == "shape")
    {
      entries[m_Name].tensor.shape.push_back(static_cast<int64_t>(number));
    }
    else
    {
      m_Offsets.push_back(number);
    }
    return true;
  }

  bool
  number_integer(number_integer_t) override
  {
    return Refuse();
  }
  bool
  number_float(number_float_t, const string_t &) override
  {
    return Refuse();
  }
  bool
  boolean(bool) override
  {
    return Refuse();
  }
  bool
  null() override
  {
    return Refuse();
  }
  bool
  binary(binary_t &) override
  {
    return Refuse();
  }
  bool
  parse_error(std::size_t, const std::string &, const nlohmann::json::exception &) override
  {
    return false;
  }

private:
  enum class Place
  {
    Outside,
    Root,
    Metadata,
    Entry,
    Numbers
  };

  static constexpr const char * metadataKey = "__metadata__";

  bool
  Refuse() const
  {
    if (m_Place == Place::Outside)
    {
      return false;
    }
    throw Error(m_Path + (m_Place == Place::Metadata
                            ? ": metadata '" + ToPrintable(m_Key) + "' is not a string"
                            : ": tensor '" + ToPrintable(m_Name) + "': expected dtype, shape and data_offsets"));
  }

  std::string           m_Path;
  std::string           m_Name;
  std::string           m_Key;
  std::set<std::string> m_Seen;
  std::vector<uint64_t> m_Offsets;
  Place                 m_Place{ Place::Outside };
  bool                  m_HasMetadata{ false };
};
} // namespace

TensorFile
OpenSafetensors(const std::string & path)
{
  const uint64_t               fileSize = CheckReadable(path);
  std::ifstream                stream(path, std::ios::binary);
  std::array<unsigned char, 8> prefix{};
  if (fileSize < prefix.size() || !stream.read(reinterpret_cast<char *>(prefix.data()), prefix.size()))
  {
    throw Error(path + ": truncated, a .safetensors file has at least 8 bytes");
  }
  uint64_t headerLength = 0;
  for (size_t i = prefix.size(); i-- > 0;)
  {
    headerLength = (headerLength << 8) | prefix[i];
  }
  if (headerLength > maximumHeaderLength || headerLength > fileSize - prefix.size())
  {
    throw Error(path + ": truncated or not a .safetensors file (header of " + std::to_string(headerLength) +
                " bytes in a file of " + std::to_string(fileSize) + ")");
  }
  std::string header(headerLength, '\0');
  stream.read(header.data(), static_cast<std::streamsize>(headerLength));
  HeaderReader reader(path);
  if (!stream || !nlohmann::json::sax_parse(header, &reader))
  {
    throw Error(path + ": not a .safetensors file (its header is not a JSON object)");
  }

  const uint64_t                             dataStart = prefix.size() + headerLength;
  const uint64_t                             dataSize = fileSize - dataStart;
  std::map<std::string, StoredTensor>        tensors;
  std::vector<std::pair<uint64_t, uint64_t>> spans;
  for (auto & [name, entry] : reader.entries)
  {
    const std::string where = path + ": tensor '" + ToPrintable(name) + "'";
    const uint64_t    begin = entry.tensor.begin;
    if (begin > entry.end || entry.end > dataSize)
    {
      throw Error(where + ": truncated, its data ends at byte " + std::to_string(entry.end) + " of " +
                  std::to_string(dataSize));
    }
    if (GetSpan(entry.tensor, dataSize, where) != entry.end - begin)
    {
      throw Error(where + ": its shape and its " + std::to_string(entry.end - begin) + " bytes do not agree");
    }
    spans.emplace_back(begin, entry.end);
    entry.tensor.begin += dataStart;
    tensors.emplace(name, std::move(entry.tensor));
  }
  std::sort(spans.begin(), spans.end());
  uint64_t described = 0;
  for (const auto & [begin, end] : spans)
  {
    if (begin != described)
    {
      throw Error(path + ": damaged, the tensors' data overlap or leave a gap at byte " + std::to_string(described));
    }
    described = end;
  }
  if (described != dataSize)
  {
    throw Error(path + ": damaged, the header describes " + std::to_string(described) + " of " +
                std::to_string(dataSize) + " data bytes");
  }
  return { path, std::move(tensors), std::move(reader.metadata) };
}

SafetensorsFile
ReadSafetensors(const std::string & path)
{
  const auto      opened = OpenSafetensors(path);
  SafetensorsFile file;
  file.metadata = opened.GetMetadata();
  for (const auto & [name, tensor] : opened.GetTensors())
  {
    file.tensors[name] = opened.Read(name);
  }
  return file;
}

void
WriteSafetensors(const std::string & path, const SafetensorsFile & file)
{
  std::map<std::string, StoredTensor> tensors;
  for (const auto & [name, tensor] : file.tensors)
  {
    tensors[name] = { tensor.scalar_type(), tensor.sizes().vec(), {}, 0 };
  }
  WriteSafetensors(path, tensors, file.metadata, [&](const std::string & name) { return file.tensors.at(name); });
}

void
WriteSafetensors(const std::string &                                         path,
                 const std::map<std::string, StoredTensor> &                 tensors,
                 const std::map<std::string, std::string> &                  metadata,
                 const std::function<at::Tensor(const std::string & name)> & read)
{
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty())
  {
    header["__metadata__"] = metadata;
  }
  uint64_t offset = 0;
  for (const auto & [name, tensor] : tensors)
  {
    uint64_t end = c10::elementSize(tensor.type);
    for (const int64_t extent : tensor.shape)
    {
      end *= static_cast<uint64_t>(extent);
    }
    end += offset;
    header[name] = { { "dtype", NameFromType(tensor.type) },
                     { "shape", tensor.shape },
                     { "data_offsets", { offset, end } } };
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');

  struct TemporaryFile
  {
    std::filesystem::path path;
    ~TemporaryFile()
    {
      std::error_code ignored;
      std::filesystem::remove(path, ignored); // nothing is there after it was moved
    }
  };
  const TemporaryFile temporary{ path + ".part" };
  std::error_code     error;
  errno = 0;
  std::ofstream stream(temporary.path, std::ios::binary | std::ios::trunc);
  for (uint64_t length = text.size(), i = 0; i < 8; ++i)
  {
    stream.put(static_cast<char>((length >> (8 * i)) & 0xff));
  }
  stream.write(text.data(), static_cast<std::streamsize>(text.size()));
  for (auto entry = tensors.begin(); stream && entry != tensors.end(); ++entry)
  {
    const auto bytes = read(entry->first).detach().cpu().contiguous();
    stream.write(static_cast<const char *>(bytes.data_ptr()), static_cast<std::streamsize>(bytes.nbytes()));
  }
  stream.close();
  if (stream)
  {
    std::filesystem::rename(temporary.path, path, error);
  }
  else
  {
    error.assign(errno, std::generic_category());
  }
  if (!stream || error)
  {
    throw Error(path + ": cannot be written" + (error ? " (" + error.message() + ")" : ""));
  }
}
} // namespace sam
