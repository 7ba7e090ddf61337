// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samMaskGenerator.h"

#include "samError.h"
#include "samSliceTransform.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/nonzero.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>

namespace sam
{
namespace
{
/** Masks at the image's size at a time. */
constexpr int64_t masksAtATime = 16;

/** Encoding takes about as long as this many batches of points. */
constexpr double encoderShare = 5.0;

void
CheckRange(const char * option, double value, double low, double high)
{
  if (!(value >= low && value <= high))
  {
    std::ostringstream message;
    message << option << " is " << value << ", expected " << low << " to " << high;
    throw Error(message.str());
  }
}

void
CheckOptions(const AutomaticMaskOptions & options)
{
  CheckRange("points per side", static_cast<double>(options.pointsPerSide), 1, 1024);
  CheckRange("points per batch", static_cast<double>(options.pointsPerBatch), 1, 65536);
  CheckRange("predicted IoU threshold", options.qualityThreshold, 0.0, 1.0);
  CheckRange("stability score threshold", options.stabilityThreshold, 0.0, 1.0);
  CheckRange("stability score offset", options.stabilityOffset, 0.0, 1e6);
  CheckRange("box NMS threshold", options.boxOverlapThreshold, 0.0, 1.0);
  CheckRange("crop layers", static_cast<double>(options.cropLayers), 0, 6);
  CheckRange("crop NMS threshold", options.cropBoxOverlapThreshold, 0.0, 1.0);
  CheckRange("crop overlap ratio", options.cropOverlapRatio, 0.0, 1.0);
  CheckRange("downscale factor of the points in crops", static_cast<double>(options.cropPointsDownscale), 1, 1024);
  CheckRange("minimum mask region area", static_cast<double>(options.minimumRegionArea), 0, 1e12);
}

int64_t
PointsPerSide(const AutomaticMaskOptions & options, int64_t layer)
{
  const auto points = static_cast<int64_t>(static_cast<double>(options.pointsPerSide) /
                                           std::pow(static_cast<double>(options.cropPointsDownscale), layer));
  if (points < 1)
  {
    throw Error("points per side: " + std::to_string(options.pointsPerSide) + " leave none in layer " +
                std::to_string(layer) + " of the crops with the downscale factor " +
                std::to_string(options.cropPointsDownscale));
  }
  return points;
}

int64_t
AreaOf(const std::vector<uint32_t> & runs)
{
  int64_t area = 0;
  for (size_t k = 1; k < runs.size(); k += 2)
  {
    area += runs[k];
  }
  return area;
}

std::array<int64_t, 4>
ToBox(const at::Tensor & tensor)
{
  const auto             numbers = tensor.to(at::kCPU).contiguous();
  std::array<int64_t, 4> box{};
  std::copy_n(numbers.data_ptr<int64_t>(), 4, box.begin());
  return box;
}

/** The masks without those whose boxes overlap one with a higher score, by falling score. */
std::vector<AutomaticMask>
Suppress(const std::vector<AutomaticMask> & masks, const std::vector<float> & scores, double threshold)
{
  std::vector<int64_t> boxes;
  for (const auto & mask : masks)
  {
    boxes.insert(boxes.end(), mask.box.begin(), mask.box.end());
  }
  const auto kept = BoxNms(at::tensor(boxes, at::kLong).view({ -1, 4 }), at::tensor(scores, at::kFloat), threshold);
  std::vector<AutomaticMask> selected;
  for (int64_t k = 0; k < kept.size(0); ++k)
  {
    selected.push_back(masks[static_cast<size_t>(kept.data_ptr<int64_t>()[k])]);
  }
  return selected;
}

/** Connected regions of the set pixels of a plane: number of the region of each pixel (−1: not set) and their sizes. */
struct Regions
{
  Regions(const bool * pixels, const ImageSize & size)
    : numbers(static_cast<size_t>(size[0] * size[1]), -1)
  {
    std::vector<int64_t> open;
    for (int64_t first = 0; first < size[0] * size[1]; ++first)
    {
      if (!pixels[first] || numbers[static_cast<size_t>(first)] >= 0)
      {
        continue;
      }
      const auto number = static_cast<int64_t>(sizes.size());
      sizes.push_back(0);
      const auto visit = [&](int64_t pixel) {
        if (pixels[pixel] && numbers[static_cast<size_t>(pixel)] < 0)
        {
          numbers[static_cast<size_t>(pixel)] = number;
          open.push_back(pixel);
        }
      };
      visit(first);
      while (!open.empty())
      {
        const int64_t pixel = open.back();
        open.pop_back();
        ++sizes.back();
        const int64_t row = pixel / size[1];
        const int64_t column = pixel % size[1];
        for (int64_t y = std::max<int64_t>(row - 1, 0); y <= std::min(row + 1, size[0] - 1); ++y)
        {
          for (int64_t x = std::max<int64_t>(column - 1, 0); x <= std::min(column + 1, size[1] - 1); ++x)
          {
            visit(y * size[1] + x);
          }
        }
      }
    }
  }

  std::vector<int64_t> numbers;
  std::vector<int64_t> sizes;
};

/** The masks that points of one crop get, still with those whose boxes overlap. */
class CropMasks
{
public:
  CropMasks(const Network & network, const AutomaticMaskOptions & options, const ImageSize & size, const CropBox & crop)
    : m_Network(network)
    , m_Options(options)
    , m_Size(size)
    , m_Crop(crop)
    , m_Transform(network.GetPlan(), { crop[3] - crop[1], crop[2] - crop[0] })
  {}

  const SliceTransform &
  GetTransform() const
  {
    return m_Transform;
  }

  /** \a points n×2 in pixels of the crop. */
  void
  Add(const EncodedImage & encoded, const at::Tensor & points)
  {
    ManualPrompts prompts;
    prompts.points = m_Transform.PreparePoints(points).unsqueeze(1).to(encoded.embedding.device());
    prompts.labels = at::ones({ points.size(0), 1 }, prompts.points.options().dtype(at::kLong));
    const auto    answer = m_Network.Decode(encoded, prompts, true);
    const int64_t perPoint = answer.masks.size(1);
    const auto    quality = answer.quality.flatten();
    at::Tensor    kept =
      m_Options.qualityThreshold > 0.0 ? quality > m_Options.qualityThreshold : at::ones_like(quality, at::kBool);
    const auto numbers = at::nonzero(kept).flatten();
    for (int64_t first = 0; first < numbers.size(0); first += masksAtATime)
    {
      const auto chosen = numbers.narrow(0, first, std::min(masksAtATime, numbers.size(0) - first));
      const auto logits = m_Transform.RestoreMasks(answer.masks.flatten(0, 1).index_select(0, chosen).unsqueeze(1));
      AddLogits(logits.squeeze(1), quality.index_select(0, chosen).cpu(), chosen.cpu(), points, perPoint);
    }
  }

  std::vector<AutomaticMask> masks;

private:
  void
  AddLogits(const at::Tensor & logits,
            const at::Tensor & quality,
            const at::Tensor & chosen,
            const at::Tensor & points,
            int64_t            perPoint)
  {
    const auto stability = StabilityScore(logits, 0.0, m_Options.stabilityOffset).to(at::kCPU, at::kFloat);
    const auto binary = logits > 0.0;
    const auto boxes = MaskBoxes(binary).cpu();
    auto       isKept = AreNearCropEdge(boxes, m_Crop, m_Size).logical_not();
    if (m_Options.stabilityThreshold > 0.0)
    {
      isKept = isKept.logical_and(stability >= m_Options.stabilityThreshold);
    }
    const std::array<int64_t, 4> padding{ m_Crop[0], m_Size[1] - m_Crop[2], m_Crop[1], m_Size[0] - m_Crop[3] };
    for (int64_t k = 0; k < logits.size(0); ++k)
    {
      if (!isKept.data_ptr<bool>()[k])
      {
        continue;
      }
      AutomaticMask mask;
      mask.box = ToBox(boxes.select(0, k));
      for (size_t i = 0; i < 4; ++i)
      {
        mask.box[i] += m_Crop[i % 2];
      }
      mask.runs = EncodeRuns(at::constant_pad_nd(binary.select(0, k).cpu(), padding, 0));
      mask.area = AreaOf(mask.runs);
      mask.quality = quality.data_ptr<float>()[k];
      mask.stability = stability.data_ptr<float>()[k];
      const int64_t point = chosen.data_ptr<int64_t>()[k] / perPoint;
      mask.point = { points.data_ptr<double>()[2 * point] + static_cast<double>(m_Crop[0]),
                     points.data_ptr<double>()[2 * point + 1] + static_cast<double>(m_Crop[1]) };
      mask.crop = m_Crop;
      masks.push_back(std::move(mask));
    }
  }

  const Network &              m_Network;
  const AutomaticMaskOptions & m_Options;
  ImageSize                    m_Size;
  CropBox                      m_Crop;
  SliceTransform               m_Transform;
};

/** Masks without small islands and holes; duplicates that this makes go, those that did not change first to stay. */
std::vector<AutomaticMask>
CleanMasks(std::vector<AutomaticMask> masks, const AutomaticMaskOptions & options, const ImageSize & size)
{
  std::vector<float> scores;
  for (auto & mask : masks)
  {
    const auto [cleaned, isChanged] = RemoveSmallRegions(DecodeRuns(mask.runs, size), options.minimumRegionArea);
    if (isChanged)
    {
      mask.runs = EncodeRuns(cleaned);
      mask.area = AreaOf(mask.runs);
      mask.box = ToBox(MaskBoxes(cleaned));
    }
    scores.push_back(isChanged ? 0.0f : 1.0f);
  }
  return Suppress(masks, scores, std::max(options.boxOverlapThreshold, options.cropBoxOverlapThreshold));
}
} // namespace

std::vector<uint32_t>
EncodeRuns(const at::Tensor & mask)
{
  const auto            columns = mask.to(at::kCPU, at::kBool).t().contiguous();
  const bool *          pixel = columns.data_ptr<bool>();
  const bool * const    end = pixel + columns.numel();
  std::vector<uint32_t> runs;
  for (bool value = false; pixel != end; value = !value)
  {
    const bool * const next = std::find(pixel, end, !value);
    runs.push_back(static_cast<uint32_t>(next - pixel));
    pixel = next;
  }
  return runs;
}

at::Tensor
DecodeRuns(const std::vector<uint32_t> & runs, const ImageSize & size)
{
  at::Tensor columns = at::zeros({ size[1], size[0] }, at::kBool);
  bool *     pixel = columns.data_ptr<bool>();
  bool       value = false;
  for (const uint32_t length : runs)
  {
    std::fill_n(pixel, length, value);
    pixel += length;
    value = !value;
  }
  return columns.t().contiguous();
}

std::pair<at::Tensor, bool>
RemoveSmallRegions(const at::Tensor & mask, int64_t area)
{
  const ImageSize size{ mask.size(0), mask.size(1) };
  at::Tensor      cleaned = mask.to(at::kCPU, at::kBool).clone(at::MemoryFormat::Contiguous);
  bool *          pixels = cleaned.data_ptr<bool>();
  bool            isChanged = false;
  for (const bool isHole : { true, false })
  {
    const auto    set = isHole ? cleaned.logical_not() : cleaned;
    const Regions regions(set.data_ptr<bool>(), size);
    const auto    isSmall = [&](int64_t region) { return regions.sizes[static_cast<size_t>(region)] < area; };
    const auto    largest = std::max_element(regions.sizes.begin(), regions.sizes.end()) - regions.sizes.begin();
    const bool    keepsOne = !isHole && !regions.sizes.empty() && isSmall(largest);
    for (size_t k = 0; k < regions.numbers.size(); ++k)
    {
      const int64_t region = regions.numbers[k];
      if (region >= 0 && isSmall(region) && !(keepsOne && region == largest))
      {
        pixels[k] = isHole;
      }
    }
    isChanged = isChanged ||
                std::any_of(regions.sizes.begin(), regions.sizes.end(), [area](int64_t found) { return found < area; });
  }
  return { cleaned, isChanged };
}

std::vector<AutomaticMask>
GenerateMasks(const Network &              network,
              const at::Tensor &           slice,
              const AutomaticMaskOptions & options,
              const ProgressFunction &     progress)
{
  CheckOptions(options);
  const ImageSize size{ slice.size(1), slice.size(2) };
  const auto      crops = ImageCrops(size, options.cropLayers, options.cropOverlapRatio);
  const auto      batchesOf = [&](int64_t layer) {
    const int64_t perSide = PointsPerSide(options, layer);
    return (perSide * perSide + options.pointsPerBatch - 1) / options.pointsPerBatch;
  };
  double work = 0.0;
  for (const auto & [crop, layer] : crops)
  {
    if (crop[2] <= crop[0] || crop[3] <= crop[1])
    {
      throw Error("crop layers: " + std::to_string(options.cropLayers) + " are too many for an image of " +
                  std::to_string(size[1]) + "x" + std::to_string(size[0]) + " pixels");
    }
    work += encoderShare + static_cast<double>(batchesOf(layer));
  }
  double     done = 0.0;
  const auto report = [&](double share) {
    if (progress)
    {
      progress((done + share) / work);
    }
  };

  std::vector<AutomaticMask> masks;
  for (const auto & [crop, layer] : crops)
  {
    CropMasks  ofCrop(network, options, size, crop);
    const auto part = slice.narrow(1, crop[1], crop[3] - crop[1]).narrow(2, crop[0], crop[2] - crop[0]).contiguous();
    const auto encoded = network.Encode(ofCrop.GetTransform().PrepareImage(part).to(network.GetDevice()),
                                        [&](double fraction) { report(encoderShare * fraction); });
    done += encoderShare;
    const auto extent = at::tensor({ crop[2] - crop[0], crop[3] - crop[1] }, at::kDouble);
    const auto points = PointGrid(PointsPerSide(options, layer)) * extent;
    for (int64_t batch = 0; batch < batchesOf(layer); ++batch)
    {
      const int64_t first = batch * options.pointsPerBatch;
      ofCrop.Add(encoded, points.narrow(0, first, std::min(options.pointsPerBatch, points.size(0) - first)));
      done += 1.0;
      report(0.0);
    }
    std::vector<float> scores;
    for (const auto & mask : ofCrop.masks)
    {
      scores.push_back(mask.quality);
    }
    const auto kept = Suppress(ofCrop.masks, scores, options.boxOverlapThreshold);
    masks.insert(masks.end(), kept.begin(), kept.end());
  }
  if (crops.size() > 1)
  {
    std::vector<float> scores;
    for (const auto & mask : masks)
    {
      scores.push_back(1.0f / static_cast<float>((mask.crop[2] - mask.crop[0]) * (mask.crop[3] - mask.crop[1])));
    }
    masks = Suppress(masks, scores, options.cropBoxOverlapThreshold);
  }
  return options.minimumRegionArea > 0 ? CleanMasks(std::move(masks), options, size) : masks;
}
} // namespace sam
