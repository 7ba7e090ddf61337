// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTestProgram.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"

#include "itkRegionOfInterestImageFilter.h"

#include <cmath>
#include <set>

using namespace sam::test;

namespace
{
namespace fs = std::filesystem;
template <unsigned int VDimension>
using Image = itk::Image<float, VDimension>;
template <unsigned int VDimension>
using Labels = itk::Image<unsigned char, VDimension>;
using Embedding = itk::VectorImage<float, 3>;

class SamStagePrograms : public testing::Test
{
protected:
  std::string
  Quoted(const std::string & name) const
  {
    return '"' + (fs::path(name).is_absolute() ? fs::path(name) : folder / name).string() + '"';
  }

  Outcome
  Run(const std::string & program, const std::string & arguments) const
  {
    return RunProgram(folder, program, "--model " + Quoted(model) + " " + arguments);
  }

  /** Write an image whose gray values differ in each quarter. */
  template <unsigned int VDimension>
  void
  WriteImage(const std::string &                               name,
             const itk::Size<VDimension> &                     size,
             const typename Image<VDimension>::DirectionType & direction) const
  {
    typename Image<VDimension>::PointType origin;
    origin.Fill(-7.3);
    typename Image<VDimension>::SpacingType spacing;
    spacing.Fill(1.0);
    Write(itk::MakeSamTestImage<Image<VDimension>>({}, size, spacing, origin, direction).GetPointer(), folder / name);
  }

  Outcome
  RunScript(const std::string & image, const std::string & options) const
  {
    const auto        log = folder / "script.txt";
    const std::string command = "SEGMENTANYTHING_BIN=\"" SEGMENTANYTHING_PROGRAMS "\" bash \"" SEGMENTANYTHING_MODELS
                                "/../stages.sh\" " +
                                Quoted(model) + " " + Quoted(image) + " " + Quoted("out.nrrd") +
                                " --threads 1 --device=cpu " + options + " > \"" + log.string() + "\" 2>&1";
    const bool isWell = std::system(command.c_str()) == 0;
    return { isWell, ReadText(log) };
  }

  /** The script and sam-segment write the same file; answers the windows that are encoded, or none after a failure. */
  size_t
  CompareScript(const std::string & image, const std::string & region = {}) const
  {
    const auto segmented = Run("sam-segment", region + Quoted(image) + " " + Quoted("expected.nrrd"));
    EXPECT_TRUE(segmented.isWell) << segmented.output;
    const auto script = RunScript(image, region);
    EXPECT_TRUE(script.isWell) << script.output;
    if (!script.isWell || !segmented.isWell)
    {
      return 0;
    }
    const auto expected = ReadPixels<Labels<3>>(folder / "expected.nrrd");
    EXPECT_GT(std::set<int>(expected.begin(), expected.end()).size(), 1u);
    EXPECT_TRUE(ReadText(folder / "out.nrrd") == ReadText(folder / "expected.nrrd"));
    fs::remove_all(folder / "embeddings");
    EXPECT_TRUE(Run("sam-resample", region + Quoted(image) + " " + Quoted("grid.nrrd")).isWell);
    EXPECT_TRUE(Run("sam-encode", "--by-window " + Quoted("grid.nrrd") + " " + Quoted("embeddings")).isWell);
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder / "embeddings"), {}));
  }

  /** A model of three dimensions with windows of 16 × 16 × 4 voxels of 1 mm. */
  void
  UseVolumeModel()
  {
    itk::SamTestModelOptions options;
    options.isSharp = true;
    model = "model.safetensors";
    itk::MakeSamTestModel(options)->Write((folder / model).string());
  }

  TemporaryFolder folder;
  std::string     model;
};

itk::Matrix<double, 3, 3>
Identity()
{
  itk::Matrix<double, 3, 3> matrix;
  matrix.SetIdentity();
  return matrix;
}
} // namespace

TEST_F(SamStagePrograms, SmallerThanAWindow)
{
  UseVolumeModel();
  WriteImage<3>("image.mha", { { 13, 11, 3 } }, Identity());
  EXPECT_EQ(CompareScript("image.mha"), 1u);
}

TEST_F(SamStagePrograms, SeveralWindowsOfAnObliqueVolume)
{
  UseVolumeModel();
  WriteImage<3>("image.nrrd", { { 22, 15, 6 } }, itk::ObliqueSamDirection());
  EXPECT_GT(CompareScript("image.nrrd"), 8u);
}

TEST_F(SamStagePrograms, PicturesAndPrototypes)
{
  model = "dapsam.safetensors";
  itk::MakePrototypeSamTestModel()->Write((folder / model).string());
  WriteImage<3>("image.mha", { { 26, 19, 2 } }, Identity());
  EXPECT_EQ(CompareScript("image.mha"), 4u);

  itk::Matrix<double, 2, 2> direction;
  direction.SetIdentity();
  WriteImage<2>("picture.nrrd", { { 26, 19 } }, direction);
  EXPECT_EQ(CompareScript("picture.nrrd"), 2u);
  const auto similarity = RunProgram(folder,
                                     "sam-prototype-prompt",
                                     "--model " + Quoted(model) + " --similarity " + Quoted("similar.mha") + " " +
                                       Quoted("embeddings/window_0000.nrrd") + " " + Quoted("prompt.mha"));
  ASSERT_TRUE(similarity.isWell) << similarity.output;
  EXPECT_EQ(ReadPixels<Image<2>>(folder / "similar.mha").size(), 25u);

  itk::SamTestModelOptions options;
  options.dimension = 2;
  options.isSharp = true;
  model = "flat.safetensors";
  itk::MakeSamTestModel(options)->Write((folder / model).string());
  EXPECT_EQ(CompareScript("picture.nrrd"), 6u);
}

TEST_F(SamStagePrograms, NothingIsReplacedOrBentByItsFormat)
{
  model = "dapsam.safetensors";
  itk::MakePrototypeSamTestModel()->Write((folder / model).string());
  auto sheared = Identity();
  sheared(1, 2) = 0.2;
  WriteImage<3>("sheared.mha", { { 26, 19, 2 } }, sheared);
  WriteImage<3>("image.mha", { { 26, 19, 2 } }, Identity());
  ASSERT_TRUE(Run("sam-resample", Quoted("image.mha") + " " + Quoted("grid.mha")).isWell);
  ASSERT_TRUE(Run("sam-encode", "--by-window " + Quoted("grid.mha") + " " + Quoted("e")).isWell);
  ASSERT_TRUE(Run("sam-prototype-prompt", Quoted("e") + " " + Quoted("p")).isWell);
  const auto before = ReadText(folder / "e/window_0000.nrrd");
  struct Mistake
  {
    std::string program;
    std::string arguments;
    std::string expected;
  };
  const std::string replaced = ": would be replaced, but is the input";
  for (const auto & [program, arguments, expected] : std::vector<Mistake>{
         { "sam-resample", Quoted("image.mha") + " " + Quoted("image.mha"), replaced },
         { "sam-resample", Quoted("sheared.mha") + " " + Quoted("out.nii"), ": NIfTI stores a rotation" },
         { "sam-encode", Quoted("grid.mha") + " " + Quoted("grid.mha"), replaced },
         { "sam-prototype-prompt", Quoted("e") + " " + Quoted("e"), replaced },
         { "sam-prototype-prompt",
           "--similarity " + Quoted("q") + " " + Quoted("e") + " " + Quoted("q"),
           "window_0000.nrrd: is given for two outputs" },
         { "sam-classify",
           "--image " + Quoted("image.mha") + " " + Quoted("e") + " " + Quoted("p") + " " + Quoted("image.mha"),
           replaced },
         { "sam-classify",
           "--image " + Quoted("sheared.mha") + " " + Quoted("e") + " " + Quoted("p") + " " + Quoted("out.nii"),
           ": NIfTI stores a rotation" } })
  {
    const auto outcome = Run(program, arguments);
    EXPECT_FALSE(outcome.isWell) << program << ' ' << arguments;
    EXPECT_NE(outcome.output.find(expected), std::string::npos) << outcome.output;
  }
  EXPECT_TRUE(ReadText(folder / "e/window_0000.nrrd") == before);
  EXPECT_FALSE(fs::exists(folder / "out.nii"));
}

TEST_F(SamStagePrograms, TheInterpolationIsTheModelsOrGiven)
{
  UseVolumeModel();
  WriteImage<3>("image.mha", { { 13, 11, 5 } }, itk::ObliqueSamDirection());
  const auto resample = [&](const std::string & options) {
    const auto outcome = Run("sam-resample", options + Quoted("image.mha") + " " + Quoted("grid.mha"));
    EXPECT_TRUE(outcome.isWell) << outcome.output;
    return ReadPixels<Embedding>(folder / "grid.mha");
  };
  const auto                         linear = resample("");
  const auto                         cubic = resample("--interpolation cubic ");
  const std::set<std::vector<float>> kinds{
    linear, cubic, resample("--interpolation nearest "), resample("--interpolation=linear ")
  };
  EXPECT_EQ(kinds.size(), 3u);
  const auto outcome =
    Run("sam-resample", "--interpolation lanczos " + Quoted("image.mha") + " " + Quoted("other.mha"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("linear|nearest|cubic|nnunet"), std::string::npos) << outcome.output;

  itk::SamTestModelOptions options;
  options.isSharp = true;
  options.interpolation = "cubic";
  model = "cubic.safetensors";
  itk::MakeSamTestModel(options)->Write((folder / model).string());
  EXPECT_EQ(resample(""), cubic);
  EXPECT_EQ(resample("--interpolation linear "), linear);
  // The stages answer what the whole does.
  EXPECT_GT(CompareScript("image.mha"), 1u);
}

TEST_F(SamStagePrograms, ABlackFrameIsLeftOut)
{
  // Two dark ovals, as lungs, within a frame.
  const auto film = MakeImage<Image<2>>({ 205, 202 }, { 2.0, 2.1 }, { 7.0, -3.0 });
  for (itk::ImageRegionIteratorWithIndex<Image<2>> it(film, film->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const double x = static_cast<double>(it.GetIndex()[0]) - 30.0;
    const double y = static_cast<double>(it.GetIndex()[1]) - 12.0;
    const auto   oval = [x, y](double center) {
      return std::exp(-std::pow((x - center) / 28.0, 2) - std::pow((y - 75.0) / 50.0, 2));
    };
    const bool isInside = x >= 0.0 && y >= 0.0 && x < 170.0 && y < 150.0;
    it.Set(isInside ? static_cast<float>(200.0 - 120.0 * (oval(50.0) + oval(120.0))) : 0.0f);
  }
  Write(film.GetPointer(), folder / "film.nrrd");
  model = SEGMENTANYTHING_MODELS "/lung_xray.safetensors";
  EXPECT_EQ(CompareScript("film.nrrd"), 1u);
}

TEST_F(SamStagePrograms, HippocampusInItsCrop)
{
  model = SEGMENTANYTHING_MODELS "/hippocampus.safetensors";
  const fs::path image = SEGMENTANYTHING_SHARED "/data/hippocampus/imagesTr/hippocampus_001.nii.gz";
  if (!fs::exists(image))
  {
    GTEST_SKIP() << image << " is not there";
  }
  EXPECT_EQ(CompareScript(image.string()), 4u);
}

TEST_F(SamStagePrograms, LargerThanAWindowInEveryDirection)
{
  model = SEGMENTANYTHING_MODELS "/hippocampus.safetensors";
  const fs::path image = SEGMENTANYTHING_SHARED "/data/ct_mr_samples/images/example_mr_sm.nii.gz";
  if (!fs::exists(image))
  {
    GTEST_SKIP() << image << " is not there";
  }
  // 54 x 60 x 18 mm of voxels of 3 mm.
  const auto part = itk::RegionOfInterestImageFilter<Image<3>, Image<3>>::New();
  part->SetInput(sam::Read<Image<3>>(image.string()));
  part->SetRegionOfInterest(Image<3>::RegionType({ { 40, 30, 6 } }, { { 18, 20, 6 } }));
  part->Update();
  Write(part->GetOutput(), folder / "part.nii.gz");
  EXPECT_EQ(CompareScript("part.nii.gz"), 8u);
}

TEST_F(SamStagePrograms, APartOfAnEmbeddingIsEnoughForItself)
{
  UseVolumeModel();
  WriteImage<3>("image.mha", { { 22, 15, 6 } }, Identity());
  ASSERT_TRUE(Run("sam-resample", Quoted("image.mha") + " " + Quoted("grid.mha")).isWell);
  ASSERT_TRUE(Run("sam-encode", Quoted("grid.mha") + " " + Quoted("whole.nrrd")).isWell);
  const auto whole = sam::Read<Embedding>((folder / "whole.nrrd").string());
  EXPECT_EQ(whole->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 6, 4, 6 } }));
  const auto crop = itk::RegionOfInterestImageFilter<Embedding, Embedding>::New();
  crop->SetInput(whole);
  crop->SetRegionOfInterest(Embedding::RegionType({ { 2, 1, 1 } }, { { 3, 2, 4 } }));
  crop->Update();
  Write(crop->GetOutput(), folder / "crop.nrrd");

  auto outcome = Run("sam-auto-prompt",
                     "--masks " + Quoted("masks.nrrd") + " " + Quoted("crop.nrrd") + " " + Quoted("crop.safetensors"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  outcome = Run("sam-classify",
                "--probabilities " + Quoted("p.nrrd") + " " + Quoted("crop.nrrd") + " " + Quoted("crop.safetensors") +
                  " " + Quoted("labels.mha"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto labels = sam::Read<Labels<3>>((folder / "labels.mha").string());
  EXPECT_EQ(labels->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 12, 8, 4 } }));
  const std::array<double, 3> first{ { 8.0, 4.0, 1.0 } }; // the voxel of the image that token 2, 1, 1 begins with
  for (unsigned int d = 0; d < 3; ++d)
  {
    EXPECT_NEAR(labels->GetOrigin()[d], -7.3 + first[d], 1e-5);
    EXPECT_NEAR(labels->GetSpacing()[d], 1.0, 1e-6);
  }
  const auto probabilities = ReadPixels<Embedding>(folder / "p.nrrd");
  const auto pixels = ReadPixels<Labels<3>>(folder / "labels.mha");
  ASSERT_EQ(probabilities.size(), 3 * pixels.size());
  for (size_t k = 0; k < pixels.size(); ++k)
  {
    const float * of = &probabilities[3 * k];
    EXPECT_NEAR(of[0] + of[1] + of[2], 1.0f, 1e-5f);
    EXPECT_EQ(pixels[k], (std::array<int, 3>{ { 0, 3, 7 } }[static_cast<size_t>(std::max_element(of, of + 3) - of)]));
  }
  EXPECT_EQ(ReadPixels<Embedding>(folder / "masks.nrrd").size(), probabilities.size()) << "three queries";
}

TEST_F(SamStagePrograms, WhatDoesNotBelongTogetherIsRefused)
{
  UseVolumeModel();
  WriteImage<3>("image.mha", { { 22, 15, 3 } }, Identity());
  ASSERT_TRUE(Run("sam-resample", Quoted("image.mha") + " " + Quoted("grid.nrrd")).isWell);
  ASSERT_TRUE(Run("sam-encode", "--by-window " + Quoted("grid.nrrd") + " " + Quoted("e")).isWell);
  ASSERT_TRUE(Run("sam-auto-prompt", Quoted("e") + " " + Quoted("p")).isWell);
  const std::string out = Quoted("out.mha");
  const auto refuse = [&](const std::string & program, const std::string & arguments, const std::string & words) {
    const auto outcome = Run(program, arguments);
    EXPECT_FALSE(outcome.isWell) << words;
    EXPECT_NE(outcome.output.find(words), std::string::npos) << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
    EXPECT_FALSE(fs::exists(folder / "out.mha"));
  };
  const std::string image = "--image " + Quoted("image.mha") + " ";
  const auto        windows = Quoted("e") + " " + Quoted("p") + " " + out;
  refuse("sam-classify", windows, "--image: is needed to blend the 2 windows of");
  refuse("sam-classify", "--region 0,0,0,9,9,9 " + windows, "--region: is a part of an image, expected --image");
  refuse("sam-classify", image + "--probabilities " + Quoted("x.nrrd") + " " + windows, "expected no --image");
  const auto first = Quoted("e/window_0000.nrrd") + " ";
  refuse("sam-classify", first + Quoted("p/window_0001.safetensors") + " " + out, "do not belong to the embedding");
  refuse("sam-classify", first + Quoted("none.safetensors") + " " + out, "none.safetensors: no such file");
  refuse("sam-classify", image + first + Quoted("p/window_0000.safetensors") + " " + out, "no embedding of the window");
  refuse("sam-auto-prompt", first + Quoted("prompts.nrrd"), "ends with .safetensors");
  refuse("sam-auto-prompt", Quoted("grid.nrrd") + " " + Quoted("a.safetensors"), "the embedding has 1 components");
  refuse("sam-prototype-prompt", first + Quoted("a.nrrd"), "prototypes");
  refuse("sam-encode", "--slices 1 " + Quoted("grid.nrrd") + " " + out, "--slices: ");
  Write(itk::MakeSamTestVolume<Image<3>>().GetPointer(), folder / "other.mha");
  refuse("sam-encode", Quoted("other.mha") + " " + out, "expected an image that sam-resample wrote");
  fs::copy(folder / "e/window_0000.nrrd", folder / "e/zero.nrrd");
  refuse("sam-classify", image + windows, "zero.nrrd: lies where ");
  fs::remove(folder / "e/zero.nrrd");
  ASSERT_TRUE(Run("sam-encode", Quoted("grid.nrrd") + " " + Quoted("e/whole.nrrd")).isWell);
  refuse("sam-classify", image + windows, "whole.nrrd: is no window of the model over");

  const auto unnamed = RunProgram(folder, "sam-resample", Quoted("image.mha") + " " + out);
  EXPECT_FALSE(unnamed.isWell);
  EXPECT_NE(unnamed.output.find("model"), std::string::npos) << unnamed.output;
}

TEST_F(SamStagePrograms, PartsOfAnImage)
{
  UseVolumeModel();
  WriteImage<3>("image.mha", { { 40, 22, 4 } }, Identity());
  const std::vector<std::string> boxes{ "--region 0,0,-5.8,12,14,4 ", "--region 24,5,-5.8,12,18,4 " };
  fs::create_directory(folder / "e");
  for (const auto & box : boxes)
  {
    ASSERT_TRUE(Run("sam-resample", box + Quoted("image.mha") + " " + Quoted("grid.mha")).isWell);
    ASSERT_TRUE(Run("sam-encode", "--by-window " + Quoted("grid.mha") + " " + Quoted("windows")).isWell);
    for (const auto & entry : fs::directory_iterator(folder / "windows"))
    {
      fs::rename(entry.path(), folder / "e" / (std::to_string(&box - boxes.data()) + entry.path().filename().string()));
    }
  }
  ASSERT_TRUE(Run("sam-auto-prompt", Quoted("e") + " " + Quoted("p")).isWell);
  const auto both = boxes[0] + boxes[1];
  const auto outcome =
    Run("sam-classify",
        both + "--image " + Quoted("image.mha") + " " + Quoted("e") + " " + Quoted("p") + " " + Quoted("out.mha"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  ASSERT_TRUE(Run("sam-segment", both + Quoted("image.mha") + " " + Quoted("expected.mha")).isWell);
  EXPECT_EQ(ReadPixels<Labels<3>>(folder / "out.mha"), ReadPixels<Labels<3>>(folder / "expected.mha"));
}

TEST_F(SamStagePrograms, TheScriptGivesEachStageItsOptionsAndLeavesNothingBehind)
{
  UseVolumeModel();
  WriteImage<3>("image.mha", { { 40, 22, 4 } }, Identity());
  fs::create_directory(folder / "out.nrrd.stages");
  WriteText(folder / "out.nrrd.stages" / "mine.txt", "kept");
  EXPECT_EQ(CompareScript("image.mha", "--region 24,5,-5.8,12,18,4 "), 2u);
  EXPECT_TRUE(RunScript("image.mha", "--quiet --precision=float32 --progress json").isWell);
  fs::remove(folder / "out.nrrd");
  const auto count = [this] { return std::distance(fs::directory_iterator(folder / "."), {}); };
  const auto before = count();
  for (const std::string option : { "--axis 1", "--probabilities p.nrrd", "--nothing", "more" })
  {
    const auto outcome = RunScript("image.mha", option);
    EXPECT_FALSE(outcome.isWell);
    EXPECT_NE(outcome.output.find(option.substr(0, option.find(' ')) + ": no such option, expected --device"),
              std::string::npos)
      << outcome.output;
    EXPECT_FALSE(Contains(outcome.output, "->")) << "no stage has run";
  }
  EXPECT_FALSE(RunScript("none.mha", "").isWell);
  EXPECT_EQ(count(), before);
  EXPECT_EQ(ReadText(folder / "out.nrrd.stages" / "mine.txt"), "kept");
}
