// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samPrototypeUse.h"

#include "itkSamTestModel.h"

#include <gtest/gtest.h>

#include <cmath>

TEST(samPrototypeUse, AllAlike)
{
  sam::PrototypeUse use;
  for (int slice = 0; slice < 3; ++slice)
  {
    use.Add({ 0.25f, 0.25f, 0.25f, 0.25f });
  }
  EXPECT_EQ(use.GetNumberOfSlices(), 3u);
  EXPECT_EQ(use.GetNumberOfPrototypes(), 4u);
  EXPECT_NEAR(use.GetEntropy(), std::log(4.0), 1e-12);
  EXPECT_NEAR(use.GetInformation(), 0.0, 1e-12);
  EXPECT_EQ(use.GetNumberOfDead(), 0u);
}

TEST(samPrototypeUse, EachSliceItsOwn)
{
  sam::PrototypeUse use;
  use.Add({ 1.0f, 0.0f, 0.0f, 0.0f });
  use.Add({ 0.0f, 0.0f, 1.0f, 0.0f });
  EXPECT_NEAR(use.GetEntropy(), std::log(2.0), 1e-12);
  EXPECT_NEAR(use.GetInformation(), std::log(2.0), 1e-12);
  EXPECT_EQ(use.GetNumberOfDead(), 2u);
  const auto text = use.Describe();
  EXPECT_NE(text.find("as many as 2.0 of 4 prototypes"), std::string::npos) << text;
  EXPECT_NE(text.find("2 dead"), std::string::npos) << text;
}

TEST(samPrototypeUse, OtherModelsHaveNone)
{
  EXPECT_THROW(sam::MeasurePrototypeUse(itk::MakeSamTestModel(), {}), sam::Error);
}
