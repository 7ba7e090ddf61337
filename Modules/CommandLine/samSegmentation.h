// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSegmentation_h
#define samSegmentation_h

#include "samRegion.h"

#include "itkSamModel.h"

#include <functional>
#include <set>
#include <string>
#include <vector>

namespace sam
{
/** What is done with one image. Empty paths are not written. */
struct SegmentationJob
{
  std::string         image;
  std::string         output;                    ///< label map on the image's grid
  std::string         statistics;                ///< JSON
  std::string         preview;                   ///< PNG
  std::vector<Region> regions;                   ///< none: the whole image
  std::set<int>       labels;                    ///< of the label map, statistics and preview; none: all
  bool                largestComponent{ false }; ///< of each label only that one is kept
  double              minimumSize{ 0.0 };        ///< mm³ of each component
  bool                fillsHoles{ false };

  std::vector<unsigned int> mirrorAxes; ///< see SamSegmentationImageFilter::SetMirrorAxes
};

/** Segment an image file with the mean of some models (the first is written down) and write what the job asks for:
 * everything or nothing.
 * \a progress is called with the fraction done and may throw to stop.
 * \throws Error naming the file and what is wrong with it. */
void
Segment(const std::vector<itk::SamModel::ConstPointer> & models,
        const SegmentationJob &                          job,
        const std::function<void(double)> &              progress);

/** Values of the labels that \a text lists by name or value, separated by commas.
 * \throws Error naming the option, the word that the model does not have, and those that it has. */
std::set<int>
ParseLabels(const std::string & option, const std::string & text, const itk::SamModel * model);

/** The images in a folder, by name: files whose ending an image format of ITK claims. */
std::vector<std::string>
FindImages(const std::string & folder);
} // namespace sam

#endif
