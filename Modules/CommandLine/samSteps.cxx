// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSteps.h"

#include "itkImageIOFactory.h"
#include "itkMetaDataObject.h"

#include <filesystem>
#include <fstream>

namespace sam
{
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

void
CheckWritable(const std::string & path)
{
  if (itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::WriteMode).IsNull())
  {
    throw Error(path + ": no image format has this ending, expected for example .nii.gz, .nrrd or .mha");
  }
}

void
CheckOutputs(const std::vector<std::string> & images, const std::vector<std::string> & others)
{
  for (const auto * paths : { &images, &others })
  {
    for (const auto & path : *paths)
    {
      if (!path.empty())
      {
        CheckOutput(path);
      }
      if (!path.empty() && paths == &images)
      {
        CheckWritable(path);
      }
    }
  }
}

void
MakeFolder(const std::string & folder)
{
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!std::filesystem::is_directory(folder))
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

void
DescribeLabels(const LabelTable & table, itk::MetaDataDictionary & dictionary)
{
  std::string notes;
  for (size_t k = 0; k < table.size(); ++k)
  {
    const std::string prefix = "Segment" + std::to_string(k) + "_";
    std::string       color;
    for (const unsigned char part : table[k].color)
    {
      std::string digits = std::to_string(part / 255.0);
      std::replace(digits.begin(), digits.end(), ',', '.');
      color += (color.empty() ? "" : " ") + digits;
    }
    const auto add = [&](const std::string & key, const std::string & value) {
      itk::EncapsulateMetaData<std::string>(dictionary, prefix + key, value);
    };
    add("ID", "Segment_" + std::to_string(table[k].value));
    add("Name", table[k].name);
    add("Color", color);
    add("LabelValue", std::to_string(table[k].value));
    add("Layer", "0");
    notes += (notes.empty() ? "" : ", ") + std::to_string(table[k].value) + " " + table[k].name;
  }
  itk::EncapsulateMetaData<std::string>(dictionary, "ITK_FileNotes", notes.substr(0, 79));
}
} // namespace sam
