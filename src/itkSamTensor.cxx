// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamTensor.h"

#include "itkSamPromptImage.h"
#include "itkSamTensorImplementation.h"
#include "samError.h"
#include "samSafetensors.h"

#include <ATen/ops/from_blob.h>

#include <nlohmann/json.hpp>

#include <atomic>

namespace itk
{
namespace
{
std::atomic<uint64_t> numberOfHostTransfers{ 0 };

at::Tensor
WrapHost(const float * values, const std::vector<int64_t> & sizes)
{
  return at::from_blob(const_cast<float *>(values), sizes, at::TensorOptions().dtype(at::kFloat));
}

at::Tensor
CopyTo(const at::Tensor & tensor, const std::string & device)
{
  return tensor.to(at::Device(device), at::kFloat, false, true, at::MemoryFormat::Contiguous);
}

const at::Tensor &
GetFilled(const SamTensor & tensor)
{
  if (tensor.IsEmpty())
  {
    itkSamExceptionMacro("the tensor is empty");
  }
  return tensor.GetImplementation()->tensor;
}
} // namespace

SamTensor::SamTensor(std::shared_ptr<const Implementation> implementation)
  : m_Implementation(std::move(implementation))
{}

std::vector<int64_t>
SamTensor::GetSizes() const
{
  return this->IsEmpty() ? std::vector<int64_t>{} : m_Implementation->tensor.sizes().vec();
}

std::string
SamTensor::GetDevice() const
{
  return this->IsEmpty() ? std::string{} : m_Implementation->tensor.device().str();
}

SamTensor
SamTensor::FromHost(const float * values, const std::vector<int64_t> & sizes, const std::string & device)
{
  return RunInference([&] { return MakeSamTensor(CopyTo(WrapHost(values, sizes), device)); });
}

SamTensor
SamTensor::FromHostChannelsLast(const float * values, const std::vector<int64_t> & sizes, const std::string & device)
{
  return RunInference([&] {
    const auto stored = WrapHost(values, { sizes.at(1), sizes.at(2), sizes.at(3), sizes.at(0) });
    return MakeSamTensor(CopyTo(stored.permute({ 3, 0, 1, 2 }), device));
  });
}

SamTensor
SamTensor::GetSlice(int64_t slice) const
{
  return RunInference([&] { return MakeSamTensor(GetFilled(*this).narrow(1, slice, 1)); });
}

SamTensor
SamTensor::GetChannel(int64_t channel) const
{
  return RunInference([&] { return MakeSamTensor(GetFilled(*this).narrow(0, channel, 1)); });
}

void
SamTensor::CopyToHost(float * values) const
{
  RunInference([&] { WrapHost(values, this->GetSizes()).copy_(GetFilled(*this)); });
  ++numberOfHostTransfers;
}

void
SamTensor::CopyToHostChannelsLast(float * values) const
{
  RunInference([&] {
    const auto stored = GetFilled(*this).permute({ 1, 2, 3, 0 });
    WrapHost(values, stored.sizes().vec()).copy_(stored);
  });
  ++numberOfHostTransfers;
}

uint64_t
SamTensor::GetNumberOfHostTransfers()
{
  return numberOfHostTransfers;
}

void
WriteSamPrompts(const std::string & fileName, const SamPrompts & prompts, const SamGrid & grid)
{
  const nlohmann::json geometry{ { "dimension", grid.dimension }, { "start", grid.box.start },
                                 { "size", grid.box.size },       { "spacing", grid.spacing },
                                 { "origin", grid.origin },       { "direction", grid.direction } };
  TranslateExceptions([&] {
    sam::SafetensorsFile file;
    file.metadata = { { "format", "pt" }, { "content", "prompts" }, { "geometry", geometry.dump() } };
    file.tensors = { { "masks", GetFilled(prompts.masks) },
                     { "boxes", GetFilled(prompts.boxes) },
                     { "class_tokens", GetFilled(prompts.classTokens) } };
    if (!prompts.details.IsEmpty())
    {
      file.tensors["details"] = GetFilled(prompts.details);
    }
    sam::WriteSafetensors(fileName, file);
  });
}

SamPrompts
ReadSamPrompts(const std::string & fileName, SamGrid & grid)
{
  return TranslateExceptions([&] {
    auto       file = sam::ReadSafetensors(fileName);
    const auto text = file.metadata.find("geometry");
    if (file.metadata["content"] != "prompts" || text == file.metadata.end())
    {
      throw sam::Error(fileName + ": not a file of prompts (its header names no geometry)");
    }
    try
    {
      const auto geometry = nlohmann::json::parse(text->second);
      geometry.at("dimension").get_to(grid.dimension);
      geometry.at("start").get_to(grid.box.start);
      geometry.at("size").get_to(grid.box.size);
      geometry.at("spacing").get_to(grid.spacing);
      geometry.at("origin").get_to(grid.origin);
      geometry.at("direction").get_to(grid.direction);
    }
    catch (const nlohmann::json::exception &)
    {
      throw sam::Error(fileName + ": damaged, its header's geometry cannot be understood");
    }
    const auto take = [&](const std::string & name, int64_t dimension, bool isOptional) {
      const auto found = file.tensors.find(name);
      if (found == file.tensors.end())
      {
        if (!isOptional)
        {
          throw sam::Error(fileName + ": tensor '" + name + "' is missing");
        }
        return SamTensor();
      }
      if (found->second.dim() != dimension || found->second.scalar_type() != at::kFloat)
      {
        throw sam::Error(fileName + ": tensor '" + name + "' has not the expected " + std::to_string(dimension) +
                         " axes of 32-bit floats");
      }
      return MakeSamTensor(found->second);
    };
    return SamPrompts{
      take("masks", 4, false), take("boxes", 3, false), take("class_tokens", 3, false), take("details", 4, true)
    };
  });
}
} // namespace itk
