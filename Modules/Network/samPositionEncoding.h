// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPositionEncoding_h
#define samPositionEncoding_h

#include "samParameters.h"

#include <array>

namespace sam
{
/** \class PositionEncoding
 * \brief SAM's code of positions: sines and cosines of a random projection of coordinates from 0 to 1.
 *
 * The matrix, positional_encoding_gaussian_matrix, is not trained.
 */
class SegmentAnything_EXPORT PositionEncoding
{
public:
  PositionEncoding() = default;
  PositionEncoding(const Scope & scope, int64_t width);

  /** Coordinates ...×2 (x, y) into codes ...×C. */
  at::Tensor
  operator()(const at::Tensor & coordinates) const;

  /** The codes of the centers of an h×w \a grid, C×h×w, which is the top left part of a \a frame of as many rows and
   * columns. */
  at::Tensor
  OfGrid(const std::array<int64_t, 2> & grid, const std::array<int64_t, 2> & frame) const;

private:
  at::Tensor m_Matrix;
};
} // namespace sam

#endif
