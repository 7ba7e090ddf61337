// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamLattice.h"

#include "itkSamMacro.h"
#include "samCubicSpline.h"
#include "samInterpolation.h"
#include "samOrientation.h"
#include "samVolumePreprocessing.h"

#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace itk
{
namespace
{
using VectorType = SamGrid::VectorType;
using MatrixType = SamGrid::MatrixType;

constexpr double directionTolerance = 1e-4;
constexpr double spacingTolerance = 1e-3;  // relative
constexpr double indexTolerance = 1e-6;    // voxels: positions this near to a voxel are that voxel
constexpr double averagingThreshold = 1.5; // how much coarser the lattice is where means replace linear samples

using Vector3 = Eigen::Vector3d;
using Matrix3 = Eigen::Matrix<double, 3, 3, Eigen::RowMajor>;

Eigen::Map<const Vector3>
View(const VectorType & vector)
{
  return Eigen::Map<const Vector3>(vector.data());
}

Eigen::Map<const Matrix3>
View(const MatrixType & matrix)
{
  return Eigen::Map<const Matrix3>(matrix.front().data());
}

VectorType
ToArray(const Vector3 & vector)
{
  return { { vector[0], vector[1], vector[2] } };
}

Matrix3
Inverse(const Matrix3 & matrix)
{
  // Of columns of length 1, so that a small spacing is none.
  const double determinant = matrix.colwise().normalized().determinant();
  if (!(std::abs(determinant) > 1e-12))
  {
    itkSamExceptionMacro("the image's direction is singular (determinant " << determinant << ")");
  }
  return matrix.inverse();
}

/** Index to physical: direction with its columns scaled by the spacing. */
Matrix3
ScaledDirection(const SamGrid & grid)
{
  return View(grid.direction) * View(grid.spacing).asDiagonal();
}

SamAffine
ToAffine(const Matrix3 & matrix, const Vector3 & offset)
{
  SamAffine affine;
  Eigen::Map<Matrix3>(affine.matrix.front().data()) = matrix;
  affine.offset = ToArray(offset);
  return affine;
}

SamAffine
IndexToIndex(const SamGrid & from, const SamGrid & to)
{
  const Matrix3 inverse = Inverse(ScaledDirection(to));
  return ToAffine(inverse * ScaledDirection(from), inverse * (View(from.origin) - View(to.origin)));
}

/** The orientation's letters as columns of a direction; false where the stored axes are kept. */
bool
CanonicalDirection(const std::string & word, unsigned int dimension, MatrixType & direction)
{
  if (word == "acquisition")
  {
    return false;
  }
  const std::string        orientation = sam::GetOrientationLetters(word);
  static const std::string letters = "LRPASI";
  MatrixType               result{};
  std::array<bool, 3>      used{};
  for (unsigned int j = 0; j < 3; ++j)
  {
    const size_t position = orientation.size() == 3 ? letters.find(orientation[j]) : std::string::npos;
    if (position == std::string::npos || used[position / 2])
    {
      itkSamExceptionMacro("orientation '" << word << "', expected three of L R P A S I, one per axis, these behind '"
                                           << sam::nearestPrefix << "', or acquisition");
    }
    used[position / 2] = true;
    result[position / 2][j] = position % 2 == 0 ? 1.0 : -1.0;
  }
  if (dimension == 2)
  {
    // The plane of a 2-D image has no third letter.
    if (std::abs(result[2][2]) < 0.5)
    {
      return false;
    }
    result[2][2] = 1.0;
  }
  direction = result;
  return true;
}

/** The image's axis for each column of \a direction: the assignment that agrees best. */
std::array<unsigned int, 3>
NearestAxes(const MatrixType & direction, const MatrixType & imageDirection)
{
  std::array<unsigned int, 3> order{ { 0, 1, 2 } };
  std::array<unsigned int, 3> best = order;
  double                      bestAgreement = -1.0;
  do
  {
    double agreement = 0.0;
    for (unsigned int j = 0; j < 3; ++j)
    {
      agreement += std::abs(View(direction).col(j).dot(View(imageDirection).col(order[j])));
    }
    // The first of equals, so that stored axes win.
    if (agreement > bestAgreement + 1e-9)
    {
      bestAgreement = agreement;
      best = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

/** A position that is a voxel but for rounding becomes that voxel. */
double
Snap(double position)
{
  const double nearest = std::round(position);
  return std::abs(position - nearest) < indexTolerance ? nearest : position;
}

double
RoundHalfUp(double value)
{
  // Ties differ in the last bit with the order of the image's axes.
  return std::floor(value + 0.5 + indexTolerance);
}

/** One voxel outside the spline has the border voxel's value, which is repeated from there on. */
double
ClampToSpline(double position, IndexValueType last)
{
  return std::min(std::max(position, -1.0), static_cast<double>(last) + 1.0);
}

/** Taps of a linear sample at \a position among voxels 0 to \a last, border repeated. */
template <typename TAdd>
void
AddLinear(double position, IndexValueType last, const TAdd & add)
{
  const double clamped = std::min(std::max(Snap(position), 0.0), static_cast<double>(last));
  const double first = std::floor(clamped);
  const double fraction = clamped - first;
  const auto   index = static_cast<IndexValueType>(first);
  if (fraction == 0.0)
  {
    add(index, 1.0);
  }
  else
  {
    add(index, 1.0 - fraction);
    add(index + 1, fraction);
  }
}

/** Taps of the nearest of voxels 0 to \a last. */
template <typename TAdd>
void
AddNearest(double position, IndexValueType last, const TAdd & add)
{
  add(static_cast<IndexValueType>(RoundHalfUp(std::min(std::max(position, 0.0), static_cast<double>(last)))), 1.0);
}

/** Taps of \a weights of consecutive voxels from \a first on, border repeated. */
template <typename TAdd>
void
AddWeights(const std::vector<double> & weights, IndexValueType first, IndexValueType last, const TAdd & add)
{
  const auto clamp = [last](IndexValueType index) { return std::min(std::max(index, IndexValueType{ 0 }), last); };
  double     sum = 0.0;
  for (size_t k = 0; k < weights.size(); ++k)
  {
    const IndexValueType index = first + static_cast<IndexValueType>(k);
    sum += weights[k];
    if (k + 1 == weights.size() || clamp(index) != clamp(index + 1))
    {
      add(clamp(index), sum);
      sum = 0.0;
    }
  }
}

/** Taps of the cubic spline at \a position among voxels 0 to \a last, border repeated. What a coefficient is made of
 * ends at splineReach, so that a sample does not depend on which other ones are asked for, as with the recursion of
 * itk::BSplineDecompositionImageFilter over the image's lines. */
template <typename TAdd>
void
AddCubic(double position, IndexValueType last, const TAdd & add)
{
  const double clamped = ClampToSpline(Snap(position), last);
  const double first = std::floor(clamped);
  const auto   index = static_cast<IndexValueType>(first);
  if (clamped == first)
  {
    add(std::min(std::max(index, IndexValueType{ 0 }), last), 1.0);
    return;
  }
  AddWeights(sam::SplineWeights(clamped - first, sam::splineReach), index - 1 - sam::splineReach, last, add);
}

/** Taps of the mean over \a width voxels around \a position, border repeated. */
template <typename TAdd>
void
AddMean(double position, double width, IndexValueType last, const TAdd & add)
{
  const double low = Snap(position - 0.5 * width + 0.5) - 0.5;
  const double high = Snap(position + 0.5 * width + 0.5) - 0.5;
  const auto   clamp = [last](double index) {
    return std::min(std::max(static_cast<IndexValueType>(index), IndexValueType{ 0 }), last);
  };
  double weight = 0.0;
  for (double voxel = std::floor(low + 0.5); voxel - 0.5 < high; voxel += 1.0)
  {
    weight += std::min(high, voxel + 0.5) - std::max(low, voxel - 0.5);
    if (voxel + 0.5 >= high || clamp(voxel) != clamp(voxel + 1.0))
    {
      add(clamp(voxel), weight / width);
      weight = 0.0;
    }
  }
}

void
PrintBox(std::ostream & os, const VectorType & low, const VectorType & high, unsigned int dimension)
{
  for (unsigned int i = 0; i < dimension; ++i)
  {
    os << (i == 0 ? "" : " x ") << low[i] << " to " << high[i];
  }
}

/** Smallest and largest value of an affine map over a box that is enlarged by half a voxel. */
std::pair<VectorType, VectorType>
Bounds(const SamAffine & affine, const SamIndexBox & box)
{
  VectorType center{};
  for (unsigned int j = 0; j < 3; ++j)
  {
    center[j] = static_cast<double>(box.start[j]) + 0.5 * (static_cast<double>(box.size[j]) - 1.0);
  }
  VectorType low = affine(center);
  VectorType high = low;
  for (unsigned int i = 0; i < 3; ++i)
  {
    for (unsigned int j = 0; j < 3; ++j)
    {
      const double reach = std::abs(affine.matrix[i][j]) * 0.5 * static_cast<double>(box.size[j]);
      low[i] -= reach;
      high[i] += reach;
    }
  }
  return { low, high };
}
} // namespace

SamIndexBox
SamIndexBox::Intersect(const SamIndexBox & other) const
{
  SamIndexBox common;
  for (unsigned int i = 0; i < 3; ++i)
  {
    const auto end = std::min(start[i] + static_cast<IndexValueType>(size[i]),
                              other.start[i] + static_cast<IndexValueType>(other.size[i]));
    common.start[i] = std::max(start[i], other.start[i]);
    common.size[i] = static_cast<SizeValueType>(std::max<IndexValueType>(0, end - common.start[i]));
  }
  return common;
}

VectorType
SamGrid::ToPhysical(const VectorType & index) const
{
  return ToArray(ScaledDirection(*this) * View(index) + View(origin));
}

VectorType
SamGrid::ToIndex(const VectorType & point) const
{
  return ToArray(Inverse(ScaledDirection(*this)) * (View(point) - View(origin)));
}

std::pair<VectorType, VectorType>
SamGrid::GetBounds() const
{
  return Bounds(ToAffine(ScaledDirection(*this), View(origin)), box);
}

void
SamGrid::CheckSame(const SamGrid & expected, const std::string & what) const
{
  if (const auto difference = this->FindDifference(expected); !difference.empty())
  {
    itkSamExceptionMacro(what << ": " << difference);
  }
}

std::string
SamGrid::FindDifference(const SamGrid & expected) const
{
  constexpr double tolerance = 1e-2; // voxels
  if (box.size != expected.box.size)
  {
    const auto print = [this](const SamIndexBox & printed) {
      std::string text;
      for (unsigned int i = 0; i < dimension; ++i)
      {
        text += (i == 0 ? "" : "x") + std::to_string(printed.size[i]);
      }
      return text;
    };
    return "size " + print(box) + ", expected " + print(expected.box);
  }
  for (unsigned int corner = 0; corner < 1u << dimension; ++corner)
  {
    VectorType index{};
    VectorType expectedIndex{};
    for (unsigned int i = 0; i < dimension; ++i)
    {
      const double offset = ((corner >> i) & 1u) != 0 ? static_cast<double>(box.size[i]) : 0.0;
      index[i] = static_cast<double>(box.start[i]) + offset;
      expectedIndex[i] = static_cast<double>(expected.box.start[i]) + offset;
    }
    const VectorType point = ToPhysical(index);
    const VectorType found = expected.ToIndex(point);
    for (unsigned int i = 0; i < dimension; ++i)
    {
      if (!(std::abs(found[i] - expectedIndex[i]) <= tolerance))
      {
        return "a corner lies at " + ToText(point, dimension) + " mm, expected " +
               ToText(expected.ToPhysical(expectedIndex), dimension);
      }
    }
  }
  return {};
}

std::string
SamGrid::ToText(const VectorType & point, unsigned int dimension)
{
  std::ostringstream text;
  for (unsigned int i = 0; i < dimension; ++i)
  {
    text << (i == 0 ? "(" : ", ") << point[i];
  }
  return text.str() + ")";
}

SamAxes
SamGrid::FindAxes(const std::string & orientation) const
{
  SamAxes    axes;
  MatrixType wanted{};
  if (CanonicalDirection(orientation, dimension, wanted))
  {
    axes.axis = NearestAxes(wanted, direction);
    for (unsigned int j = 0; j < 3; ++j)
    {
      axes.flip[j] = View(wanted).col(j).dot(View(direction).col(axes.axis[j])) < 0.0;
    }
  }
  return axes;
}

SamGrid
SamGrid::ToTokens(SizeValueType patch) const
{
  SamGrid    tokens = *this;
  const auto length = static_cast<double>(patch);
  VectorType first{};
  for (unsigned int i = 0; i < 3; ++i)
  {
    first[i] = static_cast<double>(box.start[i]);
    tokens.box.start[i] = 0;
    if (i < 2)
    {
      first[i] += 0.5 * (length - 1.0);
      tokens.spacing[i] *= length;
      tokens.box.size[i] = (box.size[i] + patch - 1) / patch;
    }
  }
  tokens.origin = this->ToPhysical(first);
  return tokens;
}

SamGrid
SamGrid::ToVoxels(SizeValueType patch) const
{
  SamGrid    voxels = *this;
  const auto length = static_cast<double>(patch);
  VectorType first{};
  for (unsigned int i = 0; i < 3; ++i)
  {
    first[i] = static_cast<double>(box.start[i]);
    voxels.box.start[i] = 0;
    if (i < 2)
    {
      first[i] -= 0.5 * (length - 1.0) / length;
      voxels.spacing[i] /= length;
      voxels.box.size[i] *= patch;
    }
  }
  voxels.origin = this->ToPhysical(first);
  return voxels;
}

SamLattice::SamLattice(const SamGrid &           image,
                       const std::string &       orientation,
                       const VectorType &        spacing,
                       const StretchedSizeType & stretched,
                       const std::string &       interpolation)
  : m_Image(image)
  , m_TakesMeans(interpolation == "linear" || interpolation == "cubic")
{
  const auto & words = sam::GetInterpolationWords();
  if (std::find(words.begin(), words.end(), interpolation) == words.end())
  {
    itkSamExceptionMacro("interpolation '" << interpolation << "', expected linear, nearest, cubic or nnunet");
  }
  m_Grid.dimension = image.dimension;
  for (unsigned int i = 0; i < image.dimension; ++i)
  {
    if (image.box.size[i] == 0)
    {
      itkSamExceptionMacro("the image has no voxels");
    }
    if (!(spacing[i] >= 0.0) || !std::isfinite(spacing[i]))
    {
      itkSamExceptionMacro("spacing " << spacing[i] << " mm, expected a positive number, or 0 for the image's own");
    }
  }
  if (CanonicalDirection(orientation, image.dimension, m_Grid.direction))
  {
    m_ImageAxis = NearestAxes(m_Grid.direction, image.direction);
    for (unsigned int j = 0; j < 3 && sam::KeepsObliqueAxes(orientation); ++j)
    {
      const Vector3 own = View(image.direction).col(m_ImageAxis[j]);
      const double  sign = View(m_Grid.direction).col(j).dot(own) < 0.0 ? -1.0 : 1.0;
      for (unsigned int i = 0; i < 3; ++i)
      {
        m_Grid.direction[i][j] = sign * own[i];
      }
    }
  }
  else
  {
    m_Grid.direction = image.direction;
  }

  // Columns of the image's direction in the lattice's frame: entries 0, 1 and −1 where the axes are the same.
  const Matrix3 columns = Inverse(View(m_Grid.direction)) * View(image.direction);
  for (unsigned int j = 0; j < 3; ++j)
  {
    for (unsigned int k = 0; k < 3; ++k)
    {
      const double product = columns(j, m_ImageAxis[k]);
      m_IsAligned = m_IsAligned && std::abs(std::abs(product) - (j == k ? 1.0 : 0.0)) < directionTolerance;
      if (j == k)
      {
        m_Flip[j] = product < 0.0;
      }
    }
  }

  VectorType imageCenter{};
  for (unsigned int i = 0; i < 3; ++i)
  {
    imageCenter[i] = static_cast<double>(image.box.start[i]) + 0.5 * (static_cast<double>(image.box.size[i]) - 1.0);
  }
  VectorType latticeCenter{};
  for (unsigned int j = 0; j < image.dimension; ++j)
  {
    const unsigned int axis = m_ImageAxis[j];
    const double       own = image.spacing[axis];
    double             extent = static_cast<double>(image.box.size[axis]) * own;
    if (!m_IsAligned)
    {
      extent = 0.0;
      for (unsigned int i = 0; i < 3; ++i)
      {
        const double product = View(m_Grid.direction).col(j).dot(View(image.direction).col(i));
        extent +=
          std::abs(product) * image.spacing[i] * (i < image.dimension ? static_cast<double>(image.box.size[i]) : 0.0);
      }
    }
    const bool   isStretched = stretched[j] > 0;
    const double wanted = isStretched ? extent / static_cast<double>(stretched[j]) : spacing[j];
    const bool   agrees = wanted == 0.0 || std::abs(wanted - own) <= spacingTolerance * own;
    m_Grid.spacing[j] = agrees ? own : wanted;
    double count = 0.0;
    if (m_IsAligned)
    {
      count = RoundHalfUp(extent / m_Grid.spacing[j]);
    }
    else
    {
      count = std::ceil(extent / m_Grid.spacing[j] - indexTolerance);
      const double ratio = m_Grid.spacing[j] / own;
      m_Subsamples[j] = m_TakesMeans && ratio > averagingThreshold ? static_cast<unsigned int>(std::ceil(ratio)) : 1;
    }
    m_Grid.box.size[j] = isStretched ? stretched[j] : static_cast<SizeValueType>(std::max(1.0, count));
    latticeCenter[j] = 0.5 * (static_cast<double>(m_Grid.box.size[j]) - 1.0);
  }
  if (interpolation != "linear")
  {
    std::fill_n(m_Kernel.begin(), image.dimension, interpolation == "nearest" ? Kernel::Nearest : Kernel::Cubic);
  }
  VectorType newSpacing{};
  for (unsigned int j = 0; j < 3; ++j)
  {
    newSpacing[m_ImageAxis[j]] = m_Grid.spacing[j];
  }
  if (const auto axis = sam::FindCoarseAxis(image.spacing, newSpacing);
      interpolation == "nnunet" && image.dimension == 3 && axis)
  {
    m_SliceAxis = static_cast<unsigned int>(*axis);
    m_Kernel[*axis] = Kernel::Nearest;
  }
  const VectorType center = image.ToPhysical(imageCenter);
  m_Grid.origin = ToArray(View(center) - ScaledDirection(m_Grid) * View(latticeCenter));
  m_LatticeToImage = IndexToIndex(m_Grid, m_Image);
  m_ImageToLattice = IndexToIndex(m_Image, m_Grid);
}

SamIndexBox
SamLattice::FindBox(const VectorType & center, const VectorType & size) const
{
  const unsigned int dimension = m_Grid.dimension;
  const Matrix3      inverse = Inverse(ScaledDirection(m_Grid));
  for (unsigned int i = 0; i < dimension; ++i)
  {
    if (!(size[i] > 0.0) || !std::isfinite(size[i]) || !std::isfinite(center[i]))
    {
      itkSamExceptionMacro("region of interest with center " << center[i] << " mm and size " << size[i]
                                                             << " mm, expected finite numbers and a positive size");
    }
  }
  const VectorType middle = m_Grid.ToIndex(center);
  SamIndexBox      box;
  bool             overlaps = true;
  for (unsigned int j = 0; j < dimension; ++j)
  {
    double extent = 0.0; // voxels
    for (unsigned int i = 0; i < dimension; ++i)
    {
      extent += std::abs(inverse(j, i)) * size[i];
    }
    const auto   whole = static_cast<double>(m_Grid.box.size[j]);
    const double start = RoundHalfUp(middle[j] + 0.5 - 0.5 * extent);
    const double end = start + std::max(1.0, RoundHalfUp(extent));
    overlaps = overlaps && start < whole && end > 0.0;
    const double first = std::max(start, -whole);
    box.start[j] = static_cast<IndexValueType>(std::min(first, whole));
    box.size[j] = static_cast<SizeValueType>(std::max(1.0, std::min(end, 2.0 * whole) - first));
  }
  if (!overlaps)
  {
    const auto bounds = m_Grid.GetBounds();
    VectorType low{};
    VectorType high{};
    for (unsigned int i = 0; i < dimension; ++i)
    {
      low[i] = center[i] - 0.5 * size[i];
      high[i] = center[i] + 0.5 * size[i];
    }
    std::ostringstream message;
    message << "the region of interest (";
    PrintBox(message, low, high, dimension);
    message << " mm) lies outside of the image (";
    PrintBox(message, bounds.first, bounds.second, dimension);
    message << " mm)";
    itkSamExceptionMacro(message.str());
  }
  return box;
}

SamIndexBox
SamLattice::GetImageBox(const SamIndexBox & box) const
{
  SamIndexBox result = m_Image.box;
  const auto  set = [&](unsigned int axis, double low, double high) {
    const IndexValueType first = m_Image.box.start[axis];
    const IndexValueType last = first + static_cast<IndexValueType>(m_Image.box.size[axis]) - 1;
    const auto           clamp = [first, last](double index) {
      return static_cast<IndexValueType>(
        std::min(std::max(index, static_cast<double>(first)), static_cast<double>(last)));
    };
    result.start[axis] = clamp(std::floor(low));
    result.size[axis] = static_cast<SizeValueType>(clamp(std::ceil(high)) - result.start[axis] + 1);
  };
  if (m_IsAligned)
  {
    for (unsigned int j = 0; j < m_Grid.dimension; ++j)
    {
      const auto taps = this->GetImageTaps(j, box);
      const auto range = std::minmax_element(taps.index.begin(), taps.index.end());
      set(m_ImageAxis[j], static_cast<double>(*range.first), static_cast<double>(*range.second));
    }
  }
  else
  {
    const SamIndexBox needed = this->GetCoefficientBox(box);
    for (unsigned int i = 0; i < m_Grid.dimension; ++i)
    {
      const auto reach = static_cast<double>(m_Kernel[i] == Kernel::Cubic ? sam::splineReach : 0);
      const auto low = static_cast<double>(needed.start[i]);
      set(i, low - reach, low + static_cast<double>(needed.size[i]) - 1.0 + reach);
    }
  }
  return result;
}

bool
SamLattice::IsCubic() const
{
  return std::find(m_Kernel.begin(), m_Kernel.end(), Kernel::Cubic) != m_Kernel.end();
}

bool
SamLattice::IsAveraging(unsigned int axis) const
{
  return m_TakesMeans && m_Grid.spacing[axis] / m_Image.spacing[m_ImageAxis[axis]] > averagingThreshold;
}

SamIndexBox
SamLattice::GetCoefficientBox(const SamIndexBox & box) const
{
  SamIndexBox result = m_Image.box;
  const auto  bounds = Bounds(m_LatticeToImage, box);
  for (unsigned int i = 0; i < m_Grid.dimension; ++i)
  {
    const auto   first = static_cast<double>(m_Image.box.start[i]);
    const double last = first + static_cast<double>(m_Image.box.size[i]) - 1.0;
    const double margin = m_Kernel[i] == Kernel::Cubic ? 1.0 : 0.0;
    const auto   clamp = [&](double index) { return std::min(std::max(index, first - margin), last + margin); };
    const double low = std::floor(clamp(bounds.first[i])) - margin;
    const double high = std::ceil(clamp(bounds.second[i])) + margin;
    result.start[i] = static_cast<IndexValueType>(low);
    result.size[i] = static_cast<SizeValueType>(high - low + 1.0);
  }
  return result;
}

SamTaps
SamLattice::GetCoefficientTaps(unsigned int imageAxis, IndexValueType start, SizeValueType size) const
{
  const IndexValueType first = m_Image.box.start[imageAxis];
  const auto           last = static_cast<IndexValueType>(m_Image.box.size[imageAxis]) - 1;
  const auto           half = sam::SplineFilter(sam::splineReach);
  std::vector<double>  filter(half.rbegin(), half.rend());
  filter.insert(filter.end(), half.begin() + 1, half.end());
  SamTaps    taps;
  const auto add = [&](IndexValueType index, double weight) {
    taps.index.push_back(first + index);
    taps.weight.push_back(weight);
  };
  for (SizeValueType k = 0; k < size; ++k)
  {
    const IndexValueType index = start - first + static_cast<IndexValueType>(k);
    if (m_Kernel[imageAxis] == Kernel::Cubic)
    {
      AddWeights(filter, index - sam::splineReach, last, add);
    }
    else
    {
      add(index, 1.0);
    }
    taps.begin.push_back(taps.index.size());
  }
  return taps;
}

SamIndexBox
SamLattice::GetCoveredImageBox(const SamIndexBox & box) const
{
  SamIndexBox result = m_Image.box;
  if (m_IsAligned)
  {
    for (unsigned int j = 0; j < m_Grid.dimension; ++j)
    {
      const auto         taps = this->GetLatticeTaps(j, m_Image.box, box);
      const auto         first = std::find(taps.inside.begin(), taps.inside.end(), 1);
      const auto         last = std::find(taps.inside.rbegin(), taps.inside.rend(), 1);
      const unsigned int axis = m_ImageAxis[j];
      result.start[axis] += first - taps.inside.begin();
      result.size[axis] = first == taps.inside.end() ? 0 : static_cast<SizeValueType>(last.base() - first);
    }
    return result;
  }
  // Edges at the lattice's border are open, but there is nothing of the image behind them.
  const auto bounds = Bounds(m_LatticeToImage, box);
  for (unsigned int i = 0; i < m_Grid.dimension; ++i)
  {
    const auto first = static_cast<double>(m_Image.box.start[i]);
    const auto last = first + static_cast<double>(m_Image.box.size[i]) - 1.0;
    const auto low = std::min(std::max(std::floor(bounds.first[i]), first), last);
    const auto high = std::max(std::min(std::ceil(bounds.second[i]), last), low);
    result.start[i] = static_cast<IndexValueType>(low);
    result.size[i] = static_cast<SizeValueType>(high - low + 1.0);
  }
  return result;
}

SamIndexBox
SamLattice::GetLatticeBox(const SamIndexBox & imageBox, const SamIndexBox & box) const
{
  SamIndexBox result = box;
  const auto  bounds = Bounds(m_ImageToLattice, imageBox);
  for (unsigned int j = 0; j < m_Grid.dimension; ++j)
  {
    const auto last = static_cast<double>(box.size[j]) - 1.0;
    double     low = std::floor(bounds.first[j]) - static_cast<double>(box.start[j]);
    double     high = std::ceil(bounds.second[j]) - static_cast<double>(box.start[j]);
    if (m_IsAligned)
    {
      const auto taps = this->GetLatticeTaps(j, imageBox, box);
      const auto range = std::minmax_element(taps.index.begin(), taps.index.end());
      low = static_cast<double>(*range.first);
      high = static_cast<double>(*range.second);
    }
    low = std::min(std::max(low, 0.0), last);
    high = std::min(std::max(high, low), last);
    result.start[j] += static_cast<IndexValueType>(low);
    result.size[j] = static_cast<SizeValueType>(high - low + 1.0);
  }
  return result;
}

std::vector<SamIndexBox>
SamLattice::Divide(const SamIndexBox & box, SizeValueType imageVoxels) const
{
  const bool         isFlat = box.size[2] == 1;
  const unsigned int axis = isFlat || m_ImageAxis[1] > m_ImageAxis[2] ? 1 : 2;
  const double       perLayer = static_cast<double>(this->GetImageBox(box).GetNumberOfVoxels()) /
                          static_cast<double>(std::max<SizeValueType>(1, box.size[axis]));
  const auto               layers = static_cast<SizeValueType>(static_cast<double>(imageVoxels) / perLayer);
  const SizeValueType      thickness = std::min(std::max<SizeValueType>(1, layers), box.size[axis]);
  std::vector<SamIndexBox> parts;
  for (SizeValueType first = 0; first < box.size[axis]; first += thickness)
  {
    parts.push_back(box);
    parts.back().start[axis] += static_cast<IndexValueType>(first);
    parts.back().size[axis] = std::min(thickness, box.size[axis] - first);
  }
  return parts;
}

SamTaps
SamLattice::GetImageTaps(unsigned int axis, const SamIndexBox & box) const
{
  const unsigned int imageAxis = m_ImageAxis[axis];
  const auto         last = static_cast<IndexValueType>(m_Image.box.size[imageAxis]) - 1;
  const double       ratio = m_Grid.spacing[axis] / m_Image.spacing[imageAxis];
  const double       latticeMiddle = 0.5 * (static_cast<double>(m_Grid.box.size[axis]) - 1.0);
  const double       imageMiddle = 0.5 * static_cast<double>(last);
  const Kernel       kernel = m_Kernel[imageAxis];
  SamTaps            taps;
  const auto         add = [&](IndexValueType index, double weight) {
    taps.index.push_back(m_Image.box.start[imageAxis] + (m_Flip[axis] ? last - index : index));
    taps.weight.push_back(weight);
  };
  for (SizeValueType k = 0; k < box.size[axis]; ++k)
  {
    // Along the lattice's axis, so that a flipped image gives the same weights in the same order.
    const double position =
      (static_cast<double>(box.start[axis]) + static_cast<double>(k) - latticeMiddle) * ratio + imageMiddle;
    if (this->IsAveraging(axis))
    {
      AddMean(position, ratio, last, add);
    }
    else if (kernel == Kernel::Linear)
    {
      AddLinear(position, last, add);
    }
    else
    {
      kernel == Kernel::Cubic ? AddCubic(position, last, add) : AddNearest(position, last, add);
    }
    taps.inside.push_back(position >= -0.5 - indexTolerance &&
                          position <= static_cast<double>(last) + 0.5 + indexTolerance);
    taps.begin.push_back(taps.index.size());
  }
  return taps;
}

SamTaps
SamLattice::GetLatticeTaps(unsigned int axis, const SamIndexBox & imageBox, const SamIndexBox & box) const
{
  const unsigned int imageAxis = m_ImageAxis[axis];
  const auto         imageLast = static_cast<IndexValueType>(m_Image.box.size[imageAxis]) - 1;
  const double       ratio = m_Image.spacing[imageAxis] / m_Grid.spacing[axis];
  const auto         latticeSize = static_cast<IndexValueType>(m_Grid.box.size[axis]);
  const double       latticeMiddle = 0.5 * static_cast<double>(latticeSize - 1);
  const double       imageMiddle = 0.5 * static_cast<double>(imageLast);
  const auto         size = static_cast<IndexValueType>(box.size[axis]);
  const bool         isOpenBelow = box.start[axis] <= 0;
  const bool         isOpenAbove = box.start[axis] + size >= latticeSize;
  SamTaps            taps;
  const auto         add = [&](IndexValueType index, double weight) {
    taps.index.push_back(index);
    taps.weight.push_back(weight);
  };
  for (SizeValueType k = 0; k < imageBox.size[imageAxis]; ++k)
  {
    const IndexValueType stored =
      imageBox.start[imageAxis] - m_Image.box.start[imageAxis] + static_cast<IndexValueType>(k);
    const IndexValueType along = m_Flip[axis] ? imageLast - stored : stored;
    const double         position =
      Snap((static_cast<double>(along) - imageMiddle) * ratio + latticeMiddle - static_cast<double>(box.start[axis]));
    AddLinear(position, size - 1, add);
    taps.inside.push_back((isOpenBelow || position >= -0.5) &&
                          (isOpenAbove || position < static_cast<double>(size) - 0.5));
    taps.begin.push_back(taps.index.size());
  }
  return taps;
}
} // namespace itk
