// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamSampling.h"

#include "itkSamMacro.h"
#include "samCubicSpline.h"

#include "itkMultiThreaderBase.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

namespace itk
{
namespace
{
/** Call \a visit(k) for 0 to \a count − 1, on several threads. */
void
ForEach(SizeValueType count, unsigned int workUnits, const std::function<void(SizeValueType)> & visit)
{
  const auto threader = MultiThreaderBase::New();
  threader->SetNumberOfWorkUnits(workUnits);
  threader->ParallelizeArray(0, count, visit, nullptr);
}

/** Call \a visit(z, y) for every line of the box, on several threads. */
void
ForEachLine(const SamIndexBox & box, unsigned int workUnits, const std::function<void(size_t, size_t)> & visit)
{
  ForEach(
    box.size[1] * box.size[2], workUnits, [&](SizeValueType line) { visit(line / box.size[1], line % box.size[1]); });
}

/** The only tap of an axis that an image does not have. */
SamTaps
MakeSingleTap()
{
  SamTaps taps;
  taps.begin = { 0, 1 };
  taps.index = { 0 };
  taps.weight = { 1.0 };
  taps.inside = { 1 };
  return taps;
}

/** Which samples of a box are inside along all axes; empty: all. */
std::vector<unsigned char>
FindInside(const SamIndexBox & box, const std::array<SamTaps, 3> & taps)
{
  std::vector<unsigned char> inside;
  const auto                 hasOutside = [](const SamTaps & axis) {
    return std::find(axis.inside.begin(), axis.inside.end(), 0) != axis.inside.end();
  };
  if (std::any_of(taps.begin(), taps.end(), hasOutside))
  {
    inside.reserve(box.GetNumberOfVoxels());
    for (const auto insideZ : taps[2].inside)
    {
      for (const auto insideY : taps[1].inside)
      {
        for (const auto insideX : taps[0].inside)
        {
          inside.push_back(insideZ & insideY & insideX);
        }
      }
    }
  }
  return inside;
}

/** The voxels from the first to the last tap. */
std::pair<IndexValueType, SizeValueType>
FindExtent(const SamTaps & taps)
{
  const auto range = std::minmax_element(taps.index.begin(), taps.index.end());
  return { *range.first, static_cast<SizeValueType>(*range.second - *range.first + 1) };
}

/** Add \a weight times the components of \a count pixels, each \a stride values behind the last one. */
template <typename TValue>
void
AddScaled(double weight, const TValue * values, size_t stride, size_t components, size_t count, double * sums)
{
  if (stride == components)
  {
    for (size_t k = 0; k < count * components; ++k)
    {
      sums[k] += weight * static_cast<double>(values[k]);
    }
    return;
  }
  for (size_t k = 0; k < count; ++k)
  {
    for (size_t c = 0; c < components; ++c)
    {
      sums[k * components + c] += weight * static_cast<double>(values[k * stride + c]);
    }
  }
}

/** Sum up along one axis after the other, so that wide kernels cost their width and not its third power: \a taps and
 * the image's axis of each of three axes. \a write(z, y, sums) gets a line of sums along the first axis, the
 * components side by side. */
template <typename TComponent, typename TWrite>
void
SumAlongAxes(const std::array<SamTaps, 3> &         taps,
             const std::array<unsigned int, 3> &    imageAxis,
             const SamComponentBuffer<TComponent> & image,
             unsigned int                           workUnits,
             const TWrite &                         write)
{
  const size_t                components = image.components;
  const std::array<size_t, 3> strides{
    { components, components * image.box.size[0], components * image.box.size[0] * image.box.size[1] }
  };
  const auto offset = [&](unsigned int j, IndexValueType index) {
    return static_cast<size_t>(index - image.box.start[imageAxis[j]]) * strides[imageAxis[j]];
  };
  const auto          columns = FindExtent(taps[0]);
  const auto          rows = FindExtent(taps[1]);
  const size_t        length = columns.second * components;
  std::vector<double> plane(length * rows.second);
  for (size_t z = 0; z + 1 < taps[2].begin.size(); ++z)
  {
    ForEach(rows.second, workUnits, [&](SizeValueType row) {
      double * const sums = &plane[row * length];
      std::fill_n(sums, length, 0.0);
      for (size_t t = taps[2].begin[z]; t < taps[2].begin[z + 1]; ++t)
      {
        const size_t first = offset(2, taps[2].index[t]) + offset(1, rows.first + static_cast<IndexValueType>(row)) +
                             offset(0, columns.first);
        AddScaled(taps[2].weight[t], image.values + first, strides[imageAxis[0]], components, columns.second, sums);
      }
    });
    ForEach(taps[1].begin.size() - 1, workUnits, [&](SizeValueType y) {
      std::vector<double> line(length, 0.0);
      for (size_t t = taps[1].begin[y]; t < taps[1].begin[y + 1]; ++t)
      {
        const auto row = static_cast<size_t>(taps[1].index[t] - rows.first);
        AddScaled(taps[1].weight[t], &plane[row * length], 1, 1, length, line.data());
      }
      std::vector<double> sums((taps[0].begin.size() - 1) * components, 0.0);
      for (size_t x = 0; x + 1 < taps[0].begin.size(); ++x)
      {
        for (size_t t = taps[0].begin[x]; t < taps[0].begin[x + 1]; ++t)
        {
          const auto column = static_cast<size_t>(taps[0].index[t] - columns.first);
          AddScaled(taps[0].weight[t], &line[column * components], 1, 1, components, &sums[x * components]);
        }
      }
      write(z, static_cast<size_t>(y), sums);
    });
  }
}

/** Splines of aligned images. */
template <typename TComponent>
std::vector<unsigned char>
SampleSplines(const SamLattice &                     lattice,
              const SamIndexBox &                    box,
              const SamComponentBuffer<TComponent> & image,
              const SamValueRange &                  range,
              unsigned int                           workUnits,
              float *                                target)
{
  const size_t                components = image.components;
  std::array<SamTaps, 3>      taps;
  std::array<unsigned int, 3> imageAxis{};
  unsigned int                sliceAxis = 3; // of the lattice
  for (unsigned int j = 0; j < 3; ++j)
  {
    imageAxis[j] = lattice.GetImageAxis(j);
    taps[j] = j < lattice.GetImageGrid().dimension ? lattice.GetImageTaps(j, box) : MakeSingleTap();
    sliceAxis = lattice.GetSliceAxis() == imageAxis[j] ? j : sliceAxis;
  }
  SumAlongAxes(taps, imageAxis, image, workUnits, [&](size_t z, size_t y, const std::vector<double> & sums) {
    float * out = target + (z * box.size[1] + y) * box.size[0] * components;
    for (size_t k = 0; k < sums.size(); ++k)
    {
      const std::array<size_t, 3> at{ { k / components, y, z } };
      const IndexValueType        slice = sliceAxis < 3 ? taps[sliceAxis].index[at[sliceAxis]] : 0;
      out[k] = static_cast<float>(range.Limit(sums[k], k % components, slice));
    }
  });
  return FindInside(box, taps);
}

/** The spline's coefficients that samples of the box are made of. */
template <typename TComponent>
std::vector<float>
FindCoefficients(const SamLattice &                     lattice,
                 const SamIndexBox &                    coefficients,
                 const SamComponentBuffer<TComponent> & image,
                 unsigned int                           workUnits)
{
  std::array<SamTaps, 3> taps;
  for (unsigned int i = 0; i < 3; ++i)
  {
    taps[i] = i < lattice.GetImageGrid().dimension
                ? lattice.GetCoefficientTaps(i, coefficients.start[i], coefficients.size[i])
                : MakeSingleTap();
  }
  std::vector<float> values(coefficients.GetNumberOfVoxels() * image.components);
  SumAlongAxes(taps, { { 0, 1, 2 } }, image, workUnits, [&](size_t z, size_t y, const std::vector<double> & sums) {
    std::transform(sums.begin(), sums.end(), &values[(z * coefficients.size[1] + y) * sums.size()], [](double sum) {
      return static_cast<float>(sum);
    });
  });
  return values;
}

template <typename TComponent>
std::vector<unsigned char>
SampleAligned(const SamLattice &                     lattice,
              const SamIndexBox &                    box,
              const SamComponentBuffer<TComponent> & image,
              unsigned int                           workUnits,
              float *                                target)
{
  const size_t                       components = image.components;
  const unsigned int                 dimension = lattice.GetImageGrid().dimension;
  const std::array<SizeValueType, 3> strides{ { 1, image.box.size[0], image.box.size[0] * image.box.size[1] } };
  std::array<SamTaps, 3>             taps;
  std::array<std::vector<OffsetValueType>, 3> offsets;
  for (unsigned int j = 0; j < 3; ++j)
  {
    if (j >= dimension)
    {
      taps[j] = MakeSingleTap();
      offsets[j] = { 0 };
      continue;
    }
    taps[j] = lattice.GetImageTaps(j, box);
    const unsigned int axis = lattice.GetImageAxis(j);
    const auto         stride = static_cast<OffsetValueType>(strides[axis] * components);
    for (const IndexValueType index : taps[j].index)
    {
      offsets[j].push_back((index - image.box.start[axis]) * stride);
    }
  }

  ForEachLine(box, workUnits, [&](size_t z, size_t y) {
    std::vector<double> sums(components);
    float *             out = target + (z * box.size[1] + y) * box.size[0] * components;
    for (size_t x = 0; x < box.size[0]; ++x)
    {
      std::fill(sums.begin(), sums.end(), 0.0);
      for (size_t tz = taps[2].begin[z]; tz < taps[2].begin[z + 1]; ++tz)
      {
        for (size_t ty = taps[1].begin[y]; ty < taps[1].begin[y + 1]; ++ty)
        {
          const OffsetValueType rowOffset = offsets[2][tz] + offsets[1][ty];
          const double          rowWeight = taps[2].weight[tz] * taps[1].weight[ty];
          for (size_t tx = taps[0].begin[x]; tx < taps[0].begin[x + 1]; ++tx)
          {
            const TComponent * in = image.values + rowOffset + offsets[0][tx];
            const double       weight = rowWeight * taps[0].weight[tx];
            for (size_t c = 0; c < components; ++c)
            {
              sums[c] += weight * static_cast<double>(in[c]);
            }
          }
        }
      }
      for (size_t c = 0; c < components; ++c)
      {
        *out++ = static_cast<float>(sums[c]);
      }
    }
  });

  return FindInside(box, taps);
}

/** Which values an oblique sample is made of along one axis of the image. */
struct ObliqueTaps
{
  std::array<OffsetValueType, 4> offset{ { 0, 0, 0, 0 } };
  std::array<double, 4>          weight{ { 1.0, 0.0, 0.0, 0.0 } };
  unsigned int                   count{ 1 };

  ObliqueTaps() = default;

  /** At a \a position among voxels \a low to \a high. */
  ObliqueTaps(SamLattice::Kernel kernel, double position, double low, double high)
  {
    const double margin = kernel == SamLattice::Kernel::Cubic ? 1.0 : 0.0;
    const double clamped = std::min(std::max(position, low - margin), high + margin);
    const double floor = std::floor(clamped);
    const double fraction = clamped - floor;
    offset[0] = static_cast<OffsetValueType>(floor);
    if (kernel == SamLattice::Kernel::Nearest)
    {
      offset[0] += fraction < 0.5 ? 0 : 1;
    }
    else if (kernel == SamLattice::Kernel::Linear && fraction > 0.0)
    {
      count = 2;
      offset[1] = offset[0] + 1;
      weight = { { 1.0 - fraction, fraction, 0.0, 0.0 } };
    }
    else if (kernel == SamLattice::Kernel::Cubic)
    {
      // The last one has no weight at a voxel.
      count = fraction > 0.0 ? 4 : 3;
      for (unsigned int k = 0; k < 4; ++k)
      {
        offset[k] = static_cast<OffsetValueType>(floor) + k - 1;
        weight[k] = sam::CubicSpline(fraction + 1.0 - static_cast<double>(k));
      }
    }
  }
};

/** Samples of oblique images; where they are splines \a image holds the coefficients. */
template <typename TComponent>
std::vector<unsigned char>
SampleOblique(const SamLattice &                     lattice,
              const SamIndexBox &                    box,
              const SamComponentBuffer<TComponent> & image,
              const SamValueRange &                  range,
              unsigned int                           workUnits,
              float *                                target)
{
  const size_t                   components = image.components;
  const unsigned int             dimension = lattice.GetImageGrid().dimension;
  const SamAffine &              toImage = lattice.GetLatticeToImage();
  const SamIndexBox &            whole = lattice.GetImageGrid().box;
  const auto &                   axis = lattice.GetSliceAxis();
  const bool                     isLimited = range.IsLimiting();
  std::array<OffsetValueType, 3> stride{ { static_cast<OffsetValueType>(components), 0, 0 } };
  stride[1] = stride[0] * static_cast<OffsetValueType>(image.box.size[0]);
  stride[2] = stride[1] * static_cast<OffsetValueType>(image.box.size[1]);
  // Where the sub-samples of a voxel lie, relative to its center.
  std::vector<SamLattice::VectorType> shifts;
  const auto &                        counts = lattice.GetSubsamples();
  const auto                          shift = [](unsigned int k, unsigned int count) {
    return (static_cast<double>(k) + 0.5) / static_cast<double>(count) - 0.5;
  };
  for (unsigned int z = 0; z < counts[2]; ++z)
  {
    for (unsigned int y = 0; y < counts[1]; ++y)
    {
      for (unsigned int x = 0; x < counts[0]; ++x)
      {
        shifts.push_back({ { shift(x, counts[0]), shift(y, counts[1]), shift(z, counts[2]) } });
      }
    }
  }
  std::vector<unsigned char> inside(box.size[0] * box.size[1] * box.size[2], 1);

  ForEachLine(box, workUnits, [&](size_t z, size_t y) {
    std::vector<double> sums(components);
    const auto          add = [&](const SamLattice::VectorType & position, double share) {
      std::array<ObliqueTaps, 3> taps;
      for (unsigned int i = 0; i < dimension; ++i)
      {
        const auto low = static_cast<double>(whole.start[i]);
        taps[i] = ObliqueTaps(lattice.GetKernel(i), position[i], low, low + static_cast<double>(whole.size[i]) - 1.0);
        for (unsigned int k = 0; k < taps[i].count; ++k)
        {
          taps[i].offset[k] = (taps[i].offset[k] - image.box.start[i]) * stride[i];
        }
      }
      for (unsigned int tz = 0; tz < taps[2].count; ++tz)
      {
        for (unsigned int ty = 0; ty < taps[1].count; ++ty)
        {
          for (unsigned int tx = 0; tx < taps[0].count; ++tx)
          {
            const double       weight = share * taps[0].weight[tx] * taps[1].weight[ty] * taps[2].weight[tz];
            const TComponent * in = image.values + taps[0].offset[tx] + taps[1].offset[ty] + taps[2].offset[tz];
            for (size_t c = 0; c < components; ++c)
            {
              sums[c] += weight * static_cast<double>(in[c]);
            }
          }
        }
      }
    };
    for (size_t x = 0; x < box.size[0]; ++x)
    {
      const SamLattice::VectorType index{ { static_cast<double>(box.start[0]) + static_cast<double>(x),
                                            static_cast<double>(box.start[1]) + static_cast<double>(y),
                                            static_cast<double>(box.start[2]) + static_cast<double>(z) } };
      std::fill(sums.begin(), sums.end(), 0.0);
      for (const auto & s : shifts)
      {
        add(toImage({ { index[0] + s[0], index[1] + s[1], index[2] + s[2] } }),
            1.0 / static_cast<double>(shifts.size()));
      }
      const auto   center = toImage(index);
      const size_t voxel = (z * box.size[1] + y) * box.size[0] + x;
      for (unsigned int i = 0; i < dimension; ++i)
      {
        const double low = static_cast<double>(whole.start[i]) - 0.5;
        if (center[i] < low || center[i] > low + static_cast<double>(whole.size[i]))
        {
          inside[voxel] = 0;
        }
      }
      IndexValueType slice = 0;
      if (isLimited && axis)
      {
        const auto low = static_cast<double>(whole.start[*axis]);
        const auto high = low + static_cast<double>(whole.size[*axis]) - 1.0;
        slice = ObliqueTaps(SamLattice::Kernel::Nearest, center[*axis], low, high).offset[0];
      }
      for (size_t c = 0; c < components; ++c)
      {
        target[voxel * components + c] = static_cast<float>(isLimited ? range.Limit(sums[c], c, slice) : sums[c]);
      }
    }
  });
  return inside;
}
} // namespace

template <typename TComponent>
std::vector<unsigned char>
SamSampleLattice(const SamLattice &                     lattice,
                 const SamIndexBox &                    box,
                 const SamComponentBuffer<TComponent> & image,
                 unsigned int                           workUnits,
                 float *                                target,
                 const SamValueRange &                  range)
{
  if (!lattice.IsCubic())
  {
    return lattice.IsAligned() ? SampleAligned(lattice, box, image, workUnits, target)
                               : SampleOblique(lattice, box, image, range, workUnits, target);
  }
  if (!range.IsLimiting())
  {
    itkSamExceptionMacro("cubic samples need the range of the image's values");
  }
  if (lattice.IsAligned())
  {
    return SampleSplines(lattice, box, image, range, workUnits, target);
  }
  SamComponentBuffer<float> coefficients;
  coefficients.box = lattice.GetCoefficientBox(box);
  coefficients.components = image.components;
  const auto values = FindCoefficients(lattice, coefficients.box, image, workUnits);
  coefficients.values = values.data();
  return SampleOblique(lattice, box, coefficients, range, workUnits, target);
}

SizeValueType
SamEstimateSampling(const SamLattice & lattice, const SamIndexBox & box, SizeValueType components)
{
  if (!lattice.IsCubic())
  {
    return 0;
  }
  const auto size = lattice.GetImageBox(box).size;
  if (lattice.IsAligned())
  {
    return components * size[lattice.GetImageAxis(0)] * size[lattice.GetImageAxis(1)] * sizeof(double);
  }
  return components *
         (size[0] * size[1] * sizeof(double) + lattice.GetCoefficientBox(box).GetNumberOfVoxels() * sizeof(float));
}

SamValueRange::SamValueRange(const SamLattice & lattice, const SamIndexBox & box, SizeValueType components)
  : m_Components(components)
  , m_SliceAxis(lattice.GetSliceAxis())
{
  if (lattice.IsCubic())
  {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    m_Box = lattice.GetImageBox(box);
    const size_t slices = m_SliceAxis ? m_Box.size[*m_SliceAxis] : 1;
    m_Lower.assign(slices * m_Components, infinity);
    m_Upper.assign(slices * m_Components, -infinity);
  }
}

std::vector<SamIndexBox>
SamValueRange::Divide() const
{
  std::vector<SamIndexBox> parts;
  if (!this->IsLimiting())
  {
    return parts;
  }
  const unsigned int  axis = m_Box.size[2] > 1 ? 2 : 1;
  const SizeValueType layer = m_Box.GetNumberOfVoxels() / m_Box.size[axis];
  const SizeValueType thickness = std::max<SizeValueType>(1, SamNormalization::VoxelsOfPart / layer);
  for (SizeValueType first = 0; first < m_Box.size[axis]; first += thickness)
  {
    parts.push_back(m_Box);
    parts.back().start[axis] += static_cast<IndexValueType>(first);
    parts.back().size[axis] = std::min(thickness, m_Box.size[axis] - first);
  }
  return parts;
}

template <typename TComponent>
void
SamValueRange::Measure(const SamIndexBox & part, const SamComponentBuffer<TComponent> & image)
{
  for (SizeValueType k = 0; k < part.size[1] * part.size[2]; ++k)
  {
    std::array<IndexValueType, 3> index = part.start;
    index[1] += static_cast<IndexValueType>(k % part.size[1]);
    index[2] += static_cast<IndexValueType>(k / part.size[1]);
    const auto row =
      (index[2] - image.box.start[2]) * static_cast<IndexValueType>(image.box.size[1]) + index[1] - image.box.start[1];
    const auto         first = row * static_cast<IndexValueType>(image.box.size[0]) + index[0] - image.box.start[0];
    const TComponent * values = image.values + static_cast<size_t>(first) * m_Components;
    for (SizeValueType x = 0; x < part.size[0]; ++x, ++index[0])
    {
      const size_t place = this->GetPlace(m_SliceAxis ? index[*m_SliceAxis] : 0);
      for (size_t c = 0; c < m_Components; ++c)
      {
        const auto value = static_cast<double>(*values++);
        m_Lower[place + c] = std::min(m_Lower[place + c], value);
        m_Upper[place + c] = std::max(m_Upper[place + c], value);
      }
    }
  }
}

#define samInstantiateSampling(TComponent)                                                      \
  template std::vector<unsigned char>  SamSampleLattice(const SamLattice &,                     \
                                                        const SamIndexBox &,                    \
                                                        const SamComponentBuffer<TComponent> &, \
                                                        unsigned int,                           \
                                                        float *,                                \
                                                        const SamValueRange &);                 \
  template SegmentAnything_EXPORT void SamValueRange::Measure(const SamIndexBox &,              \
                                                              const SamComponentBuffer<TComponent> &)
samInstantiateSampling(char);
samInstantiateSampling(signed char);
samInstantiateSampling(unsigned char);
samInstantiateSampling(short);
samInstantiateSampling(unsigned short);
samInstantiateSampling(int);
samInstantiateSampling(unsigned int);
samInstantiateSampling(long);
samInstantiateSampling(unsigned long);
samInstantiateSampling(long long);
samInstantiateSampling(unsigned long long);
samInstantiateSampling(float);
samInstantiateSampling(double);
#undef samInstantiateSampling

namespace
{
/** Limit what is above 0 to the percentiles 0.2 and 99.8 of it, with linear interpolation between ranks. */
void
FindPositiveLimits(std::vector<double> & positive, double & lower, double & upper)
{
  if (positive.empty())
  {
    return;
  }
  std::sort(positive.begin(), positive.end());
  const auto percentile = [&positive](double percent) {
    const double rank = percent / 100.0 * static_cast<double>(positive.size() - 1);
    const auto   below = static_cast<size_t>(rank);
    const auto   above = std::min(below + 1, positive.size() - 1);
    return positive[below] + (positive[above] - positive[below]) * (rank - static_cast<double>(below));
  };
  lower = percentile(0.2);
  upper = percentile(99.8);
}

bool
IsOfSlice(const SamChannel & channel)
{
  return channel.normalization.compare(0, 6, "slice_") == 0;
}

bool
LimitsPositive(const SamChannel & channel)
{
  return channel.normalization == "slice_percentiles";
}
} // namespace

SamNormalization::SamNormalization(const std::vector<SamChannel> & channels, const SamIndexBox & box)
  : m_Channels(channels)
  , m_Box(box)
{
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Slice            slice;
  slice.lower = -infinity;
  slice.upper = infinity;
  for (const auto & channel : channels)
  {
    m_Slices.emplace_back(channel.normalization == "clip" ? 0 : box.size[2], slice);
  }
}

bool
SamNormalization::IsMeasuring() const
{
  return std::any_of(
    m_Channels.begin(), m_Channels.end(), [](const SamChannel & channel) { return channel.normalization != "clip"; });
}

void
SamNormalization::Moments::Append(const Moments & other)
{
  if (other.count == 0.0)
  {
    return;
  }
  const double sum = count + other.count;
  const double difference = other.mean - mean;
  mean += difference * (other.count / sum);
  squares += other.squares + difference * difference * (count * other.count / sum);
  count = sum;
}

void
SamNormalization::Limit(Slice & slice)
{
  std::vector<double> sorted(slice.positive.begin(), slice.positive.end());
  FindPositiveLimits(sorted, slice.lower, slice.upper);
  for (const double value : sorted)
  {
    slice.moments.Append({ 1.0, std::min(std::max(value, slice.lower), slice.upper), 0.0 });
  }
  std::vector<float>().swap(slice.positive);
}

void
SamNormalization::Measure(const SamIndexBox & part, const std::vector<unsigned char> & inside, const float * values)
{
  // On one thread and line by line in the lattice's order: the same bits for any number of threads and any parts.
  const size_t        components = m_Channels.size();
  const size_t        length = part.size[0];
  std::vector<double> line;
  for (size_t c = 0; c < components; ++c)
  {
    if (m_Slices[c].empty())
    {
      continue;
    }
    for (size_t k = 0; k < part.size[1] * part.size[2]; ++k)
    {
      Slice & slice = m_Slices[c][static_cast<size_t>(part.start[2] - m_Box.start[2]) + k / part.size[1]];
      line.clear();
      for (size_t x = k * length; x < (k + 1) * length; ++x)
      {
        const float value = values[x * components + c];
        if (!inside.empty() && inside[x] == 0)
        {
          continue;
        }
        if (LimitsPositive(m_Channels[c]) && value > 0.0f)
        {
          slice.positive.push_back(value);
          continue;
        }
        line.push_back(static_cast<double>(value));
      }
      Moments ofLine;
      ofLine.count = static_cast<double>(line.size());
      if (!line.empty())
      {
        ofLine.mean = std::accumulate(line.begin(), line.end(), 0.0) / ofLine.count;
      }
      for (const double value : line)
      {
        ofLine.squares += (value - ofLine.mean) * (value - ofLine.mean);
      }
      slice.moments.Append(ofLine);
      slice.seen += length;
      if (LimitsPositive(m_Channels[c]) && slice.seen == m_Box.size[0] * m_Box.size[1])
      {
        Limit(slice);
      }
    }
  }
}

void
SamNormalization::Apply(const SamIndexBox & part, float * values) const
{
  const size_t components = m_Channels.size();
  const size_t area = part.size[0] * part.size[1];
  for (size_t c = 0; c < components; ++c)
  {
    const SamChannel & channel = m_Channels[c];
    Moments            ofImage;
    if (!IsOfSlice(channel))
    {
      for (const auto & slice : m_Slices[c])
      {
        ofImage.Append(slice.moments);
      }
    }
    for (size_t z = 0; z < part.size[2]; ++z)
    {
      double lower = channel.lower;
      double upper = channel.upper;
      double mean = channel.mean;
      double scale = 1.0 / channel.deviation;
      if (!m_Slices[c].empty())
      {
        const Slice &   slice = m_Slices[c][static_cast<size_t>(part.start[2] - m_Box.start[2]) + z];
        const Moments & moments = IsOfSlice(channel) ? slice.moments : ofImage;
        const double    deviation = moments.count > 0.0 ? std::sqrt(moments.squares / moments.count) : 0.0;
        lower = slice.lower;
        upper = slice.upper;
        mean = moments.mean;
        // What rounding to float alone can bring about counts as constant.
        const bool isConstant = deviation <= 4.0 * std::numeric_limits<float>::epsilon() * std::abs(mean);
        scale = isConstant ? 0.0 : 1.0 / deviation;
      }
      for (size_t k = z * area; k < (z + 1) * area; ++k)
      {
        float &    value = values[k * components + c];
        const auto real = static_cast<double>(value);
        const bool isFree = LimitsPositive(channel) && real <= 0.0;
        value = static_cast<float>(((isFree ? real : std::min(std::max(real, lower), upper)) - mean) * scale);
      }
    }
  }
}

void
SamVerifyChannels(const std::vector<SamChannel> & channels)
{
  for (const auto & channel : channels)
  {
    const bool isClip = channel.normalization == "clip";
    if (!isClip && channel.normalization != "z_score" && channel.normalization != "slice_z_score" &&
        channel.normalization != "slice_percentiles")
    {
      itkSamExceptionMacro("unknown normalization '"
                           << channel.normalization << "' of channel '" << channel.name
                           << "', expected z_score, clip, slice_z_score or slice_percentiles");
    }
    if (isClip && (!(channel.lower < channel.upper) || !(channel.deviation > 0.0)))
    {
      itkSamExceptionMacro("clip of channel '" << channel.name << "' needs lower < upper and a positive deviation");
    }
  }
}

void
SamVerifyComponents(const std::vector<SamChannel> & channels, SizeValueType found)
{
  if (!channels.empty() && found != channels.size())
  {
    std::ostringstream names;
    for (const auto & channel : channels)
    {
      names << (&channel == &channels.front() ? "" : ", ") << channel.name;
    }
    itkSamExceptionMacro("the image has " << found << (found == 1 ? " channel" : " channels") << ", expected "
                                          << channels.size() << " (" << names.str() << ")");
  }
}

SamLabelSampler::SamLabelSampler(const SamLattice &  lattice,
                                 const SamIndexBox & box,
                                 const SamIndexBox & part,
                                 SizeValueType       labels)
  : m_Lattice(lattice)
  , m_Box(box)
  , m_Part(part.Shifted(box, -1))
  , m_Covered(lattice.GetCoveredImageBox(box))
  , m_Labels(labels)
  , m_FirstSlice(m_Part.start[2])
  , m_EndSlice(m_Part.start[2])
  , m_Stride{ { labels, labels * part.size[0], labels * part.size[0] * part.size[1] } }
{
  if (!lattice.IsAligned() || m_Covered.size[0] * m_Covered.size[1] * m_Covered.size[2] == 0)
  {
    return;
  }
  for (unsigned int j = 0; j < lattice.GetImageGrid().dimension; ++j)
  {
    const SamTaps taps = lattice.GetLatticeTaps(j, m_Covered, box);
    for (size_t k = 0; k + 1 < taps.begin.size(); ++k)
    {
      AxisSample sample;
      sample.isInside = taps.inside[k] != 0;
      sample.count = static_cast<unsigned int>(taps.begin[k + 1] - taps.begin[k]);
      for (unsigned int t = 0; t < sample.count; ++t)
      {
        sample.index[t] = taps.index[taps.begin[k] + t];
        sample.weight[t] = taps.weight[taps.begin[k] + t];
      }
      m_Tables[j].push_back(sample);
    }
  }
}

void
SamLabelSampler::Append(SizeValueType slices, std::vector<float> probabilities)
{
  if (m_EndSlice > m_Part.start[2])
  {
    const auto lastSlice = m_Probabilities.end() - static_cast<std::ptrdiff_t>(m_Stride[2]);
    probabilities.insert(probabilities.begin(), lastSlice, m_Probabilities.end());
    m_FirstSlice = m_EndSlice - 1;
  }
  m_EndSlice += static_cast<IndexValueType>(slices);
  m_Probabilities = std::move(probabilities);
}

bool
SamLabelSampler::IsAtHand(IndexValueType slice) const
{
  // What begins at the last slice waits for the next one.
  const bool isComplete = m_EndSlice == m_Part.start[2] + static_cast<IndexValueType>(m_Part.size[2]);
  return slice >= m_FirstSlice && slice < (isComplete ? m_EndSlice : m_EndSlice - 1);
}

SamIndexBox
SamLabelSampler::GetCoveredImageBox() const
{
  SamIndexBox result = m_Covered;
  if (m_Lattice.GetImageGrid().dimension < 3)
  {
    return result;
  }
  if (m_Lattice.IsAligned())
  {
    const auto &       table = m_Tables[2];
    const unsigned int axis = m_Lattice.GetImageAxis(2);
    const auto         isAtHand = [this](const AxisSample & sample) { return IsAtHand(sample.index[0]); };
    const auto         first = std::find_if(table.begin(), table.end(), isAtHand);
    const auto         last = std::find_if(table.rbegin(), table.rend(), isAtHand);
    result.start[axis] += first - table.begin();
    result.size[axis] = first == table.end() ? 0 : static_cast<SizeValueType>(last.base() - first);
    return result;
  }
  SamIndexBox slab = m_Box;
  slab.start[2] += m_FirstSlice;
  slab.size[2] = static_cast<SizeValueType>(m_EndSlice - m_FirstSlice);
  return result.Intersect(m_Lattice.GetCoveredImageBox(slab));
}

SamLabelSampler::AxisSample
SamLabelSampler::SampleOblique(double position, unsigned int axis) const
{
  AxisSample   sample;
  const auto   latticeSize = static_cast<IndexValueType>(m_Lattice.GetGrid().box.size[axis]);
  const auto   start = m_Box.start[axis];
  const auto   size = static_cast<double>(m_Box.size[axis]);
  const double along = position - static_cast<double>(start);
  sample.isInside = (start <= 0 || along >= -0.5) &&
                    (start + static_cast<IndexValueType>(m_Box.size[axis]) >= latticeSize || along < size - 0.5);
  const double clamped = std::min(std::max(along, 0.0), size - 1.0);
  const double first = std::floor(clamped);
  const double fraction = clamped - first;
  sample.index[0] = static_cast<IndexValueType>(first);
  if (fraction > 0.0)
  {
    sample.count = 2;
    sample.index[1] = sample.index[0] + 1;
    sample.weight = { { 1.0 - fraction, fraction } };
  }
  return sample;
}

void
SamLabelSampler::ChooseLine(const std::array<IndexValueType, 3> & start,
                            std::vector<Choice> &                 line,
                            const std::vector<size_t> &           numbers,
                            float *                               probabilities) const
{
  const unsigned int  dimension = m_Lattice.GetImageGrid().dimension;
  std::vector<double> sums(m_Labels);
  auto                index = start;
  for (auto & choice : line)
  {
    std::array<AxisSample, 3> axes;
    if (m_Lattice.IsAligned())
    {
      for (unsigned int j = 0; j < dimension; ++j)
      {
        const unsigned int axis = m_Lattice.GetImageAxis(j);
        axes[j] = m_Tables[j][static_cast<size_t>(index[axis] - m_Covered.start[axis])];
      }
    }
    else
    {
      const auto position = m_Lattice.GetImageToLattice()(
        { { static_cast<double>(index[0]), static_cast<double>(index[1]), static_cast<double>(index[2]) } });
      for (unsigned int j = 0; j < dimension; ++j)
      {
        axes[j] = SampleOblique(position[j], j);
      }
    }
    ++index[0];
    choice = Choice();
    if (!axes[0].isInside || !axes[1].isInside || !axes[2].isInside || !IsAtHand(axes[2].index[0]))
    {
      continue;
    }
    std::fill(sums.begin(), sums.end(), 0.0);
    for (unsigned int z = 0; z < axes[2].count; ++z)
    {
      for (unsigned int y = 0; y < axes[1].count; ++y)
      {
        for (unsigned int x = 0; x < axes[0].count; ++x)
        {
          const float * source =
            &m_Probabilities[static_cast<size_t>(axes[2].index[z] - m_FirstSlice) * m_Stride[2] +
                             static_cast<size_t>(axes[1].index[y] - m_Part.start[1]) * m_Stride[1] +
                             static_cast<size_t>(axes[0].index[x] - m_Part.start[0]) * m_Stride[0]];
          const double weight = axes[2].weight[z] * axes[1].weight[y] * axes[0].weight[x];
          for (size_t k = 0; k < m_Labels; ++k)
          {
            sums[k] += weight * static_cast<double>(source[k]);
          }
        }
      }
    }
    const auto best = std::max_element(sums.begin(), sums.end());
    choice.number = static_cast<int>(best - sums.begin());
    choice.probability = static_cast<float>(*best);
    const double total = std::accumulate(sums.begin(), sums.end(), 0.0);
    const auto   toShare = [this, total](double sum) {
      return static_cast<float>(total > 0.0 ? sum / total : 1.0 / static_cast<double>(m_Labels));
    };
    choice.share = toShare(*best);
    for (size_t k = 0; k < numbers.size(); ++k)
    {
      probabilities[k * line.size() + static_cast<size_t>(&choice - line.data())] = toShare(sums[numbers[k]]);
    }
  }
}
} // namespace itk
