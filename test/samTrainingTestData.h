// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTrainingTestData_h
#define samTrainingTestData_h

#include "samTinyPlan.h"

#include "itkImageFileWriter.h"
#include "itkImageRegionIteratorWithIndex.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace sam::test
{
/** \class TrainingTestData
 * \brief A folder with data/, volumes with a bright ball (label 1) and a dark one (label 2) at places that differ, and
 * plan.json, a tiny network for them.
 */
class TrainingTestData
{
public:
  using ImageType = itk::Image<float, 3>;
  using LabelType = itk::Image<unsigned char, 3>;

  explicit TrainingTestData(int cases = 12)
  {
    const auto * info = testing::UnitTest::GetInstance()->current_test_info();
    folder = std::filesystem::path(testing::TempDir()) /
             (std::string("training_") + info->test_suite_name() + "_" + info->name());
    std::filesystem::remove_all(folder);
    std::filesystem::create_directories(folder / "data" / "imagesTr");
    std::filesystem::create_directories(folder / "data" / "labelsTr");
    for (int k = 0; k < cases; ++k)
    {
      WriteCase(k);
    }
    WriteDescription(cases);
    std::ofstream(folder / "plan.json") << MakeTinyPlan().ToJson();
  }

  static std::string
  FileName(int k)
  {
    return "ball_" + std::to_string(100 + k) + ".nii.gz";
  }

  std::filesystem::path
  ImageFile(int k) const
  {
    return folder / "data" / "imagesTr" / FileName(k);
  }

  std::filesystem::path
  LabelFile(int k) const
  {
    return folder / "data" / "labelsTr" / FileName(k);
  }

  void
  WriteDescription(int                 cases,
                   const std::string & channels = R"({"0": "MR"})",
                   const std::string & labels = R"({"background": 0, "first": 1, "second": 2})") const
  {
    std::string training;
    for (int k = 0; k < cases; ++k)
    {
      training += std::string(k > 0 ? "," : "") + R"({"image": "imagesTr/)" + FileName(k) +
                  R"(", "label": "labelsTr/)" + FileName(k) + R"("})";
    }
    std::ofstream(folder / "data" / "dataset.json")
      << R"({"name": "balls", "licence": "none", "channel_names": )" << channels
      << R"(, "file_ending": ".nii.gz", "labels": )" << labels << R"(, "training": [)" << training << "]}";
  }

  /** \a scale of the label values: 1 writes 1 and 2. */
  void
  WriteCase(int k, unsigned char scale = 1, double labelOrigin = 0.0) const
  {
    const ImageType::SizeType size{ { 16, 16, 6 } };
    const auto                image = ImageType::New();
    const auto                labels = LabelType::New();
    image->SetRegions(size);
    labels->SetRegions(size);
    image->Allocate();
    labels->Allocate();
    LabelType::PointType origin;
    origin.Fill(0.0);
    origin[0] = labelOrigin;
    labels->SetOrigin(origin);
    itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetLargestPossibleRegion());
    for (; !it.IsAtEnd(); ++it)
    {
      const auto   index = it.GetIndex();
      const auto   distance = [&index](double x, double y) { return std::hypot(index[0] - x, index[1] - y); };
      const int    label = distance(4 + k % 3, 5 + k % 4) < 3.0 ? 1 : distance(11, 9 + k % 3) < 3.0 ? 2 : 0;
      const double noise = ((index[0] * 7 + index[1] * 13 + index[2] * 5 + k) % 10) / 10.0;
      it.Set(static_cast<float>(100.0 + 50.0 * (label == 1) - 50.0 * (label == 2) + noise));
      labels->SetPixel(index, static_cast<unsigned char>(scale * label));
    }
    itk::WriteImage(image.GetPointer(), ImageFile(k).string());
    itk::WriteImage(labels.GetPointer(), LabelFile(k).string());
  }

  std::filesystem::path folder;
};

inline std::string
ReadFile(const std::filesystem::path & path)
{
  std::ifstream      stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}
} // namespace sam::test

#endif
