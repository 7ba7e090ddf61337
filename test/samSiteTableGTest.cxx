// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samCsvFile.h"
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samSiteTable.h"

using namespace sam::test;
using Fields = std::vector<std::string>;

TEST(CsvFile, QuotesDelimitersAndLineEnds)
{
  const TemporaryFolder folder;
  const std::string     path = (folder / "t.csv").string();
  WriteText(path,
            "\xEF\xBB\xBF"
            "a, \"b, c\" ,d\r\n\r\n1,\"say \"\"x\"\"\nand\",\n , ,\n4\" tube,,\"\"");
  const auto table = sam::CsvFile::Read(path);
  EXPECT_EQ(table.columns, (Fields{ "a", "b, c", "d" }));
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].fields, (Fields{ "1", "say \"x\"\nand", "" }));
  EXPECT_EQ(table.rows[0].line, 3u);
  EXPECT_EQ(table.rows[1].fields, (Fields{ "4\" tube", "", "" }));
  EXPECT_EQ(table.rows[1].line, 6u);
  for (const char * text : { "a;b, c;d\n1;2;3\n", "a\tb, c\td\n1\t2\t3\n" })
  {
    WriteText(path, text);
    EXPECT_EQ(sam::CsvFile::Read(path).columns, (Fields{ "a", "b, c", "d" }));
    EXPECT_EQ(sam::CsvFile::Read(path).rows.at(0).fields, (Fields{ "1", "2", "3" }));
  }
  const auto message = [&path] { return GetMessage<sam::Error>([&path] { sam::CsvFile::Read(path); }); };
  WriteText(path, "a,b\n1,\"2\n");
  EXPECT_EQ(message(), path + ": the field in quotes of line 2 does not end");
  WriteText(path, "\n");
  EXPECT_EQ(message(), path + ": is empty, expected a table whose first line names its columns");
  std::filesystem::remove(path);
  EXPECT_EQ(message(), path + ": cannot be opened, expected a text file");
}

TEST(CsvFile, OneLineBetweenCommas)
{
  EXPECT_EQ(sam::SplitCsvLine("t.csv", 7, "1,\"b, \"\"c\"\"\", d ;e,"), (Fields{ "1", "b, \"c\"", "d ;e", "" }));
  EXPECT_EQ(sam::SplitCsvLine("t.csv", 7, ",").size(), 2u);
  EXPECT_EQ(GetMessage<sam::Error>([] { sam::SplitCsvLine("t.csv", 7, "1,\"b"); }),
            "t.csv: the field in quotes of line 7 does not end");
}

TEST(SiteTable, FindsCasesByFileOrName)
{
  const TemporaryFolder folder;
  const std::string     path = (folder / "sites.csv").string();
  WriteText(path,
            "age,Center,File,site\n"
            "40,x,imagesTr/a_1.png,north\n"
            "41,x,b_0000.nii.gz,south\n"
            "42,x,c,south\n"
            "42,x,c,south\n"
            "43,x,d.raw,\"far, north\"\n"
            "44,x,1.2.840,north\n");
  const auto table = sam::SiteTable::Read(path);
  EXPECT_EQ(table.GetSite("a_1"), "north");
  EXPECT_EQ(table.GetSite("b"), "south");
  EXPECT_EQ(table.GetSite("b", ".nii.gz"), "south");
  EXPECT_EQ(table.GetSite("c", ".raw"), "south");
  EXPECT_EQ(table.GetSite("d", ".raw"), "far, north");
  EXPECT_EQ(table.GetSite("1.2.840"), "north");
  EXPECT_NO_THROW(table.CheckSite("far, north"));
  const auto message = [](const auto & call) { return GetMessage<sam::Error>(call); };
  EXPECT_EQ(message([&] { table.GetSite("e"); }),
            path + ": has no line for the case 'e', expected its file or name and its site");
  EXPECT_EQ(message([&] { table.CheckSite("x"); }),
            path + ": has no site 'x', expected one of far, north, north, south");
}

TEST(SiteTable, MistakesAreNamed)
{
  const TemporaryFolder folder;
  const std::string     path = (folder / "sites.csv").string();
  const auto            message = [&path](const std::string & text) {
    WriteText(path, text);
    return GetMessage<sam::Error>([&path] { sam::SiteTable::Read(path); });
  };
  EXPECT_EQ(message("file,finding\na,tb\n"),
            path + ": has the columns file, finding, expected one that names the site: site, center, centre, hospital, "
                   "institution, scanner, domain, group");
  EXPECT_EQ(message("finding,site\ntb,a\n"),
            path + ": has the columns finding, site, expected one that names the case: file, filename, image, case, "
                   "case_id, name, id");
  EXPECT_EQ(message("file,site\na,x\nb\n"), path + ": line 3 has 1 fields, expected 2 as in its first line");
  EXPECT_EQ(message("file,site\na,x\nb,\n"), path + ": line 3 has no site, expected file and site");
  EXPECT_EQ(message("file,site\n,x\n"), path + ": line 2 has no case, expected file and site");
  EXPECT_EQ(message("file,site\na.png,x\na,y\n"),
            path + ": line 3 gives 'a' the site y, a line before it x, expected one");
  EXPECT_EQ(message("file,site\n"), path + ": has no line but its first, expected one for each case");
}

TEST(SiteTable, RealTable)
{
  const auto path = std::filesystem::path(SEGMENTANYTHING_SHARED) / "data" / "chest_xray" / "sites.csv";
  if (!std::filesystem::exists(path))
  {
    GTEST_SKIP() << "no file " << path;
  }
  const auto table = sam::SiteTable::Read(path.string());
  EXPECT_EQ(table.GetSite("CHNCXR_0001_0"), "shenzhen");
  EXPECT_NO_THROW(table.CheckSite("montgomery"));
}
