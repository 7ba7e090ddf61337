// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samEvaluationArguments_h
#define samEvaluationArguments_h

#include "samCommandLine.h"
#include "samDescribedLabels.h"
#include "samError.h"
#include "samGroups.h"
#include "samText.h"

#include <initializer_list>
#include <optional>
#include <sstream>

namespace sam
{
/** \class EvaluationArguments
 * \brief The options of programs that measure label maps: files, which labels, where, and by which groups.
 */
class EvaluationArguments
{
public:
  /** \a verb is what the program does with the labels, such as compare. */
  EvaluationArguments(CommandLine & line, const std::string & verb, bool needsReference)
    : m_Line(line)
    , m_Prediction("",
                   "prediction",
                   "The labels to " + verb + ": a file or a folder.",
                   true,
                   "",
                   "FILE|DIR",
                   line.GetParser())
    , m_Reference("",
                  "reference",
                  "The labels that count as true: a file or a folder.",
                  needsReference,
                  "",
                  "FILE|DIR",
                  line.GetParser())
    , m_Dataset("",
                "dataset",
                "A dataset.json, or its folder: which labels there are, and their names. Default: the names in the "
                "headers of the files, where there are some.",
                false,
                "",
                "FILE|DIR",
                line.GetParser())
    , m_Labels("",
               "labels",
               "The labels to " + verb +
                 ", such as 1,2, or their names in --dataset or, without one, in the first file's header. Default: "
                 "those of --dataset, or all that are found.",
               false,
               "",
               "LIST",
               line.GetParser())
    , m_MapPrediction("",
                      "map-prediction",
                      "Other values for the labels of the predictions, such as 1=1,2=1. What is not mentioned becomes "
                      "background.",
                      false,
                      "",
                      "MAP",
                      line.GetParser())
    , m_MapReference("",
                     "map-reference",
                     "The same for the references, such as 37=1.",
                     false,
                     "",
                     "MAP",
                     line.GetParser())
    , m_Region("",
               "region",
               "Look within a box only: cx,cy,cz,sx,sy,sz, center and size in mm (LPS). What lies outside counts as "
               "background. May be given several times.",
               false,
               "BOX",
               line.GetParser())
    , m_Group("",
              "group",
              "A table (CSV) with a column that names the file or case and one that names its site (or center, "
              "scanner, domain, group): each measure by group, the macro average over the groups, and 95 % intervals "
              "by bootstrap.",
              false,
              "",
              "FILE.csv",
              line.GetParser())
    , m_Source("",
               "source",
               "The group that was trained on: the drop from its mean to that of each other group is added.",
               false,
               "",
               "NAME",
               line.GetParser())
    , m_Seed("",
             "seed",
             "Of the bootstrap's 10000 resamples of each group's cases. Default: 0.",
             false,
             0,
             "N",
             line.GetParser())
  {}

  const std::string &
  GetPrediction() const
  {
    return m_Prediction.getValue();
  }

  /** Empty where none is given. */
  const std::string &
  GetReference() const
  {
    return m_Reference.getValue();
  }

  /** The files and folders that are read, which no output may replace; empty where none is given. */
  std::vector<std::string>
  GetInputs() const
  {
    return { m_Prediction.getValue(), m_Reference.getValue(), m_Dataset.getValue(), m_Group.getValue() };
  }

  /** What was given, with progress and warnings on the terminal. Call it behind CommandLine::Parse().
   * \throws Error naming the option and the file. */
  EvaluationOptions
  Read()
  {
    RequireOther({ &m_Source, &m_Seed }, m_Group);
    RequireOther({ &m_MapReference, &m_Source, &m_Seed }, m_Reference);
    EvaluationOptions options;
    if (m_Dataset.isSet())
    {
      options.table = ReadLabelTable(m_Dataset.getValue());
    }
    if (m_Labels.isSet())
    {
      options.labels = this->ParseLabels(options.table);
    }
    if (m_MapPrediction.isSet())
    {
      options.predictionMap = ParseLabelMap("--map-prediction", m_MapPrediction.getValue());
    }
    if (m_MapReference.isSet())
    {
      options.referenceMap = ParseLabelMap("--map-reference", m_MapReference.getValue());
    }
    for (const auto & text : m_Region.getValue())
    {
      options.regions.push_back(ParseRegion("--region", text));
    }
    if (m_Group.isSet())
    {
      options.groups = SiteTable::Read(m_Group.getValue());
      options.sourceGroup = m_Source.getValue();
    }
    options.progress = [this](std::size_t done, std::size_t total, const std::string & name) {
      ThrowIfInterrupted();
      m_Line.ShowProgress(static_cast<double>(done) / static_cast<double>(total), name);
    };
    options.warning = [this](const std::string & text) { m_Line.Warn(text); };
    return options;
  }

  /** The comparison of the groups; nothing without --group. */
  std::optional<GroupReport>
  CompareGroups(const EvaluationReport & report) const
  {
    if (!m_Group.isSet())
    {
      return std::nullopt;
    }
    BootstrapOptions bootstrap;
    bootstrap.seed = m_Seed.getValue();
    return SummarizeGroups(report, bootstrap);
  }

private:
  /** \throws Error when one of the arguments is given without the one that it belongs to. */
  static void
  RequireOther(std::initializer_list<const TCLAP::Arg *> arguments, const TCLAP::Arg & needed)
  {
    for (const TCLAP::Arg * argument : arguments)
    {
      if (argument->isSet() && !needed.isSet())
      {
        throw Error("--" + argument->getName() + " is given without --" + needed.getName() + ", expected both");
      }
    }
  }

  /** The values of --labels, which are values or names. */
  std::vector<int>
  ParseLabels(LabelTable table) const
  {
    const auto & text = m_Labels.getValue();
    if (text.find_first_not_of("0123456789-, ") == std::string::npos)
    {
      return ParseIntegers("--labels", text);
    }
    std::string source = m_Dataset.getValue();
    if (table.empty() && m_MapPrediction.isSet() && (!m_Reference.isSet() || m_MapReference.isSet()))
    {
      throw Error("--labels '" + text + "': values are mapped, expected values instead of names, or --dataset");
    }
    if (table.empty())
    {
      const auto & measured = m_Reference.isSet() && m_MapReference.getValue().empty() ? m_Reference : m_Prediction;
      source = ListLabelImages(measured.getValue()).begin()->second;
      table = ReadDescribedLabels(source);
    }
    std::vector<int>   values;
    std::istringstream words(text);
    for (std::string word; std::getline(words, word, ',');)
    {
      values.push_back(FindLabel("--labels", Trim(word), table, source));
    }
    return values;
  }

  CommandLine &                  m_Line;
  TCLAP::ValueArg<std::string>   m_Prediction;
  TCLAP::ValueArg<std::string>   m_Reference;
  TCLAP::ValueArg<std::string>   m_Dataset;
  TCLAP::ValueArg<std::string>   m_Labels;
  TCLAP::ValueArg<std::string>   m_MapPrediction;
  TCLAP::ValueArg<std::string>   m_MapReference;
  TCLAP::MultiArg<std::string>   m_Region;
  TCLAP::ValueArg<std::string>   m_Group;
  TCLAP::ValueArg<std::string>   m_Source;
  TCLAP::ValueArg<unsigned long> m_Seed;
};
} // namespace sam

#endif
