// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samEncoding.h"

#include "itkSamSliceEncoderImageFilter.h"

namespace sam
{
namespace
{
template <typename TImage>
void
EncodeAs(const itk::SamModel * model, const EncodingJob & job, const std::function<void(double)> & progress)
{
  const auto image = Read<TImage>(job.slices.image);
  CheckGrid<TImage::ImageDimension>({ job.output }, image);
  const auto encoder = itk::SamSliceEncoderImageFilter<TImage>::New();
  encoder->SetInput(image);
  SetSlices(encoder.GetPointer(), model, job.slices);
  SetRange(encoder.GetPointer(), job.slices);
  UpdateFilter(encoder, job.slices.image, progress);
  using EmbeddingType = itk::VectorImage<float, TImage::ImageDimension>;
  WriteAllAtomically({ { job.output, [&](const std::string & file) {
                          WriteImage<EmbeddingType>(encoder->GetOutput(), file, false);
                        } } });
}
} // namespace

void
Encode(const itk::SamModel * model, const EncodingJob & job, const std::function<void(double)> & progress)
{
  CheckOutputs({ job.slices.image }, { job.output }, {});
  WithImageType(job.slices.image, [&](const auto & image) {
    EncodeAs<typename std::decay_t<decltype(image)>::ObjectType>(model, job, progress);
  });
}
} // namespace sam
