// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTorchFile_h
#define samTorchFile_h

#include <ATen/core/Tensor.h>

#include <cstring>
#include <map>
#include <string>
#include <vector>

/** Writes what torch.save writes, piece by piece, so that each piece can be wrong. */
namespace sam::torchfile
{
template <typename TNumber>
std::string
Bytes(TNumber number)
{
  std::string bytes(sizeof(number), '\0');
  std::memcpy(bytes.data(), &number, sizeof(number));
  return bytes;
}

inline std::string
Join(const std::vector<std::string> & parts)
{
  std::string text;
  for (const auto & part : parts)
  {
    text += part;
  }
  return text;
}

// Operations of pickle protocol 2.

inline std::string
Text(const std::string & text)
{
  return "X" + Bytes(static_cast<uint32_t>(text.size())) + text;
}

inline std::string
Integer(int64_t number)
{
  return std::string("\x8a\x08", 2) + Bytes(number);
}

inline std::string
Name(const std::string & module, const std::string & name)
{
  return "c" + module + "\n" + name + "\n";
}

inline std::string
Tuple(const std::vector<std::string> & items)
{
  return "(" + Join(items) + "t";
}

inline std::string
Integers(const std::vector<int64_t> & numbers)
{
  std::vector<std::string> items;
  for (const int64_t number : numbers)
  {
    items.push_back(Integer(number));
  }
  return Tuple(items);
}

inline std::string
Dictionary(const std::map<std::string, std::string> & entries)
{
  std::string text = "}(";
  for (const auto & [key, value] : entries)
  {
    text += Text(key) + value;
  }
  return text + "u";
}

inline std::string
Storage(const std::string & key, int64_t elements, const std::string & kind = "FloatStorage")
{
  return Tuple({ Text("storage"), Name("torch", kind), Text(key), Text("cpu"), Integer(elements) }) + "Q";
}

inline std::string
View(const std::string &          storage,
     int64_t                      offset,
     const std::vector<int64_t> & shape,
     const std::vector<int64_t> & strides)
{
  const std::string hooks = Name("collections", "OrderedDict") + ")R";
  return Name("torch._utils", "_rebuild_tensor_v2") +
         Tuple({ storage, Integer(offset), Integers(shape), Integers(strides), "\x89", hooks }) + "R";
}

inline std::string
Pickle(const std::string & value)
{
  return "\x80\x02" + value + ".";
}

/** One entry of a zip file. */
struct Entry
{
  std::string name;
  std::string content;
  uint16_t    method{ 0 };
  int64_t     shift{ 0 }; ///< added to where the directory says that the entry is
};

/** \a isWide: sizes and places in the ZIP64 parts. */
inline std::string
Zip(const std::vector<Entry> & entries, bool isWide = false)
{
  constexpr uint32_t wide = 0xffffffff;
  std::string        file;
  std::string        directory;
  for (const auto & entry : entries)
  {
    const auto        size = static_cast<uint32_t>(entry.content.size());
    const auto        begin = static_cast<uint64_t>(static_cast<int64_t>(file.size()) + entry.shift);
    const auto        nameLength = static_cast<uint16_t>(entry.name.size());
    const std::string extra = isWide ? Bytes(uint16_t{ 1 }) + Bytes(uint16_t{ 24 }) + Bytes(uint64_t{ size }) +
                                         Bytes(uint64_t{ size }) + Bytes(begin)
                                     : std::string();
    const std::string sizes = isWide ? Bytes(wide) + Bytes(wide) : Bytes(size) + Bytes(size);
    // version, flags, method, time and date, checksum
    const std::string start =
      Bytes(uint16_t{ 0 }) + Bytes(uint16_t{ 0 }) + Bytes(entry.method) + Bytes(uint32_t{ 0 }) + Bytes(uint32_t{ 0 });
    file += "PK\3\4" + start + Bytes(size) + Bytes(size) + Bytes(nameLength) + Bytes(uint16_t{ 0 }) + entry.name +
            entry.content;
    directory += "PK\1\2" + Bytes(uint16_t{ 0 }) + start + sizes + Bytes(nameLength) +
                 Bytes(static_cast<uint16_t>(extra.size())) + std::string(10, '\0') +
                 Bytes(isWide ? wide : static_cast<uint32_t>(begin)) + entry.name + extra;
  }
  const uint64_t begin = file.size();
  const uint64_t count = entries.size();
  file += directory;
  if (isWide)
  {
    const uint64_t end = file.size();
    file += "PK\6\6" + Bytes(uint64_t{ 44 }) + std::string(12, '\0') + Bytes(count) + Bytes(count) +
            Bytes(static_cast<uint64_t>(directory.size())) + Bytes(begin);
    file += "PK\6\7" + Bytes(uint32_t{ 0 }) + Bytes(end) + Bytes(uint32_t{ 1 });
  }
  const auto shortCount = static_cast<uint16_t>(isWide ? 0xffff : count);
  return file + "PK\5\6" + Bytes(uint32_t{ 0 }) + Bytes(shortCount) + Bytes(shortCount) +
         Bytes(isWide ? wide : static_cast<uint32_t>(directory.size())) +
         Bytes(isWide ? wide : static_cast<uint32_t>(begin)) + Bytes(uint16_t{ 0 });
}

inline std::string
GetBytes(const at::Tensor & tensor)
{
  return std::string(static_cast<const char *>(tensor.data_ptr()), tensor.nbytes());
}

/** The file of a state_dict of float32 tensors; what stands around it in the pickle is \a before and \a after. */
inline std::string
Save(const std::map<std::string, at::Tensor> & tensors, const std::string & prefix = {}, const std::string & key = {})
{
  std::map<std::string, std::string> values;
  std::vector<Entry>                 entries{ { "archive/data.pkl", "" }, { "archive/byteorder", "little" } };
  for (const auto & [name, tensor] : tensors)
  {
    const std::string storage = std::to_string(values.size());
    values[prefix + name] = View(Storage(storage, tensor.numel()), 0, tensor.sizes().vec(), tensor.strides().vec());
    entries.push_back({ "archive/data/" + storage, GetBytes(tensor) });
  }
  const auto dictionary = Dictionary(values);
  entries[0].content =
    Pickle(key.empty() ? dictionary : Dictionary({ { key, dictionary }, { "epoch", Integer(3) }, { "best", "N" } }));
  return Zip(entries);
}
} // namespace sam::torchfile

#endif
