// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSegmentation.h"

#include "samCommandLine.h"
#include "samError.h"
#include "samLabelImage.h"
#include "samPreview.h"
#include "samStatistics.h"

#include "itkSamSegmentationImageFilter.h"

#include "itkCommand.h"
#include "itkImageFileReader.h"
#include "itkImageFileWriter.h"
#include "itkImageIOFactory.h"
#include "itkMetaDataObject.h"
#include "itkVectorIndexSelectionCastImageFilter.h"

#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <limits>

namespace sam
{
namespace
{
/** Labels of the model without the background. */
LabelTable
MakeTable(const itk::SamModel * model)
{
  LabelTable table;
  for (unsigned int k = 1; k < model->GetNumberOfLabels(); ++k)
  {
    table.push_back({ model->GetLabelValues()[k], model->GetLabelNames()[k], model->GetLabelColors()[k] });
  }
  return table;
}

/** Names and colors into the file's header: the keys that 3D Slicer reads from NRRD files, and a line of text that also
 * fits into NIfTI's 80 characters of description. */
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

/** Run a step; what ITK throws becomes one line that names the file. */
template <typename TAction>
void
Naming(const std::string & file, const TAction & action)
{
  try
  {
    action();
  }
  catch (const itk::ProcessAborted &)
  {
    throw;
  }
  catch (const itk::ExceptionObject & exception)
  {
    std::string text = exception.GetDescription();
    std::replace(text.begin(), text.end(), '\n', ' ');
    throw Error(text.find(file) == std::string::npos ? file + ": " + text : text);
  }
}

void
CheckWritable(const std::string & path)
{
  if (itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::WriteMode).IsNull())
  {
    throw Error(path + ": no image format has this ending, expected for example .nii.gz, .nrrd or .mha");
  }
}

template <unsigned int VDimension, typename TLabel>
void
SegmentAs(const itk::SamModel * model, const SegmentationJob & job, const std::function<void(double)> & progress)
{
  using ChannelImage = itk::VectorImage<float, VDimension>;
  using ScalarImage = itk::Image<float, VDimension>;
  using LabelImage = itk::Image<TLabel, VDimension>;

  const auto reader = itk::ImageFileReader<ChannelImage>::New();
  reader->SetFileName(job.image);
  Naming(job.image, [&reader] { reader->Update(); });

  const auto segment = itk::SamSegmentationImageFilter<ChannelImage, LabelImage>::New();
  segment->SetInput(reader->GetOutput());
  segment->SetModel(model);
  for (const auto & region : job.regions)
  {
    itk::Point<double, VDimension>  center;
    itk::Vector<double, VDimension> size;
    for (unsigned int d = 0; d < VDimension; ++d)
    {
      center[d] = region.center[d];
      size[d] = region.size[d];
    }
    segment->AddRegionOfInterest(center, size);
  }
  std::exception_ptr stopped;
  segment->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) {
    try
    {
      progress(segment->GetProgress());
    }
    catch (...)
    {
      stopped = std::current_exception();
      segment->AbortGenerateDataOn();
    }
  });
  try
  {
    Naming(job.image, [&segment] { segment->Update(); });
  }
  catch (const itk::ProcessAborted &)
  {
    if (stopped)
    {
      std::rethrow_exception(stopped);
    }
    throw;
  }

  LabelImage *     labels = segment->GetOutput();
  const LabelTable table = MakeTable(model);
  DescribeLabels(table, labels->GetMetaDataDictionary());

  const auto scalar = itk::VectorIndexSelectionCastImageFilter<ChannelImage, ScalarImage>::New();
  scalar->SetInput(reader->GetOutput());
  if (!job.statistics.empty() || !job.preview.empty())
  {
    scalar->Update();
  }

  // Each file is moved to its place only after the ones inside of it were: all are there or none is.
  WriteAtomically(job.output, [&](const std::string & temporaryLabels) {
    const auto writer = itk::ImageFileWriter<LabelImage>::New();
    writer->SetInput(labels);
    writer->SetFileName(temporaryLabels);
    writer->UseCompressionOn();
    Naming(job.output, [&writer] { writer->Update(); });

    const auto writePreview = [&] {
      if (!job.preview.empty())
      {
        const auto picture = MakePreview<LabelImage>(scalar->GetOutput(), labels, table, job.regions);
        WriteAtomically(job.preview, [&picture](const std::string & temporary) { WritePreview(picture, temporary); });
      }
    };
    if (job.statistics.empty())
    {
      writePreview();
      return;
    }
    const auto report = MakeStatisticsReport<LabelImage>(
      labels, scalar->GetOutput(), table, job.regions, job.image, model->GetFileName());
    WriteAtomically(job.statistics, [&](const std::string & temporary) {
      std::ofstream stream(temporary);
      stream << ToJson(report);
      if (!stream.flush())
      {
        throw Error(job.statistics + ": cannot be written");
      }
      writePreview();
    });
  });
}
} // namespace

void
Segment(const itk::SamModel * model, const SegmentationJob & job, const std::function<void(double)> & progress)
{
  CheckWritable(job.output);
  const auto & values = model->GetLabelValues();
  const bool   isSmall = *std::max_element(values.begin(), values.end()) <= std::numeric_limits<unsigned char>::max();
  if (ReadImageDimension(job.image) == 2)
  {
    isSmall ? SegmentAs<2, unsigned char>(model, job, progress) : SegmentAs<2, short>(model, job, progress);
  }
  else
  {
    isSmall ? SegmentAs<3, unsigned char>(model, job, progress) : SegmentAs<3, short>(model, job, progress);
  }
}

std::vector<std::string>
FindImages(const std::string & folder)
{
  std::vector<std::string> images;
  for (const auto & entry : std::filesystem::directory_iterator(folder))
  {
    const std::string path = entry.path().string();
    if (entry.is_regular_file() &&
        itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::ReadMode).IsNotNull())
    {
      images.push_back(path);
    }
  }
  std::sort(images.begin(), images.end());
  return images;
}
} // namespace sam
