// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSlidingWindow_h
#define itkSamSlidingWindow_h

#include "itkSamLattice.h"
#include "itkSamModel.h"
#include "itkSamTensor.h"

#include <array>
#include <memory>

namespace itk
{
/** \class SamSlidingWindow
 * \brief Where a model's windows lie in a volume, and the blending of their answers on the device.
 *
 * A window that is larger than the volume in-plane reaches over it on both sides, where the border voxels are repeated.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamSlidingWindow
{
public:
  using IndexType = std::array<IndexValueType, 3>;
  using SizeType = std::array<SizeValueType, 3>;

  /** \a size of the volume in voxels x, y, z. */
  SamSlidingWindow(const SamModel * model, const SizeType & size);
  ~SamSlidingWindow();
  SamSlidingWindow(SamSlidingWindow &&) noexcept;
  SamSlidingWindow &
  operator=(SamSlidingWindow &&) noexcept;

  /** Only the voxels of \a part, counted from the volume's first, are of interest: the windows that touch it remain,
   * where they were. To be called before anything else. */
  void
  Restrict(const SamIndexBox & part);

  /** What the windows are made of, counted from the volume's first voxel: the whole volume, unless restricted. */
  SamIndexBox
  GetSource() const;

  SizeValueType
  GetNumberOfWindows() const;

  /** Voxels of each window. */
  SizeType
  GetWindowSize() const;

  /** First voxel of a window; negative where it reaches over the volume. */
  IndexType
  GetStart(SizeValueType window) const;

  /** Where a window of a volume on this grid lies. */
  SamGrid
  GetGrid(const SamGrid & volume, SizeValueType window) const;

  /** A window of the source C×D×H×W. */
  SamTensor
  Extract(const SamTensor & source, SizeValueType window) const;

  /** Blend in the answer K×D×H×W of a window. */
  void
  Add(const SamTensor & answer, SizeValueType window);

  /** The blended slices K×D×H×W that no window after \a window touches and that were not taken so far; empty when
   * there are none. Windows are to be added in their order. */
  SamTensor
  TakeBlended(SizeValueType window);

private:
  struct Implementation;
  std::unique_ptr<Implementation> m_Implementation;
};
} // namespace itk

#endif
