// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samSegmentation.h"

#include "samBody.h"
#include "samComponents.h"
#include "samError.h"
#include "samImageReading.h"
#include "samLabelImage.h"
#include "samPreview.h"
#include "samProcessMemory.h"
#include "samProvenance.h"
#include "samStatistics.h"
#include "samSteps.h"
#include "samText.h"

#include "itkSamSegmentationImageFilter.h"

#include "itkImageIOFactory.h"
#include "itkImageRegionSplitterSlowDimension.h"
#include "itkStreamingImageFilter.h"
#include "itkUnaryGeneratorImageFilter.h"
#include "itkVectorIndexSelectionCastImageFilter.h"

#include <itksys/SystemTools.hxx>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <limits>
#include <optional>
#include <sstream>
#include <type_traits>

namespace sam
{
namespace
{
using Models = std::vector<itk::SamModel::ConstPointer>;

/** Whether a job looks at the whole label map, or even at the whole image, once it is segmented. */
bool
NeedsLabelMap(const SegmentationJob & job)
{
  return job.largestComponent || job.minimumSize > 0.0 || job.fillsHoles;
}

bool
NeedsImage(const SegmentationJob & job)
{
  return !job.statistics.empty() || !job.preview.empty() || job.cropsToBody;
}

bool
NeedsMaps(const SegmentationJob & job)
{
  return !job.probabilities.empty() || !job.uncertainty.empty();
}

/** What LibTorch takes for itself when it runs for the first time: code and tables that are read then. */
constexpr std::uint64_t firstRunBytes = 64u << 20;
std::atomic<bool>       hasRun{ false };

/** How an image is gone through, and the memory that it takes. */
struct Way
{
  unsigned int   pieces{ 1 };
  bool           holdsLabels{ true }; ///< else they are written in pieces
  itk::SamMemory memory;
  std::uint64_t  program{ 0 }; ///< with the model
  std::uint64_t  reading{ 0 }; ///< what a format holds beside the pixels while it reads

  std::uint64_t
  GetTotal() const
  {
    return program + memory.image + std::max(reading, memory.GetTotal() - memory.image);
  }

  std::string
  Describe() const
  {
    return "about " + FormatBytes(GetTotal()) + " (program and model " + FormatBytes(program) + ", image " +
           FormatBytes(memory.image + memory.intensities) + ", probabilities " + FormatBytes(memory.probabilities) +
           ", network " + FormatBytes(memory.network) + ", labels " + FormatBytes(memory.labels) + ")" +
           (pieces > 1 ? ", in " + std::to_string(pieces) + " parts" : "");
  }
};

/** How the file of an image is read. */
struct FileFormat
{
  bool          canStream{ false };
  std::uint64_t valueBytes{ 1 };     ///< of a number in the file
  double        readingBytes{ 2.0 }; ///< held for each number of the image meanwhile: formats hold theirs twice
};

template <typename TFilter>
Way
Estimate(const TFilter *         segment,
         const SegmentationJob & job,
         const FileFormat &      format,
         unsigned int            pieces,
         bool                    holds)
{
  using InputImage = typename TFilter::InputImageType;
  constexpr std::uint64_t numberBytes = sizeof(typename InputImage::InternalPixelType);
  const auto              whole = segment->GetOutput()->GetLargestPossibleRegion();
  const std::uint64_t     voxels = whole.GetNumberOfPixels();
  const std::uint64_t     channels = segment->GetInput()->GetNumberOfComponentsPerPixel();

  Way way;
  way.pieces = pieces;
  way.holdsLabels = holds;
  way.program = GetResidentMemory() + (hasRun ? 0 : firstRunBytes);
  const auto    splitter = itk::ImageRegionSplitterSlowDimension::New();
  std::uint64_t firstImage = 0;
  for (const unsigned int piece : std::set<unsigned int>{ 0, pieces / 2, pieces - 1 })
  {
    auto region = whole;
    splitter->GetSplit(piece, pieces, region);
    const auto memory = segment->EstimateMemory(region);
    firstImage = piece == 0 ? memory.image : firstImage;
    way.memory = way.memory.Max(memory);
  }
  if (!format.canStream)
  {
    way.memory.image = voxels * channels * numberBytes;
  }
  way.reading = static_cast<std::uint64_t>(static_cast<double>(way.memory.image / numberBytes) * format.readingBytes);
  if (pieces > 1)
  {
    // The buffer of the first piece remains until that of a larger one is there.
    way.reading = std::max(way.reading, firstImage);
    // When intensities are measured.
    way.reading =
      std::max(way.reading, itk::SamNormalization::VoxelsOfPart * channels * (format.valueBytes + 2 * numberBytes));
  }
  if (holds)
  {
    // Once more while they are compressed; components are numbered and followed.
    way.memory.labels += voxels * sizeof(typename TFilter::OutputPixelType) * (pieces > 1 ? 2 : 1);
    way.memory.labels += NeedsLabelMap(job) ? 12 * voxels : 0;
    way.memory.labels += NeedsMaps(job) ? sizeof(float) * voxels : 0;
  }
  way.memory.image += NeedsImage(job) ? 2 * voxels * sizeof(float) : 0;
  return way;
}

/** The fewest pieces that keep the limit; the label map is held where it can be.
 * \throws Error with the smallest limit that would do, and why it is not smaller. */
template <typename TFilter>
Way
FindWay(const TFilter * segment, const SegmentationJob & job, const FileFormat & format)
{
  Way least = Estimate(segment, job, format, 1, true);
  if (job.memoryLimit == 0 || least.GetTotal() <= job.memoryLimit)
  {
    return least;
  }
  const auto & whole = segment->GetOutput()->GetLargestPossibleRegion();
  const auto   layers = static_cast<unsigned int>(whole.GetSize(TFilter::ImageDimension - 1));
  const auto   output = itk::ImageIOFactory::CreateImageIO(job.output.c_str(), itk::IOFileModeEnum::WriteMode);
  output->SetUseCompression(false);
  const bool writesPieces = output->CanStreamWrite() && !NeedsLabelMap(job);
  for (const bool holds : { true, false })
  {
    for (unsigned int pieces = 2; !NeedsImage(job) && !NeedsMaps(job) && (holds || writesPieces);
         pieces = std::min(2 * pieces, layers))
    {
      const Way way = Estimate(segment, job, format, std::min(pieces, layers), holds);
      if (way.GetTotal() <= job.memoryLimit)
      {
        return way;
      }
      least = way.GetTotal() < least.GetTotal() ? way : least;
      if (pieces >= layers)
      {
        break;
      }
    }
  }
  const std::string advice = ", MetaImage (.mha) without compression can";
  std::string       reasons;
  const auto        add = [&reasons](const std::string & reason) { reasons += "; " + reason; };
  if (NeedsImage(job))
  {
    add("--statistics, --preview and --crop-to-body need the whole image");
  }
  if (NeedsMaps(job))
  {
    add("--probability and --uncertainty need the whole maps");
  }
  if (!format.canStream)
  {
    add("the image's format cannot be read in parts" + advice);
  }
  if (segment->GetModel()->RemovesFrame())
  {
    add("the model leaves a black frame out, which is looked for in the whole image");
  }
  if (NeedsLabelMap(job))
  {
    add("--largest-component, --minimum-size and --fill-holes need the whole label map");
  }
  if (!output->CanStreamWrite())
  {
    add("the label map's format cannot be written in parts" + advice);
  }
  throw Error(job.image + ": --memory-limit " + FormatBytes(job.memoryLimit) +
              " is too little, the smallest that does is " + FormatBytes(least.GetTotal()) + reasons);
}

/** A spacing in other units than mm makes a grid that no memory holds. \throws Error naming the image. */
template <unsigned int VDimension>
void
CheckLattice(const itk::SamModel * model, const SegmentationJob & job, const itk::ImageBase<VDimension> * image)
{
  constexpr double      mostVoxels = 1e10;
  constexpr double      mostOfOneVoxel = 1e3;
  const itk::SamLattice lattice(itk::SamGrid::FromImage<VDimension>(image),
                                model->GetOrientation(),
                                model->GetSpacing(),
                                model->GetStretchedSize());
  const auto            size = lattice.GetGrid().box.size;
  const double voxels = static_cast<double>(size[0]) * static_cast<double>(size[1]) * static_cast<double>(size[2]);
  if (job.regions.empty() && voxels > mostVoxels &&
      voxels > mostOfOneVoxel * static_cast<double>(image->GetLargestPossibleRegion().GetNumberOfPixels()))
  {
    std::ostringstream text;
    text << job.image << ": takes " << voxels << " voxels of " << model->GetFileName() << ", expected at most "
         << mostVoxels << "; its spacing is";
    for (unsigned int i = 0; i < VDimension; ++i)
    {
      text << (i == 0 ? " " : " x ") << image->GetSpacing()[i];
    }
    throw Error(text.str() + " mm");
  }
}

/** Of a reader that was made by MakeImageReader(). */
template <typename TImage>
FileFormat
GetFormat(itk::ImageSource<TImage> * source)
{
  if (const auto * reader = dynamic_cast<ChannelReader<TImage::ImageDimension> *>(source))
  {
    // One channel at a time; of a file with a fourth axis all of them, before the image's memory is touched.
    const auto & files = reader->GetFileNames();
    const auto   bytes = PeekImageHeader(files.front())->GetComponentSize();
    const auto   ofFormat = 2.0 * static_cast<double>(bytes);
    return { false,
             bytes,
             files.size() > 1 ? (sizeof(float) + ofFormat) / static_cast<double>(files.size())
                              : std::max<double>(sizeof(float), ofFormat) };
  }
  auto *     reader = dynamic_cast<itk::ImageFileReader<TImage> *>(source);
  auto *     imageIO = reader != nullptr ? reader->GetModifiableImageIO()
                                         : dynamic_cast<itk::ImageSeriesReader<TImage> &>(*source).GetModifiableImageIO();
  const auto bytes = imageIO->GetComponentSize();
  return { imageIO->CanStreamRead(), bytes, 2.0 * static_cast<double>(bytes) };
}

/** What a job runs, ready to run. */
template <unsigned int VDimension, typename TLabel>
struct Pipeline
{
  using ChannelImage = itk::VectorImage<float, VDimension>;
  using LabelImage = itk::Image<TLabel, VDimension>;
  using FilterType = itk::SamSegmentationImageFilter<ChannelImage, LabelImage>;

  typename itk::ImageSource<ChannelImage>::Pointer reader;
  typename FilterType::Pointer                     segment{ FilterType::New() };
  Way                                              way;

  Pipeline(const Models & models, const SegmentationJob & job)
    : reader(MakeImageReader<ChannelImage>(job.image, models.front()->GetNumberOfChannels()))
  {
    segment->SetInput(reader->GetOutput());
    segment->SetModel(models.front());
    for (size_t k = 1; k < models.size(); ++k)
    {
      segment->AddModel(models[k]);
    }
    segment->SetMirrorAxes(job.mirrorAxes);
    std::vector<int> values;
    for (const auto & [value, file] : job.probabilities)
    {
      values.push_back(value);
    }
    segment->SetProbabilityLabels(values);
    segment->SetComputeUncertainty(!job.uncertainty.empty());
    AddRegions(segment.GetPointer(), job.regions);
    ResetPeakMemory();
    Naming(job.image, [&] {
      segment->UpdateOutputInformation();
      CheckGrid<VDimension>(GetImageOutputs(job), reader->GetOutput());
      CheckLattice<VDimension>(models.front(), job, reader->GetOutput());
      way = FindWay(segment.GetPointer(), job, GetFormat<ChannelImage>(reader));
    });
  }
};

/** Call \a action with the type of the pipeline that a job needs: dimension and label type. */
template <typename TAction>
auto
WithPipeline(const Models & models, const SegmentationJob & job, const TAction & action)
{
  const auto pipeline = [&](auto dimension, auto label) {
    return action(Pipeline<decltype(dimension)::value, decltype(label)>(models, job));
  };
  const bool isSmall = HasSmallLabels(models.front());
  if (ReadImageDimension(job.image, models.front()->GetNumberOfChannels()) == 2)
  {
    constexpr std::integral_constant<unsigned int, 2> plane{};
    return isSmall ? pipeline(plane, static_cast<unsigned char>(0)) : pipeline(plane, short{ 0 });
  }
  constexpr std::integral_constant<unsigned int, 3> volume{};
  return isSmall ? pipeline(volume, static_cast<unsigned char>(0)) : pipeline(volume, short{ 0 });
}

template <unsigned int VDimension, typename TLabel>
MemoryUse
SegmentAs(const Pipeline<VDimension, TLabel> &             pipeline,
          const Models &                                   models,
          const SegmentationJob &                          job,
          const std::function<void(double)> &              progress,
          const std::function<void(const std::string &)> & print,
          const std::function<void(const std::string &)> & warn)
{
  using ChannelImage = itk::VectorImage<float, VDimension>;
  using ScalarImage = itk::Image<float, VDimension>;
  using LabelImage = itk::Image<TLabel, VDimension>;

  const auto & model = models.front();
  const Way &  way = pipeline.way;
  const auto & segment = pipeline.segment;
  const auto   image = pipeline.reader->GetOutput();
  if (print)
  {
    print("memory: " + way.Describe() + "\n");
  }
  const auto physical = GetPhysicalMemory();
  if (warn && physical > 0 && way.GetTotal() > physical)
  {
    warn(job.image + ": takes " + way.Describe() + ", this machine has " + FormatBytes(physical) + " of memory");
  }

  const auto scalar = itk::VectorIndexSelectionCastImageFilter<ChannelImage, ScalarImage>::New();
  scalar->SetInput(image);
  auto regions = job.regions;
  if (job.cropsToBody)
  {
    Naming(job.image, [&] { scalar->UpdateLargestPossibleRegion(); });
    regions = { FindBody<VDimension>(scalar->GetOutput()) };
    AddRegions(segment.GetPointer(), regions);
    if (print)
    {
      print("region: " + DescribeRegion(regions.front(), VDimension) + "\n");
    }
  }
  const LabelTable  table = GetLabels(model, job.labels);
  std::atomic<bool> isLabeled{ false };
  if (way.holdsLabels)
  {
    const auto collect = itk::StreamingImageFilter<LabelImage, LabelImage>::New();
    collect->SetInput(segment->GetOutput());
    collect->SetNumberOfStreamDivisions(way.pieces);
    const bool isWhole = way.pieces == 1;
    UpdateFilter(segment, job.image, progress, isWhole ? nullptr : collect.GetPointer(), way.pieces);
    CheckSlices(image, job.image);
    LabelImage * labels = isWhole ? segment->GetOutput() : collect->GetOutput();
    CleanLabels(labels, job);
    isLabeled = !FindLabels(labels).empty();
    DescribeSegmentation(table, labels);
    DescribeProvenance(models, labels->GetMetaDataDictionary());

    if (NeedsImage(job))
    {
      scalar->UpdateLargestPossibleRegion();
    }
    std::vector<FileToWrite> files{
      { job.output, [&](const std::string & temporary) { WriteSegmentation(table, labels, temporary); } },
      { job.statistics,
        [&](const std::string & temporary) {
          auto               report = MakeStatisticsReport<LabelImage>(
            labels, scalar->GetOutput(), table, regions, job.image, model->GetFileName());
          report.version = GetVersion();
          report.modelHashes = GetMd5(models);
          WriteText(ToJson(report), temporary);
        } },
      { job.preview,
        [&](const std::string & temporary) {
          WritePreview(MakePreview<LabelImage>(scalar->GetOutput(), labels, table, regions), temporary);
        } },
      { job.uncertainty,
        [&](const std::string & temporary) { WriteImage(segment->GetUncertainty(), temporary, true); } }
    };
    for (const auto & [value, file] : job.probabilities)
    {
      auto * const map = segment->GetProbability(value);
      files.emplace_back(file, [map](const std::string & temporary) { WriteImage(map, temporary, true); });
    }
    WriteAllAtomically(files);
  }
  else
  {
    const auto keep = itk::UnaryGeneratorImageFilter<LabelImage, LabelImage>::New();
    keep->SetInput(segment->GetOutput());
    const auto & kept = job.labels;
    keep->SetFunctor([&kept, &isLabeled](const TLabel & label) {
      const TLabel result = kept.empty() || kept.count(static_cast<int>(label)) > 0 ? label : TLabel{};
      if (result != 0 && !isLabeled)
      {
        isLabeled = true;
      }
      return result;
    });
    DescribeLabels(table, keep->GetOutput()->GetMetaDataDictionary());
    DescribeProvenance(models, keep->GetOutput()->GetMetaDataDictionary());
    WriteAtomically(job.output, [&](const std::string & temporary) {
      const auto writer = itk::ImageFileWriter<LabelImage>::New();
      writer->SetInput(keep->GetOutput());
      writer->SetFileName(temporary);
      writer->SetNumberOfStreamDivisions(way.pieces);
      UpdateFilter(segment, job.image, progress, writer, way.pieces);
      CheckSlices(image, job.image);
    });
  }
  if (warn && !isLabeled)
  {
    warn(job.output + ": no voxel has a label");
  }
  hasRun = true;
  const MemoryUse use{ way.GetTotal(), GetPeakMemory() };
  if (print && use.peak > 0)
  {
    print("memory: " + FormatBytes(use.peak) + " at the peak\n");
  }
  return use;
}
} // namespace

std::vector<std::string>
GetImageOutputs(const SegmentationJob & job)
{
  std::vector<std::string> files{ job.output };
  if (!job.uncertainty.empty())
  {
    files.push_back(job.uncertainty);
  }
  for (const auto & [value, file] : job.probabilities)
  {
    files.push_back(file);
  }
  return files;
}

std::vector<std::string>
GetOutputs(const SegmentationJob & job)
{
  auto files = GetImageOutputs(job);
  for (const auto & file : { job.statistics, job.preview })
  {
    if (!file.empty())
    {
      files.push_back(file);
    }
  }
  return files;
}

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

MemoryEstimate
EstimateMemory(const Models & models, const SegmentationJob & job)
{
  return WithPipeline(models, job, [](const auto & pipeline) {
    return MemoryEstimate{ pipeline.way.GetTotal(), pipeline.way.Describe() };
  });
}

MemoryUse
Segment(const Models &                                   models,
        const SegmentationJob &                          job,
        const std::function<void(double)> &              progress,
        const std::function<void(const std::string &)> & print,
        const std::function<void(const std::string &)> & warn)
{
  CheckOutput(job.output); // the other outputs may be left out
  CheckOutputs({ job.image }, GetImageOutputs(job), { job.statistics, job.preview });
  return WithPipeline(
    models, job, [&](const auto & pipeline) { return SegmentAs(pipeline, models, job, progress, print, warn); });
}

std::set<int>
ParseLabels(const std::string & option, const std::string & text, const itk::SamModel * model)
{
  const auto         table = GetLabels(model);
  std::set<int>      values;
  std::istringstream words(text);
  for (std::string word; std::getline(words, word, ',');)
  {
    values.insert(FindLabel(option, Trim(word), table, model->GetFileName()));
  }
  if (values.empty())
  {
    throw Error(option + ": no label, expected names or values separated by commas");
  }
  return values;
}

std::pair<int, std::string>
ParseProbability(const std::string & option, const std::string & text, const itk::SamModel * model)
{
  const auto equals = text.find('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
  {
    throw Error(option + ": '" + text + "', expected LABEL=FILE");
  }
  LabelTable table = GetLabels(model);
  table.insert(table.begin(), { model->GetLabelValues()[0], model->GetLabelNames()[0], model->GetLabelColors()[0] });
  return { FindLabel(option, text.substr(0, equals), table, model->GetFileName()), text.substr(equals + 1) };
}

std::vector<std::string>
FindImages(const std::string & folder)
{
  using itksys::SystemTools;
  std::set<std::string> endings;
  for (const auto & object : itk::ObjectFactoryBase::CreateAllInstance("itkImageIOBase"))
  {
    for (const auto & ending : dynamic_cast<itk::ImageIOBase &>(*object).GetSupportedReadExtensions())
    {
      endings.insert(SystemTools::LowerCase(ending));
    }
  }
  const auto isImage = [&endings](const std::string & path) {
    const auto name = SystemTools::LowerCase(path);
    return std::any_of(endings.begin(),
                       endings.end(),
                       [&name](const auto & ending) { return SystemTools::StringEndsWith(name, ending.c_str()); }) ||
           itk::ImageIOFactory::CreateImageIO(path.c_str(), itk::IOFileModeEnum::ReadMode).IsNotNull();
  };
  std::vector<std::string> images;
  for (const auto & entry : std::filesystem::directory_iterator(folder))
  {
    const std::string path = entry.path().string();
    const bool        isHidden = entry.path().filename().string().front() == '.';
    if (!isHidden && (entry.is_directory() ? !FindDicomFile(path).empty() : entry.is_regular_file() && isImage(path)))
    {
      images.push_back(path);
    }
  }
  std::sort(images.begin(), images.end());
  return images;
}
} // namespace sam
