// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPythonProcess_h
#define samPythonProcess_h

#include "samCommandLine.h"
#include "samError.h"

#include "itkProcessObject.h"

#include <nanobind/nanobind.h>

#include <atomic>
#include <exception>
#include <functional>
#include <string>

namespace sam
{
/** \class Aborted
 * \brief Thrown where the caller asked to stop.
 */
class Aborted : public Error
{
public:
  Aborted()
    : Error("aborted")
  {}
};

/** Call \a action without the lock of the interpreter. What it throws becomes an Error with the line that the programs
 * would print. */
template <typename TAction>
auto
WithoutLock(const TAction & action)
{
  nanobind::gil_scoped_release unlocked;
  try
  {
    return action();
  }
  catch (const itk::ProcessAborted &)
  {
    throw Aborted();
  }
  catch (const Error &)
  {
    throw;
  }
  catch (const nanobind::python_error &)
  {
    throw;
  }
  catch (const std::exception &)
  {
    throw Error(DescribeException());
  }
}

/** \class PythonProcess
 * \brief One run of a filter as the caller sees it: its events and its progress, and how it is stopped.
 */
class PythonProcess
{
public:
  /** \a notify is called with the name of each event: Start, Progress, Abort, End. What it throws stops the run. */
  explicit PythonProcess(nanobind::callable notify);

  /** From any thread. */
  void
  Abort()
  {
    m_Abort = true;
  }

  double
  GetProgress() const
  {
    return m_Progress;
  }

  /** Update a filter, without the lock. \throws itk::ProcessAborted, and what a Python function threw. */
  void
  Run(itk::ProcessObject * filter);

  /** The same for what reports a fraction done. */
  void
  Run(const std::function<void(const std::function<void(double)> & progress)> & action);

private:
  void
  Notify(const char * event);

  nanobind::callable  m_Notify;
  std::atomic<bool>   m_Abort{ false };
  std::atomic<double> m_Progress{ 0.0 };
};

/** Take the lock and let Python answer Ctrl-C. \throws what its handler throws. */
void
CheckSignals();

void
BindProcess(nanobind::module_ & module);
} // namespace sam

#endif
