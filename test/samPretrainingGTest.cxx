// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samNetwork.h"
#include "samPretraining.h"
#include "samSafetensors.h"
#include "samTrainer.h"
#include "samTrainingTestData.h"

#include "itkGDCMImageIO.h"
#include "itkMetaDataObject.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace
{
namespace fs = std::filesystem;
using sam::test::ReadFile;

bool
Contains(const std::string & text, const std::string & part)
{
  return text.find(part) != std::string::npos;
}

/** Stripes of a width and direction of their own. */
void
WriteStripes(const fs::path & path, int k)
{
  using ImageType = itk::Image<float, 2>;
  const auto image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { 20, 18 } });
  image->Allocate();
  itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetLargestPossibleRegion());
  for (; !it.IsAtEnd(); ++it)
  {
    const auto along = k % 2 == 0 ? it.GetIndex()[0] : it.GetIndex()[1];
    it.Set(static_cast<float>(std::sin(6.283 * (static_cast<double>(along) + k) / (4 + k % 3)) + 0.01 * k));
  }
  fs::create_directories(path.parent_path());
  itk::WriteImage(image.GetPointer(), path.string());
}

/** A folder with images: single slices below it and in a folder of it, and the volumes of TrainingTestData. */
class SamPretraining : public testing::Test
{
protected:
  void
  SetUp() override
  {
    for (int k = 0; k < 6; ++k)
    {
      WriteStripes(Images() / (k < 3 ? "" : "deeper") / ("stripes_" + std::to_string(k) + ".mha"), k);
    }
    auto plan = sam::MakeTinyPlan(1);
    plan.channels = { sam::ChannelPlan{ "any", "slice_z_score" } };
    std::ofstream(m_Data.folder / "slices.json") << plan.ToJson();
    m_Options.images.folders = { Images().string() };
    m_Options.plan = (m_Data.folder / "slices.json").string();
    m_Options.maximumSteps = 30;
    m_Options.threads = 1;
    m_Options.batch = 4;
    m_Options.warmUpSteps = 5;
    m_Options.learningRate = 1e-2;
    m_Options.hiddenShare = 0.5;
    m_Options.augmentation = "none";
    m_Options.seed = 1;
  }

  fs::path
  Images() const
  {
    return m_Data.folder / "images";
  }

  template <typename TOptions, typename TRun>
  sam::TrainingResult
  Run(TOptions & options, const TRun & run, const std::string & output, bool resume, int64_t stopAfter)
  {
    options.output = (m_Data.folder / output).string();
    options.resume = resume;
    m_Notes.clear();
    m_Warnings.clear();
    bool                  interrupt = false;
    int64_t               steps = 0;
    sam::TrainingListener listener;
    listener.report = [&](const sam::TrainingProgress & progress) {
      interrupt = !progress.finishesEpoch && ++steps == stopAfter;
    };
    listener.note = [this](const std::string & text) { m_Notes += text + "\n"; };
    listener.warn = [this](const std::string & text) { m_Warnings += text + "\n"; };
    return run(options, listener, [&interrupt] { return interrupt; });
  }

  sam::TrainingResult
  Pretrain(const std::string & output, bool resume = false, int64_t stopAfter = -1)
  {
    return Run(m_Options, sam::Pretrain, output, resume, stopAfter);
  }

  std::string
  MessageOf(const std::string & output = "failing", bool resume = false)
  {
    try
    {
      Pretrain(output, resume);
    }
    catch (const sam::Error & error)
    {
      return error.what();
    }
    return {};
  }

  sam::SafetensorsFile
  FileOf(const std::string & output, const std::string & name = "model") const
  {
    return sam::ReadSafetensors((m_Data.folder / output / (name + ".safetensors")).string());
  }

  nlohmann::json
  ProvenanceOf(const std::string & output) const
  {
    const auto plan = nlohmann::json::parse(FileOf(output).metadata.at("plan"));
    return plan.at("provenance").at("pretraining");
  }

  void
  ExpectSame(const sam::SafetensorsFile & first, const sam::SafetensorsFile & second) const
  {
    ASSERT_EQ(first.tensors.size(), second.tensors.size());
    for (const auto & [name, tensor] : first.tensors)
    {
      EXPECT_TRUE(tensor.equal(second.tensors.at(name))) << name;
    }
  }

  /** Losses of the epochs. */
  std::vector<double>
  LossesOf(const std::string & output) const
  {
    std::istringstream lines(ReadFile(m_Data.folder / output / "log.csv"));
    std::string        line;
    std::getline(lines, line);
    EXPECT_EQ(line, "epoch,steps,minutes,learning_rate,loss");
    std::vector<double> losses;
    while (std::getline(lines, line))
    {
      losses.push_back(std::stod(line.substr(line.rfind(',') + 1)));
    }
    return losses;
  }

  sam::test::TrainingTestData m_Data{ 4 };
  sam::PretrainingOptions     m_Options;
  std::string                 m_Notes;
  std::string                 m_Warnings;
};
} // namespace

TEST_F(SamPretraining, TellsStripesBehindWhatIsHidden)
{
  m_Options.maximumSteps = 150;
  const auto result = Pretrain("run");
  EXPECT_EQ(result.steps, 150);
  EXPECT_FALSE(result.interrupted);
  const auto losses = LossesOf("run");
  ASSERT_EQ(losses.size(), 6u); // of 25 steps
  EXPECT_NEAR(losses.back(), result.loss, 1e-5);
  // Who knows nothing but the mean of a token has 1.
  EXPECT_GT(losses.front(), 0.8);
  EXPECT_LT(losses.back(), 0.6 * losses.front());

  const auto file = FileOf("run");
  for (const auto & [name, tensor] : file.tensors)
  {
    EXPECT_TRUE(name.rfind("stem.", 0) == 0 || name.rfind("image_encoder.", 0) == 0) << name;
  }
  EXPECT_TRUE(file.tensors.count("stem.0.convs.0.conv.weight") + file.tensors.count("image_encoder.pos_embed") > 0);
  const auto provenance = ProvenanceOf("run");
  EXPECT_EQ(provenance.at("images"), 6);
  EXPECT_EQ(provenance.at("method"), "masked");
  EXPECT_EQ(provenance.at("steps"), 150);
  EXPECT_EQ(provenance.at("seed"), 1);
  EXPECT_TRUE(provenance.contains("minutes"));
  EXPECT_EQ(provenance.at("folders").at(0).at("folder"), Images().string());
  EXPECT_EQ(provenance.at("folders").at(0).at("files"), 6);
}

TEST_F(SamPretraining, ResumedRunEndsWithTheSameWeights)
{
  m_Options.images.folders.push_back((m_Data.folder / "data" / "imagesTr").string());
  m_Options.augmentation = "compact";
  for (const std::string method : { "masked", "both" })
  {
    m_Options.method = method;
    m_Options.loaders = 1;
    m_Options.images.folders[0] = fs::relative(Images()).string();
    Pretrain(method + "_whole");
    m_Options.loaders = 3;
    EXPECT_TRUE(Pretrain(method + "_parts", true, 13).interrupted);
    m_Options.hiddenShare = 0.2;
    EXPECT_TRUE(Contains(MessageOf(method + "_parts", true), "--hidden is 0.2, this run began with 0.5,"));
    m_Options.hiddenShare = sam::PretrainingOptions().hiddenShare; // nothing that was decided
    m_Options.images.folders.clear();
    const auto before = fs::current_path();
    fs::current_path(m_Data.folder / "data");
    EXPECT_FALSE(Pretrain(method + "_parts", true).interrupted);
    fs::current_path(before);
    ExpectSame(FileOf(method + "_whole", "resume"), FileOf(method + "_parts", "resume"));
    ExpectSame(FileOf(method + "_whole"), FileOf(method + "_parts"));
    m_Options.images.folders = { Images().string(), (m_Data.folder / "data" / "imagesTr").string() };
    m_Options.hiddenShare = 0.5;
  }
  const auto before = FileOf("masked_whole");
  m_Options.method = "masked";
  m_Options.seed = 2;
  Pretrain("other", false, 2);
  const std::string name = "image_encoder.pos_embed";
  EXPECT_FALSE(FileOf("other").tensors.at(name).equal(before.tensors.at(name)));
}

TEST_F(SamPretraining, ExcludedImagesAreNotOpened)
{
  for (const char * name : { "target_1.mha", "deeper/target_2.mha", "deeper/other.mha", "broken.mha" })
  {
    std::ofstream(Images() / name) << "no image";
  }
  std::ofstream(Images() / "README.md") << "Stripes.";
  std::ofstream(m_Data.folder / "list.txt") << "\xEF\xBB\xBF"
                                               "other\r\nnothing_of_this_name\n";
  m_Options.images.excluded = { "target*", (m_Data.folder / "list.txt").string() };
  m_Options.maximumSteps = 1;
  Pretrain("run");
  // Whoever opens one notices.
  EXPECT_TRUE(Contains(m_Warnings, "broken.mha")) << m_Warnings;
  EXPECT_TRUE(Contains(m_Warnings, "README.md")) << m_Warnings;
  EXPECT_FALSE(Contains(m_Warnings, "target")) << m_Warnings;
  EXPECT_FALSE(Contains(m_Warnings, "other")) << m_Warnings;
  const auto provenance = ProvenanceOf("run");
  EXPECT_EQ(provenance.at("images"), 6);
  EXPECT_EQ(provenance.at("excluded_files"), 3);
  EXPECT_EQ(provenance.at("left_out_files"), 2);
  EXPECT_FALSE(Contains(FileOf("run", "resume").metadata.at("state"), "target_"));

  m_Options.images.excluded = { "targets*" };
  EXPECT_TRUE(Contains(MessageOf(), "--exclude 'targets*' stands for no file")) << MessageOf();
}

TEST_F(SamPretraining, ImagesOfOtherSitesAreNotOpened)
{
  std::ofstream table(m_Data.folder / "sites.csv");
  table << "file,site\n";
  for (int k = 0; k < 6; ++k)
  {
    table << "stripes_" << k << ".mha," << (k < 4 ? "east" : "west") << "\n";
  }
  table.close();
  std::ofstream(Images() / "deeper" / "stripes_4.mha") << "no image";
  std::ofstream(Images() / "deeper" / "stripes_5.mha") << "no image";
  m_Options.images.folders.push_back((m_Data.folder / "data" / "imagesTr").string()); // has no table
  m_Options.images.trainSites = { "east" };
  m_Options.maximumSteps = 1;
  Pretrain("run");
  EXPECT_EQ(m_Warnings, "");
  EXPECT_TRUE(Contains(m_Notes, "4 files are of the sites east, 2 of others, which are not opened")) << m_Notes;
  EXPECT_TRUE(Contains(m_Notes, "imagesTr: no table of sites, so all files are taken")) << m_Notes;
  const auto provenance = ProvenanceOf("run");
  EXPECT_EQ(provenance.at("images"), 8);
  EXPECT_EQ(provenance.at("folders").at(1).at("files"), 4);
  EXPECT_EQ(provenance.at("train_sites"), nlohmann::json({ "east" }));

  // The table may be among the images.
  fs::copy_file(m_Data.folder / "sites.csv", Images() / "sites.csv");
  std::ofstream(Images() / "dataset.json") << "{}"; // nor does a table know this
  Pretrain("inside");
  EXPECT_EQ(m_Warnings, "");
  fs::remove(Images() / "dataset.json");
  EXPECT_EQ(ProvenanceOf("inside").at("images"), 8);
  m_Options.images.sites = (Images() / "deeper" / "table.csv").string();
  fs::rename(Images() / "sites.csv", m_Options.images.sites);
  Pretrain("given");
  EXPECT_EQ(m_Warnings, "");
  fs::remove(m_Options.images.sites);
  m_Options.images.sites.clear();

  WriteStripes(Images() / "unknown.mha", 1);
  EXPECT_TRUE(Contains(MessageOf(), "unknown.mha: has no line in")) << MessageOf();
  fs::remove(Images() / "unknown.mha");
  m_Options.images.trainSites = { "north" };
  EXPECT_TRUE(Contains(MessageOf(), "sites.csv: has no site 'north'")) << MessageOf();
  fs::remove(m_Data.folder / "sites.csv");
  EXPECT_TRUE(Contains(MessageOf(), "no table of sites knows a file of the folders")) << MessageOf();
  m_Options.images.trainSites = { "west" };
  EXPECT_TRUE(Contains(MessageOf("run", true), "--train-site is west, this run began with east,"))
    << MessageOf("run", true);
}

TEST_F(SamPretraining, VolumesGiveSlicesOrWindows)
{
  m_Options.images.folders = { (m_Data.folder / "data" / "imagesTr").string() };
  m_Options.maximumSteps = 1;
  m_Options.slices = 2;
  Pretrain("slices");
  EXPECT_TRUE(Contains(m_Notes, "4 images with 8 slices")) << m_Notes;
  m_Options.images.folders.push_back(Images().string());
  m_Options.plan = (m_Data.folder / "plan.json").string(); // windows of 4 slices
  Pretrain("windows");
  EXPECT_TRUE(Contains(m_Notes, "4 images with 24 slices")) << m_Notes;
  EXPECT_TRUE(Contains(m_Warnings, "stripes_0.mha: is a single slice, expected a volume for windows of 4 slices"));
}

TEST_F(SamPretraining, FoldersAreFollowedAndLabelMapsLeftOut)
{
  m_Options.images.folders = { (m_Data.folder / "data").string() };
  fs::create_directory_symlink(Images(), m_Data.folder / "data" / "linked");
  fs::create_directory_symlink(m_Data.folder / "data", m_Data.folder / "data" / "circle");
  fs::create_directory_symlink(m_Data.folder / "data" / "nowhere", m_Data.folder / "data" / "lost");
  fs::create_directory_symlink(m_Data.folder / "data" / "itself", m_Data.folder / "data" / "itself");
  m_Options.images.excluded = { "linked/deeper/*", "dataset.json", "lost", "itself" };
  m_Options.maximumSteps = 1;
  Pretrain("run");
  EXPECT_EQ(m_Warnings, "");
  EXPECT_TRUE(Contains(m_Notes, "data: 4 files in folders of label maps are left out")) << m_Notes;
  EXPECT_EQ(ProvenanceOf("run").at("images"), 4 + 3);
  EXPECT_EQ(ProvenanceOf("run").at("excluded_files"), 3 + 3);
  // Who names the folder wants it.
  m_Options.images.folders = { (m_Data.folder / "data" / "labelsTr").string() };
  m_Options.images.excluded.clear();
  Pretrain("labels");
  EXPECT_EQ(ProvenanceOf("labels").at("images"), 4);
}

TEST_F(SamPretraining, PlanOfAModelFileHasNoHistory)
{
  m_Options.maximumSteps = 3;
  Pretrain("run");
  EXPECT_EQ(ProvenanceOf("run").at("steps"), 3);
  const auto loss = Pretrain("run", true).loss;
  EXPECT_NEAR(loss, LossesOf("run").back(), 1e-4) << "a run that is over still knows its loss";
  EXPECT_GT(loss, 0.0);
  m_Options.plan = (m_Data.folder / "run" / "model.safetensors").string();
  m_Options.maximumSteps = 1;
  Pretrain("next", false, 1);
  const auto plan = nlohmann::json::parse(FileOf("next").metadata.at("plan"));
  EXPECT_EQ(plan.at("provenance").size(), 1u) << plan.at("provenance");
  fs::remove(Images() / "stripes_1.mha");
  EXPECT_TRUE(Contains(MessageOf("next", true), "stripes_1.mha: no such file")) << MessageOf("next", true);
}

TEST_F(SamPretraining, DicomSeriesAreVolumes)
{
  using SliceType = itk::Image<short, 2>;
  for (const std::string patient : { "a", "b" })
  {
    fs::create_directories(Images() / patient);
    for (int k = 0; k < 5; ++k)
    {
      const auto slice = SliceType::New();
      slice->SetRegions(SliceType::SizeType{ { 20, 18 } });
      slice->Allocate();
      slice->FillBuffer(static_cast<short>(10 * k));
      slice->SetPixel(SliceType::IndexType{ { k, k } }, 100);
      auto & tags = slice->GetMetaDataDictionary();
      itk::EncapsulateMetaData<std::string>(tags, "0020|000d", "1.2.3");
      itk::EncapsulateMetaData<std::string>(tags, "0020|000e", "1.2.3.4." + std::to_string(patient[0]));
      itk::EncapsulateMetaData<std::string>(tags, "0020|0032", "0\\0\\" + std::to_string(k));
      itk::EncapsulateMetaData<std::string>(tags, "0020|0037", "1\\0\\0\\0\\1\\0");
      itk::EncapsulateMetaData<std::string>(tags, "0028|0030", "1\\1");
      itk::EncapsulateMetaData<std::string>(tags, "0008|0060", "MR");
      const auto writer = itk::ImageFileWriter<SliceType>::New();
      const auto format = itk::GDCMImageIO::New();
      format->KeepOriginalUIDOn();
      writer->SetImageIO(format);
      writer->SetInput(slice);
      writer->SetFileName((Images() / patient / (std::to_string(9 - k) + ".dcm")).string());
      writer->Update();
    }
  }
  for (int k = 0; k < 6; ++k)
  {
    fs::remove(Images() / (k < 3 ? "" : "deeper") / ("stripes_" + std::to_string(k) + ".mha"));
  }
  m_Options.maximumSteps = 1;
  m_Options.slices = 0;
  Pretrain("slices");
  EXPECT_TRUE(Contains(m_Notes, "10 images with 10 slices, 10 of them prepared now")) << m_Notes;
  m_Options.plan = (m_Data.folder / "plan.json").string(); // windows of 4 slices
  m_Options.cache = (m_Data.folder / "cache").string();
  for (const int prepared : { 2, 0 })
  {
    Pretrain("volumes" + std::to_string(prepared));
    EXPECT_TRUE(Contains(m_Notes, "2 images with 10 slices, " + std::to_string(prepared) + " of them")) << m_Notes;
  }
  // A file that is not to be opened leaves single slices.
  m_Options.images.excluded = { "b/9.dcm" };
  Pretrain("one");
  EXPECT_TRUE(Contains(m_Notes, "1 images with 5 slices")) << m_Notes;
  EXPECT_TRUE(Contains(m_Warnings, "8.dcm: is a single slice")) << m_Warnings;
}

TEST_F(SamPretraining, TimeSeriesAreNoVolumes)
{
  using SeriesType = itk::Image<float, 4>;
  const auto series = SeriesType::New();
  series->SetRegions(SeriesType::SizeType{ { 16, 16, 6, 3 } });
  series->Allocate(true);
  itk::WriteImage(series.GetPointer(), (Images() / "series.nii.gz").string());
  m_Options.maximumSteps = 1;
  Pretrain("run");
  EXPECT_TRUE(Contains(m_Warnings, "series.nii.gz: has 4 dimensions, expected 2 or 3; left out")) << m_Warnings;
}

TEST_F(SamPretraining, TrainingStartsFromIt)
{
  m_Options.images.folders = { (m_Data.folder / "data" / "imagesTr").string() };
  m_Options.plan = (m_Data.folder / "plan.json").string();
  m_Options.method = "regions";
  m_Options.labels = (m_Data.folder / "data" / "labelsTr").string();
  m_Options.maximumSteps = 3;
  Pretrain("before");
  const auto start = FileOf("before");
  EXPECT_EQ(start.tensors.count("mask_decoder.transformer.norm_final_attn.weight"), 1u);
  EXPECT_EQ(start.tensors.count("mask_decoder.mask_tokens.weight"), 0u) << "of another shape in the plan";

  sam::TrainingOptions options;
  options.dataset = (m_Data.folder / "data").string();
  options.plan = (m_Data.folder / "plan.json").string();
  options.initialize = (m_Data.folder / "before" / "model.safetensors").string();
  options.maximumSteps = 3;
  options.threads = 1;
  for (const bool isFrozen : { false, true })
  {
    options.freezesEncoder = isFrozen;
    const std::string name = isFrozen ? "frozen" : "free";
    const auto        result = Run(options, sam::Train, name, false, -1);
    EXPECT_EQ(result.steps, 3);
    if (isFrozen)
    {
      // As after a kill before the first model was written.
      const auto trained = FileOf(name, "last");
      fs::remove(m_Data.folder / name / "last.safetensors");
      Run(options, sam::Train, name, true, -1);
      ExpectSame(trained, FileOf(name, "last"));
      fs::remove_all(m_Data.folder / name);
      Run(options, sam::Train, name, false, -1);
    }
    EXPECT_TRUE(Contains(m_Notes, std::to_string(start.tensors.size()) + " tensors taken as they are")) << m_Notes;
    EXPECT_TRUE(Contains(m_Notes, "not in the file, new: ")) << m_Notes;
    EXPECT_TRUE(Contains(m_Notes, "mask_decoder.mask_tokens.weight")) << m_Notes;
    EXPECT_TRUE(Contains(m_Notes, "prompt_generator.")) << m_Notes;
    const auto last = FileOf(name, "last");
    for (const auto & [tensor, value] : start.tensors)
    {
      const bool isOfEncoder = tensor.rfind("stem.", 0) == 0 || tensor.rfind("image_encoder.", 0) == 0;
      const bool isAdapter = Contains(tensor, "dapter") || Contains(tensor, "temporal");
      if (isFrozen && isOfEncoder && !isAdapter)
      {
        EXPECT_TRUE(value.equal(last.tensors.at(tensor))) << tensor;
      }
      if (!isFrozen && Contains(tensor, "qkv.weight"))
      {
        EXPECT_FALSE(value.equal(last.tensors.at(tensor))) << tensor;
      }
    }
    const auto provenance = nlohmann::json::parse(last.metadata.at("plan")).at("provenance");
    EXPECT_EQ(provenance.at("initialized_from").at("provenance").at("pretraining").at("images"), 4);
  }
  options.initialize.clear();
  try
  {
    Run(options, sam::Train, "failing", false, -1);
    ADD_FAILURE() << "nothing to freeze";
  }
  catch (const sam::Error & error)
  {
    EXPECT_TRUE(Contains(error.what(), "--freeze-encoder keeps what --initialize brings")) << error.what();
  }
  // Neither goes on with the other's run.
  options.freezesEncoder = false;
  EXPECT_THROW(Run(options, sam::Train, "before", true, -1), sam::Error);
  EXPECT_TRUE(Contains(MessageOf("free", true), "holds a run of sam-train")) << MessageOf("free", true);
}

TEST_F(SamPretraining, MistakesAreNamed)
{
  m_Options.method = "guess";
  EXPECT_EQ(MessageOf(), "method 'guess' is not known, expected masked, regions or both");
  m_Options.method = "masked";
  m_Options.hiddenShare = 1.0;
  EXPECT_TRUE(Contains(MessageOf(), "hidden share is 1.0, expected a number between 0 and 1")) << MessageOf();
  m_Options.hiddenShare = 0.5;
  m_Options.images.folders = { (m_Data.folder / "nothing").string() };
  EXPECT_TRUE(Contains(MessageOf(), "nothing: is no folder, expected one with images")) << MessageOf();
  m_Options.images.folders = { (m_Data.folder / "data").string() };
  m_Options.images.excluded = { "images*", "labels*" };
  EXPECT_TRUE(Contains(MessageOf(), "data: no image is left to learn from, of 1 files")) << MessageOf();
  m_Options.plan.clear();
  EXPECT_TRUE(Contains(MessageOf(), "no plan, expected --plan")) << MessageOf();
}

TEST(SamImageCollection, PatternsStandForNames)
{
  EXPECT_TRUE(sam::FitsPattern("a/b/case_1.png", "*case_?.png"));
  EXPECT_TRUE(sam::FitsPattern("abcabd", "*abd"));
  EXPECT_TRUE(sam::FitsPattern("abc", "abc**"));
  EXPECT_TRUE(sam::FitsPattern("", "*"));
  EXPECT_FALSE(sam::FitsPattern("abc", "ab"));
  EXPECT_FALSE(sam::FitsPattern("abc", "abcd"));
  EXPECT_FALSE(sam::FitsPattern("ab", "a?b"));
  EXPECT_FALSE(sam::FitsPattern("abc", "*b"));
}
