// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samImagePrototypeUse.h"

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

TEST(samPrototypeUse, CollapsesWhereSlicesAreMixedAlike)
{
  sam::PrototypeUse use;
  for (int slice = 0; slice < 4; ++slice)
  {
    use.Add({ 0.25f, 0.25f, 0.25f, 0.25f });
  }
  EXPECT_FALSE(use.IsCollapsed()) << "too few to say so";
  use.Add({ 0.3f, 0.2f, 0.25f, 0.25f });
  EXPECT_LT(use.GetInformation(), 0.02);
  EXPECT_TRUE(use.IsCollapsed());

  // Two of four dead are not too many, three are.
  for (const auto & [used, isCollapsed] : { std::pair{ 2u, false }, std::pair{ 1u, true } })
  {
    sam::PrototypeUse few;
    for (unsigned int slice = 0; slice < 6; ++slice)
    {
      std::vector<float> shares(4, 0.0f);
      shares[slice % used] = 1.0f;
      few.Add(shares);
    }
    EXPECT_EQ(few.GetNumberOfDead(), 4u - used);
    EXPECT_EQ(few.IsCollapsed(), isCollapsed);
  }

  // Of fewer slices than prototypes most must be idle.
  sam::PrototypeUse many;
  for (size_t slice = 0; slice < 6; ++slice)
  {
    std::vector<float> shares(64, 0.0f);
    shares[slice] = 1.0f;
    many.Add(shares);
  }
  EXPECT_EQ(many.GetNumberOfDead(), 58u);
  EXPECT_FALSE(many.IsCollapsed());
}

TEST(samPrototypeUse, ProcessesAddUp)
{
  sam::PrototypeUse first;
  sam::PrototypeUse second;
  sam::PrototypeUse both;
  for (int slice = 0; slice < 5; ++slice)
  {
    const float              share = 0.1f * static_cast<float>(slice);
    const std::vector<float> shares{ share, 1.0f - share };
    (slice < 2 ? first : second).Add(shares);
    both.Add(shares);
  }
  auto       totals = first.GetTotals();
  const auto others = second.GetTotals();
  for (size_t k = 0; k < totals.size(); ++k)
  {
    totals[k] += others[k];
  }
  const auto sum = sam::PrototypeUse::FromTotals(totals);
  EXPECT_EQ(sum.GetNumberOfSlices(), 5u);
  EXPECT_NEAR(sum.GetEntropy(), both.GetEntropy(), 1e-12);
  EXPECT_NEAR(sum.GetInformation(), both.GetInformation(), 1e-12);
}

TEST(samPrototypeUse, OtherModelsHaveNone)
{
  EXPECT_THROW(sam::MeasurePrototypeUse(itk::MakeSamTestModel(), {}), sam::Error);
}
