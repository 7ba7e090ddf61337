// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCaseReader.h"
#include "samError.h"
#include "samNetwork.h"
#include "samPlanning.h"
#include "samTrainingTestData.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/randn.h>

#include "itkImageFileReader.h"

#include <ATen/TensorOperators.h>

#include <algorithm>
#include <set>

namespace
{
sam::Dataset
MakeDataset(const std::string & channel = "MR")
{
  sam::Dataset dataset;
  dataset.channels = { channel };
  dataset.labels = { { 0, "background" }, { 1, "organ" }, { 5, "tumor" } };
  return dataset;
}

/** Cases that are all the same: voxels and mm per voxel along x, y, z of LPS. */
sam::DatasetFingerprint
MakeFingerprint(const std::array<double, 3> & voxels, const std::array<double, 3> & spacing, size_t cases = 20)
{
  sam::DatasetFingerprint fingerprint;
  for (size_t k = 0; k < cases; ++k)
  {
    fingerprint.spacings.push_back(spacing);
    fingerprint.extents.push_back({ voxels[0] * spacing[0], voxels[1] * spacing[1], voxels[2] * spacing[2] });
  }
  fingerprint.intensities.resize(1);
  return fingerprint;
}

std::string
LineWith(const sam::Planning & planning, const std::string & word)
{
  for (const auto & line : planning.decisions)
  {
    if (line.find(word) != std::string::npos)
    {
      return line;
    }
  }
  return {};
}

/** The planned network answers with its labels on its window's size. */
void
ExpectRuns(const sam::Plan & plan)
{
  const at::NoGradGuard      noGradient;
  const sam::Network         network(sam::Plan::FromJson(plan.ToJson(), "plan"), 0);
  const int64_t              slices = std::min<int64_t>(plan.window[2], 2);
  const auto                 image = at::randn({ 1, 1, slices, plan.window[1], plan.window[0] });
  const auto                 encoded = network.Encode(image);
  const auto                 answer = network.Decode(encoded, network.GeneratePrompts(encoded)).Semantic();
  const std::vector<int64_t> expected{ 1, 3, slices, plan.window[1], plan.window[0] };
  EXPECT_EQ(answer.sizes().vec(), expected);
}
} // namespace

TEST(samPlanning, SmallIsotropicImages)
{
  // The hippocampus: the window that its shipped model has.
  const auto   planning = sam::PlanMaskSam(MakeFingerprint({ 38, 53, 40 }, { 1, 1, 1 }), MakeDataset());
  const auto & plan = planning.plan;
  EXPECT_EQ(plan.orientation, "LPS");
  EXPECT_EQ(plan.window, (std::array<int64_t, 3>{ 40, 56, 8 }));
  EXPECT_EQ(plan.overlap, (std::array<double, 3>{ 0.5, 0.5, 0.5 }));
  EXPECT_EQ(plan.patch, 4);
  EXPECT_EQ(plan.stemWidths, (std::vector<int64_t>{ 16, 32 }));
  EXPECT_EQ(plan.ladder, (std::vector<int64_t>{ 64, 32, 16 }));
  EXPECT_EQ(plan.queries, 4);
  EXPECT_EQ(plan.labels[2].value, 5);
  EXPECT_EQ(plan.channels[0].normalization, "z_score");
  EXPECT_EQ(LineWith(planning, "window"), "window 40 x 56 x 8 voxels: 95 of 100 images have up to 38 x 53 x 40");
  ExpectRuns(plan);
}

TEST(samPlanning, LargePlanesGetLargerPatchesWithinTheLimits)
{
  const auto fingerprint = MakeFingerprint({ 512, 500, 90 }, { 0.7, 0.7, 1.0 });
  const auto fast = sam::PlanMaskSam(fingerprint, MakeDataset(), sam::PlanningLimits::OfDevice(true));
  EXPECT_EQ(fast.plan.window, (std::array<int64_t, 3>{ 256, 256, 8 }));
  EXPECT_EQ(fast.plan.patch, 8);
  EXPECT_EQ(fast.plan.grid, (std::array<int64_t, 2>{ 32, 32 }));
  EXPECT_NE(LineWith(fast, "window").find("larger planes are tiled"), std::string::npos);
  const auto slow = sam::PlanMaskSam(fingerprint, MakeDataset(), sam::PlanningLimits::OfDevice(false));
  EXPECT_EQ(slow.plan.window, (std::array<int64_t, 3>{ 256, 256, 4 }));
  EXPECT_NE(LineWith(slow, "window").find("more slices would exceed 262144 voxels"), std::string::npos);
  ExpectRuns(fast.plan);

  const auto asked = sam::PlanMaskSam(fingerprint, MakeDataset(), {}, std::array<int64_t, 3>{ 500, 384, 2 });
  EXPECT_EQ(asked.plan.window, (std::array<int64_t, 3>{ 512, 384, 2 })) << "rounded up to whole patches";
  EXPECT_EQ(asked.plan.patch, 16);
  ExpectRuns(asked.plan);
  EXPECT_THROW(sam::PlanMaskSam(fingerprint, MakeDataset(), {}, std::array<int64_t, 3>{ 64, 64, 0 }), sam::Error);
}

TEST(samPlanning, ThickSlices)
{
  // Sagittal slices of 5 mm: the model's slices are sagittal too.
  const auto sagittal = sam::PlanMaskSam(MakeFingerprint({ 20, 240, 200 }, { 5, 0.9, 1 }), MakeDataset());
  EXPECT_EQ(sagittal.plan.orientation, "nearest PSL") << "thick slices are not cut anew";
  EXPECT_EQ(sagittal.plan.spacing, (std::array<double, 3>{ 0.9, 1.0, 5.0 }));
  EXPECT_EQ(sagittal.plan.window, (std::array<int64_t, 3>{ 240, 208, 8 }));
  EXPECT_EQ(sagittal.plan.planarLevels, 2) << "5 : 1 and 5 : 2";
  ExpectRuns(sagittal.plan);

  // Thick slices that differ among the cases: the finer ones decide.
  auto fingerprint = MakeFingerprint({ 200, 200, 12 }, { 1, 1, 8 });
  for (size_t k = 0; k < 4; ++k)
  {
    fingerprint.spacings[k][2] = 4.0;
  }
  const auto thick = sam::PlanMaskSam(fingerprint, MakeDataset());
  EXPECT_EQ(thick.plan.spacing, (std::array<double, 3>{ 1.0, 1.0, 4.0 }));
  EXPECT_NE(LineWith(thick, "spacing").find("10th percentile"), std::string::npos);

  // Few slices.
  const auto few = sam::PlanMaskSam(MakeFingerprint({ 64, 64, 3 }, { 1, 1, 2 }), MakeDataset());
  EXPECT_EQ(few.plan.window, (std::array<int64_t, 3>{ 64, 64, 3 }));
}

TEST(samPlanning, ObliqueImagesKeepTheirAxes)
{
  auto fingerprint = MakeFingerprint({ 64, 64, 32 }, { 1, 1, 1 });
  EXPECT_EQ(sam::PlanMaskSam(fingerprint, MakeDataset()).plan.orientation, "LPS");
  fingerprint.oblique = 3;
  const auto planning = sam::PlanMaskSam(fingerprint, MakeDataset());
  EXPECT_EQ(planning.plan.orientation, "nearest LPS");
  EXPECT_NE(LineWith(planning, "own axes").find("3 images"), std::string::npos);
  EXPECT_EQ(sam::Plan::FromJson(planning.plan.ToJson(), "plan").orientation, "nearest LPS");
  for (const std::string word : { "dapsam", "dapsam_prostate", "unet" })
  {
    const auto flat = MakeFingerprint({ 320, 320, 20 }, { 0.6, 0.6, 3.6 });
    EXPECT_EQ(sam::PlanByName(word, flat, MakeDataset(), {}).plan.orientation, "nearest LPS") << word;
  }
}

TEST(samPlanning, FewSlicesAreThickWhateverTheSpacingSays)
{
  const auto stack = sam::PlanMaskSam(MakeFingerprint({ 256, 216, 10 }, { 1, 1, 1 }), MakeDataset());
  EXPECT_EQ(stack.plan.planarLevels, 2);
  EXPECT_NE(LineWith(stack, "stack").find("10 slices of 256 x 216 voxels"), std::string::npos);
  ExpectRuns(stack.plan);
  const auto volume = sam::PlanMaskSam(MakeFingerprint({ 256, 216, 40 }, { 1, 1, 1 }), MakeDataset());
  EXPECT_EQ(volume.plan.planarLevels, 0);
}

TEST(samPlanning, PublishedSizesOnThisData)
{
  auto       fingerprint = MakeFingerprint({ 216, 256, 10 }, { 1.5, 1.5, 10 });
  const auto planning = sam::PlanByName("masksam_acdc", fingerprint, MakeDataset());
  EXPECT_EQ(planning.plan.window, (std::array<int64_t, 3>{ 256, 256, 4 }));
  EXPECT_EQ(planning.plan.spacing, (std::array<double, 3>{ 1.5, 1.5, 10.0 }));
  EXPECT_EQ(planning.plan.labels.size(), 3u);
  EXPECT_TRUE(sam::IsPlanName("masksam_acdc"));
  EXPECT_FALSE(sam::IsPlanName("plan.json"));

  const auto slices = sam::PlanByName("dapsam_prostate", fingerprint, MakeDataset());
  EXPECT_EQ(slices.plan.window, (std::array<int64_t, 3>{ 384, 384, 1 }));
  EXPECT_EQ(slices.plan.stem, "gray_rgb");
  EXPECT_EQ(slices.plan.channels.front().normalization, "slice_percentiles");
  EXPECT_EQ(slices.plan.labels.size(), 3u);
  sam::Plan::FromJson(slices.plan.ToJson(), "planned");
}

TEST(samPlanning, OnlyComputedTomographyIsAbsolute)
{
  EXPECT_TRUE(sam::HasAbsoluteIntensities("CT"));
  EXPECT_TRUE(sam::HasAbsoluteIntensities("ct"));
  EXPECT_FALSE(sam::HasAbsoluteIntensities("T1 contrast"));
  auto fingerprint = MakeFingerprint({ 64, 64, 64 }, { 1, 1, 1 });
  fingerprint.intensities[0] = { -160.0, 240.0, 80.0, 50.0, 1000 };
  auto channel = sam::PlanMaskSam(fingerprint, MakeDataset("CT")).plan.channels[0];
  EXPECT_EQ(channel.normalization, "clip");
  EXPECT_EQ(channel.lower, -160.0);
  EXPECT_EQ(channel.upper, 240.0);
  EXPECT_EQ(channel.mean, 80.0);
  EXPECT_EQ(channel.deviation, 50.0);
  EXPECT_EQ(sam::PlanMaskSam(fingerprint, MakeDataset("MR")).plan.channels[0].normalization, "z_score");
  fingerprint.intensities[0].samples = 0;
  EXPECT_EQ(sam::PlanMaskSam(fingerprint, MakeDataset("CT")).plan.channels[0].normalization, "z_score");
}

TEST(samPlanning, ForegroundShareFollowsTheForeground)
{
  EXPECT_DOUBLE_EQ(sam::PlanForegroundShare(0.05), 1.0 / 3.0);
  EXPECT_DOUBLE_EQ(sam::PlanForegroundShare(0.0005), 0.5);
}

TEST(samFingerprint, PercentilesAreInterpolated)
{
  EXPECT_DOUBLE_EQ(sam::Percentile({ 30.0, 10.0, 20.0 }, 0.5), 20.0);
  EXPECT_DOUBLE_EQ(sam::Percentile({ 30.0, 10.0, 20.0 }, 0.25), 15.0);
  EXPECT_DOUBLE_EQ(sam::Percentile({ 7.0 }, 0.995), 7.0);
}

TEST(samFingerprint, ForegroundOfCasesIsMeasured)
{
  // Bright balls of 150 and dark ones of 50, plus 0 to 0.9.
  const sam::test::TrainingTestData data(3);
  data.WriteDescription(3, R"({"0": "CT"})");
  const auto                            dataset = sam::Dataset::Read((data.folder / "data").string());
  std::vector<const sam::DatasetCase *> cases;
  for (const auto & item : dataset.cases)
  {
    cases.push_back(&item);
  }
  const auto fingerprint = sam::ReadFingerprint(dataset, cases);
  ASSERT_EQ(fingerprint.extents.size(), 3u);
  EXPECT_EQ(fingerprint.extents[0], (std::array<double, 3>{ 16.0, 16.0, 6.0 }));
  const auto & intensity = fingerprint.intensities.at(0);
  EXPECT_GT(intensity.samples, 500);
  EXPECT_NEAR(intensity.lower, 50.0, 0.5);
  EXPECT_NEAR(intensity.upper, 150.9, 0.5);
  EXPECT_NEAR(intensity.mean, 100.45, 5.0);
  EXPECT_NEAR(intensity.deviation, 50.0, 1.0);

  data.WriteDescription(3);
  EXPECT_EQ(sam::ReadFingerprint(sam::Dataset::Read((data.folder / "data").string()), cases).intensities[0].samples, 0);
}

TEST(samPlanning, SlicesForSeveralScanners)
{
  // X-rays of 512 x 512 pixels.
  const auto   fingerprint = MakeFingerprint({ 512, 512, 1 }, { 1, 1, 1 });
  const auto   planning = sam::PlanDapsam(fingerprint, MakeDataset(), sam::PlanningLimits::OfDevice(false));
  const auto & plan = planning.plan;
  EXPECT_EQ(plan.window, (std::array<int64_t, 3>{ 256, 256, 1 }));
  EXPECT_EQ(plan.fit, "window");
  EXPECT_EQ(plan.patch, 16);
  EXPECT_EQ(plan.finestStride, 2);
  EXPECT_EQ(plan.stemWidths, (std::vector<int64_t>{ 16, 32, 64 })) << "at 2, 4 and 8 voxels";
  EXPECT_EQ(plan.positions, "relative");
  EXPECT_EQ(plan.addressing, "cosine");
  EXPECT_EQ(plan.channels[0].normalization, "slice_z_score");
  EXPECT_EQ(plan.frame, "none");
  EXPECT_TRUE(plan.refinesMasks);
  EXPECT_EQ(plan.labels[2].value, 5);
  ExpectRuns(plan);
  int64_t parameters = 0;
  for (const auto & [name, shape] : sam::Network::GetShapes(plan))
  {
    int64_t count = 1;
    for (const int64_t extent : shape)
    {
      count *= extent;
    }
    parameters += count;
  }
  EXPECT_NEAR(static_cast<double>(parameters), 1.0e6, 0.3e6);

  // A fast device has the finest features at full resolution; a long narrow slice keeps its shape.
  const auto fast = sam::PlanDapsam(
    MakeFingerprint({ 1000, 400, 1 }, { 0.2, 0.2, 1 }), MakeDataset(), sam::PlanningLimits::OfDevice(true));
  EXPECT_EQ(fast.plan.finestStride, 1);
  EXPECT_EQ(fast.plan.stemWidths, (std::vector<int64_t>{ 16, 32, 64, 64 }));
  EXPECT_EQ(fast.plan.window, (std::array<int64_t, 3>{ 256, 112, 1 }));
  ExpectRuns(fast.plan);

  // Small slices of volumes.
  const auto small = sam::PlanDapsam(MakeFingerprint({ 60, 50, 12 }, { 1, 1, 5 }), MakeDataset());
  EXPECT_EQ(small.plan.window, (std::array<int64_t, 3>{ 64, 56, 1 }));
  EXPECT_EQ(small.plan.patch, 8);
  ExpectRuns(small.plan);
}

TEST(samPlanning, PartsOfDapsamCanBeLeftOut)
{
  const auto          fingerprint = MakeFingerprint({ 128, 128, 1 }, { 1, 1, 1 });
  sam::PlanningWishes wishes;
  wishes.hasAdapters = false;
  wishes.hasPrototypes = false;
  const auto plan = sam::PlanByName("dapsam", fingerprint, MakeDataset(), {}, wishes).plan;
  EXPECT_EQ(plan.promptSource, "none");
  EXPECT_TRUE(plan.adaptation.empty());
  ExpectRuns(plan);
  EXPECT_THROW(sam::PlanByName("unet", fingerprint, MakeDataset(), {}, wishes), sam::Error);
}

TEST(samPlanning, UnetsOfSlicesAndVolumes)
{
  const auto slices =
    sam::PlanByName(
      "unet", MakeFingerprint({ 512, 512, 1 }, { 1, 1, 1 }), MakeDataset(), sam::PlanningLimits::OfDevice(false))
      .plan;
  EXPECT_EQ(slices.window, (std::array<int64_t, 3>{ 256, 256, 1 }));
  EXPECT_EQ(slices.stageWidths, (std::vector<int64_t>{ 10, 20, 40, 80, 160 }));
  EXPECT_EQ(slices.finestStride, 2);
  EXPECT_EQ(slices.patch, 32);
  EXPECT_EQ(slices.fit, "window");
  ExpectRuns(slices);
  const auto planning = sam::PlanByName("unet", MakeFingerprint({ 38, 53, 40 }, { 1, 1, 1 }), MakeDataset());
  EXPECT_EQ(planning.plan.window, (std::array<int64_t, 3>{ 40, 56, 8 }));
  EXPECT_EQ(planning.plan.stageWidths, (std::vector<int64_t>{ 10, 20, 40 }));
  EXPECT_EQ(planning.plan.fit, "spacing");
  EXPECT_EQ(LineWith(planning, "queries"), "");
  ExpectRuns(planning.plan);
}

TEST(samPlanning, FramesAreRemovedWhereImagesHaveThem)
{
  auto fingerprint = MakeFingerprint({ 512, 512, 1 }, { 1, 1, 1 });
  fingerprint.contents.assign(20, 1.0);
  const auto frameOf = [&fingerprint](const std::string & wish) {
    return sam::PlanDapsam(fingerprint, MakeDataset(), {}, { {}, wish }).plan.frame;
  };
  EXPECT_EQ(frameOf("auto"), "none");
  EXPECT_EQ(frameOf("remove"), "black");
  fingerprint.contents[3] = 0.9;
  EXPECT_EQ(frameOf("auto"), "none") << "one of twenty is not more than a twentieth";
  fingerprint.contents[4] = 0.7;
  EXPECT_EQ(frameOf("auto"), "black");
  EXPECT_EQ(frameOf("keep"), "none");
  EXPECT_THROW(frameOf("crop"), sam::Error);
  const auto planning = sam::PlanDapsam(fingerprint, MakeDataset());
  EXPECT_EQ(LineWith(planning, "black frames"),
            "black frames are removed: 2 of 20 images have one that takes 5 % of them or more");
  // Volumes have none.
  EXPECT_THROW(
    sam::PlanByName("masksam", MakeFingerprint({ 60, 60, 30 }, { 1, 1, 1 }), MakeDataset(), {}, { {}, "remove" }),
    sam::Error);
}

TEST(samPlanning, SingleSlicesOfAnyAxisAreTheSlices)
{
  const auto coronal = sam::PlanDapsam(MakeFingerprint({ 200, 1, 180 }, { 1, 1, 1 }), MakeDataset());
  EXPECT_EQ(coronal.plan.orientation, "nearest LSP");
  EXPECT_EQ(coronal.plan.window, (std::array<int64_t, 3>{ 208, 192, 1 }));
  EXPECT_EQ(coronal.decisions.front(),
            "slices across anterior-posterior: images have one voxel along it, median 1 x 1 x 1 mm");
  const auto sagittal = sam::PlanByName("unet", MakeFingerprint({ 1, 200, 180 }, { 1, 1, 1 }), MakeDataset());
  EXPECT_EQ(sagittal.plan.orientation, "nearest PSL");
  EXPECT_EQ(sagittal.plan.fit, "window") << "planned as slices";

  // Images of two dimensions are no stack and lie across no axis of a body.
  const auto planning = sam::PlanMaskSam(MakeFingerprint({ 300, 200, 1 }, { 0.3, 0.3, 1 }), MakeDataset());
  EXPECT_EQ(planning.plan.orientation, "LPS");
  EXPECT_EQ(planning.decisions.front(), "slices: each image is a single one, median 0.3 x 0.3 x 1 mm");
  EXPECT_EQ(LineWith(planning, "convolutions"), "");
  EXPECT_EQ(LineWith(planning, "inferior"), "");
}

TEST(samPlanning, ManyLabelsHaveColorsOfTheirOwn)
{
  auto dataset = MakeDataset();
  dataset.labels.resize(1);
  for (int64_t value = 1; value <= 60; ++value)
  {
    dataset.labels.push_back({ value, "organ" + std::to_string(value) });
  }
  const auto                       plan = sam::PlanMaskSam(MakeFingerprint({ 38, 53, 40 }, { 1, 1, 1 }), dataset).plan;
  std::set<std::array<uint8_t, 3>> colors;
  for (const auto & label : plan.labels)
  {
    colors.insert(label.color);
    EXPECT_EQ(label.color == (std::array<uint8_t, 3>{ 0, 0, 0 }), label.value == 0) << label.value;
  }
  EXPECT_EQ(colors.size(), 61u);
}

TEST(samPlanning, LabelsAreNestedWhereAskedFor)
{
  const auto          fingerprint = MakeFingerprint({ 64, 64, 1 }, { 1, 1, 1 });
  sam::PlanningWishes wishes;
  for (const std::string word : { "dapsam", "unet" })
  {
    wishes.nestsLabels = false;
    EXPECT_FALSE(sam::PlanByName(word, fingerprint, MakeDataset(), {}, wishes).plan.nestsLabels);
    wishes.nestsLabels = true;
    const auto planning = sam::PlanByName(word, fingerprint, MakeDataset(), {}, wishes);
    EXPECT_TRUE(sam::Plan::FromJson(planning.plan.ToJson(), "planned").nestsLabels);
    EXPECT_NE(LineWith(planning, "nested"), "");
  }
  EXPECT_THROW(sam::PlanByName("masksam", fingerprint, MakeDataset(), {}, wishes), sam::Error);
}

TEST(samPlanning, FramesOfVolumesAreNotSearchedFor)
{
  const auto planning = sam::PlanDapsam(MakeFingerprint({ 60, 50, 12 }, { 1, 1, 5 }), MakeDataset());
  EXPECT_EQ(planning.plan.frame, "none");
  EXPECT_NE(LineWith(planning, "black frames are kept: images of several slices are not searched"), "");
}

TEST(samFingerprint, IgnoredVoxelsAreNoForeground)
{
  // The dark balls of 50 are to be ignored.
  const sam::test::TrainingTestData data(2);
  data.WriteDescription(2, R"({"0": "CT"})", R"({"background": 0, "first": 1, "ignore": 2})");
  const auto dataset = sam::Dataset::Read((data.folder / "data").string());
  const auto fingerprint = sam::ReadFingerprint(dataset, { &dataset.cases[0], &dataset.cases[1] });
  EXPECT_GT(fingerprint.intensities.at(0).samples, 100);
  EXPECT_GE(fingerprint.intensities.at(0).lower, 150.0);
}

TEST(samFingerprint, FramesOfCoronalSlicesAreMeasured)
{
  const sam::test::TrainingTestData data(1);
  using ImageType = sam::test::TrainingTestData::ImageType;
  const auto image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { 20, 1, 20 } });
  image->Allocate(true);
  for (int z = 5; z < 20; ++z)
  {
    for (int x = 0; x < 20; ++x)
    {
      image->SetPixel({ { x, 0, z } }, 100.0f + static_cast<float>(x));
    }
  }
  itk::WriteImage(image.GetPointer(), data.ImageFile(0).string());
  const auto dataset = sam::Dataset::Read((data.folder / "data").string());
  const auto fingerprint = sam::ReadFingerprint(dataset, { &dataset.cases[0] });
  ASSERT_EQ(fingerprint.contents.size(), 1u);
  EXPECT_DOUBLE_EQ(fingerprint.contents[0], 0.75);
}

// As of the Decathlon's brain tumors and prostate.
TEST(samCaseReader, ModalitiesLieAlongAFourthAxis)
{
  const sam::test::TrainingTestData data(1);
  using SeriesType = itk::Image<float, 4>;
  const auto first = itk::ReadImage<sam::test::TrainingTestData::ImageType>(data.ImageFile(0).string());
  // As most NIfTI files, not along the axes of LPS.
  sam::test::TrainingTestData::ImageType::DirectionType direction;
  SeriesType::DirectionType                             directionOfSeries;
  direction.SetIdentity();
  directionOfSeries.SetIdentity();
  direction(0, 0) = direction(1, 1) = directionOfSeries(0, 0) = directionOfSeries(1, 1) = -1.0;
  first->SetDirection(direction);
  const auto labels = itk::ReadImage<sam::test::TrainingTestData::LabelType>(data.LabelFile(0).string());
  labels->SetDirection(direction);
  itk::WriteImage(labels.GetPointer(), data.LabelFile(0).string());
  const auto series = SeriesType::New();
  series->SetRegions(SeriesType::SizeType{ { 16, 16, 6, 2 } });
  series->SetDirection(directionOfSeries);
  series->Allocate();
  const size_t voxels = first->GetLargestPossibleRegion().GetNumberOfPixels();
  for (size_t k = 0; k < voxels; ++k)
  {
    series->GetBufferPointer()[k] = first->GetBufferPointer()[k];
    series->GetBufferPointer()[voxels + k] = 1000.0f - first->GetBufferPointer()[k];
  }
  itk::WriteImage(series.GetPointer(), data.ImageFile(0).string());
  data.WriteDescription(1, R"({"0": "T2", "1": "ADC"})");
  const auto dataset = sam::Dataset::Read((data.folder / "data").string());
  sam::CheckCase(dataset.cases[0], 2);
  EXPECT_THROW(sam::CheckCase(dataset.cases[0], 3), sam::Error);

  const auto values = sam::ReadForeground(dataset, dataset.cases[0], 1000);
  ASSERT_EQ(values.size(), 2u);
  ASSERT_GT(values[0].size(), 100u);
  for (size_t k = 0; k < values[0].size(); ++k)
  {
    ASSERT_LT(values[0][k], 500.0) << "in their order";
    ASSERT_NEAR(values[0][k] + values[1][k], 1000.0, 1e-3);
  }
  auto plan = sam::MakeTinyPlan();
  plan.channels = { sam::ChannelPlan{ "T2" }, sam::ChannelPlan{ "ADC" } };
  plan.spacing = { 1.0, 1.0, 1.0 };
  const auto item = sam::ReadTrainingCase(plan, dataset, dataset.cases[0]);
  EXPECT_EQ(item.image.sizes().vec(), (std::vector<int64_t>{ 2, 6, 16, 16 }));
  EXPECT_LT((item.image[0] + item.image[1]).abs().max().item<double>(), 1e-3) << "normalized, one upside down";
}

TEST(samCaseReader, ChannelsAreFilesOfSlicesToo)
{
  const sam::test::TrainingTestData data;
  using Slice = itk::Image<unsigned char, 2>;
  const auto folder = data.folder / "slices";
  std::filesystem::create_directory(folder);
  const auto write = [&folder](const std::string & name, unsigned char scale, const Slice::SizeType & size) {
    const auto slice = Slice::New();
    slice->SetRegions(size);
    slice->Allocate();
    for (size_t k = 0; k < slice->GetLargestPossibleRegion().GetNumberOfPixels(); ++k)
    {
      slice->GetBufferPointer()[k] = static_cast<unsigned char>(k % 2 * scale);
    }
    itk::WriteImage(slice.GetPointer(), (folder / name).string());
  };
  write("first.png", 100, { { 6, 4 } });
  write("second.png", 50, { { 6, 4 } });
  write("labels.png", 1, { { 6, 4 } });
  std::ofstream(folder / "dataset.json") << R"({"channel_names": {"0": "one", "1": "two"}, "file_ending": ".png",
    "labels": {"background": 0, "odd": 1},
    "dataset": {"case": {"images": ["first.png", "second.png"], "label": "labels.png"}}})";
  const auto dataset = sam::Dataset::Read(folder.string());
  sam::CheckCase(dataset.cases[0], 2);
  const auto values = sam::ReadForeground(dataset, dataset.cases[0], 100);
  ASSERT_EQ(values.size(), 2u);
  EXPECT_EQ(values[0], std::vector<double>(12, 100.0));
  EXPECT_EQ(values[1], std::vector<double>(12, 50.0));

  write("second.png", 50, { { 6, 5 } });
  EXPECT_THROW(sam::ReadForeground(dataset, dataset.cases[0], 100), sam::Error);
}
