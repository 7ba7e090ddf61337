// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samEvaluationTestImages_h
#define samEvaluationTestImages_h

#include "samLabelImage.h"
#include "samTestMessage.h"

#include "itkImageFileWriter.h"
#include "itkImageRegionIteratorWithIndex.h"

#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace sam::test
{
/** An image filled with zeros. */
template <typename TImage>
typename TImage::Pointer
MakeImage(const std::array<unsigned int, TImage::ImageDimension> & size,
          const std::array<double, TImage::ImageDimension> &       spacing,
          const std::array<double, TImage::ImageDimension> &       origin = {},
          const std::array<long, TImage::ImageDimension> &         start = {})
{
  auto                        image = TImage::New();
  typename TImage::RegionType region;
  for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
  {
    region.SetSize(d, size[d]);
    region.SetIndex(d, start[d]);
  }
  image->SetRegions(region);
  image->SetSpacing(spacing.data());
  image->SetOrigin(origin.data());
  image->Allocate(true);
  return image;
}

/** Sets the pixels whose index answers true. */
template <typename TImage, typename TInside>
void
Fill(TImage * image, typename TImage::PixelType value, const TInside & inside)
{
  for (itk::ImageRegionIteratorWithIndex<TImage> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    if (inside(it.GetIndex()))
    {
      it.Set(value);
    }
  }
}

/** Sets a box of pixels, first and last index included. */
template <typename TImage>
void
FillBox(TImage *                                         image,
        typename TImage::PixelType                       value,
        const std::array<long, TImage::ImageDimension> & first,
        const std::array<long, TImage::ImageDimension> & last)
{
  Fill(image, value, [&](const typename TImage::IndexType & index) {
    for (unsigned int d = 0; d < TImage::ImageDimension; ++d)
    {
      if (index[d] < first[d] || index[d] > last[d])
      {
        return false;
      }
    }
    return true;
  });
}

template <typename TImage>
void
Write(const TImage * image, const std::filesystem::path & path)
{
  auto writer = itk::ImageFileWriter<TImage>::New();
  writer->SetInput(image);
  writer->SetFileName(path.string());
  writer->Update();
}

inline void
WriteText(const std::filesystem::path & path, const std::string & text)
{
  std::ofstream(path) << text;
}

inline std::string
ReadText(const std::filesystem::path & path)
{
  std::ifstream stream(path, std::ios::binary);
  return { std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>() };
}

/** An empty folder that goes away with the test. */
class TemporaryFolder
{
public:
  TemporaryFolder()
  {
    const auto * test = ::testing::UnitTest::GetInstance()->current_test_info();
    m_Path = std::filesystem::path(::testing::TempDir()) /
             (std::string("sam_") + test->test_suite_name() + "_" + test->name());
    std::filesystem::remove_all(m_Path);
    std::filesystem::create_directories(m_Path);
  }
  ~TemporaryFolder()
  {
    std::error_code ignored;
    std::filesystem::remove_all(m_Path, ignored);
  }
  std::filesystem::path
  operator/(const std::string & name) const
  {
    return m_Path / name;
  }
  std::filesystem::path
  MakeFolder(const std::string & name) const
  {
    std::filesystem::create_directories(m_Path / name);
    return m_Path / name;
  }
  std::size_t
  CountEntries() const
  {
    return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(m_Path), std::filesystem::directory_iterator()));
  }

private:
  std::filesystem::path m_Path;
};

/** The message of the exception that the call throws, empty when it throws none. */
template <typename TException, typename TCall>
std::string
GetMessage(const TCall & call)
{
  try
  {
    call();
  }
  catch (const TException & exception)
  {
    return exception.what();
  }
  return "";
}
} // namespace sam::test

#endif
