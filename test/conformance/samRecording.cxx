// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRecording.h"

#include "samError.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Formatting.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <sstream>

namespace sam
{
namespace
{
constexpr double relativeTolerance = 2e-5;
constexpr double absoluteTolerance = 1e-6;
constexpr double undecidedLogit = 1e-5;

bool
StartsWith(const std::string & text, const std::string & prefix)
{
  return text.compare(0, prefix.size(), prefix) == 0;
}

bool
IsOutput(const std::string & name)
{
  // group/part/.../last
  const auto first = std::min(name.find_first_of("./"), name.size());
  const auto second = std::min(name.find_first_of("./", first + 1), name.size());
  const auto group = name.substr(0, first);
  const auto part = name.substr(std::min(first + 1, name.size()), second - std::min(first + 1, second));
  const auto last = name.substr(name.find_last_of("./") + 1);
  return group != "param" && group != "in" && group != "config" && part != "in" && last != "draws";
}

std::string
ToText(at::IntArrayRef shape)
{
  std::ostringstream text;
  text << shape;
  return text.str();
}

/** NaN and infinity differ from everything but themselves. */
double
LargestDifference(const at::Tensor & found, const at::Tensor & expected)
{
  if (expected.numel() == 0)
  {
    return 0.0;
  }
  const auto same = (found == expected).logical_or(found.isnan().logical_and(expected.isnan()));
  const auto difference = (found - expected).abs().nan_to_num(std::numeric_limits<double>::infinity());
  return at::where(same, at::zeros_like(difference), difference).max().item<double>();
}
} // namespace

Recording::Recording(const std::string & path, const std::string & stem, at::Device device)
  : m_File(ReadSafetensors(path))
  , m_Device(device)
{
  for (auto & [name, tensor] : m_File.tensors)
  {
    tensor = IsOutput(name) ? tensor : tensor.to(device);
  }
  const auto hasSlash = [](const auto & entry) { return entry.first.find('/') != std::string::npos; };
  m_Separator = std::any_of(m_File.tensors.begin(), m_File.tensors.end(), hasSlash) ? '/' : '.';
  const auto config = nlohmann::json::parse(m_File.metadata["config"], nullptr, false);
  if (config.is_object())
  {
    for (const auto & [key, value] : config.items())
    {
      m_File.metadata.emplace(key, value.dump());
    }
  }
  const std::filesystem::path file(path);
  const auto                  start = stem + "_";
  const auto                  seed = [&start](const std::string & name) {
    return name.substr(std::min(name.find('_', start.size()), name.size()));
  };
  if (stem.empty() || !StartsWith(file.stem().string(), start))
  {
    return;
  }
  for (const auto & entry : std::filesystem::directory_iterator(std::filesystem::absolute(file).parent_path()))
  {
    const auto name = entry.path().stem().string();
    if (entry.path().extension() == file.extension() && name != file.stem().string() && StartsWith(name, start) &&
        seed(name) == seed(file.stem().string()))
    {
      this->TakeGiven(entry.path().string());
    }
  }
}

void
Recording::TakeGiven(const std::string & path)
{
  for (auto & [tensor, value] : ReadSafetensors(path).tensors)
  {
    if (!IsOutput(tensor) && m_File.tensors.count(tensor) == 0)
    {
      m_Given.emplace(tensor, value.to(m_Device));
    }
  }
}

std::string
Recording::ToStored(std::string name) const
{
  std::replace(name.begin(), name.end(), '/', m_Separator);
  return name;
}

bool
Recording::Has(const std::string & name) const
{
  return m_File.tensors.count(this->ToStored(name)) > 0 || m_Given.count(this->ToStored(name)) > 0;
}

const at::Tensor &
Recording::Get(const std::string & name) const
{
  for (const auto * tensors : { &m_File.tensors, &m_Given })
  {
    if (const auto found = tensors->find(this->ToStored(name)); found != tensors->end())
    {
      return found->second;
    }
  }
  throw Error("tensor '" + name + "' is missing");
}

at::Tensor
Recording::Find(const std::string & name) const
{
  return this->Has(name) ? this->Get(name) : at::Tensor();
}

int64_t
Recording::Extent(const std::string & parameter, int64_t axis) const
{
  const auto & tensor = this->Get("param/" + parameter);
  if (axis >= tensor.dim())
  {
    throw Error("tensor 'param/" + parameter + "' has shape " + ToText(tensor.sizes()) + ", expected more axes");
  }
  return tensor.size(axis);
}

int64_t
Recording::Count(const std::string & before, const std::string & after) const
{
  int64_t count = 0;
  while (this->Has("param/" + before + std::to_string(count) + after))
  {
    ++count;
  }
  return count;
}

bool
Recording::HasEntry(const std::string & key) const
{
  return m_File.metadata.count(key) != 0;
}

std::vector<int64_t>
Recording::Numbers(const std::string & key) const
{
  const auto           found = m_File.metadata.find(key);
  const std::string    text = found == m_File.metadata.end() ? std::string() : found->second;
  std::vector<int64_t> numbers;
  for (const char * at = text.data(); at < text.data() + text.size();)
  {
    int64_t    number = 0;
    const auto result = std::from_chars(at, text.data() + text.size(), number);
    if (result.ec == std::errc())
    {
      numbers.push_back(number);
      at = result.ptr;
    }
    else
    {
      ++at;
    }
  }
  if (numbers.empty())
  {
    throw Error("the header's entry '" + key + "' is '" + text + "', expected an integer");
  }
  return numbers;
}

double
Recording::Real(const std::string & key) const
{
  const auto         found = m_File.metadata.find(key);
  std::istringstream text(found == m_File.metadata.end() ? std::string() : found->second);
  text.imbue(std::locale::classic());
  double number = 0.0;
  if (!(text >> number))
  {
    throw Error("the header's entry '" + key + "' is '" + text.str() + "', expected a number");
  }
  return number;
}

std::string
Recording::Text(const std::string & key) const
{
  const auto found = m_File.metadata.find(key);
  return found == m_File.metadata.end() ? std::string() : found->second;
}

std::map<std::string, at::Tensor>
Recording::Weights(const std::string & prefix) const
{
  const std::string                 whole = this->ToStored("param/" + prefix);
  std::map<std::string, at::Tensor> weights;
  for (const auto * tensors : { &m_File.tensors, &m_Given })
  {
    for (const auto & [name, tensor] : *tensors)
    {
      if (StartsWith(name, whole))
      {
        weights[name.substr(whole.size())] = tensor;
      }
    }
  }
  return weights;
}

std::vector<std::string>
Recording::Outputs(const std::string & prefix) const
{
  const auto               whole = this->ToStored(prefix);
  std::vector<std::string> names;
  for (const auto & [name, tensor] : m_File.tensors)
  {
    if (IsOutput(name) && StartsWith(name, whole))
    {
      names.push_back(name.substr(whole.size()));
    }
  }
  return names;
}

void
Recording::Compare(const std::string & name, const at::Tensor & found, const std::string & remark)
{
  if (this->Has(name))
  {
    const auto & expected = this->Get(name);
    double       tolerance = 0.0;
    if (expected.is_floating_point() && expected.numel() > 0)
    {
      const auto magnitude = expected.to(at::kDouble).nan_to_num(0.0, 0.0, 0.0).abs().max().item<double>();
      tolerance = relativeTolerance * magnitude + absoluteTolerance;
    }
    this->Compare(name, found, tolerance, remark);
  }
}

void
Recording::CompareWithin(const std::string & name, const at::Tensor & found, double tolerance)
{
  this->Compare(name, found, tolerance, {});
}

void
Recording::Compare(const std::string & name, const at::Tensor & found, double tolerance, const std::string & remark)
{
  if (!this->Has(name) || !IsOutput(name))
  {
    return;
  }
  const auto & expected = this->Get(name);
  Comparison & comparison = m_Comparisons[this->ToStored(name)];
  comparison = { this->ToStored(name), Comparison::Outcome::Fail, {}, tolerance, remark };
  if (found.sizes() != expected.sizes())
  {
    comparison.remark = "shape " + ToText(found.sizes()) + ", expected " + ToText(expected.sizes());
    return;
  }
  comparison.error = LargestDifference(found.detach().cpu().to(at::kDouble), expected.to(at::kDouble));
  if (comparison.error <= comparison.tolerance)
  {
    comparison.outcome = Comparison::Outcome::Pass;
  }
}

void
Recording::Confirm(const std::string & name, const std::string & remark)
{
  m_Confirmed.push_back({ name, Comparison::Outcome::Pass, {}, 0.0, remark });
}

void
Recording::Compare(const std::string & name, const std::vector<int64_t> & found)
{
  this->Compare(name, at::tensor(found, at::kLong));
}

void
Recording::CompareMasks(const std::string & name, const at::Tensor & found)
{
  const auto logits = found.cpu();
  if (!this->Has(name) || this->Get(name).sizes() != logits.sizes())
  {
    this->Compare(name, logits > 0.0);
    return;
  }
  const auto    recorded = this->Get(name).to(at::kBool);
  const auto    masks = logits > 0.0;
  const auto    undecided = masks.logical_xor(recorded).logical_and(logits.abs() < undecidedLogit);
  const int64_t flips = undecided.sum().item<int64_t>();
  this->Compare(
    name, at::where(undecided, recorded, masks), flips > 0 ? std::to_string(flips) + " undecided pixels" : "");
}

Observer
Recording::Comparer(const std::string & prefix)
{
  return [this, prefix](const std::string & name, const at::Tensor & value) { this->Compare(prefix + name, value); };
}

std::vector<Comparison>
Recording::GetComparisons(const std::string & reason) const
{
  std::vector<Comparison> comparisons = m_Confirmed;
  for (const auto & name : this->Outputs(""))
  {
    const auto found = m_Comparisons.find(name);
    if (found != m_Comparisons.end())
    {
      comparisons.push_back(found->second);
    }
    else if (reason.empty())
    {
      comparisons.push_back({ name, Comparison::Outcome::Unknown, {}, 0.0, "nothing here computes it" });
    }
    else
    {
      comparisons.push_back({ name, Comparison::Outcome::Fail, {}, 0.0, reason });
    }
  }
  return comparisons;
}
} // namespace sam
