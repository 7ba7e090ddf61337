// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCommandLine.h"
#include "samError.h"
#include "samSegmentation.h"

#include <filesystem>

namespace
{
/** One job per image of a folder: files of the same name in the output folder, and of the same stem elsewhere. */
std::vector<sam::SegmentationJob>
MakeJobs(const sam::SegmentationJob & given)
{
  namespace fs = std::filesystem;
  if (!fs::is_directory(given.image))
  {
    return { given };
  }
  const auto makeFolder = [](const std::string & folder) {
    std::error_code error;
    fs::create_directories(folder, error);
    if (!fs::is_directory(folder))
    {
      throw sam::Error(folder + ": cannot be made, expected a folder because the input is one");
    }
  };
  makeFolder(given.output);
  std::vector<sam::SegmentationJob> jobs;
  for (const auto & image : sam::FindImages(given.image))
  {
    sam::SegmentationJob job = given;
    const auto           name = fs::path(image).filename();
    auto                 stem = name.stem();
    if (stem.extension() == ".nii")
    {
      stem = stem.stem();
    }
    job.image = image;
    job.output = (fs::path(given.output) / name).string();
    if (!given.statistics.empty())
    {
      makeFolder(given.statistics);
      job.statistics = (fs::path(given.statistics) / stem).string() + ".json";
    }
    if (!given.preview.empty())
    {
      makeFolder(given.preview);
      job.preview = (fs::path(given.preview) / stem).string() + ".png";
    }
    jobs.push_back(job);
  }
  if (jobs.empty())
  {
    throw sam::Error(given.image + ": no image in this folder");
  }
  return jobs;
}
} // namespace

int
main(int argc, char * argv[])
{
  const std::string description =
    "Segments an image, or all images of a folder, with a model file. The label map has the image's size, spacing, "
    "origin and direction.";
  return sam::RunProgram("sam-segment", description, argc, argv, [](sam::CommandLine & line) {
    auto &                       parser = line.GetParser();
    TCLAP::MultiArg<std::string> model("",
                                       "model",
                                       "The model file (.safetensors). Given several times, the answers are averaged; "
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
    TCLAP::ValueArg<std::string> statistics(
      "", "statistics", "Where volumes and gray values of the labels go, as JSON.", false, "", "FILE.json|DIR", parser);
    TCLAP::ValueArg<std::string> preview(
      "", "preview", "Where a picture with the labels' outlines goes.", false, "", "FILE.png|DIR", parser);
    TCLAP::SwitchArg largestComponent(
      "", "largest-component", "Keep of each label the largest connected part only.", parser);
    line.AddDevice();
    line.AddPrecision();
    line.AddThreads();
    line.AddQuiet();
    TCLAP::UnlabeledValueArg<std::string> image(
      "image", "The image, or a folder of images.", true, "", "IMAGE", parser);
    TCLAP::UnlabeledValueArg<std::string> output(
      "output", "The label map, or the folder for label maps of the same names.", true, "", "OUT", parser);
    line.Parse();

    sam::SegmentationJob given{
      image.getValue(), output.getValue(), statistics.getValue(), preview.getValue(), {}, false, {}
    };
    if (mirror.isSet())
    {
      for (const int axis : sam::ParseIntegers("--mirror", mirror.getValue()))
      {
        given.mirrorAxes.push_back(static_cast<unsigned int>(axis));
      }
    }
    given.largestComponent = largestComponent.getValue();
    for (const auto & text : region.getValue())
    {
      given.regions.push_back(sam::ParseRegion("--region", text));
    }
    if (!std::filesystem::exists(given.image))
    {
      throw sam::Error(given.image + ": no such file, expected an image or a folder of images");
    }
    if (line.GetThreads() > 0)
    {
      itk::SamModel::SetNumberOfThreads(line.GetThreads());
    }
    std::vector<itk::SamModel::ConstPointer> models;
    for (const auto & file : model.getValue())
    {
      models.emplace_back(itk::SamModel::Read(file, line.GetDevice(), line.GetPrecision()));
    }
    const auto jobs = MakeJobs(given);
    size_t     failed = 0;
    for (size_t k = 0; k < jobs.size(); ++k)
    {
      try
      {
        sam::Segment(models, jobs[k], [&](double fraction) {
          sam::ThrowIfInterrupted();
          line.ShowProgress((static_cast<double>(k) + fraction) / static_cast<double>(jobs.size()), jobs[k].image);
        });
        line.Print(jobs[k].image + " -> " + jobs[k].output + "\n");
      }
      catch (const sam::Error & error)
      {
        if (jobs.size() == 1)
        {
          throw;
        }
        // The other cases of a cohort do not wait for one that is broken.
        line.Warn(error.what());
        ++failed;
      }
    }
    if (failed > 0)
    {
      throw sam::Error(std::to_string(failed) + " of " + std::to_string(jobs.size()) + " images were not segmented");
    }
  });
}
