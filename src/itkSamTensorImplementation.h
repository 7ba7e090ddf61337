// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamTensorImplementation_h
#define itkSamTensorImplementation_h

#include "itkSamMacro.h"
#include "itkSamTensor.h"

#include <ATen/core/Tensor.h>
#include <c10/core/InferenceMode.h>
#include <c10/util/Exception.h>

#include <string>
#include <utility>

namespace itk
{
struct SamTensor::Implementation
{
  at::Tensor tensor;
};

inline SamTensor
MakeSamTensor(at::Tensor tensor)
{
  return SamTensor(std::make_shared<SamTensor::Implementation>(SamTensor::Implementation{ std::move(tensor) }));
}

/** The tensor inside; undefined for an empty one. */
inline at::Tensor
GetAtTensor(const SamTensor & tensor)
{
  return tensor.IsEmpty() ? at::Tensor() : tensor.GetImplementation()->tensor;
}

/** Call \a function; what it throws leaves as an itk::ExceptionObject of one line. */
template <typename TFunction>
auto
TranslateExceptions(const TFunction & function) -> decltype(function())
{
  const auto firstLine = [](const std::string & text) { return text.substr(0, text.find('\n')); };
  try
  {
    return function();
  }
  catch (const ExceptionObject &)
  {
    throw;
  }
  catch (const c10::Error & error)
  {
    itkSamExceptionMacro(firstLine(error.what_without_backtrace()));
  }
  catch (const std::bad_alloc &)
  {
    itkSamExceptionMacro("not enough memory");
  }
  catch (const std::exception & error)
  {
    itkSamExceptionMacro(firstLine(error.what()));
  }
}

/** The same without gradients. */
template <typename TFunction>
auto
RunInference(const TFunction & function) -> decltype(function())
{
  const c10::InferenceMode guard;
  return TranslateExceptions(function);
}
} // namespace itk

#endif
