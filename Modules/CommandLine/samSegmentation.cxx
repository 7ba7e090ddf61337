// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSegmentation.h"

#include "samComponents.h"
#include "samError.h"
#include "samImageReading.h"
#include "samLabelImage.h"
#include "samPreview.h"
#include "samStatistics.h"
#include "samSteps.h"

#include "itkSamSegmentationImageFilter.h"

#include "itkImageIOFactory.h"
#include "itkVectorIndexSelectionCastImageFilter.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <sstream>

namespace sam
{
namespace
{
using Models = std::vector<itk::SamModel::ConstPointer>;

template <unsigned int VDimension, typename TLabel>
void
SegmentAs(const Models & models, const SegmentationJob & job, const std::function<void(double)> & progress)
{
  const itk::SamModel * model = models.front();

  using ChannelImage = itk::VectorImage<float, VDimension>;
  using ScalarImage = itk::Image<float, VDimension>;
  using LabelImage = itk::Image<TLabel, VDimension>;

  const auto image = Read<ChannelImage>(job.source.empty() ? job.image : job.source);

  const auto segment = itk::SamSegmentationImageFilter<ChannelImage, LabelImage>::New();
  segment->SetInput(image);
  segment->SetModel(model);
  for (size_t k = 1; k < models.size(); ++k)
  {
    segment->AddModel(models[k]);
  }
  segment->SetMirrorAxes(job.mirrorAxes);
  AddRegions(segment.GetPointer(), job.regions);
  UpdateFilter(segment, job.image, progress);

  LabelImage * labels = segment->GetOutput();
  CleanLabels(labels, job);
  const LabelTable table = GetLabels(model, job.labels);
  DescribeSegmentation(table, labels);

  const auto scalar = itk::VectorIndexSelectionCastImageFilter<ChannelImage, ScalarImage>::New();
  scalar->SetInput(image);
  if (!job.statistics.empty() || !job.preview.empty())
  {
    scalar->Update();
  }

  WriteAllAtomically({ { job.output, [&](const std::string & temporary) { WriteImage(labels, temporary, true); } },
                       { job.statistics,
                         [&](const std::string & temporary) {
                           const auto report = MakeStatisticsReport<LabelImage>(
                             labels, scalar->GetOutput(), table, job.regions, job.image, model->GetFileName());
                           WriteText(ToJson(report), temporary);
                         } },
                       { job.preview, [&](const std::string & temporary) {
                          WritePreview(MakePreview<LabelImage>(scalar->GetOutput(), labels, table, job.regions),
                                       temporary);
                        } } });
}
} // namespace

LabelTable
GetLabels(const itk::SamModel * model, const std::set<int> & chosen)
{
  LabelTable table;
  for (unsigned int k = 1; k < model->GetNumberOfLabels(); ++k)
  {
    if (chosen.empty() || chosen.count(model->GetLabelValues()[k]) > 0)
    {
      table.push_back({ model->GetLabelValues()[k], model->GetLabelNames()[k], model->GetLabelColors()[k] });
    }
  }
  return table;
}

bool
HasSmallLabels(const itk::SamModel * model)
{
  const auto & values = model->GetLabelValues();
  return *std::max_element(values.begin(), values.end()) <= std::numeric_limits<unsigned char>::max();
}

template <typename TLabelImage>
void
CleanLabels(TLabelImage * labels, const SegmentationJob & job)
{
  if (!job.labels.empty())
  {
    KeepLabels(labels, job.labels);
  }
  if (job.largestComponent)
  {
    KeepLargestComponents(labels);
  }
  if (job.minimumSize > 0.0)
  {
    RemoveSmallComponents(labels, job.minimumSize);
  }
  if (job.fillsHoles)
  {
    FillHoles(labels);
  }
}

template void
CleanLabels(itk::Image<unsigned short, 2> *, const SegmentationJob &);
template void
CleanLabels(itk::Image<unsigned short, 3> *, const SegmentationJob &);

void
Segment(const Models & models, const SegmentationJob & job, const std::function<void(double)> & progress)
{
  CheckWritable(job.output);
  const bool isSmall = HasSmallLabels(models.front());
  if (ReadImageDimension(job.source.empty() ? job.image : job.source) == 2)
  {
    isSmall ? SegmentAs<2, unsigned char>(models, job, progress) : SegmentAs<2, short>(models, job, progress);
  }
  else
  {
    isSmall ? SegmentAs<3, unsigned char>(models, job, progress) : SegmentAs<3, short>(models, job, progress);
  }
}

std::set<int>
ParseLabels(const std::string & option, const std::string & text, const itk::SamModel * model)
{
  const auto         table = GetLabels(model);
  std::set<int>      values;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');)
  {
    const auto found = std::find_if(table.begin(), table.end(), [&word](const LabelDescription & label) {
      return label.name == word || std::to_string(label.value) == word;
    });
    if (found == table.end())
    {
      std::string all;
      for (const auto & label : table)
      {
        all += (all.empty() ? "" : ", ") + std::to_string(label.value) + " (" + label.name + ")";
      }
      throw Error(option + ": '" + word + "' is no label of " + model->GetFileName() + ", expected some of " + all);
    }
    values.insert(found->value);
  }
  if (values.empty())
  {
    throw Error(option + ": no label, expected names or values separated by commas");
  }
  return values;
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
