// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMaskGenerator_h
#define samMaskGenerator_h

#include "samAutomaticMasks.h"
#include "samNetwork.h"

#include <array>
#include <cstdint>
#include <vector>

namespace sam
{
/** SAM's "everything mode": a grid of points prompts the network, what is good and no duplicate remains. Defaults are
 * those of the published SamAutomaticMaskGenerator. */
struct AutomaticMaskOptions
{
  int64_t pointsPerSide{ 32 };
  int64_t pointsPerBatch{ 64 };
  double  qualityThreshold{ 0.88 };           ///< masks of which the network expects more overlap than that; 0: all
  double  stabilityThreshold{ 0.95 };         ///< least StabilityScore() of the logits at the image's size; 0: all
  double  stabilityOffset{ 1.0 };             ///< of that, logits
  double  boxOverlapThreshold{ 0.7 };         ///< among masks whose boxes overlap (IoU) more than that the best remains
  int64_t cropLayers{ 0 };                    ///< layer k looks at 2^k × 2^k parts of the image again, larger
  double  cropBoxOverlapThreshold{ 0.7 };     ///< as boxOverlapThreshold between crops, smaller crops first
  double  cropOverlapRatio{ 512.0 / 1500.0 }; ///< overlap of the first layer's crops, of the image's shorter side
  int64_t cropPointsDownscale{ 1 };           ///< layer k has pointsPerSide / downscale^k points per side
  int64_t minimumRegionArea{ 0 };             ///< pixels; islands and holes that are smaller are removed
};

/** A mask and how it came about. */
struct AutomaticMask
{
  std::vector<uint32_t>  runs;      ///< lengths down the columns, one after the other: background first, then in turns
  int64_t                area{ 0 }; ///< pixels
  std::array<int64_t, 4> box{};     ///< first and last pixels
  float                  quality{ 0.0f };   ///< overlap (IoU) with the truth that the network expects
  float                  stability{ 0.0f }; ///< StabilityScore()
  std::array<double, 2>  point{};           ///< x, y of the prompt, pixels
  CropBox                crop{};            ///< the part of the image that it was found in
};

/** Run lengths of a mask H×W (bool) as in AutomaticMask, and back. */
SegmentAnything_EXPORT std::vector<uint32_t>
                       EncodeRuns(const at::Tensor & mask);
SegmentAnything_EXPORT at::Tensor
                       DecodeRuns(const std::vector<uint32_t> & runs, const ImageSize & size);

/** Remove islands of a mask H×W (bool) and fill its holes where they have less than \a area pixels; pixels are
 * neighbors across corners too. Of islands that are all smaller the largest remains. Whether something changed is the
 * second. */
SegmentAnything_EXPORT std::pair<at::Tensor, bool>
                       RemoveSmallRegions(const at::Tensor & mask, int64_t area);

/** All masks of a slice C×H×W of uint8, found on the network's device; at most a few of them at a time at the image's
 * size.
 * \throws Error naming the option that is out of range. */
SegmentAnything_EXPORT std::vector<AutomaticMask>
                       GenerateMasks(const Network &              network,
                                     const at::Tensor &           slice,
                                     const AutomaticMaskOptions & options,
                                     const ProgressFunction &     progress = {});
} // namespace sam

#endif
