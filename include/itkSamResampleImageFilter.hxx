// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamResampleImageFilter_hxx
#define itkSamResampleImageFilter_hxx

#include "itkSamResampleImageFilter.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace itk
{
template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetModel(const SamModel * model)
{
  if (model == nullptr)
  {
    itkSamExceptionMacro("no model is given");
  }
  this->SetOrientation(model->GetOrientation());
  this->SetOutputSpacing(model->GetSpacing());
  this->SetChannels(model->GetChannels());
  if (m_ModelDimension != model->GetDimension())
  {
    m_ModelDimension = model->GetDimension();
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetOutputSpacing(const SpacingType & spacing)
{
  if (m_OutputSpacing != spacing)
  {
    m_OutputSpacing = spacing;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetChannels(const ChannelsType & channels)
{
  if (!(m_Channels == channels))
  {
    m_Channels = channels;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SetRegionOfInterest(const PointType & center, const VectorType & size)
{
  if (!m_HasRegionOfInterest || m_RegionCenter != center || m_RegionSize != size)
  {
    m_HasRegionOfInterest = true;
    m_RegionCenter = center;
    m_RegionSize = size;
    this->Modified();
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::ClearRegionOfInterest()
{
  if (m_HasRegionOfInterest)
  {
    m_HasRegionOfInterest = false;
    this->Modified();
  }
}

template <typename TInputImage>
SamLattice
SamResampleImageFilter<TInputImage>::MakeLattice() const
{
  return SamLattice(SamGrid::FromImage<ImageDimension>(this->GetInput()), m_Orientation, m_OutputSpacing);
}

template <typename TInputImage>
SamIndexBox
SamResampleImageFilter<TInputImage>::MakeBox(const SamLattice & lattice) const
{
  if (!m_HasRegionOfInterest)
  {
    return lattice.GetGrid().box;
  }
  SamLattice::VectorType center{};
  SamLattice::VectorType size{};
  std::copy_n(m_RegionCenter.GetDataPointer(), ImageDimension, center.begin());
  std::copy_n(m_RegionSize.GetDataPointer(), ImageDimension, size.begin());
  return lattice.FindBox(center, size);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::VerifyPreconditions() const
{
  Superclass::VerifyPreconditions();
  if (m_ModelDimension > ImageDimension)
  {
    itkSamExceptionMacro("the image has " << ImageDimension << " dimensions, the model expects " << m_ModelDimension);
  }
  for (const auto & channel : m_Channels)
  {
    const bool isClip = channel.normalization == "clip";
    if (!isClip && channel.normalization != "z_score")
    {
      itkSamExceptionMacro("unknown normalization '" << channel.normalization << "' of channel '" << channel.name
                                                     << "', expected z_score or clip");
    }
    if (isClip && (!(channel.lower < channel.upper) || !(channel.deviation > 0.0)))
    {
      itkSamExceptionMacro("clip of channel '" << channel.name << "' needs lower < upper and a positive deviation");
    }
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::VerifyInputInformation() const
{
  Superclass::VerifyInputInformation();
  const size_t found = this->GetInput()->GetNumberOfComponentsPerPixel();
  if (!m_Channels.empty() && found != m_Channels.size())
  {
    std::ostringstream names;
    for (const auto & channel : m_Channels)
    {
      names << (&channel == &m_Channels.front() ? "" : ", ") << channel.name;
    }
    itkSamExceptionMacro("the image has " << found << (found == 1 ? " channel" : " channels") << ", expected "
                                          << m_Channels.size() << " (" << names.str() << ")");
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateOutputInformation()
{
  const SamLattice lattice = this->MakeLattice();
  SamGrid          grid = lattice.GetGrid();
  grid.box = this->MakeBox(lattice);
  OutputImageType * output = this->GetOutput();
  grid.CopyTo<ImageDimension>(output);
  output->SetNumberOfComponentsPerPixel(this->GetInput()->GetNumberOfComponentsPerPixel());
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateInputRequestedRegion()
{
  // Not the superclass: the output's region means nothing on the input's grid.
  ProcessObject::GenerateInputRequestedRegion();
  auto *           input = const_cast<InputImageType *>(this->GetInput());
  const SamLattice lattice = this->MakeLattice();
  input->SetRequestedRegion(lattice.GetImageBox(this->MakeBox(lattice)).template ToRegion<ImageDimension>());
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::EnlargeOutputRequestedRegion(DataObject * output)
{
  Superclass::EnlargeOutputRequestedRegion(output);
  output->SetRequestedRegionToLargestPossibleRegion();
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::GenerateData()
{
  this->AllocateOutputs();
  SamCheckFinite(this->GetInput(), this->GetInput()->GetRequestedRegion());
  this->UpdateProgress(0.1f);
  const SamLattice           lattice = this->MakeLattice();
  const SamIndexBox          box = this->MakeBox(lattice);
  std::vector<unsigned char> inside;
  if (lattice.IsAligned())
  {
    this->SampleAligned(lattice, box, inside);
  }
  else
  {
    this->SampleOblique(lattice, box, inside);
  }
  this->UpdateProgress(0.7f);
  this->Normalize(inside);
  this->UpdateProgress(1.0f);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SampleAligned(const SamLattice &           lattice,
                                                   const SamIndexBox &          box,
                                                   std::vector<unsigned char> & inside)
{
  const InputImageType *                      input = this->GetInput();
  const size_t                                components = input->GetNumberOfComponentsPerPixel();
  const auto *                                source = SamComponents(input);
  float *                                     target = this->GetOutput()->GetBufferPointer();
  std::array<SamTaps, 3>                      taps;
  std::array<std::vector<OffsetValueType>, 3> offsets;
  for (unsigned int j = 0; j < 3; ++j)
  {
    if (j >= ImageDimension)
    {
      taps[j].begin = { 0, 1 };
      taps[j].weight = { 1.0 };
      taps[j].inside = { 1 };
      offsets[j] = { 0 };
      continue;
    }
    taps[j] = lattice.GetImageTaps(j, box);
    const unsigned int    axis = lattice.GetImageAxis(j);
    const OffsetValueType stride = input->GetOffsetTable()[axis] * static_cast<OffsetValueType>(components);
    for (const IndexValueType index : taps[j].index)
    {
      offsets[j].push_back((index - input->GetBufferedRegion().GetIndex(axis)) * stride);
    }
  }

  const auto sample = [&](const typename OutputImageType::RegionType & region) {
    std::vector<double>   sums(components);
    std::array<size_t, 3> first{ { 0, 0, 0 } };
    std::array<size_t, 3> last{ { 1, 1, 1 } };
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      first[i] = static_cast<size_t>(region.GetIndex(i) - box.start[i]);
      last[i] = first[i] + region.GetSize(i);
    }
    for (size_t z = first[2]; z < last[2]; ++z)
    {
      for (size_t y = first[1]; y < last[1]; ++y)
      {
        float * out = target + ((z * box.size[1] + y) * box.size[0] + first[0]) * components;
        for (size_t x = first[0]; x < last[0]; ++x)
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
                const ComponentType * in = source + rowOffset + offsets[0][tx];
                const double          weight = rowWeight * taps[0].weight[tx];
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
      }
    }
  };
  this->GetMultiThreader()->SetNumberOfWorkUnits(this->GetNumberOfWorkUnits());
  this->GetMultiThreader()->template ParallelizeImageRegion<ImageDimension>(
    this->GetOutput()->GetRequestedRegion(), sample, nullptr);

  const auto hasOutside = [](const SamTaps & axis) {
    return std::find(axis.inside.begin(), axis.inside.end(), 0) != axis.inside.end();
  };
  if (std::any_of(taps.begin(), taps.end(), hasOutside))
  {
    inside.reserve(box.size[0] * box.size[1] * box.size[2]);
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
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::SampleOblique(const SamLattice &           lattice,
                                                   const SamIndexBox &          box,
                                                   std::vector<unsigned char> & inside)
{
  const InputImageType *         input = this->GetInput();
  const size_t                   components = input->GetNumberOfComponentsPerPixel();
  const auto *                   source = SamComponents(input);
  float *                        target = this->GetOutput()->GetBufferPointer();
  const SamAffine &              toImage = lattice.GetLatticeToImage();
  const SamIndexBox &            image = lattice.GetImageGrid().box;
  std::array<OffsetValueType, 3> stride{ { 0, 0, 0 } };
  std::array<IndexValueType, 3>  bufferStart{ { 0, 0, 0 } };
  for (unsigned int i = 0; i < ImageDimension; ++i)
  {
    stride[i] = input->GetOffsetTable()[i] * static_cast<OffsetValueType>(components);
    bufferStart[i] = input->GetBufferedRegion().GetIndex(i);
  }
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
  inside.assign(box.size[0] * box.size[1] * box.size[2], 1);

  const auto sample = [&](const typename OutputImageType::RegionType & region) {
    std::vector<double>   sums(components);
    std::array<size_t, 3> first{ { 0, 0, 0 } };
    std::array<size_t, 3> last{ { 1, 1, 1 } };
    for (unsigned int i = 0; i < ImageDimension; ++i)
    {
      first[i] = static_cast<size_t>(region.GetIndex(i) - box.start[i]);
      last[i] = first[i] + region.GetSize(i);
    }
    const auto add = [&](const SamLattice::VectorType & position, double share) {
      std::array<OffsetValueType, 3> lower{ { 0, 0, 0 } };
      std::array<OffsetValueType, 3> step{ { 0, 0, 0 } };
      std::array<double, 3>          fraction{ { 0.0, 0.0, 0.0 } };
      for (unsigned int i = 0; i < ImageDimension; ++i)
      {
        const auto   low = static_cast<double>(image.start[i]);
        const double high = low + static_cast<double>(image.size[i]) - 1.0;
        const double clamped = std::min(std::max(position[i], low), high);
        const double floor = std::floor(clamped);
        fraction[i] = clamped - floor;
        lower[i] = (static_cast<IndexValueType>(floor) - bufferStart[i]) * stride[i];
        step[i] = fraction[i] > 0.0 ? stride[i] : 0;
      }
      for (unsigned int corner = 0; corner < 1u << ImageDimension; ++corner)
      {
        double          weight = share;
        OffsetValueType offset = 0;
        for (unsigned int i = 0; i < ImageDimension; ++i)
        {
          const bool isUpper = (corner >> i) & 1u;
          weight *= isUpper ? fraction[i] : 1.0 - fraction[i];
          offset += lower[i] + (isUpper ? step[i] : 0);
        }
        if (weight > 0.0)
        {
          for (size_t c = 0; c < components; ++c)
          {
            sums[c] += weight * static_cast<double>(source[offset + static_cast<OffsetValueType>(c)]);
          }
        }
      }
    };
    for (size_t z = first[2]; z < last[2]; ++z)
    {
      for (size_t y = first[1]; y < last[1]; ++y)
      {
        for (size_t x = first[0]; x < last[0]; ++x)
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
          for (unsigned int i = 0; i < ImageDimension; ++i)
          {
            const double low = static_cast<double>(image.start[i]) - 0.5;
            if (center[i] < low || center[i] > low + static_cast<double>(image.size[i]))
            {
              inside[voxel] = 0;
            }
          }
          for (size_t c = 0; c < components; ++c)
          {
            target[voxel * components + c] = static_cast<float>(sums[c]);
          }
        }
      }
    }
  };
  this->GetMultiThreader()->SetNumberOfWorkUnits(this->GetNumberOfWorkUnits());
  this->GetMultiThreader()->template ParallelizeImageRegion<ImageDimension>(
    this->GetOutput()->GetRequestedRegion(), sample, nullptr);
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::Normalize(const std::vector<unsigned char> & inside)
{
  OutputImageType * output = this->GetOutput();
  float * const     values = output->GetBufferPointer();
  const size_t      components = output->GetNumberOfComponentsPerPixel();
  const size_t      voxels = output->GetRequestedRegion().GetNumberOfPixels();
  for (size_t c = 0; c < m_Channels.size(); ++c)
  {
    const SamChannel & channel = m_Channels[c];
    double             lower = -std::numeric_limits<double>::infinity();
    double             upper = std::numeric_limits<double>::infinity();
    double             mean = channel.mean;
    double             scale = 1.0 / channel.deviation;
    if (channel.normalization == "clip")
    {
      lower = channel.lower;
      upper = channel.upper;
    }
    else
    {
      // On one thread and in the lattice's order: the same bits for any number of threads.
      const auto sum = [&](const auto & term) {
        double total = 0.0;
        for (size_t k = 0; k < voxels; ++k)
        {
          if (inside.empty() || inside[k])
          {
            total += term(static_cast<double>(values[k * components + c]));
          }
        }
        return total;
      };
      const double count = sum([](double) { return 1.0; });
      mean = count > 0.0 ? sum([](double value) { return value; }) / count : 0.0;
      const double variance =
        count > 0.0 ? sum([mean](double value) { return (value - mean) * (value - mean); }) / count : 0.0;
      const double deviation = std::sqrt(variance);
      // What rounding to float alone can bring about counts as constant.
      const bool isConstant = deviation <= 4.0 * std::numeric_limits<float>::epsilon() * std::abs(mean);
      scale = isConstant ? 0.0 : 1.0 / deviation;
    }
    for (size_t k = 0; k < voxels; ++k)
    {
      float &      value = values[k * components + c];
      const double limited = std::min(std::max(static_cast<double>(value), lower), upper);
      value = static_cast<float>((limited - mean) * scale);
    }
  }
}

template <typename TInputImage>
void
SamResampleImageFilter<TInputImage>::PrintSelf(std::ostream & os, Indent indent) const
{
  Superclass::PrintSelf(os, indent);
  os << indent << "Orientation: " << m_Orientation << std::endl;
  os << indent << "OutputSpacing: " << m_OutputSpacing[0] << ' ' << m_OutputSpacing[1] << ' ' << m_OutputSpacing[2]
     << std::endl;
  os << indent << "Channels: " << m_Channels.size() << std::endl;
  for (const auto & channel : m_Channels)
  {
    os << indent.GetNextIndent() << channel.name << ": " << channel.normalization << std::endl;
  }
  os << indent << "ModelDimension: " << m_ModelDimension << std::endl;
  os << indent << "HasRegionOfInterest: " << m_HasRegionOfInterest << std::endl;
  os << indent << "RegionCenter: " << m_RegionCenter << std::endl;
  os << indent << "RegionSize: " << m_RegionSize << std::endl;
}
} // namespace itk

#endif
