// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamWindowedSegmentation.h"

#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamSlidingWindow.h"

namespace itk
{
template <unsigned int VDimension>
void
SamSegmentWindows(const SamModel *                               model,
                  const SamTensor &                              volume,
                  const SamGrid &                                grid,
                  const std::function<void(const SamTensor &)> & take,
                  const std::function<bool(double)> &            progress)
{
  using StageImageType = SamTensorImage<VDimension>;
  using ChannelImageType = VectorImage<float, VDimension>;
  SamSlidingWindow windows(model, grid.box.size);

  auto encoder = SamEncoderImageFilter<ChannelImageType>::New();
  encoder->SetModel(model);
  auto prompter = SamAutoPromptImageFilter<ChannelImageType>::New();
  prompter->SetModel(model);
  prompter->SetInput(encoder->GetOutput());
  auto classifier = SamMaskClassificationImageFilter<ChannelImageType>::New();
  classifier->SetModel(model);
  classifier->SetInput(encoder->GetOutput());
  classifier->SetPrompts(prompter->GetOutput());

  // The encoder takes most of a window's time.
  constexpr double encoderShare = 0.8;
  double           windowsDone = 0.0;
  encoder->AddObserver(ProgressEvent(), [&](const EventObject &) {
    if (!progress(windowsDone + encoderShare * static_cast<double>(encoder->GetProgress())))
    {
      encoder->AbortGenerateDataOn();
    }
  });

  for (SizeValueType k = 0; k < windows.GetNumberOfWindows(); ++k)
  {
    const auto start = windows.GetStart(k);
    SamGrid    windowGrid = grid;
    for (unsigned int i = 0; i < 3; ++i)
    {
      windowGrid.box.start[i] += start[i];
    }
    windowGrid.box.size = windows.GetWindowSize();
    auto window = StageImageType::New();
    windowGrid.CopyTo<VDimension>(window);
    window->SetRegions(window->GetLargestPossibleRegion());
    window->SetTensor(windows.Extract(volume, k));
    encoder->SetInput(window);
    classifier->GetOutput()->UpdateTensor();
    windows.Add(classifier->GetOutput()->GetTensor(), k);
    windowsDone += 1.0;
    if (!progress(windowsDone))
    {
      throw ProcessAborted(__FILE__, __LINE__);
    }
    if (const auto blended = windows.TakeBlended(k); !blended.IsEmpty())
    {
      take(blended);
    }
  }
}

#define samInstantiateWindows(VDimension)                                                     \
  template void SamSegmentWindows<VDimension>(const SamModel *,                               \
                                              const SamTensor &,                              \
                                              const SamGrid &,                                \
                                              const std::function<void(const SamTensor &)> &, \
                                              const std::function<bool(double)> &)
samInstantiateWindows(2);
samInstantiateWindows(3);
#undef samInstantiateWindows
} // namespace itk
