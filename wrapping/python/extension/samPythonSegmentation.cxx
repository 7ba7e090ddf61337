// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"
#include "samPythonRegion.h"

#include "samBody.h"
#include "samCohort.h"
#include "samDirectionRepair.h"
#include "samProcessMemory.h"
#include "samSegmentation.h"
#include "samSteps.h"

#include "itkSamSegmentationImageFilter.h"

#include <nanobind/stl/map.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/set.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace sam
{
namespace
{
std::vector<itk::SamModel::ConstPointer>
GetModels(const PythonModels & models)
{
  std::vector<itk::SamModel::ConstPointer> pointers;
  for (const auto & model : models)
  {
    pointers.push_back(model.model);
  }
  return pointers;
}

/** Cleaning of the label map, as sam-segment does it. */
SegmentationJob
MakeCleaning(const std::set<int> & labels, bool largestComponent, double minimumSize, bool fillsHoles)
{
  SegmentationJob job;
  job.labels = labels;
  job.largestComponent = largestComponent;
  job.minimumSize = minimumSize;
  job.fillsHoles = fillsHoles;
  return job;
}

std::tuple<nanobind::tuple, size_t, std::vector<nanobind::tuple>>
SegmentImage(PythonProcess &                   process,
             const PythonImage &               image,
             const PythonModels &              models,
             const std::vector<unsigned int> & mirrorAxes,
             const std::vector<PythonRegion> & regions,
             const std::set<int> &             labels,
             bool                              largestComponent,
             double                            minimumSize,
             bool                              fillHoles,
             const std::vector<int> &          probabilityLabels,
             bool                              computeUncertainty)
{
  size_t                       windows = 0;
  std::vector<PythonResult>    maps;
  const auto                   result = WithoutLock([&] {
    return VisitImage(image, [&](const auto & input) {
      using InputImageType = typename std::decay_t<decltype(*input)>;
      using LabelImageType = itk::Image<unsigned short, InputImageType::ImageDimension>;
      const auto filter = itk::SamSegmentationImageFilter<InputImageType, LabelImageType>::New();
      filter->SetInput(input);
      for (const auto & model : models)
      {
        filter->GetModel() == nullptr ? filter->SetModel(model.model) : filter->AddModel(model.model);
      }
      filter->SetMirrorAxes(mirrorAxes);
      filter->SetProbabilityLabels(probabilityLabels);
      filter->SetComputeUncertainty(computeUncertainty);
      AddRegions(filter.GetPointer(), regions);
      process.Run(filter);
      windows = filter->GetNumberOfWindows();
      for (const int value : probabilityLabels)
      {
        maps.push_back(MakeResult(filter->GetProbability(value)));
      }
      if (computeUncertainty)
      {
        maps.push_back(MakeResult(filter->GetUncertainty()));
      }
      LabelImageType * output = filter->GetOutput();
      CleanLabels(output, MakeCleaning(labels, largestComponent, minimumSize, fillHoles));
      return MakeResult(output);
    });
  });
  std::vector<nanobind::tuple> mapsToPython;
  for (const auto & map : maps)
  {
    mapsToPython.push_back(map.ToPython());
  }
  return { result.ToPython(), windows, mapsToPython };
}

void
SegmentFile(PythonProcess &                    process,
            const PythonModels &               models,
            const std::string &                image,
            const std::string &                output,
            const std::string &                statistics,
            const std::string &                preview,
            const std::vector<unsigned int> &  mirrorAxes,
            const std::vector<PythonRegion> &  regions,
            const std::set<int> &              labels,
            bool                               largestComponent,
            double                             minimumSize,
            bool                               fillHoles,
            const std::map<int, std::string> & probabilities,
            const std::string &                uncertainty,
            bool                               fixDirection,
            bool                               cropToBody,
            const std::string &                memoryLimit,
            const nanobind::callable &         warn)
{
  SegmentationJob job = MakeCleaning(labels, largestComponent, minimumSize, fillHoles);
  job.image = image;
  job.output = output;
  job.statistics = statistics;
  job.preview = preview;
  job.probabilities = probabilities;
  job.uncertainty = uncertainty;
  job.mirrorAxes = mirrorAxes;
  job.cropsToBody = cropToBody;
  job.regions = ToRegions(regions);
  job.memoryLimit = memoryLimit.empty() ? 0 : ParseBytes("memory_limit", memoryLimit);
  const auto tell = [&warn](const std::string & text) {
    const nanobind::gil_scoped_acquire locked;
    warn(text);
  };
  WithoutLock([&] {
    std::optional<DirectionRepair> repair;
    if (fixDirection)
    {
      repair.emplace(tell, true);
    }
    std::vector<std::string> inputs{ image };
    for (const auto & model : models)
    {
      inputs.push_back(model.model->GetFileName());
    }
    CheckDistinct(inputs, GetOutputs(job));
    process.Run(
      [&](const std::function<void(double)> & progress) { Segment(GetModels(models), job, progress, {}, tell); });
    return 0;
  });
}

/** \throws Error unless the image has one component of 32-bit numbers. */
template <unsigned int VDimension>
PythonRegion
FindBodyOf(const PythonImage & image)
{
  return WithoutLock([&image] {
    const auto   body = FindBody<VDimension>(ImportScalar<float, VDimension>(image, "the image").GetPointer());
    PythonRegion box;
    box.first.assign(body.center.begin(), body.center.begin() + VDimension);
    box.second.assign(body.size.begin(), body.size.begin() + VDimension);
    return box;
  });
}

/** The images of a folder, a list (.txt) or a single one, as sam-segment takes them for cases. */
std::vector<std::pair<std::string, std::string>>
FindCases(const std::string & path, const std::string & output, size_t channels)
{
  return WithoutLock([&] {
    SegmentationJob given;
    given.image = path;
    given.output = output;
    std::vector<std::pair<std::string, std::string>> cases;
    for (const auto & job : MakeJobs(given, {}, channels))
    {
      cases.emplace_back(job.image, job.output);
    }
    return cases;
  });
}
} // namespace

void
BindSegmentation(nanobind::module_ & module)
{
  namespace nb = nanobind;
  module.def(
    "segment",
    &SegmentImage,
    nb::arg("process"),
    nb::arg("image"),
    nb::arg("models"),
    nb::arg("mirror_axes"),
    nb::arg("regions"),
    nb::arg("labels"),
    nb::arg("largest_component"),
    nb::arg("minimum_size"),
    nb::arg("fill_holes"),
    nb::arg("probability_labels"),
    nb::arg("compute_uncertainty"),
    "The label map of 16 bits, the number of windows, the probabilities of the labels and then the uncertainty.");
  module.def("segment_file",
             &SegmentFile,
             nb::arg("process"),
             nb::arg("models"),
             nb::arg("image"),
             nb::arg("output"),
             nb::arg("statistics"),
             nb::arg("preview"),
             nb::arg("mirror_axes"),
             nb::arg("regions"),
             nb::arg("labels"),
             nb::arg("largest_component"),
             nb::arg("minimum_size"),
             nb::arg("fill_holes"),
             nb::arg("probabilities"),
             nb::arg("uncertainty"),
             nb::arg("fix_direction"),
             nb::arg("crop_to_body"),
             nb::arg("memory_limit"),
             nb::arg("warn"),
             "What sam-segment does with one image file.");
  module.def(
    "find_body",
    [](const PythonImage & image) { return image.GetDimension() == 2 ? FindBodyOf<2>(image) : FindBodyOf<3>(image); },
    nb::arg("image"),
    "Center and size in mm of the box around the body in an image of one component of 32-bit numbers.");
  module.def("find_cases",
             &FindCases,
             nb::arg("path"),
             nb::arg("output"),
             nb::arg("channels"),
             "The images that sam-segment takes for cases, and their label maps, whose folder is made.");
  module.def(
    "parse_labels",
    [](const std::string & text, const PythonModel & model) { return ParseLabels("labels", text, model.model); },
    nb::arg("text"),
    nb::arg("model"),
    "Values of labels that are listed by name or value, separated by commas.");
}
} // namespace sam
