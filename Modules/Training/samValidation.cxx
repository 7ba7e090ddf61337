// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samValidation.h"

#include "samMirroring.h"
#include "samSlidingWindow.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sam
{
at::Tensor
PredictLabels(const Network &               network,
              const at::Tensor &            volume,
              const std::vector<size_t> &   mirrorAxes,
              PrototypeUse *                use,
              const std::function<bool()> & isInterrupted)
{
  const at::NoGradGuard noGradient;
  const auto            device = network.GetDevice();
  const auto            onDevice = volume.to(device);
  SlidingWindow         windows(network.GetPlan(), { volume.size(3), volume.size(2), volume.size(1) });
  Observer              observe;
  if (use)
  {
    observe = [use](const std::string & name, const at::Tensor & value) {
      if (name == "addresses")
      {
        const auto    shares = value.to(at::kCPU, at::kFloat).contiguous();
        const float * first = shares.const_data_ptr<float>();
        for (int64_t slice = 0; slice < shares.size(0); ++slice, first += shares.size(1))
        {
          use->Add({ first, first + shares.size(1) });
        }
      }
    };
  }
  const auto answer = [&](const at::Tensor & image) {
    const auto encoded = network.Encode(image);
    return network.Decode(encoded, network.GeneratePrompts(encoded, observe)).Semantic();
  };
  for (const auto & start : windows.GetStarts())
  {
    if (isInterrupted && isInterrupted())
    {
      return {};
    }
    windows.Add(MeanOverMirrors(windows.Extract(onDevice, start).unsqueeze(0), mirrorAxes, answer).squeeze(0), start);
  }
  const bool isSmall = network.GetPlan().labels.size() <= 256;
  return windows.GetBlended().argmax(0).cpu().to(isSmall ? at::kByte : at::kShort);
}

std::vector<double>
DicePerLabel(const at::Tensor & prediction, const at::Tensor & reference, int64_t count, bool isNested)
{
  std::vector<double> dice;
  const auto          counts = reference >= 0;
  for (int64_t k = 1; k < count; ++k)
  {
    const auto   found = (isNested ? prediction >= k : prediction == k) & counts;
    const auto   truth = isNested ? reference >= k : reference == k;
    const double both = (found & truth).sum().item<double>();
    const double sum = found.sum().item<double>() + truth.sum().item<double>();
    dice.push_back(sum > 0.0 ? 2.0 * both / sum : std::nan(""));
  }
  return dice;
}

double
Validation::OfCase(size_t number) const
{
  double sum = 0.0;
  int    count = 0;
  for (const double value : ofCases[number])
  {
    if (!std::isnan(value))
    {
      sum += value;
      ++count;
    }
  }
  return count > 0 ? sum / count : 1.0;
}

std::vector<size_t>
Validation::WorstFirst() const
{
  std::vector<size_t> order(ofCases.size());
  std::iota(order.begin(), order.end(), size_t{ 0 });
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) { return OfCase(a) < OfCase(b); });
  return order;
}

Validation
Validation::Run(const Network &                   network,
                const std::vector<TrainingCase> & cases,
                const std::vector<size_t> &       mirrorAxes,
                const Distribution &              processes,
                const std::function<bool()> &     isInterrupted)
{
  const auto labels = static_cast<int64_t>(network.GetPlan().labels.size());
  const auto count = static_cast<int64_t>(cases.size());
  const bool isNested = network.GetPlan().nestsLabels;
  Validation result;
  result.predictions.resize(cases.size());
  // What another process measures is 0 here; −1 stands for NaN, which would not add up. Below is how many cases have
  // each label in their reference: one that none has, but that is found, says nothing about the network's use. The last
  // row counts interruptions.
  auto table = at::zeros({ count + 2, labels - 1 }, at::kDouble);
  for (int64_t k = processes.GetRank(); k < count; k += processes.GetSize())
  {
    const auto & reference = cases[static_cast<size_t>(k)];
    auto &       prediction = result.predictions[static_cast<size_t>(k)];
    prediction = PredictLabels(network, reference.image, mirrorAxes, &result.prototypeUse, isInterrupted);
    if (!prediction.defined())
    {
      table[count + 1].fill_(1.0);
      break;
    }
    const auto dice = DicePerLabel(prediction, reference.labels, labels, isNested);
    for (int64_t label = 0; label + 1 < labels; ++label)
    {
      const double value = dice[static_cast<size_t>(label)];
      table[k][label] = std::isnan(value) ? -1.0 : value;
      const auto truth = isNested ? reference.labels > label : reference.labels == label + 1;
      table[count][label] += truth.any().item<bool>() ? 1.0 : 0.0;
    }
  }
  processes.Sum(table);
  result.isInterrupted = table[count + 1].gt(0.0).any().item<bool>();
  if (result.isInterrupted)
  {
    return result;
  }
  if (network.GetPlan().promptSource == "prototype")
  {
    auto totals = at::zeros({ network.GetPlan().prototypes + 2 }, at::kDouble);
    if (result.prototypeUse.GetNumberOfSlices() > 0)
    {
      totals = at::tensor(result.prototypeUse.GetTotals(), at::kDouble);
    }
    processes.Sum(totals);
    const double * first = totals.const_data_ptr<double>();
    result.prototypeUse = PrototypeUse::FromTotals({ first, first + totals.numel() });
  }

  std::vector<double> sums(static_cast<size_t>(labels - 1), 0.0);
  std::vector<int>    counts(sums.size(), 0);
  const double *      values = table.const_data_ptr<double>();
  for (int64_t k = 0; k < count; ++k)
  {
    auto & dice = result.ofCases.emplace_back();
    for (size_t label = 0; label < sums.size(); ++label, ++values)
    {
      dice.push_back(*values < 0.0 ? std::nan("") : *values);
      sums[label] += *values < 0.0 ? 0.0 : *values;
      counts[label] += *values < 0.0 ? 0 : 1;
    }
  }
  if (processes.GetSize() > 1)
  {
    const auto order = result.WorstFirst();
    for (size_t k = 0; k < std::min(order.size(), numberOfWorst); ++k)
    {
      auto &     prediction = result.predictions[order[k]];
      const auto type = labels <= 256 ? at::kByte : at::kShort;
      auto sum = prediction.defined() ? prediction.to(at::kInt) : at::zeros(cases[order[k]].labels.sizes(), at::kInt);
      processes.Sum(sum);
      prediction = sum.to(type);
    }
  }
  int present = 0;
  for (size_t label = 0; label < sums.size(); ++label, ++values)
  {
    const bool isThere = *values > 0.0;
    result.dice.push_back(isThere ? sums[label] / counts[label] : std::nan(""));
    result.meanDice += isThere ? result.dice.back() : 0.0;
    present += isThere ? 1 : 0;
  }
  result.meanDice = present > 0 ? result.meanDice / present : 0.0;
  return result;
}
} // namespace sam
