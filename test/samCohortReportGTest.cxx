// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCohortReport.h"
#include "samError.h"
#include "samHtmlPage.h"
#include "samNiftiLabels.h"
#include "samTestProgram.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <regex>

using namespace sam::test;

namespace
{
namespace fs = std::filesystem;
using Volume = itk::Image<short, 3>;

/** Three cases with two labels; the second label of the first case is missed. Names hold what HTML means something by.
 */
class SamCohortReport : public testing::Test
{
protected:
  SamCohortReport()
  {
    int number = 0;
    for (const std::string name : { "a&b", "c<d>", "e" })
    {
      const auto image = MakeImage<Volume>({ 20, 18, 9 }, { 0.9, 1.1, 2.0 }, { -3.0, 4.0, 5.0 });
      const auto labels = MakeImage<Volume>({ 20, 18, 9 }, { 0.9, 1.1, 2.0 }, { -3.0, 4.0, 5.0 });
      const auto truth = MakeImage<Volume>({ 20, 18, 9 }, { 0.9, 1.1, 2.0 }, { -3.0, 4.0, 5.0 });
      for (itk::ImageRegionIteratorWithIndex<Volume> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
      {
        const auto index = it.GetIndex();
        const bool isIn = index[1] > 3 && index[1] < 13 && index[2] > 1 && index[2] < 7;
        it.Set(static_cast<short>((7 * index[0] + 5 * index[1]) % 50 + (isIn ? 60 : 0)));
        const auto of = [&](itk::IndexValueType shift) {
          const auto x = index[0] - shift;
          return static_cast<short>(!isIn || x < 3 || x > 14 ? 0 : x < 8 ? 1 : 2);
        };
        truth->SetPixel(index, of(0));
        const short found = of(number + 1);
        labels->SetPixel(index, number == 0 && found == 2 ? short{ 0 } : found);
      }
      const std::string file = name + ".nrrd";
      for (const auto & [folderName, picture] :
           { std::make_pair("images", image), { "labels", labels }, { "truth", truth } })
      {
        fs::create_directory(folder / folderName);
        Write(picture.GetPointer(), folder / folderName / file);
      }
      ++number;
    }
  }

  Outcome
  Run(const std::string & program, const std::string & arguments) const
  {
    const auto        output = (folder / "output.txt").string();
    const std::string command =
      "\"" SEGMENTANYTHING_PROGRAMS "/" + program + "\" " + arguments + " > \"" + output + "\" 2>&1";
    const bool isWell = std::system(command.c_str()) == 0;
    return { isWell, ReadText(output) };
  }

  std::string
  Quoted(const std::string & name) const
  {
    return '"' + (folder / name).string() + '"';
  }

  /** Tags are closed in the order in which they were opened. */
  static void
  ExpectWellFormed(const std::string & page)
  {
    std::vector<std::string> open;
    for (size_t at = page.find("<html"); (at = page.find('<', at)) != std::string::npos;)
    {
      const bool isEnd = page[at + 1] == '/';
      size_t     end = at + (isEnd ? 2 : 1);
      const auto nameEnd = page.find_first_of(" />", end);
      const auto name = page.substr(end, nameEnd - end);
      ASSERT_TRUE(!name.empty() &&
                  std::all_of(name.begin(), name.end(), [](unsigned char letter) { return std::isalnum(letter) != 0; }))
        << "'" << name << "' is no tag and not escaped";
      for (bool isQuoted = false; isQuoted || page[end] != '>'; ++end)
      {
        ASSERT_LT(end + 1, page.size()) << name;
        ASSERT_TRUE(isQuoted || page[end] != '<') << name;
        isQuoted = isQuoted != (page[end] == '"');
      }
      if (isEnd)
      {
        ASSERT_FALSE(open.empty()) << name;
        ASSERT_EQ(open.back(), name);
        open.pop_back();
      }
      else if (name != "meta" && name != "img" && page[end - 1] != '/')
      {
        open.push_back(name);
      }
      at = end;
    }
    EXPECT_TRUE(open.empty());
  }

  /** The values of a row of the table of cases, whose first cell is \a name. */
  static std::vector<double>
  ValuesOf(const std::string & page, const std::string & table, const std::string & name)
  {
    const auto begin = page.find("<td>" + name + "</td>", page.find("id=\"" + table + "\""));
    EXPECT_NE(begin, std::string::npos) << name;
    return NumbersOf(page.substr(begin, page.find("</tr>", begin) - begin));
  }

  static std::vector<double>
  NumbersOf(const std::string & row)
  {
    const std::regex    value("data-value=\"([^\"]*)\"");
    std::vector<double> values;
    for (std::sregex_iterator it(row.begin(), row.end(), value), end; it != end; ++it)
    {
      values.push_back(std::stod((*it)[1]));
    }
    return values;
  }

  static size_t
  Count(const std::string & page, const std::string & what)
  {
    size_t count = 0;
    for (size_t place = page.find(what); place != std::string::npos; place = page.find(what, place + 1))
    {
      ++count;
    }
    return count;
  }

  TemporaryFolder folder;
};
} // namespace

TEST_F(SamCohortReport, FiguresAreThoseOfTheEvaluation)
{
  const std::string cohort = "--prediction " + Quoted("labels") + " --reference " + Quoted("truth");
  ASSERT_TRUE(std::system(("\"" SEGMENTANYTHING_PROGRAMS "/sam-evaluate\" --quiet " + cohort + " --output " +
                           Quoted("metrics.json"))
                            .c_str()) == 0);
  ASSERT_TRUE(std::system(("\"" SEGMENTANYTHING_PROGRAMS "/sam-report\" --quiet " + cohort + " --image " +
                           Quoted("images") + " --title 'One & <two>' --pictures 2 --output " + Quoted("page.html"))
                            .c_str()) == 0);
  const auto page = ReadText(folder / "page.html");
  const auto metrics = nlohmann::json::parse(ReadText(folder / "metrics.json"));
  ExpectWellFormed(page);
  EXPECT_NE(page.find("<h1>One &amp; &lt;two&gt;</h1>"), std::string::npos);
  EXPECT_EQ(Count(page, "<figure"), 2u) << "the worst ones alone";
  EXPECT_EQ(Count(page, "src=\"data:image/png;base64,"), 4u);
  EXPECT_EQ(page.find("http"), std::string::npos) << "it needs nothing from elsewhere";
  EXPECT_NE(page.find("prefers-color-scheme:dark"), std::string::npos);
  for (const auto & item : metrics["cases"])
  {
    const auto name = item["name"].get<std::string>();
    const auto escaped = name == "e" ? name : name == "a&b" ? "a&amp;b" : "c&lt;d&gt;";
    const auto values = ValuesOf(page, "cases", escaped);

    std::vector<double> expected;
    double              sum = 0.0;
    for (const auto & label : item["labels"])
    {
      for (const auto * key : { "dice", "hd95_mm", "volume_prediction_mm3", "volume_reference_mm3" })
      {
        if (!label[key].is_null())
        {
          expected.push_back(label[key].get<double>());
        }
      }
      sum += label["dice"].get<double>();
    }
    expected.insert(expected.begin(), sum / 2.0);
    ASSERT_EQ(values.size(), expected.size()) << name;
    for (size_t k = 0; k < values.size(); ++k)
    {
      EXPECT_DOUBLE_EQ(values[k], expected[k]) << name << ", value " << k;
    }
  }
  EXPECT_DOUBLE_EQ(ValuesOf(page, "labels", "mean").front(), metrics["overall"]["dice"].get<double>());
  // The first case misses a label, so it is the worst; the last is shifted more than the second.
  const auto table = page.find("id=\"cases\"");
  EXPECT_LT(page.find("<td>a&amp;b</td>", table), page.find("<td>e</td>", table));
  EXPECT_LT(page.find("<td>e</td>", table), page.find("<td>c&lt;d&gt;</td>", table));
}

TEST_F(SamCohortReport, GroupsAreThoseOfTheEvaluation)
{
  WriteText(folder / "sites.csv", "case,site\na&b,no<rth\nc<d>,south\ne,no<rth\n");
  const std::string cohort = "--prediction " + Quoted("labels") + " --reference " + Quoted("truth") + " --group " +
                             Quoted("sites.csv") + " --source south --seed 3 --region 5,12,12,12,12,20 --output ";
  ASSERT_TRUE(Run("sam-evaluate", cohort + Quoted("metrics.json")).isWell);
  const auto outcome = Run("sam-report", cohort + Quoted("page.html"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto page = ReadText(folder / "page.html");
  ExpectWellFormed(page);
  const auto metrics = nlohmann::json::parse(ReadText(folder / "metrics.json"));
  const auto groups = page.find("id=\"groups\"");
  ASSERT_NE(groups, std::string::npos);
  auto place = groups;
  for (const auto * block : { "overall", "1", "2" })
  {
    const auto & measures =
      std::string(block) == "overall" ? metrics["groups"]["overall"] : metrics["groups"]["labels"][block];
    const auto & dice = measures["dice"];
    for (const std::string name : { "no<rth", "south", "" })
    {
      const auto shown = name.empty() ? "macro average" : name == "south" ? "south" : "no&lt;rth";
      place = page.find(std::string("<td class=\"name\">") + shown + "</td>", place + 1);
      ASSERT_NE(place, std::string::npos);
      std::vector<double> expected;
      const auto          add = [&expected](const nlohmann::json & value) {
        if (!value.is_null())
        {
          expected.push_back(value.get<double>());
        }
      };
      if (name.empty())
      {
        add(dice["macro_average"]["mean"]);
        add(measures["hd95_mm"]["macro_average"]["mean"]);
      }
      else
      {
        add(dice["groups"][name]["mean"]);
        add(dice["groups"][name]["standard_deviation"]);
        add(name == "south" ? nlohmann::json() : dice["drops"][name]["mean"]);
        add(measures["hd95_mm"]["groups"][name]["mean"]);
      }
      const auto values = NumbersOf(page.substr(place, page.find("</tr>", place) - place));
      ASSERT_GE(values.size(), expected.size()) << block << ' ' << shown;
      for (size_t k = 0; k < expected.size(); ++k)
      {
        EXPECT_DOUBLE_EQ(values[k], expected[k]) << block << ' ' << shown << ", value " << k;
      }
    }
  }
  EXPECT_NE(page.find("drop from south"), std::string::npos);
  EXPECT_NE(page.find("(seed 3)"), std::string::npos);
  // A row of dots for each label and group; a group for each case.
  EXPECT_NE(page.find(">2, no&lt;rth</text>"), std::string::npos);
  EXPECT_EQ(Count(page.substr(page.find("id=\"cases\"")), "<td class=\"name\">no&lt;rth</td>"), 2u);
}

TEST_F(SamCohortReport, MapsApplyToPicturesToo)
{
  const std::string both = "--prediction " + Quoted("labels") + " --reference " + Quoted("truth") + " --image " +
                           Quoted("images") + " --pictures 1 --output ";
  const std::string swapped = " --map-prediction 1=2,2=1 --map-reference 1=2,2=1";
  ASSERT_TRUE(Run("sam-report", both + Quoted("plain.html")).isWell);
  ASSERT_TRUE(Run("sam-report", both + Quoted("swapped.html") + swapped).isWell);
  const auto plain = ReadText(folder / "plain.html");
  const auto other = ReadText(folder / "swapped.html");
  auto       values = ValuesOf(plain, "cases", "e"); // mean Dice, four of each label
  ASSERT_EQ(values.size(), 9u);
  std::rotate(values.begin() + 1, values.begin() + 5, values.end());
  EXPECT_EQ(ValuesOf(other, "cases", "e"), values);
  const auto referenceOf = [](const std::string & page) {
    const auto begin = page.rfind("src=\"data:");
    return page.substr(begin, page.find('"', begin + 5) - begin);
  };
  EXPECT_TRUE(referenceOf(plain) != referenceOf(other)) << "colors are swapped";
}

TEST_F(SamCohortReport, ManyCasesAreShownInPart)
{
  fs::copy_file(folder / "labels" / "e.nrrd", folder / "labels" / "f.nrrd");
  fs::copy_file(folder / "truth" / "e.nrrd", folder / "truth" / "f.nrrd");
  for (const auto * kind : { "labels", "truth" })
  {
    fs::copy_file(folder / "truth" / "e.nrrd", folder / kind / "g.nrrd"); // no mistake
  }
  for (const auto * name : { "f.nrrd", "g.nrrd" })
  {
    fs::copy_file(folder / "images" / "e.nrrd", folder / "images" / name);
  }
  const auto outcome = Run("sam-report",
                           "--prediction " + Quoted("labels") + " --reference " + Quoted("truth") + " --image " +
                             Quoted("images") + " --pictures 4 --rows 2 --output " + Quoted("page.html"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto page = ReadText(folder / "page.html");
  ExpectWellFormed(page);
  size_t place = 0;
  for (const std::string shown : { "<h2>Worst cases</h2>",
                                   "<b>a&amp;b</b>",
                                   "<b>e</b>",
                                   "<h2>Median case</h2>",
                                   "<b>f</b>",
                                   "<h2>Best case</h2>",
                                   "<b>g</b>" })
  {
    const auto found = page.find(shown, place);
    ASSERT_NE(found, std::string::npos) << shown;
    place = found;
  }
  EXPECT_EQ(Count(page, "<figure"), 4u);
  const auto table = page.substr(page.find("id=\"cases\""));
  EXPECT_EQ(Count(table, "<tr><td>"), 2u);
  EXPECT_NE(table.find("3 more cases are counted above"), std::string::npos);
  EXPECT_NE(page.find("5 cases of"), std::string::npos);
}

TEST_F(SamCohortReport, MedianAndBestAreThoseOfTheCasesWithADice)
{
  const auto add = [this](const std::string & name, const char * kind) {
    fs::copy_file(folder / kind / "e.nrrd", folder / "labels" / name);
    fs::copy_file(folder / "truth" / "e.nrrd", folder / "truth" / name);
    fs::copy_file(folder / "images" / "e.nrrd", folder / "images" / name);
  };
  for (const auto * name : { "f.nrrd", "g.nrrd", "h.nrrd" })
  {
    add(name, "labels");
  }
  add("i.nrrd", "truth"); // no mistake
  add("j.nrrd", "truth");
  // Nothing in both.
  for (const auto * kind : { "labels", "truth" })
  {
    const auto image = itk::ReadImage<itk::Image<unsigned char, 3>>((folder / "truth" / "e.nrrd").string());
    image->FillBuffer(0);
    Write(image.GetPointer(), folder / kind / "j.nrrd");
  }
  const auto run = [this](const std::string & pictures) {
    const auto outcome = Run("sam-report",
                             "--prediction " + Quoted("labels") + " --reference " + Quoted("truth") + " --image " +
                               Quoted("images") + " --pictures " + pictures + " --output " + Quoted("page.html"));
    EXPECT_TRUE(outcome.isWell) << outcome.output;
    return ReadText(folder / "page.html");
  };
  // In this order: a&b, e, f, g, h, c<d> or i, nothing in j.
  auto page = run("3");
  EXPECT_LT(page.find("<h2>Median case</h2>"), page.find("<b>g</b>"));
  EXPECT_LT(page.find("<h2>Best case</h2>"), page.find("<b>i</b>"));
  EXPECT_NE(page.find("<b>i</b>"), std::string::npos);
  EXPECT_EQ(page.find("<b>j</b>"), std::string::npos);
  page = run("6");
  EXPECT_EQ(page.find("<h2>Median case</h2>"), std::string::npos) << "it is one of the five worst";
  EXPECT_EQ(Count(page, "<figure"), 6u);
  EXPECT_NE(page.find("<b>i</b>", page.find("<h2>Best case</h2>")), std::string::npos);
}

TEST_F(SamCohortReport, VolumesByGroupAndMap)
{
  WriteText(folder / "sites.csv", "case,site\na&b,x\nc<d>,x\ne,y\n");
  const auto outcome = Run("sam-report",
                           "--prediction " + Quoted("labels/") + " --group " + Quoted("sites.csv") +
                             " --map-prediction 1=1,2=1 --output " + Quoted("page.html"));
  ASSERT_TRUE(outcome.isWell) << outcome.output;
  const auto page = ReadText(folder / "page.html");
  ExpectWellFormed(page);
  const auto groups = page.find("id=\"groups\"");
  const auto row = page.find("<td class=\"name\">y</td>", groups);
  ASSERT_NE(row, std::string::npos);
  const auto values = NumbersOf(page.substr(row, page.find("</tr>", row) - row));
  ASSERT_FALSE(values.empty());
  EXPECT_NE(page.find("<h1>labels</h1>"), std::string::npos);
  EXPECT_NEAR(values.front(), 12 * 9 * 5 * 0.9 * 1.1 * 2.0, 1e-6) << "both labels as one";

  for (const auto & [arguments, words] :
       { std::make_pair(" --map-reference 2=1", "--map-reference is given without --reference"),
         std::make_pair(" --seed 2", "--seed is given without --group"),
         std::make_pair(" --group nowhere.csv --source x", "--source is given without --reference") })
  {
    const auto wrong =
      Run("sam-report", "--prediction " + Quoted("labels") + arguments + " --output " + Quoted("no.html"));
    EXPECT_FALSE(wrong.isWell);
    EXPECT_NE(wrong.output.find(words), std::string::npos) << wrong.output;
    EXPECT_FALSE(fs::exists(folder / "no.html"));
  }
}

TEST_F(SamCohortReport, VolumesAloneWithoutReference)
{
  const auto report = sam::MeasureVolumes((folder / "labels").string());
  ASSERT_EQ(report.cases.size(), 3u);
  sam::CohortPageOptions options;
  options.title = "Volumes";
  options.images = (folder / "images").string();
  options.pictures = 1;
  const auto page = sam::MakeCohortPage(report, options, (folder / "").string());
  ExpectWellFormed(page);
  EXPECT_EQ(page.find("Dice"), std::string::npos);
  EXPECT_EQ(Count(page, "<img"), 1u);
  const auto values = ValuesOf(page, "cases", "e");
  ASSERT_EQ(values.size(), 2u);
  EXPECT_NEAR(values[0], 5 * 9 * 5 * 0.9 * 1.1 * 2.0, 1e-6);
  EXPECT_NEAR(values[1], 7 * 9 * 5 * 0.9 * 1.1 * 2.0, 1e-6);
  sam::EvaluationOptions twice;
  twice.labels = { 2, 1, 2 };
  EXPECT_EQ(sam::MeasureVolumes((folder / "labels").string(), twice).labels.size(), 2u);
}

TEST_F(SamCohortReport, NamesOfLabelsInHeaders)
{
  for (const std::string name : { "labels", "truth" })
  {
    const auto labels = sam::Read<Volume>((folder / name / "e.nrrd").string());
    Write(labels.GetPointer(), folder / (name + ".nii.gz"));
  }
  sam::AddNiftiLabels((folder / "labels.nii.gz").string(), { { 1, "first", {} }, { 2, "second <one>", {} } }, {});
  const std::string files = "--prediction " + Quoted("labels.nii.gz") + " --reference " + Quoted("truth.nii.gz");
  const auto        all = Run("sam-evaluate", files);
  EXPECT_NE(all.output.find("second <one>"), std::string::npos) << all.output;
  ASSERT_TRUE(
    Run("sam-report", "--prediction " + Quoted("labels.nii.gz") + " --output " + Quoted("names.html")).isWell);
  const auto page = ReadText(folder / "names.html");
  ExpectWellFormed(page);
  EXPECT_NE(page.find("second &lt;one&gt;"), std::string::npos);
  const auto one = Run("sam-evaluate", files + " --labels 'second <one>' --map-reference 1=1,2=2");
  EXPECT_NE(one.output.find("second <one>"), std::string::npos) << one.output;
  EXPECT_EQ(one.output.find("first"), std::string::npos) << one.output;
  for (const auto & [options, words] : std::vector<std::pair<std::string, std::string>>{
         { "--labels third --map-reference 1=1,2=2", "labels.nii.gz, expected some of 1 (first), 2 (second <one>)" },
         { "--labels first", "truth.nii.gz, which names none" },
         { "--labels first --map-prediction 1=2,2=1 --map-reference 1=1,2=2", "'first': values are mapped" } })
  {
    const auto wrong = Run("sam-evaluate", files + " " + options);
    EXPECT_FALSE(wrong.isWell);
    EXPECT_NE(wrong.output.find(words), std::string::npos) << wrong.output;
  }
}

TEST_F(SamCohortReport, NoLabelsAreReplaced)
{
  const auto labels = folder / "labels" / "e.nrrd";
  const auto before = ReadText(labels);
  ASSERT_FALSE(before.empty());
  for (const auto & [program, prediction] : std::vector<std::pair<std::string, std::string>>{
         { "sam-report", "labels" }, { "sam-report", "labels/e.nrrd" }, { "sam-evaluate", "labels/e.nrrd" } })
  {
    const auto outcome = Run(program,
                             "--prediction " + Quoted(prediction) +
                               (program == "sam-evaluate" ? " --reference " + Quoted("truth/e.nrrd") : "") +
                               " --output " + Quoted("labels/e.nrrd"));
    EXPECT_FALSE(outcome.isWell);
    EXPECT_NE(outcome.output.find("e.nrrd: would be replaced, but is the input"), std::string::npos) << outcome.output;
  }
  EXPECT_TRUE(ReadText(labels) == before);
}

TEST_F(SamCohortReport, NamesWhatIsMissing)
{
  fs::remove(folder / "images" / "e.nrrd");
  const auto             report = sam::MeasureVolumes((folder / "labels").string());
  sam::CohortPageOptions options;
  options.images = (folder / "images").string();
  try
  {
    sam::MakeCohortPage(report, options, (folder / "").string());
    FAIL();
  }
  catch (const sam::Error & error)
  {
    EXPECT_NE(std::string(error.what()).find("no image for the case 'e'"), std::string::npos) << error.what();
  }
  EXPECT_THROW(sam::MeasureVolumes((folder / "nowhere").string()), sam::Error);
}

TEST(SamHtmlPage, Base64IsThatOfTheStandard)
{
  // RFC 4648, section 10.
  EXPECT_EQ(sam::ToBase64(""), "");
  EXPECT_EQ(sam::ToBase64("f"), "Zg==");
  EXPECT_EQ(sam::ToBase64("fo"), "Zm8=");
  EXPECT_EQ(sam::ToBase64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(sam::ToBase64("\xff\xfe\xfd"), "//79");
}
