// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samScoreTile_h
#define samScoreTile_h

#include "SegmentAnythingExport.h"

#include <cstdint>

namespace sam
{
/** \class ScoreTile
 * \brief A block of attention scores that stays in the cache: some queries against some rows of a grid of keys.
 *
 * Key k of row r is column r · width + k. The width is a multiple of 8; where the grid is narrower, the column terms of
 * the rest are scoreOfNothing, which makes their weights vanish.
 */
struct ScoreTile
{
  float *               scores;      ///< queries × (keyRows · width), products of queries and keys
  int64_t               queries;     ///< rows of the tile
  int64_t               keyRows;     ///< rows of keys
  int64_t               width;       ///< keys per row
  float                 scale;       ///< factor of the products
  const float * const * rowTerms;    ///< per query: what is added to the keys of each row
  const float * const * columnTerms; ///< per query: what is added to the keys of each column
};

constexpr float scoreOfNothing = -1e30F;

/** One step of the softmax that sees its scores a tile at a time (Milakov and Gimelshein 2018): turns the tile's scores
 * s into exp(scale · s + row term + column term − maximum), where \a maximum of each query is the largest term so far,
 * and keeps \a sum, the sum of all exponentials relative to it. What was accumulated from earlier tiles is to be
 * multiplied by \a correction. Before the first tile \a maximum is scoreOfNothing and \a sum is 0. */
SegmentAnything_EXPORT void
ExponentiateTile(const ScoreTile & tile, float * maximum, float * sum, float * correction);
} // namespace sam

#endif
