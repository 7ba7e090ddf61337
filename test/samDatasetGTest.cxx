// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDataset.h"
#include "samError.h"

#include "itkImageFileWriter.h"
#include "itkRGBPixel.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/tensor.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>

namespace
{
namespace fs = std::filesystem;

/** A folder of the running test, empty at first and removed after it. */
class samDataset : public ::testing::Test
{
protected:
  void
  SetUp() override
  {
    const auto * info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder = fs::temp_directory_path() / (std::string("samDataset_") + info->name());
    fs::remove_all(folder);
    fs::create_directories(folder / "imagesTr");
    fs::create_directories(folder / "labelsTr");
  }

  void
  TearDown() override
  {
    fs::remove_all(folder);
  }

  void
  Write(const std::string & name, const std::string & text = "x") const
  {
    std::ofstream(folder / name) << text;
  }

  std::string
  Path(const std::string & name) const
  {
    return (folder / name).string();
  }

  /** The file and a case for each name, in Decathlon's manner. */
  sam::Dataset
  Make(const std::vector<std::string> & names) const
  {
    std::string list;
    for (const auto & name : names)
    {
      Write("imagesTr/" + name + ".nii.gz");
      Write("labelsTr/" + name + ".nii.gz");
      list += (list.empty() ? "" : ",") + ("{\"image\":\"./imagesTr/" + name + ".nii.gz\",\"label\":\"./labelsTr/") +
              name + ".nii.gz\"}";
    }
    Write("dataset.json",
          R"({"modality":{"0":"MR"},"labels":{"0":"background","1":"organ"},"training":[)" + list + "]}");
    return sam::Dataset::Read(folder.string());
  }

  fs::path folder;
};

void
ExpectError(const std::function<void()> & action, const std::vector<std::string> & parts)
{
  try
  {
    action();
    ADD_FAILURE() << "no error, expected one with " << parts.front();
  }
  catch (const sam::Error & error)
  {
    const std::string text = error.what();
    for (const auto & part : parts)
    {
      EXPECT_NE(text.find(part), std::string::npos) << text << "\nlacks " << part;
    }
    EXPECT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

std::vector<std::string>
Patients(const sam::Dataset & dataset)
{
  std::vector<std::string> result;
  for (const auto & item : dataset.cases)
  {
    result.push_back(item.patient);
  }
  return result;
}

/** Each case is in exactly one part and no patient is in two. */
void
ExpectPartition(const sam::Dataset & dataset, const sam::DatasetSplit & split)
{
  std::vector<int>                     seen(dataset.cases.size(), 0);
  std::array<std::set<std::string>, 2> patients;
  std::array<std::vector<size_t>, 2>   parts{ split.training, split.validation };
  for (size_t part = 0; part < 2; ++part)
  {
    EXPECT_TRUE(std::is_sorted(parts[part].begin(), parts[part].end()));
    for (const size_t k : parts[part])
    {
      ++seen.at(k);
      patients[part].insert(dataset.cases[k].patient);
    }
  }
  for (const size_t k : split.heldOut)
  {
    ++seen.at(k);
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 1), std::ssize(seen));
  for (const auto & patient : patients[0])
  {
    EXPECT_FALSE(patients[1].contains(patient)) << patient;
  }
}
} // namespace

TEST_F(samDataset, ReadsDecathlon)
{
  Write("imagesTr/b_002.nii.gz");
  Write("labelsTr/b_002.nii.gz");
  Write("imagesTr/b_001.nii.gz");
  Write("labelsTr/b_001.nii.gz");
  Write("dataset.json", R"({"name":"Spleen","licence":"CC","reference":"someone",
    "modality":{"0":"FLAIR","1":"T1w"},
    "labels":{"2":"tumor","0":"background","1":"edema"},
    "numTraining":2,"test":["./imagesTs/b_003.nii.gz"],
    "training":[{"image":"./imagesTr/b_002.nii.gz","label":"./labelsTr/b_002.nii.gz"},
                {"image":"./imagesTr/b_001.nii.gz","label":"./labelsTr/b_001.nii.gz"}]})");
  for (const auto & path : { folder.string(), Path("dataset.json") })
  {
    const auto dataset = sam::Dataset::Read(path);
    EXPECT_EQ(dataset.path, Path("dataset.json"));
    EXPECT_EQ(dataset.name, "Spleen");
    EXPECT_EQ(dataset.licence, "CC");
    EXPECT_EQ(dataset.reference, "someone");
    EXPECT_EQ(dataset.channels, (std::vector<std::string>{ "FLAIR", "T1w" }));
    ASSERT_EQ(dataset.labels.size(), 3u);
    EXPECT_EQ(dataset.labels[0].name, "background");
    EXPECT_EQ(dataset.labels[1].name, "edema");
    EXPECT_EQ(dataset.labels[2].name, "tumor");
    EXPECT_EQ(dataset.labels[2].value, 2);
    EXPECT_FALSE(dataset.hasIgnoreLabel);
    EXPECT_EQ(dataset.fileEnding, ".nii.gz");
    ASSERT_EQ(dataset.cases.size(), 2u);
    EXPECT_EQ(dataset.cases[0].name, "b_001");
    // One file that holds both channels.
    EXPECT_EQ(dataset.cases[0].images, (std::vector<std::string>{ Path("imagesTr/b_001.nii.gz") }));
    EXPECT_EQ(dataset.cases[1].label, Path("labelsTr/b_002.nii.gz"));
  }
}

TEST_F(samDataset, ReadsNnUNet1ListWithNumberedFiles)
{
  for (const auto * name : { "imagesTr/p1_0000.nii.gz", "imagesTr/p1_0001.nii.gz", "labelsTr/p1.nii.gz" })
  {
    Write(name);
  }
  Write("dataset.json", R"({"modality":{"0":"CT","1":"PET"},"labels":{"0":"background","1":"a"},
    "training":[{"image":"./imagesTr/p1.nii.gz","label":"./labelsTr/p1.nii.gz"}]})");
  const auto dataset = sam::Dataset::Read(folder.string());
  ASSERT_EQ(dataset.cases.size(), 1u);
  EXPECT_EQ(dataset.cases[0].name, "p1");
  EXPECT_EQ(dataset.cases[0].images,
            (std::vector<std::string>{ Path("imagesTr/p1_0000.nii.gz"), Path("imagesTr/p1_0001.nii.gz") }));

  fs::remove(folder / "imagesTr/p1_0001.nii.gz");
  ExpectError([&] { dataset.RequireFiles(dataset.cases[0]); }, { "p1_0001.nii.gz", "no such file", "dataset.json" });
}

TEST_F(samDataset, ReadsNnUNet2WithoutList)
{
  for (const auto * name : { "x_0001", "y" })
  {
    Write("imagesTr/" + std::string(name) + "_0000.png");
    Write("imagesTr/" + std::string(name) + "_0001.png");
    Write("labelsTr/" + std::string(name) + ".png");
  }
  Write("imagesTr/readme.txt");
  Write("dataset.json", R"({"channel_names":{"0":"red","1":"green"},"file_ending":".png",
    "labels":{"background":0,"road":1,"ignore":2},"numTraining":2})");
  const auto dataset = sam::Dataset::Read(folder.string());
  ASSERT_EQ(dataset.cases.size(), 2u);
  EXPECT_EQ(dataset.cases[0].name, "x_0001");
  EXPECT_EQ(dataset.cases[0].images,
            (std::vector<std::string>{ Path("imagesTr/x_0001_0000.png"), Path("imagesTr/x_0001_0001.png") }));
  EXPECT_EQ(dataset.cases[1].label, Path("labelsTr/y.png"));
  EXPECT_TRUE(dataset.hasIgnoreLabel);
  EXPECT_EQ(dataset.ignoreLabel, 2);
  EXPECT_EQ(dataset.labels.size(), 2u);

  fs::remove(folder / "labelsTr/y.png");
  ExpectError([&] { dataset.RequireFiles(dataset.cases[1]); }, { "labelsTr", "y.png", "label map" });
}

TEST_F(samDataset, ReadsNnUNet2Object)
{
  for (const auto * name : { "a.mha", "b.mha", "m.mha" })
  {
    Write(name);
  }
  Write("dataset.json", R"({"channel_names":{"0":"one","1":"two"},"file_ending":".mha",
    "labels":{"background":"0","organ":"1"},
    "dataset":{"case7":{"images":["a.mha","b.mha"],"label":"m.mha"}}})");
  const auto dataset = sam::Dataset::Read(folder.string());
  ASSERT_EQ(dataset.cases.size(), 1u);
  EXPECT_EQ(dataset.cases[0].name, "case7");
  EXPECT_EQ(dataset.cases[0].images, (std::vector<std::string>{ Path("a.mha"), Path("b.mha") }));
  EXPECT_EQ(dataset.labels[1].name, "organ");
}

// A case may be called ..._0000 without meaning a channel.
TEST_F(samDataset, KeepsNumbersThatBelongToTheName)
{
  const auto dataset = Make({ "img_0000", "img_0001" });
  EXPECT_EQ(dataset.cases[0].name, "img_0000");
  EXPECT_EQ(dataset.cases[0].images.size(), 1u);

  // With two channels in one file, img_0001 is still the next case and not the second channel.
  Write("dataset.json", R"({"modality":{"0":"a","1":"b"},"labels":{"0":"background","1":"organ"},"training":[
    {"image":"imagesTr/img_0000.nii.gz","label":"labelsTr/img_0000.nii.gz"},
    {"image":"imagesTr/img_0001.nii.gz","label":"labelsTr/img_0001.nii.gz"}]})");
  const auto twoChannels = sam::Dataset::Read(folder.string());
  EXPECT_EQ(twoChannels.cases[0].name, "img_0000");
  EXPECT_EQ(twoChannels.cases[0].images, (std::vector<std::string>{ Path("imagesTr/img_0000.nii.gz") }));
}

TEST_F(samDataset, TellsPatientsApart)
{
  const auto check = [this](const std::vector<std::string> & names, const std::vector<std::string> & patients) {
    EXPECT_EQ(Patients(Make(names)), patients);
  };
  check({ "patient002_frame01", "patient002_frame02", "patient003_frame01" },
        { "patient002", "patient002", "patient003" });
  check({ "hippocampus_001", "hippocampus_003" }, { "hippocampus_001", "hippocampus_003" });
  check({ "CHNCXR_0001_0", "CHNCXR_0005_1", "MCUCXR_0001_0" }, { "CHNCXR_0001", "CHNCXR_0005", "MCUCXR_0001" });
  check({ "sub-01_ses-1_T1w", "sub-01_ses-2_T1w", "sub-02_ses-1_T1w" }, { "sub-01", "sub-01", "sub-02" });
  check({ "BRATS20_001", "BRATS20_002" }, { "BRATS20_001", "BRATS20_002" });
  check({ "BraTS-GLI-00000-000", "BraTS-GLI-00000-001", "BraTS-GLI-00002-000" },
        { "BraTS-GLI-00000", "BraTS-GLI-00000", "BraTS-GLI-00002" });
  check({ "la_left", "la_right" }, { "la_left", "la_right" });
  check({ "7" }, { "7" });
}

// Two sites are no two patients, one of which would validate.
TEST_F(samDataset, LargeGroupsOfNamesAreNoPatients)
{
  std::vector<std::string> names;
  for (int k = 0; k < 12; ++k)
  {
    names.push_back("s" + std::to_string(1 + k / 6) + "_00" + std::to_string(k % 6));
  }
  const auto dataset = Make(names);
  EXPECT_EQ(Patients(dataset), names);
  EXPECT_NE(dataset.patients.find("each of the 12 cases"), std::string::npos) << dataset.patients;
  EXPECT_NE(dataset.patients.find("s1, s2"), std::string::npos) << dataset.patients;
  const auto split = sam::SplitByFraction(dataset, 0.2, 0);
  EXPECT_EQ(split.validation.size(), 2u);

  EXPECT_EQ(Make({ "patient002_frame01", "patient002_frame02", "patient003_frame01" }).patients,
            "2 patients are recognized by the names of 3 cases");

  // Of the cases of one site the other parts of the name tell patients apart.
  auto few = Make({ "s1_000", "s1_001", "s2_000", "s2_001" });
  EXPECT_EQ(Patients(few), (std::vector<std::string>{ "s1", "s1", "s2", "s2" }));
  Write("sites.csv", "file,site\ns1_000.nii.gz,a\ns1_001.nii.gz,a\ns2_000.nii.gz,b\ns2_001.nii.gz,b\n");
  few.KeepSites(sam::SiteTable::Read(Path("sites.csv")), { "a" });
  EXPECT_EQ(Patients(few), (std::vector<std::string>{ "s1_000", "s1_001" }));
}

TEST_F(samDataset, WarnsOfMissingFiles)
{
  for (const auto * name : { "imagesTr/a_0000.png", "labelsTr/a.png", "labelsTr/b.png", "labelsTr/c.png" })
  {
    Write(name);
  }
  Write("labelsTr/readme.txt");
  const auto read = [this](int cases) {
    Write("dataset.json",
          R"({"channel_names":{"0":"gray"},"file_ending":".png","labels":{"background":0,"road":1},"numTraining":)" +
            std::to_string(cases) + "}");
    return sam::Dataset::Read(folder.string()).warnings;
  };
  const auto warnings = read(3);
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0],
            Path("labelsTr") + ": 2 label maps have no image in imagesTr and cannot be learned from, first b.png");
  EXPECT_EQ(warnings[1], Path("dataset.json") + ": numTraining is 3, but 1 training cases were found");
  fs::remove(folder / "labelsTr/b.png");
  fs::remove(folder / "labelsTr/c.png");
  EXPECT_TRUE(read(1).empty());
  Write("imagesTr/a_0001.png");
  const auto further = read(1);
  ASSERT_EQ(further.size(), 1u);
  EXPECT_EQ(further[0], Path("imagesTr/a_0001.png") + ": is not read, " + Path("dataset.json") + " has 1 channel");
}

TEST_F(samDataset, ColorImagesAreOneFile)
{
  using ColorImage = itk::Image<itk::RGBPixel<unsigned char>, 2>;
  const auto image = ColorImage::New();
  image->SetRegions(ColorImage::SizeType{ { 8, 8 } });
  image->Allocate(true);
  itk::WriteImage(image.GetPointer(), Path("imagesTr/r_0_0000.png"));
  Write("labelsTr/r_0.png");
  const auto read = [this](const std::string & channels) {
    Write("dataset.json",
          R"({"file_ending":".png","labels":{"background":0,"road":1},"channel_names":)" + channels + "}");
    return sam::Dataset::Read(folder.string()).cases.at(0);
  };
  const auto item = read(R"({"0":"red","1":"green","2":"blue"})");
  EXPECT_EQ(item.name, "r_0");
  EXPECT_EQ(item.images, (std::vector<std::string>{ Path("imagesTr/r_0_0000.png") }));
  EXPECT_EQ(read(R"({"0":"a","1":"b"})").images.size(), 2u) << "two files, one of which is missing";
}

TEST_F(samDataset, SplitsByPatient)
{
  std::vector<std::string> names;
  for (int patient = 100; patient < 150; ++patient)
  {
    names.push_back("patient" + std::to_string(patient) + "_frame01");
    names.push_back("patient" + std::to_string(patient) + "_frame12");
  }
  const auto dataset = Make(names);
  const auto split = sam::SplitByFraction(dataset, 0.2, 5);
  ExpectPartition(dataset, split);
  EXPECT_EQ(split.validation.size(), 20u);
  EXPECT_EQ(split.training.size(), 80u);
  EXPECT_TRUE(split.heldOut.empty());
  EXPECT_EQ(sam::SplitByFraction(dataset, 0.2, 5).validation, split.validation);
  EXPECT_NE(sam::SplitByFraction(dataset, 0.2, 6).validation, split.validation);
  EXPECT_TRUE(sam::SplitByFraction(dataset, 0.0, 5).validation.empty());
  EXPECT_EQ(sam::SplitByFraction(dataset, 0.001, 5).validation.size(), 2u);

  std::vector<int> validated(dataset.cases.size(), 0);
  for (int64_t fold = 0; fold < 7; ++fold)
  {
    const auto part = sam::SplitByFold(dataset, fold, 7, 5);
    ExpectPartition(dataset, part);
    EXPECT_NEAR(static_cast<double>(part.validation.size()), 100.0 / 7.0, 2.0);
    for (const size_t k : part.validation)
    {
      ++validated[k];
    }
  }
  EXPECT_EQ(std::count(validated.begin(), validated.end(), 1), 100);

  ExpectError([&dataset] { sam::SplitByFraction(dataset, 1.0, 5); }, { "fraction 1", "below 1" });
  ExpectError([&dataset] { sam::SplitByFraction(dataset, std::nan(""), 5); }, { "fraction" });
  ExpectError([&dataset] { sam::SplitByFraction(dataset, 0.999, 5); }, { "50 patients", "at least one to train" });
  ExpectError([&dataset] { sam::SplitByFold(dataset, 7, 7, 5); }, { "fold 7 of 7" });
  ExpectError([&dataset] { sam::SplitByFold(dataset, 0, 51, 5); }, { "50 patients" });
}

TEST_F(samDataset, ReadsSplitFiles)
{
  const auto dataset = Make({ "c_1", "c_2", "c_3", "c_4" });
  Write("splits_final.json",
        R"([{"train":["c_1"],"val":["c_2"]},{"train":["c_4","c_2"],"val":["c_1","c_3"]},{"train":["c_9"],"val":[]},
            {"train":["c_1"],"val":["c_1"]},{"train":[],"val":["c_1"]},{"train":["c_1"]}])");
  const auto path = Path("splits_final.json");
  const auto first = sam::ReadSplit(dataset, path, 0);
  EXPECT_EQ(first.training, (std::vector<size_t>{ 0 }));
  EXPECT_EQ(first.validation, (std::vector<size_t>{ 1 }));
  EXPECT_EQ(first.heldOut, (std::vector<size_t>{ 2, 3 }));
  const auto second = sam::ReadSplit(dataset, path, 1);
  EXPECT_EQ(second.training, (std::vector<size_t>{ 1, 3 }));
  EXPECT_TRUE(second.heldOut.empty());
  ExpectPartition(dataset, second);
  ExpectError([&] { sam::ReadSplit(dataset, path, 2); }, { path, "c_9", "fold 2" });
  ExpectError([&] { sam::ReadSplit(dataset, path, 3); }, { path, "c_1", "twice" });
  ExpectError([&] { sam::ReadSplit(dataset, path, 4); }, { path, "no case to train" });
  ExpectError([&] { sam::ReadSplit(dataset, path, 5); }, { path, "'val'" });
  ExpectError([&] { sam::ReadSplit(dataset, path, 6); }, { path, "no fold 6", "0 to 5" });
  ExpectError([&] { sam::ReadSplit(dataset, path, -1); }, { path, "no fold -1" });
  ExpectError([&] { sam::ReadSplit(dataset, Path("none.json"), 0); }, { "none.json", "cannot be opened" });
}

TEST_F(samDataset, KeepsSites)
{
  auto       dataset = Make({ "c_1", "c_2", "c_3", "c_4", "c_5" });
  const auto read = [this](const std::string & lines) {
    Write("sites.csv", "file,site\n" + lines);
    return sam::SiteTable::Read(Path("sites.csv"));
  };
  const auto path = Path("sites.csv");
  const auto table = read("c_1.nii.gz,x\nc_2.nii.gz,y\nc_3.nii.gz,x\nc_4.nii.gz,z\nc_5.nii.gz,x\nc_6.nii.gz,w\n");
  ExpectError([&] { sam::Dataset(dataset).KeepSites(table, { "x", "v" }); },
              { path, "no site 'v'", "one of w, x, y, z" });
  ExpectError([&] { sam::Dataset(dataset).KeepSites(table, { "w" }); }, { path, "site 'w'", "at least", "of x, y, z" });
  ExpectError([&] { sam::Dataset(dataset).KeepSites(read("c_1.nii.gz,x\n"), { "x" }); },
              { path, "no line for the case 'c_2'" });

  dataset.KeepSites(table, { "x", "z" });
  ASSERT_EQ(dataset.cases.size(), 4u);
  EXPECT_EQ(dataset.cases[1].name, "c_3");
  EXPECT_EQ(dataset.otherSites, (std::map<std::string, std::string>{ { "c_2", "y" } }));
  for (uint64_t seed = 0; seed < 5; ++seed)
  {
    EXPECT_EQ(sam::SplitByFraction(dataset, 0.25, seed).validation.size(), 1u) << "of the sites' patients";
  }
  Write("splits_final.json", R"([{"train":["c_1"],"val":["c_2"]},{"train":["c_1"],"val":["c_4"]}])");
  ExpectError([&] { sam::ReadSplit(dataset, Path("splits_final.json"), 0); },
              { "splits_final.json", "case 'c_2' of fold 0 is of the site 'y'" });
  EXPECT_EQ(sam::ReadSplit(dataset, Path("splits_final.json"), 1).heldOut, (std::vector<size_t>{ 1, 3 }));
}

TEST_F(samDataset, IndexesLabels)
{
  Write("imagesTr/a_0000.nii.gz");
  Write("labelsTr/a.nii.gz");
  Write("dataset.json", R"({"channel_names":{"0":"CT"},"labels":{"background":0,"far":500,"near":20,"ignore":255}})");
  const auto dataset = sam::Dataset::Read(folder.string());
  const auto values = at::tensor({ 0, 20, 20, 500, 255, 0 }, at::kLong).view({ 1, 2, 3 });
  const auto expected = at::tensor({ 0, 1, 1, 2, -1, 0 }, at::kShort).view({ 1, 2, 3 });
  for (const auto type : { at::kLong, at::kShort, at::kFloat, at::kDouble })
  {
    const auto found = dataset.IndexLabels(values.to(type), "a.nii.gz");
    EXPECT_EQ(found.scalar_type(), at::kShort);
    EXPECT_TRUE(found.equal(expected));
  }
  ExpectError([&] { dataset.IndexLabels(values + 1, "a.nii.gz"); },
              { "a.nii.gz", "label 1 ", "0 20 255 500", "dataset.json" });
  ExpectError([&] { dataset.IndexLabels(at::tensor({ 0.0, 20.5 }), "a.nii.gz"); }, { "a.nii.gz", "label 20.5 " });
  ExpectError([&] { dataset.IndexLabels(at::tensor({ 0.0, std::nan("") }), "a.nii.gz"); }, { "label nan" });
}

TEST_F(samDataset, ComparesGrids)
{
  const sam::ImageGrid image{ { 4, 5, 6 }, { 1.0, 1.0, 2.0 }, { -10.0, 20.0, 0.0 }, { 1, 0, 0, 0, 1, 0, 0, 0, 1 } };
  auto                 label = image;
  label.origin[0] += 1e-5;
  label.spacing[2] += 1e-6;
  label.direction[1] = 1e-6;
  EXPECT_NO_THROW(sam::CheckSameGrid("image.nii", image, "label.nii", label));
  label = image;
  label.size[2] = 7;
  ExpectError([&] { sam::CheckSameGrid("image.nii", image, "label.nii", label); },
              { "label.nii: size is 4 5 7, expected 4 5 6 as in image.nii" });
  label = image;
  label.spacing[2] = 2.1;
  ExpectError([&] { sam::CheckSameGrid("image.nii", image, "label.nii", label); }, { "spacing is 1 1 2.1" });
  label = image;
  label.origin[1] = 21.0;
  ExpectError([&] { sam::CheckSameGrid("image.nii", image, "label.nii", label); }, { "origin is -10 21 0" });
  label = image;
  label.direction[0] = -1.0;
  ExpectError([&] { sam::CheckSameGrid("image.nii", image, "label.nii", label); }, { "direction" });
  label = image;
  label.spacing[0] = std::nan("");
  ExpectError([&] { sam::CheckSameGrid("image.nii", image, "label.nii", label); }, { "spacing is nan" });
  label = image;
  label.size.pop_back();
  ExpectError([&] { sam::CheckSameGrid("image.nii", image, "label.nii", label); }, { "size is 4 5," });
}

TEST_F(samDataset, FolderBehindASymbolicLink)
{
  this->Make({ "a", "b" });
  fs::create_directory(folder / "elsewhere");
  fs::create_directory_symlink(folder / "imagesTr", folder / "elsewhere" / "link");
  const auto dataset = sam::Dataset::Read((folder / "elsewhere" / "link" / "..").string());
  ASSERT_EQ(dataset.cases.size(), 2u);
  EXPECT_TRUE(fs::equivalent(dataset.cases[0].images.front(), folder / "imagesTr" / "a.nii.gz"));
}

TEST_F(samDataset, NamesWhatIsWrong)
{
  const auto expect = [this](const std::string & json, const std::vector<std::string> & parts) {
    Write("dataset.json", json);
    auto all = parts;
    all.push_back("dataset.json");
    ExpectError(
      [this] {
        const auto dataset = sam::Dataset::Read(folder.string());
        dataset.RequireFiles(dataset.cases.front());
      },
      all);
  };
  const std::string channels = R"("channel_names":{"0":"CT"},)";
  const std::string labels = R"("labels":{"background":0,"a":1},)";
  ExpectError([this] { sam::Dataset::Read(folder.string()); }, { "dataset.json", "cannot be opened" });
  expect("{", { "not valid JSON" });
  expect("[]", { "JSON object" });
  expect("{" + labels + R"("training":[]})", { "channel_names" });
  expect(R"({"channel_names":{"1":"CT"},)" + labels + R"("training":[]})", { "channel_names has '1'" });
  expect("{" + channels + R"("training":[]})", { "labels expected" });
  expect("{" + channels + R"("labels":{"background":0}})", { "background" });
  expect("{" + channels + R"("labels":{"a":1,"b":2}})", { "value 0 for background" });
  expect("{" + channels + R"("labels":{"background":0,"a":1,"b":1}})", { "value 1", "'a'", "'b'" });
  expect("{" + channels + R"("labels":{"background":0,"a":1,"ignore":1}})", { "ignore label", "1" });
  expect("{" + channels + R"("labels":{"background":0,"a":[1,2]}})", { "'a'", "region" });
  expect("{" + channels + R"("labels":{"background":0,"a":1.5}})", { "'a'", "not understood" });
  expect("{" + channels + R"("labels":{"background":0,"a":"b"}})", { "'a'", "not understood" });
  expect("{" + channels + labels + R"("training":[{"image":"x.nii.gz"}]})", { "training case 1" });
  expect("{" + channels + labels + R"("training":["x.nii.gz"]})", { "training case 1" });
  expect("{" + channels + labels + R"("training":[{"image":"imagesTr/x.nii.gz","label":"labelsTr/x.nii.gz"}]})",
         { "x.nii.gz", "no such file", "image" });
  Write("imagesTr/x.nii.gz");
  expect("{" + channels + labels + R"("training":[{"image":"imagesTr/x.nii.gz","label":"labelsTr/x.nii.gz"}]})",
         { "labelsTr", "no such file", "label map" });
  Write("labelsTr/x.nii.gz");
  const std::string entry = R"({"image":"imagesTr/x.nii.gz","label":"labelsTr/x.nii.gz"})";
  expect("{" + channels + labels + R"("training":[)" + entry + "," + entry + "]}", { "'x'", "twice" });
  expect("{" + channels + labels + R"("training":[{"image":["imagesTr/x.nii.gz","imagesTr/x.nii.gz"],
           "label":"labelsTr/x.nii.gz"}]})",
         { "2 images", "expected 1" });
  expect("{" + channels + labels + R"("numTraining":3})", { "imagesTr", "_0000.nii.gz" });
  fs::remove_all(folder / "imagesTr");
  expect("{" + channels + labels + R"("numTraining":3})", { "imagesTr", "training" });
}

TEST_F(samDataset, ReadsTheSharedDataSets)
{
  const fs::path shared = fs::path(SEGMENTANYTHING_SHARED) / "data";
  if (!fs::is_directory(shared))
  {
    GTEST_SKIP() << "no folder " << shared.string() << " with data sets";
  }
  const auto hippocampus = sam::Dataset::Read((shared / "hippocampus").string());
  EXPECT_EQ(hippocampus.cases.size(), 200u);
  EXPECT_EQ(hippocampus.labels.size(), 3u);
  const auto hippocampusPatients = Patients(hippocampus);
  EXPECT_EQ(std::set<std::string>(hippocampusPatients.begin(), hippocampusPatients.end()).size(), 200u);
  EXPECT_EQ(sam::SplitByFraction(hippocampus, 0.2, 0).validation.size(), 40u);

  const auto acdc = sam::Dataset::Read((shared / "acdc").string());
  EXPECT_EQ(acdc.cases.size(), 160u);
  const auto acdcPatients = Patients(acdc);
  EXPECT_EQ(std::set<std::string>(acdcPatients.begin(), acdcPatients.end()).size(), 80u);
  const auto split = sam::SplitByFold(acdc, 0, 5, 1);
  ExpectPartition(acdc, split);
  EXPECT_EQ(split.validation.size(), 32u);

  const auto chest = sam::Dataset::Read((shared / "chest_xray").string());
  EXPECT_EQ(chest.cases.size(), 308u);
  EXPECT_EQ(chest.fileEnding, ".png");
  EXPECT_EQ(chest.cases[0].name, "CHNCXR_0001_0");
}
