// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samComponents.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace sam
{
namespace
{
/** What FindComponents() knows of one component. */
template <typename TPixel>
struct Component
{
  TPixel      value{};
  std::size_t size{ 0 };
  bool        isAtBorder{ false };
  bool        hasNeighbor{ false };
  bool        hasOneNeighbor{ true }; ///< all pixels around it have the same value
  TPixel      neighbor{};
};

template <typename TPixel>
struct Components
{
  std::vector<std::uint32_t>     ofPixel; ///< place in \c list and 1; 0: not looked at
  std::vector<Component<TPixel>> list;    ///< in the order of their first pixels
};

/** The components of the background, or of the labels. */
template <typename TLabelImage>
Components<typename TLabelImage::PixelType>
FindComponents(const TLabelImage * labels, bool ofBackground)
{
  using PixelType = typename TLabelImage::PixelType;
  const auto              extent = labels->GetBufferedRegion().GetSize();
  const std::size_t       count = labels->GetBufferedRegion().GetNumberOfPixels();
  const PixelType * const values = labels->GetBufferPointer();

  Components<PixelType> found;
  found.ofPixel.assign(count, 0);
  std::vector<std::size_t> open;
  for (std::size_t start = 0; start < count; ++start)
  {
    if ((values[start] == PixelType{}) != ofBackground || found.ofPixel[start] != 0)
    {
      continue;
    }
    Component<PixelType> component;
    component.value = values[start];
    const auto number = static_cast<std::uint32_t>(found.list.size() + 1);
    found.ofPixel[start] = number;
    open.push_back(start);
    while (!open.empty())
    {
      const std::size_t place = open.back();
      open.pop_back();
      ++component.size;
      const auto visit = [&](bool isInside, std::size_t neighbor) {
        if (!isInside)
        {
          component.isAtBorder = true;
        }
        else if (values[neighbor] != component.value)
        {
          component.hasOneNeighbor =
            component.hasOneNeighbor && (!component.hasNeighbor || component.neighbor == values[neighbor]);
          component.hasNeighbor = true;
          component.neighbor = values[neighbor];
        }
        else if (found.ofPixel[neighbor] == 0)
        {
          found.ofPixel[neighbor] = number;
          open.push_back(neighbor);
        }
      };
      std::size_t stride = 1;
      for (unsigned int axis = 0; axis < TLabelImage::ImageDimension; ++axis)
      {
        const std::size_t index = place / stride % extent[axis];
        visit(index > 0, place - stride);
        visit(index + 1 < extent[axis], place + stride);
        stride *= extent[axis];
      }
    }
    found.list.push_back(component);
  }
  return found;
}

/** Give each pixel of a component the value that \a choose answers for it. */
template <typename TLabelImage, typename TChoose>
void
Relabel(TLabelImage * labels, const Components<typename TLabelImage::PixelType> & components, const TChoose & choose)
{
  std::vector<typename TLabelImage::PixelType> values;
  for (std::size_t k = 0; k < components.list.size(); ++k)
  {
    values.push_back(choose(k, components.list[k]));
  }
  auto * pixels = labels->GetBufferPointer();
  for (std::size_t place = 0; place < components.ofPixel.size(); ++place)
  {
    if (components.ofPixel[place] != 0)
    {
      pixels[place] = values[components.ofPixel[place] - 1];
    }
  }
}
} // namespace

template <typename TLabelImage>
void
KeepLabels(TLabelImage * labels, const std::set<int> & values)
{
  auto *            pixels = labels->GetBufferPointer();
  const std::size_t count = labels->GetBufferedRegion().GetNumberOfPixels();
  for (std::size_t place = 0; place < count; ++place)
  {
    if (pixels[place] != 0 && values.count(static_cast<int>(pixels[place])) == 0)
    {
      pixels[place] = 0;
    }
  }
}

template <typename TLabelImage>
void
KeepLargestComponents(TLabelImage * labels)
{
  using PixelType = typename TLabelImage::PixelType;
  const auto                       components = FindComponents(labels, false);
  std::map<PixelType, std::size_t> largest;
  for (std::size_t k = 0; k < components.list.size(); ++k)
  {
    const auto [found, isFirst] = largest.emplace(components.list[k].value, k);
    if (!isFirst && components.list[k].size > components.list[found->second].size)
    {
      found->second = k;
    }
  }
  Relabel(labels, components, [&](std::size_t k, const auto & component) {
    return largest.at(component.value) == k ? component.value : PixelType{};
  });
}

template <typename TLabelImage>
void
RemoveSmallComponents(TLabelImage * labels, double volume)
{
  using PixelType = typename TLabelImage::PixelType;
  double ofPixel = 1.0;
  for (unsigned int axis = 0; axis < TLabelImage::ImageDimension; ++axis)
  {
    ofPixel *= labels->GetSpacing()[axis];
  }
  // Two thirds of a mm³ are not less than themselves, whatever the rounding.
  constexpr double rounding = 1e-9;
  Relabel(labels, FindComponents(labels, false), [&](std::size_t, const auto & component) {
    const double size = static_cast<double>(component.size) * ofPixel;
    return size < volume * (1.0 - rounding) ? PixelType{} : component.value;
  });
}

template <typename TLabelImage>
void
FillHoles(TLabelImage * labels)
{
  Relabel(labels, FindComponents(labels, true), [](std::size_t, const auto & component) {
    return component.hasNeighbor && component.hasOneNeighbor && !component.isAtBorder ? component.neighbor
                                                                                      : component.value;
  });
}

#define samInstantiateComponents(TPixel, VDimension)                                        \
  template void KeepLabels(itk::Image<TPixel, VDimension> * labels, const std::set<int> &); \
  template void KeepLargestComponents(itk::Image<TPixel, VDimension> * labels);             \
  template void RemoveSmallComponents(itk::Image<TPixel, VDimension> * labels, double);     \
  template void FillHoles(itk::Image<TPixel, VDimension> * labels)
SAM_FOR_EACH_LABEL_IMAGE(samInstantiateComponents);
#undef samInstantiateComponents
} // namespace sam
