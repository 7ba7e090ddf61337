// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samStages.h"

#include "samError.h"
#include "samImageFile.h"
#include "samImageReading.h"
#include "samLabelImage.h"
#include "samProvenance.h"
#include "samSegmentation.h"
#include "samSteps.h"

#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamPrototypePromptImageFilter.h"
#include "itkSamResampleImageFilter.h"
#include "itkSamSegmentationImageFilter.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iomanip>
#include <sstream>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

template <unsigned int VDimension>
using StageImage = itk::VectorImage<float, VDimension>;

/** An embedding and what is made of it. */
struct StageFile
{
  std::string embedding;
  std::string output;
  std::string second; ///< empty: not asked for
};

/** The files of a stage: those of folders where the embedding is one, else the given ones. */
std::vector<StageFile>
FindStageFiles(const StageFile & given, const std::string & ending, const std::string & secondEnding)
{
  if (!fs::is_directory(given.embedding))
  {
    return { given };
  }
  std::vector<StageFile> files;
  for (const auto & embedding : FindImages(given.embedding))
  {
    const auto within = [&](const std::string & folder, const std::string & end) {
      return folder.empty() ? "" : (fs::path(folder) / fs::path(embedding).stem()).string() + end;
    };
    files.push_back({ embedding, within(given.output, ending), within(given.second, secondEnding) });
  }
  if (files.empty())
  {
    throw Error(given.embedding + ": no embedding in this folder");
  }
  return files;
}

/** FindStageFiles() of a stage that writes them: folders are made, and files checked as CheckOutputs() does. */
std::vector<StageFile>
MakeStageFiles(const StageFile & given, const std::string & ending, const std::string & secondEnding)
{
  const auto files = FindStageFiles(given, ending, secondEnding);
  const bool isFolder = fs::is_directory(given.embedding);
  for (const auto & path : { given.output, given.second })
  {
    if (isFolder && !path.empty())
    {
      MakeFolder(path);
    }
  }
  const bool isImage = ending == ".nrrd";
  for (const auto & file : files)
  {
    CheckOutputs({ file.embedding }, { isImage ? file.output : "", file.second }, { isImage ? "" : file.output });
  }
  return files;
}

/** Progress within part \a k of \a count. */
StageProgress
PartOf(const StageProgress & progress, size_t k, size_t count)
{
  return [&progress, k, count](double fraction) {
    progress((static_cast<double>(k) + fraction) / static_cast<double>(count));
  };
}

/** Call \a action with an image type of the file's dimension; of \a channels see MakeImageReader(). */
template <typename TAction>
void
WithDimension(const std::string & path, const TAction & action, size_t channels = 1)
{
  ReadImageDimension(path, channels) == 2 ? action(StageImage<2>::New()) : action(StageImage<3>::New());
}

template <typename TPointer>
using ImageOf = typename std::decay_t<TPointer>::ObjectType;

/** \throws Error when the axes or the spacing of an image are not those of the model: then it was not resampled. */
template <unsigned int VDimension>
void
CheckOnModelGrid(const itk::SamModel * model, const StageImage<VDimension> * image, const std::string & path)
{
  const auto            grid = itk::SamGrid::FromImage<VDimension>(image);
  const auto            axes = grid.FindAxes(model->GetOrientation());
  const itk::SamAxes    same;
  constexpr double      tolerance = 1e-3; // relative
  bool                  fits = axes.axis == same.axis && axes.flip == same.flip;
  const itk::SamLattice lattice(grid, model->GetOrientation(), { { 0.0, 0.0, 0.0 } });
  std::ostringstream    expected;
  for (unsigned int i = 0; i < VDimension; ++i)
  {
    const double spacing = model->GetSpacing()[i];
    const bool   isFree = spacing == 0.0 || model->GetStretchedSize()[i] > 0;
    fits = fits && (isFree || std::abs(grid.spacing[i] - spacing) <= tolerance * spacing);
    expected << (i == 0 ? ", " : " x ");
    isFree ? expected << "any" : expected << spacing;
  }
  if (!fits || !lattice.IsAligned())
  {
    throw Error(path + ": does not lie on the grid of " + model->GetFileName() + " (" + model->GetOrientation() +
                expected.str() + " mm), expected an image that sam-resample wrote");
  }
}

template <typename TImage>
void
ResampleAs(const itk::SamModel *       model,
           const std::string &         image,
           const std::vector<Region> & region,
           const std::string &         interpolation,
           const std::string &         output,
           const StageProgress &       progress)
{
  const auto pixels = Read<TImage>(image, model->GetNumberOfChannels());
  CheckGrid<TImage::ImageDimension>({ output }, pixels);
  const auto resample = itk::SamResampleImageFilter<TImage>::New();
  resample->SetInput(pixels);
  resample->SetModel(model);
  if (!interpolation.empty())
  {
    resample->SetInterpolation(interpolation);
  }
  for (const auto & box : region)
  {
    itk::Point<double, TImage::ImageDimension>  center(box.center.data());
    itk::Vector<double, TImage::ImageDimension> size(box.size.data());
    resample->SetRegionOfInterest(center, size);
  }
  UpdateFilter(resample, image, progress);
  WriteAllAtomically(
    { { output, [&](const std::string & file) { WriteImage<TImage>(resample->GetOutput(), file, false); } } });
}

template <typename TImage>
void
EncodeAs(const itk::SamModel * model,
         const std::string &   path,
         bool                  byWindow,
         const std::string &   output,
         const StageProgress & progress)
{
  const auto image = Read<TImage>(path);
  CheckOnModelGrid<TImage::ImageDimension>(model, image, path);
  CheckGrid<TImage::ImageDimension>({ byWindow ? "" : output }, image);
  const auto encoder = itk::SamEncoderImageFilter<TImage>::New();
  encoder->SetInput(image);
  encoder->SetModel(model);
  const auto write = [&](const std::string & target) {
    WriteAllAtomically(
      { { target, [&](const std::string & file) { WriteImage<TImage>(encoder->GetOutput(), file, false); } } });
  };
  if (!byWindow)
  {
    UpdateFilter(encoder, path, progress);
    write(output);
    return;
  }
  const auto count = encoder->GetNumberOfWindows();
  for (size_t k = 0; k < count; ++k)
  {
    encoder->SetWindow(static_cast<itk::IndexValueType>(k));
    UpdateFilter(encoder, path, PartOf(progress, k, count));
    std::ostringstream name;
    name << "window_" << std::setw(4) << std::setfill('0') << k << ".nrrd";
    write((fs::path(output) / name.str()).string());
  }
}

template <typename TImage>
void
AutoPromptAs(const itk::SamModel * model, const StageFile & file, const StageProgress & progress)
{
  const auto embedding = Read<TImage>(file.embedding);
  CheckGrid<TImage::ImageDimension>({ file.second }, embedding);
  const auto prompter = itk::SamAutoPromptImageFilter<TImage>::New();
  prompter->SetInput(embedding);
  prompter->SetModel(model);
  UpdateFilter(prompter, file.embedding, progress);
  WriteAllAtomically(
    { { file.output, [&](const std::string & path) { prompter->GetOutput()->Write(path); } },
      { file.second, [&](const std::string & path) { WriteImage<TImage>(prompter->GetOutput(), path, false); } } });
}

template <typename TImage>
void
PrototypePromptAs(const itk::SamModel * model, const StageFile & file, const StageProgress & progress)
{
  const auto embedding = Read<TImage>(file.embedding);
  CheckGrid<TImage::ImageDimension>({ file.output, file.second }, embedding);
  const auto prompter = itk::SamPrototypePromptImageFilter<TImage>::New();
  prompter->SetInput(embedding);
  prompter->SetModel(model);
  UpdateFilter(prompter, file.embedding, progress);
  WriteAllAtomically(
    { { file.output, [&](const std::string & path) { WriteImage<TImage>(prompter->GetOutput(), path, false); } },
      { file.second, [&](const std::string & path) { WriteImage(prompter->GetSimilarity(), path, false); } } });
}

/** An embedding and its prompts in files, and what the model makes of them. */
template <typename TImage>
class ClassifiedFile
{
public:
  static constexpr unsigned int Dimension = TImage::ImageDimension;

  ClassifiedFile(const itk::SamModel * model, const StageFile & file)
    : m_File(file)
  {
    if (ReadImageDimension(file.embedding) != Dimension)
    {
      throw Error(file.embedding + ": has not the dimension of the image or of the other embeddings, " +
                  std::to_string(Dimension));
    }
    m_Classifier->SetModel(model);
    m_Grid = itk::SamGrid::FromImage<Dimension>(ReadGrid<TImage>(file.embedding));
  }

  const StageFile &
  GetFile() const
  {
    return m_File;
  }

  const itk::SamGrid &
  GetGrid() const
  {
    return m_Grid;
  }

  /** Probabilities of each label; held until the next call. */
  itk::SamTensorImage<Dimension> *
  Run()
  {
    m_Classifier->SetInput(Read<TImage>(m_File.embedding));
    if (!fs::exists(m_File.output))
    {
      throw Error(m_File.output + ": no such file, expected the prompts of " + m_File.embedding);
    }
    if (m_Classifier->GetModel()->HasPrototypes())
    {
      ReadImageHeader(m_File.output);
      m_Classifier->SetDensePrompt(Read<TImage>(m_File.output));
    }
    else
    {
      Naming(m_File.output, [this] { m_Classifier->SetPrompts(itk::SamPromptImage<Dimension>::Read(m_File.output)); });
    }
    UpdateFilter(m_Classifier, m_File.embedding + " and " + m_File.output, [](double) {});
    return m_Classifier->GetOutput();
  }

private:
  using ClassifierType = itk::SamMaskClassificationImageFilter<TImage>;

  StageFile                        m_File; ///< its output: the prompts, which were one
  itk::SamGrid                     m_Grid;
  typename ClassifierType::Pointer m_Classifier{ ClassifierType::New() };
};

/** The label of the largest probability of each voxel, the first of equals. */
template <typename TLabelImage, typename TImage>
typename TLabelImage::Pointer
ChooseLabels(const itk::SamModel * model, const TImage * probabilities)
{
  auto labels = TLabelImage::New();
  labels->CopyInformation(probabilities);
  labels->SetRegions(probabilities->GetLargestPossibleRegion());
  labels->Allocate();
  const auto & values = model->GetLabelValues();
  const auto   count = labels->GetLargestPossibleRegion().GetNumberOfPixels();
  for (size_t k = 0; k < count; ++k)
  {
    const float * first = probabilities->GetBufferPointer() + k * values.size();
    const auto    best = static_cast<size_t>(std::max_element(first, first + values.size()) - first);
    labels->GetBufferPointer()[k] = static_cast<typename TLabelImage::PixelType>(values[best]);
  }
  return labels;
}

/** Labels on the grid of an image from the embeddings of its windows, each recognized by where it lies. */
template <typename TLabelImage, typename TImage>
typename TLabelImage::Pointer
BlendWindows(const itk::SamModel *                 model,
             const ClassificationJob &             job,
             std::vector<ClassifiedFile<TImage>> & windows,
             const StageProgress &                 progress)
{
  using FilterType = itk::SamSegmentationImageFilter<TImage, TLabelImage>;
  std::vector<bool> isUsed(windows.size(), false);
  const auto        segment = FilterType::New();
  // The frame that a model leaves out is found in the pixels.
  const auto channels = model->GetNumberOfChannels();
  const auto image = model->RemovesFrame() ? Read<TImage>(job.image, channels) : ReadGrid<TImage>(job.image, channels);
  CheckGrid<TImage::ImageDimension>({ job.output }, image);
  segment->SetInput(image);
  segment->SetModel(model);
  AddRegions(segment.GetPointer(), job.regions);
  segment->SetWindowFunction([&](const itk::SamGrid & window) {
    const auto expected = window.ToTokens(model->GetPatchSize());
    size_t     found = windows.size();
    for (size_t k = 0; k < windows.size(); ++k)
    {
      if (windows[k].GetGrid().FindDifference(expected).empty())
      {
        if (found < windows.size())
        {
          throw Error(windows[k].GetFile().embedding + ": lies where " + windows[found].GetFile().embedding +
                      " lies, expected one embedding of each window");
        }
        found = k;
      }
    }
    if (found == windows.size())
    {
      const auto & grid = windows.front().GetGrid();
      throw Error(job.embedding + ": no embedding of the window at " +
                  itk::SamGrid::ToText(window.ToPhysical({ { static_cast<double>(window.box.start[0]),
                                                             static_cast<double>(window.box.start[1]),
                                                             static_cast<double>(window.box.start[2]) } }),
                                       TImage::ImageDimension) +
                  " mm, expected all that sam-encode --by-window wrote of " + job.image + ", not cropped" +
                  (windows.size() == 1 ? " (" + grid.FindDifference(expected) + ")" : ""));
    }
    isUsed[found] = true;
    auto * const probabilities = windows[found].Run();
    return probabilities->GetTensor();
  });
  UpdateFilter(segment, job.image, progress);
  const auto unused = std::find(isUsed.begin(), isUsed.end(), false);
  if (unused != isUsed.end())
  {
    throw Error(windows[static_cast<size_t>(unused - isUsed.begin())].GetFile().embedding +
                ": is no window of the model over " + job.image);
  }
  return segment->GetOutput();
}

template <typename TImage, typename TLabel>
void
ClassifyAs(const itk::SamModel * model, const ClassificationJob & job, const StageProgress & progress)
{
  constexpr unsigned int dimension = TImage::ImageDimension;
  using LabelImageType = itk::Image<TLabel, dimension>;
  std::vector<ClassifiedFile<TImage>> windows;
  const std::string                   ending = model->HasPrototypes() ? ".nrrd" : ".safetensors";
  for (const auto & file : FindStageFiles({ job.embedding, job.prompts, "" }, ending, ""))
  {
    windows.emplace_back(model, file);
  }
  typename LabelImageType::Pointer labels;
  TImage *                         probabilities = nullptr;
  if (!job.image.empty())
  {
    labels = BlendWindows<LabelImageType>(model, job, windows, progress);
  }
  else
  {
    if (windows.size() > 1)
    {
      throw Error("--image: is needed to blend the " + std::to_string(windows.size()) + " windows of " + job.embedding);
    }
    CheckGrid<dimension>({ job.output, job.probabilities }, ReadGrid<TImage>(windows.front().GetFile().embedding));
    probabilities = windows.front().Run();
    progress(1.0);
    labels = ChooseLabels<LabelImageType>(model, probabilities);
  }
  const auto table = GetLabels(model);
  DescribeSegmentation(table, labels.GetPointer());
  DescribeProvenance({ model }, labels->GetMetaDataDictionary());
  WriteAllAtomically(
    { { job.output, [&](const std::string & file) { WriteSegmentation(table, labels.GetPointer(), file); } },
      { job.probabilities, [&](const std::string & file) { WriteImage(probabilities, file, false); } } });
}
} // namespace

void
Resample(const itk::SamModel *       model,
         const std::string &         image,
         const std::vector<Region> & region,
         const std::string &         interpolation,
         const std::string &         output,
         const StageProgress &       progress)
{
  CheckOutputs({ image }, { output }, {});
  WithDimension(
    image,
    [&](const auto & type) {
      ResampleAs<ImageOf<decltype(type)>>(model, image, region, interpolation, output, progress);
    },
    model->GetNumberOfChannels());
}

void
EncodeResampled(const itk::SamModel * model,
                const std::string &   image,
                bool                  byWindow,
                const std::string &   output,
                const StageProgress & progress)
{
  byWindow ? MakeFolder(output) : CheckOutputs({ image }, { output }, {});
  WithDimension(
    image, [&](const auto & type) { EncodeAs<ImageOf<decltype(type)>>(model, image, byWindow, output, progress); });
}

void
AutoPrompt(const itk::SamModel * model,
           const std::string &   embedding,
           const std::string &   output,
           const std::string &   masks,
           const StageProgress & progress)
{
  const auto files = MakeStageFiles({ embedding, output, masks }, ".safetensors", ".nrrd");
  for (size_t k = 0; k < files.size(); ++k)
  {
    if (fs::path(files[k].output).extension() != ".safetensors")
    {
      throw Error(files[k].output + ": prompts are written to a file whose name ends with .safetensors");
    }
    WithDimension(files[k].embedding, [&](const auto & type) {
      AutoPromptAs<ImageOf<decltype(type)>>(model, files[k], PartOf(progress, k, files.size()));
    });
  }
}

void
PrototypePrompt(const itk::SamModel * model,
                const std::string &   embedding,
                const std::string &   output,
                const std::string &   similarity,
                const StageProgress & progress)
{
  const auto files = MakeStageFiles({ embedding, output, similarity }, ".nrrd", ".nrrd");
  for (size_t k = 0; k < files.size(); ++k)
  {
    WithDimension(files[k].embedding, [&](const auto & type) {
      PrototypePromptAs<ImageOf<decltype(type)>>(model, files[k], PartOf(progress, k, files.size()));
    });
  }
}

void
Classify(const itk::SamModel * model, const ClassificationJob & job, const StageProgress & progress)
{
  CheckOutputs({ job.image, job.embedding, job.prompts }, { job.output, job.probabilities }, {});
  if (!job.image.empty() && !job.probabilities.empty())
  {
    throw Error("--probabilities: are those of one embedding on its own grid, expected no --image");
  }
  if (job.image.empty() && !job.regions.empty())
  {
    throw Error("--region: is a part of an image, expected --image");
  }
  const auto files = FindStageFiles({ job.embedding, job.prompts, "" }, "", "");
  WithDimension(
    job.image.empty() ? files.front().embedding : job.image,
    [&](const auto & type) {
      using ImageType = ImageOf<decltype(type)>;
      HasSmallLabels(model) ? ClassifyAs<ImageType, unsigned char>(model, job, progress)
                            : ClassifyAs<ImageType, short>(model, job, progress);
    },
    job.image.empty() ? 1 : model->GetNumberOfChannels());
}
} // namespace sam
