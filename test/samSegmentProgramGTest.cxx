// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohort.h"
#include "samProcessMemory.h"
#include "samProvenance.h"
#include "samTestProgram.h"

#include "itkSamSegmentationImageFilter.h"
#include "itkSamTestModel.h"

#include "itkGDCMImageIO.h"
#include "itkMetaDataObject.h"
#include "itkRegionOfInterestImageFilter.h"
#include "itk_zlib.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>
#include <set>

using namespace sam::test;

namespace
{
namespace fs = std::filesystem;
using Volume = itk::Image<short, 3>;
using Labels = itk::Image<unsigned char, 3>;

/** A model file and three volumes in a folder. */
class SamSegmentProgram : public testing::Test
{
protected:
  SamSegmentProgram()
  {
    itk::SamTestModelOptions options;
    options.isSharp = true;
    itk::MakeSamTestModel(options)->Write((folder / "model.safetensors").string());
    fs::create_directory(folder / "images");
    short seed = 1;
    for (const std::string name : { "a.nii.gz", "b.nrrd", "c.mha" })
    {
      const auto volume = MakeImage<Volume>({ 20, 18, 6 }, { 0.9, 1.1, 1.3 }, { -11.3, 4.7, 21.9 });
      for (itk::ImageRegionIteratorWithIndex<Volume> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
      {
        it.Set(static_cast<short>((seed * 37 * it.GetIndex()[0] + 11 * it.GetIndex()[1] * it.GetIndex()[2]) % 101));
      }
      Write(volume.GetPointer(), folder / "images" / name);
      ++seed;
    }
  }

  std::string
  Quoted(const std::string & name) const
  {
    return '"' + (folder / name).string() + '"';
  }

  Outcome
  Run(const std::string & arguments) const
  {
    return RunProgram(folder, "sam-segment", "--model " + Quoted("model.safetensors") + " " + arguments);
  }

  /** Pictures on the page that sam-report makes of a folder of label maps and one of images. */
  size_t
  CountPictures(const std::string & labels, const std::string & images) const
  {
    const std::string arguments =
      " --prediction " + Quoted(labels) + " --image " + Quoted(images) + " --output " + Quoted("page.html");
    EXPECT_EQ(std::system(("\"" SEGMENTANYTHING_PROGRAMS "/sam-report\" --quiet" + arguments).c_str()), 0);
    const auto        page = ReadText(folder / "page.html");
    const std::string picture = "src=\"data:image/png;base64,";
    size_t            count = 0;
    for (auto place = page.find(picture); place != std::string::npos; place = page.find(picture, place + 1))
    {
      ++count;
    }
    return count;
  }

  nlohmann::json
  ReadJson(const std::string & name) const
  {
    return nlohmann::json::parse(ReadText(folder / name));
  }

  std::set<std::string>
  Listing(const std::string & name) const
  {
    std::set<std::string> names;
    for (const auto & entry : fs::directory_iterator(folder / name))
    {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  TemporaryFolder folder;
};
} // namespace

TEST_F(SamSegmentProgram, LabelsLieOnTheGridOfTheImage)
{
  const auto outcome = Run("--statistics " + Quoted("s.json") + " --preview " + Quoted("p.png") + " " +
                           Quoted("images/a.nii.gz") + " " + Quoted("out.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto image = sam::Read<Volume>((folder / "images/a.nii.gz").string());
  const auto labels = sam::Read<Labels>((folder / "out.nrrd").string());
  EXPECT_EQ(labels->GetLargestPossibleRegion().GetSize(), image->GetLargestPossibleRegion().GetSize());
  for (unsigned int d = 0; d < 3; ++d)
  {
    for (unsigned int k = 0; k < 3; ++k)
    {
      EXPECT_NEAR(labels->GetDirection()[d][k], image->GetDirection()[d][k], 1e-6);
    }
    EXPECT_NEAR(labels->GetSpacing()[d], image->GetSpacing()[d], 1e-6);
    EXPECT_NEAR(labels->GetOrigin()[d], image->GetOrigin()[d], 1e-5);
  }
  const auto pixels = ReadPixels<Labels>(folder / "out.nrrd");
  EXPECT_GT(std::set<int>(pixels.begin(), pixels.end()).size(), 1u);
  EXPECT_EQ(ReadJson("s.json")["labels"].size(), 2u);
  EXPECT_EQ(Listing(""),
            (std::set<std::string>{ "images", "model.safetensors", "out.nrrd", "output.txt", "p.png", "s.json" }));
}

TEST_F(SamSegmentProgram, TheHeaderTellsByWhatLabelsWereMade)
{
  itk::SamTestModelOptions options;
  options.seed = 5;
  itk::MakeSamTestModel(options)->Write((folder / "other.safetensors").string());
  const std::vector<std::string> hashes{ sam::ComputeMd5((folder / "model.safetensors").string()),
                                         sam::ComputeMd5((folder / "other.safetensors").string()) };
  ASSERT_NE(hashes[0], hashes[1]);
  const auto expect = [&](const std::string & name, const std::string & md5) {
    const auto  labels = sam::Read<Labels>((folder / name).string());
    std::string found;
    EXPECT_TRUE(itk::ExposeMetaData<std::string>(labels->GetMetaDataDictionary(), "SegmentAnything_ModelMD5", found));
    EXPECT_EQ(found, md5) << name;
    EXPECT_TRUE(itk::ExposeMetaData<std::string>(labels->GetMetaDataDictionary(), "SegmentAnything_Version", found));
    EXPECT_EQ(found, sam::GetVersion()) << name;
    EXPECT_TRUE(itk::ExposeMetaData<std::string>(labels->GetMetaDataDictionary(), "Segment1_Name", found)) << name;
  };
  for (const std::string ending : { "nrrd", "mha" })
  {
    ASSERT_TRUE(Run(Quoted("images/a.nii.gz") + " " + Quoted("one." + ending)).isWell);
    expect("one." + ending, hashes[0]);
  }
  const auto outcome = Run("--model " + Quoted("other.safetensors") + " --statistics " + Quoted("s.json") + " " +
                           Quoted("images/a.nii.gz") + " " + Quoted("two.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  expect("two.nrrd", hashes[0] + " " + hashes[1]);
  EXPECT_EQ(ReadJson("s.json")["models_md5"], nlohmann::json(hashes));
  EXPECT_EQ(ReadJson("s.json")["version"], sam::GetVersion());
}

TEST_F(SamSegmentProgram, NiftiHasNamesAndColors)
{
  for (const std::string name : { "out.nii", "out.nii.gz" })
  {
    const auto outcome = Run(Quoted("images/a.nii.gz") + " " + Quoted(name));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
    EXPECT_EQ(Listing("."), (std::set<std::string>{ "images", "model.safetensors", "output.txt", name }))
      << "nothing else is left";

    std::array<char, 1 << 13> raw{};
    const gzFile              file = gzopen((folder / name).c_str(), "rb");
    ASSERT_GT(gzread(file, raw.data(), raw.size()), 1000);
    gzclose(file);
    std::array<std::int32_t, 2> extension{};
    std::memcpy(extension.data(), raw.data() + 352, sizeof(extension));
    EXPECT_EQ(raw[348], 1);
    EXPECT_EQ(extension[0] % 16, 0);
    EXPECT_EQ(extension[1], 30) << "the code of the Connectome Workbench";
    std::int16_t intent = 0;
    std::memcpy(&intent, raw.data() + 68, sizeof(intent));
    EXPECT_EQ(intent, 1002) << "labels";
    float voxels = 0;
    std::memcpy(&voxels, raw.data() + 108, sizeof(voxels));
    EXPECT_EQ(voxels, 352 + extension[0]);
    const std::string text(raw.data() + 360);
    for (const std::string part :
         { R"(<Label Key="0" Red="0" Green="0" Blue="0" Alpha="0">background</Label>)",
           R"(<Label Key="3" Red="0.901961" Green="0.623529" Blue="0" Alpha="1">first</Label>)",
           R"(<MD><Name>SegmentAnything_Version</Name><Value>)",
           R"(<VolumeType>Label</VolumeType>)" })
    {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    }
    EXPECT_NE(text.find("<Value>" + sam::ComputeMd5((folder / "model.safetensors").string()) + "</Value>"),
              std::string::npos);
    EXPECT_EQ(
      std::count(raw.begin() + 360 + static_cast<std::ptrdiff_t>(text.size()), raw.begin() + 352 + extension[0], '\0'),
      extension[0] - 8 - static_cast<std::int32_t>(text.size()))
      << "zeros to the end";

    ASSERT_TRUE(Run(Quoted("images/a.nii.gz") + " " + Quoted("same.mha")).isWell);
    const auto labels = sam::Read<Labels>((folder / name).string());
    const auto same = sam::Read<Labels>((folder / "same.mha").string());
    EXPECT_EQ(ReadPixels<Labels>(folder / name), ReadPixels<Labels>(folder / "same.mha"));
    for (unsigned int d = 0; d < 3; ++d)
    {
      EXPECT_NEAR(labels->GetOrigin()[d], same->GetOrigin()[d], 1e-5);
      EXPECT_NEAR(labels->GetSpacing()[d], same->GetSpacing()[d], 1e-6);
    }
    fs::remove(folder / name);
    fs::remove(folder / "same.mha");
  }
}

/** A model of two channels, and two cases with their channels in one vector image, along a fourth axis and in files of
 * their own, in a turned grid. */
class SamSegmentChannels : public SamSegmentProgram
{
protected:
  void
  WriteModel(unsigned int dimension) const
  {
    itk::SamTestModelOptions options;
    options.isSharp = true;
    options.dimension = dimension;
    options.channels = R"([{"name": "T1", "normalization": "z_score"}, {"name": "T2", "normalization": "z_score"}])";
    itk::MakeSamTestModel(options)->Write((folder / "model.safetensors").string());
  }

  SamSegmentChannels()
  {
    this->WriteModel(3);
    for (const std::string name : { "vectors", "series", "files" })
    {
      fs::create_directory(folder / name);
    }
    constexpr double angle = 0.3;
    for (const int number : { 1, 2 })
    {
      using Vectors = itk::VectorImage<short, 3>;
      using Series = itk::Image<short, 4>;
      const std::string name = "p" + std::to_string(number);
      const auto        vectors = Vectors::New();
      const auto        series = Series::New();
      vectors->SetRegions(Vectors::SizeType{ { 20, 18, 6 } });
      vectors->SetNumberOfComponentsPerPixel(2);
      series->SetRegions(Series::SizeType{ { 20, 18, 6, 2 } });
      auto turn = vectors->GetDirection();
      auto turnOfFour = series->GetDirection();
      turn(0, 0) = turn(1, 1) = turnOfFour(0, 0) = turnOfFour(1, 1) = std::cos(angle);
      turn(1, 0) = turnOfFour(1, 0) = std::sin(angle);
      turn(0, 1) = turnOfFour(0, 1) = -turn(1, 0);
      vectors->SetDirection(turn);
      series->SetDirection(turnOfFour);
      vectors->Allocate();
      series->Allocate();
      for (const int channel : { 0, 1 })
      {
        const auto volume = MakeImage<Volume>({ 20, 18, 6 }, { 1.0, 1.0, 1.0 }, { 0.0, 0.0, 0.0 });
        volume->SetDirection(turn);
        for (itk::ImageRegionIteratorWithIndex<Volume> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
        {
          const auto & index = it.GetIndex();
          it.Set(static_cast<short>((number * 37 * index[0] + (11 + 6 * channel) * index[1] * index[2]) % 101));
          auto pixel = vectors->GetPixel(index);
          pixel[static_cast<unsigned int>(channel)] = it.Get();
          vectors->SetPixel(index, pixel);
          series->SetPixel({ { index[0], index[1], index[2], channel } }, it.Get());
        }
        Write(volume.GetPointer(), folder / "files" / (name + "_000" + std::to_string(channel) + ".nii.gz"));
      }
      Write(vectors.GetPointer(), folder / "vectors" / (name + ".nrrd"));
      Write(series.GetPointer(), folder / "series" / (name + ".nii.gz"));
    }
  }
};

TEST_F(SamSegmentChannels, AreTakenHoweverTheyAreStored)
{
  for (const std::string kind : { "vectors", "series", "files" })
  {
    const auto outcome = Run(Quoted(kind) + " " + Quoted("of_" + kind));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
  }
  EXPECT_EQ(Listing("of_files"), (std::set<std::string>{ "p1.nii.gz", "p2.nii.gz" }));
  for (const std::string name : { "p1", "p2" })
  {
    const auto expected = ReadPixels<Labels>(folder / "of_vectors" / (name + ".nrrd"));
    EXPECT_GT(std::set<unsigned char>(expected.begin(), expected.end()).size(), 1u) << "of several labels";
    EXPECT_EQ(ReadPixels<Labels>(folder / "of_series" / (name + ".nii.gz")), expected);
    EXPECT_EQ(ReadPixels<Labels>(folder / "of_files" / (name + ".nii.gz")), expected);
    const auto grid = sam::Read<Labels>((folder / "of_series" / (name + ".nii.gz")).string());
    EXPECT_NEAR(grid->GetDirection()(1, 0), std::sin(0.3), 1e-6);
  }
  EXPECT_NE(ReadPixels<Labels>(folder / "of_files/p1.nii.gz"), ReadPixels<Labels>(folder / "of_files/p2.nii.gz"));

  for (const std::string kind : { "series", "files" })
  {
    const auto outcome =
      RunProgram(folder,
                 "sam-resample",
                 "--model " + Quoted("model.safetensors") + " " +
                   Quoted(kind + (kind == "series" ? "/p1.nii.gz" : "/p1_0000.nii.gz")) + " " + Quoted(kind + ".mha"));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
    EXPECT_EQ(CountPictures("of_" + kind, kind), 2u);
  }
  EXPECT_EQ(ReadText(folder / "series.mha"), ReadText(folder / "files.mha"));

  // One image has the name that it is given.
  ASSERT_TRUE(Run(Quoted("files/p1_0000.nii.gz") + " " + Quoted("one.nrrd")).isWell);
  EXPECT_EQ(ReadPixels<Labels>(folder / "one.nrrd"), ReadPixels<Labels>(folder / "of_files/p1.nii.gz"));
}

TEST_F(SamSegmentChannels, OfSlicesAreTakenToo)
{
  this->WriteModel(2);
  using Slice = itk::Image<unsigned char, 2>;
  using Vectors = itk::VectorImage<unsigned char, 2>;
  const auto vectors = Vectors::New();
  vectors->SetRegions(Vectors::SizeType{ { 20, 18 } });
  vectors->SetNumberOfComponentsPerPixel(2);
  vectors->Allocate();
  fs::create_directory(folder / "slices");
  for (const size_t channel : { 0, 1 })
  {
    const auto slice = Slice::New();
    slice->SetRegions(Slice::SizeType{ { 20, 18 } });
    slice->Allocate();
    for (size_t k = 0; k < slice->GetLargestPossibleRegion().GetNumberOfPixels(); ++k)
    {
      slice->GetBufferPointer()[k] = static_cast<unsigned char>((k * (7 + 4 * channel)) % 101);
      vectors->GetBufferPointer()[2 * k + channel] = slice->GetBufferPointer()[k];
    }
    Write(slice.GetPointer(), folder / "slices" / ("s_000" + std::to_string(channel) + ".png"));
  }
  Write(vectors.GetPointer(), folder / "vectors.nrrd");
  const auto outcome = Run(Quoted("slices") + " " + Quoted("of_slices"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_EQ(Listing("of_slices"), (std::set<std::string>{ "s.png" }));
  ASSERT_TRUE(Run(Quoted("vectors.nrrd") + " " + Quoted("expected.png")).isWell);
  EXPECT_EQ(ReadPixels<Slice>(folder / "of_slices/s.png"), ReadPixels<Slice>(folder / "expected.png"));
}

TEST_F(SamSegmentChannels, OneThatIsMissingOrElsewhereIsNamed)
{
  const auto elsewhere = MakeImage<Volume>({ 20, 18, 5 }, { 1.0, 1.0, 1.0 }, { 0.0, 0.0, 0.0 });
  Write(elsewhere.GetPointer(), folder / "files/p1_0001.nii.gz");
  fs::remove(folder / "files/p2_0001.nii.gz");
  const auto outcome = Run(Quoted("files") + " " + Quoted("out"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("p1_0001.nii.gz: sizes differ"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("p2_0000.nii.gz: the image has 1 channel, expected 2"), std::string::npos)
    << outcome.output;
  EXPECT_TRUE(Listing("out").empty());
}

TEST_F(SamSegmentProgram, NumbersOfTheFirstChannelAreNoPartOfTheName)
{
  fs::create_directory(folder / "numbered");
  for (const std::string name : { "b_0000.nii.gz", "a_0000.nii.gz" })
  {
    fs::copy(folder / "images/a.nii.gz", folder / "numbered" / name);
  }
  ASSERT_TRUE(Run(Quoted("numbered") + " " + Quoted("plain")).isWell);
  EXPECT_EQ(Listing("plain"), (std::set<std::string>{ "a.nii.gz", "b.nii.gz" }));
  // A case may be called so without meaning a channel.
  fs::copy(folder / "images/a.nii.gz", folder / "numbered/a_0001.nii.gz");
  ASSERT_TRUE(Run(Quoted("numbered") + " " + Quoted("numbers")).isWell);
  EXPECT_EQ(Listing("numbers"), (std::set<std::string>{ "a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz" }));
}

TEST_F(SamSegmentProgram, ProbabilitiesOfLabels)
{
  using Map = itk::Image<float, 3>;
  const auto map = [this](const std::string & label, const std::string & name) {
    return "--probability \"" + label + "=" + (folder / name).string() + "\" ";
  };
  const std::string maps = map("0", "p0.nii.gz") + map("first", "p3.nrrd") + map("7", "p7.mha") + "--uncertainty " +
                           Quoted("u.nrrd") + " --mirror 0 --labels 3 ";
  const auto outcome = Run(maps + Quoted("images/a.nii.gz") + " " + Quoted("out.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto labels = ReadPixels<Labels>(folder / "out.nrrd");
  const auto background = ReadPixels<Map>(folder / "p0.nii.gz");
  const auto first = ReadPixels<Map>(folder / "p3.nrrd");
  const auto second = ReadPixels<Map>(folder / "p7.mha");
  const auto uncertainty = ReadPixels<Map>(folder / "u.nrrd");
  ASSERT_EQ(first.size(), labels.size());
  for (size_t k = 0; k < labels.size(); ++k)
  {
    EXPECT_NEAR(background[k] + first[k] + second[k], 1.0f, 1e-5f);
    EXPECT_EQ(labels[k], first[k] > std::max(background[k], second[k]) ? 3 : 0) << "label 7 was not kept";
    EXPECT_EQ(uncertainty[k], 1.0f - std::max({ background[k], first[k], second[k] }));
  }
  const auto image = sam::Read<Volume>((folder / "images/a.nii.gz").string());
  const auto written = sam::Read<Map>((folder / "p3.nrrd").string());
  EXPECT_EQ(written->GetLargestPossibleRegion(), image->GetLargestPossibleRegion());
  EXPECT_LT((written->GetOrigin() - image->GetOrigin()).GetNorm(), 1e-4);
  EXPECT_LT((written->GetSpacing() - image->GetSpacing()).GetNorm(), 1e-5);

  // A folder of maps for each.
  const auto cohort = Run(map("second", "p") + "--uncertainty " + Quoted("u") + " --skip-existing " + Quoted("images") +
                          " " + Quoted("cohort"));
  ASSERT_TRUE(cohort.isWell) << cohort.output;
  EXPECT_EQ(Listing("p"), (std::set<std::string>{ "a.nrrd", "b.nrrd", "c.nrrd" }));
  EXPECT_EQ(Listing("u"), (std::set<std::string>{ "a.nrrd", "b.nrrd", "c.nrrd" }));

  for (const auto & [arguments, expected] : std::vector<std::pair<std::string, std::string>>{
         { map("third", "p.nrrd"), "--probability: 'third' is no label of " },
         { "--probability second ", "--probability: 'second', expected LABEL=FILE" },
         { map("3", "x.nrrd") + map("first", "y.nrrd"), "the label has a file already" },
         { map("3", "x.nrrd") + map("7", "x.nrrd"), "x.nrrd: is given for two outputs, expected a file for each" },
         { map("3", "x.nrrd") + "--memory-limit 2M ", "--probability and --uncertainty need the whole maps" } })
  {
    const auto refused = Run(arguments + Quoted("images/c.mha") + " " + Quoted("never.mha"));
    EXPECT_FALSE(refused.isWell);
    EXPECT_NE(refused.output.find(expected), std::string::npos) << refused.output;
    EXPECT_FALSE(fs::exists(folder / "never.mha") || fs::exists(folder / "x.nrrd"));
  }
}

TEST_F(SamSegmentProgram, ASegmentationTellsSlicerEverything)
{
  ASSERT_TRUE(Run(Quoted("images/a.nii.gz") + " " + Quoted("out.seg.nrrd")).isWell);
  const auto text = ReadText(folder / "out.seg.nrrd");
  const auto labels = sam::Read<Labels>((folder / "out.seg.nrrd").string());
  const auto expect = [&text](const std::string & line) {
    EXPECT_NE(text.find(line + "\n"), std::string::npos) << line << " in\n" << text.substr(0, text.find("\n\n"));
  };
  const std::vector<std::pair<int, std::string>> table{ { 3, "first" }, { 7, "second" } };
  for (size_t k = 0; k < table.size(); ++k)
  {
    std::array<long, 6> extent{ { 99, -1, 99, -1, 99, -1 } };
    for (itk::ImageRegionIteratorWithIndex<Labels> it(labels, labels->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      for (unsigned int d = 0; it.Get() == table[k].first && d < 3; ++d)
      {
        extent[2 * d] = std::min<long>(extent[2 * d], it.GetIndex()[d]);
        extent[2 * d + 1] = std::max<long>(extent[2 * d + 1], it.GetIndex()[d]);
      }
    }
    ASSERT_GE(extent[1], 0) << "the label is there";
    std::string numbers;
    for (const long number : extent)
    {
      numbers += " " + std::to_string(number);
    }
    const std::string prefix = "Segment" + std::to_string(k) + "_";
    expect(prefix + "ID:=Segment_" + std::to_string(table[k].first));
    expect(prefix + "Name:=" + table[k].second);
    expect(prefix + "LabelValue:=" + std::to_string(table[k].first));
    expect(prefix + "Layer:=0");
    expect(prefix + "Extent:=" + numbers.substr(1));
    EXPECT_NE(text.find(prefix + "Color:=0."), std::string::npos);
  }
  expect("Segmentation_SourceRepresentation:=Binary labelmap");
  expect("Segmentation_MasterRepresentation:=Binary labelmap");
  expect("Segmentation_ContainedRepresentationNames:=Binary labelmap|");
  expect("Segmentation_ReferenceImageExtentOffset:=0 0 0");
}

TEST_F(SamSegmentProgram, ASegmentationOfAnImageIsAVolumeOfOneSlice)
{
  using Plane = itk::Image<unsigned char, 2>;
  itk::SamTestModelOptions options;
  options.dimension = 2;
  options.isSharp = true;
  itk::MakeSamTestModel(options)->Write((folder / "model.safetensors").string());
  const auto plane = MakeImage<Plane>({ 20, 18 }, { 0.9, 1.1 }, { -11.3, 4.7 });
  for (itk::ImageRegionIteratorWithIndex<Plane> it(plane, plane->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(static_cast<unsigned char>((37 * it.GetIndex()[0] + 11 * it.GetIndex()[1]) % 101));
  }
  Write(plane.GetPointer(), folder / "plane.mha");
  for (const std::string name : { "plane.nrrd", "plane.seg.nrrd" })
  {
    const auto outcome = Run(Quoted("plane.mha") + " " + Quoted(name));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
  }
  EXPECT_NE(ReadText(folder / "plane.nrrd").find("dimension: 2\n"), std::string::npos);
  const auto text = ReadText(folder / "plane.seg.nrrd");
  EXPECT_NE(text.find("dimension: 3\n"), std::string::npos) << "3D Slicer knows no others";
  EXPECT_NE(text.find("Segment0_Name:=first\n"), std::string::npos);
  const auto volume = sam::Read<Labels>((folder / "plane.seg.nrrd").string());
  EXPECT_EQ(volume->GetLargestPossibleRegion().GetSize(), (itk::Size<3>{ { 20, 18, 1 } }));
  EXPECT_NEAR(volume->GetOrigin()[0], -11.3, 1e-6);
  EXPECT_NEAR(volume->GetSpacing()[1], 1.1, 1e-6);
  const auto pixels = ReadPixels<Labels>(folder / "plane.seg.nrrd");
  EXPECT_EQ(pixels, ReadPixels<Plane>(folder / "plane.nrrd"));
  EXPECT_GT(std::set<int>(pixels.begin(), pixels.end()).size(), 1u);
}

TEST_F(SamSegmentProgram, AxesThatAreNotPerpendicularAreRepairedOnRequest)
{
  Write(sam::Read<Volume>((folder / "images/a.nii.gz").string()).GetPointer(), folder / "skew.nii");
  {
    // Rows of the matrix, RAS: the second axis leans by 6 degrees to the first; no quaternion.
    std::fstream                    file(folder / "skew.nii", std::ios::in | std::ios::out | std::ios::binary);
    const double                    lean = 6.0 * itk::Math::pi / 180.0;
    const std::vector<float>        rows{ 0.9f, static_cast<float>(1.1 * std::sin(lean)),
                                   0.0f, 5.0f,
                                   0.0f, static_cast<float>(1.1 * std::cos(lean)),
                                   0.0f, 6.0f,
                                   0.0f, 0.0f,
                                   1.3f, 7.0f };
    const std::vector<std::int16_t> codes{ 0, 1 };
    file.seekp(252).write(reinterpret_cast<const char *>(codes.data()), 4);
    file.seekp(280).write(reinterpret_cast<const char *>(rows.data()), 48);
  }
  auto outcome = Run(Quoted("skew.nii") + " " + Quoted("out.nrrd"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("skew.nii: its axes are not perpendicular"), std::string::npos) << outcome.output;
  outcome = Run("--fix-direction " + Quoted("skew.nii") + " " + Quoted("out.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  // Half of the angle for each of the two axes.
  EXPECT_NE(outcome.output.find("axes were turned by up to 3.000"), std::string::npos) << outcome.output;
  const auto   labels = sam::Read<Labels>((folder / "out.nrrd").string());
  const double half = 3.0 * itk::Math::pi / 180.0;
  EXPECT_NEAR(labels->GetDirection()[0][0], -std::cos(half), 1e-5);
  EXPECT_NEAR(labels->GetDirection()[1][0], std::sin(half), 1e-5);
  EXPECT_NEAR(labels->GetDirection()[0][1], -std::sin(half), 1e-5);
  EXPECT_NEAR(labels->GetSpacing()[1], 1.1, 1e-5);
  EXPECT_NEAR(labels->GetOrigin()[0], -5.0, 1e-5);

  // Labels with the axes of the image, as other programs write them, lie where those are that it got.
  std::vector<char> bytes(352);
  std::ifstream(folder / "skew.nii", std::ios::binary).read(bytes.data(), 352);
  Write(labels.GetPointer(), folder / "truth.nii");
  {
    std::fstream file(folder / "truth.nii", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(76).write(bytes.data() + 76, 32);
    file.seekp(252).write(bytes.data() + 252, 76);
  }
  const std::string pair = "--prediction " + Quoted("out.nrrd") + " --reference " + Quoted("truth.nii");
  outcome = RunProgram(folder, "sam-evaluate", pair, "--threads 1");
  EXPECT_NE(outcome.output.find("truth.nii: its axes are not perpendicular"), std::string::npos) << outcome.output;
  outcome = RunProgram(folder, "sam-evaluate", pair + " --output " + Quoted("m.json"), "--threads 1 --fix-direction");
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_DOUBLE_EQ(ReadJson("m.json")["overall"]["dice"].get<double>(), 1.0) << ReadText(folder / "m.json");
  // Once for each file, though it is opened several times.
  const std::string warning = "truth.nii: axes were turned";
  const auto        first = outcome.output.find(warning);
  ASSERT_NE(first, std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find(warning, first + 1), std::string::npos) << outcome.output;
}

TEST_F(SamSegmentProgram, LabelsAreChosenAndSmallPartsLeftOut)
{
  const std::string files = Quoted("images/c.mha") + " " + Quoted("out.mha");
  ASSERT_TRUE(Run(files).isWell);
  auto       expected = ReadPixels<Labels>(folder / "out.mha");
  const auto kept = *std::max_element(expected.begin(), expected.end());
  ASSERT_GT(std::set<int>(expected.begin(), expected.end()).size(), 2u);
  std::replace_if(expected.begin(), expected.end(), [kept](int value) { return value != kept; }, 0);
  auto outcome = Run("--labels " + std::to_string(kept) + " --statistics " + Quoted("s.json") + " " + files);
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_EQ(ReadPixels<Labels>(folder / "out.mha"), expected);
  const auto statistics = ReadJson("s.json");
  ASSERT_EQ(statistics["labels"].size(), 1u);
  EXPECT_EQ(statistics["labels"][0]["value"], kept);

  EXPECT_EQ(outcome.output.find("no voxel has a label"), std::string::npos) << outcome.output;
  outcome = Run("--minimum-size 1e9 --fill-holes " + files);
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_NE(outcome.output.find("out.mha: no voxel has a label"), std::string::npos) << outcome.output;
  const auto none = ReadPixels<Labels>(folder / "out.mha");
  EXPECT_EQ(std::count(none.begin(), none.end(), 0), static_cast<long>(none.size()));

  outcome = Run("--labels 99 " + files);
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("--labels: '99' is no label of"), std::string::npos) << outcome.output;
  EXPECT_FALSE(Run("--minimum-size=-1 " + files).isWell);
}

TEST_F(SamSegmentProgram, NamesAndColorsAreThereForViewers)
{
  const std::string command =
    "\"" SEGMENTANYTHING_PROGRAMS "/sam-model\" --quiet labels " + Quoted("model.safetensors");
  ASSERT_EQ(std::system((command + " " + Quoted("snap.txt")).c_str()), 0);
  ASSERT_EQ(std::system((command + " " + Quoted("slicer.ctbl")).c_str()), 0);
  const auto model = itk::SamModel::Read((folder / "model.safetensors").string());
  const auto color = [&model](unsigned int k) {
    const auto & rgb = model->GetLabelColors()[k];
    return " " + std::to_string(rgb[0]) + " " + std::to_string(rgb[1]) + " " + std::to_string(rgb[2]) + " ";
  };
  const auto behind = [this](const std::string & name) {
    const auto text = ReadText(folder / name);
    return text.substr(text.find('\n') + 1);
  };
  EXPECT_EQ(behind("snap.txt"),
            "0 0 0 0 0 0 0 \"Clear Label\"\n3" + color(1) + "1 1 1 \"first\"\n7" + color(2) + "1 1 1 \"second\"\n");
  EXPECT_EQ(behind("slicer.ctbl"), "0 background 0 0 0 0\n3 first" + color(1) + "255\n7 second" + color(2) + "255\n");
  EXPECT_NE(std::system((command + " " + Quoted("labels.lut") + " 2> " + Quoted("output.txt")).c_str()), 0);
  EXPECT_NE(ReadText(folder / "output.txt").find("labels.lut: expected a name that ends with .txt"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "labels.lut"));
}

TEST_F(SamSegmentProgram, OtherProgramsCanReadHowFarItIs)
{
  const auto outcome = Run("--quiet --progress json " + Quoted("images/a.nii.gz") + " " + Quoted("out.nii.gz"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  std::istringstream  lines(outcome.output);
  std::vector<double> fractions;
  for (std::string line; std::getline(lines, line);)
  {
    const auto report = nlohmann::json::parse(line);
    EXPECT_EQ(report["text"], (folder / "images/a.nii.gz").string());
    fractions.push_back(report["progress"]);
  }
  EXPECT_GT(fractions.size(), 5u);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_EQ(fractions.back(), 1.0);
  const auto silent = Run("--quiet --progress none " + Quoted("images/a.nii.gz") + " " + Quoted("out.nii.gz"));
  EXPECT_EQ(silent.output, "");
  const auto unknown = Run("--progress dots " + Quoted("images/a.nii.gz") + " " + Quoted("other.nii.gz"));
  EXPECT_FALSE(unknown.isWell);
  EXPECT_NE(unknown.output.find("--progress"), std::string::npos) << unknown.output;
}

TEST_F(SamSegmentProgram, APlanCanBeChangedForSpeed)
{
  const auto convert = [this](const std::string & change) {
    return RunProgram(folder,
                      "sam-model",
                      "convert " + Quoted("model.safetensors") + " " + Quoted("changed.safetensors") +
                        " --change-plan '" + change + "'",
                      "");
  };
  for (const auto & [change, mistake] :
       { std::pair{ R"({"driver": {"overlap": [2, 0, 0]}})", "'overlap' must lie from 0 to 0.95" },
         std::pair{ R"({"driver": {"overlaps": [0, 0, 0]}})", "overlaps" },
         std::pair{ R"({"encoder": {"neck": 64}})", "shape" },
         std::pair{ "fast", "--change-plan 'fast': not a JSON object" } })
  {
    const auto outcome = convert(change);
    EXPECT_FALSE(outcome.isWell) << change;
    EXPECT_NE(outcome.output.find(mistake), std::string::npos) << outcome.output;
    EXPECT_FALSE(fs::exists(folder / "changed.safetensors")) << change;
  }
  const auto outcome = convert(R"({"driver": {"overlap": [0, 0, 0]}})");
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto read = [this](const std::string & name) { return itk::SamModel::Read((folder / name).string()); };
  const auto information = RunProgram(folder, "sam-model", "info " + Quoted("changed.safetensors"), "").output;
  EXPECT_NE(information.find(R"(changes_of_plan: [{"driver":{"overlap":[0,0,0]}}])"), std::string::npos) << information;
  const auto volume = itk::ReadImage<Volume>((folder / "images/c.mha").string());
  const auto count = [&volume](const itk::SamModel * model) {
    const auto segment = itk::SamSegmentationImageFilter<Volume>::New();
    segment->SetInput(volume);
    segment->SetModel(model);
    segment->Update();
    return segment->GetNumberOfWindows();
  };
  EXPECT_LT(count(read("changed.safetensors")), count(read("model.safetensors")));
}

TEST_F(SamSegmentProgram, DevicesShareACohort)
{
  const auto run = [this](const std::string & devices, const std::string & arguments) {
    return RunProgram(folder,
                      "sam-segment",
                      "--model " + Quoted("model.safetensors") + " " + arguments,
                      "--threads 1 --device " + devices);
  };
  std::ofstream(folder / "images/broken.nrrd") << "no image";
  auto outcome = run("cpu", Quoted("images") + " " + Quoted("one"));
  EXPECT_FALSE(outcome.isWell);
  outcome = run("cpu,cpu", "--report " + Quoted("r.json") + " " + Quoted("images") + " " + Quoted("two"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("1 of 4 images were not segmented"), std::string::npos) << outcome.output;
  EXPECT_EQ(outcome.output.find("at the peak"), std::string::npos) << "it is the program's: " << outcome.output;
  const std::set<std::string> names{ "a.nii.gz", "b.nrrd", "c.mha" };
  EXPECT_EQ(Listing("two"), names);
  for (const auto & name : names)
  {
    EXPECT_EQ(ReadPixels<Labels>(folder / "two" / name), ReadPixels<Labels>(folder / "one" / name)) << name;
  }
  const auto report = ReadJson("r.json");
  EXPECT_EQ(report["counts"], nlohmann::json({ { "segmented", 3 }, { "skipped", 0 }, { "failed", 1 } }));
  std::set<std::string> images;
  for (const auto & item : report["cases"])
  {
    images.insert(fs::path(item["image"].get<std::string>()).filename().string());
    EXPECT_FALSE(item.contains("memory_peak_bytes"));
  }
  EXPECT_EQ(images, (std::set<std::string>{ "a.nii.gz", "b.nrrd", "broken.nrrd", "c.mha" }));

  outcome =
    run("cpu,cpu", "--skip-existing --report " + Quoted("r.json") + " " + Quoted("images") + " " + Quoted("two"));
  EXPECT_EQ(ReadJson("r.json")["counts"], nlohmann::json({ { "segmented", 0 }, { "skipped", 3 }, { "failed", 1 } }));
  outcome = run("cpu,gpu", Quoted("images") + " " + Quoted("bad"));
  EXPECT_NE(outcome.output.find("--device: 'gpu', expected auto, cpu, cuda or cuda:N"), std::string::npos);
  outcome = run("cpu,cpu", "--memory-limit 2G " + Quoted("images") + " " + Quoted("bad"));
  EXPECT_NE(outcome.output.find("--memory-limit: expected one --device"), std::string::npos) << outcome.output;
  outcome = RunProgram(folder,
                       "sam-encode",
                       "--model " + Quoted("model.safetensors") + " " + Quoted("images/c.mha") + " " + Quoted("e.nrrd"),
                       "--device cpu,cpu");
  EXPECT_NE(outcome.output.find("--device: 'cpu,cpu', expected one device"), std::string::npos) << outcome.output;
  EXPECT_FALSE(fs::exists(folder / "bad"));
}

TEST_F(SamSegmentProgram, TheBodyIsARegion)
{
  const auto volume = MakeImage<Volume>({ 60, 50, 30 }, { 2.0, 2.0, 3.0 }, { -60, -40, 10 });
  for (itk::ImageRegionIteratorWithIndex<Volume> it(volume, volume->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    const auto & index = it.GetIndex();
    const bool   isBody = index[0] >= 20 && index[0] < 36 && index[1] >= 16 && index[1] < 28;
    it.Set(static_cast<short>((isBody ? 100 : -1000) + (7 * index[0] + 3 * index[1] * index[2]) % 30));
  }
  Write(volume.GetPointer(), folder / "ct.nrrd");
  auto outcome = Run("--crop-to-body " + Quoted("ct.nrrd") + " " + Quoted("body.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const std::string word = "region: ";
  const auto        begin = outcome.output.find(word) + word.size();
  const auto        box = outcome.output.substr(begin, outcome.output.find('\n', begin) - begin);
  EXPECT_EQ(box, "-5,3,53.5,52.1,44.1,90.1") << "16 x 12 x 30 voxels and 10 mm on each side in the image";
  outcome = Run("--region=" + box + " " + Quoted("ct.nrrd") + " " + Quoted("region.nrrd"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto labels = ReadPixels<Labels>(folder / "body.nrrd");
  EXPECT_EQ(labels, ReadPixels<Labels>(folder / "region.nrrd"));
  EXPECT_GT(std::set<int>(labels.begin(), labels.end()).size(), 1u);
  outcome = Run("--crop-to-body --region=" + box + " " + Quoted("ct.nrrd") + " " + Quoted("bad.nrrd"));
  EXPECT_NE(outcome.output.find("--crop-to-body: expected no --region"), std::string::npos) << outcome.output;
  outcome = Run("--crop-to-body --memory-limit 1M " + Quoted("ct.nrrd") + " " + Quoted("bad.nrrd"));
  EXPECT_NE(outcome.output.find("--crop-to-body need the whole image"), std::string::npos) << outcome.output;
}

TEST_F(SamSegmentProgram, ShardsShareACohort)
{
  auto outcome = Run(Quoted("images") + " " + Quoted("all"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 5)
    << "a line for each and two about memory: " << outcome.output;
  for (const std::string shard : { "0/2", "1/2" })
  {
    outcome = Run("--shard " + shard + " " + Quoted("images") + " " + Quoted("part" + shard.substr(0, 1)));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
  }
  EXPECT_EQ(Listing("part0"), (std::set<std::string>{ "a.nii.gz", "c.mha" }));
  EXPECT_EQ(Listing("part1"), (std::set<std::string>{ "b.nrrd" }));
  EXPECT_EQ(ReadPixels<Labels>(folder / "part0/c.mha"), ReadPixels<Labels>(folder / "all/c.mha"));
  EXPECT_EQ(ReadPixels<Labels>(folder / "part1/b.nrrd"), ReadPixels<Labels>(folder / "all/b.nrrd"));
  EXPECT_TRUE(Run("--shard 3/4 " + Quoted("images") + " " + Quoted("none")).isWell) << "more programs than cases";
  for (const std::string shard : { "2/2", "1", "-1/2", "0/0", "1/2x" })
  {
    outcome = Run("--shard=" + shard + " " + Quoted("images") + " " + Quoted("bad"));
    EXPECT_FALSE(outcome.isWell);
    EXPECT_NE(outcome.output.find("--shard: '" + shard + "', expected K/N"), std::string::npos) << outcome.output;
  }
  EXPECT_FALSE(fs::exists(folder / "bad"));
}

TEST_F(SamSegmentProgram, FinishedCasesAreSkippedOnRequest)
{
  const std::string arguments = "--statistics " + Quoted("st") + " --skip-existing --report " + Quoted("report.json") +
                                " " + Quoted("images") + " " + Quoted("out");
  ASSERT_TRUE(Run(arguments).isWell);
  EXPECT_EQ(ReadJson("report.json")["counts"],
            (nlohmann::json{ { "segmented", 3 }, { "skipped", 0 }, { "failed", 0 } }));
  EXPECT_EQ(ReadJson("report.json")["models_md5"],
            nlohmann::json::array({ sam::ComputeMd5((folder / "model.safetensors").string()) }));
  std::ofstream(folder / "abc", std::ios::binary) << "abc";
  EXPECT_EQ(sam::ComputeMd5((folder / "abc").string()), "900150983cd24fb0d6963f7d28e17f72") << "RFC 1321";
  std::ofstream(folder / "out/b.nrrd", std::ios::trunc).close(); // as by a full disk
  fs::remove(folder / "st/c.json");
  const auto before = fs::last_write_time(folder / "out/a.nii.gz");
  const auto outcome = Run(arguments);
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto report = ReadJson("report.json");
  EXPECT_EQ(report["cases"][0]["status"], "skipped");
  EXPECT_EQ(report["cases"][1]["status"], "segmented") << "its label map was empty";
  EXPECT_EQ(report["cases"][2]["status"], "segmented") << "its statistics were missing";
  EXPECT_EQ(fs::last_write_time(folder / "out/a.nii.gz"), before);
  EXPECT_EQ(Listing("st"), (std::set<std::string>{ "a.json", "b.json", "c.json" }));
}

TEST_F(SamSegmentProgram, OneBrokenCaseIsReportedAndStopsNoOther)
{
  std::ofstream(folder / "images/b.nrrd", std::ios::binary) << "NRRD0004\ntype: short\ndimension: 3\nsizes: 9 9 9\n";
  const auto outcome = Run("--report " + Quoted("report.json") + " " + Quoted("images") + " " + Quoted("out"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("1 of 3 images were not segmented"), std::string::npos) << outcome.output;
  EXPECT_EQ(Listing("out"), (std::set<std::string>{ "a.nii.gz", "c.mha" }));
  const auto report = ReadJson("report.json");
  EXPECT_EQ(report["counts"]["failed"], 1);
  EXPECT_EQ(report["cases"][1]["status"], "failed");
  EXPECT_NE(report["cases"][1]["message"].get<std::string>().find("b.nrrd"), std::string::npos);
  EXPECT_GT(report["cases"][2]["seconds"].get<double>(), 0.0);
}

TEST_F(SamSegmentProgram, NoCaseWritesTheStatisticsOfAnother)
{
  fs::copy_file(folder / "images/c.mha", folder / "images/a.mha");
  const auto outcome = Run("--statistics " + Quoted("st") + " " + Quoted("images") + " " + Quoted("out"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("a.nii.gz: their statistics"), std::string::npos) << outcome.output;
  EXPECT_TRUE(Listing("out").empty());
}

TEST_F(SamSegmentProgram, AListNamesItsImages)
{
  std::ofstream(folder / "list.txt") << "\xEF\xBB\xBF \timages/c.mha\t\r\n\n  # remark\n"
                                     << (folder / "images/a.nii.gz").string() << "\n";
  auto outcome = Run(Quoted("list.txt") + " " + Quoted("out"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_EQ(Listing("out"), (std::set<std::string>{ "a.nii.gz", "c.mha" }));

  outcome = Run(Quoted("images") + " " + Quoted("one.nii.gz"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("expected a folder for those of several"), std::string::npos) << outcome.output;
  EXPECT_FALSE(fs::exists(folder / "one.nii.gz"));

  std::ofstream(folder / "list.txt") << "images/c.mha\nimages/d.mha\n";
  outcome = Run(Quoted("list.txt") + " " + Quoted("out"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("'images/d.mha' is not there"), std::string::npos) << outcome.output;
  std::ofstream(folder / "list.txt") << "images/c.mha\nimages/../images/c.mha\n";
  outcome = Run(Quoted("list.txt") + " " + Quoted("out"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("have the same name"), std::string::npos) << outcome.output;
}

/** The slices of an image as DICOM files of one series, without \a missing. */
void
WriteSeries(const fs::path & image, const fs::path & folder, const std::string & series, long missing = -1)
{
  const auto volume = sam::Read<Volume>(image.string());
  fs::create_directory(folder);
  const auto size = volume->GetLargestPossibleRegion().GetSize();
  for (long slice = 0; slice < static_cast<long>(size[2]); ++slice)
  {
    if (slice == missing)
    {
      continue;
    }
    const auto             cut = itk::RegionOfInterestImageFilter<Volume, Volume>::New();
    const Volume::SizeType one{ { size[0], size[1], 1 } };
    cut->SetInput(volume);
    cut->SetRegionOfInterest(Volume::RegionType({ { 0, 0, slice } }, one));
    cut->Update();
    auto & header = cut->GetOutput()->GetMetaDataDictionary();
    itk::EncapsulateMetaData<std::string>(header, "0008|0060", "MR");
    itk::EncapsulateMetaData<std::string>(header, "0020|000d", "1.2.3");
    itk::EncapsulateMetaData<std::string>(header, "0020|000e", series);
    itk::EncapsulateMetaData<std::string>(header, "0020|0013", std::to_string(slice + 1));
    const auto format = itk::GDCMImageIO::New();
    format->KeepOriginalUIDOn();
    const auto writer = itk::ImageFileWriter<Volume>::New();
    writer->SetImageIO(format);
    writer->SetInput(cut->GetOutput());
    // Names in another order than the slices.
    writer->SetFileName((folder / (series + "_" + std::to_string(97 - slice * 13 % 17) + ".dcm")).string());
    writer->Update();
  }
}

TEST_F(SamSegmentProgram, ADicomSeriesIsAVolume)
{
  const auto image = folder / "images/c.mha";
  WriteSeries(image, folder / "series", "1.2.3.4");
  auto outcome = Run(Quoted("series") + " " + Quoted("dicom.mha"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  ASSERT_TRUE(Run(Quoted("images/c.mha") + " " + Quoted("labels.mha")).isWell);
  const auto found = sam::Read<Labels>((folder / "dicom.mha").string());
  const auto expected = sam::Read<Labels>((folder / "labels.mha").string());
  EXPECT_EQ(ReadPixels<Labels>(folder / "dicom.mha"), ReadPixels<Labels>(folder / "labels.mha"));
  for (unsigned int d = 0; d < 3; ++d)
  {
    EXPECT_NEAR(found->GetSpacing()[d], expected->GetSpacing()[d], 1e-4);
    EXPECT_NEAR(found->GetOrigin()[d], expected->GetOrigin()[d], 1e-4);
  }

  fs::create_directories(folder / "cohort");
  fs::rename(folder / "series", folder / "cohort/1.2");
  fs::create_directories(folder / "cohort/none");
  ASSERT_TRUE(Run(Quoted("cohort") + " " + Quoted("out")).isWell);
  EXPECT_EQ(Listing("out"), (std::set<std::string>{ "1.2.nii.gz" }));
  EXPECT_EQ(CountPictures("out", "cohort"), 1u);
  fs::rename(folder / "cohort/1.2", folder / "series");

  WriteSeries(image, folder / "gap", "1.2.3.4", 2);
  outcome = Run(Quoted("gap") + " " + Quoted("none.mha"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("expected a series without a gap"), std::string::npos) << outcome.output;
  WriteSeries(image, folder / "series", "1.2.3.5");
  outcome = Run(Quoted("series") + " " + Quoted("none.mha"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("has 2 DICOM series"), std::string::npos) << outcome.output;
  EXPECT_FALSE(fs::exists(folder / "none.mha"));
}

/** An image whose slices lie askew, as those of a tilted gantry. */
void
WriteSheared(const fs::path & image, const fs::path & sheared)
{
  const auto   volume = sam::Read<Volume>(image.string());
  const double angle = 15.0 * itk::Math::pi / 180.0;
  auto         direction = volume->GetDirection();
  direction(1, 2) = std::sin(angle);
  direction(2, 2) = std::cos(angle);
  volume->SetDirection(direction);
  Write(volume.GetPointer(), sheared);
}

TEST_F(SamSegmentProgram, ShearedAxesDoNotGoIntoNifti)
{
  WriteSheared(folder / "images/c.mha", folder / "sheared.mha");
  WriteSeries(folder / "sheared.mha", folder / "tilted", "1.2.3.4");
  const auto expected = sam::Read<Volume>((folder / "sheared.mha").string());
  for (const std::string image : { "sheared.mha", "tilted" })
  {
    for (const auto & files :
         { Quoted(image) + " " + Quoted("out.nii.gz"),
           "--uncertainty " + Quoted("out.nii.gz") + " " + Quoted(image) + " " + Quoted("l.mha"),
           "--probability first=" + Quoted("out.nii") + " " + Quoted(image) + " " + Quoted("l.mha") })
    {
      const auto refused = Run(files);
      EXPECT_FALSE(refused.isWell) << files;
      EXPECT_NE(refused.output.find(": NIfTI stores a rotation, "), std::string::npos) << refused.output;
      EXPECT_NE(refused.output.find("expected .nrrd or .mha\n"), std::string::npos) << refused.output;
    }
    EXPECT_FALSE(fs::exists(folder / "out.nii.gz") || fs::exists(folder / "out.nii") || fs::exists(folder / "l.mha"));
    const auto outcome = Run(Quoted(image) + " " + Quoted("out.nrrd"));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
    const auto labels = sam::Read<Labels>((folder / "out.nrrd").string());
    for (unsigned int d = 0; d < 3; ++d)
    {
      EXPECT_NEAR(labels->GetDirection()(d, 2), expected->GetDirection()(d, 2), 1e-5) << image;
    }
  }
}

TEST_F(SamSegmentProgram, NoInputIsReplaced)
{
  WriteSeries(folder / "images/c.mha", folder / "series", "1.2.3.4");
  const auto slice = "series/" + *Listing("series").begin();
  fs::create_directory_symlink(folder / "images", folder / "link");
  fs::rename(folder / "images/a.nii.gz", folder / "images/a.nii");
  const auto before = ReadText(folder / "images/b.nrrd");
  std::ofstream(folder / "list.txt") << "images/b.nrrd\n";
  for (const auto & [arguments, named] : std::vector<std::pair<std::string, std::string>>{
         { Quoted("images") + " " + Quoted("images"), "images/a.nii" },
         { "--skip-existing " + Quoted("images") + " " + Quoted("link"), "link/a.nii" },
         { Quoted("list.txt") + " " + Quoted("images"), "images/b.nrrd" },
         { Quoted("images/b.nrrd") + " " + Quoted("link/b.nrrd"), "link/b.nrrd" },
         { "--uncertainty " + Quoted("images") + " " + Quoted("list.txt") + " " + Quoted("out"), "images/b.nrrd" },
         { "--report " + Quoted("images/b.nrrd") + " " + Quoted("images/b.nrrd") + " " + Quoted("out.mha"),
           "images/b.nrrd" },
         { "--report " + Quoted("model.safetensors") + " " + Quoted("images/b.nrrd") + " " + Quoted("out.mha"),
           "model.safetensors" },
         { Quoted("series") + " " + Quoted(slice), slice } })
  {
    const auto outcome = Run(arguments);
    EXPECT_FALSE(outcome.isWell) << arguments;
    EXPECT_NE(outcome.output.find(named + ": would be replaced, but is the input"), std::string::npos)
      << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
  }
  EXPECT_TRUE(ReadText(folder / "images/b.nrrd") == before);
  EXPECT_EQ(Listing("images"), (std::set<std::string>{ "a.nii", "b.nrrd", "c.mha" }));
  const auto beside = Run(Quoted("images/b.nrrd") + " " + Quoted("series/b.nrrd"));
  EXPECT_TRUE(beside.isWell) << beside.output;
}

TEST_F(SamSegmentProgram, NoOutputReplacesAnother)
{
  const auto image = " " + Quoted("images/c.mha") + " ";
  for (const std::string & arguments :
       { "--statistics " + Quoted("out.mha") + image + Quoted("out.mha"),
         "--preview " + Quoted("images/../out.mha") + image + Quoted("out.mha"),
         "--report " + Quoted("out.mha") + image + Quoted("out.mha"),
         "--probability first=" + Quoted("p.mha") + " --uncertainty " + Quoted("./p.mha") + image + Quoted("out.mha"),
         "--uncertainty " + Quoted("out") + " " + Quoted("images") + " " + Quoted("out") })
  {
    const auto outcome = Run(arguments);
    EXPECT_FALSE(outcome.isWell) << arguments;
    EXPECT_NE(outcome.output.find(": is given for two outputs, expected a file for each"), std::string::npos)
      << outcome.output;
  }
  EXPECT_FALSE(fs::exists(folder / "out.mha") || fs::exists(folder / "p.mha"));
}

TEST_F(SamSegmentProgram, FormatsThatCannotHoldLabelsAreRefused)
{
  for (const auto & [arguments, words] : std::vector<std::pair<std::string, std::string>>{
         { Quoted("images/c.mha") + " " + Quoted("out.jpg"), "out.jpg: JPEG changes the values of an image" },
         { "--uncertainty " + Quoted("u.jpeg") + " " + Quoted("images/c.mha") + " " + Quoted("out.mha"),
           "u.jpeg: JPEG changes the values of an image" },
         { Quoted("images/c.mha") + " " + Quoted("out.png"), "out.png: this format holds one slice of the 6" } })
  {
    const auto outcome = Run(arguments);
    EXPECT_FALSE(outcome.isWell) << arguments;
    EXPECT_NE(outcome.output.find(words), std::string::npos) << outcome.output;
  }
  Write(MakeImage<Volume>({ 20, 18, 1 }, { 1.0, 1.0, 1.0 }).GetPointer(), folder / "one.mha");
  const auto one = Run(Quoted("one.mha") + " " + Quoted("one.png"));
  EXPECT_TRUE(one.isWell) << one.output;

  // Pictures get label maps of another format.
  using Picture = itk::Image<unsigned char, 2>;
  itk::SamTestModelOptions options;
  options.dimension = 2;
  options.isSharp = true;
  itk::MakeSamTestModel(options)->Write((folder / "model.safetensors").string());
  fs::create_directory(folder / "pictures");
  const auto picture = MakeImage<Picture>({ 30, 24 }, { 1.0, 1.0 });
  Fill(picture.GetPointer(), 200, [](const Picture::IndexType & index) { return index[0] % 7 < index[1] % 5; });
  Write(picture.GetPointer(), folder / "pictures/a.jpg");
  Write(picture.GetPointer(), folder / "pictures/b.tif");
  auto outcome = Run(Quoted("pictures") + " " + Quoted("out"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  EXPECT_EQ(Listing("out"), (std::set<std::string>{ "a.png", "b.tif" }));
  ASSERT_TRUE(Run(Quoted("pictures/a.jpg") + " " + Quoted("a.mha")).isWell);
  EXPECT_EQ(ReadPixels<Picture>(folder / "out/a.png"), ReadPixels<Picture>(folder / "a.mha"));
  Write(picture.GetPointer(), folder / "pictures/a.png");
  outcome = Run(Quoted("pictures") + " " + Quoted("out2"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("their label maps would have the same name"), std::string::npos) << outcome.output;
}

TEST_F(SamSegmentProgram, BrokenImagesOfAFolderAreCases)
{
  std::ofstream(folder / "images/d.nii.gz").flush();
  std::ofstream(folder / "images/e.NRRD") << "garbage";
  std::ofstream(folder / "images/readme.txt") << "no image";
  std::ofstream(folder / "images/._a.nii.gz") << "what another file system leaves behind";
  const auto outcome = Run("--report " + Quoted("report.json") + " " + Quoted("images") + " " + Quoted("out"));
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("d.nii.gz: is not an image that can be read"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("e.NRRD: is not an image that can be read"), std::string::npos) << outcome.output;
  EXPECT_NE(outcome.output.find("2 of 5 images were not segmented"), std::string::npos) << outcome.output;
  EXPECT_EQ(ReadJson("report.json")["counts"]["failed"], 2);
  EXPECT_EQ(Listing("out").size(), 3u);
}

TEST_F(SamSegmentProgram, ACohortOfDicomSeries)
{
  for (const std::string name : { "1.2.3", "1.2.4" })
  {
    fs::create_directory(folder / "cohort");
    WriteSeries(folder / "images/c.mha", folder / "cohort" / name, name);
  }
  fs::create_directory(folder / "cohort/notes");
  ASSERT_TRUE(Run(Quoted("images/c.mha") + " " + Quoted("one.mha")).isWell);
  const auto expected = ReadPixels<Labels>(folder / "one.mha");
  std::ofstream(folder / "list.txt") << "# of the second visit\ncohort/1.2.4/\nimages/b.nrrd\n";
  for (const auto & [input, labels] : std::vector<std::pair<std::string, std::set<std::string>>>{
         { "cohort", { "1.2.3.nii.gz", "1.2.4.nii.gz" } }, { "list.txt", { "1.2.4.nii.gz", "b.nrrd" } } })
  {
    const auto outcome =
      Run("--statistics " + Quoted("st_" + input) + " " + Quoted(input) + " " + Quoted("out_" + input));
    ASSERT_TRUE(outcome.isWell) << outcome.output;
    EXPECT_EQ(Listing("out_" + input), labels);
    EXPECT_TRUE(fs::exists(folder / ("st_" + input) / "1.2.4.json"));
    EXPECT_EQ(ReadPixels<Labels>(folder / ("out_" + input) / "1.2.4.nii.gz"), expected);
  }
}

TEST_F(SamSegmentProgram, NoCaseOfAnyKindEndsACohort)
{
  // Not UTF-8, which JSON is.
  fs::rename(folder / "images/a.nii.gz", folder / "images/a\xff.nii.gz");
  // Its repair needs a folder for temporary files, which is not there: this is no mistake that the program makes.
  Write(sam::Read<Volume>((folder / "images/c.mha").string()).GetPointer(), folder / "images/c.nii");
  {
    std::fstream                    file(folder / "images/c.nii", std::ios::in | std::ios::out | std::ios::binary);
    const std::vector<float>        rows{ 1, 0.2f, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0 };
    const std::vector<std::int16_t> codes{ 0, 1 };
    file.seekp(252).write(reinterpret_cast<const char *>(codes.data()), 4);
    file.seekp(280).write(reinterpret_cast<const char *>(rows.data()), 48);
  }
  setenv("TMPDIR", (folder / "nowhere").c_str(), 1);
  const auto outcome =
    Run("--fix-direction --report " + Quoted("report.json") + " " + Quoted("images") + " " + Quoted("out"));
  unsetenv("TMPDIR");
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("1 of 4 images were not segmented"), std::string::npos) << outcome.output;
  const auto report = ReadJson("report.json");
  ASSERT_EQ(report["cases"].size(), 4u);
  EXPECT_EQ(report["counts"]["segmented"], 3);
  EXPECT_NE(report["cases"][0]["image"].get<std::string>().find("a\xEF\xBF\xBD.nii.gz"), std::string::npos);
  EXPECT_EQ(report["cases"][3]["status"], "failed");
}

TEST_F(SamSegmentProgram, ModelIsAskedFor)
{
  const auto outcome = RunProgram(folder, "sam-segment", Quoted("images/c.mha") + " " + Quoted("out.mha"), "");
  EXPECT_FALSE(outcome.isWell);
  EXPECT_NE(outcome.output.find("missing: model, and SEGMENTANYTHING_MODEL is not set"), std::string::npos)
    << outcome.output;
}

TEST_F(SamSegmentProgram, WordsOfOptions)
{
  const auto none = Run("--shard 1/4 " + Quoted("images/c.mha") + " " + Quoted("out.mha"));
  EXPECT_TRUE(none.isWell);
  EXPECT_NE(none.output.find("c.mha: no case in this shard\n"), std::string::npos) << none.output;
  const auto labels = Run("--labels \" first, second \" " + Quoted("images/c.mha") + " " + Quoted("out.mha"));
  EXPECT_TRUE(labels.isWell) << labels.output;
}

TEST_F(SamSegmentProgram, MistakesAreOneLineAndLeaveNoFile)
{
  const std::string image = Quoted("images/a.nii.gz");
  std::ofstream(folder / "short.mha") << "short";
  std::ofstream(folder / "flat.mha") << "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n"
                                        "TransformMatrix = 0 0 0 0 0 0 0 0 0\nElementDataFile = LOCAL\n12345678";
  for (const auto & [arguments, words] : std::vector<std::pair<std::string, std::string>>{
         { Quoted("none.mha") + " " + Quoted("out.mha"), "none.mha: no such file" },
         { Quoted("short.mha") + " " + Quoted("out.mha"), "short.mha" },
         { Quoted("flat.mha") + " " + Quoted("out.mha"), "flat.mha: Bad direction, determinant is 0" },
         { image + " " + Quoted("out.xyz"), "out.xyz: no image format has this ending" },
         { image + " " + Quoted("nowhere/out.mha"), "nowhere" },
         { "--region 1,2,3 " + image + " " + Quoted("out.mha"), "--region" },
         { "--mirror 3 " + image + " " + Quoted("out.mha"), "3" },
         { "--report " + Quoted("nowhere/r.json") + " " + image + " " + Quoted("out.mha"), "nowhere" } })
  {
    const auto outcome = Run(arguments);
    EXPECT_FALSE(outcome.isWell) << arguments;
    EXPECT_NE(outcome.output.find(words), std::string::npos) << outcome.output;
    EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
    EXPECT_EQ(outcome.output.rfind("sam-segment: ", 0), 0u) << outcome.output;
  }
  EXPECT_EQ(Listing(""),
            (std::set<std::string>{ "flat.mha", "images", "model.safetensors", "output.txt", "short.mha" }));
}

namespace
{
/** Sizes in lines such as "memory: about 1.2G (...)" and "memory: 1.1G at the peak". */
double
BytesAfter(const std::string & text, const std::string & words)
{
  const auto place = text.find(words);
  if (place == std::string::npos)
  {
    ADD_FAILURE() << "no '" << words << "' in " << text;
    return 0.0;
  }
  const auto begin = place + words.size();
  return static_cast<double>(sam::ParseBytes(words, text.substr(begin, text.find_first_of(" \n,;", begin) - begin)));
}

/** An uncompressed MetaImage file with a smooth pattern, written slice by slice: it need not fit into memory. */
void
WriteLargeImage(const fs::path & path, const std::vector<size_t> & size)
{
  std::ofstream stream(path, std::ios::binary);
  std::string   extents;
  for (const size_t extent : size)
  {
    extents += " " + std::to_string(extent);
  }
  stream << "ObjectType = Image\nNDims = " << size.size()
         << "\nBinaryData = True\nBinaryDataByteOrderMSB = False\nDimSize =" << extents
         << "\nElementType = MET_SHORT\nElementDataFile = LOCAL\n";
  std::vector<short> line(size[0]);
  const size_t       lines = std::accumulate(size.begin() + 1, size.end(), size_t{ 1 }, std::multiplies<>());
  for (size_t k = 0; k < lines; ++k)
  {
    const size_t y = k % size[1];
    const size_t z = k / size[1];
    for (size_t x = 0; x < size[0]; ++x)
    {
      line[x] = static_cast<short>(((x / 7) * (y / 5) + 31 * (z / 9) + x * z / 40) % 1009);
    }
    stream.write(reinterpret_cast<const char *>(line.data()), static_cast<std::streamsize>(2 * line.size()));
  }
}

bool
IsFullSize()
{
  const char * const value = std::getenv("SEGMENTANYTHING_FULL_SIZE");
  return value != nullptr && std::string(value) == "1";
}

/** The estimate is printed before the work: within this factor of what was measured, either way. */
constexpr double estimateFactor = 1.5;

void
ExpectGoodEstimate(const Outcome & outcome)
{
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const double estimate = BytesAfter(outcome.output, "memory: about ");
  const double peak = BytesAfter(outcome.output.substr(outcome.output.rfind("memory: ")), "memory: ");
  EXPECT_LT(estimate, estimateFactor * peak) << outcome.output;
  EXPECT_GT(estimate, peak / estimateFactor) << outcome.output;
}
} // namespace

/** Images whose pixels take more memory than all else, with a model that looks at them coarsely. */
class SamSegmentMemory : public SamSegmentProgram
{
protected:
  void
  MakeModel(unsigned int dimension, const std::string & spacing)
  {
    itk::SamTestModelOptions options;
    options.dimension = dimension;
    options.spacing = spacing;
    options.isSharp = true;
    itk::MakeSamTestModel(options)->Write((folder / "model.safetensors").string());
  }

  /** Segment as a whole, then within the least that will do. */
  void
  ExpectTheSameInParts(const std::vector<size_t> & size)
  {
    WriteLargeImage(folder / "large.mha", size);
    const auto whole = Run(Quoted("large.mha") + " " + Quoted("whole.mhd"));
    ExpectGoodEstimate(whole);

    const auto refused = Run("--memory-limit 1M " + Quoted("large.mha") + " " + Quoted("parts.mhd"));
    EXPECT_FALSE(refused.isWell);
    EXPECT_FALSE(fs::exists(folder / "parts.mhd"));
    const double least = BytesAfter(refused.output, "the smallest that does is ");
    const double bytes = 4.0 * std::accumulate(size.begin(), size.end(), 1.0, [](double a, size_t b) {
                           return a * static_cast<double>(b);
                         });
    EXPECT_LT(least, BytesAfter(whole.output, "memory: about ") - 0.5 * bytes) << refused.output;

    const auto limit = std::to_string(static_cast<size_t>(1.02 * least));
    const auto parts = Run("--memory-limit " + limit + " " + Quoted("large.mha") + " " + Quoted("parts.mhd"));
    ExpectGoodEstimate(parts);
    EXPECT_NE(parts.output.find(" parts\n"), std::string::npos) << parts.output;
    const double peak = BytesAfter(parts.output.substr(parts.output.rfind("memory: ")), "memory: ");
    EXPECT_LT(peak, 1.02 * least) << parts.output;
    EXPECT_LT(peak, BytesAfter(whole.output.substr(whole.output.rfind("memory: ")), "memory: "));
    // The whole was written with compression, the parts were not.
    using Image = itk::Image<unsigned char, 3>;
    EXPECT_TRUE(ReadPixels<Image>(folder / "whole.mhd") == ReadPixels<Image>(folder / "parts.mhd"));
    EXPECT_GE(std::set<unsigned char>(AsSet("parts.mhd")).size(), 2u);

    const auto maps = Run("--uncertainty " + Quoted("u.mha") + " --memory-limit " + limit + " " + Quoted("large.mha") +
                          " " + Quoted("never.mhd"));
    EXPECT_FALSE(maps.isWell);
    EXPECT_NE(maps.output.find("--probability and --uncertainty need the whole maps"), std::string::npos)
      << maps.output;
    EXPECT_FALSE(fs::exists(folder / "never.mhd") || fs::exists(folder / "u.mha"));
  }

  std::set<unsigned char>
  AsSet(const std::string & name) const
  {
    const auto pixels = ReadPixels<itk::Image<unsigned char, 3>>(folder / name);
    return { pixels.begin(), pixels.end() };
  }
};

TEST_F(SamSegmentMemory, VolumesInParts)
{
  MakeModel(3, "[12.0, 12.0, 8.0]");
  ExpectTheSameInParts({ 192, 192, 400 });
}

TEST_F(SamSegmentMemory, ACohortTellsItsLargestCase)
{
  MakeModel(3, "[12.0, 12.0, 8.0]");
  WriteLargeImage(folder / "images/large.mha", { 192, 192, 200 });
  fs::remove(folder / "images/a.nii.gz");
  std::ofstream(folder / "images/b.nrrd", std::ios::binary) << "NRRD0004\ntype: short\ndimension: 3\nsizes: 9 9 9\n";
  const auto outcome = Run("--report " + Quoted("report.json") + " " + Quoted("images") + " " + Quoted("out"));
  EXPECT_NE(outcome.output.find("1 of 3 images were not segmented"), std::string::npos) << outcome.output;

  const auto   large = (folder / "images/large.mha").string() + "\n";
  const double estimate = BytesAfter(outcome.output, "memory: about ");
  const auto   last = outcome.output.rfind("memory: ");
  const double peak = BytesAfter(outcome.output.substr(last), "memory: ");
  EXPECT_EQ(outcome.output.find("memory: about "), 0u) << "before the work: " << outcome.output;
  EXPECT_LT(outcome.output.find("for the largest case, " + large), outcome.output.find("c.mha ->"));
  EXPECT_NE(outcome.output.find(" at the peak, for " + large, last), std::string::npos) << outcome.output;
  EXPECT_LT(estimate, estimateFactor * peak);
  EXPECT_GT(estimate, peak / estimateFactor);

  const auto cases = ReadJson("report.json")["cases"];
  ASSERT_EQ(cases.size(), 3u);
  EXPECT_FALSE(cases[0].contains("memory_estimate_bytes")) << "it was broken";
  EXPECT_LT(cases[1]["memory_estimate_bytes"], cases[2]["memory_estimate_bytes"]);
  EXPECT_LE(cases[2]["memory_peak_bytes"].get<double>(), peak);
  EXPECT_GT(cases[2]["memory_peak_bytes"].get<double>(), 0.99 * peak) << "sizes are rounded up";
}

TEST_F(SamSegmentMemory, FlatImagesInParts)
{
  MakeModel(2, "[60.0, 30.0, 1.0]");
  ExpectTheSameInParts({ 4500, 4500 });
}

TEST_F(SamSegmentMemory, ImagesLargerThanTheLimit)
{
  if (!IsFullSize())
  {
    GTEST_SKIP() << "SEGMENTANYTHING_FULL_SIZE is not 1: files of several GB";
  }
  MakeModel(3, "[64.0, 64.0, 4.0]");
  WriteLargeImage(folder / "large.mha", { 1024, 1024, 1100 });
  const auto volume = Run("--memory-limit 600M " + Quoted("large.mha") + " " + Quoted("labels.mha"));
  ExpectGoodEstimate(volume);
  EXPECT_LT(BytesAfter(volume.output.substr(volume.output.rfind("memory: ")), "memory: "), 600.0 * 1024 * 1024);
  EXPECT_GT(fs::file_size(folder / "labels.mha"), 1024u * 1024u * 1100u);
  std::cout << volume.output;
  MakeModel(2, "[600.0, 40.0, 1.0]");
  WriteLargeImage(folder / "large.mha", { 20000, 20000 });
  const auto flat = Run("--memory-limit 600M " + Quoted("large.mha") + " " + Quoted("labels.mha"));
  ExpectGoodEstimate(flat);
  EXPECT_LT(BytesAfter(flat.output.substr(flat.output.rfind("memory: ")), "memory: "), 600.0 * 1024 * 1024);
  std::cout << flat.output;
}

TEST_F(SamSegmentMemory, SaysWhatCannotBeDoneInParts)
{
  const auto arguments = " --memory-limit 2M " + Quoted("images/a.nii.gz") + " " + Quoted("labels.nii.gz");
  const auto nifti = Run(arguments);
  EXPECT_FALSE(nifti.isWell);
  EXPECT_NE(nifti.output.find("cannot be read in parts, MetaImage (.mha)"), std::string::npos) << nifti.output;
  EXPECT_NE(nifti.output.find("cannot be written in parts, MetaImage (.mha)"), std::string::npos) << nifti.output;
  const auto component = Run("--largest-component" + arguments);
  EXPECT_NE(component.output.find("--fill-holes need the whole label map"), std::string::npos) << component.output;
  const auto preview = Run("--preview " + Quoted("p.png") + arguments);
  EXPECT_NE(preview.output.find("--statistics, --preview and --crop-to-body need the whole image"), std::string::npos);
  EXPECT_FALSE(fs::exists(folder / "labels.nii.gz"));
  for (const std::string size : { "0", "2X", "-1G", "1e99G", "M" })
  {
    EXPECT_NE(Run("--memory-limit=" + size + " " + Quoted("images/c.mha") + " " + Quoted("l.mha"))
                .output.find("--memory-limit: '" + size + "', expected a size such as 500M or 2G"),
              std::string::npos)
      << size;
  }
}

TEST_F(SamSegmentMemory, ASpacingInOtherUnitsIsRefused)
{
  Write(MakeImage<Volume>({ 20, 18, 6 }, { 1e4, 1e4, 1e4 }).GetPointer(), folder / "meters.mha");
  for (const std::string limit : { "", "--memory-limit 100M " })
  {
    const auto outcome = Run(limit + Quoted("meters.mha") + " " + Quoted("out.mha"));
    EXPECT_FALSE(outcome.isWell);
    EXPECT_NE(outcome.output.find("meters.mha: takes 2.16e+15 voxels of "), std::string::npos) << outcome.output;
    EXPECT_NE(outcome.output.find("its spacing is 10000 x 10000 x 10000 mm"), std::string::npos) << outcome.output;
  }

  // What is large, but could be, is warned of: a file of holes.
  MakeModel(3, "[64.0, 64.0, 64.0]");
  WriteLargeImage(folder / "large.mha", { 2048, 2048, 0 });
  std::string bytes = ReadText(folder / "large.mha");
  bytes.replace(bytes.find("2048 0"), 6, "2048 2048");
  std::ofstream(folder / "large.mha", std::ios::binary) << bytes;
  fs::resize_file(folder / "large.mha", bytes.size() + (std::uintmax_t{ 2 } << 33));
  const auto           model = itk::SamModel::Read((folder / "model.safetensors").string());
  sam::SegmentationJob job;
  job.image = (folder / "large.mha").string();
  job.output = (folder / "out.mha").string();
  const auto estimate = sam::EstimateMemory({ model.GetPointer() }, job);
  const auto physical = sam::GetPhysicalMemory();
  if (physical == 0 || estimate.bytes < physical)
  {
    GTEST_SKIP() << "this machine has room for " << estimate.text;
  }
  const auto message = MessageOf([&] {
    sam::Segment(
      { model.GetPointer() }, job, [](double) {}, {}, [](const std::string & text) { throw std::runtime_error(text); });
  });
  EXPECT_NE(message.find("large.mha: takes about "), std::string::npos) << message;
  EXPECT_NE(message.find(", this machine has " + sam::FormatBytes(physical)), std::string::npos) << message;
}
