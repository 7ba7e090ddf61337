// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamSlices.h"

#include "itkSamMacro.h"

#include <algorithm>
#include <cmath>

namespace itk
{
namespace
{
constexpr double edgeTolerance = 1e-3; // voxels
} // namespace

SamSlices::SamSlices(const SamGrid & image, const SamModel * model, unsigned int axis)
  : m_Image(image)
  , m_Axes(image.FindAxes(model->GetOrientation()))
{
  if (image.dimension == 3)
  {
    if (axis > 2)
    {
      itkSamExceptionMacro("axis " << axis << ", expected 0, 1 or 2");
    }
    const auto rotate = [axis](auto & list) { std::rotate(list.begin() + axis, list.begin() + axis + 1, list.end()); };
    rotate(m_Axes.axis);
    rotate(m_Axes.flip);
  }
  m_Axes.flip[2] = false;
  const SizeValueType patch = model->GetPatchSize();
  for (unsigned int i = 0; i < 2; ++i)
  {
    m_Size[i] = image.box.size[m_Axes.axis[i]];
    m_ModelSize[i] = model->GetTokenGridSize()[i] * patch;
  }
  if (m_Size[0] == 0 || m_Size[1] == 0 || this->GetNumberOfSlices() == 0)
  {
    itkSamExceptionMacro("the image has no voxels");
  }
  m_ResizedSize = model->GetResizedSize(m_Size);
}

std::array<IndexValueType, 3>
SamSlices::ToIndex(SizeValueType column, SizeValueType row, IndexValueType slice) const
{
  std::array<IndexValueType, 3> index{};
  const PlaneSizeType           along{ { column, row } };
  for (unsigned int i = 0; i < 2; ++i)
  {
    index[m_Axes.axis[i]] = m_Image.box.start[m_Axes.axis[i]] +
                            static_cast<IndexValueType>(m_Axes.flip[i] ? m_Size[i] - 1 - along[i] : along[i]);
  }
  index[m_Axes.axis[2]] = slice;
  return index;
}

SamIndexBox
SamSlices::GetImageBox(IndexValueType first, SizeValueType count) const
{
  SamIndexBox box = m_Image.box;
  box.start[m_Axes.axis[2]] = first;
  box.size[m_Axes.axis[2]] = count;
  return box;
}

SamSlices::VectorType
SamSlices::ToPosition(const VectorType & point) const
{
  const VectorType index = m_Image.ToIndex(point);
  VectorType       position{ { 0.0, 0.0, index[m_Axes.axis[2]] } };
  for (unsigned int i = 0; i < 2; ++i)
  {
    position[i] = index[m_Axes.axis[i]] - static_cast<double>(m_Image.box.start[m_Axes.axis[i]]);
    position[i] = m_Axes.flip[i] ? static_cast<double>(m_Size[i]) - 1.0 - position[i] : position[i];
  }
  return position;
}

SamSlices::VectorType
SamSlices::ToPoint(const VectorType & position) const
{
  VectorType index{};
  index[m_Axes.axis[2]] = position[2];
  for (unsigned int i = 0; i < 2; ++i)
  {
    index[m_Axes.axis[i]] = static_cast<double>(m_Image.box.start[m_Axes.axis[i]]) +
                            (m_Axes.flip[i] ? static_cast<double>(m_Size[i]) - 1.0 - position[i] : position[i]);
  }
  return m_Image.ToPhysical(index);
}

SamGrid
SamSlices::GetGrid(const PlaneSizeType & cells, IndexValueType first, SizeValueType count) const
{
  SamGrid    grid;
  VectorType origin{ { 0.0, 0.0, static_cast<double>(first) } };
  grid.dimension = m_Image.dimension;
  grid.box.size = { { cells[0], cells[1], count } };
  for (unsigned int i = 0; i < 3; ++i)
  {
    const unsigned int axis = m_Axes.axis[i];
    grid.spacing[i] = m_Image.spacing[axis];
    for (unsigned int a = 0; a < 3; ++a)
    {
      grid.direction[a][i] = (m_Axes.flip[i] ? -1.0 : 1.0) * m_Image.direction[a][axis];
    }
    if (i < 2)
    {
      // Cell k covers the pixels k · n to (k + 1) · n of the model's square, which are as many parts of the slice.
      const double cell = static_cast<double>(m_ModelSize[i]) / static_cast<double>(cells[i]) *
                          static_cast<double>(m_Size[i]) / static_cast<double>(m_ResizedSize[i]);
      grid.spacing[i] *= cell;
      origin[i] = 0.5 * cell - 0.5;
    }
  }
  grid.origin = this->ToPoint(origin);
  return grid;
}

IndexValueType
SamSlices::FindFirst(const SamGrid & grid, const PlaneSizeType & cells, const std::string & what) const
{
  SamGrid::VectorType start{};
  std::copy(grid.box.start.begin(), grid.box.start.end(), start.begin());
  const double nearest = std::round(this->ToPosition(grid.ToPhysical(start))[2]);
  const auto   low = static_cast<double>(this->GetFirst());
  const auto   high = low + static_cast<double>(this->GetNumberOfSlices()) - 1.0;
  const auto   first = static_cast<IndexValueType>(std::min(std::max(nearest, low), high));
  const auto   count = grid.box.size[2];
  grid.CheckSame(this->GetGrid(cells, first, count), what);
  return this->FindRange({ first, first + static_cast<IndexValueType>(count) - 1 }).first;
}

std::pair<IndexValueType, SizeValueType>
SamSlices::FindRange(const std::vector<IndexValueType> & range) const
{
  const IndexValueType imageFirst = this->GetFirst();
  const IndexValueType imageLast = imageFirst + static_cast<IndexValueType>(this->GetNumberOfSlices()) - 1;
  if (range.empty())
  {
    return { imageFirst, this->GetNumberOfSlices() };
  }
  if (range[0] > range[1] || range[0] < imageFirst || range[1] > imageLast)
  {
    itkSamExceptionMacro("slices " << range[0] << " to " << range[1] << ", expected some of " << imageFirst << " to "
                                   << imageLast);
  }
  return { range[0], static_cast<SizeValueType>(range[1] - range[0] + 1) };
}

void
SamSlices::CheckInside(const VectorType & point, double reach, const std::string & what) const
{
  const VectorType index = m_Image.ToIndex(point);
  for (unsigned int i = 0; i < m_Image.dimension; ++i)
  {
    const double low = static_cast<double>(m_Image.box.start[i]) - 0.5 - reach - edgeTolerance;
    const double high = low + static_cast<double>(m_Image.box.size[i]) + 2.0 * (reach + edgeTolerance);
    // Also when it is no number.
    if (!(index[i] >= low && index[i] <= high))
    {
      const auto bounds = m_Image.GetBounds();
      itkSamExceptionMacro(what << ' ' << SamGrid::ToText(point, m_Image.dimension)
                                << " mm lies outside of the image, which reaches from "
                                << SamGrid::ToText(bounds.first, m_Image.dimension) << " to "
                                << SamGrid::ToText(bounds.second, m_Image.dimension) << " mm");
    }
  }
}
} // namespace itk
