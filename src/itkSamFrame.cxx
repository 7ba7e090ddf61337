// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamFrame.h"

#include <algorithm>
#include <utility>
#include <vector>

namespace itk
{
namespace
{
constexpr double        blackFraction = 8.0 / 255.0; // of the range of intensities
constexpr double        outlierFraction = 0.001;     // of the pixels at either end, which say nothing about the range
constexpr SizeValueType rareness = 10;               // a line has content where more than one of so many pixels has

/** First and last place, of all that was added. */
struct Span
{
  IndexValueType first{ NumericTraits<IndexValueType>::max() };
  IndexValueType last{ -1 };

  void
  Add(IndexValueType place)
  {
    first = std::min(first, place);
    last = std::max(last, place);
  }
};

/** Smallest and largest value of a component without its outliers: from histograms over ever smaller ranges, of which
 * the last one resolves what is left. */
template <typename TComponent>
std::pair<double, double>
FindRange(const SamComponentBuffer<TComponent> & image, SizeValueType component)
{
  constexpr SizeValueType bins = 4096;
  const SizeValueType     pixels = image.box.GetNumberOfVoxels();
  const auto              visit = [&](const auto & action) {
    for (SizeValueType k = 0; k < pixels; ++k)
    {
      action(static_cast<double>(image.values[k * image.components + component]));
    }
  };
  double low = NumericTraits<double>::max();
  double high = NumericTraits<double>::NonpositiveMin();
  visit([&](double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  });
  const auto outliers = static_cast<SizeValueType>(outlierFraction * static_cast<double>(pixels));
  bool       isResolved = outliers == 0;
  while (!isResolved && high > low)
  {
    const double               width = (high - low) / bins;
    std::vector<SizeValueType> counts(bins, 0);
    SizeValueType              before = 0;
    visit([&](double value) {
      if (value < low)
      {
        ++before;
      }
      else if (value <= high)
      {
        ++counts[std::min(bins - 1, static_cast<SizeValueType>((value - low) / width))];
      }
    });
    SizeValueType first = bins;
    SizeValueType last = 0;
    for (SizeValueType k = 0; k < bins && before < pixels - outliers; ++k)
    {
      before += counts[k];
      first = first == bins && before > outliers ? k : first;
      last = k;
    }
    const double from = low + static_cast<double>(first) * width;
    const double to = low + static_cast<double>(last + 1) * width;
    isResolved = to - from > 0.5 * (high - low);
    low = from;
    high = std::min(high, to);
  }
  return { low, high };
}
} // namespace

template <typename TComponent>
SamIndexBox
SamFindContent(const SamComponentBuffer<TComponent> & image, unsigned int sliceAxis)
{
  const auto &        size = image.box.size;
  const SizeValueType pixels = size[0] * size[1] * size[2];
  const SizeValueType components = image.components;
  std::vector<double> limits;
  for (SizeValueType c = 0; c < components && pixels > 0; ++c)
  {
    const auto [lowest, highest] = FindRange(image, c);
    limits.push_back(lowest + blackFraction * (highest - lowest));
  }

  const std::array<SizeValueType, 3>        stride{ { 1, size[0], size[0] * size[1] } };
  const std::array<unsigned int, 2>         plane{ { sliceAxis == 0 ? 1u : 0u, sliceAxis == 2 ? 1u : 2u } };
  std::array<Span, 2>                       spans;
  std::array<std::vector<SizeValueType>, 2> counts; // of pixels with content, along the lines of each axis
  for (SizeValueType slice = 0; slice < size[sliceAxis]; ++slice)
  {
    for (unsigned int i = 0; i < 2; ++i)
    {
      counts[i].assign(size[plane[i]], 0);
    }
    for (SizeValueType v = 0; v < size[plane[1]]; ++v)
    {
      for (SizeValueType u = 0; u < size[plane[0]]; ++u)
      {
        const TComponent * pixel =
          image.values + components * (slice * stride[sliceAxis] + v * stride[plane[1]] + u * stride[plane[0]]);
        for (SizeValueType c = 0; c < components; ++c)
        {
          if (static_cast<double>(pixel[c]) > limits[c])
          {
            ++counts[0][u];
            ++counts[1][v];
            break;
          }
        }
      }
    }
    for (unsigned int i = 0; i < 2; ++i)
    {
      const SizeValueType length = size[plane[1 - i]];
      for (SizeValueType place = 0; place < counts[i].size(); ++place)
      {
        if (rareness * counts[i][place] > length)
        {
          spans[i].Add(static_cast<IndexValueType>(place));
        }
      }
    }
  }
  SamIndexBox result = image.box;
  if (spans[0].last >= 0 && spans[1].last >= 0)
  {
    for (unsigned int i = 0; i < 2; ++i)
    {
      result.start[plane[i]] += spans[i].first;
      result.size[plane[i]] = static_cast<SizeValueType>(spans[i].last - spans[i].first + 1);
    }
  }
  return result;
}

#define samInstantiateFrame(TComponent) \
  template SamIndexBox SamFindContent(const SamComponentBuffer<TComponent> &, unsigned int)
samInstantiateFrame(char);
samInstantiateFrame(signed char);
samInstantiateFrame(unsigned char);
samInstantiateFrame(short);
samInstantiateFrame(unsigned short);
samInstantiateFrame(int);
samInstantiateFrame(unsigned int);
samInstantiateFrame(long);
samInstantiateFrame(unsigned long);
samInstantiateFrame(long long);
samInstantiateFrame(unsigned long long);
samInstantiateFrame(float);
samInstantiateFrame(double);
#undef samInstantiateFrame
} // namespace itk
