// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samEverything.h"

#include "samPreview.h"
#include "samProvenance.h"

#include "itkSamAutomaticMaskImageFilter.h"

#include <nlohmann/json.hpp>

namespace sam
{
namespace
{
using Json = nlohmann::ordered_json;

/** x, y, width, height as the published generator counts them. */
Json
ToCorner(const itk::SamAutomaticMask::BoxType & box)
{
  return { box[0], box[1], box[2] - box[0], box[3] - box[1] };
}

template <typename TFilter>
std::string
MakeReport(const TFilter * filter, const itk::SamModel * model, const EverythingJob & job)
{
  const itk::SamSlices slices(
    itk::SamGrid::FromImage<TFilter::ImageDimension>(filter->GetInput()), model, job.slices.axis);
  const auto   size = slices.GetSize();
  const auto & options = job.options;
  Json         masks = Json::array();
  for (const auto & entry : filter->GetMasks())
  {
    const auto & mask = entry.mask;
    auto         place = slices.ToPoint({ { mask.point[0], mask.point[1], static_cast<double>(entry.slice) } });
    masks.push_back({ { "label", entry.label },
                      { "slice", entry.slice },
                      { "area", mask.area },
                      { "bbox", ToCorner(mask.box) },
                      { "predicted_iou", mask.predictedIou },
                      { "stability_score", mask.stabilityScore },
                      { "point_coords", { mask.point } },
                      { "point_mm", std::vector<double>(place.begin(), place.begin() + TFilter::ImageDimension) },
                      { "crop_box", ToCorner(mask.cropBox) },
                      { "segmentation", { { "size", { size[1], size[0] } }, { "counts", mask.runs } } } });
  }
  const Json report{ { "image", job.slices.image },
                     { "model", model->GetFileName() },
                     { "axis", job.slices.axis },
                     { "points_per_side", options.pointsPerSide },
                     { "pred_iou_thresh", options.predIouThresh },
                     { "stability_score_thresh", options.stabilityScoreThresh },
                     { "stability_score_offset", options.stabilityScoreOffset },
                     { "box_nms_thresh", options.boxNmsThresh },
                     { "crop_n_layers", options.cropNLayers },
                     { "crop_nms_thresh", options.cropNmsThresh },
                     { "crop_overlap_ratio", options.cropOverlapRatio },
                     { "crop_n_points_downscale_factor", options.cropNPointsDownscaleFactor },
                     { "min_mask_region_area", options.minMaskRegionArea },
                     { "masks", masks } };
  return report.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

template <typename TImage>
size_t
FindEverythingIn(const itk::SamModel * model, const EverythingJob & job, const std::function<void(double)> & progress)
{
  using FilterType = itk::SamAutomaticMaskImageFilter<TImage>;
  const auto image = Read<TImage>(job.slices.image);
  CheckGrid<TImage::ImageDimension>({ job.output }, image);
  const auto filter = FilterType::New();
  filter->SetInput(image);
  SetSlices(filter.GetPointer(), model, job.slices);
  SetRange(filter.GetPointer(), job.slices);
  const auto & options = job.options;
  filter->SetPointsPerSide(options.pointsPerSide);
  filter->SetPointsPerBatch(options.pointsPerBatch);
  filter->SetPredIouThresh(options.predIouThresh);
  filter->SetStabilityScoreThresh(options.stabilityScoreThresh);
  filter->SetStabilityScoreOffset(options.stabilityScoreOffset);
  filter->SetBoxNmsThresh(options.boxNmsThresh);
  filter->SetCropNLayers(options.cropNLayers);
  filter->SetCropNmsThresh(options.cropNmsThresh);
  filter->SetCropOverlapRatio(options.cropOverlapRatio);
  filter->SetCropNPointsDownscaleFactor(options.cropNPointsDownscaleFactor);
  filter->SetMinMaskRegionArea(options.minMaskRegionArea);
  UpdateFilter(filter, job.slices.image, progress);
  auto * labels = filter->GetOutput();
  DescribeProvenance({ model }, labels->GetMetaDataDictionary());
  const auto writePreview = [&](const std::string & file) {
    WritePreview(MakePreview(ToGray(image.GetPointer()).GetPointer(), labels, {}), file);
  };
  WriteAllAtomically(
    { { job.output, [&](const std::string & file) { WriteSegmentation({}, labels, file); } },
      { job.json, [&](const std::string & file) { WriteText(MakeReport(filter.GetPointer(), model, job), file); } },
      { job.preview, writePreview } });
  return filter->GetMasks().size();
}
} // namespace

size_t
FindEverything(const itk::SamModel * model, const EverythingJob & job, const std::function<void(double)> & progress)
{
  CheckOutputs({ job.slices.image }, { job.output }, { job.json, job.preview });
  size_t count = 0;
  WithImageType(job.slices.image, [&](const auto & image) {
    count = FindEverythingIn<typename std::decay_t<decltype(image)>::ObjectType>(model, job, progress);
  });
  return count;
}
} // namespace sam
