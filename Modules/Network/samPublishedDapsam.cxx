// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samPublishedDapsam.h"

#include "samError.h"

#include <algorithm>

namespace sam
{
const std::vector<std::string> &
GetPublishedDapsamWords()
{
  static const std::vector<std::string> words{
    "dapsam_prostate", "dapsam_fundus", "dapsam_prostate_published", "dapsam_fundus_published"
  };
  return words;
}

Plan
PublishedDapsamPlan(const std::string & word)
{
  const auto & words = GetPublishedDapsamWords();
  if (std::find(words.begin(), words.end(), word) == words.end())
  {
    std::string known;
    for (const auto & one : words)
    {
      known += (known.empty() ? "" : ", ") + one;
    }
    throw Error("plan '" + word + "' is not known, expected " + known);
  }
  const bool isProstate = word.rfind("dapsam_prostate", 0) == 0;
  Plan       plan = Plan::WithEncoder("vit_b");
  plan.adaptation = { "low_level_attention" };
  plan.promptSource = "prototype";
  plan.decoder = "semantic";
  plan.keepsSamHeads = true;
  plan.frozen = { "image_encoder." };
  plan.adapted = { "adapter" };
  plan.fit = "window";
  plan.orientation = "acquisition";
  plan.spacing = { 0.0, 0.0, 0.0 };
  plan.overlap = { 0.5, 0.5, 0.0 };
  if (isProstate)
  {
    plan.stem = "gray_rgb";
    plan.grid = { 24, 24 };
    plan.channels = { { "MR", "slice_percentiles" } };
    plan.labels = { { 0, "background", {} }, { 1, "prostate", { 230, 159, 0 } } };
  }
  else
  {
    plan.grid = { 32, 32 };
    plan.channels = { { "red", "slice_z_score" }, { "green", "slice_z_score" }, { "blue", "slice_z_score" } };
    plan.labels = { { 0, "background", {} },
                    { 1, "optic disc", { 230, 159, 0 } },
                    { 2, "optic cup", { 86, 180, 233 } } };
    plan.nestsLabels = true;
  }
  plan.window = { plan.grid[0] * plan.patch, plan.grid[1] * plan.patch, 1 };
  if (word.find("_published") != std::string::npos)
  {
    plan.compatibility = Plan::GetCompatibilityWords("prototype");
  }
  return plan;
}
} // namespace sam
