// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLargestComponent.h"

#include <cstddef>
#include <cstdint>

namespace sam
{
template <typename TLabelImage>
void
KeepLargestComponents(TLabelImage * labels)
{
  constexpr unsigned int dimension = TLabelImage::ImageDimension;
  using PixelType = typename TLabelImage::PixelType;

  struct Component
  {
    std::uint32_t number{ 0 };
    std::size_t   size{ 0 };
  };

  const auto        extent = labels->GetBufferedRegion().GetSize();
  const std::size_t count = labels->GetBufferedRegion().GetNumberOfPixels();
  PixelType *       values = labels->GetBufferPointer();

  std::vector<std::uint32_t>     componentOf(count, 0); // from 1; 0: not seen yet
  std::map<PixelType, Component> largest;
  std::vector<std::size_t>       open;
  std::uint32_t                  number = 0;
  for (std::size_t start = 0; start < count; ++start)
  {
    if (values[start] == PixelType{} || componentOf[start] != 0)
    {
      continue;
    }
    Component component{ ++number, 0 };
    componentOf[start] = number;
    open.push_back(start);
    while (!open.empty())
    {
      const std::size_t place = open.back();
      open.pop_back();
      ++component.size;
      std::size_t stride = 1;
      for (unsigned int axis = 0; axis < dimension; ++axis)
      {
        const std::size_t index = place / stride % extent[axis];
        const auto        visit = [&](std::size_t neighbor) {
          if (componentOf[neighbor] == 0 && values[neighbor] == values[start])
          {
            componentOf[neighbor] = number;
            open.push_back(neighbor);
          }
        };
        if (index > 0)
        {
          visit(place - stride);
        }
        if (index + 1 < extent[axis])
        {
          visit(place + stride);
        }
        stride *= extent[axis];
      }
    }
    auto & best = largest[values[start]];
    if (component.size > best.size)
    {
      best = component;
    }
  }
  for (std::size_t place = 0; place < count; ++place)
  {
    if (values[place] != PixelType{} && componentOf[place] != largest[values[place]].number)
    {
      values[place] = PixelType{};
    }
  }
}

#define samInstantiateComponents(TPixel, VDimension) \
  template void KeepLargestComponents(itk::Image<TPixel, VDimension> * labels)
SAM_FOR_EACH_LABEL_IMAGE(samInstantiateComponents);
#undef samInstantiateComponents
} // namespace sam
