// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samEvaluationTestImages.h"
#include "samPreview.h"

#include "itkImageFileReader.h"
#include "itkImageRegionConstIterator.h"

#include <cmath>
#include <random>

using namespace sam::test;

namespace
{
using Labels = itk::Image<unsigned char, 3>;
using Gray = itk::Image<float, 3>;
using Color = std::array<int, 3>;

constexpr long border = 4; // around the panels

Color
GetColor(const sam::PreviewImage * picture, long x, long y)
{
  const auto pixel = picture->GetPixel({ { x, y } });
  return { { pixel.GetRed(), pixel.GetGreen(), pixel.GetBlue() } };
}

bool
IsGray(const Color & color)
{
  return color[0] == color[1] && color[1] == color[2];
}

std::array<long, 2>
GetSize(const sam::PreviewImage * picture)
{
  const auto size = picture->GetLargestPossibleRegion().GetSize();
  return { { static_cast<long>(size[0]), static_cast<long>(size[1]) } };
}

/** Only panels, no text and no overview. */
sam::PreviewOptions
Plain(unsigned int panelSize = 200)
{
  sam::PreviewOptions options;
  options.panelSize = panelSize;
  options.annotations = false;
  options.context = false;
  return options;
}

/** First and last picture column or row of a color in a rectangle. */
struct Found
{
  long left{ 1 << 20 };
  long right{ -1 };
  long top{ 1 << 20 };
  long bottom{ -1 };
};

Found
Find(const sam::PreviewImage * picture, const Color & color, long x0, long y0, long x1, long y1)
{
  Found found;
  for (long y = y0; y < y1; ++y)
  {
    for (long x = x0; x < x1; ++x)
    {
      if (GetColor(picture, x, y) == color)
      {
        found.left = std::min(found.left, x);
        found.right = std::max(found.right, x);
        found.top = std::min(found.top, y);
        found.bottom = std::max(found.bottom, y);
      }
    }
  }
  return found;
}

const sam::LabelTable twoLabels{ { 1, "one", { { 250, 10, 20 } } }, { 2, "two", { { 10, 240, 30 } } } };

/** The same voxels in space, stored along other axes: axis d of the result is axis order[d], mirrored where told. */
template <typename TImage>
typename TImage::Pointer
Reorient(const TImage * image, const std::array<unsigned int, 3> & order, const std::array<bool, 3> & mirror)
{
  auto                           result = TImage::New();
  const auto                     region = image->GetLargestPossibleRegion();
  typename TImage::RegionType    newRegion;
  typename TImage::SpacingType   spacing;
  typename TImage::DirectionType direction;
  typename TImage::IndexType     corner = region.GetIndex();
  for (unsigned int d = 0; d < 3; ++d)
  {
    newRegion.SetSize(d, region.GetSize(order[d]));
    newRegion.SetIndex(d, 5); // any number
    spacing[d] = image->GetSpacing()[order[d]];
    for (unsigned int r = 0; r < 3; ++r)
    {
      direction[r][d] = image->GetDirection()[r][order[d]] * (mirror[d] ? -1.0 : 1.0);
    }
    if (mirror[d])
    {
      corner[order[d]] += static_cast<long>(region.GetSize(order[d])) - 1;
    }
  }
  result->SetRegions(newRegion);
  result->SetSpacing(spacing);
  result->SetDirection(direction);
  typename TImage::PointType place;
  image->TransformIndexToPhysicalPoint(corner, place);
  typename TImage::PointType origin = place;
  for (unsigned int r = 0; r < 3; ++r)
  {
    for (unsigned int d = 0; d < 3; ++d)
    {
      origin[r] -= direction[r][d] * spacing[d] * 5.0;
    }
  }
  result->SetOrigin(origin);
  result->Allocate();
  for (itk::ImageRegionIteratorWithIndex<TImage> it(result, newRegion); !it.IsAtEnd(); ++it)
  {
    auto index = corner;
    for (unsigned int d = 0; d < 3; ++d)
    {
      const long step = it.GetIndex()[d] - 5;
      index[order[d]] += mirror[d] ? -step : step;
    }
    it.Set(image->GetPixel(index));
  }
  return result;
}
} // namespace

TEST(Preview, OutlinesRunAlongTheEdgesOfTheVoxels)
{
  auto gray = MakeImage<Gray>({ 64, 64, 64 }, { 1.0, 1.0, 1.0 });
  auto labels = MakeImage<Labels>({ 64, 64, 64 }, { 1.0, 1.0, 1.0 });
  Fill(gray.GetPointer(), 100.0F, [](const auto & i) { return i[0] % 2 == 0; });
  FillBox(labels.GetPointer(), 1, { 22, 22, 22 }, { 41, 41, 41 });

  // A view of 40 mm in 200 pixels around the center of the cube: 5 pixels for a voxel, edges at 50 and 150.
  const sam::Region region{ { { 31.5, 31.5, 31.5 } }, { { 40.0, 40.0, 40.0 } } };
  auto              options = Plain();
  options.margin = 0.0;
  const auto picture = sam::MakePreview<Labels>(gray, labels, twoLabels, { region }, options);
  ASSERT_EQ(GetSize(picture), (std::array<long, 2>{ 3 * 200 + 4 * border, 200 + 2 * border }));
  const Color red{ { 250, 10, 20 } };
  for (long panel = 0; panel < 3; ++panel)
  {
    const long left = border + panel * (200 + border);
    const auto found = Find(picture, red, left, border, left + 200, border + 200);
    EXPECT_EQ(found.left, left + 50);
    EXPECT_EQ(found.right, left + 149);
    EXPECT_EQ(found.top, border + 50);
    EXPECT_EQ(found.bottom, border + 149);
    // Two pixels wide, then gray on both sides.
    const long middle = border + 100;
    EXPECT_EQ(GetColor(picture, left + 50, middle), red);
    EXPECT_EQ(GetColor(picture, left + 51, middle), red);
    EXPECT_TRUE(IsGray(GetColor(picture, left + 49, middle)));
    EXPECT_TRUE(IsGray(GetColor(picture, left + 52, middle)));
    EXPECT_TRUE(IsGray(GetColor(picture, left + 100, middle)));
  }
}

TEST(Preview, RightAndFrontOfThePatientAreOnTheLeft)
{
  auto gray = MakeImage<Gray>({ 40, 40, 40 }, { 1.0, 1.0, 1.0 });
  auto labels = MakeImage<Labels>({ 40, 40, 40 }, { 1.0, 1.0, 1.0 });
  // LPS: low x is right, low y is front, high z is up. Label 2 is right, front and up of label 1.
  FillBox(labels.GetPointer(), 1, { 4, 4, 4 }, { 35, 35, 35 });
  FillBox(labels.GetPointer(), 2, { 6, 6, 15 }, { 24, 24, 33 });
  const sam::Region whole{ { { 19.5, 19.5, 19.5 } }, { { 40.0, 40.0, 40.0 } } };
  auto              options = Plain();
  options.margin = 0.0;
  const auto  picture = sam::MakePreview<Labels>(gray, labels, twoLabels, { whole }, options);
  const Color green{ { 10, 240, 30 } };
  for (long panel = 0; panel < 3; ++panel)
  {
    const long left = border + panel * (200 + border);
    const auto found = Find(picture, green, left, border, left + 200, border + 200);
    // From 6 to 24 of 40 voxels from the left and, front or head, from the top: 5 pixels for a voxel.
    EXPECT_EQ(found.left, left + 30);
    EXPECT_EQ(found.right, left + 124);
    EXPECT_EQ(found.top, border + 30);
    EXPECT_EQ(found.bottom, border + 124);
  }
}

TEST(Preview, AnyStorageOrderGivesTheSamePicture)
{
  std::mt19937                          random(5);
  std::uniform_real_distribution<float> unit(0.0F, 1.0F);
  auto gray = MakeImage<Gray>({ 20, 24, 9 }, { 1.0, 0.75, 3.0 }, { 11.0, -7.5, 40.25 });
  auto labels = MakeImage<Labels>({ 20, 24, 9 }, { 1.0, 0.75, 3.0 }, { 11.0, -7.5, 40.25 });
  Fill(gray.GetPointer(), 1.0F, [&](const auto &) { return unit(random) < 0.5F; });
  // An even number of voxels: the centroid lies between two slices.
  FillBox(labels.GetPointer(), 1, { 3, 4, 2 }, { 12, 15, 5 });
  Fill(labels.GetPointer(), 2, [](const auto & i) {
    return std::hypot(i[0] - 13.0, i[1] - 15.0, 3.0 * (i[2] - 4.0)) < 6.0;
  });
  const sam::Region   region{ { { 20.0, 0.0, 52.0 } }, { { 15.0, 12.0, 18.0 } } };
  sam::PreviewOptions options;
  options.panelSize = 120;
  const auto                  expected = sam::MakePreview<Labels>(gray, labels, twoLabels, { region }, options);
  const auto                  expectedWhole = sam::MakePreview<Labels>(gray, labels, twoLabels, {}, options);
  std::array<unsigned int, 3> order{ 0, 1, 2 };
  do
  {
    for (unsigned int bits = 0; bits < 8; ++bits)
    {
      const std::array<bool, 3> mirror{ (bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0 };
      const auto                turnedGray = Reorient<Gray>(gray, order, mirror);
      const auto                turnedLabels = Reorient<Labels>(labels, order, mirror);
      for (const bool whole : { false, true })
      {
        const std::vector<sam::Region> regions(whole ? 0 : 1, region);
        const auto   picture = sam::MakePreview<Labels>(turnedGray, turnedLabels, twoLabels, regions, options);
        const auto & reference = whole ? expectedWhole : expected;
        ASSERT_EQ(GetSize(picture), GetSize(reference));
        itk::ImageRegionConstIterator<sam::PreviewImage> a(picture, picture->GetBufferedRegion());
        itk::ImageRegionConstIterator<sam::PreviewImage> b(reference, reference->GetBufferedRegion());
        unsigned int                                     different = 0;
        for (; !a.IsAtEnd(); ++a, ++b)
        {
          different += a.Get() != b.Get();
        }
        EXPECT_EQ(different, 0u) << "order " << order[0] << order[1] << order[2] << ", mirrored " << bits;
      }
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST(Preview, ASphereIsRoundWhateverTheVoxels)
{
  auto gray = MakeImage<Gray>({ 80, 40, 16 }, { 0.5, 1.0, 2.5 });
  auto labels = MakeImage<Labels>({ 80, 40, 16 }, { 0.5, 1.0, 2.5 });
  Fill(labels.GetPointer(), 1, [](const auto & i) {
    return std::hypot(0.5 * i[0] - 19.75, 1.0 * i[1] - 19.5, 2.5 * i[2] - 18.75) < 15.0;
  });
  const auto  picture = sam::MakePreview<Labels>(gray, labels, twoLabels, {}, Plain());
  const Color red{ { 250, 10, 20 } };
  const auto  size = GetSize(picture);
  long        left = border;
  for (const double across : { 1.0, 2.5, 2.5 })
  {
    // The panels may have different widths: the next one begins after a column of paper.
    const auto found = Find(picture, red, left, 0, left + 200, size[1]);
    ASSERT_GE(found.right, 0);
    // The longest extent, 30 mm, and a margin of 15 % on both sides in 200 pixels, to within a voxel.
    const double scale = 200.0 / (1.3 * 29.5);
    EXPECT_NEAR(static_cast<double>(found.right - found.left), 30.0 * scale, 1.0 * scale);
    EXPECT_NEAR(static_cast<double>(found.bottom - found.top), 30.0 * scale, across * scale);
    left += 200 + border;
  }
}

TEST(Preview, ARowForEachRegion)
{
  auto gray = MakeImage<Gray>({ 60, 30, 30 }, { 1.0, 1.0, 1.0 });
  auto labels = MakeImage<Labels>({ 60, 30, 30 }, { 1.0, 1.0, 1.0 });
  FillBox(labels.GetPointer(), 1, { 10, 10, 10 }, { 19, 19, 19 });
  FillBox(labels.GetPointer(), 2, { 40, 10, 10 }, { 49, 19, 19 });
  const std::vector<sam::Region> regions{ { { { 14.5, 14.5, 14.5 } }, { { 16.0, 16.0, 16.0 } } },
                                          { { { 44.5, 14.5, 14.5 } }, { { 16.0, 16.0, 16.0 } } } };
  const auto                     picture = sam::MakePreview<Labels>(gray, labels, twoLabels, regions, Plain(100));
  ASSERT_EQ(GetSize(picture), (std::array<long, 2>{ 3 * 100 + 4 * border, 2 * 100 + 3 * border }));
  const Color red{ { 250, 10, 20 } };
  const Color green{ { 10, 240, 30 } };
  EXPECT_GE(Find(picture, red, 0, 0, 316, border + 100).right, 0);
  EXPECT_LT(Find(picture, green, 0, 0, 316, border + 100).right, 0);
  EXPECT_LT(Find(picture, red, 0, border + 100, 316, 212).right, 0);
  EXPECT_GE(Find(picture, green, 0, border + 100, 316, 212).right, 0);

  // With the overview each row shows both labels, in a fourth panel as wide as the image.
  auto options = Plain(100);
  options.context = true;
  const auto more = sam::MakePreview<Labels>(gray, labels, twoLabels, regions, options);
  EXPECT_EQ(GetSize(more)[0], 3 * 100 + 100 + 5 * border);
  const auto overview = Find(more, green, 316, 0, 416, border + 100);
  EXPECT_GE(overview.right, 0);

  // The legend adds a line.
  options.annotations = true;
  const auto all = sam::MakePreview<Labels>(gray, labels, twoLabels, regions, options);
  EXPECT_GT(GetSize(all)[1], GetSize(more)[1]);
  const auto legend = Find(all, green, 0, GetSize(more)[1], GetSize(all)[0], GetSize(all)[1]);
  EXPECT_EQ(legend.right - legend.left, 13);
  EXPECT_EQ(legend.bottom - legend.top, 13);
}

TEST(Preview, OnlyLabelsOfTheTableAreDrawn)
{
  auto gray = MakeImage<Gray>({ 30, 30, 30 }, { 1.0, 1.0, 1.0 });
  auto labels = MakeImage<Labels>({ 30, 30, 30 }, { 1.0, 1.0, 1.0 });
  FillBox(labels.GetPointer(), 9, { 10, 10, 10 }, { 19, 19, 19 });
  const auto isGray = [](const sam::PreviewImage * picture) {
    for (itk::ImageRegionConstIterator<sam::PreviewImage> it(picture, picture->GetBufferedRegion()); !it.IsAtEnd();
         ++it)
    {
      if (it.Get().GetRed() != it.Get().GetGreen() || it.Get().GetRed() != it.Get().GetBlue())
      {
        return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(isGray(sam::MakePreview<Labels>(gray, labels, twoLabels)));
  EXPECT_FALSE(isGray(sam::MakePreview<Labels>(gray, labels, {})));
}

TEST(Preview, AnotherLabelImageChoosesThePlanes)
{
  auto gray = MakeImage<Gray>({ 40, 40, 40 }, { 1.0, 1.0, 1.0 });
  auto reference = MakeImage<Labels>({ 40, 40, 40 }, { 1.0, 1.0, 1.0 });
  auto found = MakeImage<Labels>({ 40, 40, 40 }, { 1.0, 1.0, 1.0 });
  FillBox(reference.GetPointer(), 1, { 4, 4, 4 }, { 15, 15, 15 });
  // In the axial plane through the middle of the reference, and in no other.
  FillBox(found.GetPointer(), 2, { 12, 12, 9 }, { 17, 17, 10 });
  const Color green = { { 10, 240, 30 } };
  const auto  own = sam::MakePreview<Labels>(gray, found, twoLabels, {}, Plain());
  const auto  alike = sam::MakePreview<Labels>(gray, found, twoLabels, {}, Plain(), reference);
  const auto  ofReference = sam::MakePreview<Labels>(gray, reference, twoLabels, {}, Plain());
  ASSERT_EQ(GetSize(alike), GetSize(ofReference));
  const auto panels = [](const sam::PreviewImage * picture, const Color & color) {
    std::array<bool, 3> seen{};
    for (long k = 0; k < 3; ++k)
    {
      seen[static_cast<size_t>(k)] =
        Find(picture, color, border + 204 * k, border, border + 204 * k + 200, border + 200).right >= 0;
    }
    return seen;
  };
  EXPECT_EQ(panels(own, green), (std::array<bool, 3>{ true, true, true }));
  EXPECT_EQ(panels(alike, green), (std::array<bool, 3>{ true, false, false }));
  EXPECT_EQ(panels(ofReference, { { 250, 10, 20 } }), (std::array<bool, 3>{ true, true, true }));
}

TEST(Preview, PicturesKeepTheirShape)
{
  using Picture = itk::Image<short, 2>;
  auto gray = MakeImage<itk::Image<float, 2>>({ 100, 50 }, { 0.5, 0.5 });
  auto labels = MakeImage<Picture>({ 100, 50 }, { 0.5, 0.5 });
  Fill(gray.GetPointer(), 50.0F, [](const auto & i) { return i[1] >= 25; });
  FillBox(labels.GetPointer(), 2, { 20, 10 }, { 39, 39 });
  const auto picture = sam::MakePreview<Picture>(gray, labels, twoLabels, {}, Plain());
  ASSERT_EQ(GetSize(picture), (std::array<long, 2>{ 300 + 2 * border, 150 + 2 * border }));
  const auto found = Find(picture, { { 10, 240, 30 } }, 0, 0, 308, 158);
  EXPECT_EQ(found.left, border + 60);
  EXPECT_EQ(found.right, border + 119);
  EXPECT_EQ(found.top, border + 30);
  EXPECT_EQ(found.bottom, border + 119);
  EXPECT_EQ(GetColor(picture, border + 5, border + 5), (Color{ { 0, 0, 0 } }));
  EXPECT_EQ(GetColor(picture, border + 5, border + 145), (Color{ { 255, 255, 255 } }));
}

TEST(Preview, AirDoesNotCostTheContrastOfLabels)
{
  // Half of the picture is air at -1000, the organ has 40 to 60 in tissue of 0 to 100.
  using Picture = itk::Image<short, 2>;
  auto gray = MakeImage<itk::Image<float, 2>>({ 60, 60 }, { 1.0, 1.0 });
  auto labels = MakeImage<Picture>({ 60, 60 }, { 1.0, 1.0 });
  Fill(gray.GetPointer(), -1000.0F, [](const auto & i) { return i[0] < 30; });
  Fill(gray.GetPointer(), 100.0F, [](const auto & i) { return i[0] >= 30 && i[1] < 30; });
  Fill(gray.GetPointer(), 50.0F, [](const auto & i) { return i[0] >= 40 && i[0] < 50 && i[1] >= 20 && i[1] < 40; });
  FillBox(labels.GetPointer(), 1, { 40, 20 }, { 49, 39 });
  const auto with = sam::MakePreview<Picture>(gray, labels, twoLabels, {}, Plain());
  const auto without = sam::MakePreview<Picture>(gray, labels, { { 5, "other", {} } }, {}, Plain());
  // Tissue of 100 beside tissue of 0.
  const auto contrast = [](const sam::PreviewImage * picture) {
    return GetColor(picture, border + 275, border + 75)[0] - GetColor(picture, border + 275, border + 225)[0];
  };
  EXPECT_GT(contrast(with), 2 * contrast(without));
  EXPECT_EQ(GetColor(with, border + 10, border + 100), (Color{ { 0, 0, 0 } }));
}

TEST(Preview, NothingToSeeIsNoMistake)
{
  auto       gray = MakeImage<Gray>({ 20, 20, 20 }, { 1.0, 1.0, 1.0 });
  const auto labels = MakeImage<Labels>({ 20, 20, 20 }, { 1.0, 1.0, 1.0 });
  auto       picture = sam::MakePreview<Labels>(gray, labels, {}, {}, Plain(100));
  EXPECT_EQ(GetSize(picture), (std::array<long, 2>{ 316, 108 }));
  EXPECT_EQ(GetColor(picture, 50, 50), (Color{ { 128, 128, 128 } }));
  gray->FillBuffer(std::nanf(""));
  const sam::Region elsewhere{ { { 500.0, 0.0, 0.0 } }, { { 10.0, 10.0, 10.0 } } };
  EXPECT_NO_THROW(sam::MakePreview<Labels>(gray, labels, twoLabels, { elsewhere }));
}

TEST(Preview, WrittenAsPng)
{
  const TemporaryFolder folder;
  auto                  gray = MakeImage<Gray>({ 30, 30, 30 }, { 1.0, 1.0, 1.0 });
  auto                  labels = MakeImage<Labels>({ 30, 30, 30 }, { 1.0, 1.0, 1.0 });
  FillBox(labels.GetPointer(), 1, { 10, 10, 10 }, { 19, 19, 19 });
  const auto        picture = sam::MakePreview<Labels>(gray, labels, twoLabels);
  const std::string path = (folder / "preview.png").string();
  sam::WritePreview(picture, path);
  auto reader = itk::ImageFileReader<sam::PreviewImage>::New();
  reader->SetFileName(path);
  reader->Update();
  ASSERT_EQ(GetSize(reader->GetOutput()), GetSize(picture));
  itk::ImageRegionConstIterator<sam::PreviewImage> a(picture, picture->GetBufferedRegion());
  itk::ImageRegionConstIterator<sam::PreviewImage> b(reader->GetOutput(), reader->GetOutput()->GetBufferedRegion());
  for (; !a.IsAtEnd(); ++a, ++b)
  {
    ASSERT_EQ(a.Get(), b.Get());
  }
  const std::string nowhere = (folder / "missing/preview.png").string();
  EXPECT_TRUE(Contains(GetMessage<sam::Error>([&] { sam::WritePreview(picture, nowhere); }), nowhere));
}
