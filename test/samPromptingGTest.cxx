// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTestProgram.h"

#include "itkSamTestModel.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <sstream>

using namespace sam::test;

namespace
{
using Picture = itk::Image<unsigned char, 2>;
using Volume = itk::Image<short, 3>;
using Labels = itk::Image<unsigned char, 3>;
using Features = itk::VectorImage<float, 3>;

/** A model file, a volume of 22 x 19 x 7 voxels and a picture of 30 x 24 pixels. */
struct Files
{
  Files()
  {
    itk::SamPromptableTestModelOptions options;
    options.seed = 9;
    itk::MakePromptableSamTestModel(options)->Write((folder / "model.safetensors").string());
    const auto volume = MakeImage<Volume>({ 22, 19, 7 }, { 0.9, 1.1, 2.0 }, { -11.3, 4.7, 21.9 });
    const auto picture = MakeImage<Picture>({ 30, 24 }, { 1.0, 1.0 });
    for (itk::ImageRegionIteratorWithIndex<Volume> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(static_cast<short>(30 * it.GetIndex()[0] - 20 * it.GetIndex()[1] + 50 * it.GetIndex()[2]));
    }
    for (itk::ImageRegionIteratorWithIndex<Picture> it(picture, picture->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      it.Set(static_cast<unsigned char>(5 * it.GetIndex()[0] + 3 * it.GetIndex()[1]));
    }
    Write(volume.GetPointer(), folder / "volume.nrrd");
    Write(picture.GetPointer(), folder / "picture.png");
  }

  /** A path in the folder, quoted for the shell. */
  std::string
  operator()(const std::string & name) const
  {
    return '"' + (folder / name).string() + '"';
  }

  /** Run a program with the model. */
  Outcome
  Run(const std::string & program, const std::string & arguments) const
  {
    return RunProgram(folder, program, "--model " + (*this)("model.safetensors") + " " + arguments);
  }

  TemporaryFolder folder;
};
} // namespace

TEST(Prompting, EmbeddingsGiveTheSameBitsFromEitherFormat)
{
  const Files       files;
  const std::string prompts = "--quiet --axis 1 --box -5,9.2,24,4,11.5,32 --point -2,10.3,28,0 ";
  const auto        outputs = [&](const std::string & name) {
    return "--logits " + files(name + "_logits.nrrd") + " " + files("volume.nrrd") + " " + files(name + ".nrrd");
  };
  auto outcome = files.Run("sam-prompt", prompts + outputs("direct"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_EQ(outcome.output, "");
  const auto expected = ReadPixels<Labels>(files.folder / "direct.nrrd");
  const auto expectedLogits = ReadPixels<Features>(files.folder / "direct_logits.nrrd");
  EXPECT_GT(std::count(expected.begin(), expected.end(), 1), 0);
  EXPECT_EQ(expectedLogits.size(), 32u * 32u * 2u) << "slices 5 and 6";
  for (const std::string format : { "nrrd", "mha" })
  {
    const auto embedding = files("embedding." + format);
    outcome = files.Run("sam-encode", "--quiet --axis 1 --slices 4:7 " + files("volume.nrrd") + " " + embedding);
    ASSERT_TRUE(outcome.isWell) << outcome.output;
    outcome = files.Run("sam-prompt", prompts + "--embedding " + embedding + " " + outputs("reused"));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
    EXPECT_EQ(ReadPixels<Labels>(files.folder / "reused.nrrd"), expected);
    EXPECT_EQ(ReadPixels<Features>(files.folder / "reused_logits.nrrd"), expectedLogits);
  }
  // The wrong axis.
  outcome = files.Run("sam-prompt",
                      "--point -2,10.3,28 --embedding " + files("embedding.nrrd") + " " + files("volume.nrrd") + " " +
                        files("never.nrrd"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_TRUE(Contains(outcome.output, "the embedding: a corner lies at (")) << outcome.output;
  EXPECT_FALSE(std::filesystem::exists(files.folder / "never.nrrd"));
}

TEST(Prompting, ObjectsScoresMasksAndPictures)
{
  const Files files;
  WriteText(files.folder / "prompts.json",
            R"({"objects": [{"label": 3, "points": [[4, 5, 1], [20, 20, 0]]},
                            {"label": 7, "boxes": [[9, 8, 25, 20]]}]})");
  auto outcome = files.Run("sam-prompt",
                           "--multimask --prompts " + files("prompts.json") + " --scores " + files("scores.json") +
                             " --masks " + files("masks.nrrd") + " --preview " + files("preview.png") + " --logits " +
                             files("logits.mha") + " " + files("picture.png") + " " + files("labels.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_TRUE(Contains(outcome.output, "object 3, slice 0, mask 0: score ")) << outcome.output;
  const auto scores = nlohmann::json::parse(ReadText(files.folder / "scores.json")).at("masks");
  ASSERT_EQ(scores.size(), 6u);
  EXPECT_EQ(scores[3].at("object"), 7);
  std::array<size_t, 2> chosen{};
  for (size_t k = 0; k < 6; ++k)
  {
    if (scores[k].at("chosen").get<bool>())
    {
      chosen[k / 3] = k;
    }
  }
  const auto masks = ReadPixels<itk::VectorImage<unsigned char, 2>>(files.folder / "masks.nrrd");
  const auto labels = ReadPixels<Picture>(files.folder / "labels.nrrd");
  ASSERT_EQ(masks.size(), 30u * 24u * 6u);
  for (size_t k = 0; k < labels.size(); ++k)
  {
    const bool isThree = masks[6 * k + chosen[0]] != 0;
    const bool isSeven = masks[6 * k + chosen[1]] != 0;
    EXPECT_TRUE(labels[k] == 0 ? !isThree && !isSeven : labels[k] == 3 ? isThree : labels[k] == 7 && isSeven) << k;
  }
  EXPECT_TRUE(Contains(ReadText(files.folder / "labels.nrrd"), "Segment1_Name:=object 7"));
  EXPECT_TRUE(std::filesystem::exists(files.folder / "preview.png"));

  // The logits as prompts again, and a mask of another value for the only object.
  outcome = files.Run("sam-prompt",
                      "--quiet --prompts " + files("prompts.json") + " --mask " + files("logits.mha") + " " +
                        files("picture.png") + " " + files("refined.nrrd"));
  EXPECT_TRUE(outcome.isWell) << outcome.output;
  const auto mask = MakeImage<Picture>({ 30, 24 }, { 1.0, 1.0 });
  FillBox(mask.GetPointer(), 255, { 5, 5 }, { 12, 14 });
  Write(mask.GetPointer(), files.folder / "mask.png");
  outcome = files.Run(
    "sam-prompt", "--point 8,8 --mask " + files("mask.png") + " " + files("picture.png") + " " + files("masked.nrrd"));
  EXPECT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_TRUE(Contains(outcome.output, "object 1, slice 0")) << outcome.output;
  EXPECT_FALSE(Contains(outcome.output, "object 255")) << outcome.output;
}

TEST(Prompting, IndicesOfVoxelsAreTheSameAsMillimeters)
{
  const Files files;
  // An oblique grid: voxels are not along the axes of mm.
  const auto            volume = sam::Read<Volume>((files.folder / "volume.nrrd").string());
  Volume::DirectionType direction;
  const double          angle = 0.4;
  direction.Fill(0.0);
  direction[0][0] = direction[1][1] = std::cos(angle);
  direction[0][1] = -std::sin(angle);
  direction[1][0] = std::sin(angle);
  direction[2][2] = -1.0;
  volume->SetDirection(direction);
  Write(volume.GetPointer(), files.folder / "oblique.nrrd");
  const auto inMm = [&](const std::vector<Volume::IndexType> & voxels, const std::string & end) {
    std::ostringstream text;
    text.precision(17);
    for (const auto & voxel : voxels)
    {
      Volume::PointType point;
      volume->TransformIndexToPhysicalPoint(voxel, point);
      for (unsigned int d = 0; d < 3; ++d)
      {
        text << (text.str().empty() ? "[" : ", ") << point[d];
      }
    }
    return text.str() + end + "]";
  };
  WriteText(files.folder / "index.json",
            R"({"objects": [{"label": 3, "index_points": [[4, 5, 3], [15, 14, 3, 0]]},
                            {"label": 7, "index_boxes": [[18, 3, 2, 6, 15, 4]]}]})");
  WriteText(files.folder / "mm.json",
            R"({"objects": [{"label": 3, "points": [)" + inMm({ { { 4, 5, 3 } } }, "") + ", " +
              inMm({ { { 15, 14, 3 } } }, ", 0") + R"(]}, {"label": 7, "boxes": [)" +
              inMm({ { { 18, 3, 2 } }, { { 6, 15, 4 } } }, "") + "]}]}");
  const auto run = [&](const std::string & name) {
    const auto outcome = files.Run("sam-prompt",
                                   "--prompts " + files(name + ".json") + " --logits " + files(name + "_logits.mha") +
                                     " " + files("oblique.nrrd") + " " + files(name + ".nrrd"));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
  };
  run("index");
  run("mm");
  const auto labels = ReadPixels<Labels>(files.folder / "index.nrrd");
  EXPECT_GT(std::count(labels.begin(), labels.end(), 7), 0);
  EXPECT_EQ(labels, ReadPixels<Labels>(files.folder / "mm.nrrd"));
  const auto logits = ReadPixels<Features>(files.folder / "index_logits.mha");
  const auto expected = ReadPixels<Features>(files.folder / "mm_logits.mha");
  ASSERT_EQ(logits.size(), expected.size());
  EXPECT_EQ(logits.size() % (3u * 32u * 32u), 0u) << "slices 2, 3 and 4";
  for (size_t k = 0; k < logits.size(); ++k)
  {
    ASSERT_NEAR(logits[k], expected[k], 1e-4) << k;
  }
}

TEST(Prompting, EverythingAsJson)
{
  const Files files;
  const auto  outcome =
    files.Run("sam-everything",
              "--points-per-side 2 --pred-iou-thresh 0 --stability-score-thresh 0 --box-nms-thresh 1 --json " +
                files("masks.json") + " --preview " + files("preview.png") +
                " --axis 0 --slices 3:4 --window -300,500 " + files("volume.nrrd") + " " + files("labels.mha"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_TRUE(Contains(outcome.output, ": 24 masks")) << outcome.output;
  const auto report = nlohmann::json::parse(ReadText(files.folder / "masks.json"));
  EXPECT_EQ(report.at("points_per_side"), 2);
  const auto & masks = report.at("masks");
  ASSERT_EQ(masks.size(), 24u);
  EXPECT_EQ(masks.back().at("label"), 24);
  const auto labels = sam::Read<itk::Image<unsigned short, 3>>((files.folder / "labels.mha").string());
  for (const auto & mask : masks)
  {
    const auto & segmentation = mask.at("segmentation");
    EXPECT_EQ(segmentation.at("size"), (std::vector<int>{ 7, 19 })) << "rows along z, columns along y";
    int64_t area = 0;
    int64_t total = 0;
    bool    isInside = false;
    for (const int64_t length : segmentation.at("counts").get<std::vector<int64_t>>())
    {
      area += isInside ? length : 0;
      total += length;
      isInside = !isInside;
    }
    EXPECT_EQ(total, 7 * 19);
    EXPECT_EQ(mask.at("area"), area);
    const auto            point = mask.at("point_mm").get<std::vector<double>>();
    itk::Point<double, 3> place(point.data());
    itk::Index<3>         index;
    EXPECT_TRUE(labels->TransformPhysicalPointToIndex(place, index));
    EXPECT_EQ(index[0], mask.at("slice"));
  }
  EXPECT_TRUE(std::filesystem::exists(files.folder / "preview.png"));
}

TEST(Prompting, MistakesAreOneLineAndLeaveNothing)
{
  const Files files;
  WriteText(files.folder / "bad.json", R"({"objects": [{"label": 1, "dots": []}]})");
  WriteText(files.folder / "worse.json", "{");
  WriteText(files.folder / "outside.json", R"({"objects": [{"index_points": [[3, 24]]}]})");
  WriteText(files.folder / "before.json", R"({"objects": [{"index_boxes": [[-1, 2, 5, 6]]}]})");
  WriteText(files.folder / "between.json", R"({"objects": [{"index_boxes": [[1, 2, 5.5, 6]]}]})");
  WriteText(files.folder / "short.json", R"({"objects": [{"index_points": [[3]]}]})");
  const std::string                                      picture = files("picture.png") + " ";
  const std::string                                      volume = files("volume.nrrd") + " ";
  const std::vector<std::pair<std::string, std::string>> mistakes{
    { picture, "picture.png: no prompt is given, expected points, boxes or a mask" },
    { "--point 30,4 " + picture,
      "the point of object 1 (30, 4) mm lies outside of the image, which reaches from (-0.5, -0.5) to (29.5, 23.5) "
      "mm" },
    { "--box 3,4,3,9 " + picture, "is empty" },
    { "--point 3,4,5,1 " + picture, "--point 3,4,5,1: 4 numbers, expected x,y or x,y,0|1 for this 2-D image" },
    { "--point 3,4,2 " + picture, "the last number is 2, expected 1 (foreground) or 0 (background)" },
    { "--point 3,4 " + volume, "--point 3,4: 2 numbers, expected x,y,z or x,y,z,0|1 for this volume" },
    { "--box 3,4,5 " + picture, "--box 3,4,5: 3 numbers, expected x1,y1,x2,y2 for this 2-D image" },
    { "--point 3,x " + picture, "--point: 'x' in '3,x' is not a number" },
    { "--prompts " + files("bad.json") + " " + picture,
      "bad.json: unknown key 'dots', expected label, points, boxes, index_points, index_boxes" },
    { "--prompts " + files("outside.json") + " " + picture,
      "outside.json: index_points: the voxel (3, 24) lies outside of the image, whose voxels reach from (0, 0) to (29, "
      "23)" },
    { "--prompts " + files("before.json") + " " + picture, "before.json: index_boxes: the voxel (-1, 2) lies outside" },
    { "--prompts " + files("between.json") + " " + picture,
      "between.json: index_boxes: (5.5, 6), expected the index of a voxel, whole numbers" },
    { "--prompts " + files("short.json") + " " + picture, "short.json: index_points: 1 numbers, expected x,y or" },
    { "--prompts " + files("worse.json") + " " + picture, "worse.json: expected JSON such as" },
    { "--prompts " + files("none.json") + " " + picture, "none.json: no such file" },
    { "--point 3,4 --mask " + files("none.png") + " " + picture, "none.png: no such file" },
    { "--point 3,4 --window 5,5 " + picture, "--window: '5,5', expected lower,upper with lower < upper" },
    { "--point 3,4 --axis 3 " + picture, "--axis: 3, expected 0, 1 or 2" },
    { "--point 3,4 --embedding " + files("picture.png") + " " + picture, "the embedding has 1 components" },
    { "--point 3,4 --scores " + files("none/scores.json") + " " + picture, "there is no folder" },
  };
  for (const auto & [arguments, expected] : mistakes)
  {
    const auto outcome = files.Run("sam-prompt", arguments + files("out.nrrd"));
    EXPECT_FALSE(outcome.isWell) << arguments;
    EXPECT_TRUE(Contains(outcome.output, expected)) << outcome.output;
    EXPECT_EQ(outcome.output.rfind("sam-prompt: ", 0), 0u) << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
    EXPECT_FALSE(std::filesystem::exists(files.folder / "out.nrrd")) << arguments;
  }
  EXPECT_TRUE(Contains(files.Run("sam-prompt", "--point 3,4 " + picture + files("out.xyz")).output,
                       "out.xyz: no image format has this ending"));
  EXPECT_TRUE(Contains(files.Run("sam-encode", "--slices 5:9 " + volume + files("out.nrrd")).output,
                       "volume.nrrd: slices 5 to 9, expected some of 0 to 6"));
  EXPECT_TRUE(Contains(files.Run("sam-encode", "--slices 1:2:3 " + volume + files("out.nrrd")).output,
                       "--slices: '1:2:3', expected first:last or one slice"));
  EXPECT_TRUE(Contains(files.Run("sam-everything", "--points-per-side -1 " + picture + files("out.nrrd")).output,
                       "--points-per-side: -1, expected 0 or more"));
  EXPECT_EQ(files.folder.CountEntries(), 10u) << "what was there, and what the programs printed";
}

TEST(Prompting, NothingIsReplacedOrBentByItsFormat)
{
  const Files           files;
  Volume::DirectionType direction;
  direction.SetIdentity();
  direction(1, 2) = 0.2;
  const auto volume = sam::Read<Volume>((files.folder / "volume.nrrd").string());
  volume->SetDirection(direction);
  Write(volume.GetPointer(), files.folder / "sheared.nrrd");
  const std::string picture = files("picture.png") + " ";
  const std::string out = files("out.nrrd");
  struct Mistake
  {
    std::string program;
    std::string arguments;
    std::string expected;
  };
  const std::string replaced = "picture.png: would be replaced, but is the input";
  const std::string twice = ": is given for two outputs";
  const std::string bent = ".nii: NIfTI stores a rotation";
  for (const auto & [program, arguments, expected] : std::vector<Mistake>{
         { "sam-prompt", "--point 3,4 " + picture + files("./picture.png"), replaced },
         { "sam-prompt", "--point 3,4 --preview " + picture + picture + out, replaced },
         { "sam-prompt", "--point 3,4 --scores " + out + " " + picture + out, twice },
         { "sam-prompt",
           "--point 3,4 --masks " + files("m.mha") + " --logits " + files("m.mha") + " " + picture + out,
           twice },
         { "sam-prompt", "--point 3,4 " + picture + files("out.jpg"), "out.jpg: JPEG changes the values" },
         { "sam-prompt", "--point 0,10,30 " + files("sheared.nrrd") + " " + files("out.nii"), bent },
         { "sam-prompt", "--point 0,10,30 --masks " + files("m.nii") + " " + files("sheared.nrrd") + " " + out, bent },
         { "sam-prompt", "--point 0,10,30 " + files("volume.nrrd") + " " + files("out.png"), "one slice of the 7" },
         { "sam-encode", picture + picture, replaced },
         { "sam-encode", files("sheared.nrrd") + " " + files("out.nii"), bent },
         { "sam-everything", picture + picture, replaced },
         { "sam-everything", "--json " + out + " " + picture + out, twice },
         { "sam-everything", files("sheared.nrrd") + " " + files("out.nii"), bent } })
  {
    const auto outcome = files.Run(program, arguments);
    EXPECT_FALSE(outcome.isWell) << program << ' ' << arguments;
    EXPECT_TRUE(Contains(outcome.output, expected)) << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
  }
  EXPECT_EQ(files.folder.CountEntries(), 5u) << "what was there, and what the programs printed";
}
