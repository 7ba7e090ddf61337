// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLocationScale_h
#define samLocationScale_h

#include "samRandomStream.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <functional>

namespace sam
{
// Location-scale augmentation of intensities (SLAug, Su et al., AAAI 2023; dapsam §f) and the exchange of amplitudes
// that goes with it: images look as if they came from another scanner, what is in them keeps its place. The published
// training of DAPSAM computes both and uses neither.

/** Where the random numbers come from. */
struct Draws
{
  std::function<double(double lower, double upper)>    uniform;
  std::function<double(double mean, double deviation)> normal;

  /** \a random must live as long. */
  static Draws
  Of(RandomStream & random);
};

struct LocationScaleOptions
{
  std::array<double, 2> range{ { 0.0, 1.0 } }; ///< where intensities lie
  int64_t               points{ 4 };           ///< control points of the curve, 2 or more
  int64_t               samples{ 100'000 };    ///< of the curve
  double                percentile{ 20.0 };    ///< location keeps it and its counterpart above within the range
  double                scaleDeviation{ 0.1 }; ///< also the largest change
  double                locationDeviation{ 0.5 };
  double                inversionProbability{ 0.5 }; ///< of the curve of a label
  double                backgroundLimit{ 0.01 };     ///< up to here voxels keep their intensity when labels are changed
};

/** Intensities mapped by a random Bézier curve over their range: rising, or with \a inversionProbability falling. */
at::Tensor
MapByCurve(const at::Tensor &           values,
           double                       inversionProbability,
           const Draws &                draws,
           const LocationScaleOptions & options = {});

/** Values at \a samples places of the Bernstein polynomials that \a points control points are weighted with,
 * points×samples; the first place belongs to the last point. */
at::Tensor
BernsteinPolynomials(int64_t points, int64_t samples);

/** Intensities times a random scale plus a random location. */
at::Tensor
ChangeLocationAndScale(const at::Tensor & values, const Draws & draws, const LocationScaleOptions & options = {});

/** Both for all intensities together. */
at::Tensor
AugmentGlobally(const at::Tensor & images, const Draws & draws, const LocationScaleOptions & options = {});

/** Both for the intensities of each label, background (0, always inverted) first. \a images are B×C×..., \a labels
 * B×1×... integers. */
at::Tensor
AugmentLabels(const at::Tensor &           images,
              const at::Tensor &           labels,
              const Draws &                draws,
              const LocationScaleOptions & options = {});

/** \a images B×C×H×W whose lowest frequencies have the amplitudes of \a others and their own phases: those within
 * \a share of the shorter side, on each side of zero. Without others they are removed. */
at::Tensor
ExchangeAmplitudes(const at::Tensor & images, const at::Tensor & others, double share);
} // namespace sam

#endif
