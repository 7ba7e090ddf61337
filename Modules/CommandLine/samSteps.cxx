// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSteps.h"

#include "samDicomSeries.h"

#include "itkImageIOFactory.h"

#include <itksys/SystemTools.hxx>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

/** Whether a file to write is the one that is read, or an image in the folder that is read; of a DICOM series: a slice.
 */
bool
Replaces(const std::string & output, const std::string & input)
{
  std::error_code error; // what is not there is not replaced
  if (!fs::is_directory(input, error))
  {
    return fs::equivalent(output, input, error);
  }
  if (!fs::exists(output, error) || !fs::equivalent(fs::absolute(output).parent_path(), input, error))
  {
    return false;
  }
  const auto format = itk::ImageIOFactory::CreateImageIO(output.c_str(), itk::IOFileModeEnum::ReadMode);
  return format && (std::string(format->GetNameOfClass()) == "GDCMImageIO" || FindDicomFile(input).empty());
}
} // namespace

void
UpdateFilter(itk::ProcessObject *                filter,
             const std::string &                 file,
             const std::function<void(double)> & progress,
             itk::ProcessObject *                last,
             unsigned int                        pieces)
{
  double     piecesDone = 0.0;
  const auto counter = filter->AddObserver(itk::EndEvent(), [&](const itk::EventObject &) { piecesDone += 1.0; });
  std::exception_ptr stopped;
  const auto         observer = filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) {
    try
    {
      progress(std::min(1.0, (piecesDone + static_cast<double>(filter->GetProgress())) / pieces));
    }
    catch (...)
    {
      stopped = std::current_exception();
      filter->AbortGenerateDataOn();
    }
  });
  try
  {
    Naming(file, [=] { (last != nullptr ? last : filter)->Update(); });
  }
  catch (const itk::ProcessAborted &)
  {
    if (stopped)
    {
      std::rethrow_exception(stopped);
    }
    throw;
  }
  filter->RemoveObserver(observer);
  filter->RemoveObserver(counter);
}

std::string
GetFormatToWrite(const std::string & path)
{
  const auto format = itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::WriteMode);
  return format ? format->GetNameOfClass() : "";
}

void
CheckDistinct(const std::vector<std::string> & inputs, const std::vector<std::string> & outputs)
{
  std::set<fs::path> places;
  for (const auto & output : outputs)
  {
    if (!output.empty() && !places.insert(fs::weakly_canonical(fs::absolute(output))).second)
    {
      throw Error(output + ": is given for two outputs, expected a file for each");
    }
    for (const auto & input : inputs)
    {
      if (!output.empty() && !input.empty() && Replaces(output, input))
      {
        throw Error(output + ": would be replaced, but is the input" + (fs::is_directory(input) ? " in " + input : "") +
                    ", expected another name to write");
      }
    }
  }
}

void
CheckOutputs(const std::vector<std::string> & inputs,
             const std::vector<std::string> & images,
             const std::vector<std::string> & others)
{
  auto all = images;
  all.insert(all.end(), others.begin(), others.end());
  for (const auto & path : all)
  {
    if (!path.empty())
    {
      CheckOutput(path);
    }
  }
  for (const auto & path : images)
  {
    const std::string format = path.empty() ? "" : GetFormatToWrite(path);
    if (!path.empty() && format.empty())
    {
      throw Error(path + ": no image format has this ending, expected for example .nii.gz, .nrrd or .mha");
    }
    if (format == "JPEGImageIO")
    {
      throw Error(path + ": JPEG changes the values of an image, expected for example .png, .nrrd or .mha");
    }
  }
  CheckDistinct(inputs, all);
}

template <unsigned int VDimension>
void
CheckGrid(const std::vector<std::string> & images, const itk::ImageBase<VDimension> * grid)
{
  constexpr double tolerance = 1e-3; // as of CheckSameGrid(): half a voxel in 500
  const auto &     direction = grid->GetDirection();
  double           shear = 0.0; // how much the product of the transposed matrix and itself differs from the identity
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    for (unsigned int j = 0; j < VDimension; ++j)
    {
      double product = i == j ? -1.0 : 0.0;
      for (unsigned int k = 0; k < VDimension; ++k)
      {
        product += direction(k, i) * direction(k, j);
      }
      shear = std::max(shear, std::abs(product));
    }
  }
  const auto slices = VDimension > 2 ? grid->GetLargestPossibleRegion().GetSize(VDimension - 1) : 1;
  for (const auto & path : images)
  {
    const std::string format = path.empty() ? "" : GetFormatToWrite(path);
    if (slices > 1 && (format == "PNGImageIO" || format == "BMPImageIO"))
    {
      throw Error(path + ": this format holds one slice of the " + std::to_string(slices) +
                  ", expected for example .nii.gz, .nrrd or .mha");
    }
    if (shear > tolerance && format == "NiftiImageIO")
    {
      throw Error(path +
                  ": NIfTI stores a rotation, the axes of the image are sheared, as those of a tilted gantry are, "
                  "and voxels would lie elsewhere: expected .nrrd or .mha");
    }
  }
}

template void
CheckGrid(const std::vector<std::string> &, const itk::ImageBase<2> *);
template void
CheckGrid(const std::vector<std::string> &, const itk::ImageBase<3> *);

void
MakeFolder(const std::string & folder)
{
  std::error_code error;
  fs::create_directories(folder, error);
  if (!fs::is_directory(folder))
  {
    throw Error(folder + ": cannot be made, expected a folder for several files");
  }
}

void
WriteText(const std::string & text, const std::string & path)
{
  std::ofstream stream(path);
  stream << text;
  if (!stream.flush())
  {
    throw Error(path + ": cannot be written");
  }
}

void
WriteAllAtomically(const std::vector<FileToWrite> & files)
{
  // Each file is moved to its place only after the ones inside of it were.
  const std::function<void(size_t)> writeFrom = [&](size_t k) {
    while (k < files.size() && files[k].first.empty())
    {
      ++k;
    }
    if (k < files.size())
    {
      WriteAtomically(files[k].first, [&](const std::string & temporary) {
        Naming(files[k].first, [&] { files[k].second(temporary); });
        writeFrom(k + 1);
      });
    }
  };
  writeFrom(0);
}

bool
IsSegmentationName(const std::string & path)
{
  return itksys::SystemTools::StringEndsWith(itksys::SystemTools::LowerCase(path), ".seg.nrrd");
}
} // namespace sam
