// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonProcess.h"

#include "itkCommand.h"

namespace sam
{
PythonProcess::PythonProcess(nanobind::callable notify)
  : m_Notify(std::move(notify))
{}

void
CheckSignals()
{
  const nanobind::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() != 0)
  {
    throw nanobind::python_error();
  }
}

void
PythonProcess::Notify(const char * event)
{
  const nanobind::gil_scoped_acquire locked;
  m_Notify(event);
  CheckSignals();
}

void
PythonProcess::Run(const std::function<void(const std::function<void(double)> & progress)> & action)
{
  m_Abort = false;
  m_Progress = 0.0;
  this->Notify("Start");
  try
  {
    action([this](double fraction) {
      m_Progress = fraction;
      this->Notify("Progress");
      if (m_Abort)
      {
        throw Aborted();
      }
    });
  }
  catch (const Aborted &)
  {
    this->Notify("Abort");
    throw;
  }
  m_Progress = 1.0;
  this->Notify("End");
}

void
PythonProcess::Run(itk::ProcessObject * filter)
{
  this->Run([filter](const std::function<void(double)> & progress) {
    // Nothing is thrown through the filter's code: it is asked to stop.
    std::exception_ptr stopped;
    const auto         observer = filter->AddObserver(itk::ProgressEvent(), [&](const itk::EventObject &) {
      try
      {
        if (!stopped)
        {
          progress(filter->GetProgress());
        }
      }
      catch (...)
      {
        stopped = std::current_exception();
        filter->AbortGenerateDataOn();
      }
    });
    try
    {
      filter->Update();
      filter->RemoveObserver(observer);
    }
    catch (...)
    {
      filter->RemoveObserver(observer);
      filter->AbortGenerateDataOff();
      if (stopped)
      {
        std::rethrow_exception(stopped);
      }
      throw;
    }
    if (stopped)
    {
      filter->AbortGenerateDataOff();
      std::rethrow_exception(stopped);
    }
  });
}

void
BindProcess(nanobind::module_ & module)
{
  namespace nb = nanobind;
  nb::class_<PythonProcess>(module, "Process", "One run of a filter: its events, its progress, and how it is stopped.")
    .def(nb::init<nb::callable>(), nb::arg("notify"))
    .def("abort", &PythonProcess::Abort)
    .def_prop_ro("progress", &PythonProcess::GetProgress);
}
} // namespace sam
