// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohort.h"

#include "samCommandLine.h"
#include "samDicomSeries.h"
#include "samError.h"
#include "samImageFile.h"
#include "samProvenance.h"
#include "samSteps.h"
#include "samTextFile.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

std::vector<std::string>
ReadList(const std::string & path)
{
  std::vector<std::string> images;
  for (const auto & line : ReadTextLines(path))
  {
    if (line.front() == '#')
    {
      continue;
    }
    const fs::path image = fs::path(path).parent_path() / line; // an absolute one remains
    if (!fs::exists(image))
    {
      throw Error(path + ": '" + line + "' is not there, expected the path of an image in each line");
    }
    images.push_back((image.has_filename() ? image : image.parent_path()).string());
  }
  return images;
}

/** Images by the paths whose names their label maps get. Files of further channels are left out, and nnU-Net's number
 * of the first one where all images have it. */
std::vector<std::pair<fs::path, std::string>>
NameCases(std::vector<std::string> images, size_t channels)
{
  std::set<std::string> further;
  for (const auto & image : images)
  {
    try
    {
      const auto files = FindChannelFiles(image, channels);
      further.insert(files.begin() + 1, files.end());
    }
    catch (const Error &)
    {
      continue; // said when the case is read
    }
  }
  images.erase(std::remove_if(images.begin(),
                              images.end(),
                              [&further](const std::string & image) { return further.count(image) > 0; }),
               images.end());
  const bool haveNumbers = std::all_of(images.begin(), images.end(), [](const std::string & image) {
    return FindFirstChannel(fs::path(image).filename().string()) != std::string::npos && !fs::is_directory(image);
  });
  std::vector<std::pair<fs::path, std::string>> cases;
  for (const auto & image : images)
  {
    std::string name = fs::path(image).filename().string();
    if (haveNumbers)
    {
      name.erase(FindFirstChannel(name), GetChannelSuffix(0).size());
    }
    cases.emplace_back(fs::path(image).replace_filename(name), image);
  }
  return cases;
}

/** The name of a file or folder without its ending; folders have none. */
std::string
StemOf(const fs::path & image)
{
  if (fs::is_directory(image))
  {
    return image.filename().string();
  }
  const auto stem = image.stem();
  return (stem.extension() == ".nii" ? stem.stem() : stem).string();
}

/** That of the image, unless it is a series or of a format that changes values. */
std::string
NameLabelMap(const fs::path & image)
{
  return fs::is_directory(image)                             ? StemOf(image) + ".nii.gz"
         : GetFormatToWrite(image.string()) == "JPEGImageIO" ? StemOf(image) + ".png"
                                                             : image.filename().string();
}
} // namespace

Shard
ParseShard(const std::string & option, const std::string & text)
{
  Shard              shard;
  const char * const end = text.data() + text.size();
  auto               result = std::from_chars(text.data(), end, shard.part);
  if (result.ec == std::errc() && result.ptr != end && *result.ptr == '/')
  {
    result = std::from_chars(result.ptr + 1, end, shard.count);
  }
  else
  {
    result.ec = std::errc::invalid_argument;
  }
  if (result.ec != std::errc() || result.ptr != end || shard.part >= shard.count)
  {
    throw Error(option + ": '" + text + "', expected K/N with K from 0 to N - 1, such as 0/4");
  }
  return shard;
}

std::vector<SegmentationJob>
MakeJobs(const SegmentationJob & given, const Shard & shard, size_t channels)
{
  const bool isDirectory = fs::is_directory(given.image);
  const bool isFolder = isDirectory && FindDicomFile(given.image).empty();
  const bool isList = !isDirectory && fs::path(given.image).extension() == ".txt";
  if (!fs::exists(given.image))
  {
    throw Error(given.image + ": no such file, expected an image, a folder of images or a list of them (.txt)");
  }
  std::vector<SegmentationJob> jobs;
  if (!isFolder && !isList)
  {
    jobs.push_back(given);
  }
  else
  {
    for (const auto & folder : GetOutputs(given))
    {
      if (!fs::exists(folder) && !GetFormatToWrite(folder).empty())
      {
        throw Error(folder + ": is the name of one image, expected a folder for those of several");
      }
      MakeFolder(folder);
    }
    std::map<std::string, std::string> names;
    std::map<std::string, std::string> stems;
    for (const auto & [name, image] : NameCases(isFolder ? FindImages(given.image) : ReadList(given.image), channels))
    {
      const auto [named, isNewName] = names.emplace(NameLabelMap(name), image);
      if (!isNewName)
      {
        throw Error(named->second + " and " + image + ": their label maps would have the same name, expected others");
      }
      const auto [first, isNew] = stems.emplace(StemOf(name), image);
      if (!isNew && GetOutputs(given).size() > 1)
      {
        throw Error(
          first->second + " and " + image +
          ": their statistics, pictures and maps would have the same name, expected other names than endings alone");
      }
      SegmentationJob job = given;
      job.image = image;
      job.output = (fs::path(given.output) / NameLabelMap(name)).string();
      if (!given.statistics.empty())
      {
        job.statistics = (fs::path(given.statistics) / StemOf(name)).string() + ".json";
      }
      if (!given.preview.empty())
      {
        job.preview = (fs::path(given.preview) / StemOf(name)).string() + ".png";
      }
      // Whatever the format of the image is, this one has room for them.
      if (!given.uncertainty.empty())
      {
        job.uncertainty = (fs::path(given.uncertainty) / StemOf(name)).string() + ".nrrd";
      }
      for (auto & [value, file] : job.probabilities)
      {
        file = (fs::path(file) / StemOf(name)).string() + ".nrrd";
      }
      jobs.push_back(job);
    }
    if (jobs.empty())
    {
      throw Error(given.image + ": no image in this " + (isFolder ? "folder" : "list"));
    }
  }
  std::vector<SegmentationJob> ofShard;
  for (size_t k = shard.part; k < jobs.size(); k += shard.count)
  {
    ofShard.push_back(jobs[k]);
  }
  return ofShard;
}

bool
IsDone(const SegmentationJob & job)
{
  const auto files = GetOutputs(job);
  return std::all_of(files.begin(), files.end(), [](const std::string & file) {
    std::error_code error;
    const auto      size = fs::file_size(file, error);
    return !error && size > 0; // an empty one was left by a full disk or an interrupted copy
  });
}

std::pair<std::string, MemoryEstimate>
FindMostMemory(const std::vector<itk::SamModel::ConstPointer> &         models,
               const std::vector<SegmentationJob> &                     jobs,
               const std::function<bool(const SegmentationJob & job)> & isSkipped)
{
  std::pair<std::string, MemoryEstimate> most;
  for (const auto & job : jobs)
  {
    if (isSkipped(job))
    {
      continue;
    }
    try
    {
      ThrowIfInterrupted();
      const auto estimate = EstimateMemory(models, job);
      most = estimate.bytes > most.second.bytes ? std::make_pair(job.image, estimate) : most;
    }
    catch (const Interrupted &)
    {
      throw;
    }
    catch (const std::exception &)
    {
      continue;
    }
  }
  return most;
}

CohortReport::CohortReport(std::string                                      path,
                           const std::vector<itk::SamModel::ConstPointer> & models,
                           const Shard &                                    shard)
  : m_Path(std::move(path))
  , m_Hashes(GetMd5(models))
  , m_Shard(shard)
{
  for (const auto & model : models)
  {
    m_Models.push_back(model->GetFileName());
  }
  this->Write();
}

void
CohortReport::Add(const SegmentationJob & job,
                  const std::string &     status,
                  double                  seconds,
                  const std::string &     message,
                  const MemoryUse &       memory)
{
  m_Cases.push_back({ job.image, job.output, status, seconds, message, memory });
  this->Write();
}

void
CohortReport::Write() const
{
  if (m_Path.empty())
  {
    return;
  }
  using Json = nlohmann::ordered_json;
  Json counts{ { "segmented", 0 }, { "skipped", 0 }, { "failed", 0 } };
  Json cases = Json::array();
  for (const auto & item : m_Cases)
  {
    counts[item.status] = counts[item.status].get<int>() + 1;
    Json entry{
      { "image", item.image }, { "output", item.output }, { "status", item.status }, { "seconds", item.seconds }
    };
    if (item.memory.estimate > 0)
    {
      entry["memory_estimate_bytes"] = item.memory.estimate;
      entry["memory_peak_bytes"] = item.memory.peak > 0 ? Json(item.memory.peak) : Json(nullptr);
    }
    if (!item.message.empty())
    {
      entry["message"] = item.message;
    }
    cases.push_back(entry);
  }
  const Json report{
    { "version", GetVersion() }, { "models", m_Models },
    { "models_md5", m_Hashes },  { "shard", std::to_string(m_Shard.part) + "/" + std::to_string(m_Shard.count) },
    { "counts", counts },        { "cases", cases }
  };
  const auto text = report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  WriteAtomically(m_Path, [&text](const std::string & temporary) { WriteText(text, temporary); });
}
} // namespace sam
