// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLabelImage.h"
#include "samError.h"
#include "samImageFile.h"
#include "samMessage.h"

#include "itkImageFileReader.h"
#include "itkImageRegionConstIterator.h"
#include "itkImageRegionIterator.h"
#include "itkImageScanlineIterator.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <set>
#include <sstream>

namespace sam
{
namespace
{
template <typename TImage>
typename TImage::Pointer
ReadImage(const std::string & path)
{
  auto reader = itk::ImageFileReader<TImage>::New();
  reader->SetFileName(path);
  try
  {
    reader->Update();
  }
  catch (const itk::ExceptionObject & exception)
  {
    throw Error(path + ": cannot be read: " + ToOneLine(exception.GetDescription()));
  }
  typename TImage::Pointer image = reader->GetOutput();
  image->DisconnectPipeline();
  return image;
}

template <typename TArray>
std::string
Describe(const TArray & values, unsigned int size)
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(8);
  for (unsigned int i = 0; i < size; ++i)
  {
    text << (i ? " x " : "") << values[i];
  }
  return text.str();
}

template <unsigned int VDimension>
itk::Point<double, VDimension>
FirstPixel(const itk::ImageBase<VDimension> * image)
{
  itk::Point<double, VDimension> point;
  image->TransformIndexToPhysicalPoint(image->GetLargestPossibleRegion().GetIndex(), point);
  return point;
}
} // namespace

unsigned int
GetImageDimension(const itk::ImageIOBase * imageIO, const std::string & path, std::size_t channels)
{
  if (std::filesystem::is_directory(path) || HoldsChannelSeries(imageIO, channels))
  {
    return 3; // of a folder the header is that of a slice
  }
  unsigned int dimension = imageIO->GetNumberOfDimensions();
  while (dimension > 3 && imageIO->GetDimensions(dimension - 1) <= 1)
  {
    --dimension;
  }
  if (dimension != 2 && dimension != 3)
  {
    throw Error(path + ": has " + std::to_string(dimension) + " dimensions, expected 2 or 3");
  }
  // ITK's readers take the identity for the direction of a file with more axes than the image.
  for (unsigned int k = 0; dimension < imageIO->GetNumberOfDimensions() && k < dimension; ++k)
  {
    if (imageIO->GetDirection(k) != imageIO->GetDefaultDirection(k))
    {
      throw Error(path + ": has " + std::to_string(imageIO->GetNumberOfDimensions()) +
                  " axes and a direction, which would be lost, expected a file of " + std::to_string(dimension) +
                  " axes");
    }
  }
  return dimension;
}

unsigned int
ReadImageDimension(const std::string & path, std::size_t channels)
{
  return GetImageDimension(ReadImageHeader(path), path, channels);
}

template <unsigned int VDimension>
typename LabelImage<VDimension>::Pointer
ReadLabelImage(const std::string & path)
{
  const auto         imageIO = ReadImageHeader(path);
  const unsigned int dimension = GetImageDimension(imageIO, path);
  if (dimension != VDimension)
  {
    throw Error(path + ": has " + std::to_string(dimension) + " dimensions, expected " + std::to_string(VDimension));
  }
  if (imageIO->GetNumberOfComponents() != 1)
  {
    throw Error(path + ": has " + std::to_string(imageIO->GetNumberOfComponents()) +
                " components per pixel, expected one label value");
  }
  using ComponentEnum = itk::ImageIOBase::IOComponentEnum;
  const ComponentEnum component = imageIO->GetComponentType();
  if (component == ComponentEnum::UCHAR || component == ComponentEnum::CHAR || component == ComponentEnum::USHORT ||
      component == ComponentEnum::SHORT || component == ComponentEnum::INT)
  {
    return ReadImage<LabelImage<VDimension>>(path);
  }
  // Wider pixels go through double, which holds every int exactly, so that nothing is cut off unseen.
  const auto image = ReadImage<itk::Image<double, VDimension>>(path);
  auto       labels = LabelImage<VDimension>::New();
  labels->CopyInformation(image);
  labels->SetRegions(image->GetLargestPossibleRegion());
  labels->Allocate();
  itk::ImageRegionConstIterator<itk::Image<double, VDimension>> from(image, image->GetLargestPossibleRegion());
  itk::ImageRegionIterator<LabelImage<VDimension>>              to(labels, labels->GetLargestPossibleRegion());
  for (; !from.IsAtEnd(); ++from, ++to)
  {
    const double value = from.Get();
    if (!(value >= std::numeric_limits<int>::min() && value <= std::numeric_limits<int>::max()) ||
        value != std::floor(value))
    {
      std::ostringstream text;
      text.imbue(std::locale::classic());
      text << path << ": has the value " << value << ", expected integer labels";
      throw Error(text.str());
    }
    to.Set(static_cast<int>(value));
  }
  return labels;
}

template <unsigned int VDimension>
void
CheckSameGrid(const itk::ImageBase<VDimension> * first,
              const itk::ImageBase<VDimension> * second,
              const std::string &                firstName,
              const std::string &                secondName)
{
  constexpr double   tolerance = 1e-3;
  const std::string  names = firstName + " and " + secondName;
  const auto         firstSize = first->GetLargestPossibleRegion().GetSize();
  const auto         secondSize = second->GetLargestPossibleRegion().GetSize();
  const auto &       spacing = first->GetSpacing();
  const auto         firstPixel = FirstPixel(first);
  const auto         secondPixel = FirstPixel(second);
  const unsigned int n = VDimension;
  if (firstSize != secondSize)
  {
    throw Error(names + ": sizes differ: " + Describe(firstSize, n) + " and " + Describe(secondSize, n) + " pixels");
  }
  for (unsigned int d = 0; d < n; ++d)
  {
    if (!(std::abs(spacing[d] - second->GetSpacing()[d]) <= tolerance * spacing[d]))
    {
      throw Error(names + ": spacings differ: " + Describe(spacing, n) + " and " + Describe(second->GetSpacing(), n) +
                  " mm");
    }
  }
  const double smallest = *std::min_element(spacing.Begin(), spacing.End());
  for (unsigned int d = 0; d < n; ++d)
  {
    if (!(std::abs(firstPixel[d] - secondPixel[d]) <= tolerance * smallest))
    {
      throw Error(names + ": origins differ: " + Describe(firstPixel, n) + " and " + Describe(secondPixel, n) + " mm");
    }
  }
  for (unsigned int r = 0; r < n; ++r)
  {
    for (unsigned int c = 0; c < n; ++c)
    {
      if (!(std::abs(first->GetDirection()[r][c] - second->GetDirection()[r][c]) <= tolerance))
      {
        throw Error(names +
                    ": directions differ: " + Describe(first->GetDirection().GetVnlMatrix().data_block(), n * n) +
                    " and " + Describe(second->GetDirection().GetVnlMatrix().data_block(), n * n));
      }
    }
  }
}

template <typename TLabelImage>
void
Relabel(TLabelImage * labels, const std::map<int, int> & map)
{
  using PixelType = typename TLabelImage::PixelType;
  int       from = 0;
  PixelType to{};
  bool      known = false;
  for (itk::ImageRegionIterator<TLabelImage> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    // Neighbors mostly have the same value.
    if (!known || it.Get() != from)
    {
      from = it.Get();
      known = true;
      const auto found = map.find(from);
      to = static_cast<PixelType>(found == map.end() ? 0 : found->second);
    }
    it.Set(to);
  }
}

template <typename TLabelImage>
void
KeepRegions(TLabelImage * labels, const std::vector<Region> & regions)
{
  if (regions.empty())
  {
    return;
  }
  constexpr unsigned int dimension = TLabelImage::ImageDimension;
  for (const auto & region : regions)
  {
    if (!std::all_of(region.size.begin(), region.size.begin() + dimension, [](double size) { return size > 0.0; }))
    {
      throw Error("region: its size is not positive along all " + std::to_string(dimension) +
                  " axes of the image, expected a center and a size of as many numbers in mm");
    }
  }
  for (itk::ImageScanlineIterator<TLabelImage> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd(); it.NextLine())
  {
    for (; !it.IsAtEndOfLine(); ++it)
    {
      if (it.Get() == 0)
      {
        continue;
      }
      typename TLabelImage::PointType point;
      labels->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      bool inside = false;
      for (const auto & region : regions)
      {
        inside = inside || region.Contains(point);
      }
      if (!inside)
      {
        it.Set(0);
      }
    }
  }
}

template <typename TLabelImage>
std::vector<int>
FindLabels(const TLabelImage * labels)
{
  std::set<int> found;
  int           last = 0;
  for (itk::ImageRegionConstIterator<TLabelImage> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    if (it.Get() != last)
    {
      last = it.Get();
      found.insert(last);
    }
  }
  found.erase(0);
  return { found.begin(), found.end() };
}

#define SAM_INSTANTIATE(pixel, dimension)                                                             \
  template void             Relabel(itk::Image<pixel, dimension> *, const std::map<int, int> &);      \
  template void             KeepRegions(itk::Image<pixel, dimension> *, const std::vector<Region> &); \
  template std::vector<int> FindLabels(const itk::Image<pixel, dimension> *)
SAM_FOR_EACH_LABEL_IMAGE(SAM_INSTANTIATE);
#undef SAM_INSTANTIATE

template LabelImage<2>::Pointer
ReadLabelImage<2>(const std::string &);
template LabelImage<3>::Pointer
ReadLabelImage<3>(const std::string &);
template void
CheckSameGrid(const itk::ImageBase<2> *, const itk::ImageBase<2> *, const std::string &, const std::string &);
template void
CheckSameGrid(const itk::ImageBase<3> *, const itk::ImageBase<3> *, const std::string &, const std::string &);
} // namespace sam
