// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samParameters.h"

#include "samError.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/empty.h>

#include <sstream>

namespace sam
{
namespace
{
std::string
ToString(at::IntArrayRef shape)
{
  std::ostringstream text;
  text << shape;
  return text.str();
}
} // namespace

Parameters::Parameters(uint64_t seed)
  : m_Generator(at::detail::createCPUGenerator(seed))
{}

Parameters::Parameters(std::map<std::string, at::Tensor> tensors, std::string where)
  : m_Source(std::move(tensors))
  , m_Where(std::move(where))
{}

Parameters::Parameters(TensorFile file)
  : m_File(std::move(file))
  , m_Where(m_File->GetPath())
{
  for (const auto & [name, tensor] : m_File->GetTensors())
  {
    m_Source.emplace(name, at::Tensor());
  }
}

at::Tensor
Parameters::Declare(const std::string & name, const std::vector<int64_t> & shape, const Initialization & initialization)
{
  // A module that stands in two places (tied weights) declares twice and shares one tensor.
  if (const auto known = m_Declared.find(name); known != m_Declared.end())
  {
    return known->second;
  }
  at::Tensor tensor;
  if (m_Generator.defined())
  {
    tensor = at::empty(shape, at::TensorOptions().dtype(at::kFloat));
    switch (initialization.kind)
    {
      case Initialization::Kind::Constant:
        tensor.fill_(initialization.value);
        break;
      case Initialization::Kind::Uniform:
        tensor.uniform_(-initialization.value, initialization.value, m_Generator);
        break;
      case Initialization::Kind::Normal:
        tensor.normal_(0.0, initialization.value, m_Generator);
        break;
    }
  }
  else if (m_Where.empty())
  {
    tensor = at::empty(shape, at::TensorOptions().dtype(at::kFloat)); // takes no memory before it is written to
  }
  else
  {
    const auto found = m_Source.find(name);
    if (found == m_Source.end())
    {
      throw Error(m_Where + ": tensor '" + name + "' is missing, expected shape " + ToString(shape));
    }
    const auto check = [&](at::IntArrayRef stored, at::ScalarType type) {
      if (stored != at::IntArrayRef(shape))
      {
        throw Error(m_Where + ": tensor '" + name + "' has shape " + ToString(stored) + ", expected " +
                    ToString(shape));
      }
      if (!at::isFloatingType(type))
      {
        throw Error(m_Where + ": tensor '" + name + "' holds " + c10::toString(type) +
                    ", expected floating-point numbers");
      }
    };
    if (m_File)
    {
      const auto & stored = m_File->GetTensors().at(name);
      check(stored.shape, stored.type);
      tensor = at::empty(shape, at::TensorOptions().dtype(at::kFloat)); // takes no memory before it is written to
    }
    else
    {
      check(found->second.sizes(), found->second.scalar_type());
      tensor = found->second.to(at::kFloat);
      const auto elements = tensor.detach().cpu().contiguous();
      if (!AreFinite(elements.data_ptr(), static_cast<uint64_t>(elements.numel()), at::kFloat))
      {
        throw Error(m_Where + ": tensor '" + name + "' holds NaN or infinity, expected finite numbers");
      }
    }
    m_Source.erase(found);
  }
  m_Declared[name] = tensor;
  return tensor;
}

void
Parameters::Prepare(const std::string & prefix, Precision precision) const
{
  for (const auto & [name, prepare] : m_Preparations)
  {
    if (name.rfind(prefix, 0) == 0)
    {
      prepare(precision);
    }
  }
}

void
Parameters::ThrowIfUnused() const
{
  if (!m_Source.empty())
  {
    throw Error(m_Where + ": unexpected tensor '" + m_Source.begin()->first + "' (" + std::to_string(m_Source.size()) +
                " in all) that the plan does not ask for");
  }
}

void
Parameters::CheckFinite() const
{
  for (const auto & [name, tensor] : m_Declared)
  {
    if (m_File)
    {
      m_File->CheckFinite(name);
    }
  }
}

void
Parameters::Read()
{
  CheckFinite();
  for (const auto & [name, tensor] : m_Declared)
  {
    if (m_File)
    {
      m_File->Read(name, tensor);
    }
  }
  m_File.reset();
}
} // namespace sam
