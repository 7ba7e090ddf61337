// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samEvaluationArguments_h
#define samEvaluationArguments_h

#include "samCommandLine.h"
#include "samEvaluation.h"

namespace sam
{
/** \class EvaluationArguments
 * \brief The options of programs that measure label maps: --dataset and --labels.
 */
class EvaluationArguments
{
public:
  /** \a verb is what the program does with the labels, such as compare. */
  EvaluationArguments(CommandLine & line, const std::string & verb)
    : m_Line(line)
    , m_Dataset("",
                "dataset",
                "A dataset.json, or its folder: which labels there are, and their names.",
                false,
                "",
                "FILE|DIR",
                line.GetParser())
    , m_Labels("",
               "labels",
               "The labels to " + verb + ", such as 1,2. Default: those of --dataset, or all that are found.",
               false,
               "",
               "LIST",
               line.GetParser())
  {}

  /** What was given, with progress and warnings on the terminal. Call it behind CommandLine::Parse(). */
  EvaluationOptions
  Read()
  {
    EvaluationOptions options;
    if (m_Dataset.isSet())
    {
      options.table = ReadLabelTable(m_Dataset.getValue());
    }
    if (m_Labels.isSet())
    {
      options.labels = ParseIntegers("--labels", m_Labels.getValue());
    }
    options.progress = [this](std::size_t done, std::size_t total, const std::string & name) {
      ThrowIfInterrupted();
      m_Line.ShowProgress(static_cast<double>(done) / static_cast<double>(total), name);
    };
    options.warning = [this](const std::string & text) { m_Line.Warn(text); };
    return options;
  }

private:
  CommandLine &                m_Line;
  TCLAP::ValueArg<std::string> m_Dataset;
  TCLAP::ValueArg<std::string> m_Labels;
};
} // namespace sam

#endif
