// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samEverything.h"
#include "samProvenance.h"
#include "samSliceArguments.h"

#include <list>

namespace
{
/** An option whose value goes into a member of the job, which has the default. */
template <typename TArgument, typename TMember>
class Option
{
public:
  Option(TCLAP::CmdLine & parser, const char * name, const std::string & text, TMember & member)
    : m_Argument("", name, text, false, static_cast<TArgument>(member), "N", parser)
    , m_Member(member)
  {}

  void
  Take()
  {
    if (m_Argument.getValue() < 0)
    {
      throw sam::Error("--" + m_Argument.getName() + ": " + std::to_string(m_Argument.getValue()) +
                       ", expected 0 or more");
    }
    m_Member = static_cast<TMember>(m_Argument.getValue());
  }

private:
  TCLAP::ValueArg<TArgument> m_Argument;
  TMember &                  m_Member;
};
using Count = Option<int, unsigned int>;
using Area = Option<long, itk::SizeValueType>;
using Number = Option<double, double>;
} // namespace

int
main(int argc, char * argv[])
{
  const std::string description =
    "Finds the masks of everything on a 2-D image, or on slices of a volume, with a promptable model (SAM, MobileSAM), "
    "prompted by a grid of points. The label map has the image's size, spacing, origin and direction; masks are "
    "numbered "
    "by falling area, slice by slice, and smaller ones lie over larger ones.";
  return sam::RunProgram("sam-everything", description, argc, argv, [](sam::CommandLine & line) {
    auto &              parser = line.GetParser();
    sam::EverythingJob  job;
    auto &              options = job.options;
    sam::SliceArguments slices(parser, true);
    std::list<Count>    counts;
    std::list<Number>   numbers;
    counts.emplace_back(
      parser, "points-per-side", "Points along each side of a slice. Default: 32.", options.pointsPerSide);
    counts.emplace_back(parser,
                        "points-per-batch",
                        "Points that are decoded together: more need more memory. Default: 64.",
                        options.pointsPerBatch);
    numbers.emplace_back(parser,
                         "pred-iou-thresh",
                         "Keep masks of which the model expects more overlap (IoU) with the truth than this. Default: "
                         "0.88.",
                         options.predIouThresh);
    numbers.emplace_back(
      parser,
      "stability-score-thresh",
      "Keep masks whose stability score is at least this: the overlap of the masks that are cut from "
      "the logits above and below 0. Default: 0.95.",
      options.stabilityScoreThresh);
    numbers.emplace_back(parser,
                         "stability-score-offset",
                         "How far above and below these cuts are. Default: 1.",
                         options.stabilityScoreOffset);
    numbers.emplace_back(parser,
                         "box-nms-thresh",
                         "Masks whose boxes overlap (IoU) more than this are duplicates: the better one remains. "
                         "Default: 0.7.",
                         options.boxNmsThresh);
    counts.emplace_back(parser,
                        "crop-n-layers",
                        "Look again at parts of the slice, which the model sees larger: 2^k x 2^k of them in layer k. "
                        "Default: 0.",
                        options.cropNLayers);
    numbers.emplace_back(
      parser, "crop-nms-thresh", "The same as --box-nms-thresh between crops. Default: 0.7.", options.cropNmsThresh);
    numbers.emplace_back(parser,
                         "crop-overlap-ratio",
                         "How much crops overlap, as a fraction of the slice's shorter side. Default: 0.341.",
                         options.cropOverlapRatio);
    counts.emplace_back(parser,
                        "crop-n-points-downscale-factor",
                        "By what the points per side are divided from layer to layer. Default: 1.",
                        options.cropNPointsDownscaleFactor);
    Area                         area(parser,
              "min-mask-region-area",
              "Remove islands and fill holes of fewer pixels than this. Default: 0.",
              options.minMaskRegionArea);
    TCLAP::ValueArg<std::string> json("",
                                      "json",
                                      "Where the table of the masks goes: areas, boxes, scores, points, and the masks "
                                      "themselves as run lengths (COCO), since they may overlap.",
                                      false,
                                      "",
                                      "FILE.json",
                                      parser);
    TCLAP::ValueArg<std::string> preview(
      "", "preview", "Where a picture with the masks' outlines goes.", false, "", "FILE.png", parser);
    line.AddDevice();
    line.AddPrecision();
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image("image", "The image.", true, "", "IMAGE", parser);
    TCLAP::UnlabeledValueArg<std::string> output("output", "The label map, 16 bits.", true, "", "OUT", parser);
    line.Parse();

    for (auto & option : counts)
    {
      option.Take();
    }
    for (auto & option : numbers)
    {
      option.Take();
    }
    area.Take();
    job.slices = slices.Get(image.getValue());
    job.output = output.getValue();
    job.json = json.getValue();
    job.preview = preview.getValue();
    const auto model = slices.ReadModel(line);
    sam::KeepMd5For(job.output, model);
    const auto found = sam::FindEverything(model, job, [&](double fraction) {
      sam::ThrowIfInterrupted();
      line.ShowProgress(fraction, job.slices.image);
    });
    line.Print(job.slices.image + " -> " + job.output + ": " + std::to_string(found) + " masks\n");
  });
}
