// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samBenchmarkReport_h
#define samBenchmarkReport_h

#include "samBenchmark.h"

#include <string>
#include <vector>

namespace sam
{
/** One measurement as a JSON object: its setting, seconds, floor_seconds, one_by_one_seconds, peak_bytes,
 * weight_bytes; what was not measured is left out. */
std::string
ToJson(const BenchmarkResult & result);

/** Several as an array. */
std::string
ToJson(const std::vector<BenchmarkResult> & results);

/** A table with one line per measurement. */
std::string
ToMarkdown(const std::vector<BenchmarkResult> & results);

/** Four panels, seconds against image size, slices, threads and prompts, drawn by gnuplot. The ending of \a path, .png
 * or .svg, says the format. \throws Error when gnuplot is not there or fails. */
void
WritePlot(const std::vector<BenchmarkResult> & results, const std::string & path);

/** \throws Error when the file cannot be written. */
void
WriteText(const std::string & path, const std::string & text);
} // namespace sam

#endif
