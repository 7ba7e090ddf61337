// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDirectionRepair_h
#define samDirectionRepair_h

#include <functional>
#include <memory>
#include <string>

namespace sam
{
/** \class DirectionRepair
 * \brief While one lives, NIfTI files (.nii, .nii.gz) whose axes are not perpendicular, which ITK refuses, are read
 * with perpendicular ones, by every reader of the process or of one thread.
 *
 * The directions become the nearest orthonormal matrix: U·Vᵀ of the singular value decomposition U·S·Vᵀ of the unit
 * vectors along the axes. Spacings are the lengths of the columns of the file's matrix; the first voxel stays in its
 * place. Other files are read as ever.
 *
 * Reading such a file throws Error naming it where two axes are almost parallel, or where the folder of temporary
 * files, which gets a copy while it is read, cannot be written. The first object of a process adds to ITK's object
 * factories, which must not be in use meanwhile.
 */
class DirectionRepair
{
public:
  /** \a warn gets one line for each repaired file, once, with the largest angle by which an axis was turned; it is
   * never called by two threads at a time, nor after the end of this object. \a ofThisThread: other threads read as
   * ever. */
  explicit DirectionRepair(std::function<void(const std::string & text)> warn, bool ofThisThread = false);
  ~DirectionRepair();
  DirectionRepair(const DirectionRepair &) = delete;
  void
  operator=(const DirectionRepair &) = delete;

  struct Report;

private:
  std::shared_ptr<Report> m_Report;
};
} // namespace sam

#endif
