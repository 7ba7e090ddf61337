// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDirectionRepair.h"

#include "samError.h"
#include "samImageFile.h"
#include "samNiftiFile.h"
#include "samText.h"

#include "itkMath.h"
#include "itkNiftiImageIO.h"
#include "itkVersion.h"

#include <itksys/SystemTools.hxx>

#include <vnl/algo/vnl_svd.h>
#include <vnl/vnl_matrix.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <vector>

namespace sam
{
/** \class DirectionRepair::Report
 * \brief Tells of each repaired file once.
 */
struct DirectionRepair::Report
{
  void
  Tell(const std::string & path, double degrees)
  {
    const std::lock_guard<std::mutex> lock(mutex);
    if (told.insert(path).second && warn)
    {
      warn(path + ": axes were turned by up to " + std::to_string(degrees) + " degrees to be perpendicular");
    }
  }

  std::mutex                               mutex;
  std::set<std::string>                    told;
  std::function<void(const std::string &)> warn;
  std::optional<std::thread::id>           thread; ///< whose readers alone tell it
};

namespace
{
namespace fs = std::filesystem;

constexpr std::size_t smallestFile = 348; // the header of NIfTI 1
constexpr std::size_t secondHeader = 540;

/** The first bytes of a file that may be compressed, or all of them. */
std::vector<char>
ReadDecompressed(const std::string & path, std::size_t most)
{
  const GzipFile    file(gzopen(path.c_str(), "rb"));
  std::vector<char> bytes;
  std::vector<char> part(1 << 20);
  for (int count = 1; file && count > 0 && bytes.size() < most;)
  {
    count = gzread(file.get(), part.data(), static_cast<unsigned int>(std::min(part.size(), most - bytes.size())));
    bytes.insert(bytes.end(), part.begin(), part.begin() + std::max(count, 0));
  }
  if (bytes.size() < std::min(smallestFile, most))
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

/** Make the axes of the header perpendicular; answers the largest angle in degrees by which one was turned. */
double
RepairHeader(const std::string & path, std::vector<char> & bytes)
{
  NiftiHeader header(bytes);
  if (header.IsSecond() && bytes.size() < secondHeader)
  {
    throw Error(path + ": is incomplete, expected a NIfTI file");
  }
  // The quaternion is left out, so that the matrix counts.
  if (header.IsSecond())
  {
    header.Set<std::int32_t>(344, 0);
    return RepairMatrix<double>(path, header, 400, 104);
  }
  header.Set<std::int16_t>(252, 0);
  return RepairMatrix<float>(path, header, 280, 76);
}

/** \class TemporaryImage
 * \brief A file image.nii in a folder of its own, as long as the object lives.
 */
class TemporaryImage
{
public:
  explicit TemporaryImage(const std::vector<char> & bytes)
  {
    static std::atomic<unsigned int> counter{ 0 };
    std::error_code                  error;
    m_Folder = fs::temp_directory_path(error) /
               ("sam-direction-" + std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()) + "-" +
                std::to_string(counter++));
    if (error || !fs::create_directory(m_Folder, error))
    {
      throw Error(m_Folder.string() + ": cannot be made, expected a folder for temporary files (TMPDIR)");
    }
    std::ofstream stream(this->GetPath(), std::ios::binary);
    stream.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!stream.flush())
    {
      fs::remove_all(m_Folder, error);
      throw Error(this->GetPath() + ": cannot be written");
    }
  }

  ~TemporaryImage()
  {
    std::error_code ignored;
    fs::remove_all(m_Folder, ignored);
  }

  TemporaryImage(const TemporaryImage &) = delete;
  void
  operator=(const TemporaryImage &) = delete;

  std::string
  GetPath() const
  {
    return (m_Folder / "image.nii").string();
  }

private:
  fs::path m_Folder;
};

/** Those that live, the latest last. */
std::mutex                                            reportsMutex;
std::vector<std::shared_ptr<DirectionRepair::Report>> reports;

std::shared_ptr<DirectionRepair::Report>
GetReport()
{
  const std::lock_guard<std::mutex> lock(reportsMutex);
  const auto                        found = std::find_if(reports.rbegin(), reports.rend(), [](const auto & report) {
    return !report->thread || *report->thread == std::this_thread::get_id();
  });
  return found == reports.rend() ? nullptr : *found;
}

/** \class RepairingImageIO
 * \brief Reads a repaired copy of a NIfTI file that is refused for its axes. It keeps the name of its class, by which
 * NIfTI is told from other formats.
 */
class RepairingImageIO : public itk::NiftiImageIO
{
public:
  using Self = RepairingImageIO;
  using Pointer = itk::SmartPointer<Self>;
  itkFactorylessNewMacro(Self);

  void
  ReadImageInformation() override
  {
    std::shared_ptr<DirectionRepair::Report> report;
    m_IsRepaired = false;
    try
    {
      itk::NiftiImageIO::ReadImageInformation();
      return;
    }
    catch (const itk::ExceptionObject & exception)
    {
      report = GetReport();
      if (!report || !IsRefusedForItsAxes(exception) || !EndsWithNii(m_FileName))
      {
        throw;
      }
    }
    const std::string path = m_FileName;
    auto              header = ReadDecompressed(path, largestHeader);
    const double      degrees = RepairHeader(path, header);
    this->WithCopy(header, [this] { itk::NiftiImageIO::ReadImageInformation(); });
    m_IsRepaired = true;
    report->Tell(path, degrees);
  }

  void
  Read(void * buffer) override
  {
    if (!m_IsRepaired)
    {
      itk::NiftiImageIO::Read(buffer);
      return;
    }
    auto bytes = ReadDecompressed(m_FileName, std::numeric_limits<std::size_t>::max());
    RepairHeader(m_FileName, bytes);
    this->WithCopy(bytes, [this, buffer] { itk::NiftiImageIO::Read(buffer); });
  }

private:
  // Header extensions included, which a header tells the end of.
  static constexpr std::size_t largestHeader = 1 << 24;

  static bool
  EndsWithNii(const std::string & path)
  {
    const std::string lower = ToLower(path);
    return itksys::SystemTools::StringEndsWith(lower, ".nii") || itksys::SystemTools::StringEndsWith(lower, ".nii.gz");
  }

  /** Call \a read while this reads a file of these bytes. */
  template <typename TRead>
  void
  WithCopy(const std::vector<char> & bytes, const TRead & read)
  {
    const TemporaryImage copy(bytes);
    const std::string    path = m_FileName;
    m_FileName = copy.GetPath();
    try
    {
      read();
    }
    catch (const itk::ExceptionObject &)
    {
      m_FileName = path; // ITK's text names the copy
      throw Error(path + ": cannot be read with perpendicular axes, expected a complete NIfTI file");
    }
    catch (...)
    {
      m_FileName = path;
      throw;
    }
    m_FileName = path;
  }

  bool m_IsRepaired{ false };
};

class RepairingImageIOFactory : public itk::ObjectFactoryBase
{
public:
  using Self = RepairingImageIOFactory;
  using Pointer = itk::SmartPointer<Self>;
  itkFactorylessNewMacro(Self);

  const char *
  GetITKSourceVersion() const override
  {
    return ITK_SOURCE_VERSION;
  }

  const char *
  GetDescription() const override
  {
    return "NIfTI files with axes that are not perpendicular";
  }

private:
  RepairingImageIOFactory()
  {
    this->RegisterOverride("itkImageIOBase",
                           "RepairingImageIO",
                           this->GetDescription(),
                           true,
                           itk::CreateObjectFunction<RepairingImageIO>::New());
  }
};
} // namespace

DirectionRepair::DirectionRepair(std::function<void(const std::string & text)> warn, bool ofThisThread)
  : m_Report(std::make_shared<Report>())
{
  m_Report->warn = std::move(warn);
  if (ofThisThread)
  {
    m_Report->thread = std::this_thread::get_id();
  }
  const std::lock_guard<std::mutex> lock(reportsMutex);
  static const bool                 isRegistered = itk::ObjectFactoryBase::RegisterFactory(
    RepairingImageIOFactory::New(), itk::ObjectFactoryEnums::InsertionPosition::INSERT_AT_FRONT);
  static_cast<void>(isRegistered);
  reports.push_back(m_Report);
}

DirectionRepair::~DirectionRepair()
{
  {
    const std::lock_guard<std::mutex> lock(reportsMutex);
    reports.erase(std::find(reports.begin(), reports.end(), m_Report));
  }
  // A reader that began before may still want to tell.
  const std::lock_guard<std::mutex> lock(m_Report->mutex);
  m_Report->warn = nullptr;
}
} // namespace sam
