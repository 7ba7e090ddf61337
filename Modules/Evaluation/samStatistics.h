// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samStatistics_h
#define samStatistics_h

#include "samLabelImage.h"
#include "samLabelTable.h"

#include <cstdint>
#include <optional>

namespace sam
{
/** \class LabelStatistics
 * \brief Amount, place and gray values of one label. Positions are physical (LPS), in mm.
 */
struct LabelStatistics
{
  int           value{ 0 };
  std::uint64_t voxels{ 0 };
  double        volume{ 0.0 }; ///< mm³, in two dimensions mm²
  /** Mean of the pixel centers; not set, as the following, without pixels. */
  std::optional<std::array<double, 3>> centroid;
  /** The smallest box with faces along the axes of the patient that holds the pixels whole, not their centers only. */
  std::optional<std::array<double, 3>> boundsMinimum;
  std::optional<std::array<double, 3>> boundsMaximum;
  /** Mean and standard deviation (of the sample, n-1) of the image under the label; not set without an image. */
  std::optional<double> mean;
  std::optional<double> standardDeviation;
};

/** The statistics of each value, in their order. \c image may be null; \c region restricts to pixels whose centers it
 * contains, null means everywhere. Throws sam::Error when the grids differ. */
template <typename TLabelImage>
std::vector<LabelStatistics>
ComputeStatistics(const TLabelImage *                                    labels,
                  const itk::Image<float, TLabelImage::ImageDimension> * image,
                  const std::vector<int> &                               values,
                  const Region *                                         region = nullptr);

/** \class StatisticsReport
 * \brief What statistics.json holds: everywhere and, when there are several, in each region.
 */
struct StatisticsReport
{
  std::string                               image;
  std::string                               model;
  std::string                               version;     ///< of this software
  std::vector<std::string>                  modelHashes; ///< MD5 of the models
  unsigned int                              dimension{ 3 };
  LabelTable                                table;
  std::vector<LabelStatistics>              labels;
  std::vector<Region>                       regions;
  std::vector<std::vector<LabelStatistics>> regionLabels;
};

/** The statistics of the labels of the table, everywhere and, when there are several regions, in each of them.
 * \c imageName and \c modelName are only written down. */
template <typename TLabelImage>
StatisticsReport
MakeStatisticsReport(const TLabelImage *                                    labels,
                     const itk::Image<float, TLabelImage::ImageDimension> * image,
                     const LabelTable &                                     table,
                     const std::vector<Region> &                            regions,
                     const std::string &                                    imageName,
                     const std::string &                                    modelName);

/** The report as JSON text: image, model, version and models_md5 where they are set, labels [{value, name, voxels,
 * volume_mm3, centroid_mm, bounding_box_mm, mean, standard_deviation}] and, for several regions, regions [{center_mm,
 * size_mm, labels}]. What has no value is null; a 2-D image has area_mm2 and two coordinates. */
std::string
ToJson(const StatisticsReport & report);
} // namespace sam

#endif
