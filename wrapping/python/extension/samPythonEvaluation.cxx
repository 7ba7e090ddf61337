// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonProcess.h"

#include "samGroups.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>

namespace sam
{
namespace
{
EvaluationOptions
MakeOptions(const std::vector<int> & labels, const std::map<int, std::string> & names)
{
  EvaluationOptions options;
  options.labels = labels;
  for (const auto & [value, name] : names)
  {
    options.table.push_back({ value, name });
  }
  return options;
}

template <unsigned int VDimension>
EvaluationReport
EvaluateAs(const PythonImage & prediction, const PythonImage & reference, const EvaluationOptions & options)
{
  return EvaluateImages<VDimension>(ImportScalar<int, VDimension>(prediction, "segmentation"),
                                    ImportScalar<int, VDimension>(reference, "reference"),
                                    options);
}

std::string
EvaluatePair(const PythonImage &                prediction,
             const PythonImage &                reference,
             const std::vector<int> &           labels,
             const std::map<int, std::string> & names)
{
  return WithoutLock([&] {
    const auto options = MakeOptions(labels, names);
    return ToJson(prediction.GetDimension() == 2 ? EvaluateAs<2>(prediction, reference, options)
                                                 : EvaluateAs<3>(prediction, reference, options));
  });
}

std::string
EvaluatePaths(PythonProcess &                    process,
              const std::string &                prediction,
              const std::string &                reference,
              const std::vector<int> &           labels,
              const std::map<int, std::string> & names,
              const std::string &                groups,
              const std::string &                source,
              std::uint64_t                      seed,
              nanobind::callable                 warn)
{
  return WithoutLock([&] {
    auto options = MakeOptions(labels, names);
    options.sourceGroup = source;
    if (!groups.empty())
    {
      options.groups = SiteTable::Read(groups);
    }
    options.warning = [&warn](const std::string & text) {
      const nanobind::gil_scoped_acquire locked;
      warn(text);
    };
    EvaluationReport report;
    process.Run([&](const std::function<void(double)> & progress) {
      options.progress = [&progress](size_t done, size_t total, const std::string &) {
        progress(static_cast<double>(done) / static_cast<double>(total));
      };
      report = Evaluate(prediction, reference, options);
    });
    if (groups.empty())
    {
      return ToJson(report);
    }
    BootstrapOptions bootstrap;
    bootstrap.seed = seed;
    const auto summary = SummarizeGroups(report, bootstrap);
    return ToJson(report, &summary);
  });
}
} // namespace

void
BindEvaluation(nanobind::module_ & module)
{
  namespace nb = nanobind;
  module.def("evaluate_images",
             &EvaluatePair,
             nb::arg("prediction"),
             nb::arg("reference"),
             nb::arg("labels"),
             nb::arg("names"),
             "Two label maps of int32 pixels; the report as JSON.");
  module.def("evaluate_files",
             &EvaluatePaths,
             nb::arg("process"),
             nb::arg("prediction"),
             nb::arg("reference"),
             nb::arg("labels"),
             nb::arg("names"),
             nb::arg("groups"),
             nb::arg("source"),
             nb::arg("seed"),
             nb::arg("warn"),
             "What sam-evaluate does; the report as JSON.");
}
} // namespace sam
