// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSafetensors.h"

#include "samError.h"

#include <ATen/ops/empty.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>

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

constexpr uint64_t maximumHeaderLength = 100'000'000;

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
  throw Error(where + ": unknown element type '" + name + "'");
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

/** Number of bytes of a shape, or an error where the product leaves what the file can hold. */
uint64_t
ByteCount(const std::vector<int64_t> & shape, uint64_t elementSize, uint64_t limit, const std::string & where)
{
  uint64_t count = elementSize;
  bool     empty = false;
  for (const int64_t extent : shape)
  {
    if (extent < 0)
    {
      throw Error(where + ": negative extent in the shape");
    }
    empty = empty || extent == 0;
  }
  if (empty)
  {
    return 0;
  }
  for (const int64_t extent : shape)
  {
    if (static_cast<uint64_t>(extent) > limit / count)
    {
      throw Error(where + ": the shape needs more bytes than the file holds");
    }
    count *= static_cast<uint64_t>(extent);
  }
  return count;
}
} // namespace

SafetensorsFile
ReadSafetensors(const std::string & path)
{
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error))
  {
    throw Error(path + ": no such file, expected a .safetensors file");
  }
  const uint64_t fileSize = std::filesystem::file_size(path, error);
  std::ifstream  stream(path, std::ios::binary);
  if (error || !stream)
  {
    throw Error(path + ": cannot be opened for reading");
  }
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
  const auto json = nlohmann::json::parse(header, nullptr, false);
  if (!stream || !json.is_object())
  {
    throw Error(path + ": not a .safetensors file (its header is not a JSON object)");
  }

  const uint64_t  dataStart = prefix.size() + headerLength;
  const uint64_t  dataSize = fileSize - dataStart;
  SafetensorsFile file;

  std::vector<std::pair<uint64_t, uint64_t>> spans;
  for (const auto & [name, entry] : json.items())
  {
    if (name == "__metadata__")
    {
      for (const auto & [key, value] : entry.items())
      {
        if (!value.is_string())
        {
          throw Error(path + ": metadata '" + key + "' is not a string");
        }
        file.metadata[key] = value.get<std::string>();
      }
      continue;
    }
    const std::string    where = path + ": tensor '" + name + "'";
    std::vector<int64_t> shape;
    uint64_t             begin = 0;
    uint64_t             end = 0;
    std::string          typeName;
    try
    {
      typeName = entry.at("dtype").get<std::string>();
      shape = entry.at("shape").get<std::vector<int64_t>>();
      begin = entry.at("data_offsets").at(0).get<uint64_t>();
      end = entry.at("data_offsets").at(1).get<uint64_t>();
    }
    catch (const nlohmann::json::exception &)
    {
      throw Error(where + ": expected dtype, shape and data_offsets");
    }
    if (begin > end || end > dataSize)
    {
      throw Error(where + ": truncated, its data ends at byte " + std::to_string(end) + " of " +
                  std::to_string(dataSize));
    }
    const at::ScalarType type = TypeFromName(typeName, where);
    if (ByteCount(shape, c10::elementSize(type), dataSize, where) != end - begin)
    {
      throw Error(where + ": its shape and its " + std::to_string(end - begin) + " bytes do not agree");
    }
    auto tensor = at::empty(shape, at::TensorOptions().dtype(type));
    stream.seekg(static_cast<std::streamoff>(dataStart + begin));
    if (end > begin && !stream.read(static_cast<char *>(tensor.data_ptr()), static_cast<std::streamsize>(end - begin)))
    {
      throw Error(where + ": cannot be read");
    }
    spans.emplace_back(begin, end);
    file.tensors[name] = tensor;
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
  return file;
}

void
WriteSafetensors(const std::string & path, const SafetensorsFile & file)
{
  nlohmann::json header = nlohmann::json::object();
  if (!file.metadata.empty())
  {
    header["__metadata__"] = file.metadata;
  }
  uint64_t offset = 0;
  for (const auto & [name, tensor] : file.tensors)
  {
    const uint64_t end = offset + tensor.nbytes();
    header[name] = { { "dtype", NameFromType(tensor.scalar_type()) },
                     { "shape", tensor.sizes().vec() },
                     { "data_offsets", { offset, end } } };
    offset = end;
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');

  const std::filesystem::path target(path);
  const std::filesystem::path temporary(path + ".part");
  std::error_code             ignored;
  {
    std::ofstream stream(temporary, std::ios::binary | std::ios::trunc);
    for (uint64_t length = text.size(), i = 0; i < 8; ++i)
    {
      stream.put(static_cast<char>((length >> (8 * i)) & 0xff));
    }
    stream.write(text.data(), static_cast<std::streamsize>(text.size()));
    for (const auto & [name, tensor] : file.tensors)
    {
      const auto bytes = tensor.detach().cpu().contiguous();
      stream.write(static_cast<const char *>(bytes.data_ptr()), static_cast<std::streamsize>(bytes.nbytes()));
    }
    stream.flush();
    if (!stream)
    {
      stream.close();
      std::filesystem::remove(temporary, ignored);
      throw Error(path + ": cannot be written");
    }
  }
  std::error_code error;
  std::filesystem::rename(temporary, target, error);
  if (error)
  {
    std::filesystem::remove(temporary, ignored);
    throw Error(path + ": cannot be written (" + error.message() + ")");
  }
}
} // namespace sam
