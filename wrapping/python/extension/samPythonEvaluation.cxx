// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonProcess.h"
#include "samPythonRegion.h"

#include "samCohortReport.h"
#include "samDescribedLabels.h"
#include "samSteps.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <array>
#include <filesystem>
#include <optional>
#include <tuple>
#include <utility>

namespace sam
{
namespace
{
using LabelMap = std::map<int, int>;

EvaluationOptions
MakeOptions(const std::vector<int> &           labels,
            const std::map<int, std::string> & names,
            const LabelMap &                   predictionMap,
            const LabelMap &                   referenceMap,
            const std::vector<PythonRegion> &  regions)
{
  EvaluationOptions options;
  options.labels = labels;
  for (const auto & [value, name] : names)
  {
    options.table.push_back({ value, name });
  }
  options.predictionMap = predictionMap;
  options.referenceMap = referenceMap;
  options.regions = ToRegions(regions);
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
EvaluatePair(const PythonImage & prediction, const PythonImage & reference, const EvaluationOptions & options)
{
  return WithoutLock([&] {
    return ToJson(prediction.GetDimension() == 2 ? EvaluateAs<2>(prediction, reference, options)
                                                 : EvaluateAs<3>(prediction, reference, options));
  });
}

/** What files are compared, and by which table of sites. */
struct Cohort
{
  std::string        prediction;
  std::string        reference; ///< empty: volumes alone
  std::string        groups;    ///< table of sites; empty: none
  std::string        source;
  nanobind::callable warn;
};

/** The measures of a cohort. \a options get its groups. Without the lock of the interpreter. */
EvaluationReport
Measure(PythonProcess & process, const Cohort & cohort, EvaluationOptions & options)
{
  options.sourceGroup = cohort.source;
  if (!cohort.groups.empty())
  {
    options.groups = SiteTable::Read(cohort.groups);
  }
  options.warning = [&cohort](const std::string & text) {
    const nanobind::gil_scoped_acquire locked;
    cohort.warn(text);
  };
  EvaluationReport report;
  process.Run([&](const std::function<void(double)> & progress) {
    options.progress = [&progress](size_t done, size_t total, const std::string &) {
      progress(static_cast<double>(done) / static_cast<double>(total));
    };
    report = cohort.reference.empty() ? MeasureVolumes(cohort.prediction, options)
                                      : Evaluate(cohort.prediction, cohort.reference, options);
  });
  options.progress = nullptr; // what it refers to has gone
  return report;
}

std::optional<GroupReport>
CompareGroups(const EvaluationReport & report, const Cohort & cohort, std::uint64_t seed)
{
  if (cohort.groups.empty() || cohort.reference.empty())
  {
    return std::nullopt;
  }
  BootstrapOptions bootstrap;
  bootstrap.seed = seed;
  return SummarizeGroups(report, bootstrap);
}

std::string
EvaluatePaths(PythonProcess & process, const Cohort & cohort, EvaluationOptions options, std::uint64_t seed)
{
  return WithoutLock([&] {
    const auto report = Measure(process, cohort, options);
    const auto groups = CompareGroups(report, cohort, seed);
    return ToJson(report, groups ? &*groups : nullptr);
  });
}

void
WriteReport(PythonProcess &     process,
            const Cohort &      cohort,
            CohortPageOptions   page,
            const std::string & output,
            std::uint64_t       seed)
{
  WithoutLock([&] {
    CheckOutputs({ cohort.prediction, cohort.reference, cohort.groups, page.images }, {}, { output });
    const auto report = Measure(process, cohort, page.evaluation);
    page.groups = CompareGroups(report, cohort, seed);
    WriteAtomically(output, [&](const std::string & temporary) {
      const auto folder = std::filesystem::path(temporary).parent_path().string();
      WriteText(MakeCohortPage(report, page, folder), temporary);
    });
    return 0;
  });
}
} // namespace

void
BindEvaluation(nanobind::module_ & module)
{
  namespace nb = nanobind;
  nb::class_<EvaluationOptions>(module, "EvaluationOptions", "What is compared.")
    .def(
      "__init__",
      [](EvaluationOptions *                self,
         const std::vector<int> &           labels,
         const std::map<int, std::string> & names,
         const LabelMap &                   predictionMap,
         const LabelMap &                   referenceMap,
         const std::vector<PythonRegion> &  regions) {
        new (self) EvaluationOptions(MakeOptions(labels, names, predictionMap, referenceMap, regions));
      },
      nb::arg("labels"),
      nb::arg("names"),
      nb::arg("prediction_map"),
      nb::arg("reference_map"),
      nb::arg("regions"));
  nb::class_<Cohort>(module, "EvaluatedCohort", "What files are compared, and by which table of sites.")
    .def(
      "__init__",
      [](Cohort *            self,
         const std::string & prediction,
         const std::string & reference,
         const std::string & groups,
         const std::string & source,
         nb::callable        warn) { new (self) Cohort{ prediction, reference, groups, source, std::move(warn) }; },
      nb::arg("prediction"),
      nb::arg("reference"),
      nb::arg("groups"),
      nb::arg("source"),
      nb::arg("warn"));
  module.def("evaluate_images",
             &EvaluatePair,
             nb::arg("prediction"),
             nb::arg("reference"),
             nb::arg("options"),
             "Two label maps of int32 pixels, which maps and regions change; the report as JSON.");
  module.def("evaluate_files",
             &EvaluatePaths,
             nb::arg("process"),
             nb::arg("cohort"),
             nb::arg("options"),
             nb::arg("seed"),
             "What sam-evaluate does; the report as JSON.");
  module.def(
    "read_labels",
    [](const std::string & path) {
      std::vector<std::tuple<int, std::string, std::array<unsigned char, 3>>> labels;
      for (const auto & label : WithoutLock([&path] { return ReadDescribedLabels(path); }))
      {
        labels.emplace_back(label.value, label.name, label.color);
      }
      return labels;
    },
    nb::arg("path"),
    "Value, name and color of the labels that a file's header names.");
  module.def(
    "write_report",
    [](PythonProcess &           process,
       const Cohort &            cohort,
       const EvaluationOptions & options,
       const std::string &       images,
       const std::string &       output,
       const std::string &       title,
       size_t                    pictures,
       size_t                    rows,
       std::uint64_t             seed) {
      CohortPageOptions page;
      page.title = title.empty() ? GetCaseName(cohort.prediction) : title;
      page.images = images;
      page.pictures = pictures;
      page.rows = rows;
      page.evaluation = options;
      WriteReport(process, cohort, page, output, seed);
    },
    nb::arg("process"),
    nb::arg("cohort"),
    nb::arg("options"),
    nb::arg("images"),
    nb::arg("output"),
    nb::arg("title"),
    nb::arg("pictures"),
    nb::arg("rows"),
    nb::arg("seed"),
    "What sam-report does.");
}
} // namespace sam
