// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRunArguments_h
#define samRunArguments_h

#include "samCommandLine.h"
#include "samTrainingLoop.h"

namespace sam
{
/** A number given as text, with a decimal point in every locale; \a value stays where it is not given.
 * \throws Error naming the option. */
void
ReadNumber(TCLAP::ValueArg<std::string> & argument, double & value);

/** A number with so many digits behind the point. */
std::string
Fixed(double value, int digits);

/** Minutes as "m:ss". */
std::string
Clock(double minutes);

/** \class RunArguments
 * \brief The options that all programs have which train: how long, by which steps, on what, and to go on.
 */
class RunArguments
{
public:
  /** \a standard are the values where nothing is given, \a learningRate how that of them is written. */
  RunArguments(CommandLine & line, const RunOptions & standard, const std::string & learningRate);

  /** Call it behind CommandLine::Parse(). */
  void
  Read(RunOptions & options);

private:
  CommandLine &                  m_Line;
  TCLAP::SwitchArg               m_Resume;
  TCLAP::ValueArg<std::string>   m_Cache;
  TCLAP::ValueArg<long>          m_Epochs;
  TCLAP::ValueArg<long>          m_Steps;
  TCLAP::ValueArg<std::string>   m_MaximumMinutes;
  TCLAP::ValueArg<unsigned long> m_Seed;
  TCLAP::ValueArg<long>          m_Batch;
  TCLAP::ValueArg<long>          m_Accumulate;
  TCLAP::ValueArg<std::string>   m_LearningRate;
  TCLAP::ValueArg<std::string>   m_Optimizer;
  TCLAP::ValueArg<std::string>   m_Schedule;
  TCLAP::ValueArg<std::string>   m_WeightDecay;
  TCLAP::ValueArg<std::string>   m_GradientNorm;
  TCLAP::ValueArg<std::string>   m_AveragingDecay;
  TCLAP::ValueArg<std::string>   m_Precision;
  TCLAP::ValueArg<std::string>   m_Augmentation;
  TCLAP::ValueArg<std::string>   m_AugmentFrame;
  TCLAP::ValueArg<std::string>   m_AugmentZoom;
  TCLAP::ValueArg<std::string>   m_Mirror;
  TCLAP::ValueArg<std::string>   m_SaveInterval;
  TCLAP::ValueArg<long>          m_Loaders;
};

/** \class RunDisplay
 * \brief Tells a run's progress on the terminal.
 */
class RunDisplay
{
public:
  explicit RunDisplay(CommandLine & line)
    : m_Line(line)
  {}

  TrainingListener
  GetListener();

  /** Tell how it ended; \a text is for a run that was not interrupted. \throws Interrupted otherwise. */
  void
  Finish(const TrainingResult & result, const std::string & text);

private:
  void
  Show(const TrainingProgress & progress);

  CommandLine & m_Line;
};
} // namespace sam

#endif
