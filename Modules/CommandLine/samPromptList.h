// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPromptList_h
#define samPromptList_h

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

  std::vector<std::string> notices; ///< lines for the user about what was left out

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
   * ...]}, or those that 3D Slicer wrote (.mrk.json, .fcsv; see samSlicerMarkups.h). In "index_points" and
   * "index_boxes" there are whole voxels of the image, counted from 0, instead of mm: of a box the first and the last
   * one, between whose centers it reaches. \a size are the voxels of the image along each axis; \a toPhysical answers
   * mm (LPS) of an index.
   * \throws Error naming the file and what is wrong in it, also when it has no points or boxes. */
  void
  AddFile(const std::string &                                                           path,
          unsigned int                                                                  dimension,
          const std::vector<size_t> &                                                   size,
          const std::function<std::vector<double>(const std::vector<double> & index)> & toPhysical);
};
} // namespace sam

#endif
