// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTorchArchive.h"

#include "samError.h"
#include "samPickle.h"
#include "samZipDirectory.h"

#include <algorithm>
#include <array>
#include <fstream>

namespace sam
{
namespace
{
using Kind = PickledValue::Kind;

/** A checkpoint of the largest SAM with its optimizer's state takes a tenth. */
constexpr uint64_t maximumPickleLength = uint64_t{ 1 } << 23;

constexpr std::array<const char *, 3> wrappers{ { "model", "state_dict", "network_weights" } };
constexpr int                         maximumWrappers = 3;

/** torch.save before 1.6 wrote a pickle, and before 0.1.9 a tar file. */
constexpr size_t tarMarkPlace = 257;
constexpr size_t startLength = tarMarkPlace + 5;

std::string
ReadStart(const std::string & path)
{
  std::ifstream stream(path, std::ios::binary);
  std::string   start(startLength, '\0');
  stream.read(start.data(), static_cast<std::streamsize>(start.size()));
  return start; // zeros behind the end
}

bool
IsOldFormat(const std::string & start)
{
  const std::string magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  return (start[0] == '\x80' && start.compare(2, magic.size(), magic) == 0) ||
         start.compare(tarMarkPlace, 5, "ustar") == 0;
}

bool
IsZip(const std::string & start)
{
  return start.compare(0, 4, "PK\3\4") == 0 || start.compare(0, 4, "PK\5\6") == 0;
}

std::string
ReadEntry(const std::string & path, const ZipEntry & entry, uint64_t limit)
{
  if (entry.size > limit)
  {
    throw Error(path + ": its description takes " + std::to_string(entry.size) + " bytes, expected " +
                std::to_string(limit) + " at most");
  }
  std::string   bytes(entry.size, '\0');
  std::ifstream stream(path, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(entry.begin));
  if (!bytes.empty() && !stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size())))
  {
    throw Error(path + ": cannot be read");
  }
  return bytes;
}

/** The folder that torch.save puts everything in, with its slash. */
std::string
FindFolder(const std::map<std::string, ZipEntry> & entries, const std::string & path)
{
  const std::string pickle = "data.pkl";
  std::string       folder;
  for (const auto & [name, entry] : entries)
  {
    if (name.ends_with("/constants.pkl"))
    {
      throw Error(path + ": is a TorchScript program, expected a state_dict written by torch.save");
    }
    if (folder.empty() && name.ends_with("/" + pickle) && name.find('/') + 1 + pickle.size() == name.size())
    {
      folder = name.substr(0, name.size() - pickle.size());
    }
  }
  if (folder.empty())
  {
    throw Error(path + ": is a zip file without data.pkl, expected one written by torch.save");
  }
  return folder;
}

const PickledValue *
FindKey(const PickledValue & dictionary, const std::string & key)
{
  const PickledValue * found = nullptr;
  for (size_t k = 0; k + 1 < dictionary.items.size(); k += 2)
  {
    if (dictionary.items[k]->kind == Kind::Text && dictionary.items[k]->text == key)
    {
      found = dictionary.items[k + 1];
    }
  }
  return found;
}

/** The dictionary of tensors in the dictionaries around it. */
const PickledValue &
Unwrap(const PickledValue & root, const std::string & path)
{
  const PickledValue * value = &root;
  for (int level = 0; level < maximumWrappers && value->kind == Kind::Dictionary; ++level)
  {
    const PickledValue * inner = nullptr;
    for (const char * wrapper : wrappers)
    {
      const auto * found = inner == nullptr ? FindKey(*value, wrapper) : nullptr;
      inner = found != nullptr && found->kind == Kind::Dictionary ? found : inner;
    }
    if (inner == nullptr)
    {
      break;
    }
    value = inner;
  }
  if (value->kind != Kind::Dictionary)
  {
    throw Error(path + ": holds no dictionary, expected a state_dict of tensors by name");
  }
  for (size_t k = 0; k + 1 < value->items.size(); k += 2)
  {
    const auto & name = *value->items[k];
    if (name.kind != Kind::Text || value->items[k + 1]->kind != Kind::Tensor)
    {
      throw Error(path + ": '" + (name.kind == Kind::Text ? ToPrintable(name.text) : "a key") +
                  "' is no tensor by name, expected a state_dict, alone or under 'model', 'state_dict' or "
                  "'network_weights'");
    }
  }
  if (value->items.empty())
  {
    throw Error(path + ": holds no tensors");
  }
  return *value;
}

/** Where the data of a tensor lie, all of it checked. */
StoredTensor
Locate(const PickledTensor &                   tensor,
       const std::string &                     folder,
       const std::map<std::string, ZipEntry> & entries,
       const std::string &                     where)
{
  const auto found = entries.find(folder + "data/" + tensor.storage);
  if (found == entries.end())
  {
    throw Error(where + ": its data '" + tensor.storage + "' are missing");
  }
  const uint64_t elementSize = c10::elementSize(tensor.type);
  const uint64_t elements = found->second.size / elementSize;
  if (found->second.size % elementSize != 0 || tensor.storageElements < 0 ||
      static_cast<uint64_t>(tensor.storageElements) != elements)
  {
    throw Error(where + ": its data '" + tensor.storage + "' have " + std::to_string(found->second.size) +
                " bytes, expected " + std::to_string(tensor.storageElements) + " elements of " +
                std::to_string(elementSize));
  }
  if (tensor.strides.size() != tensor.shape.size() || tensor.offset < 0 ||
      static_cast<uint64_t>(tensor.offset) > elements)
  {
    throw Error(where + ": its strides or its offset lie outside of its data");
  }
  StoredTensor   stored{ tensor.type, tensor.shape, tensor.strides, 0 };
  const uint64_t offset = static_cast<uint64_t>(tensor.offset) * elementSize;
  GetSpan(stored, found->second.size - offset, where);
  stored.begin = found->second.begin + offset;
  return stored;
}
} // namespace

bool
IsTorchArchive(const std::string & path)
{
  const auto start = ReadStart(path);
  return IsZip(start) || IsOldFormat(start);
}

TensorFile
OpenTorchArchive(const std::string & path)
{
  CheckReadable(path);
  const auto start = ReadStart(path);
  if (!IsZip(start))
  {
    throw Error(path + (IsOldFormat(start)
                          ? ": is of the format before PyTorch 1.6, expected the zip format: save it anew in Python "
                            "with torch.save(torch.load(old, map_location=\"cpu\", weights_only=True), new)"
                          : ": not a file of torch.save"));
  }
  const auto entries = ReadZipDirectory(path);
  const auto folder = FindFolder(entries, path);
  for (const auto & [name, entry] : entries)
  {
    if (!entry.isPlain)
    {
      throw Error(path + ": entry '" + ToPrintable(name) +
                  "' is compressed or encrypted, expected it as it is, as torch.save writes it");
    }
  }
  if (const auto order = entries.find(folder + "byteorder");
      order != entries.end() && ReadEntry(path, order->second, 16) != "little")
  {
    throw Error(path + ": its numbers are big-endian, expected little-endian");
  }
  const Pickle pickle(ReadEntry(path, entries.at(folder + "data.pkl"), maximumPickleLength), path);
  const auto & dictionary = Unwrap(pickle.GetRoot(), path);

  const std::string prefix = "module.";
  bool              hasPrefix = true;
  for (size_t k = 0; k < dictionary.items.size(); k += 2)
  {
    hasPrefix = hasPrefix && dictionary.items[k]->text.compare(0, prefix.size(), prefix) == 0;
  }
  std::map<std::string, StoredTensor> tensors;
  for (size_t k = 0; k < dictionary.items.size(); k += 2)
  {
    const auto        name = dictionary.items[k]->text.substr(hasPrefix ? prefix.size() : 0);
    const std::string where = path + ": tensor '" + ToPrintable(name) + "'";
    if (!tensors.emplace(name, Locate(dictionary.items[k + 1]->tensor, folder, entries, where)).second)
    {
      throw Error(where + " is there twice");
    }
  }
  return { path, std::move(tensors) };
}
} // namespace sam
