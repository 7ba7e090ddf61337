// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTestMessage_h
#define samTestMessage_h

#include "itkMacro.h"

#include <exception>
#include <string>

namespace sam::test
{
/** What the exception of \a action says: of ITK's the description alone, without file and line. */
template <typename TAction>
std::string
MessageOf(const TAction & action)
{
  try
  {
    action();
  }
  catch (const itk::ExceptionObject & exception)
  {
    return exception.GetDescription();
  }
  catch (const std::exception & exception)
  {
    return exception.what();
  }
  return "no exception";
}

inline bool
Contains(const std::string & text, const std::string & part)
{
  return text.find(part) != std::string::npos;
}
} // namespace sam::test

#endif
