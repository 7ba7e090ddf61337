// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrompting_h
#define samPrompting_h

#include "samSliceImages.h"

#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** What is done with one image. Empty paths are not read or written. */
struct PromptingJob
{
  SliceOptions             slices;
  std::string              embedding; ///< of this image, then its pixels are not read
  std::string              mask;      ///< a label map on the image's grid, or logits
  std::vector<std::string> points;    ///< of object 1, as PromptList::AddPoint() takes them
  std::vector<std::string> boxes;     ///< of object 1, as PromptList::AddBox() takes them
  std::vector<std::string> prompts;   ///< files, as PromptList::AddFile() takes them
  bool                     multimask{ false };
  bool                     hqTokenOnly{ false };
  std::string              output;  ///< label map on the image's grid
  std::string              scores;  ///< JSON
  std::string              masks;   ///< all masks, as components
  std::string              logits;  ///< of the chosen masks, for --mask
  std::string              preview; ///< PNG
};

/** Segment what prompts point at and write what the job asks for: everything or nothing. Answers lines of text about
 * the masks. \a progress is called with the fraction done and may throw to stop, \a notify with a line about each
 * prompt that was left out.
 * \throws Error naming the file and what is wrong with it. */
std::string
Prompt(const itk::SamModel *                            model,
       const PromptingJob &                             job,
       const std::function<void(double)> &              progress,
       const std::function<void(const std::string &)> & notify);
} // namespace sam

#endif
