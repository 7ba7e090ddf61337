// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRelativeAttention_h
#define samRelativeAttention_h

#include "samLayers.h"

#include <array>

namespace sam
{
/** \class RelativeAttention
 * \brief Multi-head attention with SAM's decomposed relative positions, over the whole grid or over local windows.
 *
 * Scores are (q·k)/√c + q·rowTable[y − y'] + q·columnTable[x − x'] (masksam §b). Windows start at the top left; those
 * at the far borders are filled with tokens whose features are zero, as the published encoder does after its first
 * norm.
 *
 * Without gradients and on the processor the scores are made tile by tile in the cache and never stored: the peak
 * memory is that of queries, keys and values. Otherwise they are made for a block of query rows at a time.
 */
class SegmentAnything_EXPORT RelativeAttention
{
public:
  /** The tables are made for \a tableGrid (rows, columns), or left out. \a window tokens per axis; 0: the whole grid.
   */
  RelativeAttention(const Scope &                  scope,
                    int64_t                        width,
                    int64_t                        heads,
                    const std::array<int64_t, 2> & tableGrid,
                    int64_t                        window,
                    bool                           hasTables = true);

  /** \a x is B×h×w×C, and so is the answer. */
  at::Tensor
  operator()(const at::Tensor & x) const;

  /** The same plus \a other, in fewer passes over memory. */
  at::Tensor
  Plus(const at::Tensor & x, const at::Tensor & other) const;

  int64_t
  GetWindow() const
  {
    return m_Window;
  }

private:
  /** All but the last projection. */
  at::Tensor
  Attend(const at::Tensor & x) const;

  /** LibTorch's attention on maps B×h×w×C that are attended to as a whole; with gradients, and on any device. */
  at::Tensor
  AttendToGrid(const at::Tensor & x) const;

  /** All heads of all windows in tiles. \a parts is B×h×w×3C. */
  at::Tensor
  AttendInTiles(const at::Tensor & parts) const;

  Linear     m_QueryKeyValue;
  Linear     m_Projection;
  at::Tensor m_RowTable;
  at::Tensor m_ColumnTable;
  int64_t    m_Heads;
  int64_t    m_Window;
};

/** Position differences of \a queries × \a keys tokens looked up in a table, which is stretched linearly when its
 * length is not 2·max(queries, keys)−1. Returns queries×keys×C. */
SegmentAnything_EXPORT at::Tensor
                       RelativePositions(int64_t queries, int64_t keys, const at::Tensor & table);
} // namespace sam

#endif
