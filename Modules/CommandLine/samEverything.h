// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samEverything_h
#define samEverything_h

#include "samSliceImages.h"

#include "itkSamAutomaticMask.h"

#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** What is done with one image. Empty paths are not written. */
struct EverythingJob
{
  SliceOptions                 slices;
  itk::SamAutomaticMaskOptions options;
  std::string                  output;  ///< label map on the image's grid
  std::string                  json;    ///< table of the masks, with the masks themselves
  std::string                  preview; ///< PNG
};

/** Find the masks of everything in an image file and write what the job asks for: everything or nothing. Answers the
 * number of masks. \a progress is called with the fraction done and may throw to stop.
 * \throws Error naming the file and what is wrong with it. */
size_t
FindEverything(const itk::SamModel * model, const EverythingJob & job, const std::function<void(double)> & progress);
} // namespace sam

#endif
