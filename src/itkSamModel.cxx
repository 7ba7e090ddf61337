// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamModel.h"

#include "itkSamSlidingWindow.h"
#include "itkSamTensorImplementation.h"
#include "samDevice.h"
#include "samMaskGenerator.h"
#include "samNetwork.h"
#include "samSliceTransform.h"
#include "samSlidingWindow.h"
#include "samWindowMemory.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

namespace itk
{
namespace
{
std::string
ToText(at::IntArrayRef sizes)
{
  std::string text;
  for (const int64_t extent : sizes)
  {
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  }
  return text.empty() ? "nothing" : text;
}

/** \throws ExceptionObject where the sizes differ from \a expected; −1 stands for any. */
void
CheckSizes(const char * what, const at::Tensor & tensor, const std::vector<int64_t> & expected)
{
  const auto sizes = tensor.defined() ? tensor.sizes() : at::IntArrayRef();
  const bool fits = sizes.size() == expected.size() &&
                    std::equal(sizes.begin(), sizes.end(), expected.begin(), [](int64_t found, int64_t wanted) {
                      return wanted == -1 ? found > 0 : found == wanted;
                    });
  if (!fits)
  {
    std::string text;
    for (const int64_t extent : expected)
    {
      text += (text.empty() ? "" : "x") + (extent == -1 ? std::string("any") : std::to_string(extent));
    }
    itkSamExceptionMacro(what << " of size " << ToText(sizes) << ", expected " << text);
  }
}

/** A progress function that throws to stop; none for none. */
sam::ProgressFunction
MakeReport(const SamModel::ProgressFunction & progress, double first = 0.0, double share = 1.0)
{
  if (!progress)
  {
    return {};
  }
  return [&progress, first, share](double fraction) {
    if (!progress(first + share * fraction))
    {
      throw ProcessAborted(__FILE__, __LINE__);
    }
  };
}

/** Repeat the border at the far end of an axis until its length is a multiple. */
at::Tensor
PadToMultiple(const at::Tensor & x, int64_t axis, int64_t multiple)
{
  const int64_t size = x.size(axis);
  const int64_t padded = (size + multiple - 1) / multiple * multiple;
  if (padded == size)
  {
    return x;
  }
  const auto index = at::arange(padded, at::TensorOptions().dtype(at::kLong).device(x.device())).clamp_max(size - 1);
  return x.index_select(axis, index);
}

/** Which slices of C×D×H×W have one value in each channel; where slices see each other, whether all have the same. */
at::Tensor
FindBlankSlices(const at::Tensor & image, bool areSlicesAlone)
{
  const auto first = image.narrow(2, 0, 1).narrow(3, 0, 1);
  const auto isBlank = (image == (areSlicesAlone ? first : first.narrow(1, 0, 1))).all(3).all(2).all(0);
  return areSlicesAlone ? isBlank : isBlank.all().expand({ image.size(1) });
}
} // namespace

struct SamModel::Implementation
{
  std::shared_ptr<const sam::Network> network;
  std::string                         fileName;
  at::Device                          device{ at::kCPU };
  std::vector<SamChannel>             channels;
  std::vector<int>                    labelValues;
  std::vector<std::string>            labelNames;
  std::vector<ColorType>              labelColors;

  at::Tensor
  ToDevice(const SamTensor & tensor) const
  {
    const auto inner = GetAtTensor(tensor);
    return inner.defined() ? inner.to(device) : inner;
  }

  /** Probabilities K×D×H×W of the labels; in slices whose embedding is 0, as Encode() answers where there is nothing to
   * see, the background has 1. */
  SamTensor
  Decode(const at::Tensor & packed, const sam::Prompts & prompts) const
  {
    const auto isBlank = (packed == 0).all(3).all(2).all(0);
    const bool hasBlank = isBlank.any().item<bool>();
    at::Tensor probabilities;
    if (!hasBlank || !isBlank.all().item<bool>())
    {
      probabilities = network->Decode(network->Unpack(packed.unsqueeze(0)), prompts).Semantic().squeeze(0);
    }
    if (hasBlank)
    {
      const auto labels = static_cast<int64_t>(labelValues.size());
      const auto patch = network->GetPlan().patch;
      const auto background = (at::arange(labels, packed.options()) == 0).to(at::kFloat).view({ -1, 1, 1, 1 });
      probabilities = probabilities.defined()
                        ? at::where(isBlank.view({ 1, -1, 1, 1 }), background, probabilities)
                        : background.repeat({ 1, packed.size(1), patch * packed.size(2), patch * packed.size(3) });
    }
    return MakeSamTensor(probabilities);
  }

  sam::SliceTransform
  MakeTransform(const PlaneSizeType & size) const
  {
    return sam::SliceTransform(network->GetPlan(), { static_cast<int64_t>(size[1]), static_cast<int64_t>(size[0]) });
  }
};

SamModel::SamModel()
  : m_Implementation(std::make_unique<Implementation>())
{}

SamModel::~SamModel() = default;

SamModel::Pointer
SamModel::Read(const std::string & fileName, const std::string & device, const std::string & precision)
{
  return TranslateExceptions([&] {
    const at::Device target = sam::FindDevice(device);
    const auto       wanted = sam::FindPrecision(precision, target);
    auto             network = sam::ReadModel(fileName);
    if (!target.is_cpu())
    {
      network->To(target);
    }
    network->SetPrecision(wanted);
    return FromNetwork(std::move(network), fileName);
  });
}

SamModel::Pointer
SamModel::FromNetwork(std::shared_ptr<const sam::Network> network, const std::string & name)
{
  Pointer model = new Self;
  model->UnRegister();
  auto &       inner = *model->m_Implementation;
  const auto & plan = network->GetPlan();
  const auto & tensors = network->GetParameters().GetTensors();
  if (!tensors.empty())
  {
    inner.device = tensors.begin()->second.device();
  }
  inner.fileName = name;
  for (const auto & channel : plan.channels)
  {
    inner.channels.push_back(
      { channel.name, channel.normalization, channel.lower, channel.upper, channel.mean, channel.deviation });
  }
  for (const auto & label : plan.labels)
  {
    inner.labelValues.push_back(static_cast<int>(label.value));
    inner.labelNames.push_back(label.name);
    inner.labelColors.push_back(label.color);
  }
  inner.network = std::move(network);
  return model;
}

SamModel::Pointer
SamModel::FromPlan(const std::string & planJson, uint64_t seed)
{
  return TranslateExceptions([&] {
    const std::string where = "plan";
    return FromNetwork(std::make_shared<sam::Network>(sam::Plan::FromJson(planJson, where), seed), where);
  });
}

void
SamModel::Write(const std::string & fileName) const
{
  const auto & network = this->GetNetwork();
  TranslateExceptions([&] { sam::WriteModel(fileName, network.GetPlan(), network.GetParameters().GetTensors()); });
}

void
SamModel::Verify(const SamModel * model, unsigned int imageDimension)
{
  if (model == nullptr)
  {
    itkSamExceptionMacro("no model is set");
  }
  if (model->IsPromptable())
  {
    itkSamExceptionMacro("the model " << model->GetFileName()
                                      << " takes points, boxes and masks (SamPromptedSegmentationImageFilter, "
                                         "sam-prompt), expected one that makes its own prompts");
  }
  if (model->GetDimension() > imageDimension)
  {
    itkSamExceptionMacro("the image has " << imageDimension << " dimensions, the model " << model->GetFileName()
                                          << " expects " << model->GetDimension());
  }
}

void
SamModel::VerifyPromptable(const SamModel * model)
{
  if (model == nullptr)
  {
    itkSamExceptionMacro("no model is set");
  }
  if (!model->IsPromptable())
  {
    itkSamExceptionMacro("the model " << model->GetFileName()
                                      << " makes its own prompts (SamSegmentationImageFilter, sam-segment), expected "
                                         "one that takes points, boxes and masks");
  }
}

void
SamModel::VerifyPrototypes() const
{
  if (!this->HasPrototypes())
  {
    itkSamExceptionMacro("the model " << this->GetFileName() << " has no prototypes, expected one that has");
  }
}

void
SamModel::VerifyAveragesWith(const SamModel * other) const
{
  const auto & mine = m_Implementation->network->GetPlan();
  const auto & theirs = other->m_Implementation->network->GetPlan();
  const auto   require = [&](bool isSame, const char * what) {
    if (!isSame)
    {
      itkSamExceptionMacro(this->GetFileName() << ": " << what << " not those of " << other->GetFileName()
                                               << ", expected models that differ in their weights alone");
    }
  };
  require(m_Implementation->labelValues == other->m_Implementation->labelValues &&
            m_Implementation->labelNames == other->m_Implementation->labelNames,
          "the labels are");
  require(this->GetChannels() == other->GetChannels(), "channels or their normalization are");
  require(mine.fit == theirs.fit && mine.orientation == theirs.orientation && mine.spacing == theirs.spacing,
          "orientation and spacing are");
  require(mine.interpolation == theirs.interpolation, "what is read between voxels is");
  require(mine.frame == theirs.frame, "what becomes of a black frame is");
  require(mine.window == theirs.window && mine.overlap == theirs.overlap, "window and overlap are");
  require(m_Implementation->device == other->m_Implementation->device, "devices are");
}

void
SamModel::VerifyEmbedding(unsigned int components) const
{
  if (components != this->GetNumberOfEmbeddingChannels())
  {
    itkSamExceptionMacro("the embedding has " << components << " components, the model " << this->GetFileName()
                                              << " expects " << this->GetNumberOfEmbeddingChannels());
  }
}

void
SamModel::SetNumberOfThreads(unsigned int number)
{
  at::set_num_threads(static_cast<int>(std::max(1u, number)));
}

unsigned int
SamModel::GetNumberOfThreads()
{
  return static_cast<unsigned int>(at::get_num_threads());
}

const std::string &
SamModel::GetFileName() const
{
  return m_Implementation->fileName;
}

std::string
SamModel::GetDevice() const
{
  return m_Implementation->device.str();
}

std::string
SamModel::GetPrecision() const
{
  return sam::ToWord(this->GetNetwork().GetPrecision());
}

std::string
SamModel::GetPlanJson() const
{
  return this->GetNetwork().GetPlan().ToJson();
}

unsigned int
SamModel::GetDimension() const
{
  const auto & plan = this->GetNetwork().GetPlan();
  return plan.window[2] == 1 && plan.slices == 1 ? 2 : 3;
}

const std::string &
SamModel::GetOrientation() const
{
  return this->GetNetwork().GetPlan().orientation;
}

SamModel::SpacingType
SamModel::GetSpacing() const
{
  return this->GetNetwork().GetPlan().spacing;
}

const std::string &
SamModel::GetInterpolation() const
{
  return this->GetNetwork().GetPlan().interpolation;
}

SamModel::SizeType
SamModel::GetStretchedSize() const
{
  auto size = this->GetWindowSize();
  size[2] = 0;
  return this->GetNetwork().GetPlan().fit == "window" ? size : SizeType{ { 0, 0, 0 } };
}

bool
SamModel::RemovesFrame() const
{
  return this->GetNetwork().GetPlan().frame == "black";
}

SamModel::SizeType
SamModel::GetWindowSize() const
{
  SizeType size;
  std::copy_n(this->GetNetwork().GetPlan().window.begin(), 3, size.begin());
  return size;
}

SizeValueType
SamModel::EstimateWindowMemory(const SizeType & size) const
{
  std::array<int64_t, 3> voxels{};
  std::copy_n(size.begin(), 3, voxels.begin());
  return static_cast<SizeValueType>(sam::EstimateWindowMemory(this->GetNetwork().GetPlan(), voxels));
}

SizeValueType
SamModel::GetPatchSize() const
{
  return static_cast<SizeValueType>(this->GetNetwork().GetPlan().patch);
}

unsigned int
SamModel::GetNumberOfChannels() const
{
  return static_cast<unsigned int>(m_Implementation->channels.size());
}

const std::vector<SamChannel> &
SamModel::GetChannels() const
{
  return m_Implementation->channels;
}

std::string
SamModel::GetChannelNames() const
{
  std::string names;
  for (const auto & channel : m_Implementation->channels)
  {
    names += (names.empty() ? "" : ", ") + channel.name;
  }
  return names;
}

unsigned int
SamModel::GetNumberOfLabels() const
{
  return static_cast<unsigned int>(m_Implementation->labelValues.size());
}

const std::vector<int> &
SamModel::GetLabelValues() const
{
  return m_Implementation->labelValues;
}

const std::vector<std::string> &
SamModel::GetLabelNames() const
{
  return m_Implementation->labelNames;
}

const std::vector<SamModel::ColorType> &
SamModel::GetLabelColors() const
{
  return m_Implementation->labelColors;
}

unsigned int
SamModel::GetNumberOfQueries() const
{
  return static_cast<unsigned int>(this->GetNetwork().GetPlan().queries);
}

bool
SamModel::HasPrototypes() const
{
  return this->GetNetwork().GetPlan().promptSource == "prototype";
}

bool
SamModel::NeedsNoPrompts() const
{
  return this->GetNetwork().GetPlan().promptSource == "none";
}

unsigned int
SamModel::GetNumberOfPrototypes() const
{
  return this->HasPrototypes() ? static_cast<unsigned int>(this->GetNetwork().GetPlan().prototypes) : 0;
}

unsigned int
SamModel::GetNumberOfDensePromptChannels() const
{
  return static_cast<unsigned int>(this->GetNetwork().GetPlan().neck);
}

bool
SamModel::IsPromptable() const
{
  return this->GetNetwork().GetPlan().promptSource == "manual";
}

SamModel::PlaneSizeType
SamModel::GetTokenGridSize() const
{
  const auto & grid = this->GetNetwork().GetPlan().grid;
  return { { static_cast<SizeValueType>(grid[0]), static_cast<SizeValueType>(grid[1]) } };
}

SamModel::PlaneSizeType
SamModel::GetResizedSize(const PlaneSizeType & size) const
{
  return TranslateExceptions([&] {
    const auto resized = m_Implementation->MakeTransform(size).GetResizedSize();
    return PlaneSizeType{ { static_cast<SizeValueType>(resized[1]), static_cast<SizeValueType>(resized[0]) } };
  });
}

SamModel::PlaneSizeType
SamModel::GetLogitGridSize() const
{
  const auto tokens = this->GetTokenGridSize();
  return { { 4 * tokens[0], 4 * tokens[1] } };
}

unsigned int
SamModel::GetNumberOfMultimasks() const
{
  return static_cast<unsigned int>(this->GetNetwork().GetNumberOfMasks(true));
}

unsigned int
SamModel::GetNumberOfEmbeddingChannels() const
{
  return static_cast<unsigned int>(this->GetNetwork().GetPackedChannels());
}

SamTensor
SamModel::Encode(const SamTensor & image, const ProgressFunction & progress) const
{
  return RunInference([&] {
    auto x = m_Implementation->ToDevice(image);
    CheckSizes("image", x, { static_cast<int64_t>(this->GetNumberOfChannels()), -1, -1, -1 });
    const auto & network = this->GetNetwork();
    x = PadToMultiple(x, 2, network.GetPlan().patch);
    x = PadToMultiple(x, 3, network.GetPlan().patch);
    const auto isBlank = FindBlankSlices(x, network.GetPlan().slices == 1);
    if (isBlank.all().item<bool>())
    {
      const auto patch = network.GetPlan().patch;
      return MakeSamTensor(
        at::zeros({ network.GetPackedChannels(), x.size(1), x.size(2) / patch, x.size(3) / patch }, x.options()));
    }
    const auto packed = network.Pack(network.Encode(x.unsqueeze(0), MakeReport(progress))).squeeze(0);
    return MakeSamTensor(isBlank.any().item<bool>() ? packed.masked_fill(isBlank.view({ 1, -1, 1, 1 }), 0.0) : packed);
  });
}

SamPrompts
SamModel::Prompt(const SamTensor & embedding) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto   packed = m_Implementation->ToDevice(embedding);
    CheckSizes("embedding", packed, { network.GetPackedChannels(), -1, -1, -1 });
    if (this->NeedsNoPrompts())
    {
      itkSamExceptionMacro("the model " << this->GetFileName()
                                        << " needs no prompts, expected one that makes masks, boxes and class tokens");
    }
    if (this->HasPrototypes())
    {
      itkSamExceptionMacro("the model " << this->GetFileName()
                                        << " makes a dense prompt from prototypes (SamPrototypePromptImageFilter), "
                                           "expected one that makes masks, boxes and class tokens");
    }
    const auto prompts = network.GeneratePrompts(network.Unpack(packed.unsqueeze(0)));
    SamPrompts result;
    result.masks = MakeSamTensor(prompts.masks.squeeze(0));
    result.boxes = MakeSamTensor(prompts.boxes.squeeze(0));
    result.classTokens = MakeSamTensor(prompts.classTokens.squeeze(0));
    if (prompts.details.defined() && network.GetPlan().refinesMasks)
    {
      result.details = MakeSamTensor(prompts.details.squeeze(0));
    }
    return result;
  });
}

SamDensePrompt
SamModel::PromptByPrototypes(const SamTensor & embedding) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto   packed = m_Implementation->ToDevice(embedding);
    CheckSizes("embedding", packed, { network.GetPackedChannels(), -1, -1, -1 });
    this->VerifyPrototypes();
    SamDensePrompt result;
    const auto     keep = [&result](const std::string & name, const at::Tensor & value) {
      if (name == "addresses")
      {
        result.addresses = MakeSamTensor(value);
      }
    };
    const auto prompts = network.GeneratePrompts(network.Unpack(packed.unsqueeze(0)), keep);
    result.prompt = MakeSamTensor(prompts.dense.squeeze(0));
    result.similarity = MakeSamTensor(prompts.similarity.squeeze(0));
    return result;
  });
}

SamTensor
SamModel::Classify(const SamTensor & embedding, const SamTensor & densePrompt) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto   packed = m_Implementation->ToDevice(embedding);
    const auto   dense = m_Implementation->ToDevice(densePrompt);
    CheckSizes("embedding", packed, { network.GetPackedChannels(), -1, -1, -1 });
    this->VerifyPrototypes();
    CheckSizes("dense prompt", dense, { network.GetPlan().neck, packed.size(1), packed.size(2), packed.size(3) });
    sam::Prompts prompts;
    prompts.dense = dense.unsqueeze(0);
    return m_Implementation->Decode(packed, prompts);
  });
}

SamTensor
SamModel::Classify(const SamTensor & embedding) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto   packed = m_Implementation->ToDevice(embedding);
    CheckSizes("embedding", packed, { network.GetPackedChannels(), -1, -1, -1 });
    if (!this->NeedsNoPrompts())
    {
      itkSamExceptionMacro("the model " << this->GetFileName()
                                        << " needs prompts, expected one that takes the embedding alone");
    }
    return m_Implementation->Decode(packed, {});
  });
}

SamTensor
SamModel::Classify(const SamTensor & embedding, const SamPrompts & prompts) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto & plan = network.GetPlan();
    const auto   packed = m_Implementation->ToDevice(embedding);
    CheckSizes("embedding", packed, { network.GetPackedChannels(), -1, -1, -1 });
    const int64_t slices = packed.size(1);
    const int64_t height = packed.size(2) * plan.patch;
    const int64_t width = packed.size(3) * plan.patch;
    const auto    masks = m_Implementation->ToDevice(prompts.masks);
    const auto    boxes = m_Implementation->ToDevice(prompts.boxes);
    const auto    classTokens = m_Implementation->ToDevice(prompts.classTokens);
    const auto    details = m_Implementation->ToDevice(prompts.details);
    CheckSizes("mask prompts", masks, { plan.queries, slices, height, width });
    CheckSizes("boxes", boxes, { slices, plan.queries, 4 });
    CheckSizes("class tokens", classTokens, { slices, plan.queries, plan.neck });
    sam::Prompts all{ masks.unsqueeze(0), boxes.unsqueeze(0), classTokens.unsqueeze(0), {} };
    if (plan.refinesMasks)
    {
      CheckSizes("detail features", details, { plan.ladder.back(), slices, height, width });
      all.details = details.unsqueeze(0);
    }
    return m_Implementation->Decode(packed, all);
  });
}

SamTensor
SamModel::EncodeSlices(SizeValueType                                     count,
                       const std::function<SamTensor(SizeValueType k)> & read,
                       const ProgressFunction &                          progress) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto & plan = network.GetPlan();
    const auto   slices = static_cast<int64_t>(count);
    const double share = 1.0 / static_cast<double>(count);
    at::Tensor   embedding = at::empty({ network.GetPackedChannels(), slices, plan.grid[1], plan.grid[0] },
                                     at::TensorOptions().dtype(at::kFloat).device(m_Implementation->device));
    for (int64_t k = 0; k < slices; ++k)
    {
      const auto slice = GetAtTensor(read(static_cast<SizeValueType>(k)));
      CheckSizes("slice", slice, { static_cast<int64_t>(this->GetNumberOfChannels()), 1, -1, -1 });
      const sam::SliceTransform transform(plan, { slice.size(2), slice.size(3) });
      const auto image = transform.PrepareImage(slice.squeeze(1).to(at::kCPU, at::kByte)).to(m_Implementation->device);
      const auto encoded = network.Encode(image, MakeReport(progress, share * static_cast<double>(k), share));
      embedding.select(1, k).copy_(network.Pack(encoded).select(2, 0).squeeze(0));
    }
    return MakeSamTensor(embedding);
  });
}

SamMaskAnswer
SamModel::Predict(const SamTensor &       embedding,
                  const PlaneSizeType &   size,
                  const SamSlicePrompts & prompts,
                  bool                    multimask,
                  bool                    hqTokenOnly) const
{
  return RunInference([&] {
    const auto & network = this->GetNetwork();
    const auto & plan = network.GetPlan();
    const auto   device = m_Implementation->device;
    const auto   packed = m_Implementation->ToDevice(embedding);
    CheckSizes("embedding", packed, { network.GetPackedChannels(), 1, plan.grid[1], plan.grid[0] });
    const auto transform = m_Implementation->MakeTransform(size);
    const auto prepare = [&](const std::vector<SamSlicePrompts::PointType> & points) {
      at::Tensor coordinates = at::empty({ 1, static_cast<int64_t>(points.size()), 2 }, at::kDouble);
      for (size_t k = 0; k < points.size(); ++k)
      {
        std::copy_n(points[k].begin(), 2, coordinates.data_ptr<double>() + 2 * k);
      }
      return transform.PreparePoints(coordinates).to(device);
    };
    sam::ManualPrompts manual;
    if (!prompts.points.empty())
    {
      const std::vector<int64_t> labels(prompts.isForeground.begin(), prompts.isForeground.end());
      manual.points = prepare(prompts.points);
      manual.labels = at::tensor(labels, at::kLong).unsqueeze(0).to(device);
    }
    if (!prompts.box.empty())
    {
      manual.boxes = prepare(prompts.box).flatten(1);
    }
    if (!prompts.maskLogits.IsEmpty())
    {
      manual.masks = m_Implementation->ToDevice(prompts.maskLogits).unsqueeze(0);
      CheckSizes("mask prompt", manual.masks, { 1, 1, 4 * plan.grid[1], 4 * plan.grid[0] });
    }
    const auto    answer = network.Decode(network.Unpack(packed.unsqueeze(0)), manual, multimask, hqTokenOnly);
    const auto    quality = answer.quality.to(at::kCPU, at::kFloat).contiguous();
    SamMaskAnswer result;
    result.logits = MakeSamTensor(answer.masks.transpose(0, 1));
    result.scores.assign(quality.data_ptr<float>(), quality.data_ptr<float>() + quality.numel());
    return result;
  });
}

SamTensor
SamModel::RestoreMasks(const SamTensor & logits, const PlaneSizeType & size) const
{
  return RunInference([&] {
    return MakeSamTensor(m_Implementation->MakeTransform(size).RestoreMasks(m_Implementation->ToDevice(logits)));
  });
}

SamTensor
SamModel::MakeMaskLogits(const SamTensor & mask) const
{
  return RunInference([&] {
    const auto x = GetAtTensor(mask);
    CheckSizes("mask", x, { 1, -1, -1 });
    return MakeSamTensor(
      sam::SliceTransform(this->GetNetwork().GetPlan(), { x.size(1), x.size(2) }).PrepareMask(x.squeeze(0)).squeeze(0));
  });
}

std::vector<SamAutomaticMask>
SamModel::GenerateMasks(const SamTensor &               slice,
                        const SamAutomaticMaskOptions & options,
                        const ProgressFunction &        progress) const
{
  return RunInference([&] {
    const auto image = GetAtTensor(slice);
    CheckSizes("slice", image, { static_cast<int64_t>(this->GetNumberOfChannels()), 1, -1, -1 });
    sam::AutomaticMaskOptions inner;
    inner.pointsPerSide = options.pointsPerSide;
    inner.pointsPerBatch = options.pointsPerBatch;
    inner.qualityThreshold = options.predIouThresh;
    inner.stabilityThreshold = options.stabilityScoreThresh;
    inner.stabilityOffset = options.stabilityScoreOffset;
    inner.boxOverlapThreshold = options.boxNmsThresh;
    inner.cropLayers = options.cropNLayers;
    inner.cropBoxOverlapThreshold = options.cropNmsThresh;
    inner.cropOverlapRatio = options.cropOverlapRatio;
    inner.cropPointsDownscale = options.cropNPointsDownscaleFactor;
    inner.minimumRegionArea = static_cast<int64_t>(options.minMaskRegionArea);
    std::vector<SamAutomaticMask> masks;
    for (auto & found :
         sam::GenerateMasks(this->GetNetwork(), image.squeeze(1).to(at::kCPU, at::kByte), inner, MakeReport(progress)))
    {
      SamAutomaticMask mask;
      mask.runs = std::move(found.runs);
      mask.area = static_cast<SizeValueType>(found.area);
      std::copy(found.box.begin(), found.box.end(), mask.box.begin());
      mask.predictedIou = found.quality;
      mask.stabilityScore = found.stability;
      mask.point = found.point;
      std::copy(found.crop.begin(), found.crop.end(), mask.cropBox.begin());
      masks.push_back(std::move(mask));
    }
    return masks;
  });
}

const sam::Network &
SamModel::GetNetwork() const
{
  return *m_Implementation->network;
}

void
SamModel::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "FileName: " << this->GetFileName() << std::endl;
  os << indent << "Device: " << this->GetDevice() << std::endl;
  os << indent << "Precision: " << this->GetPrecision() << std::endl;
  os << indent << "Dimension: " << this->GetDimension() << std::endl;
  os << indent << "Orientation: " << this->GetOrientation() << std::endl;
  os << indent << "Interpolation: " << this->GetInterpolation() << std::endl;
  os << indent << "Channels: " << this->GetChannelNames() << std::endl;
  os << indent << "Labels:";
  for (size_t k = 0; k < m_Implementation->labelValues.size(); ++k)
  {
    os << ' ' << m_Implementation->labelValues[k] << " (" << m_Implementation->labelNames[k] << ')';
  }
  os << std::endl;
}

struct SamSlidingWindow::Implementation
{
  sam::SlidingWindow windows;
  at::Device         device;
  int64_t            slices;
};

SamSlidingWindow::SamSlidingWindow(const SamModel * model, const SizeType & size)
{
  std::array<int64_t, 3> voxels{};
  std::copy_n(size.begin(), 3, voxels.begin());
  m_Implementation = TranslateExceptions([&] {
    return std::make_unique<Implementation>(Implementation{
      sam::SlidingWindow(model->GetNetwork().GetPlan(), voxels), at::Device(model->GetDevice()), voxels[2] });
  });
}

SamSlidingWindow::~SamSlidingWindow() = default;
SamSlidingWindow::SamSlidingWindow(SamSlidingWindow &&) noexcept = default;
SamSlidingWindow &
SamSlidingWindow::operator=(SamSlidingWindow &&) noexcept = default;

void
SamSlidingWindow::Restrict(const SamIndexBox & part)
{
  std::array<int64_t, 3> start{};
  std::array<int64_t, 3> size{};
  std::copy_n(part.start.begin(), 3, start.begin());
  std::copy_n(part.size.begin(), 3, size.begin());
  m_Implementation->windows.Restrict(start, size);
}

SamIndexBox
SamSlidingWindow::GetSource() const
{
  SamIndexBox source;
  std::copy_n(m_Implementation->windows.GetSourceStart().begin(), 3, source.start.begin());
  std::copy_n(m_Implementation->windows.GetSourceSize().begin(), 3, source.size.begin());
  return source;
}

SizeValueType
SamSlidingWindow::GetNumberOfWindows() const
{
  return m_Implementation->windows.GetStarts().size();
}

SamSlidingWindow::SizeType
SamSlidingWindow::GetWindowSize() const
{
  SizeType size{};
  std::copy_n(m_Implementation->windows.GetWindow().begin(), 3, size.begin());
  return size;
}

SamSlidingWindow::IndexType
SamSlidingWindow::GetStart(SizeValueType window) const
{
  IndexType start{};
  std::copy_n(m_Implementation->windows.GetStarts().at(window).begin(), 3, start.begin());
  return start;
}

SamGrid
SamSlidingWindow::GetGrid(const SamGrid & volume, SizeValueType window) const
{
  SamGrid    grid = volume;
  const auto start = this->GetStart(window);
  for (unsigned int i = 0; i < 3; ++i)
  {
    grid.box.start[i] += start[i];
  }
  grid.box.size = this->GetWindowSize();
  return grid;
}

SamTensor
SamSlidingWindow::Extract(const SamTensor & source, SizeValueType window) const
{
  return RunInference([&] {
    const auto part =
      m_Implementation->windows.Extract(GetAtTensor(source), m_Implementation->windows.GetStarts().at(window));
    return MakeSamTensor(part.to(m_Implementation->device));
  });
}

void
SamSlidingWindow::Add(const SamTensor & answer, SizeValueType window)
{
  RunInference(
    [&] { m_Implementation->windows.Add(GetAtTensor(answer), m_Implementation->windows.GetStarts().at(window)); });
}

SamTensor
SamSlidingWindow::TakeBlended(SizeValueType window)
{
  auto &       windows = m_Implementation->windows;
  const auto & starts = windows.GetStarts();
  const auto   current = starts.at(window)[2];
  const bool   isLast = window + 1 == starts.size();
  const auto   end = isLast ? m_Implementation->slices : starts[window + 1][2];
  if (end == current && !isLast)
  {
    return {};
  }
  return RunInference([&] {
    const auto blended = windows.TakeBlended(end);
    return blended.size(1) > 0 ? MakeSamTensor(blended) : SamTensor();
  });
}
} // namespace itk
