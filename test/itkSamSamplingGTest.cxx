// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamSampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

namespace
{
constexpr itk::SizeValueType labels = 3;

/** Smooth probabilities of a box, so that neighboring voxels get different labels. */
std::vector<float>
MakeProbabilities(const itk::SamIndexBox & box, itk::SizeValueType first, itk::SizeValueType end)
{
  std::vector<float> values;
  for (itk::SizeValueType z = first; z < end; ++z)
  {
    for (itk::SizeValueType y = 0; y < box.size[1]; ++y)
    {
      for (itk::SizeValueType x = 0; x < box.size[0]; ++x)
      {
        for (itk::SizeValueType k = 0; k < labels; ++k)
        {
          values.push_back(static_cast<float>(std::sin(0.7 * x + 1.3 * y + 2.1 * z + 2.0 * k)));
        }
      }
    }
  }
  return values;
}

struct Answer
{
  int   number;
  float probability;
  bool
  operator==(const Answer & other) const
  {
    return number == other.number && probability == other.probability;
  }
};

/** The labels of all voxels that get one, and how often each was answered. */
void
Collect(const itk::SamLabelSampler &                             sampler,
        std::map<std::array<itk::IndexValueType, 3>, Answer> &   answers,
        std::map<std::array<itk::IndexValueType, 3>, unsigned> & counts)
{
  const itk::SamIndexBox box = sampler.GetCoveredImageBox();
  for (itk::SizeValueType z = 0; z < box.size[2]; ++z)
  {
    for (itk::SizeValueType y = 0; y < box.size[1]; ++y)
    {
      std::array<itk::IndexValueType, 3>        index{ { box.start[0],
                                                         box.start[1] + static_cast<itk::IndexValueType>(y),
                                                         box.start[2] + static_cast<itk::IndexValueType>(z) } };
      std::vector<itk::SamLabelSampler::Choice> line(box.size[0]);
      sampler.ChooseLine(index, line);
      for (const auto & choice : line)
      {
        if (choice.number >= 0)
        {
          answers[index] = { choice.number, choice.probability };
          ++counts[index];
        }
        ++index[0];
      }
    }
  }
}

itk::SamGrid
MakeImage(double angle, bool isPermuted)
{
  itk::SamGrid grid;
  grid.box.start = { { -3, 2, 5 } };
  grid.box.size = { { 14, 17, 19 } };
  grid.spacing = { { 0.9, 1.1, 0.8 } };
  grid.origin = { { 4.0, -7.0, 11.0 } };
  const double c = std::cos(angle);
  const double s = std::sin(angle);
  grid.direction = { { { { c, 0.0, s } }, { { 0.0, 1.0, 0.0 } }, { { -s, 0.0, c } } } };
  if (isPermuted)
  {
    // The first axis of the image runs against z.
    grid.direction = { { { { 0.0, 1.0, 0.0 } }, { { 0.0, 0.0, 1.0 } }, { { -1.0, 0.0, 0.0 } } } };
  }
  return grid;
}
} // namespace

TEST(SamLabelSampler, SlicesInPartsGiveTheLabelsOfAllAtOnce)
{
  for (const bool isPermuted : { false, true })
  {
    for (const double angle : { 0.0, 0.4 })
    {
      for (const bool isWhole : { true, false })
      {
        const itk::SamGrid    image = MakeImage(angle, isPermuted);
        const itk::SamLattice lattice(image, "LPS", { { 1.0, 1.0, 1.0 } });
        itk::SamIndexBox      box = lattice.GetGrid().box;
        if (!isWhole)
        {
          box.start = { { 2, 3, 4 } };
          box.size = { { 7, 6, 9 } };
        }
        itk::SamLabelSampler                                   whole(lattice, box, box, labels);
        std::map<std::array<itk::IndexValueType, 3>, Answer>   expected;
        std::map<std::array<itk::IndexValueType, 3>, Answer>   found;
        std::map<std::array<itk::IndexValueType, 3>, unsigned> once;
        std::map<std::array<itk::IndexValueType, 3>, unsigned> counts;
        whole.Append(box.size[2], MakeProbabilities(box, 0, box.size[2]));
        Collect(whole, expected, once);

        itk::SamLabelSampler parts(lattice, box, box, labels);
        for (itk::SizeValueType first = 0, length = 1; first < box.size[2]; first += length, length = 1 + length % 4)
        {
          const auto count = std::min(length, box.size[2] - first);
          parts.Append(count, MakeProbabilities(box, first, first + count));
          Collect(parts, found, counts);
        }
        EXPECT_GT(expected.size(), 100u);
        if (isWhole)
        {
          EXPECT_EQ(expected.size(), 14u * 17u * 19u) << "every voxel of the image has a label";
        }
        EXPECT_TRUE(found == expected) << "permuted " << isPermuted << ", angle " << angle << ", whole " << isWhole;
        for (const auto & [index, count] : counts)
        {
          ASSERT_EQ(count, 1u) << "voxel " << index[0] << ' ' << index[1] << ' ' << index[2];
        }
      }
    }
  }
}

TEST(SamVerifyComponents, NamesTheChannels)
{
  const std::vector<itk::SamChannel> channels{ { "T1" }, { "T2" } };
  EXPECT_NO_THROW(itk::SamVerifyComponents(channels, 2));
  EXPECT_NO_THROW(itk::SamVerifyComponents({}, 5));
  EXPECT_THROW(itk::SamVerifyComponents(channels, 1), itk::ExceptionObject);
  try
  {
    itk::SamVerifyComponents(channels, 1);
  }
  catch (const itk::ExceptionObject & error)
  {
    EXPECT_STREQ(error.GetDescription(), "the image has 1 channel, expected 2 (T1, T2)");
  }
}
