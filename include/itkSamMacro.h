// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamMacro_h
#define itkSamMacro_h

#include "itkMacro.h"

#include <sstream>

// ITK 5.2 has neither of these two.
#ifndef ITK_MACROEND_NOOP_STATEMENT
#  define ITK_MACROEND_NOOP_STATEMENT static_assert(true, "")
#endif
#ifndef itkOverrideGetNameOfClassMacro
#  define itkOverrideGetNameOfClassMacro(thisClass) \
    const char * GetNameOfClass() const override    \
    {                                               \
      return #thisClass;                            \
    }                                               \
    ITK_MACROEND_NOOP_STATEMENT
#endif

/** Throw an itk::ExceptionObject whose description is the message alone, so that programs can print it in one line. */
#define itkSamExceptionMacro(x)                                                       \
  do                                                                                  \
  {                                                                                   \
    std::ostringstream samMessage;                                                    \
    samMessage << x;                                                                  \
    throw ::itk::ExceptionObject(__FILE__, __LINE__, samMessage.str(), ITK_LOCATION); \
  } while (false)

#endif
