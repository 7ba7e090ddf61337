// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDirectionRepair.h"

#include "samError.h"
#include "samImageFile.h"
#include "samNiftiFile.h"

#include "itkMath.h"

#include <vnl/algo/vnl_svd.h>
#include <vnl/vnl_matrix.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <vector>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

std::vector<char>
ReadDecompressed(const std::string & path)
{
  const GzipFile    file(gzopen(path.c_str(), "rb"));
  std::vector<char> bytes;
  std::vector<char> part(1 << 20);
  for (int count = 1; file && count > 0;)
  {
    count = gzread(file.get(), part.data(), static_cast<unsigned int>(part.size()));
    bytes.insert(bytes.end(), part.begin(), part.begin() + std::max(count, 0));
  }
  constexpr size_t smallest = 540;
  if (bytes.size() < smallest)
  {
    throw Error(path + ": is incomplete, expected a NIfTI file");
  }
  return bytes;
}

/** Make the matrix at \a place orthonormal but for the spacings; answers the largest angle between axes, degrees. */
template <typename TReal>
double
RepairMatrix(const std::string & path, NiftiHeader & header, size_t place, size_t spacings)
{
  vnl_matrix<double>    directions(3, 3);
  std::array<double, 3> lengths{};
  for (unsigned int j = 0; j < 3; ++j)
  {
    for (unsigned int i = 0; i < 3; ++i)
    {
      directions(i, j) = static_cast<double>(header.Get<TReal>(place + sizeof(TReal) * (4 * i + j)));
    }
    lengths[j] = directions.get_column(j).two_norm();
    directions.set_column(j, directions.get_column(j) / lengths[j]);
  }
  const vnl_svd<double> decomposition(directions);
  if (!(decomposition.sigma_min() > 0.01))
  {
    throw Error(path + ": two of its axes are almost parallel, expected axes that can be made perpendicular");
  }
  const vnl_matrix<double> nearest = decomposition.U() * decomposition.V().transpose();
  double                   angle = 0.0;
  for (unsigned int j = 0; j < 3; ++j)
  {
    const double cosine = dot_product(nearest.get_column(j), directions.get_column(j));
    angle = std::max(angle, std::acos(std::min(1.0, cosine)) * 180.0 / itk::Math::pi);
    header.Set(spacings + sizeof(TReal) * (1 + j), static_cast<TReal>(lengths[j]));
    for (unsigned int i = 0; i < 3; ++i)
    {
      header.Set(place + sizeof(TReal) * (4 * i + j), static_cast<TReal>(nearest(i, j) * lengths[j]));
    }
  }
  return angle;
}
} // namespace

DirectionRepair::DirectionRepair(const std::string & image)
  : m_File(image)
{
  try
  {
    ReadImageHeader(image);
    return;
  }
  catch (const Error & error)
  {
    if (std::string(error.what()).find("perpendicular") == std::string::npos)
    {
      throw;
    }
  }
  auto        bytes = ReadDecompressed(image);
  NiftiHeader header(bytes);
  // The quaternion is left out, so that the matrix counts.
  if (header.IsSecond())
  {
    m_Angle = RepairMatrix<double>(image, header, 400, 104);
    header.Set<std::int32_t>(344, 0);
  }
  else
  {
    m_Angle = RepairMatrix<float>(image, header, 280, 76);
    header.Set<std::int16_t>(252, 0);
  }
  static std::atomic<unsigned int> counter{ 0 };
  m_Folder = fs::temp_directory_path() /
             ("sam-direction-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()) + "-" +
              std::to_string(counter++));
  fs::create_directory(m_Folder);
  m_File = (m_Folder / "image.nii").string();
  std::ofstream stream(m_File, std::ios::binary);
  stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!stream.flush())
  {
    throw Error(m_File + ": cannot be written");
  }
}

DirectionRepair::~DirectionRepair()
{
  std::error_code ignored;
  if (!m_Folder.empty())
  {
    fs::remove_all(m_Folder, ignored);
  }
}
} // namespace sam
