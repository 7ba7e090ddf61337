// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samLocationScale.h"

#include "samSurfaceDistance.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/fft_fft2.h>
#include <ATen/ops/fft_fftshift.h>
#include <ATen/ops/fft_ifft2.h>
#include <ATen/ops/fft_ifftshift.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/polar.h>
#include <ATen/ops/real.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace sam
{
namespace
{
std::vector<double>
ToVector(const at::Tensor & values)
{
  const auto flat = values.to(at::kCPU, at::kDouble).contiguous();
  return { flat.const_data_ptr<double>(), flat.const_data_ptr<double>() + flat.numel() };
}

/** The broken line through points of rising abscissae. */
double
Interpolate(double x, const std::vector<double> & abscissae, const std::vector<double> & ordinates)
{
  const auto above = static_cast<size_t>(std::upper_bound(abscissae.begin(), abscissae.end(), x) - abscissae.begin());
  if (above == 0 || above == abscissae.size())
  {
    return above == 0 ? ordinates.front() : ordinates.back();
  }
  const double share = (x - abscissae[above - 1]) / (abscissae[above] - abscissae[above - 1]);
  return ordinates[above - 1] + share * (ordinates[above] - ordinates[above - 1]);
}
} // namespace

Draws
Draws::Of(RandomStream & random)
{
  return { [&random](double lower, double upper) { return random.Uniform(lower, upper); },
           [&random](double mean, double deviation) { return mean + deviation * random.Normal(); } };
}

at::Tensor
BernsteinPolynomials(int64_t points, int64_t samples)
{
  const auto              t = at::linspace(0.0, 1.0, samples, at::kDouble);
  const int64_t           degree = points - 1;
  std::vector<at::Tensor> rows;
  double                  binomial = 1.0;
  for (int64_t i = 0; i <= degree; ++i)
  {
    rows.push_back(binomial * t.pow(degree - i) * (1.0 - t).pow(i));
    binomial = binomial * static_cast<double>(degree - i) / static_cast<double>(i + 1);
  }
  return at::stack(rows);
}

at::Tensor
MapByCurve(const at::Tensor &           values,
           double                       inversionProbability,
           const Draws &                draws,
           const LocationScaleOptions & options)
{
  const double        lower = values.min().item<double>();
  const double        upper = values.max().item<double>();
  std::vector<double> abscissae{ lower, upper };
  std::vector<double> ordinates{ lower, upper };
  for (int64_t k = 2; k < options.points; ++k)
  {
    abscissae.insert(abscissae.begin() + 1, draws.uniform(lower, upper));
    ordinates.insert(ordinates.begin() + 1, draws.uniform(lower, upper));
  }
  const bool isInverted = inversionProbability > 0.0 && draws.uniform(0.0, 1.0) <= inversionProbability;

  const auto polynomials = BernsteinPolynomials(options.points, options.samples);
  abscissae = ToVector(at::matmul(at::tensor(abscissae, at::kDouble), polynomials));
  ordinates = ToVector(at::matmul(at::tensor(ordinates, at::kDouble), polynomials));
  std::sort(abscissae.begin(), abscissae.end());
  if (!isInverted)
  {
    std::sort(ordinates.begin(), ordinates.end());
  }
  auto mapped = ToVector(values);
  for (double & value : mapped)
  {
    value = Interpolate(value, abscissae, ordinates);
  }
  return at::tensor(mapped, at::kDouble).view(values.sizes()).to(values.device());
}

at::Tensor
ChangeLocationAndScale(const at::Tensor & values, const Draws & draws, const LocationScaleOptions & options)
{
  const auto [least, most] = options.range;
  const double scale =
    std::clamp(draws.normal(1.0, options.scaleDeviation), 1.0 - options.scaleDeviation, 1.0 + options.scaleDeviation);
  auto         samples = ToVector(values);
  const double below = least - ComputePercentile(samples, options.percentile);
  const double above = most - ComputePercentile(samples, 100.0 - options.percentile);
  const double location = std::min(std::max(draws.normal(0.0, options.locationDeviation), below), above);
  return (values * scale + location).clamp(least, most);
}

at::Tensor
AugmentGlobally(const at::Tensor & images, const Draws & draws, const LocationScaleOptions & options)
{
  return ChangeLocationAndScale(MapByCurve(images, 0.0, draws, options), draws, options).to(images.scalar_type());
}

at::Tensor
AugmentLabels(const at::Tensor &           images,
              const at::Tensor &           labels,
              const Draws &                draws,
              const LocationScaleOptions & options)
{
  auto          result = images.to(at::kDouble, false, true);
  const auto    places = labels.expand_as(images);
  const int64_t largest = labels.max().item<int64_t>();
  for (int64_t label = 0; label <= largest; ++label)
  {
    const auto mask = places == label;
    const auto values = images.masked_select(mask);
    if (values.numel() > 0)
    {
      const double probability = label == 0 ? 1.0 : options.inversionProbability;
      result.masked_scatter_(mask,
                             ChangeLocationAndScale(MapByCurve(values, probability, draws, options), draws, options));
    }
  }
  const bool keepsBackground = options.backgroundLimit >= options.range[0];
  return (keepsBackground ? at::where(images <= options.backgroundLimit, images.to(at::kDouble), result) : result)
    .to(images.scalar_type());
}

at::Tensor
ExchangeAmplitudes(const at::Tensor & images, const at::Tensor & others, double share)
{
  const std::vector<int64_t> axes{ -2, -1 };
  const auto                 transform = [&axes](const at::Tensor & x) {
    return at::fft_fftshift(at::fft_fft2(x.to(at::kDouble)), axes);
  };
  const auto    own = transform(images);
  auto          amplitudes = own.abs();
  const int64_t rows = images.size(-2);
  const int64_t columns = images.size(-1);
  const auto    half = static_cast<int64_t>(std::floor(static_cast<double>(std::min(rows, columns)) * share));
  const auto    low = [&](const at::Tensor & x) {
    const auto cut = [half](const at::Tensor & whole, int64_t axis) {
      const int64_t extent = whole.size(axis);
      const int64_t first = std::max<int64_t>(extent / 2 - half, 0);
      return whole.narrow(axis, first, std::min(extent / 2 + half + 1, extent) - first);
    };
    return cut(cut(x, -2), -1);
  };
  auto target = low(amplitudes);
  if (others.defined())
  {
    target.copy_(low(transform(others).abs()));
  }
  else
  {
    target.zero_();
  }
  const auto changed = at::fft_ifftshift(at::polar(amplitudes, own.angle()), axes);
  return at::real(at::fft_ifft2(changed)).to(images.scalar_type());
}
} // namespace sam
