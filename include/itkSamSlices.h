// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSlices_h
#define itkSamSlices_h

#include "itkSamLattice.h"
#include "itkSamModel.h"

#include <array>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
/** \class SamSlices
 * \brief The slices of an image along one axis, and where a promptable model's tokens and masks lie in them.
 *
 * The model sees each slice in the order of axes that its orientation says (as stored for "acquisition", which is how
 * the published programs see an array). A position is (column, row, slice): column and row count from the center of the
 * slice's first pixel as the model sees it, the slice is the image's index along the axis. A 2-D image is one slice 0.
 *
 * The model scales a slice to a part of its square; the rest is padding. Where SAM's published code puts a prompt at
 * column c, it is c · resized width / width.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamSlices
{
public:
  using VectorType = SamGrid::VectorType;
  using PlaneSizeType = SamModel::PlaneSizeType;

  /** \a axis counts along the model's orientation: with "acquisition" the image's own axes. 2-D images ignore it.
   * \throws ExceptionObject when \a axis is not 0, 1 or 2. */
  SamSlices(const SamGrid & image, const SamModel * model, unsigned int axis);

  /** Columns and rows of a slice as the model sees it. */
  const PlaneSizeType &
  GetSize() const
  {
    return m_Size;
  }

  /** The image's axes that run along columns, rows and slices. */
  const std::array<unsigned int, 3> &
  GetImageAxes() const
  {
    return m_Axes.axis;
  }

  /** The image's index of the first slice, and the number of slices. */
  IndexValueType
  GetFirst() const
  {
    return m_Image.box.start[m_Axes.axis[2]];
  }
  SizeValueType
  GetNumberOfSlices() const
  {
    return m_Image.box.size[m_Axes.axis[2]];
  }

  /** The image's index of a pixel. */
  std::array<IndexValueType, 3>
  ToIndex(SizeValueType column, SizeValueType row, IndexValueType slice) const;

  /** Call \a visit(k, offset) for each pixel of a slice: its number, row by row as the model sees them, and its offset
   * in the buffer of an image that has this grid. */
  template <unsigned int VDimension, typename TVisit>
  void
  VisitSlice(const ImageBase<VDimension> * image, IndexValueType slice, const TVisit & visit) const
  {
    const auto start = image->GetLargestPossibleRegion().GetIndex();
    const auto offset = [&](SizeValueType column, SizeValueType row) {
      const auto                                place = this->ToIndex(column, row, slice);
      typename ImageBase<VDimension>::IndexType index;
      for (unsigned int i = 0; i < VDimension; ++i)
      {
        index[i] = start[i] + place[i] - m_Image.box.start[i];
      }
      return image->ComputeOffset(index);
    };
    size_t number = 0;
    for (SizeValueType row = 0; row < m_Size[1]; ++row)
    {
      // Along a row the buffer is walked in steps of one length.
      OffsetValueType       place = offset(0, row);
      const OffsetValueType step = m_Size[0] > 1 ? offset(1, row) - place : 0;
      for (SizeValueType column = 0; column < m_Size[0]; ++column)
      {
        visit(number++, place);
        place += step;
      }
    }
  }

  /** The box of the image's indices that some slices fill. */
  SamIndexBox
  GetImageBox(IndexValueType first, SizeValueType count) const;

  /** Position of a physical point, mm, and back. */
  VectorType
  ToPosition(const VectorType & point) const;
  VectorType
  ToPoint(const VectorType & position) const;

  /** The grid of \a cells × \a cells cells over the model's square (its tokens, or the pixels of its masks) in some
   * slices: start 0, the origin in the center of the first cell, padding included. */
  SamGrid
  GetGrid(const PlaneSizeType & cells, IndexValueType first, SizeValueType count) const;

  /** The first slice of such a grid that was made of this image.
   * \throws ExceptionObject naming \a what and how it lies elsewhere. */
  IndexValueType
  FindFirst(const SamGrid & grid, const PlaneSizeType & cells, const std::string & what) const;

  /** The first slice and the number of slices of a range: first and last, or empty for all.
   * \throws ExceptionObject naming the slices when the image does not have them all. */
  std::pair<IndexValueType, SizeValueType>
  FindRange(const std::vector<IndexValueType> & range) const;

  /** \throws ExceptionObject naming \a what, the point and the image's bounds when a point lies more than \a reach
   * voxels beyond the outer edges of the image's voxels. */
  void
  CheckInside(const VectorType & point, double reach, const std::string & what) const;

private:
  SamGrid       m_Image;
  SamAxes       m_Axes;
  PlaneSizeType m_Size{};
  PlaneSizeType m_ModelSize{};   ///< pixels of the model's square
  PlaneSizeType m_ResizedSize{}; ///< pixels of the part that a slice fills
};
} // namespace itk

#endif
