// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCaseLoader_h
#define samCaseLoader_h

#include "samAugmentation.h"
#include "samDataset.h"
#include "samPlan.h"

#include <functional>
#include <string>

namespace sam
{
/** \class CaseLoader
 * \brief Cases as ReadTrainingCase() makes them, kept in a folder from one run to the next.
 *
 * A file of the folder is used when it was made from the same files (path, size, time of change) for the same
 * preprocessing and labels. It is mapped into memory, so that cases which are not used take none. Several processes may
 * share a folder: files appear complete, whoever comes last wins with the same content.
 */
class CaseLoader
{
public:
  /** An empty \a folder: nothing is kept. In another one, temporary files older than a day are removed. \a warn is told
   * when a file cannot be written, which is no error. */
  CaseLoader(const Plan &                                     plan,
             const Dataset &                                  dataset,
             std::string                                      folder,
             std::function<void(const std::string & message)> warn = {});

  /** \throws Error naming the file of the case and what is wrong with it. */
  TrainingCase
  Load(const DatasetCase & description);

  /** Cases that Load() had to read and prepare. */
  int64_t
  GetNumberOfPreparedCases() const
  {
    return m_NumberOfPreparedCases;
  }

private:
  /** Everything on which the prepared case depends. */
  std::string
  MakeKey(const DatasetCase & description) const;

  const Plan &                             m_Plan;
  const Dataset &                          m_Dataset;
  std::string                              m_Folder;
  std::function<void(const std::string &)> m_Warn;
  int64_t                                  m_NumberOfPreparedCases{ 0 };
};
} // namespace sam

#endif
