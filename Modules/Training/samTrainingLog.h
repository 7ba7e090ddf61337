// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingLog_h
#define samTrainingLog_h

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace sam
{
/** \class TrainingLog
 * \brief What happened in each epoch, as a table that is written and kept with the state of a run.
 */
class TrainingLog
{
public:
  struct Row
  {
    int64_t             epoch{ 0 }; ///< from 1
    int64_t             steps{ 0 }; ///< since the run began
    double              minutes{ 0.0 };
    double              learningRate{ 0.0 };
    double              loss{ 0.0 };
    double              meanDice{ std::numeric_limits<double>::quiet_NaN() }; ///< NaN: not validated
    std::vector<double> dice{}; ///< per label but the background; empty: not validated, NaN: label not there
  };

  /** \a labels are the names of the labels but the background. */
  explicit TrainingLog(std::vector<std::string> labels = {})
    : m_Labels(std::move(labels))
  {}

  void
  Add(const Row & row)
  {
    m_Rows.push_back(row);
  }

  const std::vector<Row> &
  GetRows() const
  {
    return m_Rows;
  }

  const std::vector<std::string> &
  GetLabels() const
  {
    return m_Labels;
  }

  /** One line per epoch below a header; what was not measured is empty. */
  std::string
  ToCsv() const;

  /** The rows as JSON, and back. \throws Error naming \a where. */
  std::string
  ToJson() const;

  void
  ReadJson(const std::string & text, const std::string & where);

private:
  std::vector<std::string> m_Labels;
  std::vector<Row>         m_Rows;
};
} // namespace sam

#endif
