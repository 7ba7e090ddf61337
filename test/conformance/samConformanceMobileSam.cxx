// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samTinyVit.h"

#include <cmath>

namespace sam
{
void
CheckTinyVit(Recording & recording)
{
  // Half a channel more, so that the product of width and ratio is cut off to the recorded number.
  const auto ratio = [&recording](const std::string & hidden, int64_t width) {
    return (static_cast<double>(recording.Extent(hidden, 0)) + 0.5) / static_cast<double>(width);
  };
  TinyVitOptions options;
  options.inputChannels = recording.Extent("patch_embed.seq.0.c.weight", 1);
  options.widths = { recording.Extent("patch_embed.seq.2.c.weight", 0) };
  options.depths = { recording.Count("layers.0.blocks.", ".conv1.c.weight") };
  options.heads = { 0 };
  options.windows = { 0 };
  options.expansion = ratio("layers.0.blocks.0.conv1.c.weight", options.widths[0]);
  for (int64_t s = 1;; ++s)
  {
    const auto blocks = "layers." + std::to_string(s) + ".blocks.";
    const auto depth = recording.Count(blocks, ".attn.norm.weight");
    if (depth == 0)
    {
      break;
    }
    options.widths.push_back(recording.Extent(blocks + "0.attn.norm.weight", 0));
    options.depths.push_back(depth);
    options.heads.push_back(recording.Extent(blocks + "0.attn.attention_biases", 0));
    const auto positions = static_cast<double>(recording.Extent(blocks + "0.attn.attention_biases", 1));
    options.windows.push_back(std::lround(std::sqrt(positions)));
    options.mlpRatio = ratio(blocks + "0.mlp.fc1.weight", options.widths.back());
    options.localConvolution = recording.Extent(blocks + "0.local_conv.c.weight", 2);
  }
  options.neck = recording.Extent("neck.0.weight", 0);

  Parameters    parameters(recording.Weights(), "parameters");
  const TinyVit encoder(Scope(parameters), options);
  parameters.ThrowIfUnused();
  const auto output = encoder(recording.Get("in/x").unsqueeze(2), {}, recording.Comparer("mid/"));
  recording.Compare("out/embedding", output.embedding.squeeze(2));
}
} // namespace sam
