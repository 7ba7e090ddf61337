// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samOverlap_h
#define samOverlap_h

#include "samLabelImage.h"

#include <cstdint>
#include <optional>

namespace sam
{
/** \class Overlap
 * \brief How much of one label a prediction and a reference have in common.
 */
struct Overlap
{
  std::uint64_t prediction{ 0 };    ///< pixels of the label in the prediction
  std::uint64_t reference{ 0 };     ///< pixels of the label in the reference
  std::uint64_t intersection{ 0 };  ///< pixels of the label in both
  double        pixelVolume{ 1.0 }; ///< mm³ per voxel, in two dimensions mm² per pixel

  /** The label is in neither image: there is nothing to measure. */
  bool
  IsEmpty() const
  {
    return prediction == 0 && reference == 0;
  }

  /** 2·|P∩R| / (|P|+|R|): 0 when one of the two is empty, no value when both are. */
  std::optional<double>
  GetDice() const
  {
    if (this->IsEmpty())
    {
      return std::nullopt;
    }
    return 2.0 * static_cast<double>(intersection) / (static_cast<double>(prediction) + static_cast<double>(reference));
  }

  /** In mm³, in two dimensions mm². */
  double
  GetPredictionVolume() const
  {
    return static_cast<double>(prediction) * pixelVolume;
  }
  double
  GetReferenceVolume() const
  {
    return static_cast<double>(reference) * pixelVolume;
  }

  /** (V_prediction - V_reference) / V_reference; no value when the reference is empty. */
  std::optional<double>
  GetRelativeVolumeDifference() const
  {
    if (reference == 0)
    {
      return std::nullopt;
    }
    return static_cast<double>(prediction) / static_cast<double>(reference) - 1.0;
  }
};

/** The overlap of each label, or of each value other than 0 found in either image when none is given.
 * Throws sam::Error when the grids differ. */
template <typename TLabelImage>
std::map<int, Overlap>
ComputeOverlap(const TLabelImage * prediction, const TLabelImage * reference, const std::vector<int> & labels = {});
} // namespace sam

#endif
