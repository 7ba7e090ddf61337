// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samChannelReader_h
#define samChannelReader_h

#include "samError.h"
#include "samFileReader.h"
#include "samImageFile.h"
#include "samLabelImage.h"

#include "itkImageSource.h"
#include "itkVectorImage.h"

#include <string>
#include <vector>

namespace sam
{
/** The grid of the first three of the four axes of a file, from its header: an image of three axes would lose the
 * direction. */
inline itk::ImageBase<3>::Pointer
ReadGridOfSeries(const std::string & file)
{
  const auto reader = itk::ImageFileReader<itk::Image<float, 4>>::New();
  reader->SetFileName(file);
  reader->UpdateOutputInformation();
  const auto *                     series = reader->GetOutput();
  itk::ImageBase<3>::RegionType    region;
  itk::ImageBase<3>::SpacingType   spacing;
  itk::ImageBase<3>::PointType     origin;
  itk::ImageBase<3>::DirectionType direction;
  for (unsigned int i = 0; i < 3; ++i)
  {
    region.SetSize(i, series->GetLargestPossibleRegion().GetSize(i));
    spacing[i] = series->GetSpacing()[i];
    origin[i] = series->GetOrigin()[i];
    for (unsigned int j = 0; j < 3; ++j)
    {
      direction(i, j) = series->GetDirection()(i, j);
    }
  }
  auto grid = itk::ImageBase<3>::New();
  grid->SetRegions(region);
  grid->SetSpacing(spacing);
  grid->SetOrigin(origin);
  grid->SetDirection(direction);
  return grid;
}

/** \class ChannelReader
 * \brief Reads an image whose channels are files of their own (nnU-Net), or lie along the fourth axis of one file
 * (Medical Segmentation Decathlon). It is read as a whole.
 *
 * A channel may be the folder of a DICOM series. \throws Error naming the file that is not of one channel or on the
 * grid of the first one.
 */
template <unsigned int VDimension>
class ChannelReader : public itk::ImageSource<itk::VectorImage<float, VDimension>>
{
public:
  ITK_DISALLOW_COPY_AND_MOVE(ChannelReader);

  using Self = ChannelReader;
  using OutputImage = itk::VectorImage<float, VDimension>;
  using Superclass = itk::ImageSource<OutputImage>;
  using Pointer = itk::SmartPointer<Self>;
  using ConstPointer = itk::SmartPointer<const Self>;
  itkNewMacro(Self);
  itkTypeMacro(ChannelReader, ImageSource);

  /** A file for each channel, or one with a fourth axis. */
  void
  SetFileNames(const std::vector<std::string> & files)
  {
    m_Files = files;
    this->Modified();
  }

  const std::vector<std::string> &
  GetFileNames() const
  {
    return m_Files;
  }

protected:
  ChannelReader() = default;
  ~ChannelReader() override = default;

  void
  GenerateOutputInformation() override
  {
    const auto grid = this->ReadGrid(m_Files.front());
    for (size_t k = 1; k < m_Files.size(); ++k)
    {
      CheckSameGrid<VDimension>(grid, this->ReadGrid(m_Files[k]), m_Files.front(), m_Files[k]);
    }
    auto * output = this->GetOutput();
    output->CopyInformation(grid);
    output->SetLargestPossibleRegion(grid->GetLargestPossibleRegion());
    output->SetNumberOfComponentsPerPixel(
      static_cast<unsigned int>(this->IsSeries() ? CountChannels(PeekImageHeader(m_Files.front())) : m_Files.size()));
  }

  void
  EnlargeOutputRequestedRegion(itk::DataObject * output) override
  {
    output->SetRequestedRegionToLargestPossibleRegion();
  }

  void
  GenerateData() override
  {
    this->AllocateOutputs();
    if (this->IsSeries())
    {
      const auto series = this->template ReadPixels<4>(m_Files.front());
      const auto voxels = this->GetOutput()->GetBufferedRegion().GetNumberOfPixels();
      for (unsigned int channel = 0; channel < this->GetOutput()->GetNumberOfComponentsPerPixel(); ++channel)
      {
        this->SetChannel(channel, series->GetBufferPointer() + channel * voxels);
      }
      return;
    }
    for (unsigned int channel = 0; channel < m_Files.size(); ++channel)
    {
      this->SetChannel(channel, this->template ReadPixels<VDimension>(m_Files[channel])->GetBufferPointer());
    }
  }

private:
  bool
  IsSeries() const
  {
    return m_Files.size() == 1;
  }

  template <unsigned int VAxes>
  typename itk::Image<float, VAxes>::Pointer
  ReadPixels(const std::string & file)
  {
    const auto reader = MakeFileReader<itk::Image<float, VAxes>>(file);
    reader->Update();
    CheckSlices(reader->GetOutput(), file);
    return reader->GetOutput();
  }

  typename itk::ImageBase<VDimension>::Pointer
  ReadGrid(const std::string & file)
  {
    if constexpr (VDimension == 3)
    {
      if (this->IsSeries())
      {
        return ReadGridOfSeries(file);
      }
    }
    const auto header = ReadImageHeader(file);
    const auto dimension = GetImageDimension(header, file);
    if (dimension > VDimension || header->GetNumberOfComponents() != 1)
    {
      throw Error(file + ": has " + std::to_string(header->GetNumberOfComponents()) + " components and " +
                  std::to_string(dimension) + " dimensions, expected one channel like " + m_Files.front());
    }
    const auto reader = MakeFileReader<itk::Image<float, VDimension>>(file);
    reader->UpdateOutputInformation();
    return reader->GetOutput();
  }

  void
  SetChannel(unsigned int channel, const float * values)
  {
    auto *     output = this->GetOutput();
    const auto channels = output->GetNumberOfComponentsPerPixel();
    const auto voxels = output->GetBufferedRegion().GetNumberOfPixels();
    float *    target = output->GetBufferPointer() + channel;
    for (size_t k = 0; k < voxels; ++k, target += channels)
    {
      *target = values[k];
    }
  }

  std::vector<std::string> m_Files;
};
} // namespace sam

#endif
