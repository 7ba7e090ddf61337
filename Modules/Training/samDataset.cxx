// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDataset.h"

#include "samError.h"
#include "samImageFile.h"
#include "samRandomStream.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <locale>
#include <map>
#include <optional>
#include <set>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::json;
namespace fs = std::filesystem;

// Fewer groups of names with more cases than this on average are sites or scanners rather than patients.
constexpr size_t fewestPatients = 5;
constexpr size_t casesOfPatient = 4;

Json
ReadJson(const std::string & path)
{
  std::ifstream file(path, std::ios::binary);
  if (!file)
  {
    throw Error(path + ": cannot be opened, expected a JSON file");
  }
  try
  {
    return Json::parse(file);
  }
  catch (const Json::exception & exception)
  {
    std::string text = exception.what();
    std::replace(text.begin(), text.end(), '\n', ' ');
    throw Error(path + ": not valid JSON (" + text + ")");
  }
}

std::string
OptionalText(const Json & json, const char * key)
{
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<int64_t>
IntegerFromText(const std::string & text)
{
  int64_t      value = 0;
  const char * end = text.data() + text.size();
  const auto   result = std::from_chars(text.data(), end, value);
  return result.ec == std::errc() && result.ptr == end ? std::optional(value) : std::nullopt;
}

/** File name without folder and ending. */
std::string
Stem(const std::string & path, const std::string & fileEnding)
{
  std::string name = fs::path(path).filename().string();
  for (const std::string & ending : { fileEnding, std::string(".nii.gz") })
  {
    if (!ending.empty() && name.ends_with(ending))
    {
      return name.substr(0, name.size() - ending.size());
    }
  }
  return fs::path(name).stem().string();
}

void
RequireFile(const std::string & path, const std::string & dataset, const char * what)
{
  if (!fs::is_regular_file(path))
  {
    throw Error(path + ": no such file, expected the " + what + " that " + dataset + " lists");
  }
}

std::vector<std::string>
ReadChannelNames(const Json & json, const std::string & path)
{
  const char * key = json.contains("channel_names") ? "channel_names" : "modality";
  const auto   found = json.find(key);
  if (found == json.end() || !found->is_object() || found->empty())
  {
    throw Error(path + ": channel_names (or modality) expected, for example {\"0\": \"MR\"}");
  }
  std::vector<std::string> channels(found->size());
  for (const auto & [number, name] : found->items())
  {
    const auto index = IntegerFromText(number);
    if (!index || *index < 0 || *index >= std::ssize(channels) || !name.is_string())
    {
      throw Error(path + ": " + key + " has '" + number + "', expected numbers from 0 to " +
                  std::to_string(channels.size() - 1) + " with names");
    }
    channels[static_cast<size_t>(*index)] = name.get<std::string>();
  }
  return channels;
}

/** {"name": 1}, {"name": "1"} or {"1": "name"}. */
std::pair<int64_t, std::string>
ReadLabel(const std::string & key, const Json & value, const std::string & path)
{
  if (value.is_number_integer())
  {
    return { value.get<int64_t>(), key };
  }
  if (value.is_string())
  {
    const auto text = value.get<std::string>();
    if (const auto number = IntegerFromText(key))
    {
      return { *number, text };
    }
    if (const auto number = IntegerFromText(text))
    {
      return { *number, key };
    }
  }
  if (value.is_array())
  {
    throw Error(path + ": label '" + key + "' is a region of several values, expected one value per label");
  }
  throw Error(path + ": label '" + key + "' not understood, expected {\"name\": value} or {\"value\": \"name\"}");
}

void
ReadLabels(const Json & json, Dataset & dataset)
{
  const auto found = json.find("labels");
  if (found == json.end() || !found->is_object())
  {
    throw Error(dataset.path + ": labels expected, for example {\"background\": 0, \"organ\": 1}");
  }
  for (const auto & [key, value] : found->items())
  {
    const auto [number, name] = ReadLabel(key, value, dataset.path);
    if (name == "ignore")
    {
      dataset.hasIgnoreLabel = true;
      dataset.ignoreLabel = number;
    }
    else
    {
      dataset.labels.push_back({ number, name });
    }
  }
  auto & labels = dataset.labels;
  std::sort(labels.begin(), labels.end(), [](const auto & a, const auto & b) { return a.value < b.value; });
  for (size_t k = 0; k + 1 < labels.size(); ++k)
  {
    if (labels[k].value == labels[k + 1].value)
    {
      throw Error(dataset.path + ": label value " + std::to_string(labels[k].value) + " is given to '" +
                  labels[k].name + "' and '" + labels[k + 1].name + "', expected one name per value");
    }
  }
  if (labels.size() < 2 || labels.front().value != 0)
  {
    throw Error(dataset.path + ": labels must have the value 0 for background and at least one above it");
  }
  if (std::any_of(labels.begin(), labels.end(), [&dataset](const auto & label) {
        return dataset.hasIgnoreLabel && label.value == dataset.ignoreLabel;
      }))
  {
    throw Error(dataset.path + ": the ignore label has the value " + std::to_string(dataset.ignoreLabel) +
                " of another label");
  }
}

/** Whether one file holds all channels, by its header. */
bool
HoldsChannels(const std::string & path, size_t channels)
{
  try
  {
    return fs::is_regular_file(path) && CountChannels(ReadImageHeader(path)) == channels;
  }
  catch (const Error &)
  {
    return false; // said when the case is read
  }
}

/** The files of one case, whose image is listed as one path. */
std::vector<std::string>
FindChannels(const fs::path & image, const std::string & labelStem, const Dataset & dataset)
{
  const auto suffix = GetChannelSuffix(0);
  const auto stem = Stem(image.string(), dataset.fileEnding);
  const auto ending = image.filename().string().substr(stem.size());
  const bool isFirstChannel = stem.ends_with(suffix) && stem.substr(0, stem.size() - suffix.size()) == labelStem;
  if (fs::is_regular_file(image) && !(isFirstChannel && dataset.channels.size() > 1))
  {
    return { image.string() };
  }
  // nnU-Net 1 lists the case, its files have a number for the channel.
  const auto               base = isFirstChannel ? stem.substr(0, stem.size() - suffix.size()) : stem;
  std::vector<std::string> images;
  for (size_t channel = 0; channel < dataset.channels.size(); ++channel)
  {
    images.push_back((image.parent_path() / (base + GetChannelSuffix(channel) + ending)).string());
  }
  // A color image is one file, whatever its number.
  if (isFirstChannel && !fs::is_regular_file(images[1]) && HoldsChannels(image.string(), images.size()))
  {
    return { image.string() };
  }
  // Where there are no such files either, the listed one is missing.
  return isFirstChannel || fs::is_regular_file(images.front()) ? images : std::vector{ image.string() };
}

/** Of a file beside those of nnU-Net's channels that would be one more; once, of the first case. */
void
WarnOfFurtherChannel(const std::vector<std::string> & images, Dataset & dataset)
{
  const fs::path file(images.front());
  auto           name = file.filename().string();
  const auto     place = FindFirstChannel(name);
  if (!dataset.cases.empty() || place == std::string::npos || images.size() != dataset.channels.size())
  {
    return;
  }
  const auto further =
    file.parent_path() / name.replace(place, GetChannelSuffix(0).size(), GetChannelSuffix(images.size()));
  if (fs::is_regular_file(further))
  {
    dataset.warnings.push_back(further.string() + ": is not read, " + dataset.path + " has " +
                               std::to_string(images.size()) + (images.size() > 1 ? " channels" : " channel"));
  }
}

/** Image as a path or a list of paths, one per channel. */
void
AddCase(const Json & image, const Json & label, const fs::path & folder, Dataset & dataset)
{
  const bool isList = image.is_array() && !image.empty() &&
                      std::all_of(image.begin(), image.end(), [](const Json & item) { return item.is_string(); });
  if (!label.is_string() || (!image.is_string() && !isList))
  {
    throw Error(dataset.path + ": training case " + std::to_string(dataset.cases.size() + 1) +
                " expected as {\"image\": file, \"label\": file}");
  }
  // The folder stays as it is: behind a symbolic link ".." is another one than the text says.
  const auto path = [&folder](const Json & item) {
    return folder / fs::path(item.get<std::string>()).lexically_normal();
  };
  const auto  labelStem = Stem(label.get<std::string>(), dataset.fileEnding);
  DatasetCase result;
  result.label = path(label).string();
  if (isList)
  {
    for (const auto & item : image)
    {
      result.images.push_back(path(item).string());
    }
  }
  else
  {
    result.images = FindChannels(path(image), labelStem, dataset);
    WarnOfFurtherChannel(result.images, dataset);
  }
  if (result.images.size() != 1 && result.images.size() != dataset.channels.size())
  {
    throw Error(result.images.front() + ": first of " + std::to_string(result.images.size()) + " images, expected " +
                std::to_string(dataset.channels.size()) + ", one per channel of " + dataset.path);
  }
  result.name = Stem(result.images.front(), dataset.fileEnding);
  const auto suffix = GetChannelSuffix(0);
  if (result.name.ends_with(suffix) && result.name.substr(0, result.name.size() - suffix.size()) == labelStem)
  {
    result.name = labelStem;
  }
  dataset.cases.push_back(std::move(result));
}

/** Label maps that no case has. */
void
WarnOfMissingImages(const fs::path & labels, Dataset & dataset)
{
  std::set<std::string> used;
  for (const auto & item : dataset.cases)
  {
    used.insert(fs::path(item.label).filename().string());
  }
  std::set<std::string> unused;
  for (const auto & entry : fs::is_directory(labels) ? fs::directory_iterator(labels) : fs::directory_iterator())
  {
    const auto name = entry.path().filename().string();
    if (name.ends_with(dataset.fileEnding) && !used.contains(name))
    {
      unused.insert(name);
    }
  }
  if (!unused.empty())
  {
    dataset.warnings.push_back(labels.string() + ": " + std::to_string(unused.size()) +
                               (unused.size() == 1 ? " label map has" : " label maps have") +
                               " no image in imagesTr and cannot be learned from, first " + *unused.begin());
  }
}

/** imagesTr/<case>_0000<ending>, ... with labelsTr/<case><ending>. */
void
AddCasesOfFolder(const fs::path & folder, Dataset & dataset)
{
  const auto images = folder / "imagesTr";
  if (!fs::is_directory(images))
  {
    throw Error(dataset.path + ": has neither a list 'training' nor a folder imagesTr beside it");
  }
  const auto ending = GetChannelSuffix(0) + dataset.fileEnding;
  for (const auto & entry : fs::directory_iterator(images))
  {
    const auto name = entry.path().filename().string();
    if (name.ends_with(ending))
    {
      const auto stem = name.substr(0, name.size() - ending.size());
      AddCase("imagesTr/" + name, "labelsTr/" + stem + dataset.fileEnding, folder, dataset);
    }
  }
  if (dataset.cases.empty())
  {
    throw Error(images.string() + ": no file ends in '" + ending + "', expected <case>" + ending +
                " for the cases of " + dataset.path);
  }
  WarnOfMissingImages(folder / "labelsTr", dataset);
}

std::vector<std::string>
SplitName(const std::string & name)
{
  std::vector<std::string> parts;
  size_t                   begin = 0;
  while (begin <= name.size())
  {
    const size_t end = std::min(name.find_first_of("_-", begin), name.size());
    parts.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

void
FindPatients(Dataset & dataset)
{
  auto &                                cases = dataset.cases;
  std::vector<std::vector<std::string>> parts;
  size_t                                shared = std::numeric_limits<size_t>::max();
  for (const auto & item : cases)
  {
    parts.push_back(SplitName(item.name));
    const auto & first = parts.front();
    const auto & last = parts.back();
    size_t       same = 0;
    while (same + 1 < std::min(first.size(), last.size()) && first[same] == last[same])
    {
      ++same;
    }
    shared = std::min({ shared, same, last.size() - 1 });
  }
  for (size_t k = 0; k < cases.size(); ++k)
  {
    const auto hasDigit = [](const std::string & part) {
      return std::any_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    };
    size_t length = 0;
    cases[k].patient = cases[k].name;
    for (size_t part = 0; part < parts[k].size(); ++part)
    {
      length += parts[k][part].size() + (part > 0 ? 1 : 0);
      if (part >= shared && hasDigit(parts[k][part]))
      {
        cases[k].patient = cases[k].name.substr(0, length);
        break;
      }
    }
  }
  std::set<std::string> patients;
  for (const auto & item : cases)
  {
    patients.insert(item.patient);
  }
  dataset.patients = std::to_string(patients.size()) + (patients.size() == 1 ? " patient is" : " patients are") +
                     " recognized by the names of " + std::to_string(cases.size()) + " cases";
  if (patients.size() < fewestPatients && cases.size() > casesOfPatient * patients.size())
  {
    dataset.patients = "each of the " + std::to_string(cases.size()) +
                       " cases is taken for a patient of its own: their names begin with " +
                       JoinNames({ patients.begin(), patients.end() }) + " alone, which are rather sites";
    for (auto & item : cases)
    {
      item.patient = item.name;
    }
  }
}

/** Patients in random order, each with its cases. */
std::vector<std::vector<size_t>>
ShufflePatients(const Dataset & dataset, uint64_t seed)
{
  std::map<std::string, std::vector<size_t>> byPatient;
  for (size_t k = 0; k < dataset.cases.size(); ++k)
  {
    byPatient[dataset.cases[k].patient].push_back(k);
  }
  std::vector<std::vector<size_t>> patients;
  for (auto & [patient, cases] : byPatient)
  {
    patients.push_back(std::move(cases));
  }
  RandomStream random(seed);
  random.Shuffle(patients);
  return patients;
}

template <typename TPredicate>
DatasetSplit
SplitPatients(const std::vector<std::vector<size_t>> & patients, const TPredicate & isValidation)
{
  DatasetSplit split;
  for (size_t k = 0; k < patients.size(); ++k)
  {
    auto & part = isValidation(k) ? split.validation : split.training;
    part.insert(part.end(), patients[k].begin(), patients[k].end());
  }
  std::sort(split.training.begin(), split.training.end());
  std::sort(split.validation.begin(), split.validation.end());
  return split;
}

template <typename T>
std::string
ListText(const std::vector<T> & values)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  for (size_t k = 0; k < values.size(); ++k)
  {
    text << (k > 0 ? " " : "") << values[k];
  }
  return text.str();
}
} // namespace

Dataset
Dataset::Read(const std::string & path)
{
  Dataset    dataset;
  const auto file = fs::is_directory(path) ? fs::path(path) / "dataset.json" : fs::path(path);
  const auto folder = file.parent_path();
  dataset.path = file.string();
  const Json json = ReadJson(dataset.path);
  if (!json.is_object())
  {
    throw Error(dataset.path + ": expected a JSON object with channel_names, labels and training");
  }
  dataset.name = OptionalText(json, "name");
  for (const char * key : { "licence", "license" })
  {
    dataset.licence = dataset.licence.empty() ? OptionalText(json, key) : dataset.licence;
  }
  dataset.reference = OptionalText(json, "reference");
  dataset.fileEnding = OptionalText(json, "file_ending");
  if (dataset.fileEnding.empty())
  {
    dataset.fileEnding = ".nii.gz";
  }
  dataset.channels = ReadChannelNames(json, dataset.path);
  ReadLabels(json, dataset);

  const auto training = json.find("training");
  const auto cases = json.find("dataset");
  if (training != json.end() && training->is_array() && !training->empty())
  {
    for (const auto & item : *training)
    {
      const bool isCase = item.is_object() && item.contains("image") && item.contains("label");
      AddCase(isCase ? item["image"] : Json(), isCase ? item["label"] : Json(), folder, dataset);
    }
  }
  else if (cases != json.end() && cases->is_object() && !cases->empty())
  {
    for (const auto & [name, item] : cases->items())
    {
      const bool isCase = item.is_object() && item.contains("images") && item.contains("label");
      AddCase(isCase ? item["images"] : Json(), isCase ? item["label"] : Json(), folder, dataset);
      dataset.cases.back().name = name;
    }
  }
  else
  {
    AddCasesOfFolder(folder, dataset);
  }

  std::sort(dataset.cases.begin(), dataset.cases.end(), [](const auto & a, const auto & b) { return a.name < b.name; });
  for (size_t k = 0; k < dataset.cases.size(); ++k)
  {
    const auto & name = dataset.cases[k].name;
    if (k > 0 && dataset.cases[k - 1].name == name)
    {
      throw Error(dataset.path + ": case '" + name + "' is listed twice, expected names that differ");
    }
  }
  const auto number = json.find("numTraining");
  if (number != json.end() && number->is_number_integer() && number->get<int64_t>() != std::ssize(dataset.cases))
  {
    dataset.warnings.push_back(dataset.path + ": numTraining is " + number->dump() + ", but " +
                               std::to_string(dataset.cases.size()) + " training cases were found");
  }
  FindPatients(dataset);
  return dataset;
}

void
Dataset::RequireFiles(const DatasetCase & item) const
{
  for (const auto & image : item.images)
  {
    RequireFile(image, path, "image");
  }
  RequireFile(item.label, path, "label map");
}

void
Dataset::KeepSites(const SiteTable & table, const std::vector<std::string> & sites)
{
  for (const auto & site : sites)
  {
    table.CheckSite(site);
  }
  std::set<std::string>    found;
  std::vector<DatasetCase> kept;
  for (auto & item : cases)
  {
    const auto & site = table.GetSite(item.name, fileEnding);
    if (std::find(sites.begin(), sites.end(), site) == sites.end())
    {
      otherSites[item.name] = site;
    }
    else
    {
      kept.push_back(std::move(item));
    }
    found.insert(site);
  }
  for (const auto & site : sites)
  {
    if (!found.contains(site))
    {
      throw Error(table.GetPath() + ": no case of " + path + " is of the site '" + site +
                  "', expected one at least; its cases are of " +
                  JoinNames(std::vector<std::string>(found.begin(), found.end())));
    }
  }
  cases = std::move(kept);
  FindPatients(*this);
}

at::Tensor
Dataset::IndexLabels(const at::Tensor & values, const std::string & file) const
{
  if (labels.empty())
  {
    const bool isWhole = (values == values.round()).all().item<bool>();
    if (!isWhole || values.min().item<double>() < 0.0 || values.max().item<double>() > 32767.0)
    {
      throw Error(file + ": expected whole numbers from 0 to 32767");
    }
    return values.to(at::kShort);
  }
  std::map<int64_t, int16_t> indices;
  for (size_t k = 0; k < labels.size(); ++k)
  {
    indices[labels[k].value] = static_cast<int16_t>(k);
  }
  if (hasIgnoreLabel)
  {
    indices[ignoreLabel] = -1;
  }
  const auto     source = values.to(at::TensorOptions().dtype(at::kDouble).device(at::kCPU)).contiguous();
  auto           result = at::empty(values.sizes(), at::kShort);
  const double * from = source.const_data_ptr<double>();
  int16_t *      to = result.mutable_data_ptr<int16_t>();
  double         known = 0.0;
  int16_t        index = indices.at(0);
  for (int64_t k = 0; k < source.numel(); ++k)
  {
    if (from[k] != known)
    {
      // Anything that a double does not hold as an integer is not a label; NaN fails this as well.
      const bool isInteger = std::abs(from[k]) < 0x1.0p53 && std::floor(from[k]) == from[k];
      const auto found = isInteger ? indices.find(static_cast<int64_t>(from[k])) : indices.end();
      if (found == indices.end())
      {
        std::vector<int64_t> expected;
        for (const auto & [value, place] : indices)
        {
          expected.push_back(value);
        }
        throw Error(file + ": label " + ListText(std::vector{ from[k] }) + " found, expected the labels " +
                    ListText(expected) + " of " + path);
      }
      known = from[k];
      index = found->second;
    }
    to[k] = index;
  }
  return result;
}

void
CheckSameGrid(const std::string & imageFile,
              const ImageGrid &   image,
              const std::string & labelFile,
              const ImageGrid &   label)
{
  const auto fail = [&](const char * what, const std::string & found, const std::string & expected) {
    throw Error(labelFile + ": " + what + " is " + found + ", expected " + expected + " as in " + imageFile);
  };
  if (image.size != label.size)
  {
    fail("size", ListText(label.size), ListText(image.size));
  }
  const auto differ = [](const std::vector<double> & a, const std::vector<double> & b, const auto & tolerance) {
    bool result = a.size() != b.size();
    for (size_t k = 0; k < a.size() && !result; ++k)
    {
      result = !(std::abs(a[k] - b[k]) <= tolerance(k));
    }
    return result;
  };
  if (differ(label.spacing, image.spacing, [&image](size_t k) { return 1e-3 * image.spacing[k]; }))
  {
    fail("spacing", ListText(label.spacing), ListText(image.spacing));
  }
  if (differ(label.direction, image.direction, [](size_t) { return 1e-3; }))
  {
    fail("direction", ListText(label.direction), ListText(image.direction));
  }
  const auto finest = image.spacing.empty() ? 1.0 : *std::min_element(image.spacing.begin(), image.spacing.end());
  if (differ(label.origin, image.origin, [finest](size_t) { return 1e-2 * finest; }))
  {
    fail("origin", ListText(label.origin), ListText(image.origin));
  }
}

DatasetSplit
SplitByFraction(const Dataset & dataset, double validationFraction, uint64_t seed)
{
  if (!(validationFraction >= 0.0 && validationFraction < 1.0))
  {
    throw Error("validation fraction " + ListText(std::vector{ validationFraction }) + ", expected from 0 to below 1");
  }
  const auto patients = ShufflePatients(dataset, seed);
  const auto rounded = static_cast<size_t>(std::llround(validationFraction * static_cast<double>(patients.size())));
  const auto held = validationFraction > 0.0 ? std::max<size_t>(rounded, 1) : 0;
  if (held >= patients.size())
  {
    throw Error(dataset.path + ": " + std::to_string(patients.size()) + " patients and " + std::to_string(held) +
                " of them for validation, expected at least one to train on");
  }
  return SplitPatients(patients, [held](size_t k) { return k < held; });
}

DatasetSplit
SplitByFold(const Dataset & dataset, int64_t fold, int64_t folds, uint64_t seed)
{
  if (folds < 2 || fold < 0 || fold >= folds)
  {
    throw Error("fold " + std::to_string(fold) + " of " + std::to_string(folds) +
                ", expected at least 2 folds, numbered from 0");
  }
  const auto patients = ShufflePatients(dataset, seed);
  if (std::ssize(patients) < folds)
  {
    throw Error(dataset.path + ": " + std::to_string(patients.size()) +
                " patients, expected at least one for each of " + std::to_string(folds) + " folds");
  }
  return SplitPatients(patients, [fold, folds](size_t k) { return static_cast<int64_t>(k) % folds == fold; });
}

DatasetSplit
ReadSplit(const Dataset & dataset, const std::string & path, int64_t fold)
{
  const Json json = ReadJson(path);
  if (!json.is_array())
  {
    throw Error(path + ": expected a list of folds, [{\"train\": [...], \"val\": [...]}, ...]");
  }
  if (fold < 0 || fold >= std::ssize(json))
  {
    throw Error(path + ": no fold " + std::to_string(fold) + ", expected 0 to " + std::to_string(std::ssize(json) - 1));
  }
  const auto &                  entry = json[static_cast<size_t>(fold)];
  std::map<std::string, size_t> places;
  for (size_t k = 0; k < dataset.cases.size(); ++k)
  {
    places[dataset.cases[k].name] = k;
  }
  std::set<size_t> used;
  const auto       read = [&](const char * key) {
    const bool isList = entry.is_object() && entry.contains(key) && entry[key].is_array();
    if (!isList || !std::all_of(entry[key].begin(), entry[key].end(), [](const Json & x) { return x.is_string(); }))
    {
      throw Error(path + ": fold " + std::to_string(fold) + " has no list '" + key + "' of case names");
    }
    std::vector<size_t> result;
    for (const auto & item : entry[key])
    {
      const auto name = item.get<std::string>();
      const auto place = places.find(name);
      if (place == places.end())
      {
        const auto other = dataset.otherSites.find(name);
        throw Error(path + ": case '" + name + "' of fold " + std::to_string(fold) +
                    (other == dataset.otherSites.end()
                             ? " is not in " + dataset.path
                             : " is of the site '" + other->second + "', expected cases of the sites to train on alone"));
      }
      if (!used.insert(place->second).second)
      {
        throw Error(path + ": case '" + name + "' is twice in fold " + std::to_string(fold) +
                    ", expected in 'train' or in 'val'");
      }
      result.push_back(place->second);
    }
    std::sort(result.begin(), result.end());
    return result;
  };
  DatasetSplit split;
  split.training = read("train");
  split.validation = read("val");
  for (size_t k = 0; k < dataset.cases.size(); ++k)
  {
    if (!used.contains(k))
    {
      split.heldOut.push_back(k);
    }
  }
  if (split.training.empty())
  {
    throw Error(path + ": fold " + std::to_string(fold) + " has no case to train on");
  }
  return split;
}
} // namespace sam
