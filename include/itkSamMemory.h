// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamMemory_h
#define itkSamMemory_h

#include "itkIntTypes.h"

#include <algorithm>

namespace itk
{
/** \class SamMemory
 * \brief Bytes that a segmentation takes at its peak, by what they hold.
 * \ingroup SegmentAnything
 */
struct SamMemory
{
  SizeValueType image{ 0 };         ///< the input's pixels
  SizeValueType intensities{ 0 };   ///< the same on the model's grid
  SizeValueType probabilities{ 0 }; ///< of the labels in the slices of a window, and answers that are kept
  SizeValueType network{ 0 };       ///< in one window
  SizeValueType labels{ 0 };        ///< the output's pixels

  SizeValueType
  GetTotal() const
  {
    return image + intensities + probabilities + network + labels;
  }

  /** Each the larger of both. */
  SamMemory
  Max(const SamMemory & other) const
  {
    SamMemory larger;
    larger.image = std::max(image, other.image);
    larger.intensities = std::max(intensities, other.intensities);
    larger.probabilities = std::max(probabilities, other.probabilities);
    larger.network = std::max(network, other.network);
    larger.labels = std::max(labels, other.labels);
    return larger;
  }
};
} // namespace itk

#endif
