// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTinyVit.h"

#include "samLayers.h"
#include "samWindows.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/scaled_dot_product_attention.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <string>

namespace sam
{
namespace
{
constexpr double  batchNormEpsilon = 1e-5;
constexpr double  layerNormEpsilon = 1e-5;
constexpr int64_t halvingMergings = 2;
constexpr size_t  earlyStage = 1;

int64_t
Scale(int64_t width, double ratio)
{
  return static_cast<int64_t>(static_cast<double>(width) * ratio);
}

/** Convolution with zero padding and batch normalization; names c.weight, bn.weight, bn.bias and the statistics. */
class NormalizedConvolution
{
public:
  struct Options
  {
    int64_t kernel{ 1 };
    int64_t stride{ 1 };
    bool    depthwise{ false };
    double  startScale{ 1.0 };
  };

  NormalizedConvolution(const Scope & scope, int64_t inputs, int64_t outputs, const Options & options)
    : m_Options(options)
    , m_Groups(options.depthwise ? outputs : 1)
  {
    const int64_t fanIn = inputs / m_Groups * options.kernel * options.kernel;
    m_Weight = (scope / "c")
                 .Declare("weight",
                          { outputs, inputs / m_Groups, options.kernel, options.kernel },
                          Initialization::Uniform(1.0 / std::sqrt(static_cast<double>(fanIn))));
    const Scope norm = scope / "bn";
    m_Scale = norm.Declare("weight", { outputs }, Initialization::Constant(options.startScale));
    m_Shift = norm.Declare("bias", { outputs }, Initialization::Constant(0.0));
    m_Mean = norm.DeclareConstant("running_mean", { outputs }, Initialization::Constant(0.0));
    m_Variance = norm.DeclareConstant("running_var", { outputs }, Initialization::Constant(1.0));
    norm.Ignore("num_batches_tracked");
  }

  at::Tensor
  operator()(const at::Tensor & x) const
  {
    // Folding anew in each call costs little and follows the tensors to other devices and values.
    const auto    scale = m_Scale * (m_Variance + batchNormEpsilon).rsqrt();
    const int64_t padding = m_Options.kernel / 2;
    return at::convolution(x,
                           m_Weight * scale.view({ -1, 1, 1, 1 }),
                           m_Shift - m_Mean * scale,
                           { m_Options.stride, m_Options.stride },
                           { padding, padding },
                           { 1, 1 },
                           false,
                           { 0, 0 },
                           m_Groups);
  }

private:
  Options    m_Options;
  int64_t    m_Groups;
  at::Tensor m_Weight;
  at::Tensor m_Scale;
  at::Tensor m_Shift;
  at::Tensor m_Mean;
  at::Tensor m_Variance;
};

/** Three convolutions with their non-linearities between them; names conv1, conv2, conv3. */
struct ConvolutionTriple
{
  ConvolutionTriple(const Scope & scope, int64_t inputs, int64_t hidden, int64_t outputs, int64_t stride, double start)
    : first(scope / "conv1", inputs, hidden, {})
    , second(scope / "conv2", hidden, hidden, { .kernel = 3, .stride = stride, .depthwise = true })
    , third(scope / "conv3", hidden, outputs, { .startScale = start })
  {}

  at::Tensor
  operator()(const at::Tensor & x) const
  {
    return third(at::gelu(second(at::gelu(first(x)))));
  }

  NormalizedConvolution first;
  NormalizedConvolution second;
  NormalizedConvolution third;
};

/** Multi-head attention within windows; the bias of a pair of tokens depends on the distances of their rows and of
 * their columns. */
class WindowAttention
{
public:
  WindowAttention(const Scope & scope, int64_t width, int64_t heads, int64_t window)
    : m_Norm(scope / "norm", width, layerNormEpsilon)
    , m_QueryKeyValue(scope / "qkv", width, 3 * width)
    , m_Projection(scope / "proj", width, width)
    , m_Biases(scope.Declare("attention_biases", { heads, window * window }, Initialization::Constant(0.0)))
  {
    scope.Ignore("attention_bias_idxs");
  }

  /** \a x is B×window×window×C. */
  at::Tensor
  operator()(const at::Tensor & x) const
  {
    const int64_t heads = m_Biases.size(0);
    const int64_t tokens = m_Biases.size(1);
    const int64_t headWidth = x.size(3) / heads;
    // B×heads×tokens×(query, key, value)
    const auto parts = m_QueryKeyValue(m_Norm(x)).view({ x.size(0), tokens, heads, 3 * headWidth }).transpose(1, 2);
    const auto part = [&](int64_t k) { return parts.narrow(3, k * headWidth, headWidth); };
    const auto attended = at::scaled_dot_product_attention(part(0), part(1), part(2), PairBiases(x.size(1)));
    return m_Projection(attended.transpose(1, 2).reshape(x.sizes()));
  }

private:
  /** 1×heads×tokens×tokens */
  at::Tensor
  PairBiases(int64_t window) const
  {
    const auto positions = at::arange(window, m_Biases.options().dtype(at::kLong));
    const auto distances = (positions.unsqueeze(1) - positions.unsqueeze(0)).abs();
    const auto index = distances.view({ window, 1, window, 1 }) * window + distances.view({ 1, window, 1, window });
    return m_Biases.index_select(1, index.flatten()).view({ 1, -1, window * window, window * window });
  }

  LayerNorm  m_Norm;
  Linear     m_QueryKeyValue;
  Linear     m_Projection;
  at::Tensor m_Biases;
};

/** Attention in windows, a depthwise convolution, a two-layer network: B×h×w×C into the same. */
class AttentionBlock
{
public:
  AttentionBlock(const Scope & scope, const TinyVitOptions & options, size_t stage)
    : m_Window(options.windows[stage])
    , m_Attention(scope / "attn", options.widths[stage], options.heads[stage], m_Window)
    , m_LocalConvolution(scope / "local_conv",
                         options.widths[stage],
                         options.widths[stage],
                         { .kernel = options.localConvolution, .depthwise = true })
    , m_Norm(scope / "mlp" / "norm", options.widths[stage], layerNormEpsilon)
    , m_First(scope / "mlp" / "fc1", options.widths[stage], Scale(options.widths[stage], options.mlpRatio))
    , m_Second(scope / "mlp" / "fc2", Scale(options.widths[stage], options.mlpRatio), options.widths[stage])
  {}

  at::Tensor
  operator()(const at::Tensor & x) const
  {
    const auto attended =
      x + UnpartitionWindows(m_Attention(PartitionWindows(x, m_Window)), m_Window, x.size(1), x.size(2));
    const auto local = m_LocalConvolution(attended.permute({ 0, 3, 1, 2 })).permute({ 0, 2, 3, 1 });
    return m_Second.Plus(m_First.Gelu(m_Norm(local)), local);
  }

private:
  int64_t               m_Window;
  WindowAttention       m_Attention;
  NormalizedConvolution m_LocalConvolution;
  LayerNorm             m_Norm;
  Linear                m_First;
  Linear                m_Second;
};

/** The blocks of one stage and the merging behind them, B×C×h×w into B×C'×h'×w'. */
struct Stage
{
  std::vector<ConvolutionTriple>   convolutions; ///< of the first stage
  std::vector<AttentionBlock>      attentions;   ///< of the others
  std::optional<ConvolutionTriple> merging;
};
} // namespace

struct TinyVit::Layers
{
  Layers(const Scope & scope, const TinyVitOptions & options)
    : patch1(scope / "patch_embed" / "seq" / 0,
             options.inputChannels,
             options.widths[0] / 2,
             { .kernel = 3, .stride = 2 })
    , patch2(scope / "patch_embed" / "seq" / 2, options.widths[0] / 2, options.widths[0], { .kernel = 3, .stride = 2 })
    , neck(scope / "neck", options.widths.back(), options.neck)
    , blocks(std::accumulate(options.depths.begin(), options.depths.end(), int64_t{ 0 }))
  {
    for (size_t s = 0; s < options.widths.size(); ++s)
    {
      const Scope   here = scope / "layers" / static_cast<int64_t>(s);
      const int64_t width = options.widths[s];
      Stage &       stage = stages.emplace_back();
      for (int64_t k = 0; k < options.depths[s]; ++k)
      {
        if (s == 0)
        {
          stage.convolutions.emplace_back(here / "blocks" / k, width, Scale(width, options.expansion), width, 1, 0.0);
        }
        else
        {
          stage.attentions.emplace_back(here / "blocks" / k, options, s);
        }
      }
      if (s + 1 < options.widths.size())
      {
        const int64_t next = options.widths[s + 1];
        const int64_t stride = static_cast<int64_t>(s) < halvingMergings ? 2 : 1;
        stage.merging.emplace(here / "downsample", width, next, next, stride, 1.0);
      }
    }
  }

  NormalizedConvolution patch1;
  NormalizedConvolution patch2;
  std::vector<Stage>    stages;
  EncoderNeck           neck;
  int64_t               blocks;
};

TinyVit::TinyVit(const Scope & scope, const TinyVitOptions & options)
  : m_Layers(std::make_shared<const Layers>(scope, options))
{}

TinyVit::Output
TinyVit::operator()(const at::Tensor & x, const ProgressFunction & progress, const Observer & observe) const
{
  const auto unfold = [&x](const at::Tensor & map) {
    return map.view({ x.size(0), x.size(2), map.size(1), map.size(2), map.size(3) }).transpose(1, 2);
  };
  int64_t    done = 0;
  const auto count = [&] {
    if (progress)
    {
      progress(static_cast<double>(++done) / static_cast<double>(m_Layers->blocks));
    }
  };
  Output output;
  auto   map = m_Layers->patch2(at::gelu(m_Layers->patch1(x.transpose(1, 2).flatten(0, 1))));
  if (observe)
  {
    observe("patch_embed", map);
  }
  for (size_t s = 0; s < m_Layers->stages.size(); ++s)
  {
    const Stage & stage = m_Layers->stages[s];
    for (const auto & block : stage.convolutions)
    {
      map = at::gelu(map + block(map));
      count();
    }
    auto tokens = map.permute({ 0, 2, 3, 1 });
    for (const auto & block : stage.attentions)
    {
      tokens = block(tokens);
      count();
    }
    map = tokens.permute({ 0, 3, 1, 2 });
    if (stage.merging)
    {
      map = (*stage.merging)(map);
    }
    if (s == earlyStage)
    {
      output.early = unfold(map);
    }
    if (observe)
    {
      observe("layer" + std::to_string(s), map.flatten(2).transpose(1, 2));
    }
  }
  output.embedding = unfold(m_Layers->neck(map));
  return output;
}
} // namespace sam
