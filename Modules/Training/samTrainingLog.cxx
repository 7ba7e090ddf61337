// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTrainingLog.h"

#include "samCsvFile.h"
#include "samError.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <locale>
#include <sstream>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

/** JSON has no NaN: null stands for it. */
double
ToNumber(const Json & json)
{
  return json.is_null() ? std::nan("") : json.get<double>();
}
} // namespace

std::string
TrainingLog::ToCsv() const
{
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text << "epoch,steps,minutes,learning_rate,loss" << (m_Labels.empty() ? "" : ",mean_dice");
  for (const auto & label : m_Labels)
  {
    text << ',' << QuoteCsvField("dice_" + label);
  }
  text << '\n';
  for (const auto & row : m_Rows)
  {
    text << row.epoch << ',' << row.steps << ',' << row.minutes << ',' << row.learningRate << ',' << row.loss
         << (m_Labels.empty() ? "" : ",");
    if (!std::isnan(row.meanDice))
    {
      text << row.meanDice;
    }
    for (size_t k = 0; k < m_Labels.size(); ++k)
    {
      text << ',';
      if (k < row.dice.size() && !std::isnan(row.dice[k]))
      {
        text << row.dice[k];
      }
    }
    text << '\n';
  }
  return text.str();
}

std::string
TrainingLog::ToJson() const
{
  Json rows = Json::array();
  for (const auto & row : m_Rows)
  {
    rows.push_back({ row.epoch, row.steps, row.minutes, row.learningRate, row.loss, row.meanDice, row.dice });
  }
  return rows.dump();
}

void
TrainingLog::ReadJson(const std::string & text, const std::string & where)
{
  try
  {
    m_Rows.clear();
    for (const auto & entry : Json::parse(text))
    {
      Row row{ entry.at(0).get<int64_t>(), entry.at(1).get<int64_t>(), ToNumber(entry.at(2)),
               ToNumber(entry.at(3)),      ToNumber(entry.at(4)),      ToNumber(entry.at(5)) };
      for (const auto & dice : entry.at(6))
      {
        row.dice.push_back(ToNumber(dice));
      }
      m_Rows.push_back(std::move(row));
    }
  }
  catch (const nlohmann::json::exception & error)
  {
    throw Error(where + ": not the log of a training run (" + error.what() + ")");
  }
}
} // namespace sam
