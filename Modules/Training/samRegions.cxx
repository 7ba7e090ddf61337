// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samRegions.h"

#include "samComponents.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/binary_cross_entropy_with_logits.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <vector>

namespace sam
{
namespace
{
constexpr int64_t mostLevels = 5;
constexpr double  smallestShare = 0.002; // of the slice
constexpr double  largestShare = 0.5;
constexpr double  boxJitter = 0.1; // of the region's size, on each side
constexpr double  diceWeight = 0.8;

using LabelImage = itk::Image<unsigned char, 2>;

/** Levels H×W from 1 on of a slice between its values at random percentiles. */
LabelImage::Pointer
CutIntoLevels(const at::Tensor & slice, RandomStream & random)
{
  const auto smooth =
    at::avg_pool2d(slice.unsqueeze(0).unsqueeze(0), { 5, 5 }, { 1, 1 }, { 2, 2 }, false, false).flatten().contiguous();
  const auto         sorted = std::get<0>(smooth.sort());
  std::vector<float> thresholds;
  for (int64_t k = random.Integer(1, mostLevels); k > 0; --k)
  {
    const auto place = std::llround(random.Uniform(0.1, 0.95) * static_cast<double>(sorted.numel() - 1));
    thresholds.push_back(sorted[place].item<float>());
  }
  const auto image = LabelImage::New();
  image->SetRegions(LabelImage::SizeType{
    { static_cast<itk::SizeValueType>(slice.size(1)), static_cast<itk::SizeValueType>(slice.size(0)) } });
  image->Allocate();
  const float *   values = smooth.const_data_ptr<float>();
  unsigned char * levels = image->GetBufferPointer();
  for (int64_t k = 0; k < smooth.numel(); ++k)
  {
    levels[k] = static_cast<unsigned char>(
      1 + std::count_if(thresholds.begin(), thresholds.end(), [&](float threshold) { return values[k] > threshold; }));
  }
  return image;
}
} // namespace

at::Tensor
FindRegions(const at::Tensor & image, RandomStream & random)
{
  const at::NoGradGuard noGradient;
  auto                  regions = at::zeros(image.sizes().slice(1), at::kLong);
  const int64_t         depth = random.Integer(0, image.size(1) - 1);
  const auto            levels = CutIntoLevels(image[random.Integer(0, image.size(0) - 1)][depth], random);
  KeepLargestComponents(levels.GetPointer());
  FillHoles(levels.GetPointer());
  const auto map =
    at::from_blob(levels->GetBufferPointer(), image.sizes().slice(2), at::TensorOptions().dtype(at::kByte))
      .to(at::kLong);
  for (int64_t level = 1; level <= mostLevels + 1; ++level)
  {
    const auto   region = map == level;
    const double share = region.sum().item<double>() / static_cast<double>(map.numel());
    if (share >= smallestShare && share <= largestShare)
    {
      regions[depth].masked_fill_(region, level);
    }
  }
  return regions;
}

RegionPrompts
DrawRegionPrompts(const at::Tensor & slice, int64_t count, RandomStream & random)
{
  const int64_t                           height = slice.size(0);
  const int64_t                           width = slice.size(1);
  const auto                              map = slice.contiguous();
  const int64_t *                         values = map.const_data_ptr<int64_t>();
  std::map<int64_t, std::vector<int64_t>> places;
  for (int64_t k = 0; k < map.numel(); ++k)
  {
    if (values[k] > 0)
    {
      places[values[k]].push_back(k);
    }
  }
  std::vector<int64_t> numbers;
  for (const auto & [number, ofRegion] : places)
  {
    numbers.push_back(number);
  }
  random.Shuffle(numbers);
  numbers.resize(std::min(numbers.size(), static_cast<size_t>(count)));
  RegionPrompts result;
  result.areAmbiguous = random.Chance(0.5);
  if (numbers.empty())
  {
    return result;
  }
  std::vector<at::Tensor> regions;
  std::vector<float>      coordinates;
  for (const int64_t number : numbers)
  {
    const auto & ofRegion = places[number];
    regions.push_back((map == number).to(at::kFloat));
    if (result.areAmbiguous)
    {
      const int64_t place = ofRegion[static_cast<size_t>(random.Integer(0, std::ssize(ofRegion) - 1))];
      coordinates.push_back((static_cast<float>(place % width) + 0.5f) / static_cast<float>(width));
      coordinates.push_back((static_cast<float>(place / width) + 0.5f) / static_cast<float>(height));
      continue;
    }
    int64_t left = width;
    int64_t right = 0;
    for (const int64_t place : ofRegion)
    {
      left = std::min(left, place % width);
      right = std::max(right, place % width + 1);
    }
    const int64_t top = ofRegion.front() / width;
    const int64_t bottom = ofRegion.back() / width + 1;
    const auto    move = [&random](int64_t edge, int64_t extent, int64_t size) {
      const double moved =
        static_cast<double>(edge) + random.Uniform(-boxJitter, boxJitter) * static_cast<double>(extent);
      return static_cast<float>(std::clamp(moved / static_cast<double>(size), 0.0, 1.0));
    };
    for (const int64_t x : { left, right })
    {
      const int64_t y = x == left ? top : bottom;
      coordinates.push_back(move(x, right - left, width));
      coordinates.push_back(move(y, bottom - top, height));
    }
  }
  const auto n = std::ssize(numbers);
  result.regions = at::stack(regions);
  if (result.areAmbiguous)
  {
    result.prompts.points = at::tensor(coordinates).view({ n, 1, 2 });
    result.prompts.labels = at::tensor(std::vector<float>(numbers.size(), 1.0f)).view({ n, 1 });
  }
  else
  {
    result.prompts.boxes = at::tensor(coordinates).view({ n, 4 });
  }
  return result;
}

at::Tensor
RegionLoss(const PromptedMasks & answer, const at::Tensor & regions)
{
  const auto logits = at::upsample_bilinear2d(answer.masks, regions.sizes().slice(1), false); // P×M×H×W
  const auto truth = regions.unsqueeze(1).expand_as(logits);
  const auto entropy = at::binary_cross_entropy_with_logits(logits, truth, {}, {}, at::Reduction::None).mean({ 2, 3 });
  const auto shares = at::sigmoid(logits);
  const auto sum = [](const at::Tensor & x) { return x.sum({ 2, 3 }); };
  const auto dice = 1.0 - (2.0 * sum(shares * truth) + 1.0) / (sum(shares) + sum(truth) + 1.0);
  const auto ofMasks = (1.0 - diceWeight) * entropy + diceWeight * dice; // P×M
  const auto found = (logits.detach() > 0.0).to(at::kFloat);
  const auto common = sum(found * truth);
  const auto overlap = common / (sum(found) + sum(truth) - common).clamp_min(1.0);
  return std::get<0>(ofMasks.min(1)).mean() + (answer.quality - overlap).square().mean();
}
} // namespace sam
