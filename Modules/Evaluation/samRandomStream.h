// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRandomStream_h
#define samRandomStream_h

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace sam
{
/** \class RandomStream
 * \brief Random numbers that are the same for the same seed, and can be stopped and resumed.
 *
 * The engine is the standard's 64-bit Mersenne twister; the distributions are our own, because the standard leaves
 * theirs to the library. All that is remembered between calls is the engine's state.
 */
class RandomStream
{
public:
  explicit RandomStream(uint64_t seed = 0);

  /** A stream of its own for item \a index of round \a round: the same whoever asks, in whichever order. */
  static RandomStream
  OfItem(uint64_t seed, uint64_t round, uint64_t index);

  /** 64 random bits, for example to seed another generator. */
  uint64_t
  Bits();

  /** Uniform in [0, 1). */
  double
  Uniform();

  /** Uniform in [lower, upper). */
  double
  Uniform(double lower, double upper);

  /** Mean 0, standard deviation 1. */
  double
  Normal();

  /** Uniform among lower, lower + 1, ..., upper. */
  int64_t
  Integer(int64_t lower, int64_t upper);

  /** True with this probability. */
  bool
  Chance(double probability);

  template <typename T>
  void
  Shuffle(std::vector<T> & values)
  {
    for (size_t k = values.size(); k > 1; --k)
    {
      std::swap(values[k - 1], values[static_cast<size_t>(Integer(0, static_cast<int64_t>(k) - 1))]);
    }
  }

  /** The state as printable text of about 6 kB: after SetState(text) the same numbers follow. */
  std::string
  GetState() const;

  /** \throws Error when the text is not what GetState gave. */
  void
  SetState(const std::string & state);

private:
  std::mt19937_64 m_Engine;
};
} // namespace sam

#endif
