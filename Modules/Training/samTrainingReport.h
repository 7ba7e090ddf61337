// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingReport_h
#define samTrainingReport_h

#include "samTrainingState.h"
#include "samValidation.h"

namespace sam
{
/** A run as one HTML page that needs no other file: curves of loss, learning rate and Dice per label, Dice of every
 * validation case, pictures of the worst ones beside their reference, plan and recipe. Pictures pass through a file in
 * \a folder, which is removed. */
std::string
MakeTrainingReport(const TrainingState &             state,
                   const std::string &               dataset,
                   const std::vector<TrainingCase> & cases,
                   const Validation &                validation,
                   const std::string &               folder);
} // namespace sam

#endif
