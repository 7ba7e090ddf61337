// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortRun.h"
#include "samCommandLine.h"
#include "samError.h"
#include "samModelReading.h"
#include "samProcessMemory.h"
#include "samProvenance.h"
#include "samSegmentation.h"
#include "samSteps.h"

#include <algorithm>

int
main(int argc, char * argv[])
{
  const std::string description =
    "Segments an image, or all images of a folder or list, with a model file. The label map has the image's size, "
    "spacing, origin and direction. One broken case does not stop the others.";
  return sam::RunProgram("sam-segment", description, argc, argv, [](sam::CommandLine & line) {
    auto &                       parser = line.GetParser();
    TCLAP::MultiArg<std::string> model(
      "",
      "model",
      "The model file (.safetensors, or a published .pth). Given several times, the answers are averaged; "
      "the models have the same labels and preprocessing.",
      true,
      "FILE",
      parser);
    TCLAP::ValueArg<std::string> mirror("",
                                        "mirror",
                                        "Axes (0 = x, 1 = y, 2 = z of the model's grid) along which windows are "
                                        "mirrored, such as 0: answers are averaged over all combinations. For models "
                                        "that were trained so.",
                                        false,
                                        "",
                                        "LIST",
                                        parser);
    TCLAP::MultiArg<std::string> region("",
                                        "region",
                                        "Segment a box only: cx,cy,cz,sx,sy,sz, center and size in mm (LPS). The "
                                        "rest becomes background. May be given several times.",
                                        false,
                                        "BOX",
                                        parser);
    TCLAP::SwitchArg             cropToBody("",
                                "crop-to-body",
                                "Segment the box around the body only, and 10 mm on each side: what is brighter than "
                                            "Otsu's threshold of the first "
                                            "channel. The rest becomes background. The box is printed as --region takes it.",
                                parser);
    TCLAP::ValueArg<std::string> statistics(
      "",
      "statistics",
      "Where volumes and gray values of the labels go, with the version of the program and the MD5 of the models, as "
      "JSON.",
      false,
      "",
      "FILE.json|DIR",
      parser);
    TCLAP::ValueArg<std::string> preview(
      "", "preview", "Where a picture with the labels' outlines goes.", false, "", "FILE.png|DIR", parser);
    TCLAP::MultiArg<std::string> probability(
      "",
      "probability",
      "Where the probability of a label goes, given by name or value, the background too: an image of 32-bit numbers "
      "on the image's grid, of what the label map was chosen by, before --labels and other cleaning. With several "
      "images the folder for them. May be given several times.",
      false,
      "LABEL=FILE|DIR",
      parser);
    TCLAP::ValueArg<std::string> uncertainty(
      "",
      "uncertainty",
      "Where the uncertainty goes, one minus the largest probability of all labels: an image as of --probability.",
      false,
      "",
      "FILE|DIR",
      parser);
    TCLAP::SwitchArg largestComponent(
      "", "largest-component", "Keep of each label the largest connected part only.", parser);
    TCLAP::ValueArg<std::string> labels("",
                                        "labels",
                                        "Names or values of the labels to keep, separated by commas. Default: all.",
                                        false,
                                        "",
                                        "LIST",
                                        parser);
    TCLAP::ValueArg<double>      minimumSize(
      "", "minimum-size", "Connected parts of a label that are smaller become background.", false, 0.0, "MM3", parser);
    TCLAP::SwitchArg fillHoles(
      "", "fill-holes", "Background that one label encloses gets the label. Comes last.", parser);
    TCLAP::SwitchArg skipExisting(
      "",
      "skip-existing",
      "Leave out cases whose label map, and all else that is asked for of a case, are there.",
      parser);
    TCLAP::ValueArg<std::string> shard("",
                                       "shard",
                                       "K/N: only every N-th case from the K-th on, K from 0, so that N programs share "
                                       "a cohort.",
                                       false,
                                       "0/1",
                                       "K/N",
                                       parser);
    TCLAP::ValueArg<std::string> report(
      "",
      "report",
      "Where it goes what became of each case, with seconds and mistakes, as JSON; written anew after each.",
      false,
      "",
      "FILE.json",
      parser);
    TCLAP::ValueArg<std::string> memoryLimit(
      "",
      "memory-limit",
      "The memory that a case may take by the estimate that is printed before the work, such as 2G: an image that "
      "takes more is read and segmented in parts, with the same labels. What cannot be done within the limit is "
      "refused.",
      false,
      "",
      "SIZE",
      parser);
    line.AddDevices();
    line.AddPrecision();
    line.AddFixDirection();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image(
      "image",
      "The image, the folder of a DICOM series, a folder of images or of such "
      "folders, or a .txt file with the path of an image or series in each "
      "line; lines that begin with # are left out.",
      true,
      "",
      "IMAGE",
      parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "output",
      "The label map, or the folder for label maps of the same names (of a series NAME.nii.gz, of a JPEG file "
      "NAME.png). NIfTI, NRRD and MetaImage also hold names and colors of the labels, the version of the program and "
      "the MD5 of the models. Images whose axes are sheared, as of a tilted gantry, do not go into NIfTI.",
      true,
      "",
      "OUT",
      parser);
    line.Parse();

    sam::SegmentationJob given;
    given.image = image.getValue();
    given.output = output.getValue();
    given.statistics = statistics.getValue();
    given.preview = preview.getValue();
    given.uncertainty = uncertainty.getValue();
    if (mirror.isSet())
    {
      given.mirrorAxes = sam::ParseAxes("--mirror", mirror.getValue());
    }
    given.largestComponent = largestComponent.getValue();
    given.minimumSize = minimumSize.getValue();
    given.fillsHoles = fillHoles.getValue();
    given.cropsToBody = cropToBody.getValue();
    if (!(given.minimumSize >= 0.0))
    {
      throw sam::Error("--minimum-size: expected a volume in mm3, 0 or more");
    }
    for (const auto & text : region.getValue())
    {
      given.regions.push_back(sam::ParseRegion("--region", text));
    }
    if (given.cropsToBody && !given.regions.empty())
    {
      throw sam::Error("--crop-to-body: expected no --region beside it");
    }
    if (memoryLimit.isSet())
    {
      given.memoryLimit = sam::ParseBytes("--memory-limit", memoryLimit.getValue());
    }
    const auto part = sam::ParseShard("--shard", shard.getValue());
    const auto devices = line.GetDevices();
    if (devices.size() > 1 && memoryLimit.isSet())
    {
      throw sam::Error("--memory-limit: expected one --device, since the memory that is counted is the program's");
    }
    std::vector<itk::SamModel::Pointer>                   read; // those of one device after those of the other
    std::vector<std::vector<itk::SamModel::ConstPointer>> ofDevices(devices.size());
    for (size_t k = 0; k < devices.size(); ++k)
    {
      for (const auto & file : model.getValue())
      {
        ofDevices[k].emplace_back(read.emplace_back(sam::ReadModel(line, file, devices[k])));
      }
    }
    const auto & models = ofDevices.front();
    if (labels.isSet())
    {
      given.labels = sam::ParseLabels("--labels", labels.getValue(), models.front());
    }
    for (const auto & text : probability.getValue())
    {
      const auto [value, file] = sam::ParseProbability("--probability", text, models.front());
      if (!given.probabilities.emplace(value, file).second)
      {
        throw sam::Error("--probability: '" + text + "', the label has a file already");
      }
    }
    const auto jobs = sam::MakeJobs(given, part, models.front()->GetNumberOfChannels());
    const bool isCohort = jobs.size() > 1;
    auto       inputs = model.getValue();
    inputs.insert(inputs.end(), { image.getValue(), "" });
    for (const auto & job : jobs)
    {
      inputs.back() = job.image;
      auto outputs = sam::GetOutputs(job);
      outputs.push_back(report.getValue());
      sam::CheckDistinct(inputs, outputs);
    }
    line.Print(jobs.empty() ? image.getValue() + ": no case in this shard\n" : "");
    const auto isSkipped = [&](const sam::SegmentationJob & job) {
      return skipExisting.getValue() && sam::IsDone(job);
    };
    if (report.isSet() || statistics.isSet() ||
        std::any_of(jobs.begin(), jobs.end(), [](const auto & job) { return sam::HoldsProvenance(job.output); }))
    {
      const auto others = read.begin() + static_cast<std::ptrdiff_t>(models.size());
      std::for_each(read.begin(), others, [](const auto & one) { sam::KeepMd5(one); });
      for (auto other = others; other != read.end(); ++other) // from the same files
      {
        (*other)->SetMetaDataDictionary(
          (*(other - static_cast<std::ptrdiff_t>(models.size())))->GetMetaDataDictionary());
      }
    }
    sam::CohortReport cases(report.getValue(), models, part);
    if (isCohort && !line.GetQuiet()) // opens each file
    {
      const auto [largest, estimate] = sam::FindMostMemory(models, jobs, isSkipped);
      const auto atATime = devices.size() > 1 ? ", of " + std::to_string(devices.size()) + " at a time" : "";
      line.Print(largest.empty() ? ""
                                 : "memory: " + estimate.text + " for the largest case, " + largest + atATime + "\n");
    }
    const auto outcome = sam::SegmentCohort(line, ofDevices, jobs, isSkipped, cases);
    if (isCohort && outcome.peak.first > 0)
    {
      line.Print("memory: " + sam::FormatBytes(outcome.peak.first) + " at the peak, for " + outcome.peak.second + "\n");
    }
    if (outcome.failed > 0)
    {
      throw sam::Error(std::to_string(outcome.failed) + " of " + std::to_string(jobs.size()) +
                       " images were not segmented");
    }
  });
}
