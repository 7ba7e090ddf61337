// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortRun.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <mutex>
#include <numeric>
#include <optional>
#include <thread>

namespace sam
{
namespace
{
using Models = std::vector<itk::SamModel::ConstPointer>;

/** What the devices share. */
class CohortRun
{
public:
  CohortRun(CommandLine &                                            line,
            const std::vector<SegmentationJob> &                     jobs,
            const std::function<bool(const SegmentationJob & job)> & isSkipped,
            CohortReport &                                           report,
            size_t                                                   devices)
    : m_Line(line)
    , m_Jobs(jobs)
    , m_IsSkipped(isSkipped)
    , m_Report(report)
    , m_Fractions(devices, 0.0)
  {}

  /** Takes jobs until none is left, or one device cannot go on. */
  void
  Work(size_t device, const Models & models)
  {
    try
    {
      while (const auto job = this->Take())
      {
        this->Run(*job, device, models);
      }
    }
    catch (...)
    {
      const std::lock_guard lock(m_Mutex);
      m_Exception = m_Exception ? m_Exception : std::current_exception();
    }
  }

  CohortOutcome
  GetOutcome() const
  {
    if (m_Exception)
    {
      std::rethrow_exception(m_Exception);
    }
    return m_Outcome;
  }

private:
  std::optional<size_t>
  Take()
  {
    const std::lock_guard lock(m_Mutex);
    return m_Exception || m_Next == m_Jobs.size() ? std::nullopt : std::optional(m_Next++);
  }

  void
  Run(size_t number, size_t device, const Models & models)
  {
    const auto & job = m_Jobs[number];
    if (m_IsSkipped(job))
    {
      this->Finish(device, job, "skipped", 0.0, job.image + ": " + job.output + " is there\n");
      return;
    }
    const auto start = std::chrono::steady_clock::now();
    const auto seconds = [start] {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    };
    try
    {
      const auto print = [this](const std::string & text) { m_Line.Print(text); };
      const auto memory = Segment(
        models,
        job,
        [&](double fraction) { this->ShowProgress(device, job, fraction); },
        m_Jobs.size() > 1 ? std::function<void(const std::string &)>() : print,
        [this](const std::string & text) { this->Warn(text); });
      this->Finish(device, job, "segmented", seconds(), job.image + " -> " + job.output + "\n", memory);
    }
    catch (const Interrupted &)
    {
      throw;
    }
    catch (...)
    {
      const auto            message = DescribeException();
      const std::lock_guard lock(m_Mutex);
      m_Report.Add(job, "failed", seconds(), message);
      if (m_Jobs.size() == 1)
      {
        throw;
      }
      // The other cases of a cohort do not wait for one that is broken, or for which memory does not suffice.
      m_Line.Warn(message);
      this->Count(device);
      ++m_Outcome.failed;
    }
  }

  void
  Finish(size_t                  device,
         const SegmentationJob & job,
         const std::string &     status,
         double                  seconds,
         const std::string &     text,
         MemoryUse               memory = {})
  {
    const std::lock_guard lock(m_Mutex);
    memory = m_Fractions.size() == 1 ? memory : MemoryUse();
    m_Outcome.peak = std::max(m_Outcome.peak, { memory.peak, job.image });
    m_Report.Add(job, status, seconds, {}, memory);
    m_Line.Print(text);
    this->Count(device);
  }

  /** One more is done. */
  void
  Count(size_t device)
  {
    m_Fractions[device] = 0.0;
    ++m_Done;
  }

  void
  ShowProgress(size_t device, const SegmentationJob & job, double fraction)
  {
    ThrowIfInterrupted();
    const std::lock_guard lock(m_Mutex);
    m_Fractions[device] = fraction;
    const double done = std::accumulate(m_Fractions.begin(), m_Fractions.end(), static_cast<double>(m_Done));
    m_Line.ShowProgress(done / static_cast<double>(m_Jobs.size()), job.image);
  }

  void
  Warn(const std::string & text)
  {
    const std::lock_guard lock(m_Mutex);
    m_Line.Warn(text);
  }

  CommandLine &                                            m_Line;
  const std::vector<SegmentationJob> &                     m_Jobs;
  const std::function<bool(const SegmentationJob & job)> & m_IsSkipped;
  CohortReport &                                           m_Report;
  std::mutex                                               m_Mutex; ///< of all that follows, the line and the report
  std::vector<double>                                      m_Fractions; ///< of the job of each device
  size_t                                                   m_Next{ 0 };
  size_t                                                   m_Done{ 0 };
  CohortOutcome                                            m_Outcome;
  std::exception_ptr                                       m_Exception; ///< the first one
};
} // namespace

CohortOutcome
SegmentCohort(CommandLine &                                            line,
              const std::vector<Models> &                              ofDevices,
              const std::vector<SegmentationJob> &                     jobs,
              const std::function<bool(const SegmentationJob & job)> & isSkipped,
              CohortReport &                                           report)
{
  CohortRun                run(line, jobs, isSkipped, report, ofDevices.size());
  std::vector<std::thread> others;
  for (size_t device = 1; device < ofDevices.size(); ++device)
  {
    others.emplace_back([&run, &ofDevices, device] { run.Work(device, ofDevices[device]); });
  }
  run.Work(0, ofDevices.front());
  std::for_each(others.begin(), others.end(), [](std::thread & other) { other.join(); });
  return run.GetOutcome();
}
} // namespace sam
