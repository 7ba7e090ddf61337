// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamInput_h
#define itkSamInput_h

#include "itkSamMacro.h"

#include "itkDataObject.h"
#include "itkProcessObject.h" // of which a data object has a pointer

#include <algorithm>

namespace itk
{
/** When what an image says changed last: a setting upstream, or the image itself. An image that a source makes is
 * touched with every region that is read, which is no change; who changes its pixels afterwards calls Modified(). */
inline ModifiedTimeType
SamGetInputTime(const DataObject * image)
{
  if (image->GetSource().IsNull())
  {
    return image->GetMTime();
  }
  const bool isTouched = !image->GetDataReleased() && image->GetMTime() > image->GetUpdateMTime();
  return isTouched ? std::max(image->GetPipelineMTime(), image->GetMTime()) : image->GetPipelineMTime();
}
/** \throws ExceptionObject where there is no image. */
inline void
SamVerifyInput(const DataObject * image)
{
  if (image == nullptr)
  {
    itkSamExceptionMacro("no input image is set");
  }
}
} // namespace itk

#endif
