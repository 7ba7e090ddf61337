// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrompting_h
#define samPrompting_h

#include "samSliceImages.h"

#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** Points and boxes in mm (LPS), each of an object: a value of the label map. */
struct PromptList
{
  struct Point
  {
    std::vector<double> position;
    bool                isForeground{ true };
    unsigned int        object{ 1 };
  };
  struct Box
  {
    std::vector<double> corner;
    std::vector<double> oppositeCorner;
    unsigned int        object{ 1 };
  };
  std::vector<Point> points;
  std::vector<Box>   boxes;

  /** Add "x,y,z" or "x,y,z,0|1" (0: background), without z for 2-D images. \throws Error naming the option. */
  void
  AddPoint(const std::string &         option,
           const std::vector<double> & numbers,
           unsigned int                dimension,
           unsigned int                object);

  /** Add two opposite corners, "x1,y1,z1,x2,y2,z2". \throws Error naming the option. */
  void
  AddBox(const std::string & option, const std::vector<double> & numbers, unsigned int dimension, unsigned int object);

  /** Add those of a JSON file: {"objects": [{"label": 1, "points": [[x, y, z, 0|1], ...], "boxes": [[...], ...]},
   * ...]}.
   * \throws Error naming the file and what is wrong in it. */
  void
  AddFile(const std::string & path, unsigned int dimension);
};

struct EncodingJob
{
  SliceOptions slices;
  std::string  output; ///< the embedding
};

/** Write the embedding of an image file. \a progress is called with the fraction done and may throw to stop.
 * \throws Error naming the file and what is wrong with it. */
void
Encode(const itk::SamModel * model, const EncodingJob & job, const std::function<void(double)> & progress);

/** What is done with one image. Empty paths are not read or written. */
struct PromptingJob
{
  SliceOptions             slices;
  std::string              embedding; ///< of this image, then its pixels are not read
  std::string              mask;      ///< a label map on the image's grid, or logits
  std::vector<std::string> points;    ///< of object 1, as PromptList::AddPoint() takes them
  std::vector<std::string> boxes;     ///< of object 1, as PromptList::AddBox() takes them
  std::string              prompts;   ///< JSON, as PromptList::AddFile() takes it
  bool                     multimask{ false };
  bool                     hqTokenOnly{ false };
  std::string              output;  ///< label map on the image's grid
  std::string              scores;  ///< JSON
  std::string              masks;   ///< all masks, as components
  std::string              logits;  ///< of the chosen masks, for --mask
  std::string              preview; ///< PNG
};

/** Segment what prompts point at and write what the job asks for: everything or nothing. Answers lines of text about
 * the masks. Otherwise as Encode(). */
std::string
Prompt(const itk::SamModel * model, const PromptingJob & job, const std::function<void(double)> & progress);

} // namespace sam

#endif
