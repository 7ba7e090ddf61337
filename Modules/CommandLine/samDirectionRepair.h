// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDirectionRepair_h
#define samDirectionRepair_h

#include <filesystem>
#include <string>

namespace sam
{
/** \class DirectionRepair
 * \brief A copy of a NIfTI file whose axes are not perpendicular, which ITK refuses, with perpendicular ones.
 *
 * The directions become the nearest orthonormal matrix: U·Vᵀ of the singular value decomposition U·S·Vᵀ of the unit
 * vectors along the axes. Spacings are the lengths of the columns of the file's matrix; the first voxel stays in its
 * place. Any other image file is taken as it is. The copy lives as long as the object.
 */
class DirectionRepair
{
public:
  /** \throws Error naming the file when it cannot be read for another reason. */
  explicit DirectionRepair(const std::string & image);
  ~DirectionRepair();
  DirectionRepair(const DirectionRepair &) = delete;
  void
  operator=(const DirectionRepair &) = delete;

  /** What can be read: the copy, or the image itself. */
  const std::string &
  GetFile() const
  {
    return m_File;
  }

  /** The largest angle in degrees by which an axis was turned; 0 for the image itself. */
  double
  GetAngle() const
  {
    return m_Angle;
  }

private:
  std::string           m_File;
  std::filesystem::path m_Folder;
  double                m_Angle{ 0.0 };
};
} // namespace sam

#endif
