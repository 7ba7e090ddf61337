// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samImagePrototypeUse_h
#define samImagePrototypeUse_h

#include "samPrototypeUse.h"

#include "itkSamModel.h"

namespace sam
{
/** The use by all slices of images. \throws Error naming the file, or saying that the model has no prototypes. */
PrototypeUse
MeasurePrototypeUse(const itk::SamModel * model, const std::vector<std::string> & images);
} // namespace sam

#endif
