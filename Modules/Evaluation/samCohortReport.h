// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCohortReport_h
#define samCohortReport_h

#include "samEvaluation.h"
#include "samGroups.h"

#include <optional>
#include <string>

namespace sam
{
/** \class CohortPageOptions
 * \brief What a page about segmentations shows.
 */
struct CohortPageOptions
{
  std::string title;
  /** An image, or a folder of images named as the segmentations are, nnU-Net's _0000 behind it or not; empty: no
   * pictures. */
  std::string images;
  /** Cases that are shown in pictures: the worst by their mean Dice and, of three or more, the median and the best one;
   * without a reference the first ones. */
  std::size_t pictures{ 6 };
  /** Cases in the table at most, the worst first: a page of many thousands would not be opened any more. */
  std::size_t rows{ 1000 };
  /** How the report was measured: pictures show the labels with the same values in the same regions. */
  EvaluationOptions evaluation;
  /** The comparison of the report's groups, when there are some and a reference. */
  std::optional<GroupReport> groups;
};

/** The cases of a file or a folder of label images with their volumes alone, as Evaluate() lists them: there is no
 * reference, and measures have no value. Labels, predictions' values, regions, groups and progress are those of the
 * options.
 * \throws Error naming a file that is no label image, a folder without any, or a case that has no group. */
EvaluationReport
MeasureVolumes(const std::string & segmentation, const EvaluationOptions & options = {});

/** A page (HTML) that needs no other file: for each label the mean Dice, HD95 and volume, the same by group, a dot for
 * the Dice of each case, pictures of some cases with outlines beside those of the reference, and a table of the cases,
 * the worst first. Images are read one after the other. Figures stand in full in the attribute data-value of their
 * cells. Pictures pass through a file in \a folder.
 * \throws Error when an image is missing, or does not lie where its labels do. */
std::string
MakeCohortPage(const EvaluationReport & report, const CohortPageOptions & options, const std::string & folder);
} // namespace sam

#endif
