// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samUnet_h
#define samUnet_h

#include "samLayers.h"

#include <array>
#include <utility>
#include <vector>

namespace sam
{
/** Sizes of the two paths of a U-Net (Ronneberger et al., 2015) with instance normalization and leaky rectifiers, as of
 * nnU-Net. Resolutions halve in plane alone, so that any number of slices will do. */
struct UnetOptions
{
  int64_t              inputs{ 1 };
  std::vector<int64_t> widths{};          ///< channels of each resolution, finest first
  int64_t              finestStride{ 1 }; ///< voxels for each feature of the finest resolution and in-plane axis
  int64_t planarLevels{ 0 }; ///< of the finest resolutions, those with 1×3×3 rather than 3×3×3 convolutions
};

/** \class ContractingPath
 * \brief Two convolutions for each resolution, the first of which halves the one before. Names K.convs.0, K.convs.1.
 */
class SegmentAnything_EXPORT ContractingPath
{
public:
  ContractingPath(const Scope & scope, const UnetOptions & options);

  /** The features of each resolution, finest first, of \a x, B×C×D×H×W: B×c×D×H'×W'. */
  std::vector<at::Tensor>
  operator()(at::Tensor x) const;

private:
  std::vector<std::array<ConvolutionUnit, 2>> m_Levels;
};

/** \class ExpandingPath
 * \brief From the coarsest map back to the finest resolution: doubled by a transposed convolution, put beside the
 * features of that resolution, and fused by \a units convolutions. Names K.climb and K.convs.J, K = 0 the finest.
 */
class SegmentAnything_EXPORT ExpandingPath
{
public:
  /** \a coarse channels of the coarsest map; \c widths are those of the features, and of the answer at each
   * resolution. */
  ExpandingPath(const Scope & scope, int64_t coarse, const UnetOptions & options, int64_t units);

  /** \a x is B×coarse×D×h×w, \a features are finest first, each next one half as large, x half of the last one. Answers
   * B×c×D×H'×W' of the finest. */
  at::Tensor
  operator()(at::Tensor x, const std::vector<at::Tensor> & features) const;

private:
  struct Level
  {
    Convolution                  climb;
    std::vector<ConvolutionUnit> units;
  };

  std::vector<Level> m_Levels; ///< finest first
};
} // namespace sam

#endif
