// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samEvaluation_h
#define samEvaluation_h

#include "samLabelTable.h"
#include "samOverlap.h"
#include "samSiteTable.h"
#include "samSurfaceDistance.h"

#include <functional>

namespace sam
{
/** \class EvaluationOptions
 * \brief What is compared, and who is told about it.
 */
struct EvaluationOptions
{
  /** The labels to compare; when empty those of the table, and without a table those found in any of the images. */
  std::vector<int> labels;
  /** Names of the labels. When empty, those in the headers of the files count, case by case, of
   * each the reference's first. */
  LabelTable table;
  /** New values, applied before anything else; when not empty, values that are not mentioned become background. */
  std::map<int, int> predictionMap;
  std::map<int, int> referenceMap;
  /** When not empty, what lies in none of these boxes is background in both images. */
  std::vector<Region> regions;
  /** When set, every case belongs to a group, its site in this table. */
  std::optional<SiteTable> groups;
  /** The group that the others are compared with; empty: none. */
  std::string sourceGroup;
  /** Called before each case with its place, the number of cases and its name; may throw to stop. */
  std::function<void(std::size_t, std::size_t, const std::string &)> progress;
  /** Called with one line for what is unusual without being a mistake. */
  std::function<void(const std::string &)> warning;
};

/** \class LabelMetrics
 * \brief One label of one case.
 */
struct LabelMetrics
{
  Overlap         overlap;
  SurfaceDistance surface;
};

/** \class CaseMetrics
 * \brief One pair of images.
 */
struct CaseMetrics
{
  std::string                 name;
  std::string                 prediction;
  std::string                 reference;
  std::string                 group; ///< empty without EvaluationOptions::groups
  unsigned int                dimension{ 3 };
  std::map<int, LabelMetrics> labels;
};

/** \class Summary
 * \brief The distribution of one measure over the cases that have a value of it.
 */
struct Summary
{
  std::size_t           cases{ 0 };
  std::optional<double> mean;
  std::optional<double> standardDeviation; ///< of the sample (n-1); no value for fewer than two cases
  std::optional<double> median;
  std::optional<double> minimum;
  std::optional<double> maximum;
};

/** Summarizes the values; those that are missing are left out. */
Summary
Summarize(const std::vector<std::optional<double>> & values);

/** \class LabelSummary
 * \brief One label over all cases.
 */
struct LabelSummary
{
  Summary     dice;
  Summary     hd95;
  Summary     meanSurfaceDistance;
  Summary     relativeVolumeDifference;
  std::size_t cases{ 0 };    ///< all cases
  std::size_t empty{ 0 };    ///< cases with the label in neither image
  std::size_t missed{ 0 };   ///< cases with the label in the reference only
  std::size_t spurious{ 0 }; ///< cases with the label in the prediction only
};

/** \class EvaluationReport
 * \brief The measures of every case, and their summaries.
 */
struct EvaluationReport
{
  std::string                 prediction;
  std::string                 reference;
  std::string                 sourceGroup; ///< as in EvaluationOptions
  LabelTable                  labels;
  std::vector<CaseMetrics>    cases;
  std::map<int, LabelSummary> summaries;
  /** Means over the labels of the labels' means. */
  std::optional<double> dice;
  std::optional<double> hd95;
  std::optional<double> meanSurfaceDistance;
  /** Files of the prediction folder without a reference: they are not counted. */
  std::vector<std::string> extraPredictions;
};

/** Compares two files, or each file of the reference folder with the prediction of the same name. The extension may
 * differ (case1.nii.gz and case1.nrrd). Hidden files and files that are no images by their extension are passed over.
 *
 * Throws sam::Error when a prediction is missing, two files of a folder differ in their extension only, a file cannot
 * be read, the grids of a pair differ, a case has no group, or none has the source group: groups are looked up before
 * the first image is read. A prediction without reference is a warning and is not counted. */
EvaluationReport
Evaluate(const std::string & prediction, const std::string & reference, const EvaluationOptions & options = {});

/** The same for two images in memory, as the only case; options' maps and regions change them. */
template <unsigned int VDimension>
EvaluationReport
EvaluateImages(LabelImage<VDimension> *  prediction,
               LabelImage<VDimension> *  reference,
               const EvaluationOptions & options = {});

/** The labels that the options ask for, each once; empty: all that are found. */
std::vector<int>
GetAskedLabels(const EvaluationOptions & options);

/** Names and colors for the report's labels out of its files' headers, where the options have no table and no map gave
 * the values of a file another meaning. */
void
NameLabels(EvaluationReport & report, const EvaluationOptions & options);

/** Recomputes labels' and overall summaries from the cases. */
void
SummarizeCases(EvaluationReport & report);

struct GroupReport;

/** The report as JSON text, with the entry "groups" where \a groups are given; measures without a value are null. */
std::string
ToJson(const EvaluationReport & report, const GroupReport * groups = nullptr);

/** The summary as a table of text lines. */
std::string
ToTable(const EvaluationReport & report);

/** The label images of a folder, or the one of a file, by the names of their cases.
 * \throws Error when there are none, or two for one case. */
std::map<std::string, std::string>
ListLabelImages(const std::string & path);

/** The file name without its folder and its image extension: "case1" for "a/case1.nii.gz". */
std::string
GetCaseName(const std::string & path);
} // namespace sam

#endif
