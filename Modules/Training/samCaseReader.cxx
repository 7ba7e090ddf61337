// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCaseReader.h"

#include "samChannelReader.h"
#include "samError.h"
#include "samImageFile.h"
#include "samImageReader.h"
#include "samLabelImage.h"
#include "samMessage.h"

#include "itkSamResampleImageFilter.h"

#include "itkNearestNeighborInterpolateImageFunction.h"
#include "itkResampleImageFilter.h"

#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace sam
{
namespace
{
using ScalarImage = itk::Image<float, 3>;
using ChannelImage = itk::VectorImage<float, 3>;

/** Run a reading step; what ITK throws becomes one line that names the file. */
template <typename TAction>
void
Reading(const std::string & file, const TAction & action)
{
  try
  {
    action();
  }
  catch (const itk::ExceptionObject & exception)
  {
    const std::string text = ToOneLine(exception.GetDescription());
    throw Error(text.find(file) == std::string::npos ? file + ": " + text : text);
  }
}

/** From the header alone. */
itk::ImageBase<3>::Pointer
ReadGeometry(const std::string & file, const itk::ImageIOBase * header)
{
  itk::ImageBase<3>::Pointer grid;
  Reading(file, [&] {
    if (header->GetNumberOfDimensions() > 3)
    {
      grid = ReadGridOfSeries(file);
      return;
    }
    const auto reader = itk::ImageFileReader<ScalarImage>::New();
    reader->SetFileName(file);
    reader->UpdateOutputInformation();
    grid = reader->GetOutput();
  });
  return grid;
}

template <typename TImage>
typename TImage::Pointer
ReadImage(const std::string & file, size_t channels = 1)
{
  GetImageDimension(ReadImageHeader(file), file, channels);
  const auto reader = MakeImageReader<TImage>(file, channels);
  Reading(file, [&reader] { reader->Update(); });
  CheckSlices(reader->GetOutput(), file);
  return reader->GetOutput();
}

/** \a channels is how many are expected: another number of images along a fourth axis is none of channels. */
ChannelImage::Pointer
ReadChannels(const std::vector<std::string> & files, size_t channels)
{
  if (files.size() == 1)
  {
    return ReadImage<ChannelImage>(files.front(), channels);
  }
  const auto reader = ChannelReader<3>::New();
  reader->SetFileNames(files);
  Reading(files.front(), [&reader] { reader->Update(); });
  return reader->GetOutput();
}

ImageGrid
GridOf(const itk::ImageBase<3> * image)
{
  ImageGrid grid;
  for (unsigned int i = 0; i < 3; ++i)
  {
    grid.size.push_back(static_cast<int64_t>(image->GetLargestPossibleRegion().GetSize(i)));
    grid.spacing.push_back(image->GetSpacing()[i]);
    grid.origin.push_back(image->GetOrigin()[i]);
    for (unsigned int j = 0; j < 3; ++j)
    {
      grid.direction.push_back(image->GetDirection()(i, j));
    }
  }
  return grid;
}

struct FileGrid
{
  ImageGrid grid;
  size_t    components{ 1 };
};

/** From the header alone. */
FileGrid
ReadGrid(const std::string & file)
{
  const auto header = ReadImageHeader(file);
  return { GridOf(ReadGeometry(file, header)), CountChannels(header) };
}

/** The mean of red, green and blue of a color image, whatever else it holds. */
ChannelImage::Pointer
ToGray(const ChannelImage * image)
{
  const auto gray = ChannelImage::New();
  gray->CopyInformation(image);
  gray->SetRegions(image->GetLargestPossibleRegion());
  gray->SetNumberOfComponentsPerPixel(1);
  gray->Allocate();
  const size_t  components = image->GetNumberOfComponentsPerPixel();
  const float * colors = image->GetBufferPointer();
  float *       values = gray->GetBufferPointer();
  for (size_t k = 0; k < image->GetLargestPossibleRegion().GetNumberOfPixels(); ++k, colors += components)
  {
    values[k] = (colors[0] + colors[1] + colors[2]) / 3.0f;
  }
  return gray;
}

/** \a count of the indices below \a size, each in the middle of an equal part. */
at::Tensor
EvenlyChosen(int64_t size, int64_t count)
{
  std::vector<int64_t> chosen;
  for (int64_t k = 0; k < count; ++k)
  {
    chosen.push_back((2 * k + 1) * size / (2 * count));
  }
  return at::tensor(chosen, at::kLong);
}

/** D×H×W×C (or D×H×W) over the pixels of an image, which must outlive it. */
template <typename TImage>
at::Tensor
TensorOf(TImage * image, bool hasChannels)
{
  const auto           size = image->GetBufferedRegion().GetSize();
  std::vector<int64_t> shape;
  for (unsigned int i = 3; i-- > 0;)
  {
    shape.push_back(static_cast<int64_t>(size[i]));
  }
  if (hasChannels)
  {
    shape.push_back(image->GetNumberOfComponentsPerPixel());
  }
  return at::from_blob(image->GetBufferPointer(), shape, at::TensorOptions().dtype(at::kFloat));
}
} // namespace

TrainingCase
ReadTrainingCase(const Plan & plan, const Dataset & dataset, const DatasetCase & description)
{
  const std::string &  imageFile = description.images.front();
  auto                 image = ReadChannels(description.images, plan.channels.size());
  ScalarImage::Pointer labels;
  if (!description.label.empty())
  {
    labels = ReadImage<ScalarImage>(description.label);
    CheckSameGrid(imageFile, GridOf(image), description.label, GridOf(labels));
  }
  if (plan.channels.size() == 1 && image->GetNumberOfComponentsPerPixel() > 2)
  {
    image = ToGray(image);
  }

  std::vector<itk::SamChannel> channels;
  for (const auto & channel : plan.channels)
  {
    channels.push_back(
      { channel.name, channel.normalization, channel.lower, channel.upper, channel.mean, channel.deviation });
  }
  const auto resample = itk::SamResampleImageFilter<ChannelImage>::New();
  resample->SetInput(image);
  resample->SetOrientation(plan.orientation);
  resample->SetOutputSpacing(plan.spacing);
  resample->SetInterpolation(plan.interpolation);
  if (plan.fit == "window")
  {
    resample->SetStretchedSize(
      { { static_cast<itk::SizeValueType>(plan.window[0]), static_cast<itk::SizeValueType>(plan.window[1]), 0 } });
  }
  resample->SetRemovesFrame(plan.frame == "black");
  resample->SetChannels(channels);
  Reading(imageFile, [&resample] { resample->Update(); });
  ChannelImage * onGrid = resample->GetOutput();

  auto       pixels = TensorOf(onGrid, true).permute({ 3, 0, 1, 2 }).clone(at::MemoryFormat::Contiguous);
  at::Tensor values = at::zeros(pixels.sizes().slice(1), at::kByte);
  if (labels)
  {
    const auto follow = itk::ResampleImageFilter<ScalarImage, ScalarImage>::New();
    follow->SetInput(labels);
    follow->SetInterpolator(itk::NearestNeighborInterpolateImageFunction<ScalarImage>::New());
    follow->SetReferenceImage(onGrid);
    follow->UseReferenceImageOn();
    Reading(description.label, [&follow] { follow->Update(); });
    values = dataset.IndexLabels(TensorOf(follow->GetOutput(), false).clone(), description.label);
  }
  if (description.slices > 0 && pixels.size(1) > description.slices)
  {
    const auto chosen = EvenlyChosen(pixels.size(1), description.slices);
    pixels = pixels.index_select(1, chosen);
    values = values.index_select(0, chosen);
  }

  std::array<double, 3> spacing{};
  for (unsigned int i = 0; i < 3; ++i)
  {
    spacing[i] = onGrid->GetSpacing()[i];
  }
  return { description.name, pixels, values, spacing };
}

std::vector<std::vector<double>>
ReadForeground(const Dataset & dataset, const DatasetCase & description, size_t count)
{
  const auto image = ReadChannels(description.images, dataset.channels.size());
  const auto labels = ReadImage<ScalarImage>(description.label);
  CheckSameGrid(description.images.front(), GridOf(image), description.label, GridOf(labels));
  const auto          ignored = static_cast<float>(dataset.ignoreLabel);
  const float *       values = labels->GetBufferPointer();
  const size_t        voxels = labels->GetBufferedRegion().GetNumberOfPixels();
  std::vector<size_t> places;
  for (size_t k = 0; k < voxels; ++k)
  {
    if (values[k] > 0.0f && !(dataset.hasIgnoreLabel && values[k] == ignored))
    {
      places.push_back(k);
    }
  }
  const size_t                     step = places.size() / count + 1;
  const size_t                     channels = image->GetNumberOfComponentsPerPixel();
  std::vector<std::vector<double>> result(channels);
  for (size_t k = 0; k < places.size(); k += step)
  {
    for (size_t channel = 0; channel < channels; ++channel)
    {
      result[channel].push_back(image->GetBufferPointer()[places[k] * channels + channel]);
    }
  }
  return result;
}

double
ReadContent(const DatasetCase & description, size_t channels, const std::string & orientation)
{
  const auto image = ReadChannels(description.images, channels);
  double     share = 1.0;
  Reading(description.images.front(), [&] {
    const auto content = itk::SamFindContent(image.GetPointer(), orientation);
    for (unsigned int i = 0; i < 3; ++i)
    {
      share *= static_cast<double>(content.size[i]) / static_cast<double>(image->GetLargestPossibleRegion().GetSize(i));
    }
  });
  return share;
}

void
CheckCase(const DatasetCase & description, size_t channels)
{
  const auto label = ReadGrid(description.label);
  for (const auto & file : description.images)
  {
    const auto image = ReadGrid(file);
    const auto expected = description.images.size() > 1 ? 1 : channels;
    if (image.components != expected)
    {
      throw Error(file + ": " + std::to_string(image.components) + (image.components == 1 ? " channel" : " channels") +
                  ", expected " + std::to_string(expected) + " as in dataset.json");
    }
    CheckSameGrid(file, image.grid, description.label, label.grid);
  }
  if (label.components != 1)
  {
    throw Error(description.label + ": " + std::to_string(label.components) + " values per voxel, expected one label");
  }
}

ImageExtent
ReadImageExtent(const std::string & image)
{
  const auto                        grid = itk::SamGrid::FromImage<3>(ReadGeometry(image, ReadImageHeader(image)));
  const itk::SamLattice::VectorType own{ { 0.0, 0.0, 0.0 } };
  const itk::SamLattice             lattice(grid, "nearest LPS", own);
  ImageExtent                       result;
  result.isOblique = !itk::SamLattice(grid, "LPS", own).IsAligned();
  for (unsigned int i = 0; i < 3; ++i)
  {
    result.spacing[i] = lattice.GetGrid().spacing[i];
    result.extent[i] = lattice.GetGrid().spacing[i] * static_cast<double>(lattice.GetGrid().box.size[i]);
  }
  return result;
}
} // namespace sam
