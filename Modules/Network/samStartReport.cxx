// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samLayers.h"
#include "samNetwork.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cctype>
#include <set>

namespace sam
{
namespace
{
const std::string encoderPrefix = "image_encoder.";

bool
Contains(const std::string & text, const std::string & part)
{
  return text.find(part) != std::string::npos;
}

/** Whether a tensor belongs to an encoder, but not to its neck, whose sizes say little about it. */
bool
IsOfEncoder(const std::string & name)
{
  return name.rfind(encoderPrefix, 0) == 0 && name.rfind(encoderPrefix + "neck.", 0) != 0;
}

/** A position table of another size stretched to \a shape; none when it is not such a table. */
std::optional<at::Tensor>
StretchTable(const std::string & name, const at::Tensor & stored, at::IntArrayRef shape)
{
  if (name == encoderPrefix + "pos_embed" && stored.dim() == 4 && shape.size() == 4 && stored.size(3) == shape[3])
  {
    return ResizeLinear(stored.permute({ 0, 3, 1, 2 }), { shape[1], shape[2] }).permute({ 0, 2, 3, 1 });
  }
  if (Contains(name, ".attn.rel_pos_") && stored.dim() == 2 && shape.size() == 2 && stored.size(1) == shape[1])
  {
    return ResizeLinear(stored.t().unsqueeze(0), { shape[0] }).squeeze(0).t();
  }
  return std::nullopt;
}

/** The name with * for each number between dots. */
std::string
WithoutNumbers(const std::string & name)
{
  std::string result;
  for (size_t begin = 0; begin <= name.size();)
  {
    const size_t end = std::min(name.find('.', begin), name.size());
    const auto   word = name.substr(begin, end - begin);
    const bool   isNumber =
      !word.empty() && std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    result += (begin > 0 ? "." : "") + (isNumber ? "*" : word);
    begin = end + 1;
  }
  return result;
}

std::string
ListGroups(const std::vector<std::string> & names)
{
  std::map<std::string, int> groups;
  for (const auto & name : names)
  {
    ++groups[WithoutNumbers(name)];
  }
  std::string text;
  for (const auto & [group, count] : groups)
  {
    text += (text.empty() ? "" : ", ") + group + (count > 1 ? " (" + std::to_string(count) + ")" : "");
  }
  return text;
}
} // namespace

std::string
NameInCheckpoint(const std::string & name, const Plan & plan, const Plan & checkpoint)
{
  if (plan.decoder != "semantic" || checkpoint.decoder == "semantic")
  {
    return name;
  }
  // Here a mask stands for a label, there for a reading of an ambiguous prompt.
  for (const std::string part : { "mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head" })
  {
    if (Contains(name, "mask_decoder." + part))
    {
      return {};
    }
  }
  if (Contains(name, "prompt_generator.pe_layer.") && !plan.Keeps("random_positions"))
  {
    return "prompt_encoder" + name.substr(name.find('.'));
  }
  return name;
}

std::optional<at::Tensor>
FitTensor(const std::string & name, const at::Tensor & stored, at::IntArrayRef shape)
{
  return stored.sizes() == shape ? stored : StretchTable(name, stored.to(at::kFloat), shape);
}

std::vector<std::string>
StartReport::Describe() const
{
  std::vector<std::string> lines{ std::to_string(taken.size()) + " tensors taken as they are" };
  const auto               add = [&lines](const std::string & what, const std::vector<std::string> & names) {
    if (!names.empty())
    {
      lines.push_back(std::to_string(names.size()) + " " + what + ": " + ListGroups(names));
    }
  };
  add("stretched", resampled);
  add("not in the file, new", fresh);
  add("of another shape in the file, new", reshaped);
  add("of the file not used", unused);
  return lines;
}

StartReport
StartFromCheckpoint(Network & network, const std::string & path)
{
  const at::NoGradGuard noGrad;
  const auto            model = OpenModel(path);
  const auto &          stored = model.tensors.GetTensors();
  const Plan &          plan = network.GetPlan();

  StartReport report;
  bool        hasEncoder = false;

  std::set<std::string> used;
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    const auto found = stored.find(NameInCheckpoint(name, plan, model.plan));
    const bool isKnown = found != stored.end();
    if (isKnown)
    {
      used.insert(found->first);
      if (const auto value = FitTensor(name, model.tensors.Read(found->first), tensor.sizes()))
      {
        tensor.copy_(*value);
        const bool isWhole = at::IntArrayRef(found->second.shape) == tensor.sizes();
        (isWhole ? report.taken : report.resampled).push_back(name);
        hasEncoder = hasEncoder || (isWhole && IsOfEncoder(name));
        continue;
      }
    }
    if (plan.IsFrozen(name))
    {
      throw Error(path + ": tensor '" + name + "' is " + (isKnown ? "of another shape" : "missing") +
                  ", which the plan takes from it and freezes");
    }
    (isKnown ? report.reshaped : report.fresh).push_back(name);
  }
  if (!hasEncoder)
  {
    throw Error(path + ": nothing of its image encoder (" + model.architecture +
                ") fits the plan's, expected a ViT of " + std::to_string(plan.width) + " channels");
  }
  for (const auto & [name, tensor] : stored)
  {
    if (used.count(name) == 0)
    {
      report.unused.push_back(name);
    }
  }
  return report;
}
} // namespace sam
