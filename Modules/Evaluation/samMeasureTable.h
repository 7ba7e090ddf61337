// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samMeasureTable_h
#define samMeasureTable_h

#include "samEvaluation.h"

namespace sam
{
/** The measures of every case as a table for spreadsheets and statistics packages (CSV, RFC 4180): a row for each case
 * and label with case, group (where there are groups), label, name, dice, hd95_mm, mean_surface_distance_mm,
 * volume_prediction_mm3, volume_reference_mm3 (of 2-D images area_prediction_mm2, area_reference_mm2) and
 * relative_volume_difference. What has no value is empty. */
std::string
ToCsv(const EvaluationReport & report);
} // namespace sam

#endif
