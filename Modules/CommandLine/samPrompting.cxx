// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPrompting.h"

#include "samError.h"
#include "samPreview.h"
#include "samPromptList.h"
#include "samProvenance.h"

#include "itkSamPromptedSegmentationImageFilter.h"

#include "itkContinuousIndex.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

template <unsigned int VDimension>
itk::Point<double, VDimension>
ToPoint(const std::vector<double> & numbers)
{
  return itk::Point<double, VDimension>(numbers.data());
}

/** The mask prompt of a file: logits when it is not on the image's grid but on the model's. */
template <typename TFilter>
void
SetMask(TFilter * filter, const itk::SamModel * model, const PromptingJob & job, const PromptList & prompts)
{
  using LabelImageType = typename TFilter::OutputImageType;
  using LogitsImageType = typename TFilter::LogitsImageType;
  const auto cells = model->GetLogitGridSize();
  ReadImageHeader(job.mask);
  const auto logits = Read<LogitsImageType>(job.mask);
  const auto size = logits->GetLargestPossibleRegion().GetSize();
  const auto imageSize = filter->GetInput()->GetLargestPossibleRegion().GetSize();
  if (size != imageSize && size[0] == cells[0] && size[1] == cells[1])
  {
    filter->SetLogitsPrompt(logits);
    return;
  }
  const auto              labels = Read<LabelImageType>(job.mask);
  std::set<unsigned char> values;
  std::set<unsigned int>  objects;
  unsigned char * const   buffer = labels->GetBufferPointer();
  const size_t            count = labels->GetLargestPossibleRegion().GetNumberOfPixels();
  for (size_t k = 0; k < count; ++k)
  {
    if (logits->GetBufferPointer()[k] != static_cast<float>(buffer[k]))
    {
      throw Error(job.mask + ": a voxel has the value " + std::to_string(logits->GetBufferPointer()[k]) +
                  ", expected labels from 0 to 255, or logits of this model");
    }
    values.insert(buffer[k]);
  }
  values.erase(0);
  for (const auto & point : prompts.points)
  {
    objects.insert(point.object);
  }
  for (const auto & box : prompts.boxes)
  {
    objects.insert(box.object);
  }
  if (values.empty())
  {
    throw Error(job.mask + ": is 0 everywhere, expected a mask");
  }
  if (values.size() == 1 && objects.size() < 2)
  {
    // One mask and one object: they belong together whatever the mask's value is.
    const unsigned int object = objects.empty() ? 1 : *objects.begin();
    std::replace(buffer, buffer + count, *values.begin(), static_cast<unsigned char>(object));
  }
  filter->SetMaskPrompt(labels);
}

template <typename TFilter>
std::string
MakeScoreReport(const TFilter * filter, const PromptingJob & job, const itk::SamModel * model, std::string & lines)
{
  Json               masks = Json::array();
  std::ostringstream text;
  for (const auto & score : filter->GetScores())
  {
    masks.push_back({ { "object", score.object },
                      { "slice", score.slice },
                      { "mask", score.mask },
                      { "score", score.score },
                      { "chosen", score.isChosen } });
    text << "object " << score.object << ", slice " << score.slice << ", mask " << score.mask << ": score "
         << score.score << (score.isChosen ? "" : " (not chosen)") << '\n';
  }
  lines = text.str();
  const Json report{
    { "image", job.slices.image }, { "model", model->GetFileName() }, { "axis", job.slices.axis }, { "masks", masks }
  };
  return report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

template <typename TImage>
std::string
PromptAs(const itk::SamModel *                            model,
         const PromptingJob &                             job,
         const std::function<void(double)> &              progress,
         const std::function<void(const std::string &)> & notify)
{
  constexpr unsigned int dimension = TImage::ImageDimension;
  using FilterType = itk::SamPromptedSegmentationImageFilter<TImage>;
  using LabelImageType = typename FilterType::OutputImageType;
  using EmbeddingType = typename FilterType::EmbeddingImageType;

  const bool                     readsPixels = job.embedding.empty() || !job.preview.empty();
  const typename TImage::Pointer image =
    readsPixels ? Read<TImage>(job.slices.image) : ReadGrid<TImage>(job.slices.image);
  CheckGrid<dimension>({ job.output, job.masks, job.logits }, image);
  const auto filter = FilterType::New();
  filter->SetInput(image);
  SetSlices(filter.GetPointer(), model, job.slices);
  filter->SetMultimask(job.multimask);
  filter->SetHqTokenOnly(job.hqTokenOnly);
  PromptList prompts;
  for (const auto & text : job.points)
  {
    prompts.AddPoint("--point " + text, ParseNumbers("--point", text), dimension, 1);
  }
  for (const auto & text : job.boxes)
  {
    prompts.AddBox("--box " + text, ParseNumbers("--box", text), dimension, 1);
  }
  const auto toPhysical = [&image](const std::vector<double> & index) {
    itk::ContinuousIndex<double, dimension> place(index.data());
    itk::Point<double, dimension>           point;
    image->TransformContinuousIndexToPhysicalPoint(place, point);
    return std::vector<double>(point.Begin(), point.End());
  };
  const auto size = image->GetLargestPossibleRegion().GetSize();
  for (const auto & file : job.prompts)
  {
    prompts.AddFile(file, dimension, { size.begin(), size.end() }, toPhysical);
  }
  std::for_each(prompts.notices.begin(), prompts.notices.end(), notify);
  for (const auto & point : prompts.points)
  {
    filter->AddPoint(ToPoint<dimension>(point.position), point.isForeground, point.object);
  }
  for (const auto & box : prompts.boxes)
  {
    filter->AddBox(ToPoint<dimension>(box.corner), ToPoint<dimension>(box.oppositeCorner), box.object);
  }
  if (!job.embedding.empty())
  {
    ReadImageHeader(job.embedding);
    filter->SetEmbedding(Read<EmbeddingType>(job.embedding));
  }
  if (!job.mask.empty())
  {
    SetMask(filter.GetPointer(), model, job, prompts);
  }
  UpdateFilter(filter, job.slices.image, progress);

  LabelImageType *       labels = filter->GetOutput();
  LabelTable             table;
  std::set<unsigned int> objects;
  for (const auto & score : filter->GetScores())
  {
    objects.insert(score.object);
  }
  for (const unsigned int object : objects)
  {
    table.push_back({ static_cast<int>(object), "object " + std::to_string(object), GetLabelColor(table.size()) });
  }
  DescribeSegmentation(table, labels);
  DescribeProvenance({ model }, labels->GetMetaDataDictionary());
  std::string       lines;
  const std::string report = MakeScoreReport(filter.GetPointer(), job, model, lines);
  WriteAllAtomically(
    { { job.output, [&](const std::string & file) { WriteSegmentation(table, labels, file); } },
      { job.scores, [&](const std::string & file) { WriteText(report, file); } },
      { job.masks, [&](const std::string & file) { WriteImage(filter->GetMasks().GetPointer(), file, true); } },
      { job.logits, [&](const std::string & file) { WriteImage(filter->GetLogits().GetPointer(), file, false); } },
      { job.preview, [&](const std::string & file) {
         WritePreview(MakePreview<LabelImageType>(ToGray(image.GetPointer()), labels, table), file);
       } } });
  return lines;
}

} // namespace

std::string
Prompt(const itk::SamModel *                            model,
       const PromptingJob &                             job,
       const std::function<void(double)> &              progress,
       const std::function<void(const std::string &)> & notify)
{
  auto inputs = job.prompts;
  inputs.insert(inputs.end(), { job.slices.image, job.embedding, job.mask });
  CheckOutputs(inputs, { job.output, job.masks, job.logits }, { job.scores, job.preview });
  std::string lines;
  WithImageType(job.slices.image, [&](const auto & image) {
    lines = PromptAs<typename std::decay_t<decltype(image)>::ObjectType>(model, job, progress, notify);
  });
  return lines;
}
} // namespace sam
