// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImageTransform.h"

#include "samError.h"
#include "samLayers.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/_upsample_bilinear2d_aa.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>

namespace sam
{
namespace
{
/** Fractional bits of Pillow's coefficients: 32 less 8 of the pixel and 2 in reserve. */
constexpr int64_t fractionBits = 22;

/** What each of \a outputs pixels takes from which of \a inputs pixels: outputs×taps indices (int64) and fixed-point
 * coefficients (int32). Pixels beyond the edge have the coefficient 0. */
struct Taps
{
  at::Tensor indices;
  at::Tensor coefficients;
};

/** The triangular filter, widened by the scale where the image shrinks. */
Taps
TriangleTaps(int64_t inputs, int64_t outputs)
{
  const double  scale = static_cast<double>(inputs) / static_cast<double>(outputs);
  const double  support = std::max(scale, 1.0);
  const int64_t taps = 2 * static_cast<int64_t>(std::ceil(support)) + 1;
  Taps          result{ at::zeros({ outputs, taps }, at::kLong), at::zeros({ outputs, taps }, at::kInt) };
  auto          indices = result.indices.accessor<int64_t, 2>();
  auto          coefficients = result.coefficients.accessor<int32_t, 2>();
  for (int64_t i = 0; i < outputs; ++i)
  {
    const double  center = (static_cast<double>(i) + 0.5) * scale;
    const int64_t first = std::max(static_cast<int64_t>(center - support + 0.5), int64_t{ 0 });
    const int64_t end = std::min(static_cast<int64_t>(center + support + 0.5), inputs);
    const auto    weight = [&](int64_t k) {
      return std::max(1.0 - std::abs((static_cast<double>(first + k) - center + 0.5) * (1.0 / support)), 0.0);
    };
    double sum = 0.0;
    for (int64_t k = 0; k < end - first; ++k)
    {
      sum += weight(k);
    }
    for (int64_t k = 0; k < end - first; ++k)
    {
      indices[i][k] = first + k;
      coefficients[i][k] = static_cast<int32_t>(0.5 + weight(k) / sum * static_cast<double>(1 << fractionBits));
    }
  }
  return result;
}

/** Resample axis \a axis of a uint8 image to \a outputs pixels. */
at::Tensor
ResampleAxis(const at::Tensor & image, int64_t axis, int64_t outputs)
{
  if (image.size(axis) == outputs)
  {
    return image;
  }
  const auto           taps = TriangleTaps(image.size(axis), outputs);
  const auto           indices = taps.indices.to(image.device());
  const auto           coefficients = taps.coefficients.to(image.device());
  std::vector<int64_t> broadcast(static_cast<size_t>(image.dim()), 1);
  broadcast[static_cast<size_t>(axis)] = outputs;
  at::Tensor sum;
  for (int64_t k = 0; k < indices.size(1); ++k)
  {
    const auto term =
      image.index_select(axis, indices.select(1, k)).to(at::kInt).mul_(coefficients.select(1, k).view(broadcast));
    sum = sum.defined() ? sum.add_(term) : term + (1 << (fractionBits - 1));
  }
  return sum.bitwise_right_shift_(fractionBits).clamp_(0, 255).to(at::kByte);
}

/** Per channel numbers as C×1×1. */
at::Tensor
PerChannel(const std::vector<double> & numbers, const at::Tensor & image)
{
  return at::tensor(numbers, at::kDouble).to(image.options()).view({ -1, 1, 1 });
}
} // namespace

ImageSize
ResizedSize(const ImageSize & size, int64_t longestSide)
{
  const double scale = static_cast<double>(longestSide) / static_cast<double>(std::max(size[0], size[1]));
  const auto   resize = [scale](int64_t extent) {
    return std::max(static_cast<int64_t>(static_cast<double>(extent) * scale + 0.5), int64_t{ 1 });
  };
  return { resize(size[0]), resize(size[1]) };
}

at::Tensor
ResizeLongestSide(const at::Tensor & image, int64_t longestSide)
{
  const auto size = ResizedSize({ image.size(-2), image.size(-1) }, longestSide);
  if (image.scalar_type() == at::kByte)
  {
    return ResampleAxis(ResampleAxis(image, image.dim() - 1, size[1]), image.dim() - 2, size[0]);
  }
  if (!image.is_floating_point())
  {
    throw Error(std::string("an image of type ") + c10::toString(image.scalar_type()) +
                " cannot be resized, expected uint8 or floating point");
  }
  auto shape = image.sizes().slice(0, image.dim() - 2).vec();
  shape.push_back(size[0]);
  shape.push_back(size[1]);
  const auto planes = image.reshape({ 1, -1, image.size(-2), image.size(-1) });
  return at::_upsample_bilinear2d_aa(planes, { size[0], size[1] }, false).view(shape);
}

at::Tensor
ResizeCoordinates(const at::Tensor & points, const ImageSize & size, int64_t longestSide)
{
  const auto target = ResizedSize(size, longestSide);
  const auto factors = at::tensor({ static_cast<double>(target[1]) / static_cast<double>(size[1]),
                                    static_cast<double>(target[0]) / static_cast<double>(size[0]) },
                                  at::kDouble);
  return points * factors.to(points.options());
}

at::Tensor
ResizeBoxes(const at::Tensor & boxes, const ImageSize & size, int64_t longestSide)
{
  return ResizeCoordinates(boxes.unflatten(-1, { 2, 2 }), size, longestSide).flatten(-2);
}

at::Tensor
PadToSquare(const at::Tensor &          image,
            int64_t                     side,
            const std::vector<double> & mean,
            const std::vector<double> & deviation)
{
  const int64_t channels = image.size(-3);
  const int64_t padBottom = side - image.size(-2);
  const int64_t padRight = side - image.size(-1);
  if (padBottom < 0 || padRight < 0)
  {
    throw Error("an image of " + std::to_string(image.size(-1)) + "x" + std::to_string(image.size(-2)) +
                " pixels does not fit, expected at most " + std::to_string(side) + " on each side");
  }
  if (static_cast<int64_t>(mean.size()) != channels || static_cast<int64_t>(deviation.size()) != channels)
  {
    throw Error("the image has " + std::to_string(channels) + " channels, expected " + std::to_string(mean.size()));
  }
  const auto real = image.is_floating_point() ? image : image.to(at::kFloat);
  const auto normalized = (real - PerChannel(mean, real)) / PerChannel(deviation, real);
  return at::constant_pad_nd(normalized, { 0, padRight, 0, padBottom }, 0);
}

at::Tensor
PostprocessMasks(const at::Tensor & masks, int64_t side, const ImageSize & inputSize, const ImageSize & originalSize)
{
  const auto square = ResizeLinear(masks, { side, side });
  return ResizeLinear(square.narrow(-2, 0, inputSize[0]).narrow(-1, 0, inputSize[1]),
                      { originalSize[0], originalSize[1] });
}

at::Tensor
StabilityScore(const at::Tensor & logits, double threshold, double offset)
{
  const auto area = [&logits](double cut) { return (logits > cut).sum({ -2, -1 }); };
  return area(threshold + offset) / area(threshold - offset);
}

at::Tensor
MaskBoxes(const at::Tensor & masks)
{
  if (masks.numel() == 0)
  {
    auto shape = masks.sizes().slice(0, masks.dim() - 2).vec();
    shape.push_back(4);
    return at::zeros(shape, masks.options().dtype(at::kLong));
  }
  const auto ends = [](const at::Tensor & occupied) {
    const int64_t size = occupied.size(-1);
    const auto    index = at::arange(size, occupied.options().dtype(at::kLong));
    return std::pair(at::where(occupied, index, size).amin(-1), at::where(occupied, index, 0).amax(-1));
  };
  const auto columns = masks.any(-2);
  const auto [x1, x2] = ends(columns);
  const auto [y1, y2] = ends(masks.any(-1));
  return at::where(columns.any(-1, true), at::stack({ x1, y1, x2, y2 }, -1), 0);
}
} // namespace sam
