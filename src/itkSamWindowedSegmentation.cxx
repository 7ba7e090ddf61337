// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "itkSamWindowedSegmentation.h"

#include "itkSamAutoPromptImageFilter.h"
#include "itkSamEncoderImageFilter.h"
#include "itkSamMaskClassificationImageFilter.h"
#include "itkSamPrototypePromptImageFilter.h"
#include "itkSamSlidingWindow.h"
#include "itkSamTensorImplementation.h"

#include "samMirroring.h"

#include <ATen/TensorOperators.h>

namespace itk
{
namespace
{
/** The stages of one model, from a window to the probabilities of its labels. */
template <unsigned int VDimension>
class Stages
{
public:
  using StageImageType = SamTensorImage<VDimension>;
  using ChannelImageType = VectorImage<float, VDimension>;

  /** \a progress gets the fraction of the window that is done and answers whether to go on. */
  Stages(const SamModel * model, const std::function<bool(double)> & progress)
  {
    m_Encoder->SetModel(model);
    m_Classifier->SetModel(model);
    m_Classifier->SetInput(m_Encoder->GetOutput());
    if (model->HasPrototypes())
    {
      auto prompter = SamPrototypePromptImageFilter<ChannelImageType>::New();
      prompter->SetModel(model);
      prompter->SetInput(m_Encoder->GetOutput());
      m_Classifier->SetDensePrompt(prompter->GetOutput());
      m_Prompter = prompter;
    }
    else if (!model->NeedsNoPrompts())
    {
      auto prompter = SamAutoPromptImageFilter<ChannelImageType>::New();
      prompter->SetModel(model);
      prompter->SetInput(m_Encoder->GetOutput());
      m_Classifier->SetPrompts(prompter->GetOutput());
      m_Prompter = prompter;
    }
    // The encoder takes most of a window's time.
    constexpr double encoderShare = 0.8;
    auto *           encoder = m_Encoder.GetPointer();
    encoder->AddObserver(ProgressEvent(), [encoder, progress](const EventObject &) {
      if (!progress(encoderShare * static_cast<double>(encoder->GetProgress())))
      {
        encoder->AbortGenerateDataOn();
      }
    });
  }

  /** K×D×H×W. */
  at::Tensor
  operator()(const at::Tensor & voxels, const SamGrid & grid)
  {
    auto window = StageImageType::New();
    grid.CopyTo<VDimension>(window);
    window->SetRegions(window->GetLargestPossibleRegion());
    window->SetTensor(MakeSamTensor(voxels));
    m_Encoder->SetInput(window);
    m_Classifier->GetOutput()->UpdateTensor();
    return GetAtTensor(m_Classifier->GetOutput()->GetTensor());
  }

private:
  using EncoderType = SamEncoderImageFilter<ChannelImageType>;
  using ClassifierType = SamMaskClassificationImageFilter<ChannelImageType>;

  typename EncoderType::Pointer    m_Encoder{ EncoderType::New() };
  ProcessObject::Pointer           m_Prompter; ///< its output does not keep it
  typename ClassifierType::Pointer m_Classifier{ ClassifierType::New() };
};

/** \throws ExceptionObject unless a window function answered a number for each label and voxel. */
void
CheckAnswer(const SamTensor & answer, SizeValueType labels, const SamSlidingWindow::SizeType & window)
{
  const std::vector<int64_t> expected{ static_cast<int64_t>(labels),
                                       static_cast<int64_t>(window[2]),
                                       static_cast<int64_t>(window[1]),
                                       static_cast<int64_t>(window[0]) };
  const auto                 sizes = answer.IsEmpty() ? std::vector<int64_t>() : answer.GetSizes();
  if (sizes == expected)
  {
    return;
  }
  const auto describe = [](const std::vector<int64_t> & numbers) {
    std::string text;
    for (const int64_t number : numbers)
    {
      text += (text.empty() ? "" : " x ") + std::to_string(number);
    }
    return text.empty() ? "nothing" : text;
  };
  itkSamExceptionMacro("the window function answered " << describe(sizes) << ", expected " << describe(expected)
                                                       << " numbers (labels, slices, rows, columns)");
}
} // namespace

template <unsigned int VDimension>
SizeValueType
SamSegmentWindows(const SamWindowAnswer &                        answer,
                  SamSlidingWindow &                             windows,
                  const SamIndexBox &                            part,
                  const SamTensor &                              source,
                  const SamGrid &                                grid,
                  SamWindowKeeper &                              keeper,
                  const std::function<void(const SamTensor &)> & take,
                  const std::function<bool(double)> &            progress)
{
  const std::vector<size_t> axes(answer.mirrorAxes.begin(), answer.mirrorAxes.end());
  const double              passes =
    answer.function ? 1.0 : static_cast<double>(answer.models.size()) * static_cast<double>(size_t{ 1 } << axes.size());
  double                          passesDone = 0.0;
  const auto                      report = [&](double pass) { return progress((passesDone + pass) / passes); };
  std::vector<Stages<VDimension>> stages;
  for (const auto * model : answer.models)
  {
    stages.emplace_back(model, report);
  }
  const auto finishPass = [&] {
    passesDone += 1.0;
    if (!report(0.0))
    {
      throw ProcessAborted(__FILE__, __LINE__);
    }
  };
  const auto segment = [&](SizeValueType k) {
    const auto windowGrid = windows.GetGrid(grid, k);
    if (answer.function)
    {
      const auto probabilities = answer.function(windowGrid);
      CheckAnswer(probabilities, answer.models.front()->GetNumberOfLabels(), windows.GetWindowSize());
      finishPass();
      return probabilities;
    }
    const auto window = GetAtTensor(windows.Extract(source, k));
    return RunInference([&] {
      at::Tensor sum;
      for (auto & stage : stages)
      {
        const auto ofModel = sam::MeanOverMirrors(window.unsqueeze(0), axes, [&](const at::Tensor & mirrored) {
          const auto probabilities = stage(mirrored.squeeze(0), windowGrid);
          finishPass();
          return probabilities.unsqueeze(0);
        });
        sum = sum.defined() ? sum + ofModel : ofModel;
      }
      return MakeSamTensor((stages.size() > 1 ? sum / static_cast<double>(stages.size()) : sum).squeeze(0));
    });
  };
  SamIndexBox volume = grid.box;
  volume.start.fill(0);
  std::map<SamWindowKeeper::IndexType, SamWindowKeeper::Kept> kept;
  SizeValueType                                               run = 0;
  for (SizeValueType k = 0; k < windows.GetNumberOfWindows(); ++k)
  {
    SamIndexBox place;
    place.start = windows.GetStart(k);
    place.size = windows.GetWindowSize();
    const auto *    found = keeper.Find(place.start);
    const SamTensor mean = found ? found->answer : segment(k);
    run += found ? 0 : 1;
    const SizeValueType left =
      (found ? found->left : place.Intersect(volume).GetNumberOfVoxels()) - place.Intersect(part).GetNumberOfVoxels();
    if (left > 0)
    {
      kept[place.start] = { mean, left };
    }
    windows.Add(mean, k);
    if (const auto blended = windows.TakeBlended(k); !blended.IsEmpty())
    {
      take(blended);
    }
  }
  keeper.SetWindows(std::move(kept));
  return run;
}

#define samInstantiateWindows(VDimension)                                                              \
  template SizeValueType SamSegmentWindows<VDimension>(const SamWindowAnswer &,                        \
                                                       SamSlidingWindow &,                             \
                                                       const SamIndexBox &,                            \
                                                       const SamTensor &,                              \
                                                       const SamGrid &,                                \
                                                       SamWindowKeeper &,                              \
                                                       const std::function<void(const SamTensor &)> &, \
                                                       const std::function<bool(double)> &)
samInstantiateWindows(2);
samInstantiateWindows(3);
#undef samInstantiateWindows
} // namespace itk
