// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDescribedLabels.h"
#include "samDirectionRepair.h"
#include "samError.h"
#include "samEvaluation.h"
#include "samEvaluationTestImages.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <cstring>
#include <thread>

using namespace sam::test;

namespace
{
using Volume = itk::Image<unsigned char, 3>;

Volume::Pointer
MakeBox(unsigned char value, const std::array<long, 3> & first, const std::array<long, 3> & last)
{
  auto image = MakeImage<Volume>({ 12, 12, 12 }, { 1.0, 1.0, 2.0 });
  FillBox(image.GetPointer(), value, first, last);
  return image;
}

/** Three cases: equal; shifted by one voxel in z (2 mm); label in the reference only. */
void
WriteCases(const std::filesystem::path & predictions, const std::filesystem::path & references)
{
  const auto box = MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 });
  Write(box.GetPointer(), predictions / "a.nii.gz");
  Write(box.GetPointer(), references / "a.nii.gz");
  Write(MakeBox(1, { 2, 2, 3 }, { 5, 5, 6 }).GetPointer(), predictions / "b.nrrd");
  Write(box.GetPointer(), references / "b.nii.gz");
  Write(MakeBox(2, { 0, 0, 0 }, { 0, 0, 1 }).GetPointer(), predictions / "c.mha");
  auto last = MakeBox(2, { 0, 0, 0 }, { 0, 0, 1 });
  FillBox(last.GetPointer(), 1, { 5, 5, 5 }, { 6, 6, 6 });
  Write(last.GetPointer(), references / "c.nii.gz");
}
} // namespace

TEST(Evaluation, FoldersWithTheirSummary)
{
  const TemporaryFolder folder;
  const auto            predictions = folder.MakeFolder("p");
  const auto            references = folder.MakeFolder("r");
  WriteCases(predictions, references);
  WriteText(references / "dataset.json", R"({"labels": {"background": 0, "head": 1, "tail": 2, "never": 3}})");
  WriteText(references / "._a.nii.gz", "what another file system leaves behind");
  sam::EvaluationOptions options;
  options.table = sam::ReadLabelTable(references.string());
  std::vector<std::string> warnings;
  std::vector<std::string> names;
  options.warning = [&](const std::string & text) { warnings.push_back(text); };
  options.progress = [&](std::size_t done, std::size_t total, const std::string & name) {
    EXPECT_EQ(done, names.size());
    EXPECT_EQ(total, 3u);
    names.push_back(name);
  };
  const auto report = sam::Evaluate(predictions.string(), references.string(), options);
  EXPECT_EQ(names, (std::vector<std::string>{ "a", "b", "c" }));
  EXPECT_EQ(warnings, (std::vector<std::string>{ "label 3 is in none of the images" }));

  const auto json = nlohmann::json::parse(sam::ToJson(report));
  ASSERT_EQ(json["cases"].size(), 3u);
  const auto & a = json["cases"][0]["labels"]["1"];
  EXPECT_EQ(json["cases"][0]["name"], "a");
  EXPECT_EQ(a["dice"], 1.0);
  EXPECT_EQ(a["hd95_mm"], 0.0);
  EXPECT_EQ(a["volume_prediction_mm3"], 128.0);
  const auto & b = json["cases"][1]["labels"]["1"];
  EXPECT_EQ(b["dice"], 0.75);
  EXPECT_EQ(b["hd95_mm"], 2.0);
  EXPECT_EQ(b["relative_volume_difference"], 0.0);
  EXPECT_EQ(json["cases"][1]["prediction"], (predictions / "b.nrrd").string());
  const auto & c = json["cases"][2]["labels"]["1"];
  EXPECT_EQ(c["dice"], 0.0);
  EXPECT_TRUE(c["hd95_mm"].is_null());
  EXPECT_TRUE(c["mean_surface_distance_mm"].is_null());
  EXPECT_EQ(c["volume_prediction_mm3"], 0.0);
  EXPECT_EQ(c["volume_reference_mm3"], 16.0);

  const auto & head = json["summary"]["1"];
  EXPECT_EQ(head["name"], "head");
  EXPECT_EQ(head["cases"], 3);
  EXPECT_EQ(head["empty_cases"], 0);
  EXPECT_EQ(head["missed_cases"], 1);
  EXPECT_EQ(head["dice"]["cases"], 3);
  EXPECT_NEAR(head["dice"]["mean"].get<double>(), 1.75 / 3.0, 1e-12);
  EXPECT_NEAR(head["dice"]["standard_deviation"].get<double>(), std::sqrt(0.2708333333333333), 1e-12);
  EXPECT_EQ(head["dice"]["median"], 0.75);
  EXPECT_EQ(head["dice"]["min"], 0.0);
  EXPECT_EQ(head["dice"]["max"], 1.0);
  EXPECT_EQ(head["hd95_mm"]["cases"], 2);
  EXPECT_EQ(head["hd95_mm"]["mean"], 1.0);
  EXPECT_NEAR(head["hd95_mm"]["standard_deviation"].get<double>(), std::sqrt(2.0), 1e-12);

  // In neither image of two cases: counted, and not in the mean.
  const auto & tail = json["summary"]["2"];
  EXPECT_EQ(tail["empty_cases"], 2);
  EXPECT_EQ(tail["dice"]["cases"], 1);
  EXPECT_EQ(tail["dice"]["mean"], 1.0);
  EXPECT_TRUE(tail["dice"]["standard_deviation"].is_null());
  EXPECT_TRUE(json["cases"][0]["labels"]["2"]["dice"].is_null());
  const auto & never = json["summary"]["3"];
  EXPECT_EQ(never["empty_cases"], 3);
  EXPECT_TRUE(never["dice"]["mean"].is_null());
  EXPECT_NEAR(json["overall"]["dice"].get<double>(), 0.5 * (1.75 / 3.0 + 1.0), 1e-12);
  EXPECT_EQ(json["overall"]["cases"], 3);

  const std::string table = sam::ToTable(report);
  EXPECT_TRUE(Contains(table, "1 head"));
  EXPECT_TRUE(Contains(table, "0.5833"));
  EXPECT_TRUE(Contains(table, "0.7917"));
}

TEST(Evaluation, LabelsThatAreNamedTwiceCountOnce)
{
  const TemporaryFolder folder;
  auto                  two = MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 });
  FillBox(two.GetPointer(), 2, { 8, 8, 8 }, { 9, 9, 9 });
  Write(two.GetPointer(), folder / "r.nrrd");
  FillBox(two.GetPointer(), 2, { 8, 8, 8 }, { 9, 9, 11 });
  Write(two.GetPointer(), folder / "p.nrrd");
  sam::EvaluationOptions options;
  options.labels = { 2, 1, 2 };
  const auto report = sam::Evaluate((folder / "p.nrrd").string(), (folder / "r.nrrd").string(), options);
  ASSERT_EQ(report.labels.size(), 2u);
  EXPECT_DOUBLE_EQ(*report.dice, (1.0 + 2.0 / 3.0) / 2.0);
}

TEST(Evaluation, WithoutATableLabelsOfAllCasesCount)
{
  const TemporaryFolder folder;
  const auto            predictions = folder.MakeFolder("p");
  const auto            references = folder.MakeFolder("r");
  WriteCases(predictions, references);
  const auto report = sam::Evaluate(predictions.string(), references.string());
  ASSERT_EQ(report.labels.size(), 2u);
  EXPECT_EQ(report.labels[1].name, "2");
  EXPECT_EQ(report.summaries.at(2).empty, 2u);
  sam::EvaluationOptions options;
  options.labels = { 2 };
  const auto single = sam::Evaluate(predictions.string(), references.string(), options);
  EXPECT_EQ(single.summaries.size(), 1u);
  EXPECT_DOUBLE_EQ(*single.dice, 1.0);
}

TEST(Evaluation, MissingPredictionsAreMistakesAndFurtherOnesAreNot)
{
  const TemporaryFolder folder;
  const auto            predictions = folder.MakeFolder("p");
  const auto            references = folder.MakeFolder("r");
  const auto            box = MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 });
  const auto            message = [&] {
    return GetMessage<sam::Error>([&] { sam::Evaluate(predictions.string(), references.string()); });
  };
  EXPECT_EQ(message(), references.string() + ": no image in this folder, expected reference label images");
  Write(box.GetPointer(), references / "x.nii.gz");
  EXPECT_EQ(message(), predictions.string() + ": no prediction for x.nii.gz, expected an image of this name");
  Write(box.GetPointer(), predictions / "x.mha");
  Write(box.GetPointer(), predictions / "y.mha");
  sam::EvaluationOptions   options;
  std::vector<std::string> warnings;
  options.warning = [&](const std::string & text) { warnings.push_back(text); };
  const auto report = sam::Evaluate(predictions.string(), references.string(), options);
  EXPECT_EQ(report.cases.size(), 1u);
  EXPECT_EQ(report.extraPredictions, (std::vector<std::string>{ (predictions / "y.mha").string() }));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(Contains(warnings[0], "y.mha"));
  // Which of the two is meant?
  Write(box.GetPointer(), predictions / "x.nrrd");
  EXPECT_EQ(message(),
            (predictions / "x.mha").string() + " and " + (predictions / "x.nrrd").string() +
              ": two files for one case, expected one");
}

TEST(Evaluation, MistakesNameTheFiles)
{
  const TemporaryFolder folder;
  const std::string     a = (folder / "a.nii.gz").string();
  const std::string     b = (folder / "b.nii.gz").string();
  Write(MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 }).GetPointer(), a);
  Write(MakeImage<Volume>({ 12, 12, 12 }, { 1.0, 1.0, 1.0 }).GetPointer(), b);
  Write(MakeImage<itk::Image<unsigned char, 2>>({ 12, 12 }, { 1.0, 1.0 }).GetPointer(), folder / "flat.png");
  const auto message = [](const std::string & prediction, const std::string & reference) {
    return GetMessage<sam::Error>([&] { sam::Evaluate(prediction, reference); });
  };
  EXPECT_EQ(message(a, b), a + " and " + b + ": spacings differ: 1 x 1 x 2 and 1 x 1 x 1 mm");
  EXPECT_TRUE(Contains(message((folder / "flat.png").string(), a), "flat.png: has 2 dimensions, expected 3"));
  EXPECT_TRUE(Contains(message((folder / "none.png").string(), a), "none.png: no such file or folder"));
  EXPECT_TRUE(Contains(message(folder.MakeFolder("d").string(), a), "a file and a folder"));
}

TEST(Evaluation, MapsAndRegions)
{
  const TemporaryFolder folder;
  const std::string     prediction = (folder / "p.nii.gz").string();
  const std::string     reference = (folder / "r.nii.gz").string();
  // Prediction: 1 and 2 side by side; reference: 37 over both, and again elsewhere; 38 is of no interest.
  auto p = MakeBox(1, { 2, 2, 2 }, { 3, 5, 5 });
  FillBox(p.GetPointer(), 2, { 4, 2, 2 }, { 5, 5, 5 });
  auto r = MakeBox(37, { 2, 2, 2 }, { 5, 5, 5 });
  FillBox(r.GetPointer(), 37, { 9, 9, 9 }, { 10, 10, 10 });
  FillBox(r.GetPointer(), 38, { 0, 0, 0 }, { 11, 0, 0 });
  Write(p.GetPointer(), prediction);
  Write(r.GetPointer(), reference);
  sam::EvaluationOptions options;
  options.predictionMap = { { 1, 1 }, { 2, 1 } };
  options.referenceMap = { { 37, 1 } };
  auto report = sam::Evaluate(prediction, reference, options);
  ASSERT_EQ(report.labels.size(), 1u);
  EXPECT_DOUBLE_EQ(*report.dice, 2.0 * 64.0 / (64.0 + 72.0));
  options.regions = { { { { 3.5, 3.5, 7.0 } }, { { 6.0, 6.0, 12.0 } } } };
  report = sam::Evaluate(prediction, reference, options);
  EXPECT_DOUBLE_EQ(*report.dice, 1.0);
  EXPECT_DOUBLE_EQ(*report.hd95, 0.0);
  options.regions = { { { { 3.5, 3.5 } }, { { 6.0, 6.0 } } } };
  try
  {
    sam::Evaluate(prediction, reference, options);
    FAIL() << "a region of a 2-D image";
  }
  catch (const sam::Error & error)
  {
    EXPECT_TRUE(Contains(error.what(), "region: ")) << error.what();
  }
}

TEST(Evaluation, DirectionsOfMoreAxesAreNotLost)
{
  using Series = itk::Image<short, 4>;
  const TemporaryFolder folder;
  const auto            series = MakeImage<Series>({ 3, 4, 5, 1 }, { 1.0, 1.0, 1.0, 1.0 });
  Write(series.GetPointer(), folder / "plain.nrrd");
  EXPECT_EQ(sam::ReadImageDimension((folder / "plain.nrrd").string()), 3u);
  auto direction = series->GetDirection();
  direction(0, 0) = -1.0;
  series->SetDirection(direction);
  for (const std::string name : { "flipped.nrrd", "flipped.mha" })
  {
    Write(series.GetPointer(), folder / name);
    const auto message = MessageOf([&] { sam::ReadImageDimension((folder / name).string()); });
    EXPECT_TRUE(Contains(message, name + ": has 4 axes and a direction, which would be lost")) << message;
  }
  Write(series.GetPointer(), folder / "flipped.nii.gz");
  EXPECT_EQ(sam::ReadImageDimension((folder / "flipped.nii.gz").string()), 3u) << "it is written with three axes";
}

TEST(Evaluation, PicturesHaveAreas)
{
  const TemporaryFolder folder;
  auto                  p = MakeImage<itk::Image<unsigned char, 2>>({ 8, 8 }, { 0.5, 0.5 });
  FillBox(p.GetPointer(), 255, { 1, 1 }, { 4, 4 });
  auto r = MakeImage<itk::Image<unsigned char, 2>>({ 8, 8 }, { 0.5, 0.5 });
  FillBox(r.GetPointer(), 255, { 3, 1 }, { 6, 4 });
  Write(p.GetPointer(), folder.MakeFolder("p") / "x.png");
  Write(r.GetPointer(), folder.MakeFolder("r") / "x.png");
  const auto json = nlohmann::json::parse(sam::ToJson(sam::Evaluate((folder / "p").string(), (folder / "r").string())));
  const auto & metrics = json["cases"][0]["labels"]["255"];
  EXPECT_EQ(metrics["dice"], 0.5);
  EXPECT_NEAR(metrics["hd95_mm"].get<double>(), 1.0, 1e-6);
  EXPECT_NEAR(metrics["area_reference_mm2"].get<double>(), 4.0, 1e-6);
  EXPECT_FALSE(metrics.contains("volume_reference_mm3"));
}

TEST(Evaluation, SummariesOfFewValues)
{
  const auto none = sam::Summarize({ std::nullopt });
  EXPECT_EQ(none.cases, 0u);
  EXPECT_FALSE(none.mean || none.standardDeviation || none.median || none.minimum || none.maximum);
  const auto one = sam::Summarize({ 3.0, std::nullopt });
  EXPECT_EQ(one.cases, 1u);
  EXPECT_DOUBLE_EQ(*one.median, 3.0);
  EXPECT_FALSE(one.standardDeviation.has_value());
  const auto four = sam::Summarize({ 4.0, 1.0, 2.0, 9.0 });
  EXPECT_DOUBLE_EQ(*four.mean, 4.0);
  EXPECT_DOUBLE_EQ(*four.median, 3.0);
  EXPECT_DOUBLE_EQ(*four.standardDeviation, std::sqrt(38.0 / 3.0));
}

TEST(Evaluation, LabelNamesInBothSpellings)
{
  const TemporaryFolder folder;
  const auto            read = [&folder](const std::string & text) {
    WriteText(folder / "dataset.json", text);
    return sam::ReadLabelTable((folder / "dataset.json").string());
  };
  for (const char * text :
       { R"({"labels": {"background": 0, "b": 2, "a": 1}})", R"({"labels": {"0": "background", "1": "a", "2": "b"}})" })
  {
    const auto table = read(text);
    ASSERT_EQ(table.size(), 2u);
    EXPECT_EQ(table[0].value, 1);
    EXPECT_EQ(table[0].name, "a");
    EXPECT_EQ(table[1].name, "b");
    EXPECT_NE(table[0].color, table[1].color);
  }
  const auto message = [&](const std::string & text) { return GetMessage<sam::Error>([&] { read(text); }); };
  EXPECT_TRUE(Contains(message("{"), "dataset.json: is not JSON"));
  EXPECT_TRUE(Contains(message("[]"), "dataset.json: has no \"labels\""));
  EXPECT_TRUE(Contains(message(R"({"labels": {"whole": [1, 2]}})"), "label \"whole\" is [1,2]"));
  EXPECT_TRUE(Contains(message(R"({"labels": {"a": 1, "b": 1}})"), "have the same value 1"));
  EXPECT_TRUE(Contains(message(R"({"labels": {"background": 0}})"), "nothing but background"));
  EXPECT_TRUE(Contains(GetMessage<sam::Error>([&] { sam::ReadLabelTable((folder / "no.json").string()); }),
                       "no.json: cannot be opened"));
}

namespace
{
/** A NIfTI file of ITK with header extensions put in: a comment, which is passed over, and \a text of code 30. */
void
WriteNiftiLabels(const std::filesystem::path & path, const std::string & text)
{
  Write(MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 }).GetPointer(), path);
  std::string bytes = ReadText(path.string());
  const auto  extension = [](std::int32_t code, std::string content) {
    content.resize((content.size() + 8 + 15) / 16 * 16 - 8);
    std::string        head(8, '\0');
    const std::int32_t size = static_cast<std::int32_t>(content.size()) + 8;
    std::memcpy(head.data(), &size, 4);
    std::memcpy(head.data() + 4, &code, 4);
    return head + content;
  };
  const std::string all = extension(6, "a comment <Label Key=\"1\">no</Label>") + extension(30, text);
  bytes[348] = 1;
  const auto start = static_cast<float>(352 + all.size());
  std::memcpy(bytes.data() + 108, &start, 4);
  WriteText(path, bytes.substr(0, 352) + all + bytes.substr(352));
}

const std::string workbenchLabels =
  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CaretExtension><VolumeInformation Index=\"0\"><LabelTable>\n"
  "<Label Key=\"0\" Red=\"1\" Green=\"1\" Blue=\"1\" Alpha=\"0\">?\?\?</Label>\n"
  "<Label Alpha=\"1\" Blue=\"0\" Green=\"0.5\" Red=\"1\" Key=\"1\">left &amp; right</Label>\n"
  "</LabelTable><StudyMetaDataLinkSet>x</StudyMetaDataLinkSet></VolumeInformation></CaretExtension>\n";
} // namespace

TEST(Evaluation, NamesInHeadersOfNiftiFiles)
{
  const TemporaryFolder folder;
  const auto            file = folder / "a.nii";
  WriteNiftiLabels(file, workbenchLabels);
  EXPECT_EQ(sam::ReadLabelImage<3>(file.string())->GetPixel({ { 3, 3, 3 } }), 1);
  const auto table = sam::ReadDescribedLabels(file.string());
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table[0].value, 1);
  EXPECT_EQ(table[0].name, "left & right");
  EXPECT_EQ(table[0].color, (std::array<unsigned char, 3>{ { 255, 128, 0 } }));
  // Not XML, cut short, and none at all: no names and no error.
  WriteNiftiLabels(file, "<CaretExtension><Label Key=\"1\">one</Wrong>");
  EXPECT_TRUE(sam::ReadDescribedLabels(file.string()).empty());
  WriteNiftiLabels(file, workbenchLabels);
  std::string  bytes = ReadText(file.string());
  std::int32_t size = 1 << 30;
  std::memcpy(bytes.data() + 352, &size, 4);
  WriteText(file, bytes);
  EXPECT_TRUE(sam::ReadDescribedLabels(file.string()).empty());
  Write(MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 }).GetPointer(), folder / "none.nii.gz");
  EXPECT_TRUE(sam::ReadDescribedLabels((folder / "none.nii.gz").string()).empty());
}

TEST(Evaluation, NamesInHeadersCountWithoutATable)
{
  const TemporaryFolder folder;
  WriteNiftiLabels(folder / "r.nii", workbenchLabels);
  auto two = MakeBox(1, { 2, 2, 2 }, { 5, 5, 5 });
  FillBox(two.GetPointer(), 2, { 8, 8, 8 }, { 9, 9, 9 });
  Write(two.GetPointer(), folder / "plain.nrrd");
  // As 3D Slicer writes it: keys behind the fields, in any order.
  const std::string plain = ReadText((folder / "plain.nrrd").string());
  const auto        end = plain.find("\n\n") + 1;
  WriteText(folder / "p.seg.nrrd",
            plain.substr(0, end) +
              "Segment0_Color:=0.5 0.25 1\nSegment0_LabelValue:=2\nSegment0_Name:=other thing\n"
              "Segment1_LabelValue:=1\nSegment1_Name:=one\nSegment1_Color:=x\n" +
              plain.substr(end));
  const auto evaluate = [&folder](const sam::EvaluationOptions & options) {
    std::string names;
    for (const auto & label :
         sam::Evaluate((folder / "p.seg.nrrd").string(), (folder / "r.nii").string(), options).labels)
    {
      names += label.name + " ";
    }
    return names;
  };
  sam::EvaluationOptions options;
  EXPECT_EQ(evaluate(options), "left & right other thing ");
  const auto report = sam::Evaluate((folder / "p.seg.nrrd").string(), (folder / "r.nii").string(), options);
  EXPECT_EQ(report.labels[1].color, (std::array<unsigned char, 3>{ { 128, 64, 255 } }));
  options.referenceMap = { { 1, 2 } };
  EXPECT_EQ(evaluate(options), "one other thing ");
  options.predictionMap = { { 1, 1 } };
  EXPECT_EQ(evaluate(options), "1 2 ");
  options.table = { { 1, "mine", {} } };
  EXPECT_EQ(evaluate(options), "mine ");
}

TEST(Evaluation, DirectionsAreRepairedWhileARepairLives)
{
  const TemporaryFolder folder;
  const auto            file = (folder / "small.nii").string(); // its voxels are few
  Write(MakeImage<Volume>({ 3, 3, 3 }, { 1.0, 1.0, 2.0 }).GetPointer(), file);
  {
    std::fstream                    stream(file, std::ios::in | std::ios::out | std::ios::binary);
    const std::vector<float>        rows{ 1, 0.2f, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0 };
    const std::vector<std::int16_t> codes{ 0, 1 };
    stream.seekp(252).write(reinterpret_cast<const char *>(codes.data()), 4);
    stream.seekp(280).write(reinterpret_cast<const char *>(rows.data()), 48);
  }
  const auto read = [&file] { return GetMessage<sam::Error>([&] { sam::ReadLabelImage<3>(file); }); };
  EXPECT_TRUE(Contains(read(), "its axes are not perpendicular"));
  std::vector<std::string> warnings;
  const auto               warn = [&warnings](const std::string & text) { warnings.push_back(text); };
  std::string              ofOther;
  {
    const sam::DirectionRepair repair(warn, true);
    EXPECT_EQ(sam::ReadLabelImage<3>(file)->GetLargestPossibleRegion().GetSize(0), 3u);
    sam::ReadLabelImage<3>(file);
    std::thread([&] { ofOther = read(); }).join();
  }
  EXPECT_EQ(warnings.size(), 1u);
  EXPECT_TRUE(Contains(ofOther, "its axes are not perpendicular"));
  {
    const sam::DirectionRepair repair(warn);
    std::thread([&] { sam::ReadLabelImage<3>(file); }).join();
  }
  EXPECT_EQ(warnings.size(), 2u);
  EXPECT_TRUE(Contains(read(), "its axes are not perpendicular"));
}

TEST(Evaluation, CaseNames)
{
  EXPECT_EQ(sam::GetCaseName("a/b/case.1.nii.gz"), "case.1");
  EXPECT_EQ(sam::GetCaseName("case.NRRD"), "case");
  EXPECT_EQ(sam::GetCaseName("x.png"), "x");
  EXPECT_EQ(sam::GetCaseName("readme"), "readme");
}

TEST(Evaluation, RealLabels)
{
  const std::filesystem::path labels =
    std::filesystem::path(SEGMENTANYTHING_SHARED) / "data" / "hippocampus" / "labelsTr";
  if (!std::filesystem::is_directory(labels))
  {
    GTEST_SKIP() << "no folder " << labels;
  }
  const TemporaryFolder folder;
  const auto            predictions = folder.MakeFolder("p");
  const auto            references = folder.MakeFolder("r");
  double                anterior = 0.0;
  std::size_t           count = 0;
  for (const auto & entry : std::filesystem::directory_iterator(labels))
  {
    if (entry.path().filename().string().front() == '.' || count == 4)
    {
      continue;
    }
    ++count;
    std::filesystem::copy_file(entry.path(), references / entry.path().filename());
    // The labels moved by two voxels of 1 mm along x, as an .nrrd file.
    const auto image = sam::ReadLabelImage<3>(entry.path().string());
    auto       moved = sam::LabelImage<3>::New();
    moved->CopyInformation(image);
    moved->SetRegions(image->GetLargestPossibleRegion());
    moved->Allocate(true);
    for (itk::ImageRegionIteratorWithIndex<sam::LabelImage<3>> it(image, image->GetBufferedRegion()); !it.IsAtEnd();
         ++it)
    {
      auto index = it.GetIndex();
      index[0] += 2;
      anterior += count == 1 && it.Get() == 1;
      if (moved->GetBufferedRegion().IsInside(index))
      {
        moved->SetPixel(index, it.Get());
      }
      else
      {
        ASSERT_EQ(it.Get(), 0) << "the label touches the border";
      }
    }
    Write(moved.GetPointer(), predictions / (sam::GetCaseName(entry.path().string()) + ".nrrd"));
  }
  sam::EvaluationOptions options;
  options.table = sam::ReadLabelTable(labels.parent_path().string());
  const auto report = sam::Evaluate(predictions.string(), references.string(), options);
  ASSERT_EQ(report.cases.size(), 4u);
  for (const auto & item : report.cases)
  {
    for (const auto & [label, metrics] : item.labels)
    {
      EXPECT_GT(*metrics.overlap.GetDice(), 0.6) << item.name << " label " << label;
      EXPECT_LT(*metrics.overlap.GetDice(), 0.95);
      EXPECT_DOUBLE_EQ(*metrics.overlap.GetRelativeVolumeDifference(), 0.0);
      // No surface voxel is farther away than its own copy.
      EXPECT_LE(*metrics.surface.maximum, 2.0 + 1e-6);
      EXPECT_GT(*metrics.surface.mean, 0.5);
    }
  }
  EXPECT_EQ(report.labels[0].name, "anterior");
  const auto same = sam::Evaluate(references.string(), references.string(), options);
  EXPECT_DOUBLE_EQ(*same.dice, 1.0);
  EXPECT_DOUBLE_EQ(*same.hd95, 0.0);
}
