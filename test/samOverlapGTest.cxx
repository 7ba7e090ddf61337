// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samOverlap.h"

#include "itkRGBPixel.h"

using namespace sam::test;

namespace
{
using Volume = sam::LabelImage<3>;
using Picture = itk::Image<unsigned char, 2>;
} // namespace

TEST(Overlap, HandComputedBoxes)
{
  auto prediction = MakeImage<Volume>({ 10, 10, 10 }, { 0.5, 2.0, 3.0 });
  auto reference = MakeImage<Volume>({ 10, 10, 10 }, { 0.5, 2.0, 3.0 });
  // 4·4·4 = 64 and 4·4·2 = 32 voxels with 2·4·2 = 16 in common.
  FillBox(prediction.GetPointer(), 1, { 1, 1, 1 }, { 4, 4, 4 });
  FillBox(reference.GetPointer(), 1, { 3, 1, 2 }, { 6, 4, 3 });
  FillBox(prediction.GetPointer(), 7, { 8, 8, 8 }, { 8, 8, 8 });

  const auto overlaps = sam::ComputeOverlap<Volume>(prediction, reference);
  ASSERT_EQ(overlaps.size(), 2u);
  const auto & one = overlaps.at(1);
  EXPECT_EQ(one.prediction, 64u);
  EXPECT_EQ(one.reference, 32u);
  EXPECT_EQ(one.intersection, 16u);
  EXPECT_DOUBLE_EQ(*one.GetDice(), 2.0 * 16.0 / 96.0);
  EXPECT_DOUBLE_EQ(one.GetPredictionVolume(), 64 * 3.0);
  EXPECT_DOUBLE_EQ(one.GetReferenceVolume(), 32 * 3.0);
  EXPECT_DOUBLE_EQ(*one.GetRelativeVolumeDifference(), 1.0);

  // In the prediction only.
  const auto & seven = overlaps.at(7);
  EXPECT_DOUBLE_EQ(*seven.GetDice(), 0.0);
  EXPECT_FALSE(seven.GetRelativeVolumeDifference().has_value());
  EXPECT_FALSE(seven.IsEmpty());
}

TEST(Overlap, MissingOnOneSideAndOnBoth)
{
  auto prediction = MakeImage<Picture>({ 4, 3 }, { 0.5, 0.25 });
  auto reference = MakeImage<Picture>({ 4, 3 }, { 0.5, 0.25 });
  FillBox(reference.GetPointer(), 2, { 0, 0 }, { 1, 0 });
  const auto overlaps = sam::ComputeOverlap<Picture>(prediction, reference, { 2, 3 });
  EXPECT_DOUBLE_EQ(*overlaps.at(2).GetDice(), 0.0);
  EXPECT_DOUBLE_EQ(*overlaps.at(2).GetRelativeVolumeDifference(), -1.0);
  EXPECT_DOUBLE_EQ(overlaps.at(2).GetReferenceVolume(), 0.25);
  EXPECT_TRUE(overlaps.at(3).IsEmpty());
  EXPECT_FALSE(overlaps.at(3).GetDice().has_value());
  EXPECT_TRUE(sam::ComputeOverlap<Picture>(prediction, prediction).empty());
}

TEST(Overlap, TheStartIndexIsOnlyAName)
{
  // The same grid in space, counted from another index.
  auto prediction = MakeImage<Volume>({ 5, 5, 5 }, { 2.0, 2.0, 2.0 }, { 10.0, 0.0, 0.0 }, { -5, 0, 0 });
  auto reference = MakeImage<Volume>({ 5, 5, 5 }, { 2.0, 2.0, 2.0 }, { 0.0, 0.0, 0.0 }, { 0, 0, 0 });
  FillBox(prediction.GetPointer(), 1, { -4, 1, 1 }, { -3, 2, 2 });
  FillBox(reference.GetPointer(), 1, { 1, 1, 1 }, { 2, 2, 2 });
  EXPECT_DOUBLE_EQ(*sam::ComputeOverlap<Volume>(prediction, reference).at(1).GetDice(), 1.0);
}

TEST(Overlap, GridsThatDifferAreNamed)
{
  const auto reference = MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 2.0 }, { 1.0, 2.0, 3.0 });
  const auto messageFor = [&reference](const Volume * image) {
    return GetMessage<sam::Error>([&] { sam::CheckSameGrid<3>(image, reference, "a.nrrd", "b.nrrd"); });
  };
  EXPECT_EQ(messageFor(MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 2.0 }, { 1.0, 2.0, 3.0 })), "");
  EXPECT_EQ(messageFor(MakeImage<Volume>({ 5, 6, 5 }, { 1.0, 1.0, 2.0 }, { 1.0, 2.0, 3.0 })),
            "a.nrrd and b.nrrd: sizes differ: 5 x 6 x 5 and 5 x 5 x 5 pixels");
  EXPECT_EQ(messageFor(MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 2.5 }, { 1.0, 2.0, 3.0 })),
            "a.nrrd and b.nrrd: spacings differ: 1 x 1 x 2.5 and 1 x 1 x 2 mm");
  EXPECT_EQ(messageFor(MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 2.0 }, { 1.0, 2.5, 3.0 })),
            "a.nrrd and b.nrrd: origins differ: 1 x 2.5 x 3 and 1 x 2 x 3 mm");
  auto turned = MakeImage<Volume>({ 5, 5, 5 }, { 1.0, 1.0, 2.0 }, { 1.0, 2.0, 3.0 });
  auto direction = turned->GetDirection();
  direction[0][0] = direction[1][1] = -1.0;
  turned->SetDirection(direction);
  EXPECT_TRUE(Contains(messageFor(turned), "directions differ"));
  // Single precision in a file is no difference.
  EXPECT_EQ(messageFor(MakeImage<Volume>({ 5, 5, 5 }, { 1.0000001, 1.0, 2.0 }, { 1.00001, 2.0, 3.0 })), "");
}

TEST(Overlap, RelabelDropsWhatIsNotMentioned)
{
  auto image = MakeImage<Volume>({ 4, 1, 1 }, { 1.0, 1.0, 1.0 });
  for (long i = 0; i < 4; ++i)
  {
    image->SetPixel({ { i, 0, 0 } }, static_cast<int>(i));
  }
  sam::Relabel(image.GetPointer(), { { 3, 1 }, { 1, 5 } });
  EXPECT_EQ(image->GetPixel({ { 0, 0, 0 } }), 0);
  EXPECT_EQ(image->GetPixel({ { 1, 0, 0 } }), 5);
  EXPECT_EQ(image->GetPixel({ { 2, 0, 0 } }), 0);
  EXPECT_EQ(image->GetPixel({ { 3, 0, 0 } }), 1);
  EXPECT_EQ(sam::FindLabels(image.GetPointer()), (std::vector<int>{ 1, 5 }));
  sam::Relabel(image.GetPointer(), { { 0, 2 } });
  EXPECT_EQ(sam::FindLabels(image.GetPointer()), (std::vector<int>{ 2 }));
}

TEST(Overlap, RegionsAreBoxesInSpace)
{
  // The x axis of the image points to the patient's right: physical x = -2·i.
  auto image = MakeImage<Volume>({ 10, 10, 10 }, { 2.0, 1.0, 1.0 });
  auto direction = image->GetDirection();
  direction[0][0] = direction[1][1] = -1.0;
  image->SetDirection(direction);
  image->FillBuffer(1);
  const sam::Region first{ { { -8.0, -4.0, 4.0 } }, { { 8.0, 2.0, 2.0 } } };
  const sam::Region second{ { { 0.0, 0.0, 9.0 } }, { { 1.0, 1.0, 1.0 } } };
  sam::KeepRegions(image.GetPointer(), { first, second });
  for (itk::ImageRegionIteratorWithIndex<Volume> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto i = it.GetIndex();
    const bool inFirst = i[0] >= 2 && i[0] <= 6 && i[1] >= 3 && i[1] <= 5 && i[2] >= 3 && i[2] <= 5;
    const bool inSecond = i[0] == 0 && i[1] == 0 && i[2] == 9;
    ASSERT_EQ(it.Get(), inFirst || inSecond ? 1 : 0) << i;
  }
}

TEST(Overlap, ReadsLabelsOfAnyPixelTypeAsLongAsTheyAreIntegers)
{
  const TemporaryFolder folder;
  auto                  floats = MakeImage<itk::Image<float, 3>>({ 3, 2, 2 }, { 1.0, 1.0, 1.0 });
  floats->SetPixel({ { 1, 0, 0 } }, 14175.0F);
  Write(floats.GetPointer(), folder / "whole.nii.gz");
  EXPECT_EQ(sam::ReadLabelImage<3>((folder / "whole.nii.gz").string())->GetPixel({ { 1, 0, 0 } }), 14175);

  floats->SetPixel({ { 1, 0, 0 } }, 0.5F);
  Write(floats.GetPointer(), folder / "half.nii.gz");
  const auto messageFor = [](const std::filesystem::path & path) {
    return GetMessage<sam::Error>([&] { sam::ReadLabelImage<3>(path.string()); });
  };
  EXPECT_EQ(messageFor(folder / "half.nii.gz"),
            (folder / "half.nii.gz").string() + ": has the value 0.5, expected integer labels");
  floats->SetPixel({ { 1, 0, 0 } }, std::nanf(""));
  Write(floats.GetPointer(), folder / "nan.nrrd");
  EXPECT_TRUE(Contains(messageFor(folder / "nan.nrrd"), "nan.nrrd: has the value nan"));

  auto wide = MakeImage<itk::Image<unsigned int, 3>>({ 3, 2, 2 }, { 1.0, 1.0, 1.0 });
  wide->SetPixel({ { 0, 0, 0 } }, 4000000000U);
  Write(wide.GetPointer(), folder / "wide.nrrd");
  EXPECT_TRUE(Contains(messageFor(folder / "wide.nrrd"), "wide.nrrd: has the value 4e+09"));

  auto color = MakeImage<itk::Image<itk::RGBPixel<unsigned char>, 2>>({ 3, 2 }, { 1.0, 1.0 });
  Write(color.GetPointer(), folder / "color.png");
  EXPECT_EQ(GetMessage<sam::Error>([&] { sam::ReadLabelImage<2>((folder / "color.png").string()); }),
            (folder / "color.png").string() + ": has 3 components per pixel, expected one label value");
  EXPECT_TRUE(Contains(messageFor(folder / "color.png"), "has 2 dimensions, expected 3"));

  EXPECT_TRUE(Contains(messageFor(folder / "missing.nii.gz"), "missing.nii.gz: no such file"));
  WriteText(folder / "text.nrrd", "no image");
  EXPECT_TRUE(Contains(messageFor(folder / "text.nrrd"), "text.nrrd: "));
  EXPECT_TRUE(Contains(messageFor(folder.MakeFolder("inner")), "inner: is a folder"));

  auto four = MakeImage<itk::Image<short, 4>>({ 3, 2, 2, 2 }, { 1.0, 1.0, 1.0, 1.0 });
  Write(four.GetPointer(), folder / "four.nrrd");
  EXPECT_TRUE(Contains(messageFor(folder / "four.nrrd"), "has 4 dimensions, expected 2 or 3"));
}

TEST(Overlap, FilesThatWereCutShortAreRefused)
{
  const TemporaryFolder folder;
  auto                  image = MakeImage<itk::Image<short, 3>>({ 20, 20, 20 }, { 1.0, 1.0, 1.0 });
  for (itk::ImageRegionIteratorWithIndex<itk::Image<short, 3>> it(image, image->GetBufferedRegion()); !it.IsAtEnd();
       ++it)
  {
    const auto i = it.GetIndex();
    it.Set(static_cast<short>((i[0] * 31 + i[1] * 17 + i[2] * i[0]) % 7));
  }
  for (const bool compressed : { false, true })
  {
    for (const std::string extension : { ".nii", ".nii.gz", ".mha", ".mhd", ".nrrd" })
    {
      const auto path = folder / ("image" + extension);
      auto       writer = itk::ImageFileWriter<itk::Image<short, 3>>::New();
      writer->SetInput(image);
      writer->SetFileName(path.string());
      writer->SetUseCompression(compressed);
      writer->Update();
      EXPECT_EQ(sam::ReadLabelImage<3>(path.string())->GetPixel({ { 3, 2, 1 } }), (93 + 34 + 3) % 7);
      const auto data = extension == ".mhd" ? folder / (compressed ? "image.zraw" : "image.raw") : path;
      std::filesystem::resize_file(data, std::filesystem::file_size(data) - 20);
      const std::string message = GetMessage<sam::Error>([&] { sam::ReadLabelImage<3>(path.string()); });
      EXPECT_EQ(message.rfind(data.string() + ": ", 0), 0u)
        << extension << (compressed ? " compressed" : "") << message;
    }
  }
}

TEST(Overlap, NiftiInTwoFilesIsNotIncomplete)
{
  const TemporaryFolder folder;
  auto                  image = MakeImage<itk::Image<short, 3>>({ 5, 5, 5 }, { 1.0, 1.0, 1.0 });
  image->SetPixel({ { 3, 2, 1 } }, 4);
  for (const std::string ending : { "", ".gz" })
  {
    Write(image.GetPointer(), folder / ("pair.img" + ending));
    // The voxels have no header before them.
    for (const std::string extension : { ".hdr", ".img" })
    {
      const std::string path = (folder / ("pair" + extension + ending)).string();
      EXPECT_EQ(sam::ReadLabelImage<3>(path)->GetPixel({ { 3, 2, 1 } }), 4) << path;
    }
  }
}
