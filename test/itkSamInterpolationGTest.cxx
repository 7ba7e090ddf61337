// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamResampleImageFilter.h"

#include "itkSamTestImage.h"
#include "itkSamTestModel.h"
#include "samTestMessage.h"

#include "itkExtractImageFilter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <string>

namespace
{
using sam::test::MessageOf;
using ImageType = itk::Image<float, 3>;
using FilterType = itk::SamResampleImageFilter<ImageType>;
using OutputType = FilterType::OutputImageType;
using SpacingType = FilterType::SpacingType;

const std::vector<std::string> words{ "linear", "nearest", "cubic", "nnunet" };

template <typename TImage>
typename itk::SamResampleImageFilter<TImage>::Pointer
MakeFilter(const TImage * image, const std::string & interpolation, const SpacingType & spacing)
{
  auto filter = itk::SamResampleImageFilter<TImage>::New();
  filter->SetInput(image);
  filter->SetInterpolation(interpolation);
  filter->SetOutputSpacing(spacing);
  return filter;
}

OutputType::Pointer
Resample(const ImageType * image, const std::string & interpolation, const SpacingType & spacing)
{
  const auto filter = MakeFilter(image, interpolation, spacing);
  filter->Update();
  return filter->GetOutput();
}

/** Values without any order, each a whole number of its own. */
void
Shuffle(ImageType * image)
{
  const auto         count = image->GetBufferedRegion().GetNumberOfPixels();
  std::vector<float> values(count);
  for (size_t k = 0; k < count; ++k)
  {
    values[k] = static_cast<float>(k);
  }
  std::shuffle(values.begin(), values.end(), std::mt19937(7));
  std::copy(values.begin(), values.end(), image->GetBufferPointer());
}

ImageType::Pointer
MakeOblique(const ImageType::SizeType & size, double thickness)
{
  ImageType::SpacingType spacing;
  spacing[0] = 0.8;
  spacing[1] = 0.7;
  spacing[2] = thickness;
  ImageType::PointType origin;
  origin.Fill(-3.0);
  return itk::MakeSamTestImage<ImageType>({ { -5, 6, 3 } }, size, spacing, origin, itk::ObliqueSamDirection());
}

/** Slices of 5 mm. */
ImageType::Pointer
MakeThick(const ImageType::SizeType & size)
{
  const auto             image = itk::MakeSamTestVolume<ImageType>(size);
  ImageType::SpacingType spacing = image->GetSpacing();
  spacing[2] = 5.0;
  image->SetSpacing(spacing);
  Shuffle(image);
  return image;
}

bool
HaveSameBits(const OutputType * one, const OutputType * other)
{
  return one->GetBufferedRegion() == other->GetBufferedRegion() &&
         std::memcmp(one->GetBufferPointer(),
                     other->GetBufferPointer(),
                     one->GetBufferedRegion().GetNumberOfPixels() * one->GetNumberOfComponentsPerPixel() *
                       sizeof(float)) == 0;
}
} // namespace

TEST(SamInterpolation, NearestTakesTheNearestVoxel)
{
  for (const auto & image : { itk::MakeSamTestVolume<ImageType>(), MakeOblique({ { 15, 12, 9 } }, 1.1) })
  {
    Shuffle(image);
    for (const SpacingType & spacing : { SpacingType{ { 0.61, 0.83, 1.37 } }, SpacingType{ { 2.3, 2.9, 3.1 } } })
    {
      const auto output = Resample(image, "nearest", spacing);
      const auto region = image->GetLargestPossibleRegion();
      size_t     ties = 0;
      for (itk::ImageRegionIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
      {
        ImageType::PointType            point;
        itk::ContinuousIndex<double, 3> place;
        ImageType::IndexType            nearest;
        bool                            isTie = false;
        output->TransformIndexToPhysicalPoint(it.GetIndex(), point);
        image->TransformPhysicalPointToContinuousIndex(point, place);
        for (unsigned int i = 0; i < 3; ++i)
        {
          const auto first = static_cast<double>(region.GetIndex(i));
          const auto last = first + static_cast<double>(region.GetSize(i)) - 1.0;
          const auto clamped = std::min(std::max(place[i], first), last);
          isTie = isTie || std::abs(clamped - std::floor(clamped) - 0.5) < 1e-6;
          nearest[i] = static_cast<itk::IndexValueType>(std::round(clamped));
        }
        ASSERT_TRUE(isTie || it.Get()[0] == image->GetPixel(nearest)) << it.GetIndex();
        ties += isTie ? 1 : 0;
      }
      EXPECT_LT(4 * ties, output->GetBufferedRegion().GetNumberOfPixels());
    }
  }
}

TEST(SamInterpolation, ConstantsStayConstants)
{
  for (const auto & image :
       { itk::MakeSamTestVolume<ImageType>(), MakeThick({ { 7, 9, 6 } }), MakeOblique({ { 12, 1, 9 } }, 4.0) })
  {
    image->FillBuffer(0.1f);
    ImageType::PointType corner;
    image->TransformIndexToPhysicalPoint(image->GetLargestPossibleRegion().GetIndex(), corner);
    FilterType::VectorType size;
    size.Fill(9.0);
    for (const auto & word : words)
    {
      for (const double spacing : { 0.37, 2.9 })
      {
        const auto filter = MakeFilter(image.GetPointer(), word, { { spacing, spacing, spacing } });
        filter->Update();
        const auto check = [&] {
          const auto * output = filter->GetOutput();
          for (size_t k = 0; k < output->GetBufferedRegion().GetNumberOfPixels(); ++k)
          {
            // The sum of the weights is one but for rounding in double.
            ASSERT_EQ(output->GetBufferPointer()[k], 0.1f) << word;
          }
        };
        check();
        filter->SetRegionOfInterest(corner, size); // half outside of the image
        filter->Update();
        check();
      }
    }
  }
}

TEST(SamInterpolation, SplinesReproduceCubicPolynomials)
{
  constexpr double reach = 17.0; // voxels at the border whose repetition is seen
  using RealImageType = itk::Image<double, 3>;
  const auto polynomial = [](const itk::Point<double, 3> & p) {
    const double x = 0.1 * p[0];
    const double y = 0.1 * p[1];
    const double z = 0.1 * p[2];
    return 3.0 + x * y * z - 2.0 * x * x * x + y * y * y - z * z * z + 0.5 * x * x * y + 4.0 * z * z;
  };
  RealImageType::SpacingType spacing;
  spacing[0] = 0.9;
  spacing[1] = 1.1;
  spacing[2] = 1.3;
  const auto straight = RealImageType::DirectionType::GetIdentity();
  for (const auto & direction : { straight, itk::ObliqueSamDirection() })
  {
    RealImageType::PointType origin;
    origin.Fill(-20.0);
    const auto image =
      itk::MakeSamTestImage<RealImageType>({ { 4, -3, 2 } }, { { 42, 41, 40 } }, spacing, origin, direction);
    double most = 0.0;
    for (itk::ImageRegionIteratorWithIndex<RealImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      RealImageType::PointType point;
      image->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      it.Set(polynomial(point));
      most = std::max(most, std::abs(it.Get()));
    }
    for (const std::string word : { "cubic", "nnunet" })
    {
      const auto filter = MakeFilter(image.GetPointer(), word, { { 0.7, 1.3, 0.9 } });
      filter->Update();
      const auto * output = filter->GetOutput();
      size_t       seen = 0;
      for (itk::ImageRegionConstIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd();
           ++it)
      {
        RealImageType::PointType        point;
        itk::ContinuousIndex<double, 3> place;
        output->TransformIndexToPhysicalPoint(it.GetIndex(), point);
        image->TransformPhysicalPointToContinuousIndex(point, place);
        bool isInterior = true;
        for (unsigned int i = 0; i < 3; ++i)
        {
          const double along = place[i] - static_cast<double>(image->GetLargestPossibleRegion().GetIndex(i));
          const auto   last = static_cast<double>(image->GetLargestPossibleRegion().GetSize(i)) - 1.0;
          isInterior = isInterior && along >= reach && along <= last - reach;
        }
        if (isInterior)
        {
          ++seen;
          ASSERT_NEAR(it.Get()[0], polynomial(point), 2e-7 * most) << word;
        }
      }
      EXPECT_GT(seen, 200u);
    }
  }
}

TEST(SamInterpolation, VoxelsThatCoincideAreUnchanged)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  const auto thick = MakeThick({ { 11, 12, 6 } });
  Shuffle(image);
  for (const auto & word : words)
  {
    for (const auto & one : { image, thick })
    {
      const auto output = Resample(one, word, { { 0.0, 0.0, 0.0 } });
      EXPECT_EQ(std::memcmp(output->GetBufferPointer(),
                            one->GetBufferPointer(),
                            one->GetBufferedRegion().GetNumberOfPixels() * sizeof(float)),
                0);
      // A third of the spacing: every third voxel.
      const auto & own = one->GetSpacing();
      const auto   fine = Resample(one, word, { { own[0] / 3.0, own[1] / 3.0, own[2] } });
      for (itk::ImageRegionIteratorWithIndex<ImageType> it(one, one->GetBufferedRegion()); !it.IsAtEnd(); ++it)
      {
        const auto place = it.GetIndex() - one->GetLargestPossibleRegion().GetIndex();
        ASSERT_EQ(fine->GetPixel({ { 3 * place[0] + 1, 3 * place[1] + 1, place[2] } })[0], it.Get());
      }
    }
  }
}

TEST(SamInterpolation, SplinesStayWithinTheRange)
{
  const auto             image = itk::MakeSamTestVolume<ImageType>({ { 30, 20, 6 } });
  ImageType::SpacingType spacing;
  spacing[0] = spacing[1] = 1.0;
  spacing[2] = 4.0;
  image->SetSpacing(spacing);
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    // An edge, larger from slice to slice.
    it.Set(it.GetIndex()[0] < 19 ? 0.0f : static_cast<float>(it.GetIndex()[2]));
  }
  for (const std::string word : { "cubic", "nnunet" })
  {
    const auto       output = Resample(image, word, { { 0.4, 1.0, 2.0 } });
    std::set<double> atLimit;
    for (itk::ImageRegionIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      // The slice that is nearest has this index, two slices of the output for one.
      const double upper = word == "cubic" ? 7.0 : 2.0 + static_cast<double>(it.GetIndex()[2] / 2);
      ASSERT_GE(it.Get()[0], 0.0f);
      ASSERT_LE(it.Get()[0], upper);
      if (it.Get()[0] == upper)
      {
        atLimit.insert(upper);
      }
    }
    // The spline swings over the edge of the slices with the range's limit.
    EXPECT_EQ(atLimit.size(), word == "cubic" ? 1u : 6u);
  }
}

TEST(SamInterpolation, ObliqueSplinesStayWithinTheRange)
{
  const auto image = MakeOblique({ { 40, 30, 6 } }, 4.0);
  for (itk::ImageRegionIteratorWithIndex<ImageType> it(image, image->GetBufferedRegion()); !it.IsAtEnd(); ++it)
  {
    it.Set(it.GetIndex()[0] < 15 ? 0.0f : static_cast<float>(it.GetIndex()[2]));
  }
  for (const std::string word : { "cubic", "nnunet" })
  {
    const auto output = Resample(image, word, { { 0.6, 0.6, 1.5 } });
    size_t     atLimit = 0;
    for (itk::ImageRegionIteratorWithIndex<OutputType> it(output, output->GetBufferedRegion()); !it.IsAtEnd(); ++it)
    {
      ImageType::PointType            point;
      itk::ContinuousIndex<double, 3> place;
      output->TransformIndexToPhysicalPoint(it.GetIndex(), point);
      image->TransformPhysicalPointToContinuousIndex(point, place);
      const double nearest = std::min(std::max(std::round(place[2]), 3.0), 8.0);
      const double upper = word == "cubic" ? 8.0 : nearest;
      ASSERT_GE(it.Get()[0], 0.0f);
      ASSERT_LE(it.Get()[0], upper) << word;
      atLimit += it.Get()[0] == upper ? 1 : 0;
    }
    EXPECT_GT(atLimit, 100u) << word;
  }
}

TEST(SamInterpolation, CoarseSlicesAreTakenOneByOne)
{
  using FlatType = itk::Image<float, 2>;
  const auto image = MakeThick({ { 21, 18, 5 } });
  const auto order = itk::AllSamAxisOrders()[20];
  for (const double thickness : { 2.5, 5.0, 8.0 })
  {
    const SpacingType spacing{ { 0.65, 1.9, thickness } };
    const auto        output = Resample(image, "nnunet", spacing);
    EXPECT_TRUE(HaveSameBits(output, Resample(itk::StoreInOrder(image.GetPointer(), order), "nnunet", spacing)));
    for (itk::SizeValueType z = 0; z < output->GetLargestPossibleRegion().GetSize(2); ++z)
    {
      ImageType::PointType point;
      output->TransformIndexToPhysicalPoint({ { 0, 0, static_cast<itk::IndexValueType>(z) } }, point);
      const auto place = (point[2] - image->GetOrigin()[2]) / 5.0;
      const auto nearest = static_cast<itk::IndexValueType>(std::floor(place + 0.5 + 1e-9));
      const auto extract = itk::ExtractImageFilter<ImageType, FlatType>::New();
      auto       region = image->GetLargestPossibleRegion();
      region.SetIndex(2, std::min<itk::IndexValueType>(std::max<itk::IndexValueType>(nearest, 2), 6));
      region.SetSize(2, 0);
      extract->SetInput(image);
      extract->SetExtractionRegion(region);
      extract->SetDirectionCollapseToSubmatrix();
      extract->Update();
      const auto filter = MakeFilter(extract->GetOutput(), "nnunet", spacing);
      filter->Update();
      const size_t area = filter->GetOutput()->GetBufferedRegion().GetNumberOfPixels();
      ASSERT_EQ(area, output->GetBufferedRegion().GetNumberOfPixels() / output->GetBufferedRegion().GetSize(2));
      EXPECT_EQ(std::memcmp(
                  filter->GetOutput()->GetBufferPointer(), output->GetBufferPointer() + z * area, area * sizeof(float)),
                0);
    }
  }
  // The cubic of those who expect one looks at the slices above and below.
  const SpacingType spacing{ { 0.65, 1.9, 2.5 } };
  EXPECT_FALSE(HaveSameBits(Resample(image, "cubic", spacing), Resample(image, "nnunet", spacing)));
}

TEST(SamInterpolation, MeansAreTakenByThoseThatSmooth)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 30, 24, 10 } });
  Shuffle(image);
  const SpacingType coarse{ { 2.7, 3.3, 5.9 } };
  const auto        linear = Resample(image, "linear", coarse);
  const auto        cubic = Resample(image, "cubic", coarse);
  const auto        nnunet = Resample(image, "nnunet", coarse);
  double            spread = 0.0;
  for (size_t k = 0; k < linear->GetBufferedRegion().GetNumberOfPixels(); ++k)
  {
    EXPECT_NEAR(cubic->GetBufferPointer()[k], linear->GetBufferPointer()[k], 1e-2);
    spread = std::max<double>(spread, std::abs(nnunet->GetBufferPointer()[k] - linear->GetBufferPointer()[k]));
  }
  EXPECT_GT(spread, 1000.0);
}

TEST(SamInterpolation, EveryStoredOrderGivesTheSameBits)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 13, 11, 7 } });
  const auto thick = MakeThick({ { 13, 11, 7 } });
  Shuffle(image);
  for (const auto & word : words)
  {
    for (const auto & one : { image, thick })
    {
      // Among them places halfway between two voxels.
      for (const SpacingType & spacing : { SpacingType{ { 0.45, 2.2, 1.0 } }, SpacingType{ { 0.7, 0.0, 2.3 } } })
      {
        const auto expected = Resample(one, word, spacing);
        for (const auto & order : itk::AllSamAxisOrders())
        {
          const auto stored = itk::StoreInOrder(one.GetPointer(), order);
          ASSERT_TRUE(HaveSameBits(Resample(stored, word, spacing), expected)) << word;
        }
      }
    }
  }
}

TEST(SamInterpolation, ComponentsAreInterpolatedByThemselves)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 13, 11, 7 } });
  Shuffle(image);
  auto both = itk::VectorImage<float, 3>::New();
  both->CopyInformation(image);
  both->SetRegions(image->GetLargestPossibleRegion());
  both->SetNumberOfComponentsPerPixel(2);
  both->Allocate();
  const auto other = itk::MakeSamTestVolume<ImageType>({ { 13, 11, 7 } });
  for (size_t k = 0; k < image->GetBufferedRegion().GetNumberOfPixels(); ++k)
  {
    both->GetBufferPointer()[2 * k] = image->GetBufferPointer()[k];
    both->GetBufferPointer()[2 * k + 1] = other->GetBufferPointer()[k];
  }
  const SpacingType spacing{ { 0.7, 0.9, 2.3 } };
  for (const auto & word : words)
  {
    const auto filter = MakeFilter(both.GetPointer(), word, spacing);
    filter->Update();
    const auto * found = filter->GetOutput()->GetBufferPointer();
    const auto   first = Resample(image, word, spacing);
    const auto   second = Resample(other, word, spacing);
    for (size_t k = 0; k < first->GetBufferedRegion().GetNumberOfPixels(); ++k)
    {
      ASSERT_EQ(found[2 * k], first->GetBufferPointer()[k]) << word;
      ASSERT_EQ(found[2 * k + 1], second->GetBufferPointer()[k]) << word;
    }
  }
}

TEST(SamInterpolation, AnyRegionHasTheBitsOfTheWhole)
{
  itk::SamChannel clip{ "CT", "clip" };
  clip.upper = 900.0;
  clip.mean = 300.0;
  clip.deviation = 200.0;
  // Wider than the kernel, thick, and turned.
  const auto wide = itk::MakeSamTestVolume<ImageType>({ { 61, 13, 40 } });
  Shuffle(wide);
  for (const auto & image : { wide, MakeThick({ { 45, 9, 7 } }), MakeOblique({ { 40, 21, 9 } }, 2.9) })
  {
    for (const auto & word : words)
    {
      for (const FilterType::ChannelsType & channels :
           { FilterType::ChannelsType{}, FilterType::ChannelsType{ clip }, { { "MR", "z_score" } } })
      {
        const auto source = itk::SamTestSource<ImageType>::New();
        source->image = image;
        const SpacingType spacing{ { 0.7, 2.0, 1.9 } };
        const auto        all = MakeFilter(image.GetPointer(), word, spacing);
        all->SetChannels(channels);
        all->Update();
        const auto filter = MakeFilter<ImageType>(source->GetOutput(), word, spacing);
        filter->SetChannels(channels);
        filter->UpdateOutputInformation();
        const auto whole = filter->GetOutput()->GetLargestPossibleRegion();
        // What the first one measures leaves the whole image at hand, the others ask for what they need.
        for (const double place : { 0.4, 0.0, 0.4, 0.8 })
        {
          source->GetOutput()->ReleaseData();
          auto region = whole;
          for (unsigned int i = 0; i < 3; ++i)
          {
            region.SetIndex(i, static_cast<itk::IndexValueType>(place * static_cast<double>(whole.GetSize(i))));
            region.SetSize(i, 1 + whole.GetSize(i) / 8);
          }
          filter->GetOutput()->SetRequestedRegion(region);
          filter->Update();
          ASSERT_EQ(filter->GetOutput()->GetBufferedRegion(), region);
          for (itk::ImageRegionConstIteratorWithIndex<OutputType> it(filter->GetOutput(), region); !it.IsAtEnd(); ++it)
          {
            ASSERT_EQ(it.Get()[0], all->GetOutput()->GetPixel(it.GetIndex())[0]) << word << it.GetIndex();
          }
        }
      }
    }
  }
}

TEST(SamInterpolation, RequestsWhatTheKernelNeeds)
{
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 100, 20, 7 } });
  for (const auto & word : words)
  {
    const auto source = itk::SamTestSource<ImageType>::New();
    source->image = image;
    const auto filter = MakeFilter<ImageType>(source->GetOutput(), word, { { 0.8, 0.0, 0.0 } });
    filter->UpdateOutputInformation();
    OutputType::RegionType region({ { 50, 3, 2 } }, { { 1, 2, 2 } });
    filter->GetOutput()->SetRequestedRegion(region);
    filter->Update();
    // 14 more to each side for the coefficients; nothing along axes whose voxels coincide.
    const auto requested = source->GetOutput()->GetRequestedRegion();
    EXPECT_EQ(requested.GetSize(0), word == "nearest" ? 1u : word == "linear" ? 2u : 32u) << word;
    EXPECT_EQ(requested.GetSize(1), 2u) << word;
    EXPECT_EQ(requested.GetSize(2), 2u) << word;
  }
}

TEST(SamInterpolation, TheModelSaysWhich)
{
  const auto image = itk::MakeSamTestVolume<ImageType>();
  auto       filter = FilterType::New();
  EXPECT_STREQ(filter->GetInterpolation(), "linear");
  itk::SamTestModelOptions options;
  options.interpolation = "nnunet";
  const auto model = itk::MakeSamTestModel(options);
  EXPECT_EQ(model->GetInterpolation(), "nnunet");
  filter->SetModel(model);
  EXPECT_STREQ(filter->GetInterpolation(), "nnunet");
  filter->SetInput(image);
  filter->SetInterpolation("lanczos");
  EXPECT_EQ(MessageOf([&] { filter->Update(); }), "interpolation 'lanczos', expected linear, nearest, cubic or nnunet");

  options.interpolation = "lanczos";
  const auto message = MessageOf([&] { itk::MakeSamTestModel(options); });
  EXPECT_NE(message.find("unknown word 'lanczos' for 'interpolation', expected linear, nearest, cubic, nnunet"),
            std::string::npos)
    << message;

  // How slices are scaled for models that take prompts is what their fit says.
  auto plan = itk::MakePromptableSamTestModel()->GetPlanJson();
  plan.insert(plan.find("\"orientation\""), "\"interpolation\": \"cubic\", ");
  EXPECT_NE(MessageOf([&] { itk::SamModel::FromPlan(plan, 1); }).find("'interpolation' is 'cubic', expected linear"),
            std::string::npos);

  // Answers of models that see other numbers are not averaged.
  options.interpolation = "cubic";
  EXPECT_NE(MessageOf([&] { itk::MakeSamTestModel(options)->VerifyAveragesWith(model); }).find("between voxels"),
            std::string::npos);
}

TEST(SamInterpolation, WhatSplinesTakeIsEstimated)
{
  const auto estimate = [](const ImageType * image, const std::string & word) {
    const itk::SamLattice lattice(
      itk::SamGrid::FromImage<3>(image), "LPS", { { 0.7, 0.7, 0.7 } }, { { 0, 0, 0 } }, word);
    return itk::SamEstimateSampling(lattice, lattice.GetGrid().box, 2);
  };
  const auto image = itk::MakeSamTestVolume<ImageType>({ { 40, 30, 20 } });
  const auto oblique = MakeOblique({ { 40, 30, 20 } }, 1.1);
  EXPECT_EQ(estimate(image, "linear"), 0u);
  EXPECT_EQ(estimate(oblique, "nearest"), 0u);
  // A plane of doubles; the coefficients of the image and of two voxels around it, too.
  EXPECT_EQ(estimate(image, "cubic"), 2u * 8 * 40 * 30);
  EXPECT_EQ(estimate(oblique, "cubic"), 2u * (8 * 40 * 30 + 4 * 44 * 34 * 24));
}
