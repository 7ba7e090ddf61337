// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamPromptedSegmentationImageFilter_hxx
#define itkSamPromptedSegmentationImageFilter_hxx

#include "itkSamPromptedSegmentationImageFilter.h"

#include "itkSamInput.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>

namespace itk
{
template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::AddPoint(const PointType & point,
                                                                        bool              isForeground,
                                                                        unsigned int      object)
{
  m_Points.push_back({ point, isForeground, object });
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::AddBox(const PointType & corner,
                                                                      const PointType & oppositeCorner,
                                                                      unsigned int      object)
{
  m_Boxes.push_back({ corner, oppositeCorner, object });
  this->Modified();
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::ClearPrompts()
{
  if (!m_Points.empty() || !m_Boxes.empty())
  {
    m_Points.clear();
    m_Boxes.clear();
    this->Modified();
  }
}

template <typename TInputImage, typename TOutputImage>
SamGrid::VectorType
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::ToVector(const PointType & point)
{
  SamGrid::VectorType vector{};
  std::copy_n(point.GetDataPointer(), ImageDimension, vector.begin());
  return vector;
}

template <typename TInputImage, typename TOutputImage>
auto
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::CollectPrompts(const SamSlices & slices) const -> Prompts
{
  constexpr double tolerance = 1e-3; // voxels
  const auto       first = static_cast<double>(slices.GetFirst());
  const auto       last = first + static_cast<double>(slices.GetNumberOfSlices()) - 1.0;
  const auto       ofObject = [](unsigned int object) { return " of object " + std::to_string(object); };
  Prompts          prompts;
  for (const auto & given : m_Points)
  {
    const auto point = ToVector(given.point);
    slices.CheckInside(point, 0.0, "the point" + ofObject(given.object));
    const auto position = slices.ToPosition(point);
    const auto slice = static_cast<IndexValueType>(std::min(std::max(std::round(position[2]), first), last));
    auto &     target = prompts[slice][given.object];
    target.points.push_back({ { position[0], position[1] } });
    target.isForeground.push_back(given.isForeground);
  }
  for (const auto & given : m_Boxes)
  {
    const std::string corner = "the corner of the box" + ofObject(given.object);
    slices.CheckInside(ToVector(given.corner), 1.0, corner);
    slices.CheckInside(ToVector(given.oppositeCorner), 1.0, corner);
    auto low = slices.ToPosition(ToVector(given.corner));
    auto high = slices.ToPosition(ToVector(given.oppositeCorner));
    for (unsigned int i = 0; i < 3; ++i)
    {
      if (low[i] > high[i])
      {
        std::swap(low[i], high[i]);
      }
      if (i < 2 && high[i] - low[i] <= tolerance)
      {
        itkSamExceptionMacro("the box" << ofObject(given.object) << " from " << given.corner << " to "
                                       << given.oppositeCorner << " mm is empty, expected corners that differ along "
                                       << "both axes of the slice");
      }
    }
    double       firstSlice = std::max(std::ceil(low[2] - tolerance), first);
    double       lastSlice = std::min(std::floor(high[2] + tolerance), last);
    const double middle = std::min(std::max(std::round(0.5 * (low[2] + high[2])), first), last);
    if (firstSlice > lastSlice)
    {
      firstSlice = middle;
      lastSlice = middle;
    }
    for (auto slice = static_cast<IndexValueType>(firstSlice); slice <= static_cast<IndexValueType>(lastSlice); ++slice)
    {
      auto & target = prompts[slice][given.object];
      if (!target.box.empty())
      {
        itkSamExceptionMacro("two boxes" << ofObject(given.object) << " on slice " << slice
                                         << ", expected one for each object and slice");
      }
      target.box = { { { low[0], low[1] } }, { { high[0], high[1] } } };
    }
  }
  return prompts;
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::AddMasks(const SamSlices & slices,
                                                                        Prompts &         prompts) const
{
  const OutputImageType * labels = this->GetMaskPrompt();
  if (labels == nullptr)
  {
    return;
  }
  const auto                   size = slices.GetSize();
  std::vector<float>           mask(size[0] * size[1]);
  std::vector<OutputPixelType> values(mask.size());
  for (SizeValueType s = 0; s < slices.GetNumberOfSlices(); ++s)
  {
    const IndexValueType slice = slices.GetFirst() + static_cast<IndexValueType>(s);
    slices.template VisitSlice<ImageDimension>(
      labels, slice, [&](size_t k, OffsetValueType offset) { values[k] = labels->GetBufferPointer()[offset]; });
    const std::set<OutputPixelType> found(values.begin(), values.end());
    for (const OutputPixelType value : found)
    {
      if (value > 0)
      {
        std::transform(values.begin(), values.end(), mask.begin(), [value](OutputPixelType pixel) {
          return pixel == value ? 1.0f : 0.0f;
        });
        prompts[slice][static_cast<unsigned int>(value)].maskLogits = this->GetModel()->MakeMaskLogits(
          SamTensor::FromHost(mask.data(), { 1, static_cast<int64_t>(size[1]), static_cast<int64_t>(size[0]) }));
      }
    }
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::AddLogits(const SamSlices & slices,
                                                                         Prompts &         prompts) const
{
  const LogitsImageType * logits = this->GetLogitsPrompt();
  if (logits == nullptr)
  {
    return;
  }
  const unsigned int     components = logits->GetNumberOfComponentsPerPixel();
  std::set<unsigned int> objects;
  for (const auto & [slice, ofSlice] : prompts)
  {
    for (const auto & [object, given] : ofSlice)
    {
      objects.insert(object);
    }
  }
  for (unsigned int object = 1; prompts.empty() && object <= components; ++object)
  {
    objects.insert(object);
  }
  if (components != objects.size())
  {
    itkSamExceptionMacro("the logits have " << components << " components, expected one for each of the "
                                            << objects.size() << " objects");
  }
  const auto           cells = this->GetModel()->GetLogitGridSize();
  const IndexValueType first = slices.FindFirst(SamGrid::FromImage<ImageDimension>(logits), cells, "the logits image");
  const SamTensor      tensor = SamTensorImage<ImageDimension>::TensorOf(logits);
  const auto           sizes = tensor.GetSizes();
  const auto           pixels = static_cast<size_t>(sizes[2] * sizes[3]);
  for (int64_t k = 0; k < sizes[1]; ++k)
  {
    std::vector<float> values(components * pixels);
    tensor.GetSlice(k).CopyToHost(values.data());
    auto value = values.begin();
    for (const unsigned int object : objects)
    {
      const auto end = value + static_cast<std::ptrdiff_t>(pixels);
      if (std::any_of(value, end, [](float logit) { return logit != 0.0f; }))
      {
        prompts[first + k][object].maskLogits = SamTensor::FromHost(&*value, { 1, sizes[2], sizes[3] });
      }
      value = end;
    }
  }
}

template <typename TInputImage, typename TOutputImage>
auto
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::MakeCacheKey() const -> CacheKey
{
  const InputImageType * input = this->GetInput();
  const SamModel *       model = this->GetModel();
  return CacheKey(input, SamGetInputTime(input), model, model->GetMTime(), this->GetAxis(), this->GetWindow());
}

template <typename TInputImage, typename TOutputImage>
SamTensor
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::FindKept(IndexValueType slice) const
{
  if (m_CacheKey == this->MakeCacheKey())
  {
    for (const auto & [kept, embedding] : m_Cache)
    {
      if (kept == slice)
      {
        return embedding;
      }
    }
  }
  return {};
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::Keep(IndexValueType slice, const SamTensor & embedding)
{
  if (m_CacheKey != this->MakeCacheKey())
  {
    m_Cache.clear();
    m_CacheKey = this->MakeCacheKey();
  }
  m_Cache.erase(
    std::remove_if(m_Cache.begin(), m_Cache.end(), [slice](const auto & entry) { return entry.first == slice; }),
    m_Cache.end());
  m_Cache.emplace_back(slice, embedding);
  if (m_Cache.size() > m_CacheSize)
  {
    m_Cache.erase(m_Cache.begin());
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::VerifyInputInformation() const
{
  // Not the superclass: embedding and logits lie on other grids.
  if (this->GetEmbedding() == nullptr)
  {
    this->VerifyPixels();
  }
  if (m_Points.empty() && m_Boxes.empty() && this->GetMaskPrompt() == nullptr && this->GetLogitsPrompt() == nullptr)
  {
    itkSamExceptionMacro("no prompt is given, expected points, boxes or a mask");
  }
  const SamSlices slices = this->MakeSlices();
  for (const auto & [slice, ofSlice] : this->CollectPrompts(slices))
  {
    for (const auto & [object, given] : ofSlice)
    {
      if (object < 1 || static_cast<double>(object) > static_cast<double>(NumericTraits<OutputPixelType>::max()))
      {
        itkSamExceptionMacro("object " << object << ", expected 1 to " << +NumericTraits<OutputPixelType>::max());
      }
    }
  }
  if (const auto * embedding = this->GetEmbedding())
  {
    this->GetModel()->VerifyEmbedding(embedding->GetNumberOfComponentsPerPixel());
    slices.FindFirst(
      SamGrid::FromImage<ImageDimension>(embedding), this->GetModel()->GetTokenGridSize(), "the embedding");
  }
  if (const auto * mask = this->GetMaskPrompt())
  {
    SamGrid::FromImage<ImageDimension>(mask).CheckSame(SamGrid::FromImage<ImageDimension>(this->GetInput()),
                                                       "the mask prompt");
  }
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::GenerateInputRequestedRegion()
{
  // All inputs as a whole, of the embedding and the logits the tensors; of the image the slices that will be encoded.
  ProcessObject::GenerateInputRequestedRegion();
  SamTensorImage<ImageDimension>::DeferPixelsOf(this->GetEmbedding());
  SamTensorImage<ImageDimension>::DeferPixelsOf(this->GetLogitsPrompt());
  const SamSlices slices = this->MakeSlices();
  if (this->GetEmbedding() == nullptr && (this->GetMaskPrompt() != nullptr || this->GetLogitsPrompt() != nullptr))
  {
    this->RequestSlices(slices.GetFirst(), slices.GetNumberOfSlices());
    return;
  }
  std::vector<IndexValueType> needed;
  for (const auto & [slice, ofSlice] : this->CollectPrompts(slices))
  {
    if (this->GetEmbedding() == nullptr && this->FindKept(slice).IsEmpty())
    {
      needed.push_back(slice);
    }
  }
  if (needed.empty())
  {
    typename InputImageType::RegionType none = this->GetInput()->GetLargestPossibleRegion();
    none.SetSize(InputImageType::SizeType::Filled(1));
    const_cast<InputImageType *>(this->GetInput())->SetRequestedRegion(none);
    return;
  }
  this->RequestSlices(needed.front(), static_cast<SizeValueType>(needed.back() - needed.front() + 1));
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::UpdateOutputData(DataObject * output)
{
  // With more than one input, ProcessObject propagates the request a second time.
  SamTensorImage<ImageDimension>::DeferPixelsOf(this->GetEmbedding());
  SamTensorImage<ImageDimension>::DeferPixelsOf(this->GetLogitsPrompt());
  Superclass::UpdateOutputData(output);
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::GenerateData()
{
  this->UpdateProgress(0.0f);
  this->AllocateOutputs();
  OutputImageType * output = this->GetOutput();
  output->FillBuffer(NumericTraits<OutputPixelType>::ZeroValue());
  m_Answers.clear();

  const SamModel * model = this->GetModel();
  const SamSlices  slices = this->MakeSlices();
  m_Answered.model = model;
  m_Answered.grid = SamGrid::FromImage<ImageDimension>(this->GetInput());
  m_Answered.axis = this->GetAxis();
  const auto size = slices.GetSize();
  Prompts    prompts = this->CollectPrompts(slices);
  this->AddMasks(slices, prompts);
  this->AddLogits(slices, prompts);
  if (prompts.empty())
  {
    itkSamExceptionMacro("no prompt is given: the mask is 0 everywhere");
  }

  SamTensor      given;
  IndexValueType givenFirst = 0;
  if (const auto * embedding = this->GetEmbedding())
  {
    given = SamTensorImage<ImageDimension>::TensorOf(embedding);
    givenFirst =
      slices.FindFirst(SamGrid::FromImage<ImageDimension>(embedding), model->GetTokenGridSize(), "the embedding");
  }
  // Encoding a slice takes much longer than decoding an object.
  constexpr double            encoderShare = 20.0;
  std::vector<IndexValueType> needed;
  double                      work = 0.0;
  for (const auto & [slice, ofSlice] : prompts)
  {
    work += static_cast<double>(ofSlice.size());
    if (given.IsEmpty() && this->FindKept(slice).IsEmpty())
    {
      needed.push_back(slice);
      work += encoderShare;
    }
    else if (!given.IsEmpty() && (slice < givenFirst || slice >= givenFirst + given.GetSizes()[1]))
    {
      itkSamExceptionMacro("slice " << slice << " has prompts, but the embedding holds the slices " << givenFirst
                                    << " to " << givenFirst + given.GetSizes()[1] - 1);
    }
  }
  std::unique_ptr<typename Superclass::ReaderType> reader;
  if (!needed.empty())
  {
    reader = std::make_unique<typename Superclass::ReaderType>(
      this->MakeReader(needed.front(), static_cast<SizeValueType>(needed.back() - needed.front() + 1)));
  }
  double     done = 0.0;
  const auto report = [&](double fraction) {
    this->UpdateProgress(static_cast<float>((done + fraction) / work));
    return !this->GetAbortGenerateData();
  };

  std::vector<float>           logits(size[0] * size[1]);
  std::vector<float>           highest(logits.size());
  std::vector<OutputPixelType> labels(logits.size());
  for (const auto & [slice, ofSlice] : prompts)
  {
    SamTensor embedding = given.IsEmpty() ? this->FindKept(slice) : given.GetSlice(slice - givenFirst);
    if (embedding.IsEmpty())
    {
      const IndexValueType number = slice;
      embedding = model->EncodeSlices(
        1,
        [&](SizeValueType) { return reader->Read(number); },
        [&](double fraction) { return report(encoderShare * fraction); });
      ++m_NumberOfEncodedSlices;
      done += encoderShare;
    }
    if (given.IsEmpty())
    {
      this->Keep(slice, embedding);
    }
    std::fill(highest.begin(), highest.end(), 0.0f);
    std::fill(labels.begin(), labels.end(), NumericTraits<OutputPixelType>::ZeroValue());
    for (const auto & [object, ofObject] : ofSlice)
    {
      Answer answer{ object, slice, model->Predict(embedding, size, ofObject, m_Multimask, m_HqTokenOnly), 0 };
      answer.best = static_cast<unsigned int>(std::max_element(answer.masks.scores.begin(), answer.masks.scores.end()) -
                                              answer.masks.scores.begin());
      m_Answers.push_back(answer);
      model->RestoreMasks(answer.masks.logits.GetChannel(answer.best), size).CopyToHost(logits.data());
      for (size_t k = 0; k < logits.size(); ++k)
      {
        if (logits[k] > highest[k])
        {
          highest[k] = logits[k];
          labels[k] = static_cast<OutputPixelType>(object);
        }
      }
      done += 1.0;
      if (!report(0.0))
      {
        throw ProcessAborted(__FILE__, __LINE__);
      }
    }
    slices.template VisitSlice<ImageDimension>(
      output, slice, [&](size_t k, OffsetValueType offset) { output->GetBufferPointer()[offset] = labels[k]; });
  }
  this->UpdateProgress(1.0f);
}

template <typename TInputImage, typename TOutputImage>
std::set<unsigned int>
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::GetObjects() const
{
  std::set<unsigned int> objects;
  for (const auto & answer : m_Answers)
  {
    objects.insert(answer.object);
  }
  return objects;
}

template <typename TInputImage, typename TOutputImage>
auto
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::GetScores() const -> std::vector<ScoreType>
{
  std::vector<ScoreType> scores;
  for (const auto & answer : m_Answers)
  {
    for (unsigned int k = 0; k < answer.masks.scores.size(); ++k)
    {
      scores.push_back({ answer.object, answer.slice, k, answer.masks.scores[k], k == answer.best });
    }
  }
  return scores;
}

template <typename TInputImage, typename TOutputImage>
auto
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::GetMasks() const -> typename MasksImageType::Pointer
{
  if (m_Answers.empty())
  {
    itkSamExceptionMacro("there are no masks yet, expected Update() before");
  }
  // Of the last run: input, axis and model may be others by now.
  const SamSlices slices(m_Answered.grid, m_Answered.model, m_Answered.axis);
  const auto      objects = this->GetObjects();
  const size_t    masks = m_Answers.front().masks.scores.size();
  const size_t    components = objects.size() * masks;
  const size_t    pixels = slices.GetSize()[0] * slices.GetSize()[1];
  auto            image = MasksImageType::New();
  m_Answered.grid.template CopyTo<ImageDimension>(image.GetPointer());
  image->SetRegions(image->GetLargestPossibleRegion());
  image->SetVectorLength(static_cast<unsigned int>(components));
  image->Allocate(true);
  std::vector<float> logits(masks * pixels);
  for (const auto & answer : m_Answers)
  {
    m_Answered.model->RestoreMasks(answer.masks.logits, slices.GetSize()).CopyToHost(logits.data());
    const auto object = static_cast<size_t>(std::distance(objects.begin(), objects.find(answer.object)));
    slices.template VisitSlice<ImageDimension>(image.GetPointer(), answer.slice, [&](size_t k, OffsetValueType offset) {
      for (size_t m = 0; m < masks; ++m)
      {
        image->GetBufferPointer()[static_cast<size_t>(offset) * components + object * masks + m] =
          logits[m * pixels + k] > 0.0f ? 1 : 0;
      }
    });
  }
  return image;
}

template <typename TInputImage, typename TOutputImage>
auto
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::GetLogits() const -> typename LogitsImageType::Pointer
{
  auto image = LogitsImageType::New();
  if (m_Answers.empty())
  {
    return image;
  }
  const auto objects = this->GetObjects();
  const auto first = m_Answers.front().slice;
  const auto count = static_cast<SizeValueType>(m_Answers.back().slice - first + 1);
  const auto cells = m_Answered.model->GetLogitGridSize();
  SamSlices(m_Answered.grid, m_Answered.model, m_Answered.axis)
    .GetGrid(cells, first, count)
    .template CopyTo<ImageDimension>(image.GetPointer());
  image->SetRegions(image->GetLargestPossibleRegion());
  image->SetVectorLength(static_cast<unsigned int>(objects.size()));
  image->Allocate(true);
  const size_t       pixels = cells[0] * cells[1];
  std::vector<float> logits(pixels);
  for (const auto & answer : m_Answers)
  {
    answer.masks.logits.GetChannel(answer.best).CopyToHost(logits.data());
    const auto object = static_cast<size_t>(std::distance(objects.begin(), objects.find(answer.object)));
    float *    target = image->GetBufferPointer() + static_cast<size_t>(answer.slice - first) * pixels * objects.size();
    for (size_t k = 0; k < pixels; ++k)
    {
      target[k * objects.size() + object] = logits[k];
    }
  }
  return image;
}

template <typename TInputImage, typename TOutputImage>
void
SamPromptedSegmentationImageFilter<TInputImage, TOutputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Points: " << m_Points.size() << std::endl;
  for (const auto & prompt : m_Points)
  {
    os << indent.GetNextIndent() << (prompt.isForeground ? "foreground " : "background ") << prompt.point
       << " of object " << prompt.object << std::endl;
  }
  os << indent << "Boxes: " << m_Boxes.size() << std::endl;
  for (const auto & prompt : m_Boxes)
  {
    os << indent.GetNextIndent() << prompt.corner << " to " << prompt.oppositeCorner << " of object " << prompt.object
       << std::endl;
  }
  os << indent << "Multimask: " << m_Multimask << std::endl;
  os << indent << "HqTokenOnly: " << m_HqTokenOnly << std::endl;
  os << indent << "CacheSize: " << m_CacheSize << std::endl;
  os << indent << "NumberOfEncodedSlices: " << m_NumberOfEncodedSlices << std::endl;
}
} // namespace itk

#endif
