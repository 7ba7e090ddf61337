// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRandomStream.h"

#include "samError.h"

#include "itkMath.h"

#include <cmath>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
/** Spreads neighboring numbers over all 64 bits (SplitMix64, Steele et al., OOPSLA 2014). */
uint64_t
Spread(uint64_t value)
{
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}
} // namespace

RandomStream::RandomStream(uint64_t seed)
  : m_Engine(seed)
{}

RandomStream
RandomStream::OfItem(uint64_t seed, uint64_t round, uint64_t index)
{
  return RandomStream(Spread(Spread(Spread(seed) + round) + index));
}

uint64_t
RandomStream::Bits()
{
  return m_Engine();
}

double
RandomStream::Uniform()
{
  // The 53 bits that a double holds.
  return static_cast<double>(m_Engine() >> 11) * 0x1.0p-53;
}

double
RandomStream::Uniform(double lower, double upper)
{
  return lower + (upper - lower) * Uniform();
}

double
RandomStream::Normal()
{
  // Box and Muller; the second value is dropped so that the engine is the whole state.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
  return radius * std::cos(2.0 * itk::Math::pi * Uniform());
}

int64_t
RandomStream::Integer(int64_t lower, int64_t upper)
{
  const uint64_t count = static_cast<uint64_t>(upper) - static_cast<uint64_t>(lower) + 1;
  if (count == 0)
  {
    return static_cast<int64_t>(m_Engine());
  }
  // Draws from the incomplete last block are refused, so that no value is favored.
  const uint64_t limit = std::mt19937_64::max() - (std::mt19937_64::max() % count + 1) % count;
  uint64_t       bits = m_Engine();
  while (bits > limit)
  {
    bits = m_Engine();
  }
  return static_cast<int64_t>(static_cast<uint64_t>(lower) + bits % count);
}

bool
RandomStream::Chance(double probability)
{
  return Uniform() < probability;
}

std::string
RandomStream::GetState() const
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << m_Engine;
  return text.str();
}

void
RandomStream::SetState(const std::string & state)
{
  std::istringstream text(state);
  text.imbue(std::locale::classic());
  std::mt19937_64 engine;
  if (!(text >> engine))
  {
    throw Error("random stream: state of " + std::to_string(state.size()) + " characters is not one that was saved");
  }
  m_Engine = engine;
}
} // namespace sam
