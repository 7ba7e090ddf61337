// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samPromptList.h"

#include <gtest/gtest.h>

using sam::test::ReadText;
using sam::test::TemporaryFolder;
using sam::test::WriteText;

namespace
{
const std::string fixtures = SEGMENTANYTHING_TEST_FIXTURES "/slicer/";

std::vector<double>
Refuse(const std::vector<double> &)
{
  throw sam::Error("no index is expected");
}

sam::PromptList
Load(const std::string & path, unsigned int dimension = 3)
{
  sam::PromptList list;
  list.AddFile(path, dimension, std::vector<size_t>(dimension, 9), Refuse);
  return list;
}

std::string
MessageOf(const std::string & path)
{
  try
  {
    Load(path);
  }
  catch (const sam::Error & error)
  {
    return error.what();
  }
  return "no exception";
}

/** What every point file of the fixtures holds, in mm (LPS). */
void
ExpectPoints(const sam::PromptList & list, size_t notices)
{
  ASSERT_EQ(list.points.size(), 5u);
  EXPECT_TRUE(list.boxes.empty());
  EXPECT_EQ(list.points[0].position, (std::vector<double>{ 12.5, -30.25, 48.0 }));
  EXPECT_EQ(list.points[1].position, (std::vector<double>{ 1.0, 2.0, 3.0 }));
  EXPECT_EQ(list.points[4].position, (std::vector<double>{ 10.0, 11.0, 12.0 }));
  const std::vector<unsigned int> objects{ 1, 2, 1, 1, 7 };
  const std::vector<bool>         foreground{ true, false, false, false, true };
  for (size_t k = 0; k < 5; ++k)
  {
    EXPECT_EQ(list.points[k].object, objects[k]) << k;
    EXPECT_EQ(list.points[k].isForeground, foreground[k]) << k;
  }
  ASSERT_EQ(list.notices.size(), notices);
  EXPECT_NE(list.notices.back().find("hidden"), std::string::npos) << list.notices.back();
}
} // namespace

TEST(SlicerMarkups, PointsOfAList)
{
  for (const std::string name : { "F.mrk.json", "F_RAS.mrk.json" })
  {
    const auto list = Load(fixtures + name);
    ExpectPoints(list, 2);
    EXPECT_NE(list.notices[0].find("point 'F-6' has no position (undefined)"), std::string::npos) << list.notices[0];
  }
  const auto flat = Load(fixtures + "F.mrk.json", 2);
  EXPECT_EQ(flat.points[0].position, (std::vector<double>{ 12.5, -30.25 }));
}

TEST(SlicerMarkups, FiducialsOfTheOlderFormat)
{
  ExpectPoints(Load(fixtures + "F_5.fcsv"), 1);
  ExpectPoints(Load(fixtures + "F_4.fcsv"), 1);
}

TEST(SlicerMarkups, EverySpellingOfTheCoordinateSystem)
{
  const TemporaryFolder folder;
  const auto            path = (folder / "F.fcsv").string();
  const std::string     point = "\r\n0,1,2,3,0,0,0,1,1,1,0,F-1,,\r\n";
  const auto            twice = [](const std::vector<double> & index) {
    return std::vector<double>{ 2.0 * index[0], 2.0 * index[1], 2.0 * index[2] };
  };
  for (const auto & [word, expected] :
       std::vector<std::pair<std::string, std::vector<double>>>{ { "# CoordinateSystem = RAS", { -1.0, -2.0, 3.0 } },
                                                                 { "# CoordinateSystem = 0", { -1.0, -2.0, 3.0 } },
                                                                 { "# CoordinateSystem = LPS", { 1.0, 2.0, 3.0 } },
                                                                 { "# CoordinateSystem = 1", { 1.0, 2.0, 3.0 } },
                                                                 { "# CoordinateSystem = IJK", { 2.0, 4.0, 6.0 } },
                                                                 { "# CoordinateSystem = 2", { 2.0, 4.0, 6.0 } },
                                                                 { "# nothing", { -1.0, -2.0, 3.0 } } })
  {
    WriteText(path, word + point);
    sam::PromptList list;
    list.AddFile(path, 3, { 9, 9, 9 }, twice);
    ASSERT_EQ(list.points.size(), 1u);
    EXPECT_EQ(list.points[0].position, expected) << word;
  }
  // Columns in another order.
  WriteText(path, "# CoordinateSystem = LPS\n# columns = label,x,y,z\nbackground,4,5,6\n");
  const auto list = Load(path);
  EXPECT_EQ(list.points[0].position, (std::vector<double>{ 4.0, 5.0, 6.0 }));
  EXPECT_FALSE(list.points[0].isForeground);
}

TEST(SlicerMarkups, BoxesOfRois)
{
  const auto list = Load(fixtures + "R.mrk.json");
  EXPECT_TRUE(list.points.empty());
  ASSERT_EQ(list.boxes.size(), 2u);
  EXPECT_EQ(list.boxes[0].corner, (std::vector<double>{ 0.0, -40.0, 27.0 }));
  EXPECT_EQ(list.boxes[0].oppositeCorner, (std::vector<double>{ 20.0, 0.0, 33.0 }));
  EXPECT_EQ(list.boxes[0].object, 1u);
  // Half sides 5 and 10 along (0.6, 0.8) and (-0.8, 0.6): 0.6 * 5 + 0.8 * 10 = 11, 0.8 * 5 + 0.6 * 10 = 10.
  const std::vector<double> low{ 10.0 - 11.0, -20.0 - 10.0, 27.0 };
  const std::vector<double> high{ 10.0 + 11.0, -20.0 + 10.0, 33.0 };
  for (size_t d = 0; d < 3; ++d)
  {
    EXPECT_NEAR(list.boxes[1].corner[d], low[d], 1e-9);
    EXPECT_NEAR(list.boxes[1].oppositeCorner[d], high[d], 1e-9);
  }
  EXPECT_EQ(list.boxes[1].object, 4u);
  ASSERT_EQ(list.notices.size(), 3u);
  EXPECT_NE(list.notices[0].find("ROI is turned"), std::string::npos);
  EXPECT_NE(list.notices[1].find("'ROI' is hidden"), std::string::npos);
  EXPECT_NE(list.notices[2].find("type 'Line' is left out"), std::string::npos);
}

TEST(SlicerMarkups, WhatCannotBeUsedIsNamed)
{
  const TemporaryFolder folder;
  const auto            change = [&](const std::string & from, const std::string & to) {
    auto       text = ReadText(fixtures + "F.mrk.json");
    const auto place = text.find(from);
    EXPECT_NE(place, std::string::npos);
    WriteText(folder / "changed.mrk.json", text.replace(place, from.size(), to));
    return MessageOf((folder / "changed.mrk.json").string());
  };
  const auto expect = [](const std::string & message, const std::string & words) {
    EXPECT_NE(message.find(words), std::string::npos) << message;
  };
  expect(change("\"LPS\"", "\"XYZ\""), "changed.mrk.json: the coordinate system 'XYZ', expected RAS (0)");
  expect(change("\"mm\"", "\"um\""), "coordinates in \"um\", expected mm");
  expect(change("12.5,", "\"a\","), "is not as 3D Slicer writes markups");
  expect(change("\"description\": \"7\"", "\"description\": \"700\""), "the object 700 in the description");
  expect(change("\"Fiducial\"", "\"Curve\""), "no point and no box");
  WriteText(folder / "F.fcsv", "# CoordinateSystem = LPS\n0,1,2\n");
  expect(MessageOf((folder / "F.fcsv").string()), "F.fcsv: line 2");
  WriteText(folder / "F.fcsv", "# CoordinateSystem = LPS\n0,1,2,3,0,0,0,1,1,1,0,\"F\n");
  expect(MessageOf((folder / "F.fcsv").string()), "F.fcsv: the field in quotes of line 2 does not end");
  WriteText(folder / "F.fcsv", "# CoordinateSystem = XYZ\n");
  expect(MessageOf((folder / "F.fcsv").string()), "the coordinate system 'XYZ'");
}

TEST(PromptFiles, NothingOfAFileIsPassedOver)
{
  const TemporaryFolder folder;
  const auto            path = (folder / "prompts.json").string();
  const auto            expect = [&path](const std::string & text, const std::string & words) {
    WriteText(path, text);
    EXPECT_EQ(MessageOf(path), path + ": " + words);
  };
  for (const std::string key : { "coordinates", "units" })
  {
    expect(R"({")" + key + R"(": "RAS", "objects": [{"points": [[1, 2, 3]]}]})",
           "unknown key '" + key + "', expected objects alone, with coordinates in mm (LPS)");
  }
  for (const std::string label : { "1.7", "-1", "0", "\"1\"", "true", "4294967296" })
  {
    expect(R"({"objects": [{"label": )" + label + R"(, "points": [[1, 2, 3]]}]})",
           "label: " + label + ", expected a whole number from 1 on");
  }
  for (const std::string label : { "7", "7.0" })
  {
    WriteText(path, R"({"objects": [{"label": )" + label + R"(, "points": [[1, 2, 3]]}]})");
    EXPECT_EQ(Load(path).points.at(0).object, 7u);
  }
}
