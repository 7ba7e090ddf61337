// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamFrame.h"

#include <algorithm>

namespace itk
{
namespace
{
constexpr double        blackFraction = 8.0 / 255.0; // of the range of intensities
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
    auto lowest = static_cast<double>(image.values[c]);
    auto highest = lowest;
    for (SizeValueType k = 0; k < pixels; ++k)
    {
      const auto value = static_cast<double>(image.values[k * components + c]);
      lowest = std::min(lowest, value);
      highest = std::max(highest, value);
    }
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
