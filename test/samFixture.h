// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samFixture_h
#define samFixture_h

#include "samParameters.h"
#include "samSafetensors.h"

#include <ATen/TensorOperators.h>

#include <gtest/gtest.h>

#include <string>

namespace sam
{
/** \class Fixture
 * \brief Inputs, weights and outputs that were recorded from a published module.
 */
class Fixture
{
public:
  /** \a name below \a folder, without ending. */
  explicit Fixture(const std::string & name, const std::string & folder = SEGMENTANYTHING_TEST_FIXTURES)
    : m_File(ReadSafetensors(folder + "/" + name + ".safetensors"))
  {}

  const at::Tensor &
  operator[](const std::string & name) const
  {
    return m_File.tensors.at(name);
  }

  /** The tensors whose names start with \a prefix, which is cut off. */
  std::map<std::string, at::Tensor>
  Weights(const std::string & prefix = "param/") const
  {
    std::map<std::string, at::Tensor> weights;
    for (const auto & [name, tensor] : m_File.tensors)
    {
      if (name.rfind(prefix, 0) == 0)
      {
        weights[name.substr(prefix.size())] = tensor;
      }
    }
    return weights;
  }

  /** Within 2e-5 of the largest magnitude of what was recorded, plus 1e-6. */
  void
  ExpectEqual(const at::Tensor & found, const std::string & name) const
  {
    const auto & expected = (*this)[name];
    ASSERT_EQ(found.sizes(), expected.sizes()) << name;
    if (expected.numel() == 0)
    {
      return;
    }
    const double tolerance = 2e-5 * expected.abs().max().item<double>() + 1e-6;
    EXPECT_LE((found - expected).abs().max().item<double>(), tolerance) << name;
  }

private:
  SafetensorsFile m_File;
};
} // namespace sam

#endif
