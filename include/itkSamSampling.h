// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamSampling_h
#define itkSamSampling_h

#include "SegmentAnythingExport.h"

#include "itkSamLattice.h"
#include "itkSamModel.h"

#include <optional>
#include <vector>

namespace itk
{
/** \class SamComponentBuffer
 * \brief The pixels of a buffered image without its type: x fastest, the components of each side by side.
 * \ingroup SegmentAnything
 */
template <typename TComponent>
struct SamComponentBuffer
{
  const TComponent * values{ nullptr };
  SizeValueType      components{ 1 };
  SamIndexBox        box; ///< the buffered voxels
};

/** \class SamValueRange
 * \brief The least and the largest value of each component of an image, which splines are limited to: of all voxels, or
 * of each slice that is taken by itself.
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamValueRange
{
public:
  /** Limits nothing. */
  SamValueRange() = default;

  /** Of the voxels that a lattice's \a box is made of; limits nothing where the lattice is not cubic. */
  SamValueRange(const SamLattice & lattice, const SamIndexBox & box, SizeValueType components);

  bool
  IsLimiting() const
  {
    return !m_Lower.empty();
  }

  /** The voxels in parts of about SamNormalization::VoxelsOfPart, or one slice. */
  std::vector<SamIndexBox>
  Divide() const;

  /** Look at a \a part of the voxels, which \a image buffers. */
  template <typename TComponent>
  void
  Measure(const SamIndexBox & part, const SamComponentBuffer<TComponent> & image);

  /** A component within its range; \a slice is the image's index along the axis of slices, if there is one. */
  double
  Limit(double value, SizeValueType component, IndexValueType slice) const
  {
    const size_t k = this->GetPlace(slice) + component;
    return value < m_Lower[k] ? m_Lower[k] : m_Upper[k] < value ? m_Upper[k] : value;
  }

private:
  size_t
  GetPlace(IndexValueType slice) const
  {
    return m_SliceAxis ? static_cast<size_t>(slice - m_Box.start[*m_SliceAxis]) * m_Components : 0;
  }

  SamIndexBox                 m_Box;
  size_t                      m_Components{ 0 };
  std::optional<unsigned int> m_SliceAxis;
  std::vector<double>         m_Lower; ///< of each slice the components side by side
  std::vector<double>         m_Upper;
};

/** The samples of a lattice's \a box, in the same order, written into \a target: as SamLattice says. \a image must
 * buffer GetImageBox(\a box), and \a range have measured what the whole output is made of. Answers which samples lie
 * inside of the image; empty: all. TComponent is any of C++'s numbers that ITK's images are made of. */
template <typename TComponent>
SegmentAnything_EXPORT std::vector<unsigned char>
                       SamSampleLattice(const SamLattice &                     lattice,
                                        const SamIndexBox &                    box,
                                        const SamComponentBuffer<TComponent> & image,
                                        unsigned int                           workUnits,
                                        float *                                target,
                                        const SamValueRange &                  range = {});

/** About the bytes that SamSampleLattice() takes beside image and target. */
SegmentAnything_EXPORT SizeValueType
SamEstimateSampling(const SamLattice & lattice, const SamIndexBox & box, SizeValueType components);

/** \class SamNormalization
 * \brief Brings samples of a lattice's box to a model's intensities, after it measured them: all at once or part by
 * part, with the same result bit for bit.
 *
 * Samples are x fastest, the channels side by side.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamNormalization
{
public:
  /** Voxels of the image that are looked at together when it is measured in parts. */
  static constexpr SizeValueType VoxelsOfPart = SizeValueType{ 1 } << 20;

  SamNormalization() = default;
  SamNormalization(const std::vector<SamChannel> & channels, const SamIndexBox & box);

  /** Whether a channel is normalized by what is measured. */
  bool
  IsMeasuring() const;

  /** Measure the samples of a \a part that are \a inside (empty: all). Parts are those of SamLattice::Divide(), in
   * their order. */
  void
  Measure(const SamIndexBox & part, const std::vector<unsigned char> & inside, const float * values);

  /** Normalize the samples of a \a part in place; the whole box has been measured. */
  void
  Apply(const SamIndexBox & part, float * values) const;

private:
  /** Mean and sum of squared differences from it. */
  struct Moments
  {
    double count{ 0.0 };
    double mean{ 0.0 };
    double squares{ 0.0 };

    void
    Append(const Moments & other);
  };

  /** Of one channel in one slice. */
  struct Slice
  {
    Moments            moments;  ///< of what is not limited
    std::vector<float> positive; ///< of what is limited once all of it is there
    double             lower;
    double             upper;
    SizeValueType      seen{ 0 };
  };

  static void
  Limit(Slice & slice);

  std::vector<SamChannel>         m_Channels;
  SamIndexBox                     m_Box;
  std::vector<std::vector<Slice>> m_Slices; ///< of each channel
};

/** \throws ExceptionObject naming a channel whose normalization is unknown or makes no sense. */
SegmentAnything_EXPORT void
SamVerifyChannels(const std::vector<SamChannel> & channels);

/** \throws ExceptionObject when \a found components are not one for each channel; no channel fits any number. */
SegmentAnything_EXPORT void
SamVerifyComponents(const std::vector<SamChannel> & channels, SizeValueType found);

/** \class SamLabelSampler
 * \brief The label of the largest probability at voxels of an image, from the probabilities on a lattice.
 *
 * Probabilities are interpolated linearly; where voxels coincide nothing is. Voxels outside of the box have no label,
 * apart from those that lie beyond the lattice's own border by half a voxel.
 *
 * \ingroup SegmentAnything
 */
class SegmentAnything_EXPORT SamLabelSampler
{
public:
  /** Labels for the lattice's \a box, from probabilities in a \a part of it. */
  SamLabelSampler(const SamLattice & lattice, const SamIndexBox & box, const SamIndexBox & part, SizeValueType labels);

  /** The next slices of the part: \a probabilities has their voxels, x fastest, the labels side by side. Forgets all
   * earlier slices but the last. */
  void
  Append(SizeValueType slices, std::vector<float> probabilities);

  /** The voxels of the image that may lie between the slices at hand, or beyond the first or last of the box. */
  SamIndexBox
  GetCoveredImageBox() const;

  struct Choice
  {
    int   number{ -1 }; ///< of the label, from 0; −1: none
    float probability{ 0.0f };
    float share{ 0.0f }; ///< the same divided by the sum over all labels, which is not always one
  };

  /** Choose for the voxels from \a start on along the image's first axis, all in the covered box and made of the part
   * (SamLattice::GetLatticeBox). Each voxel gets its label after one Append() alone. */
  void
  ChooseLine(const std::array<IndexValueType, 3> & start, std::vector<Choice> & line) const
  {
    this->ChooseLine(start, line, {}, nullptr);
  }

  /** The same; \a probabilities gets the shares of the labels with these \a numbers, a line of each after the other.
   * Where no label is chosen they stay as they are. */
  void
  ChooseLine(const std::array<IndexValueType, 3> & start,
             std::vector<Choice> &                 line,
             const std::vector<size_t> &           numbers,
             float *                               probabilities) const;

private:
  /** Which voxels of the box a sample is made of along one axis. */
  struct AxisSample
  {
    std::array<IndexValueType, 2> index{ { 0, 0 } };
    std::array<double, 2>         weight{ { 1.0, 0.0 } };
    unsigned int                  count{ 1 };
    bool                          isInside{ true };
  };

  AxisSample
  SampleOblique(double position, unsigned int axis) const;

  /** Whether a voxel whose first slice of the box is \a slice can be interpolated. */
  bool
  IsAtHand(IndexValueType slice) const;

  SamLattice                             m_Lattice;
  SamIndexBox                            m_Box;
  SamIndexBox                            m_Part;    ///< its start counts from the first voxel of the box
  SamIndexBox                            m_Covered; ///< of the whole box
  SizeValueType                          m_Labels;
  IndexValueType                         m_FirstSlice; ///< of the box that is at hand
  IndexValueType                         m_EndSlice;
  std::vector<float>                     m_Probabilities;
  std::array<size_t, 3>                  m_Stride;
  std::array<std::vector<AxisSample>, 3> m_Tables; ///< of aligned images, per axis of the lattice
};
} // namespace itk

#endif
