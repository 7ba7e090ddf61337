// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samImagePrototypeUse.h"

#include "samCommandLine.h"
#include "samError.h"
#include "samImageReading.h"
#include "samLabelImage.h"
#include "samSteps.h"

#include "itkSamEncoderImageFilter.h"
#include "itkSamPrototypePromptImageFilter.h"
#include "itkSamResampleImageFilter.h"

namespace sam
{
namespace
{
template <unsigned int VDimension>
void
AddImage(const itk::SamModel * model, const std::string & path, PrototypeUse & use)
{
  using ChannelImage = itk::VectorImage<float, VDimension>;
  const auto resample = itk::SamResampleImageFilter<ChannelImage>::New();
  const auto encoder = itk::SamEncoderImageFilter<ChannelImage>::New();
  const auto prompter = itk::SamPrototypePromptImageFilter<ChannelImage>::New();
  resample->SetInput(Read<ChannelImage>(path, model->GetNumberOfChannels()));
  encoder->SetInput(resample->GetOutput());
  prompter->SetInput(encoder->GetOutput());
  resample->SetModel(model);
  encoder->SetModel(model);
  prompter->SetModel(model);
  UpdateFilter(prompter, path, [](double) { ThrowIfInterrupted(); });
  for (const auto & shares : prompter->GetAddresses())
  {
    use.Add(shares);
  }
}
} // namespace

PrototypeUse
MeasurePrototypeUse(const itk::SamModel * model, const std::vector<std::string> & images)
{
  if (!model->HasPrototypes())
  {
    throw Error(model->GetFileName() + ": has no prototypes whose use by images could be measured");
  }
  PrototypeUse use;
  for (const auto & image : images)
  {
    ReadImageDimension(image, model->GetNumberOfChannels()) == 2 ? AddImage<2>(model, image, use)
                                                                 : AddImage<3>(model, image, use);
  }
  return use;
}
} // namespace sam
