// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samScoreTile.h"

#include "samProcessorVariants.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace sam
{
namespace
{
#if defined(__GNUC__)
// Vectors as a language extension: the compiler splits them to what the processor has.
template <int VLanes>
struct LaneTypes;
template <>
struct LaneTypes<8>
{
  using Floats = float __attribute__((vector_size(32)));
  using Integers = int32_t __attribute__((vector_size(32)));
};
template <>
struct LaneTypes<16>
{
  using Floats = float __attribute__((vector_size(64)));
  using Integers = int32_t __attribute__((vector_size(64)));
};

template <typename TVector>
SAM_INLINE TVector
Load(const float * values)
{
  TVector lanes;
  std::memcpy(&lanes, values, sizeof(lanes));
  return lanes;
}

template <typename TVector>
SAM_INLINE void
Store(const TVector & lanes, float * values)
{
  std::memcpy(values, &lanes, sizeof(lanes));
}

/** exp(x) for x ≤ 0 within 2 units in the last place: 2^n · p(x − n · log 2), p of degree 6 (Cephes' coefficients). */
template <int VLanes>
SAM_INLINE typename LaneTypes<VLanes>::Floats
Exponential(typename LaneTypes<VLanes>::Floats x)
{
  using Floats = typename LaneTypes<VLanes>::Floats;
  using Integers = typename LaneTypes<VLanes>::Integers;
  constexpr float shift = 12582912.0F; // 1.5 · 2^23: adding it rounds to an integer in the lowest bits
  x = x < -87.0F ? Floats{} - 87.0F : x;
  const Floats shifted = x * 1.44269504088896341F + shift;
  const Floats n = shifted - shift;
  const Floats r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  Floats       p = Floats{} + 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  return (Floats)((Integers)p + ((Integers)shifted << 23));
}

template <int VLanes>
SAM_INLINE void
ExponentiateRows(const ScoreTile & tile, float * maximum, float * sum, float * correction)
{
  using Floats = typename LaneTypes<VLanes>::Floats;
  const int64_t columns = tile.keyRows * tile.width;
  for (int64_t q = 0; q < tile.queries; ++q)
  {
    float * const       scores = tile.scores + q * columns;
    const float * const rowTerms = tile.rowTerms[q];
    const float * const columnTerms = tile.columnTerms[q];
    Floats              largest = Floats{} + maximum[q];
    for (int64_t r = 0; r < tile.keyRows; ++r)
    {
      const float rowTerm = rowTerms[r];
      for (int64_t k = 0; k < tile.width; k += VLanes)
      {
        float * const s = scores + r * tile.width + k;
        const Floats  term = Load<Floats>(s) * tile.scale + (Load<Floats>(columnTerms + k) + rowTerm);
        Store(term, s);
        largest = largest < term ? term : largest;
      }
    }
    float newMaximum = largest[0];
    for (int lane = 1; lane < VLanes; ++lane)
    {
      newMaximum = newMaximum < largest[lane] ? largest[lane] : newMaximum;
    }
    Floats sums{};
    for (int64_t k = 0; k < columns; k += VLanes)
    {
      const Floats weight = Exponential<VLanes>(Load<Floats>(scores + k) - newMaximum);
      Store(weight, scores + k);
      sums += weight;
    }
    float total = 0.0F;
    for (int lane = 0; lane < VLanes; ++lane)
    {
      total += sums[lane];
    }
    correction[q] = std::exp(maximum[q] - newMaximum);
    sum[q] = sum[q] * correction[q] + total;
    maximum[q] = newMaximum;
  }
}
#else
template <int VLanes>
void
ExponentiateRows(const ScoreTile & tile, float * maximum, float * sum, float * correction)
{
  const int64_t columns = tile.keyRows * tile.width;
  for (int64_t q = 0; q < tile.queries; ++q)
  {
    float * const scores = tile.scores + q * columns;
    float         newMaximum = maximum[q];
    for (int64_t k = 0; k < columns; ++k)
    {
      scores[k] = scores[k] * tile.scale + (tile.columnTerms[q][k % tile.width] + tile.rowTerms[q][k / tile.width]);
      newMaximum = std::max(newMaximum, scores[k]);
    }
    float total = 0.0F;
    for (int64_t k = 0; k < columns; ++k)
    {
      scores[k] = std::exp(scores[k] - newMaximum);
      total += scores[k];
    }
    correction[q] = std::exp(maximum[q] - newMaximum);
    sum[q] = sum[q] * correction[q] + total;
    maximum[q] = newMaximum;
  }
}
#endif

SAM_PROCESSOR_VARIANTS void
ExponentiateWide(const ScoreTile & tile, float * maximum, float * sum, float * correction)
{
  ExponentiateRows<16>(tile, maximum, sum, correction);
}

SAM_PROCESSOR_VARIANTS void
ExponentiateNarrow(const ScoreTile & tile, float * maximum, float * sum, float * correction)
{
  ExponentiateRows<8>(tile, maximum, sum, correction);
}
} // namespace

void
ExponentiateTile(const ScoreTile & tile, float * maximum, float * sum, float * correction)
{
  tile.width % 16 == 0 ? ExponentiateWide(tile, maximum, sum, correction)
                       : ExponentiateNarrow(tile, maximum, sum, correction);
}
} // namespace sam
