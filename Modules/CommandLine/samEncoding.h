// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samEncoding_h
#define samEncoding_h

#include "samSliceImages.h"

#include <functional>
#include <string>

namespace sam
{
struct EncodingJob
{
  SliceOptions slices;
  std::string  output; ///< the embedding
};

/** Write the embedding of an image file. \a progress is called with the fraction done and may throw to stop.
 * \throws Error naming the file and what is wrong with it. */
void
Encode(const itk::SamModel * model, const EncodingJob & job, const std::function<void(double)> & progress);
} // namespace sam

#endif
