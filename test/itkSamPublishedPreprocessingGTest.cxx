// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamResampleImageFilter.h"

#include "samRecording.h"
#include "samVolumePreprocessing.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/from_blob.h>

#include <gtest/gtest.h>

#include <set>

namespace
{
using ImageType = itk::VectorImage<float, 3>;

/** C×D×H×W, brought by the filter to a grid of \a size that fills the same extent, as nnU-Net's does. */
at::Tensor
Resample(const at::Tensor & volume, const std::array<double, 3> & spacing, const std::array<int64_t, 3> & size)
{
  const auto pixels = volume.permute({ 1, 2, 3, 0 }).to(at::kFloat).contiguous();
  auto       image = ImageType::New();
  image->SetRegions(ImageType::SizeType{ { static_cast<itk::SizeValueType>(volume.size(3)),
                                           static_cast<itk::SizeValueType>(volume.size(2)),
                                           static_cast<itk::SizeValueType>(volume.size(1)) } });
  ImageType::SpacingType imageSpacing;
  for (unsigned int i = 0; i < 3; ++i)
  {
    imageSpacing[i] = spacing[2 - i];
  }
  image->SetSpacing(imageSpacing);
  image->SetNumberOfComponentsPerPixel(static_cast<unsigned int>(volume.size(0)));
  image->Allocate();
  std::copy_n(pixels.data_ptr<float>(), pixels.numel(), image->GetBufferPointer());

  auto filter = itk::SamResampleImageFilter<ImageType>::New();
  filter->SetInput(image);
  filter->SetInterpolation("nnunet");
  filter->SetStretchedSize({ { static_cast<itk::SizeValueType>(size[2]),
                               static_cast<itk::SizeValueType>(size[1]),
                               static_cast<itk::SizeValueType>(size[0]) } });
  filter->Update();
  return at::from_blob(filter->GetOutput()->GetBufferPointer(), { size[0], size[1], size[2], volume.size(0) })
    .permute({ 3, 0, 1, 2 })
    .clone();
}

double
LargestDifference(const at::Tensor & found, const at::Tensor & expected)
{
  return (found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
}

/** Of values of a few hundred, a few times what a float resolves. */
double
Tolerance(const at::Tensor & expected)
{
  return 1e-6 * expected.abs().max().item<double>();
}
} // namespace

TEST(SamPublishedPreprocessing, TheFilterAnswersWhatNnunetAnswers)
{
  const sam::Recording recording(SEGMENTANYTHING_TEST_FIXTURES "/masksam/preprocessing_a.safetensors");
  for (const std::string grid : { "iso", "aniso", "aniso_same_z" })
  {
    const auto expected = recording.Get("out/" + grid + "/image_order3");
    const auto spacing = recording.Get("in/" + grid + "/spacing_old").to(at::kDouble).contiguous();
    const auto found =
      Resample(recording.Get("in/" + grid + "/image"),
               { spacing.data_ptr<double>()[0], spacing.data_ptr<double>()[1], spacing.data_ptr<double>()[2] },
               { expected.size(1), expected.size(2), expected.size(3) });
    EXPECT_LE(LargestDifference(found, expected), Tolerance(expected)) << grid;
  }
}

TEST(SamPublishedPreprocessing, TheFilterAnswersWhatArraysGet)
{
  const auto volume =
    (300.0 * (0.37 * at::arange(2 * 6 * 31 * 40, at::kDouble).square()).sin()).to(at::kFloat).view({ 2, 6, 31, 40 });
  // Finer and coarser; volumes, slices, and slices across an axis that becomes coarse.
  std::set<int> coarseAxes;
  for (const std::array<double, 3> & spacing : { std::array<double, 3>{ { 1.0, 1.2, 0.9 } }, { { 5.0, 1.2, 1.2 } } })
  {
    for (const std::array<int64_t, 3> & size : { std::array<int64_t, 3>{ { 9, 45, 33 } }, { { 6, 12, 19 } } })
    {
      std::array<double, 3> newSpacing{};
      for (size_t i = 0; i < 3; ++i)
      {
        newSpacing[i] =
          spacing[i] * static_cast<double>(volume.size(static_cast<int64_t>(i) + 1)) / static_cast<double>(size[i]);
      }
      const auto coarse = sam::FindCoarseAxis(spacing, newSpacing);
      coarseAxes.insert(coarse ? static_cast<int>(*coarse) : -1);
      const auto expected = sam::ResampleVolume(volume, size, sam::VolumeInterpolation::Cubic, coarse);
      EXPECT_LE(LargestDifference(Resample(volume, spacing, size), expected), Tolerance(expected))
        << spacing[0] << ' ' << size[0];
    }
  }
  EXPECT_EQ(coarseAxes, (std::set<int>{ -1, 0, 1 }));
}
