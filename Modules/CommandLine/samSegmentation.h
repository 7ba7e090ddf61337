// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSegmentation_h
#define samSegmentation_h

#include "samLabelTable.h"
#include "samRegion.h"

#include "itkSamModel.h"

#include "itkPoint.h"
#include "itkVector.h"

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
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
  std::string         uncertainty;               ///< image of one minus the largest probability
  std::vector<Region> regions;                   ///< none: the whole image
  bool                cropsToBody{ false };      ///< the region of FindBody(), instead of some regions
  std::set<int>       labels;                    ///< of the label map, statistics and preview; none: all
  bool                largestComponent{ false }; ///< of each label only that one is kept
  double              minimumSize{ 0.0 };        ///< mm³ of each component
  bool                fillsHoles{ false };

  std::map<int, std::string> probabilities; ///< image of the probability of a label, by its value

  std::uint64_t memoryLimit{ 0 }; ///< bytes; 0: none

  std::vector<unsigned int> mirrorAxes; ///< see SamSegmentationImageFilter::SetMirrorAxes
};

/** The images that a job writes, and all its files; the label map comes first. */
std::vector<std::string>
GetImageOutputs(const SegmentationJob & job);
std::vector<std::string>
GetOutputs(const SegmentationJob & job);

/** The memory that a job will take beside other programs, by the plan of the model and the size of the image. */
struct MemoryEstimate
{
  std::uint64_t bytes{ 0 };
  std::string   text; ///< "about 1.2G (program and model 200M, image ...), in 3 parts"
};

/** \throws Error as Segment(): the image's header is read, its pixels are not. */
MemoryEstimate
EstimateMemory(const std::vector<itk::SamModel::ConstPointer> & models, const SegmentationJob & job);

/** What a job took, in bytes. */
struct MemoryUse
{
  std::uint64_t estimate{ 0 };
  std::uint64_t peak{ 0 }; ///< of the program; 0 where the system does not tell
};

/** Segment an image file with the mean of some models (the first is written down) and write what the job asks for:
 * everything or nothing. With a memory limit, the image is read and segmented in parts along its slowest axis where
 * the whole takes more; the label map is collected, or written in parts, too. It is the same.
 * \a progress is called with the fraction done and may throw to stop; \a print, when given, with a line about memory
 * before the work and one after it; \a warn, when given, before the work where the machine has less memory or
 * a direction was repaired.
 * \throws Error naming the file and what is wrong with it; also when the limit cannot be kept, with the smallest one
 * that can. */
MemoryUse
Segment(const std::vector<itk::SamModel::ConstPointer> & models,
        const SegmentationJob &                          job,
        const std::function<void(double)> &              progress,
        const std::function<void(const std::string &)> & print = {},
        const std::function<void(const std::string &)> & warn = {});

/** The labels of a model without the background; those of \a chosen alone, when there are some. */
LabelTable
GetLabels(const itk::SamModel * model, const std::set<int> & chosen = {});

/** Whether all label values fit a byte. */
bool
HasSmallLabels(const itk::SamModel * model);

/** Tell a filter the regions that it works on. */
template <typename TFilter>
void
AddRegions(TFilter * filter, const std::vector<Region> & regions)
{
  constexpr unsigned int dimension = TFilter::ImageDimension;
  for (const auto & region : regions)
  {
    filter->AddRegionOfInterest(itk::Point<double, dimension>(region.center.data()),
                                itk::Vector<double, dimension>(region.size.data()));
  }
}

/** Do what the job asks for with the labels of a label map: keep some, the largest components, ... */
template <typename TLabelImage>
void
CleanLabels(TLabelImage * labels, const SegmentationJob & job);

/** Values of the labels that \a text lists by name or value, separated by commas.
 * \throws Error naming the option, the word that the model does not have, and those that it has. */
std::set<int>
ParseLabels(const std::string & option, const std::string & text, const itk::SamModel * model);

/** Value of the label and file of "LABEL=FILE", the label by name or value, the background too.
 * \throws Error naming the option, and the labels when there is none such. */
std::pair<int, std::string>
ParseProbability(const std::string & option, const std::string & text, const itk::SamModel * model);

/** The images in a folder, by name: files whose ending an image format of ITK claims, be they broken or not, or that
 * one reads, and folders of DICOM series. Names that begin with a point are left out. */
std::vector<std::string>
FindImages(const std::string & folder);
} // namespace sam

#endif
