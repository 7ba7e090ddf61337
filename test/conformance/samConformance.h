// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samConformance_h
#define samConformance_h

#include "samMatchingLoss.h"
#include "samRecording.h"

#include <functional>
#include <string>
#include <vector>

namespace sam
{
/** \class Conformance
 * \brief Runs our parts on what was recorded from published modules, one file after the other.
 *
 * What a file holds is known by its name without the ending that says which seed it is (image_encoder_a), and by the
 * folder it lies in, which is named after the method.
 */
class Conformance
{
public:
  /** \a print gets the lines of the report; the parts run on \a device. */
  explicit Conformance(std::function<void(const std::string &)> print, at::Device device = at::kCPU)
    : m_Print(std::move(print))
    , m_Device(device)
  {}

  /** Check a .safetensors file, or all below a folder.
   * \throws Error when there is no such file or folder, or nothing to check in it. */
  void
  Check(const std::string & path);

  /** One line with the counts. */
  std::string
  GetSummary() const;

  /** 2 when a file or an output was unknown, else 1 when something failed, else 0. */
  int
  GetStatus() const;

private:
  void
  CheckFile(const std::string & path);

  std::function<void(const std::string &)> m_Print;
  at::Device                               m_Device;
  int                                      m_Files{ 0 };
  int                                      m_Passed{ 0 };
  int                                      m_Failed{ 0 };
  int                                      m_Unknown{ 0 };
};

// What runs on a file: one function for each kind of file.

// samConformanceSam.cxx
void
CheckImageEncoder(Recording & recording);
void
CheckWindowsAndRelativePositions(Recording & recording);
void
CheckPromptEncoder(Recording & recording);
void
CheckTwoWayTransformer(Recording & recording);
void
CheckMaskDecoder(Recording & recording);
void
CheckVolumeEncoder(Recording & recording);
void
CheckWholeSam(Recording & recording);
void
CheckTransforms(Recording & recording);
void
CheckAutomaticMasks(Recording & recording);

// samConformanceDapsam.cxx
void
CheckAttentionFilter(Recording & recording);
void
CheckLowLevelAdapter(Recording & recording);
void
CheckLowLevelPrompts(Recording & recording);
void
CheckDapsamEncoder(Recording & recording);
void
CheckPrototypePrompts(Recording & recording);
void
CheckDapsamDecoder(Recording & recording);
void
CheckWholeDapsam(Recording & recording);
void
CheckStartFromSam(Recording & recording);

// samConformanceDapsamTraining.cxx
void
CheckMaskLosses(Recording & recording);
void
CheckDapsamSteps(Recording & recording);
void
CheckLocationScale(Recording & recording);
void
CheckFourierAndNormalization(Recording & recording);
void
CheckPositivePercentiles(Recording & recording);
void
CheckMetrics(Recording & recording);

// samConformanceHqSam.cxx
void
CheckHqDecoder(Recording & recording);
void
CheckHqEncoder(Recording & recording);
void
CheckHqPrompts(Recording & recording);
void
CheckHqLosses(Recording & recording);
void
CheckWholeHq(Recording & recording);

// samConformanceMedSam.cxx
void
CheckSplineResize(Recording & recording);

// samConformanceMobileSam.cxx
void
CheckTinyVit(Recording & recording);

// samConformanceMaskSam.cxx
void
CheckAdapters(Recording & recording);
void
CheckAssignment(Recording & recording);
void
CheckBoxesAndTargets(Recording & recording);
void
CheckMatchingLosses(Recording & recording);

/** Compares what is recorded of \a losses: out/loss/..., out/matched_... and the targets of \a labels S×H×W. */
void
CompareMatchingLosses(Recording & recording, const MatchingLosses & losses, const at::Tensor & labels);

// samConformanceNnunet.cxx
void
CheckPreprocessing(Recording & recording);
void
CheckSlidingWindow(Recording & recording);

// samConformanceMaskSamModel.cxx
void
CheckMaskSamModel(Recording & recording);
} // namespace sam

#endif
