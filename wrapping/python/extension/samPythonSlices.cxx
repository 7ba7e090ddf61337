// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPythonFilters.h"

#include "samPythonImage.h"
#include "samPythonModel.h"
#include "samPythonProcess.h"

#include "itkSamAutomaticMaskImageFilter.h"
#include "itkSamSliceEncoderImageFilter.h"

#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

namespace sam
{
namespace
{
using Numbers = std::vector<double>;
using Slices = std::vector<itk::IndexValueType>; ///< none, or first and last

template <typename TFilter>
void
SetSlices(TFilter * filter, const PythonModel & model, unsigned int axis, const Numbers & window, const Slices & slices)
{
  filter->SetModel(model.model);
  filter->SetAxis(axis);
  if (!window.empty())
  {
    filter->SetWindow(window.at(0), window.at(1));
  }
  if (!slices.empty())
  {
    filter->SetSliceRange(slices.at(0), slices.at(1));
  }
}

nanobind::tuple
EncodeSlices(PythonProcess &     process,
             const PythonImage & image,
             const PythonModel & model,
             unsigned int        axis,
             const Numbers &     window,
             const Slices &      slices)
{
  return WithoutLock([&] {
           return VisitImage(image, [&](const auto & input) {
             using InputImageType = typename std::decay_t<decltype(*input)>;
             const auto filter = itk::SamSliceEncoderImageFilter<InputImageType>::New();
             filter->SetInput(input);
             SetSlices(filter.GetPointer(), model, axis, window, slices);
             process.Run(filter);
             return MakeResult<itk::VectorImage<float, InputImageType::ImageDimension>>(filter->GetOutput());
           });
         })
    .ToPython();
}

/** label, slice, run lengths, area, box, predicted IoU, stability score, point, crop box */
using Mask = std::tuple<unsigned int,
                        itk::IndexValueType,
                        std::vector<uint32_t>,
                        size_t,
                        std::array<itk::IndexValueType, 4>,
                        float,
                        float,
                        std::array<double, 2>,
                        std::array<itk::IndexValueType, 4>>;

std::pair<nanobind::tuple, std::vector<Mask>>
FindMasks(PythonProcess &     process,
          const PythonImage & image,
          const PythonModel & model,
          unsigned int        axis,
          const Numbers &     window,
          const Slices &      slices,
          unsigned int        pointsPerSide,
          unsigned int        pointsPerBatch,
          double              predIouThresh,
          double              stabilityScoreThresh,
          double              stabilityScoreOffset,
          double              boxNmsThresh,
          unsigned int        cropNLayers,
          double              cropNmsThresh,
          double              cropOverlapRatio,
          unsigned int        cropNPointsDownscaleFactor,
          itk::SizeValueType  minMaskRegionArea)
{
  std::vector<Mask> masks;
  const auto        result = WithoutLock([&] {
    return VisitImage(image, [&](const auto & input) {
      using InputImageType = typename std::decay_t<decltype(*input)>;
      const auto filter = itk::SamAutomaticMaskImageFilter<InputImageType>::New();
      filter->SetInput(input);
      SetSlices(filter.GetPointer(), model, axis, window, slices);
      filter->SetPointsPerSide(pointsPerSide);
      filter->SetPointsPerBatch(pointsPerBatch);
      filter->SetPredIouThresh(predIouThresh);
      filter->SetStabilityScoreThresh(stabilityScoreThresh);
      filter->SetStabilityScoreOffset(stabilityScoreOffset);
      filter->SetBoxNmsThresh(boxNmsThresh);
      filter->SetCropNLayers(cropNLayers);
      filter->SetCropNmsThresh(cropNmsThresh);
      filter->SetCropOverlapRatio(cropOverlapRatio);
      filter->SetCropNPointsDownscaleFactor(cropNPointsDownscaleFactor);
      filter->SetMinMaskRegionArea(minMaskRegionArea);
      process.Run(filter);
      for (const auto & [label, slice, mask] : filter->GetMasks())
      {
        masks.emplace_back(label,
                           slice,
                           mask.runs,
                           mask.area,
                           mask.box,
                           mask.predictedIou,
                           mask.stabilityScore,
                           mask.point,
                           mask.cropBox);
      }
      return MakeResult(filter->GetOutput());
    });
  });
  return { result.ToPython(), std::move(masks) };
}
} // namespace

void
BindSlices(nanobind::module_ & module)
{
  namespace nb = nanobind;
  module.def("encode_slices",
             &EncodeSlices,
             nb::arg("process"),
             nb::arg("image"),
             nb::arg("model"),
             nb::arg("axis"),
             nb::arg("window"),
             nb::arg("slices"));
  module.def("find_masks",
             &FindMasks,
             nb::arg("process"),
             nb::arg("image"),
             nb::arg("model"),
             nb::arg("axis"),
             nb::arg("window"),
             nb::arg("slices"),
             nb::arg("points_per_side"),
             nb::arg("points_per_batch"),
             nb::arg("pred_iou_thresh"),
             nb::arg("stability_score_thresh"),
             nb::arg("stability_score_offset"),
             nb::arg("box_nms_thresh"),
             nb::arg("crop_n_layers"),
             nb::arg("crop_nms_thresh"),
             nb::arg("crop_overlap_ratio"),
             nb::arg("crop_n_points_downscale_factor"),
             nb::arg("min_mask_region_area"));
}
} // namespace sam
