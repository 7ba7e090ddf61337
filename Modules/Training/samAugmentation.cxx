// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samAugmentation.h"

#include "samError.h"
#include "samLocationScale.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/affine_grid_generator.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/grid_sampler_3d.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/replication_pad2d.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/upsample_bicubic2d.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include <algorithm>
#include <bitset>
#include <cmath>
#include <map>
#include <numbers>

namespace sam
{
namespace
{
constexpr int64_t maximumForegroundVoxels = 10000;

using Matrix = std::array<std::array<double, 3>, 3>;

Matrix
Product(const Matrix & a, const Matrix & b)
{
  Matrix result{};
  for (size_t i = 0; i < 3; ++i)
  {
    for (size_t j = 0; j < 3; ++j)
    {
      for (size_t k = 0; k < 3; ++k)
      {
        result[i][j] += a[i][k] * b[k][j];
      }
    }
  }
  return result;
}

Matrix
Identity()
{
  return { { { 1.0, 0.0, 0.0 }, { 0.0, 1.0, 0.0 }, { 0.0, 0.0, 1.0 } } };
}

Matrix
Rotation(size_t axis, double angle)
{
  Matrix       result = Identity();
  const size_t first = (axis + 1) % 3;
  const size_t second = (axis + 2) % 3;
  result[first][first] = result[second][second] = std::cos(angle);
  result[second][first] = std::sin(angle);
  result[first][second] = -std::sin(angle);
  return result;
}

/** Size of a case in ITK's order. */
std::array<int64_t, 3>
SizeOf(const at::Tensor & labels)
{
  return { labels.size(2), labels.size(1), labels.size(0) };
}

/** Voxels per label value. */
template <typename T>
std::vector<std::vector<int64_t>>
ListForeground(const at::Tensor & labels)
{
  const T *                  values = labels.const_data_ptr<T>();
  const int64_t              count = labels.numel();
  std::map<int64_t, int64_t> totals;
  for (int64_t k = 0; k < count; ++k)
  {
    if (values[k] > 0)
    {
      ++totals[values[k]];
    }
  }
  std::map<int64_t, std::vector<int64_t>> offsets;
  std::map<int64_t, int64_t>              seen;
  for (int64_t k = 0; k < count; ++k)
  {
    if (values[k] > 0)
    {
      const int64_t step = totals[values[k]] / maximumForegroundVoxels + 1;
      if (seen[values[k]]++ % step == 0)
      {
        offsets[values[k]].push_back(k);
      }
    }
  }
  std::vector<std::vector<int64_t>> result;
  for (auto & [value, places] : offsets)
  {
    result.push_back(std::move(places));
  }
  return result;
}

void
CheckProbability(const char * name, double value)
{
  if (!(value >= 0.0 && value <= 1.0))
  {
    throw Error("augmentation: " + std::string(name) + " is " + std::to_string(value) + ", expected 0 to 1");
  }
}

void
CheckRange(const char * name, const std::array<double, 2> & range)
{
  if (!(range[0] > 0.0 && range[1] >= range[0]))
  {
    throw Error("augmentation: " + std::string(name) + " is " + std::to_string(range[0]) + " to " +
                std::to_string(range[1]) + ", expected an ascending range above 0");
  }
}

void
CheckDeviation(const char * name, double value)
{
  if (!(value >= 0.0))
  {
    throw Error("augmentation: " + std::string(name) + " is " + std::to_string(value) + ", expected 0 or more");
  }
}

/** Voxels \a start, \a start + 1, ... of an axis, outside of it the border voxel; backwards for a mirrored axis. */
at::Tensor
AxisIndices(int64_t start, int64_t count, int64_t size, bool isMirrored)
{
  const auto index = at::arange(start, start + count, at::kLong).clamp(0, size - 1);
  return isMirrored ? index.flip(0) : index;
}

/** 1 for those of the same voxels that lie inside of the axis, else 0. */
at::Tensor
AxisMask(int64_t start, int64_t count, int64_t size, bool isMirrored)
{
  const auto index = at::arange(start, start + count, at::kLong);
  const auto mask = index.ge(0).logical_and_(index.lt(size)).to(at::kShort);
  return isMirrored ? mask.flip(0) : mask;
}

/** Channels D×H×W that are 1 where \a labels has the value, for each value it has, and for 0. */
at::Tensor
OneHot(const at::Tensor & labels, std::vector<int64_t> & values)
{
  constexpr int64_t  offset = 32768;
  std::bitset<65536> isThere;
  isThere.set(static_cast<size_t>(offset));
  const int16_t * data = labels.const_data_ptr<int16_t>();
  for (int64_t k = 0; k < labels.numel(); ++k)
  {
    isThere.set(static_cast<size_t>(data[k] + offset));
  }
  for (size_t k = 0; k < isThere.size(); ++k)
  {
    if (isThere.test(k))
    {
      values.push_back(static_cast<int64_t>(k) - offset);
    }
  }
  return (labels.unsqueeze(0) == at::tensor(values, at::kShort).view({ -1, 1, 1, 1 })).to(at::kFloat);
}

/** For each voxel the value whose channel of \a shares is largest, the first among equals. */
at::Tensor
LargestLabel(const at::Tensor & shares, const std::vector<int64_t> & values)
{
  // Several times faster than argmax over the outermost axis.
  auto          result = at::full(shares.sizes().slice(1), values[0], at::kLong);
  int64_t *     labels = result.mutable_data_ptr<int64_t>();
  auto          largest = shares[0].clone();
  float *       best = largest.mutable_data_ptr<float>();
  const float * data = shares.const_data_ptr<float>();
  const int64_t count = result.numel();
  for (size_t k = 1; k < values.size(); ++k)
  {
    data += count;
    for (int64_t voxel = 0; voxel < count; ++voxel)
    {
      if (data[voxel] > best[voxel])
      {
        best[voxel] = data[voxel];
        labels[voxel] = values[k];
      }
    }
  }
  return result;
}

/** Gaussian of \a sigma voxels within each slice of D×H×W, border voxels repeated. */
at::Tensor
Blur(const at::Tensor & slices, double sigma)
{
  const auto radius = static_cast<int64_t>(std::ceil(3.0 * sigma));
  const auto offset = at::arange(-radius, radius + 1, slices.options());
  const auto profile = (offset.square() * (-0.5 / (sigma * sigma))).exp();
  const auto kernel = profile.unsqueeze(1) * profile;
  const auto padded = at::replication_pad2d(slices.unsqueeze(1), { radius, radius, radius, radius });
  return at::conv2d(padded, (kernel / kernel.sum()).unsqueeze(0).unsqueeze(0)).squeeze(1);
}

/** Slices of D×H×W with \a fraction of their rows and columns, brought back to all of them. */
at::Tensor
Coarsen(const at::Tensor & slices, double fraction)
{
  const auto fewer = [fraction](int64_t size) {
    return std::max<int64_t>(1, std::llround(fraction * static_cast<double>(size)));
  };
  const std::array<int64_t, 2> few{ fewer(slices.size(1)), fewer(slices.size(2)) };
  const std::array<int64_t, 2> all{ slices.size(1), slices.size(2) };
  return at::upsample_bicubic2d(at::upsample_nearest2d(slices.unsqueeze(1), few), all, false).squeeze(1);
}

/** Values \a factor times as far from their mean, within the range that they had. */
at::Tensor
ApplyContrast(const at::Tensor & values, double factor)
{
  const auto mean = values.mean();
  return ((values - mean) * factor + mean).clamp(values.min(), values.max());
}

/** Power law on the range of values, after which mean and deviation are as before. */
at::Tensor
ApplyGamma(const at::Tensor & values, double gamma)
{
  const auto lowest = values.min();
  const auto range = (values.max() - lowest).clamp_min(1e-7);
  const auto changed = ((values - lowest) / range).pow(gamma) * range;
  const auto deviation = changed.std(false).clamp_min(1e-7);
  return (changed - changed.mean()) / deviation * values.std(false) + values.mean();
}

/** Brings mean and deviation of each channel of C×D×H×W but the \a absolute ones to those of \a model. */
at::Tensor
KeepStatistics(const at::Tensor & changed, const at::Tensor & model, const std::vector<size_t> & absolute)
{
  const auto mean = [](const at::Tensor & x) { return x.mean({ 1, 2, 3 }, true); };
  const auto deviation = [](const at::Tensor & x) { return x.flatten(1).std(1, false).view({ -1, 1, 1, 1 }); };
  auto       result = (changed - mean(changed)) / deviation(changed).clamp_min(1e-7) * deviation(model) + mean(model);
  for (const size_t channel : absolute)
  {
    const auto k = static_cast<int64_t>(channel);
    result[k].copy_(changed[k]);
  }
  return result;
}

/** Location-scale augmentation of C×D×H×W on its range, after which mean and deviation of each channel but the
 * \a absolute ones are as before. */
at::Tensor
ChangeIntensities(const at::Tensor &          image,
                  const at::Tensor &          labels,
                  const std::vector<size_t> & absolute,
                  RandomStream &              random)
{
  const auto lowest = image.min();
  const auto range = (image.max() - lowest).clamp_min(1e-7);
  const auto unit = ((image - lowest) / range).unsqueeze(0);
  const auto draws = Draws::Of(random);
  const auto changed = (random.Chance(0.5) ? AugmentGlobally(unit, draws)
                                           : AugmentLabels(unit, labels.clamp_min(0).unsqueeze(0).unsqueeze(0), draws))
                         .squeeze(0);
  return KeepStatistics(changed * range + lowest, image, absolute);
}
} // namespace

namespace
{
/** The window shrinks in plane into a black frame of random width on each side. */
void
AddFrame(TrainingWindow &              window,
         const std::array<double, 2> & range,
         const std::vector<size_t> &   absolute,
         RandomStream &                random)
{
  std::array<int64_t, 2> size{};
  std::array<int64_t, 2> start{};
  for (size_t axis = 0; axis < 2; ++axis)
  {
    const int64_t whole = window.labels.size(1 + static_cast<int64_t>(axis));
    const double  share = random.Uniform(range[0], range[1]);
    size[axis] = std::clamp<int64_t>(std::llround(share * static_cast<double>(whole)), 1, whole);
    start[axis] = random.Integer(0, whole - size[axis]);
  }
  const auto inside = [&](const at::Tensor & x) {
    return x.narrow(-2, start[0], size[0]).narrow(-1, start[1], size[1]);
  };
  const auto small = at::upsample_bilinear2d(window.image, size, false);
  const auto smallLabels = at::upsample_nearest2d(window.labels.unsqueeze(1).to(at::kFloat), size).squeeze(1);
  auto       image = window.image.amin({ 1, 2, 3 }, true).expand_as(window.image).clone();
  inside(image).copy_(small);
  window.labels = window.labels.new_zeros(window.labels.sizes());
  inside(window.labels).copy_(smallLabels);
  window.image = KeepStatistics(image, window.image, absolute);
}
} // namespace

TrainingCase::TrainingCase(std::string                   name_,
                           at::Tensor                    image_,
                           at::Tensor                    labels_,
                           const std::array<double, 3> & spacing_)
  : name(std::move(name_))
  , image(image_.contiguous())
  , labels(labels_.contiguous())
  , spacing(spacing_)
{
  const auto type = labels.scalar_type();
  if (image.dim() != 4 || labels.dim() != 3 || image.scalar_type() != at::kFloat ||
      (type != at::kByte && type != at::kShort) || image.sizes().slice(1) != labels.sizes() || labels.numel() == 0)
  {
    throw Error(name + ": expected an image of channels x slices x height x width, float32, and labels of the same "
                       "slices, height and width, uint8 or int16");
  }
  if (!(spacing[0] > 0.0 && spacing[1] > 0.0 && spacing[2] > 0.0))
  {
    throw Error(name + ": spacing must be above 0");
  }
  foreground = type == at::kByte ? ListForeground<uint8_t>(labels) : ListForeground<int16_t>(labels);
}

AugmentationOptions
AugmentationOptions::FromWord(const std::string & word)
{
  if (word == "compact")
  {
    return {};
  }
  if (word == "slaug")
  {
    AugmentationOptions options;
    options.locationScaleProbability = 0.5;
    return options;
  }
  auto options = PositionOnly();
  if (word == "masksam")
  {
    options.turnProbability = 0.2;
    options.zoomProbability = 0.2;
    options.noiseProbability = 0.1;
    options.noiseDeviation = std::sqrt(0.1);
    options.isNoiseVarianceDrawn = true;
    options.mirrorAxes = { 0, 1, 2 };
    options.blurProbability = 0.2 * 0.5; // of the window, of each channel then
    options.gainProbability = 0.15;
    options.gain = { 0.75, 1.25 };
    options.contrastProbability = 0.15;
    options.coarseProbability = 0.25 * 0.5;
    options.invertedGammaProbability = 0.1;
    options.gammaProbability = 0.3;
  }
  else if (word != "none")
  {
    throw Error("augmentation '" + word + "' is not known, expected compact, masksam, slaug or none");
  }
  return options;
}

AugmentationOptions
AugmentationOptions::PositionOnly()
{
  AugmentationOptions options;
  options.spatialProbability = 0.0;
  options.blurProbability = 0.0;
  options.gammaProbability = 0.0;
  options.gainProbability = 0.0;
  options.shiftProbability = 0.0;
  options.noiseProbability = 0.0;
  return options;
}

WindowSampler::WindowSampler(const std::array<int64_t, 3> & window, const AugmentationOptions & options)
  : m_Window(window)
  , m_Options(options)
{
  if (*std::min_element(window.begin(), window.end()) < 1 || options.margin < 0)
  {
    throw Error("augmentation: window sizes must be 1 or more, the margin 0 or more");
  }
  CheckProbability("foreground probability", options.foregroundProbability);
  CheckProbability("spatial probability", options.spatialProbability);
  CheckProbability("blur probability", options.blurProbability);
  CheckProbability("gamma probability", options.gammaProbability);
  CheckProbability("gain probability", options.gainProbability);
  CheckProbability("shift probability", options.shiftProbability);
  CheckProbability("noise probability", options.noiseProbability);
  CheckProbability("turn probability", options.turnProbability);
  CheckProbability("zoom probability", options.zoomProbability);
  CheckProbability("coarse probability", options.coarseProbability);
  CheckProbability("inverted gamma probability", options.invertedGammaProbability);
  CheckProbability("contrast probability", options.contrastProbability);
  CheckProbability("location-scale probability", options.locationScaleProbability);
  CheckDeviation("rotation deviation", options.rotationDeviation);
  CheckDeviation("scale deviation", options.scaleDeviation);
  CheckDeviation("axis scale deviation", options.axisScaleDeviation);
  CheckDeviation("planar rotation deviation", options.planarRotationDeviation);
  CheckDeviation("anisotropy", options.anisotropy);
  CheckDeviation("stack ratio", options.stackRatio);
  CheckDeviation("shift", options.shift);
  CheckDeviation("noise deviation", options.noiseDeviation);
  CheckRange("blur sigma", options.blurSigma);
  CheckRange("gamma", options.gamma);
  CheckRange("gain", options.gain);
  CheckDeviation("largest turn", options.largestTurn);
  CheckRange("zoom", options.zoom);
  CheckRange("coarse", options.coarse);
  CheckProbability("frame probability", options.frameProbability);
  CheckRange("frame", options.frame);
  if (options.frame[1] > 1.0)
  {
    throw Error("augmentation: frame reaches " + std::to_string(options.frame[1]) + ", expected 1 at most");
  }
  CheckRange("contrast", options.contrast);
  if (options.coarse[1] > 1.0)
  {
    throw Error("augmentation: coarse reaches " + std::to_string(options.coarse[1]) + ", expected 1 at most");
  }
  for (const size_t axis : options.mirrorAxes)
  {
    if (axis > 2)
    {
      throw Error("augmentation: mirror axis " + std::to_string(axis) + ", expected 0, 1 or 2");
    }
  }
}

TrainingWindow
WindowSampler::operator()(const TrainingCase & trainingCase, RandomStream & random) const
{
  const at::NoGradGuard noGradient;
  const auto            size = SizeOf(trainingCase.labels);

  // 1. Where the window starts.
  std::array<int64_t, 3> lowest{};
  std::array<int64_t, 3> highest{};
  bool                   isImageLarger = false;
  for (size_t axis = 0; axis < 3; ++axis)
  {
    const int64_t margin = axis < 2 ? m_Options.margin : 0;
    const int64_t room = size[axis] - m_Window[axis];
    isImageLarger = isImageLarger || room > 0;
    lowest[axis] = (room < 0 ? -(-room / 2) : 0) - margin;
    highest[axis] = (room < 0 ? -(-room / 2) : room) + margin;
  }
  std::array<int64_t, 3> start{};
  const auto &           foreground = trainingCase.foreground;
  if (isImageLarger && !foreground.empty() && random.Chance(m_Options.foregroundProbability))
  {
    const auto &  places = foreground[static_cast<size_t>(random.Integer(0, std::ssize(foreground) - 1))];
    const int64_t place = places[static_cast<size_t>(random.Integer(0, std::ssize(places) - 1))];
    const std::array<int64_t, 3> voxel{ place % size[0], place / size[0] % size[1], place / (size[0] * size[1]) };
    for (size_t axis = 0; axis < 3; ++axis)
    {
      start[axis] = std::clamp(voxel[axis] - m_Window[axis] / 2, lowest[axis], highest[axis]);
    }
  }
  else
  {
    for (size_t axis = 0; axis < 3; ++axis)
    {
      start[axis] = random.Integer(lowest[axis], highest[axis]);
    }
  }
  std::array<bool, 3> isMirrored{};
  for (const size_t axis : m_Options.mirrorAxes)
  {
    isMirrored[axis] = random.Chance(0.5);
  }

  // 2. Voxels of the window, taken or interpolated.
  TrainingWindow result;
  const bool     isBent = random.Chance(m_Options.spatialProbability);
  const bool     isTurned = random.Chance(m_Options.turnProbability);
  const bool     isZoomed = random.Chance(m_Options.zoomProbability);
  if (isBent || isTurned || isZoomed)
  {
    const auto & spacing = trainingCase.spacing;
    const bool   isInPlane =
      size[2] == 1 || m_Window[2] == 1 || spacing[2] > m_Options.anisotropy * std::max(spacing[0], spacing[1]) ||
      static_cast<double>(size[2]) * m_Options.stackRatio < static_cast<double>(std::min(size[0], size[1]));
    const double rotation = isInPlane ? m_Options.planarRotationDeviation : m_Options.rotationDeviation;
    Matrix       map = Identity();
    for (size_t axis = 0; axis < 3 && isBent; ++axis)
    {
      const double angle = random.Normal() * rotation * std::numbers::pi / 180.0;
      if (!isInPlane || axis == 2)
      {
        map = Product(Rotation(axis, angle), map);
      }
    }
    if (isTurned)
    {
      const double angle = random.Uniform(-1.0, 1.0) * m_Options.largestTurn * std::numbers::pi / 180.0;
      map = Product(Rotation(2, angle), map);
    }
    // From the window's voxels to those of the case: an object twice as large is read in half the steps.
    const double zoom = isZoomed ? 1.0 / random.Uniform(m_Options.zoom[0], m_Options.zoom[1]) : 1.0;
    const double common = isBent ? random.Normal() * m_Options.scaleDeviation : 0.0;
    for (size_t axis = 0; axis < 3; ++axis)
    {
      double scale = isBent ? std::exp(common + random.Normal() * m_Options.axisScaleDeviation) : 1.0;
      if (isInPlane && axis == 2)
      {
        scale = 1.0;
      }
      scale *= axis < 2 ? zoom : 1.0;
      if (isMirrored[axis])
      {
        scale = -scale;
      }
      for (size_t row = 0; row < 3; ++row)
      {
        // From voxels to millimeters and back.
        map[row][axis] *= scale * spacing[axis] / spacing[row];
      }
    }

    // Only the part of the case that the window can reach is interpolated.
    auto    image = trainingCase.image;
    auto    labels = trainingCase.labels;
    auto    theta = at::empty({ 1, 3, 4 }, at::kFloat);
    float * thetaData = theta.mutable_data_ptr<float>();
    for (size_t row = 0; row < 3; ++row)
    {
      const double center = static_cast<double>(start[row]) + 0.5 * static_cast<double>(m_Window[row] - 1);
      double       reach = 1.0;
      for (size_t axis = 0; axis < 3; ++axis)
      {
        reach += 0.5 * std::abs(map[row][axis]) * static_cast<double>(m_Window[axis] - 1);
      }
      const auto first = std::clamp<int64_t>(std::llround(std::floor(center - reach)), 0, size[row] - 1);
      const auto last = std::clamp<int64_t>(std::llround(std::ceil(center + reach)), first, size[row] - 1);
      const auto extent = static_cast<double>(last - first + 1);
      image = image.narrow(3 - static_cast<int64_t>(row), first, last - first + 1);
      labels = labels.narrow(2 - static_cast<int64_t>(row), first, last - first + 1);
      // Coordinates from −1 to 1 between the outer edges, of the window on the right and of the part on the left.
      for (size_t axis = 0; axis < 3; ++axis)
      {
        thetaData[row * 4 + axis] = static_cast<float>(map[row][axis] * static_cast<double>(m_Window[axis]) / extent);
      }
      thetaData[row * 4 + 3] = static_cast<float>(2.0 * (center - static_cast<double>(first) + 0.5) / extent - 1.0);
    }
    const int64_t        channels = image.size(0);
    std::vector<int64_t> values;
    const auto           oneHot = OneHot(labels.to(at::kShort).contiguous(), values);
    const auto           input = at::cat({ image, oneHot }, 0).unsqueeze(0);
    const auto           grid =
      at::affine_grid_generator(theta, { 1, input.size(1), m_Window[2], m_Window[1], m_Window[0] }, false);
    constexpr int64_t linear = 0;
    const int64_t     padding = m_Options.padsWithZeros ? 0 : 1; // else with the border
    const auto        output = at::grid_sampler_3d(input, grid, linear, padding, false).squeeze(0);
    result.image = output.narrow(0, 0, channels).clone();
    const auto shares = output.narrow(0, channels, std::ssize(values));
    if (m_Options.padsWithZeros)
    {
      const auto background = std::find(values.begin(), values.end(), 0) - values.begin();
      shares[background].add_(1.0 - shares.sum(0));
    }
    result.labels = LargestLabel(shares, values);
  }
  else
  {
    result.image = trainingCase.image;
    result.labels = trainingCase.labels;
    for (size_t k = 0; k < 3; ++k)
    {
      const size_t axis = 2 - k;
      const auto   index = AxisIndices(start[axis], m_Window[axis], size[axis], isMirrored[axis]);
      result.image = result.image.index_select(static_cast<int64_t>(k) + 1, index);
      result.labels = result.labels.index_select(static_cast<int64_t>(k), index);
      if (m_Options.padsWithZeros)
      {
        std::array<int64_t, 3> shape{ 1, 1, 1 };
        shape[k] = m_Window[axis];
        const auto mask = AxisMask(start[axis], m_Window[axis], size[axis], isMirrored[axis]).view(shape);
        result.image = result.image * mask;
        result.labels = result.labels * mask;
      }
    }
    result.labels = result.labels.to(at::kLong);
  }

  // 3. Intensities, of a frame first.
  if (m_Options.frameProbability > 0.0 && random.Chance(m_Options.frameProbability))
  {
    AddFrame(result, m_Options.frame, m_Options.absoluteChannels, random);
  }
  if (random.Chance(m_Options.locationScaleProbability))
  {
    result.image = ChangeIntensities(result.image, result.labels, m_Options.absoluteChannels, random);
  }
  for (int64_t channel = 0; channel < result.image.size(0); ++channel)
  {
    auto values = result.image[channel];
    if (random.Chance(m_Options.blurProbability))
    {
      values.copy_(Blur(values, random.Uniform(m_Options.blurSigma[0], m_Options.blurSigma[1])));
    }
    if (random.Chance(m_Options.coarseProbability))
    {
      values.copy_(Coarsen(values, random.Uniform(m_Options.coarse[0], m_Options.coarse[1])));
    }
    if (random.Chance(m_Options.invertedGammaProbability))
    {
      values.copy_(-ApplyGamma(-values, random.Uniform(m_Options.gamma[0], m_Options.gamma[1])));
    }
    if (random.Chance(m_Options.gammaProbability))
    {
      values.copy_(ApplyGamma(values, random.Uniform(m_Options.gamma[0], m_Options.gamma[1])));
    }
    if (random.Chance(m_Options.gainProbability))
    {
      values.mul_(random.Uniform(m_Options.gain[0], m_Options.gain[1]));
    }
    if (random.Chance(m_Options.contrastProbability))
    {
      values.copy_(ApplyContrast(values, random.Uniform(m_Options.contrast[0], m_Options.contrast[1])));
    }
    if (random.Chance(m_Options.shiftProbability))
    {
      values.add_(random.Uniform(-m_Options.shift, m_Options.shift));
    }
    if (random.Chance(m_Options.noiseProbability))
    {
      const double largest = m_Options.noiseDeviation;
      const double deviation = m_Options.isNoiseVarianceDrawn ? std::sqrt(random.Uniform(0.0, largest * largest))
                                                              : random.Uniform(0.0, largest);
      values.add_(at::randn(values.sizes(), at::detail::createCPUGenerator(random.Bits())), deviation);
    }
  }
  return result;
}
} // namespace sam
