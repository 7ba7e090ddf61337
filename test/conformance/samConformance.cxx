// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"

#include "samError.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>

namespace sam
{
namespace
{
namespace fs = std::filesystem;

/** Files \c stem_*.safetensors in a folder \c method. */
struct Kind
{
  const char * method;
  const char * stem;
  void (*check)(Recording &);
  bool         hasParts{ false };  ///< one recording lies in several files
  const char * partner{ nullptr }; ///< stem of the recording whose parameters and inputs belong to this one
};

constexpr std::array kinds{ Kind{ "dapsam", "adapter", CheckLowLevelAdapter },
                            Kind{ "dapsam", "attention_filter", CheckAttentionFilter },
                            Kind{ "dapsam", "checkpoint_adapt", CheckStartFromSam },
                            Kind{ "dapsam", "encoder", CheckDapsamEncoder },
                            Kind{ "dapsam", "fourier_normalise", CheckFourierAndNormalization },
                            Kind{ "dapsam", "full_model", CheckWholeDapsam },
                            Kind{ "dapsam", "losses", CheckMaskLosses },
                            Kind{ "dapsam", "low_level_adapter", CheckLowLevelPrompts },
                            Kind{ "dapsam", "mask_decoder", CheckDapsamDecoder },
                            Kind{ "dapsam", "metrics", CheckMetrics },
                            Kind{ "dapsam", "prostate_preprocess", CheckPositivePercentiles },
                            Kind{ "dapsam", "prototype_prompt", CheckPrototypePrompts },
                            Kind{ "dapsam", "slaug", CheckLocationScale },
                            Kind{ "dapsam", "train_steps", CheckDapsamSteps, false, "full_model" },
                            Kind{ "hqsam", "automatic_masks", CheckAutomaticMasks },
                            Kind{ "hqsam", "hq_decoder", CheckHqDecoder },
                            Kind{ "hqsam", "hq_encoder", CheckHqEncoder },
                            Kind{ "hqsam", "hq_losses", CheckHqLosses },
                            Kind{ "hqsam", "hq_prompts", CheckHqPrompts },
                            Kind{ "hqsam", "hq_whole", CheckWholeHq },
                            Kind{ "masksam", "acdc_model", CheckMaskSamModel, true },
                            Kind{ "masksam", "adapters", CheckAdapters },
                            Kind{ "masksam", "amos_model", CheckMaskSamModel, true },
                            Kind{ "masksam", "assignment", CheckAssignment },
                            Kind{ "masksam", "boxes_targets", CheckBoxesAndTargets },
                            Kind{ "masksam", "encoder", CheckVolumeEncoder },
                            Kind{ "masksam", "mask_decoder", CheckMaskDecoder },
                            Kind{ "masksam", "matcher_losses", CheckMatchingLosses },
                            Kind{ "masksam", "preprocessing", CheckPreprocessing },
                            Kind{ "masksam", "prompt_encoder", CheckPromptEncoder },
                            Kind{ "masksam", "sliding_window", CheckSlidingWindow },
                            Kind{ "masksam", "synapse_model", CheckMaskSamModel, true },
                            Kind{ "masksam", "two_way_transformer", CheckTwoWayTransformer },
                            Kind{ "medsam", "resize_spline", CheckSplineResize },
                            Kind{ "mobilesam", "tiny_vit", CheckTinyVit },
                            Kind{ "sam", "automatic_masks", CheckAutomaticMasks },
                            Kind{ "sam", "image_encoder", CheckImageEncoder },
                            Kind{ "sam", "mask_decoder", CheckMaskDecoder },
                            Kind{ "sam", "prompt_encoder", CheckPromptEncoder },
                            Kind{ "sam", "sam_full", CheckWholeSam },
                            Kind{ "sam", "transforms", CheckTransforms },
                            Kind{ "sam", "two_way_transformer", CheckTwoWayTransformer },
                            Kind{ "sam", "window_relpos", CheckWindowsAndRelativePositions } };

constexpr std::array methods{ "dapsam", "hqsam", "masksam", "medsam", "mobilesam", "persam", "sam" };

/** Whether a name is \a word, or \a word and more behind a character that is no letter. */
bool
HasStem(const std::string & name, const std::string & word)
{
  return name.compare(0, word.size(), word) == 0 &&
         (name.size() == word.size() || std::isalpha(static_cast<unsigned char>(name[word.size()])) == 0);
}

/** The method of the nearest folder that is named after one, empty when there is none. */
std::string
FindMethod(const fs::path & path)
{
  for (auto folder = fs::absolute(path).lexically_normal().parent_path(); folder.has_filename();
       folder = folder.parent_path())
  {
    for (const std::string method : methods)
    {
      if (HasStem(folder.filename().string(), method))
      {
        return method;
      }
    }
  }
  return {};
}

/** The kind of a file, null when there is none: the longest stem wins. Where no folder tells the method, all that have
 * such a file must check it alike. */
const Kind *
FindKind(const fs::path & path)
{
  const auto   name = path.stem().string();
  const auto   method = FindMethod(path);
  const Kind * found = nullptr;
  size_t       longest = 0;
  for (const Kind & kind : kinds)
  {
    const std::string stem = kind.stem;
    if (HasStem(name, stem) && stem.size() >= longest && (method.empty() || method == kind.method))
    {
      const bool isClear = stem.size() > longest || (found != nullptr && found->check == kind.check);
      found = isClear ? &kind : nullptr;
      longest = stem.size();
    }
  }
  return found;
}

std::vector<fs::path>
FindRecordings(const std::string & path)
{
  std::vector<fs::path> files;
  if (fs::is_directory(path))
  {
    for (const auto & entry : fs::recursive_directory_iterator(path))
    {
      if (entry.is_regular_file() && entry.path().extension() == ".safetensors")
      {
        files.push_back(entry.path());
      }
    }
    std::sort(files.begin(), files.end());
    if (files.empty())
    {
      throw Error(path + ": no .safetensors file in this folder");
    }
  }
  else if (!fs::exists(path))
  {
    throw Error(path + ": no such file, expected a .safetensors file or a folder of them");
  }
  else if (fs::path(path).extension() != ".safetensors")
  {
    throw Error(path + ": expected a .safetensors file or a folder of them");
  }
  else
  {
    files.emplace_back(path);
  }
  return files;
}

std::string
ToLine(const Comparison & comparison)
{
  static constexpr std::array words{ "PASS", "FAIL", "UNKNOWN" };
  std::string                 line = "  " + comparison.name;
  line.resize(std::max(line.size() + 2, size_t{ 44 }), ' ');
  if (comparison.error)
  {
    std::array<char, 64> numbers{};
    std::snprintf(
      numbers.data(), numbers.size(), "error %.2e  tolerance %.2e  ", *comparison.error, comparison.tolerance);
    line += numbers.data();
  }
  line += words[static_cast<size_t>(comparison.outcome)];
  return comparison.remark.empty() ? line : line + " (" + comparison.remark + ")";
}

std::string
FirstLine(const std::string & text)
{
  return text.substr(0, text.find('\n'));
}
} // namespace

void
Conformance::Check(const std::string & path)
{
  for (const auto & file : FindRecordings(path))
  {
    this->CheckFile(file.string());
  }
}

void
Conformance::CheckFile(const std::string & path)
{
  ++m_Files;
  const Kind * kind = FindKind(path);
  if (kind == nullptr)
  {
    ++m_Unknown;
    m_Print(path + ": UNKNOWN (no part here has this name)");
    return;
  }
  m_Print(path);
  std::vector<Comparison> comparisons;
  try
  {
    Recording recording(path, kind->hasParts ? kind->stem : "", m_Device);
    if (kind->partner != nullptr)
    {
      const fs::path file(path);
      const auto     name = kind->partner + file.filename().string().substr(std::string(kind->stem).size());
      recording.TakeGiven((file.parent_path() / name).string());
    }
    std::string     mistake;
    at::NoGradGuard noGrad;
    try
    {
      kind->check(recording);
    }
    catch (const std::exception & exception)
    {
      mistake = FirstLine(exception.what());
    }
    comparisons = recording.GetComparisons(mistake);
    if (comparisons.empty())
    {
      comparisons.push_back({ "outputs", Comparison::Outcome::Unknown, {}, 0.0, "the file holds none" });
    }
  }
  catch (const Error & error)
  {
    comparisons.push_back({ "file", Comparison::Outcome::Fail, {}, 0.0, error.what() });
  }
  for (const auto & comparison : comparisons)
  {
    m_Print(ToLine(comparison));
    m_Passed += comparison.outcome == Comparison::Outcome::Pass;
    m_Failed += comparison.outcome == Comparison::Outcome::Fail;
    m_Unknown += comparison.outcome == Comparison::Outcome::Unknown;
  }
}

std::string
Conformance::GetSummary() const
{
  return std::to_string(m_Passed) + " passed, " + std::to_string(m_Failed) + " failed, " + std::to_string(m_Unknown) +
         " unknown in " + std::to_string(m_Files) + (m_Files == 1 ? " file" : " files");
}

int
Conformance::GetStatus() const
{
  return m_Unknown > 0 ? 2 : m_Failed > 0 ? 1 : 0;
}
} // namespace sam
