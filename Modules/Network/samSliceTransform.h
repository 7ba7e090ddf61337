// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSliceTransform_h
#define samSliceTransform_h

#include "samImageTransform.h"
#include "samPlan.h"

namespace sam
{
/** \class SliceTransform
 * \brief How a plan's preprocessing brings slices of one size to the square that a promptable network sees, and its
 * masks back.
 *
 * Fit longest_side is SAM's: the longer side fills the square, zeros lie below and to the right. Fit square is
 * MedSAM's: both sides are stretched to the square.
 */
class SegmentAnything_EXPORT SliceTransform
{
public:
  /** \throws Error when the plan's fit is another one. */
  SliceTransform(const Plan & plan, const ImageSize & size);

  /** Pixels of a side of the square. */
  int64_t
  GetSide() const
  {
    return m_Side;
  }

  /** Rows and columns of the part of the square that the slice fills. */
  const ImageSize &
  GetResizedSize() const
  {
    return m_ResizedSize;
  }

  /** The encoder's input 1×C×1×S×S from a slice C×H×W of uint8. */
  at::Tensor
  PrepareImage(const at::Tensor & slice) const;

  /** Where the encoder of prompts takes points: ...×2 (x, y in pixels of the slice, centers at whole numbers) as
   * fractions of the square, in the published order of operations. */
  at::Tensor
  PreparePoints(const at::Tensor & points) const;

  /** Mask logits 1×1×4h×4w that stand for a mask H×W of zeros and ones: the logarithm of the odds of each logit's
   * coverage, limited to ±6.9 (one in a thousand); −6.9 in the padding. */
  at::Tensor
  PrepareMask(const at::Tensor & mask) const;

  /** Mask logits P×M×4h×4w at the slice's size, P×M×H×W. Fit square interpolates probabilities, as MedSAM does. */
  at::Tensor
  RestoreMasks(const at::Tensor & logits) const;

private:
  Plan      m_Plan;
  ImageSize m_Size;
  int64_t   m_Side;
  ImageSize m_ResizedSize;
};
} // namespace sam

#endif
