// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samAugmentation_h
#define samAugmentation_h

#include "samRandomStream.h"

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace sam
{
/** \class TrainingCase
 * \brief A case in memory, on the grid and with the intensities of the model.
 */
struct TrainingCase
{
  TrainingCase() = default;

  /** Also lists the foreground voxels. \throws Error naming \a name when types or sizes are not as below. */
  TrainingCase(std::string name, at::Tensor image, at::Tensor labels, const std::array<double, 3> & spacing);

  std::string           name;
  at::Tensor            image;                        ///< C×D×H×W float32 on the CPU
  at::Tensor            labels;                       ///< D×H×W uint8 or int16 on the CPU; −1: ignored by the losses
  std::array<double, 3> spacing{ { 1.0, 1.0, 1.0 } }; ///< mm, x y z

  /** For each label above 0 that is there, offsets into \c labels: evenly chosen, 10000 at most. */
  std::vector<std::vector<int64_t>> foreground;
};

/** What WindowSampler does, with its chances. "p" is a probability per window, "sd" a standard deviation. */
struct AugmentationOptions
{
  // Position
  int64_t margin{ 4 };                   ///< voxels by which a window may reach over the image on each in-plane side
  double  foregroundProbability{ 0.33 }; ///< p of a window around a foreground voxel; 0 where the image is no larger

  bool padsWithZeros{ false }; ///< outside of the image are zeros and background instead of its border voxels

  // Geometry, by one linear resampling
  double spatialProbability{ 0.8 };       ///< p of rotation and scaling together
  double rotationDeviation{ 10.0 };       ///< sd in degrees, about each of x, y, z
  double planarRotationDeviation{ 20.0 }; ///< sd in degrees, about z where slices stay in plane
  double scaleDeviation{ 0.1 };           ///< sd of the logarithm, of all axes together
  double axisScaleDeviation{ 0.05 };      ///< sd of the logarithm, of each axis
  double anisotropy{ 3.0 };               ///< slices further apart than this many in-plane spacings stay in plane
  double stackRatio{ 6.0 };           ///< so do images with this many times more rows and columns than slices, whose
                                      ///< spacing may be unknown
  std::vector<size_t>   mirrorAxes{}; ///< axes (0 x, 1 y, 2 z), each mirrored with p 0.5
  double                turnProbability{ 0.0 }; ///< p of a further rotation in plane, uniform in both directions
  double                largestTurn{ 180.0 };   ///< degrees
  double                zoomProbability{ 0.0 }; ///< p of a further scaling in plane
  std::array<double, 2> zoom{ { 0.7, 1.4 } };   ///< above 1 objects become larger

  double                frameProbability{ 0.0 }; ///< p of a window that shrinks into a black frame
  std::array<double, 2> frame{ { 0.6, 1.0 } };   ///< share of each in-plane axis that is left of it

  // Intensity of all channels together
  double locationScaleProbability{ 0.0 }; ///< p of AugmentGlobally() or, as likely, AugmentLabels() on the window's
                                          ///< range; mean and deviation are kept
  std::vector<size_t> absoluteChannels{}; ///< as of CT: neither this nor a frame keeps their mean and deviation, which
                                          ///< no normalization restores

  // Intensity, for each channel on its own; in this order
  double                blurProbability{ 0.1 };
  std::array<double, 2> blurSigma{ { 0.5, 1.0 } }; ///< voxels, in-plane
  double                coarseProbability{ 0.0 };
  std::array<double, 2> coarse{ { 0.5, 1.0 } }; ///< in-plane resolution before the values are interpolated again
  double                invertedGammaProbability{ 0.0 }; ///< of a power law on the inverted values
  double                gammaProbability{ 0.3 };
  std::array<double, 2> gamma{ { 0.7, 1.5 } }; ///< on the window's range; mean and deviation are kept
  double                gainProbability{ 0.3 };
  std::array<double, 2> gain{ { 0.7, 1.3 } };
  double                contrastProbability{ 0.0 };
  std::array<double, 2> contrast{ { 0.75, 1.25 } }; ///< factor about the mean; the range of values is kept
  double                shiftProbability{ 0.3 };
  double                shift{ 0.2 }; ///< largest, up or down; normalized intensities have deviation 1
  double                noiseProbability{ 0.15 };
  double                noiseDeviation{ 0.1 };         ///< largest sd; the sd is uniform up to it
  bool                  isNoiseVarianceDrawn{ false }; ///< its square is uniform instead

  /** compact: what is above; masksam: the chances, ranges and mirrors of the published training (masksam §g); slaug:
   * compact and location-scale augmentation of every second window (dapsam §f); none: PositionOnly(). \throws Error
   * when the word is another one. */
  static AugmentationOptions
  FromWord(const std::string & word);

  /** Windows at random positions and nothing else. */
  static AugmentationOptions
  PositionOnly();
};

/** A window of a case. */
struct TrainingWindow
{
  at::Tensor image;  ///< C×D×H×W float32
  at::Tensor labels; ///< D×H×W int64
};

/** \class WindowSampler
 * \brief Draws a window of a case, at random and randomly changed: the same for the same state of the random stream.
 *
 * The window's start is uniform among the voxels for which the window lies inside the image, which may be left by a
 * margin in-plane; along an axis where the window is larger it is centered, up to the margin. Outside of the image its
 * border voxels are repeated, of image and labels alike, unless it is padded with zeros. Rotations and scalings are in
 * millimeters about the window's center, in-plane only where slices are far apart, few, or there is a single one.
 * Labels follow by linear interpolation of each label, the largest wins. A frame has each channel's smallest value and
 * no label; mean and deviation of the window are kept, as normalization gives them to an image with a frame. Safe to
 * call from several threads, each with a stream of its own.
 */
class WindowSampler
{
public:
  /** \a window in voxels, ITK's order x, y, z. \throws Error when a size, probability or range makes no sense. */
  explicit WindowSampler(const std::array<int64_t, 3> & window, const AugmentationOptions & options = {});

  TrainingWindow
  operator()(const TrainingCase & trainingCase, RandomStream & random) const;

private:
  std::array<int64_t, 3> m_Window;
  AugmentationOptions    m_Options;
};
} // namespace sam

#endif
