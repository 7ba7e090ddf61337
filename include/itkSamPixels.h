// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPixels_h
#define itkSamPixels_h

#include "itkSamMacro.h"

#include "itkIntTypes.h"
#include "itkNumericTraits.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace itk
{
/** The type of the components of an image's pixels, which lie one after the other in its buffer. */
template <typename TImage>
using SamComponentType = typename NumericTraits<typename TImage::PixelType>::ValueType;

template <typename TImage>
const SamComponentType<TImage> *
SamComponents(const TImage * image)
{
  return reinterpret_cast<const SamComponentType<TImage> *>(image->GetBufferPointer());
}

/** Call \a visit(index, values, count) for each line of a region of a buffered image: \a count components from the
 * pixel
 * \a index on. */
template <typename TImage, typename TVisit>
void
SamVisitLines(const TImage * image, const typename TImage::RegionType & region, const TVisit & visit)
{
  constexpr unsigned int last = TImage::ImageDimension - 1;
  const size_t           components = image->GetNumberOfComponentsPerPixel();
  const size_t           lines = region.GetSize(0) == 0 ? 0 : region.GetNumberOfPixels() / region.GetSize(0);
  auto                   index = region.GetIndex();
  for (size_t line = 0; line < lines; ++line)
  {
    index[1] = region.GetIndex(1) + static_cast<IndexValueType>(line % region.GetSize(1));
    if (last > 1)
    {
      index[last] = region.GetIndex(last) + static_cast<IndexValueType>(line / region.GetSize(1));
    }
    visit(index,
          SamComponents(image) + static_cast<size_t>(image->ComputeOffset(index)) * components,
          region.GetSize(0) * components);
  }
}

/** \throws ExceptionObject when a region holds NaN or infinity, with the first place. */
template <typename TImage>
void
SamCheckFinite(const TImage * image, const typename TImage::RegionType & region)
{
  using ComponentType = SamComponentType<TImage>;
  if constexpr (std::is_floating_point<ComponentType>::value)
  {
    const size_t components = image->GetNumberOfComponentsPerPixel();
    auto         firstIndex = region.GetIndex();
    size_t       found = 0;
    SamVisitLines(image, region, [&](const auto & index, const ComponentType * values, size_t count) {
      for (size_t k = 0; k < count; ++k)
      {
        if (!std::isfinite(values[k]))
        {
          if (found == 0)
          {
            firstIndex = index;
            firstIndex[0] += static_cast<IndexValueType>(k / components);
          }
          ++found;
        }
      }
    });
    if (found > 0)
    {
      itkSamExceptionMacro("the image holds " << found << " NaN or infinite " << (found == 1 ? "value" : "values")
                                              << ", the first at index " << firstIndex << ", expected finite numbers");
    }
  }
}

/** Two quantiles of all components of a buffered image, with linear interpolation between neighbors (numpy.percentile
 * of them as 32-bit floats). Nothing is copied: the values are counted by the upper half of their bits, then by the
 * lower.
 */
template <typename TImage>
std::array<double, 2>
SamQuantiles(const TImage * image, double lower, double upper)
{
  using ComponentType = SamComponentType<TImage>;
  const auto & region = image->GetBufferedRegion();
  const auto   count = region.GetNumberOfPixels() * image->GetNumberOfComponentsPerPixel();
  // Bits whose order as integers is that of the numbers.
  const auto toKey = [](ComponentType value) {
    const auto    number = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &number, sizeof(bits));
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  };
  const auto toNumber = [](std::uint32_t key) {
    const std::uint32_t bits = (key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key;
    float               number = 0.0f;
    std::memcpy(&number, &bits, sizeof(number));
    return static_cast<double>(number);
  };

  struct Rank
  {
    SizeValueType left; ///< values before it, within what was narrowed down so far
    std::uint32_t key{ 0 };
  };
  std::vector<Rank>     ranks;
  std::array<double, 2> positions{ { lower, upper } };
  for (double & position : positions)
  {
    position *= static_cast<double>(count - 1);
    const auto below = static_cast<SizeValueType>(position);
    ranks.push_back({ below });
    ranks.push_back({ std::min<SizeValueType>(below + 1, count - 1) });
  }
  std::vector<std::vector<SizeValueType>> histograms(ranks.size());
  const auto                              narrow = [](Rank & rank, const std::vector<SizeValueType> & histogram) {
    std::uint32_t bin = 0;
    while (rank.left >= histogram[bin])
    {
      rank.left -= histogram[bin++];
    }
    rank.key = rank.key << 16 | bin;
  };
  histograms[0].assign(1 << 16, 0);
  SamVisitLines(image, region, [&](const auto &, const ComponentType * values, size_t number) {
    for (size_t k = 0; k < number; ++k)
    {
      ++histograms[0][toKey(values[k]) >> 16];
    }
  });
  for (auto & rank : ranks)
  {
    narrow(rank, histograms[0]);
  }
  for (auto & histogram : histograms)
  {
    histogram.assign(1 << 16, 0);
  }
  SamVisitLines(image, region, [&](const auto &, const ComponentType * values, size_t number) {
    for (size_t k = 0; k < number; ++k)
    {
      const std::uint32_t key = toKey(values[k]);
      for (size_t r = 0; r < ranks.size(); ++r)
      {
        if (key >> 16 == ranks[r].key)
        {
          ++histograms[r][key & 0xffffu];
        }
      }
    }
  });
  std::array<double, 2> quantiles{};
  for (size_t r = 0; r < ranks.size(); ++r)
  {
    narrow(ranks[r], histograms[r]);
  }
  for (size_t q = 0; q < 2; ++q)
  {
    const double low = toNumber(ranks[2 * q].key);
    const double high = toNumber(ranks[2 * q + 1].key);
    quantiles[q] = low + (high - low) * (positions[q] - std::floor(positions[q]));
  }
  return quantiles;
}
} // namespace itk

#endif
