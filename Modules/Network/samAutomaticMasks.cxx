// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAutomaticMasks.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>

namespace sam
{
std::vector<ImageCrop>
ImageCrops(const ImageSize & size, int64_t layers, double overlap)
{
  const auto [rows, columns] = size;
  const auto             shortSide = static_cast<double>(std::min(rows, columns));
  std::vector<ImageCrop> crops{ { { 0, 0, columns, rows }, 0 } };
  for (int64_t layer = 1; layer <= layers; ++layer)
  {
    const int64_t perSide = int64_t{ 1 } << layer;
    const auto    shared = static_cast<int64_t>(overlap * shortSide * (2.0 / static_cast<double>(perSide)));
    // Rounded up, so that the crops reach the far edge.
    const auto    extent = [&](int64_t whole) { return (shared * (perSide - 1) + whole + perSide - 1) / perSide; };
    const int64_t width = extent(columns);
    const int64_t height = extent(rows);
    for (int64_t i = 0; i < perSide; ++i)
    {
      for (int64_t j = 0; j < perSide; ++j)
      {
        const int64_t x = (width - shared) * i;
        const int64_t y = (height - shared) * j;
        crops.push_back({ { x, y, std::min(x + width, columns), std::min(y + height, rows) }, layer });
      }
    }
  }
  return crops;
}

at::Tensor
PointGrid(int64_t pointsPerSide)
{
  const double first = 1.0 / static_cast<double>(2 * pointsPerSide);
  const double step = (1.0 - first - first) / static_cast<double>(std::max(pointsPerSide - 1, int64_t{ 1 }));
  auto         points = at::empty({ pointsPerSide, pointsPerSide, 2 }, at::kDouble);
  auto         access = points.accessor<double, 3>();
  for (int64_t i = 0; i < pointsPerSide; ++i)
  {
    const double position = i > 0 && i + 1 == pointsPerSide ? 1.0 - first : first + static_cast<double>(i) * step;
    for (int64_t j = 0; j < pointsPerSide; ++j)
    {
      access[j][i][0] = position;
      access[i][j][1] = position;
    }
  }
  return points.view({ -1, 2 });
}

at::Tensor
AreNearCropEdge(const at::Tensor & boxes, const CropBox & crop, const ImageSize & size, double tolerance)
{
  const auto edges = [&boxes](const CropBox & box) {
    return at::tensor({ box[0], box[1], box[2], box[3] }, boxes.options().dtype(at::kFloat));
  };
  const auto inImage = boxes.to(at::kFloat) + edges({ crop[0], crop[1], crop[0], crop[1] });
  const auto isNear = [&](const CropBox & box) { return (inImage - edges(box)).abs() <= tolerance; };
  return isNear(crop).logical_and(isNear({ 0, 0, size[1], size[0] }).logical_not()).any(1);
}

at::Tensor
BoxNms(const at::Tensor & boxes, const at::Tensor & scores, double threshold)
{
  const auto corners = boxes.to(at::kCPU, at::kFloat).contiguous();
  const auto order = std::get<1>(at::sort(scores.to(at::kCPU), /*stable=*/true, /*dim=*/0, /*descending=*/true));
  const auto box = corners.accessor<float, 2>();
  const auto ranked = order.accessor<int64_t, 1>();
  const auto area = [&box](int64_t i) { return (box[i][2] - box[i][0]) * (box[i][3] - box[i][1]); };

  std::vector<int64_t> kept;
  std::vector<bool>    isSuppressed(static_cast<size_t>(order.size(0)), false);
  for (int64_t a = 0; a < order.size(0); ++a)
  {
    if (isSuppressed[static_cast<size_t>(a)])
    {
      continue;
    }
    const int64_t i = ranked[a];
    kept.push_back(i);
    for (int64_t b = a + 1; b < order.size(0); ++b)
    {
      const int64_t j = ranked[b];
      const float   width = std::max(std::min(box[i][2], box[j][2]) - std::max(box[i][0], box[j][0]), 0.0F);
      const float   height = std::max(std::min(box[i][3], box[j][3]) - std::max(box[i][1], box[j][1]), 0.0F);
      const float   shared = width * height;
      if (shared / (area(i) + area(j) - shared) > threshold)
      {
        isSuppressed[static_cast<size_t>(b)] = true;
      }
    }
  }
  return at::tensor(kept, at::kLong).to(boxes.device());
}
} // namespace sam
