// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCaseLoader.h"

#include "samCaseReader.h"
#include "samError.h"
#include "samSafetensors.h"

#include <ATen/ops/from_file.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <filesystem>
#include <optional>
#include <random>
#include <set>
#include <sstream>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

constexpr int formatVersion = 1; // to be raised when ReadTrainingCase() answers something else

/** 64 bits that tell texts apart (FNV-1a); the text itself is compared as well. */
std::string
ShortHash(const std::string & text)
{
  uint64_t hash = 0xcbf29ce484222325;
  for (const char letter : text)
  {
    hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  }
  std::ostringstream result;
  result << std::hex << hash;
  return result.str();
}

/** The tensor of an opened file, mapped. */
at::Tensor
Map(const TensorFile & file, const std::string & name, const at::Tensor & bytes)
{
  const auto & stored = file.GetTensors().at(name);
  int64_t      length = static_cast<int64_t>(c10::elementSize(stored.type));
  for (const int64_t extent : stored.shape)
  {
    length *= extent;
  }
  return bytes.narrow(0, static_cast<int64_t>(stored.begin), length).view(stored.type).view(stored.shape);
}

/** Empty when the file is not there, damaged or made from something else. */
std::optional<TrainingCase>
ReadPrepared(const std::string & path, const std::string & key, const std::string & name)
{
  try
  {
    if (!fs::exists(path))
    {
      return {};
    }
    const auto file = OpenSafetensors(path);
    const auto found = file.GetMetadata().find("key");
    if (found == file.GetMetadata().end() || found->second != key)
    {
      return {};
    }
    const auto spacing = nlohmann::json::parse(file.GetMetadata().at("spacing")).get<std::array<double, 3>>();
    const auto bytes = at::from_file(path, false, static_cast<int64_t>(fs::file_size(path)), at::kByte);
    return TrainingCase(name, Map(file, "image", bytes), Map(file, "labels", bytes), spacing);
  }
  catch (const std::exception &)
  {
    return {}; // it is made again
  }
}

/** Remove what a process left that was killed while it wrote; what is younger may be of one that runs. */
void
RemoveStaleFiles(const std::string & folder)
{
  std::error_code ignored;
  for (const auto & entry : fs::directory_iterator(folder, ignored))
  {
    const auto name = entry.path().filename().string();
    const bool isTemporary =
      name.find(".safetensors.") != std::string::npos && (name.ends_with(".new") || name.ends_with(".new.part"));
    if (isTemporary && entry.last_write_time(ignored) < fs::file_time_type::clock::now() - std::chrono::hours(24))
    {
      fs::remove(entry.path(), ignored);
    }
  }
}

void
WritePrepared(const std::string & path, const std::string & key, const TrainingCase & prepared)
{
  // A name of its own for each process; std::random_device differs between machines too.
  std::random_device random;
  const std::string  temporary = path + "." + std::to_string(random()) + ".new";
  try
  {
    WriteSafetensors(temporary,
                     { { { "image", prepared.image }, { "labels", prepared.labels } },
                       { { "key", key }, { "spacing", nlohmann::json(prepared.spacing).dump() } } });
    fs::rename(temporary, path);
  }
  catch (...)
  {
    std::error_code ignored;
    fs::remove(temporary, ignored);
    throw;
  }
}
} // namespace

CaseLoader::CaseLoader(const Plan &                             plan,
                       const Dataset &                          dataset,
                       std::string                              folder,
                       std::function<void(const std::string &)> warn)
  : m_Plan(plan)
  , m_Dataset(dataset)
  , m_Folder(std::move(folder))
  , m_Warn(std::move(warn))
{
  std::error_code error;
  if (!m_Folder.empty() && !fs::create_directories(m_Folder, error) && !fs::is_directory(m_Folder))
  {
    throw Error(m_Folder + ": the folder of prepared cases cannot be made");
  }
  if (!m_Folder.empty())
  {
    RemoveStaleFiles(m_Folder);
  }
}

std::string
CaseLoader::MakeKey(const DatasetCase & description) const
{
  nlohmann::json key;
  key["version"] = formatVersion;
  auto files = description.images;
  if (!description.label.empty())
  {
    files.push_back(description.label);
  }
  for (size_t k = 0; k < files.size(); ++k)
  {
    const auto file = files[k];
    if (!fs::exists(file))
    {
      throw Error(file + ": no such file");
    }
    if (fs::is_directory(file)) // a DICOM series
    {
      std::set<std::string> slices;
      for (const auto & entry : fs::directory_iterator(file))
      {
        if (entry.is_regular_file())
        {
          slices.insert(entry.path().string());
        }
      }
      files.insert(files.end(), slices.begin(), slices.end());
      continue;
    }
    key["files"].push_back({ fs::absolute(file).lexically_normal().string(),
                             fs::file_size(file),
                             fs::last_write_time(file).time_since_epoch().count() });
  }
  if (description.slices > 0)
  {
    key["slices"] = description.slices;
  }
  const auto plan = nlohmann::json::parse(m_Plan.ToJson());
  key["preprocessing"] = plan.at("preprocessing");
  if (m_Plan.fit == "window")
  {
    key["window"] = m_Plan.window;
  }
  for (const auto & label : m_Dataset.labels)
  {
    key["labels"].push_back(label.value);
  }
  key["ignore"] = m_Dataset.hasIgnoreLabel ? m_Dataset.ignoreLabel : -1;
  return key.dump();
}

TrainingCase
CaseLoader::Load(const DatasetCase & description)
{
  if (m_Folder.empty())
  {
    ++m_NumberOfPreparedCases;
    return ReadTrainingCase(m_Plan, m_Dataset, description);
  }
  const auto key = MakeKey(description);
  auto       name = description.name.substr(0, 100);
  std::replace_if(
    name.begin(), name.end(), [](unsigned char letter) { return !std::isalnum(letter) && letter != '-'; }, '_');
  const auto path = (fs::path(m_Folder) / (name + "." + ShortHash(key) + ".safetensors")).string();
  if (auto prepared = ReadPrepared(path, key, description.name))
  {
    return std::move(*prepared);
  }
  ++m_NumberOfPreparedCases;
  auto result = ReadTrainingCase(m_Plan, m_Dataset, description);
  try
  {
    WritePrepared(path, key, result);
  }
  catch (const std::exception & error)
  {
    if (m_Warn)
    {
      m_Warn(std::string(error.what()) + "; prepared cases are kept in memory");
    }
    m_Folder.clear();
    return result;
  }
  // From now on as in a later run: mapped.
  auto prepared = ReadPrepared(path, key, description.name);
  return prepared ? std::move(*prepared) : result;
}
} // namespace sam
