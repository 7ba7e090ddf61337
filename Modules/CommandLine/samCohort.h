// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samCohort_h
#define samCohort_h

#include "samSegmentation.h"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace sam
{
/** Part of the cases that one of several programs takes: every \c count-th from the \c part-th on. */
struct Shard
{
  size_t part{ 0 };
  size_t count{ 1 };
};

/** "K/N", K from 0 to N - 1. \throws Error naming the option. */
Shard
ParseShard(const std::string & option, const std::string & text);

/** The jobs of \a given, whose image is an image, the folder of a DICOM series, a folder of them or a text file (.txt)
 * with the path of one in each line (relative paths start in the folder of the text file; lines that begin with # are
 * left out). For a folder or a list, label maps get the names of the images in the folder \c given.output (those of
 * series NAME.nii.gz, of JPEG NAME.png), and statistics, previews and maps (.nrrd) their stems in folders of their
 * own; these folders are made. Files of the further ones of \a channels are no cases, and where all images have
 * nnU-Net's _0000 for the first channel, their names lose it. Each shard gets its part of the jobs, which may be none.
 * \throws Error naming the folder or list when it has no image, the file that is missing, or two images of a list that
 * have the same name. */
std::vector<SegmentationJob>
MakeJobs(const SegmentationJob & given, const Shard & shard, size_t channels);

/** Whether all that a job writes is there. Files are complete as soon as they have their names. */
bool
IsDone(const SegmentationJob & job);

/** The job that takes the most memory, and how much; of those that \a isSkipped picks none. What is wrong with a job is
 * told in its turn: without one whose header can be read the text is empty. */
std::pair<std::string, MemoryEstimate>
FindMostMemory(const std::vector<itk::SamModel::ConstPointer> &         models,
               const std::vector<SegmentationJob> &                     jobs,
               const std::function<bool(const SegmentationJob & job)> & isSkipped);

/** \class CohortReport
 * \brief What became of each case and which models it was made with, for programs to read.
 */
class CohortReport
{
public:
  /** Empty \a path: nothing is written. */
  CohortReport(std::string path, const std::vector<itk::SamModel::ConstPointer> & models, const Shard & shard);

  /** \a status is segmented, skipped or failed, with the mistake as \a message. The file is written anew.
   * \throws Error when it cannot be. */
  void
  Add(const SegmentationJob & job,
      const std::string &     status,
      double                  seconds,
      const std::string &     message = {},
      const MemoryUse &       memory = {});

private:
  struct Case
  {
    std::string image;
    std::string output;
    std::string status;
    double      seconds;
    std::string message;
    MemoryUse   memory;
  };

  void
  Write() const;

  std::string              m_Path;
  std::vector<std::string> m_Models;
  std::vector<std::string> m_Hashes; ///< of the models
  Shard                    m_Shard;
  std::vector<Case>        m_Cases;
};
} // namespace sam

#endif
