// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamLattice_h
#define itkSamLattice_h

#include "SegmentAnythingExport.h"

#include "itkImageBase.h"
#include "itkIntTypes.h"

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace itk
{
/** \class SamIndexBox
 * \brief A box of voxels, ITK's order x, y, z; a 2-D box has one slice.
 * \ingroup SegmentAnything
 */
struct SamIndexBox
{
  std::array<IndexValueType, 3> start{ { 0, 0, 0 } };
  std::array<SizeValueType, 3>  size{ { 1, 1, 1 } };

  template <unsigned int VDimension>
  ImageRegion<VDimension>
  ToRegion() const
  {
    ImageRegion<VDimension> region;
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      region.SetIndex(i, start[i]);
      region.SetSize(i, size[i]);
    }
    return region;
  }

  SizeValueType
  GetNumberOfVoxels() const
  {
    return size[0] * size[1] * size[2];
  }

  /** What both have in common; of size 0 along an axis where there is nothing. */
  SegmentAnything_EXPORT SamIndexBox
  Intersect(const SamIndexBox & other) const;

  /** The same box, its start moved by \a sign times the start of another one. */
  SamIndexBox
  Shifted(const SamIndexBox & other, int sign) const
  {
    SamIndexBox shifted = *this;
    for (unsigned int i = 0; i < 3; ++i)
    {
      shifted.start[i] += sign * other.start[i];
    }
    return shifted;
  }

  template <unsigned int VDimension>
  static SamIndexBox
  FromRegion(const ImageRegion<VDimension> & region)
  {
    SamIndexBox box;
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      box.start[i] = region.GetIndex(i);
      box.size[i] = region.GetSize(i);
    }
    return box;
  }
};

/** \class SamAxes
 * \brief Which axis of an image runs along each axis of an orientation, and whether against it.
 * \ingroup SegmentAnything
 */
struct SamAxes
{
  std::array<unsigned int, 3> axis{ { 0, 1, 2 } };
  std::array<bool, 3>         flip{ { false, false, false } };
};

/** \class SamGrid
 * \brief Where an image's voxels lie, without its type. The third axis of a 2-D image has one voxel of 1 mm.
 * \ingroup SegmentAnything
 */
struct SamGrid
{
  using VectorType = std::array<double, 3>;
  using MatrixType = std::array<VectorType, 3>;

  unsigned int dimension{ 3 };
  SamIndexBox  box;
  VectorType   spacing{ { 1.0, 1.0, 1.0 } }; ///< mm
  VectorType   origin{ { 0.0, 0.0, 0.0 } };  ///< mm, the voxel with index 0
  MatrixType   direction{ { { { 1.0, 0.0, 0.0 } }, { { 0.0, 1.0, 0.0 } }, { { 0.0, 0.0, 1.0 } } } }; ///< rows

  /** The largest possible region of an image. */
  template <unsigned int VDimension>
  static SamGrid
  FromImage(const ImageBase<VDimension> * image)
  {
    static_assert(VDimension == 2 || VDimension == 3, "images of two or three dimensions");
    SamGrid grid;
    grid.dimension = VDimension;
    grid.box = SamIndexBox::FromRegion(image->GetLargestPossibleRegion());
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      grid.spacing[i] = image->GetSpacing()[i];
      grid.origin[i] = image->GetOrigin()[i];
      for (unsigned int j = 0; j < VDimension; ++j)
      {
        grid.direction[i][j] = image->GetDirection()(i, j);
      }
    }
    return grid;
  }

  /** Give an image this geometry, the box as its largest possible region. */
  template <unsigned int VDimension>
  void
  CopyTo(ImageBase<VDimension> * image) const
  {
    typename ImageBase<VDimension>::SpacingType   imageSpacing;
    typename ImageBase<VDimension>::PointType     imageOrigin;
    typename ImageBase<VDimension>::DirectionType imageDirection;
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      imageSpacing[i] = spacing[i];
      imageOrigin[i] = origin[i];
      for (unsigned int j = 0; j < VDimension; ++j)
      {
        imageDirection(i, j) = direction[i][j];
      }
    }
    image->SetLargestPossibleRegion(box.ToRegion<VDimension>());
    image->SetSpacing(imageSpacing);
    image->SetOrigin(imageOrigin);
    image->SetDirection(imageDirection);
  }

  /** Physical point, mm, of a continuous index. */
  SegmentAnything_EXPORT VectorType
  ToPhysical(const VectorType & index) const;

  /** Continuous index of a physical point, mm. */
  SegmentAnything_EXPORT VectorType
  ToIndex(const VectorType & point) const;

  /** The smallest box along the physical axes around all voxels, mm: its corners. */
  SegmentAnything_EXPORT std::pair<VectorType, VectorType>
                         GetBounds() const;

  /** How this grid differs from the expected one, by more than a hundredth of a voxel: geometry that went through a
   * file is a little off. Empty where it does not. */
  SegmentAnything_EXPORT std::string
                         FindDifference(const SamGrid & expected) const;

  /** \throws ExceptionObject naming \a what when size or corners differ: see FindDifference(). */
  SegmentAnything_EXPORT void
  CheckSame(const SamGrid & expected, const std::string & what) const;

  /** A point as text: (x, y, z). */
  SegmentAnything_EXPORT static std::string
  ToText(const VectorType & point, unsigned int dimension);

  /** The axes that are nearest to an orientation as of SamLattice ("acquisition": as stored). */
  SegmentAnything_EXPORT SamAxes
  FindAxes(const std::string & orientation) const;

  /** The grid of tokens of \a patch × \a patch voxels: start 0, the origin in the center of the first patch. Voxels
   * beyond the last whole patch make a token too. */
  SegmentAnything_EXPORT SamGrid
  ToTokens(SizeValueType patch) const;

  /** The grid of the voxels of these tokens: start 0, the origin in the first voxel. */
  SegmentAnything_EXPORT SamGrid
  ToVoxels(SizeValueType patch) const;
};

/** \class SamAffine
 * \brief Maps continuous indices: matrix · index + offset.
 * \ingroup SegmentAnything
 */
struct SamAffine
{
  SamGrid::MatrixType matrix;
  SamGrid::VectorType offset;

  SamGrid::VectorType
  operator()(const SamGrid::VectorType & index) const
  {
    SamGrid::VectorType result = offset;
    for (unsigned int i = 0; i < 3; ++i)
    {
      result[i] += matrix[i][0] * index[0] + matrix[i][1] * index[1] + matrix[i][2] * index[2];
    }
    return result;
  }
};

/** \class SamTaps
 * \brief Along one axis: which voxels each sample is made of, and with which weights.
 * \ingroup SegmentAnything
 */
struct SamTaps
{
  std::vector<SizeValueType>  begin{ 0 }; ///< sample k has the taps begin[k] to begin[k + 1] − 1
  std::vector<IndexValueType> index;
  std::vector<double>         weight;
  std::vector<unsigned char>  inside; ///< per sample: it lies inside of what is sampled
};

/** \class SamLattice
 * \brief The grid of a model's voxels over an image, and the way between both.
 *
 * Its axes point where the orientation says: three of L R P A S I, one per axis ("LPS" is ITK's identity direction);
 * behind "nearest ", as in "nearest LPS", the image's own axes, oblique as they may be, in the order and with the signs
 * that bring them nearest to these, so that thick slices are never cut anew; or "acquisition": the image's axes as they
 * are stored. Its spacing is the given one (0: the image's own along that axis) and its center is the center of the
 * image.
 *
 * Along an axis with a *stretched* size the lattice has that number of voxels over the image's extent instead.
 *
 * An image whose axes are the same apart from order and sign (within 1e-4) is *aligned*: the number of voxels is the
 * rounded quotient of its extent and the spacing. Where spacings agree (within 0.1 %) the voxels coincide, so that
 * sampling copies. Positions are computed along the lattice's axes, hence the numbers are the same bit for bit in
 * whichever order the image is stored. An oblique image gets a lattice that covers its bounding box.
 *
 * Sampling repeats the border voxels outside. The *interpolation* is
 * - linear: where the lattice is more than 1.5 times as coarse as the image, the mean over the lattice's voxel is taken
 *   along that axis instead (of sub-samples when oblique);
 * - nearest: the voxel whose center is nearest, of two the later one along the lattice's axis, also where the lattice
 * is coarser;
 * - cubic: the cubic spline through the voxels, limited to the range of the image's values; means as for linear;
 * - nnunet: what nnU-Net does: cubic without means, and nearest along the image's axis that is more than three times as
 *   coarse as another one (or else the lattice's, and only if it is one axis of a volume), whose slices are then
 * limited each to its own range.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamLattice
{
public:
  using VectorType = SamGrid::VectorType;

  /** Voxels along each axis; 0: as the spacing says. */
  using StretchedSizeType = std::array<SizeValueType, 3>;

  /** How the image is read between its voxels along one of its axes. */
  enum class Kernel
  {
    Linear,
    Nearest,
    Cubic
  };

  /** \throws ExceptionObject for an unknown orientation or interpolation, a negative spacing or an image without
   * voxels. */
  SamLattice(const SamGrid &           image,
             const std::string &       orientation,
             const VectorType &        spacing,
             const StretchedSizeType & stretched = { { 0, 0, 0 } },
             const std::string &       interpolation = "linear");

  /** The whole lattice; its box starts at 0. */
  const SamGrid &
  GetGrid() const
  {
    return m_Grid;
  }

  const SamGrid &
  GetImageGrid() const
  {
    return m_Image;
  }

  bool
  IsAligned() const
  {
    return m_IsAligned;
  }

  /** The image's axis that runs along an axis of the lattice; the nearest one when oblique. */
  unsigned int
  GetImageAxis(unsigned int axis) const
  {
    return m_ImageAxis[axis];
  }

  /** Along an axis of the image. */
  Kernel
  GetKernel(unsigned int imageAxis) const
  {
    return m_Kernel[imageAxis];
  }

  /** Whether samples are splines along an axis, so that they are limited to the range of the image's values. */
  bool
  IsCubic() const;

  /** The image's axis whose slices are each taken by itself, if there is one. */
  const std::optional<unsigned int> &
  GetSliceAxis() const
  {
    return m_SliceAxis;
  }

  /** The box of voxels that is nearest to a box along the physical axes, \a center and \a size in mm. It may reach over
   * the lattice, by the lattice's own length at most.
   * \throws ExceptionObject when both do not overlap. */
  SamIndexBox
  FindBox(const VectorType & center, const VectorType & size) const;

  /** The image's voxels that samples of the lattice's \a box are made of. */
  SamIndexBox
  GetImageBox(const SamIndexBox & box) const;

  /** Oblique images: the coefficients of the spline that samples of the lattice's \a box are made of, in the image's
   * indices; up to two voxels outside. Along axes that are not cubic these are the voxels. */
  SamIndexBox
  GetCoefficientBox(const SamIndexBox & box) const;

  /** Oblique images: what the coefficients from \a start on along an axis of the image are made of. */
  SamTaps
  GetCoefficientTaps(unsigned int imageAxis, IndexValueType start, SizeValueType size) const;

  /** The image's voxels whose centers may lie in the lattice's \a box. */
  SamIndexBox
  GetCoveredImageBox(const SamIndexBox & box) const;

  /** The voxels of the lattice's \a box that labels in \a imageBox, a part of GetCoveredImageBox(\a box), are made of.
   */
  SamIndexBox
  GetLatticeBox(const SamIndexBox & imageBox, const SamIndexBox & box) const;

  /** Parts of \a box that follow one another and have whole lines along x: slices, or lines of all slices where these
   * lie further apart in the image's buffer. Each needs about \a imageVoxels voxels of the image, or has one slice or
   * line. */
  std::vector<SamIndexBox>
  Divide(const SamIndexBox & box, SizeValueType imageVoxels) const;

  /** Aligned images: samples of the lattice's \a box along its \a axis; taps are indices of the image. */
  SamTaps
  GetImageTaps(unsigned int axis, const SamIndexBox & box) const;

  /** Aligned images: samples of \a imageBox along the image's axis that belongs to \a axis; taps count from the start
   * of the lattice's \a box. */
  SamTaps
  GetLatticeTaps(unsigned int axis, const SamIndexBox & imageBox, const SamIndexBox & box) const;

  /** Continuous index of the lattice to that of the image, and back. */
  const SamAffine &
  GetLatticeToImage() const
  {
    return m_LatticeToImage;
  }
  const SamAffine &
  GetImageToLattice() const
  {
    return m_ImageToLattice;
  }

  /** Oblique images: sub-samples per voxel along each axis of the lattice. */
  const std::array<unsigned int, 3> &
  GetSubsamples() const
  {
    return m_Subsamples;
  }

private:
  /** Whether means are taken along an axis of the lattice. */
  bool
  IsAveraging(unsigned int axis) const;

  SamGrid                     m_Image;
  SamGrid                     m_Grid;
  std::array<Kernel, 3>       m_Kernel{ { Kernel::Linear, Kernel::Linear, Kernel::Linear } };
  std::optional<unsigned int> m_SliceAxis;
  bool                        m_TakesMeans{ true };
  bool                        m_IsAligned{ true };
  std::array<unsigned int, 3> m_ImageAxis{ { 0, 1, 2 } };
  std::array<bool, 3>         m_Flip{ { false, false, false } };
  std::array<unsigned int, 3> m_Subsamples{ { 1, 1, 1 } };
  SamAffine                   m_LatticeToImage;
  SamAffine                   m_ImageToLattice;
};
} // namespace itk

#endif
