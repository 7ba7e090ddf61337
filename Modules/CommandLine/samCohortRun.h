// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCohortRun_h
#define samCohortRun_h

#include "samCohort.h"
#include "samCommandLine.h"

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace sam
{
/** How a cohort went. */
struct CohortOutcome
{
  size_t                                failed{ 0 };
  std::pair<std::uint64_t, std::string> peak; ///< bytes, and of which image; 0 with several devices
};

/** Segment all jobs but those that \a isSkipped picks. \a ofDevices has the models of each device: on each one job
 * runs at a time, and the next that is left follows. Of several jobs one that fails is a warning, and does not stop
 * the others. Memory is counted by program, so that nothing is told of it with several devices.
 * \throws Interrupted, the mistake of the one job, and Error when the report cannot be written. */
CohortOutcome
SegmentCohort(CommandLine &                                                 line,
              const std::vector<std::vector<itk::SamModel::ConstPointer>> & ofDevices,
              const std::vector<SegmentationJob> &                          jobs,
              const std::function<bool(const SegmentationJob & job)> &      isSkipped,
              CohortReport &                                                report);
} // namespace sam

#endif
