// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef itkSamAutomaticMask_h
#define itkSamAutomaticMask_h

#include "itkIntTypes.h"

#include <array>
#include <cstdint>
#include <vector>

namespace itk
{
/** \class SamAutomaticMaskOptions
 * \brief How the masks of everything on a slice are made, see SamAutomaticMaskImageFilter.
 * \ingroup SegmentAnything
 */
struct SamAutomaticMaskOptions
{
  unsigned int  pointsPerSide{ 32 };
  unsigned int  pointsPerBatch{ 64 };
  double        predIouThresh{ 0.88 };
  double        stabilityScoreThresh{ 0.95 };
  double        stabilityScoreOffset{ 1.0 };
  double        boxNmsThresh{ 0.7 };
  unsigned int  cropNLayers{ 0 };
  double        cropNmsThresh{ 0.7 };
  double        cropOverlapRatio{ 512.0 / 1500.0 };
  unsigned int  cropNPointsDownscaleFactor{ 1 };
  SizeValueType minMaskRegionArea{ 0 };
};

/** \class SamAutomaticMask
 * \brief A mask of everything mode. Columns and rows are those of the slice as the model sees it.
 * \ingroup SegmentAnything
 */
struct SamAutomaticMask
{
  using BoxType = std::array<IndexValueType, 4>;

  std::vector<uint32_t> runs; ///< lengths down the columns, one after the other: background first, then in turns (COCO)
  SizeValueType         area{ 0 };              ///< pixels
  BoxType               box{};                  ///< first column and row, last column and row
  float                 predictedIou{ 0.0f };   ///< overlap (IoU) with the truth that the model expects
  float                 stabilityScore{ 0.0f }; ///< overlap of the masks of a higher and a lower cut through the logits
  std::array<double, 2> point{};                ///< column and row of the prompt
  BoxType               cropBox{};              ///< first column and row, those after the last
};
} // namespace itk

#endif
