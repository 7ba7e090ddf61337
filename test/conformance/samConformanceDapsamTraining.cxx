// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samConformance.h"
#include "samConformanceParts.h"
#include "samError.h"
#include "samLocationScale.h"
#include "samMaskLoss.h"
#include "samNetwork.h"
#include "samOptimizer.h"
#include "samOverlap.h"
#include "samSchedule.h"
#include "samSurfaceDistance.h"
#include "samVolumePreprocessing.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>

#include <cmath>
#include <limits>

namespace sam
{
namespace
{
using Labels2D = itk::Image<unsigned char, 2>;
using Labels3D = itk::Image<unsigned char, 3>;

/** Two formulations of a gradient differ by that in float32, relative to its largest entry. */
constexpr double gradientTolerance = 1e-3;

/** AdamW divides by the root of tiny second moments. */
constexpr double weightTolerance = 5e-4;

at::Tensor
Number(double value)
{
  return at::full({ 1 }, value, at::kDouble);
}

/** B×N×H×W logits and B×1×H×W labels as slices of volumes. */
MaskLosses
Losses(const at::Tensor & logits, const at::Tensor & labels, bool isNested, double diceWeight)
{
  MaskLossOptions options;
  options.isBatchDice = true;
  options.isNested = isNested;
  options.diceWeight = diceWeight;
  return MaskLoss(logits.unsqueeze(2), labels.to(at::kLong), options);
}

/** The published network with the parameters of a recording. */
Network
ReadNetwork(const Recording & recording)
{
  Plan plan = RecognizePlan(recording);
  plan.decoderHeads = recording.Number("dheads");
  plan.stem = "none";
  plan.channels.assign(3, ChannelPlan{ "image" });
  auto weights = recording.Weights();
  for (auto & [name, tensor] : weights)
  {
    tensor = tensor.clone();
  }
  return Network(plan, std::move(weights), "parameters");
}

/** Recorded draws K×4 [kind, a, b, value] one after the other, each of the kind that is asked for. */
class RecordedDraws
{
public:
  explicit RecordedDraws(const at::Tensor & rows)
    : m_Rows(rows.to(at::kCPU, at::kDouble).contiguous())
  {}

  Draws
  Get()
  {
    return { [this](double lower, double upper) { return this->Next(false, lower, upper); },
             [this](double mean, double deviation) { return this->Next(true, mean, deviation); } };
  }

  void
  ThrowIfUnused() const
  {
    if (m_Row != m_Rows.size(0))
    {
      throw Error(std::to_string(m_Rows.size(0) - m_Row) + " recorded draws were not asked for");
    }
  }

private:
  double
  Next(bool isNormal, double first, double second)
  {
    if (m_Row == m_Rows.size(0))
    {
      throw Error("more draws were asked for than recorded");
    }
    const double * row = m_Rows.const_data_ptr<double>() + 4 * m_Row++;
    const auto     differs = [](double a, double b) { return std::abs(a - b) > 1e-4 * (1.0 + std::abs(b)); };
    if ((row[0] == 1.0) != isNormal || differs(first, row[1]) || differs(second, row[2]))
    {
      throw Error("draw " + std::to_string(m_Row - 1) + " has the parameters " + std::to_string(first) + " and " +
                  std::to_string(second) + ", recorded were " + std::to_string(row[1]) + " and " +
                  std::to_string(row[2]));
    }
    return row[3];
  }

  at::Tensor m_Rows;
  int64_t    m_Row{ 0 };
};

/** Compares out of \a name with what \a augment makes of its draws. */
template <typename TAugment>
void
CompareAugmentation(Recording & recording, const std::string & name, const TAugment & augment)
{
  if (recording.Has(name + "/out"))
  {
    RecordedDraws draws(recording.Get(name + "/draws"));
    recording.Compare(name + "/out", augment(draws.Get()));
    draws.ThrowIfUnused();
  }
}

/** The parts that were recorded below \a prefix, as prefixNAME/out. */
std::vector<std::string>
Parts(const Recording & recording, const std::string & prefix)
{
  std::vector<std::string> parts;
  for (const auto & name : recording.Outputs(prefix))
  {
    const std::string end = ".out";
    if (name.size() > end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0)
    {
      parts.push_back(name.substr(0, name.size() - end.size()));
    }
  }
  return parts;
}

template <typename TImage>
typename TImage::Pointer
ToImage(const at::Tensor & mask, const std::vector<double> & spacing)
{
  const auto                values = mask.to(at::kCPU, at::kByte).contiguous();
  auto                      image = TImage::New();
  typename TImage::SizeType size;
  constexpr unsigned int    dimension = TImage::ImageDimension;
  for (unsigned int d = 0; d < dimension; ++d)
  {
    size[d] = static_cast<itk::SizeValueType>(values.size(dimension - 1 - d));
  }
  image->SetRegions(size);
  image->SetSpacing(spacing.data());
  image->Allocate();
  std::copy_n(values.const_data_ptr<uint8_t>(), values.numel(), image->GetBufferPointer());
  return image;
}

/** Published Dice of 0 and 0 is 1. */
template <typename TImage>
double
Dice(const TImage * prediction, const TImage * reference)
{
  return ComputeOverlap<TImage>(prediction, reference, { 1 }).at(1).GetDice().value_or(1.0);
}
} // namespace

void
CheckMaskLosses(Recording & recording)
{
  const at::AutoGradMode gradients(true);
  for (const std::string name : { "prostate", "fundus" })
  {
    if (!recording.Has(name + "/in/logits"))
    {
      continue;
    }
    const bool   isNested = name == "fundus";
    const auto   logits = recording.Get(name + "/in/logits").clone().requires_grad_(true);
    const auto & labels = recording.Get(name + "/in/label");
    const auto   output = name + "/out/";
    for (const auto & total : recording.Outputs(output + "total_w"))
    {
      recording.Compare(output + "total_w" + total, Losses(logits, labels, isNested, std::stod(total)).total);
    }
    const auto losses = Losses(logits, labels, isNested, 0.8);
    for (const std::string sum : { "", "_sum" })
    {
      recording.Compare(output + "bce" + sum, losses.crossEntropy);
      recording.Compare(output + "dice" + sum, losses.dice);
    }
    losses.total.backward();
    recording.Compare(output + "grad_logits", logits.grad());
  }
}

void
CheckDapsamSteps(Recording & recording)
{
  const at::AutoGradMode gradients(true);
  const at::Tensor       images = recording.Get("in/image").unsqueeze(2);
  const at::Tensor       labels = recording.Get("in/label");
  auto                   network = ReadNetwork(recording);
  auto                   average = ReadNetwork(recording);
  const auto &           tensors = network.GetParameters().GetTensors();

  // base_lr 0.0005 warmup 2 max_iterations 10 weight_decay 0.1
  const auto number = [note = recording.Text("note")](const std::string & key) {
    const auto place = note.find(key + " ");
    if (place == std::string::npos)
    {
      throw Error("the header's entry 'note' is '" + note + "', expected '" + key + "' in it");
    }
    return std::stod(note.substr(place + key.size()));
  };
  TrainingRecipe recipe;
  recipe.schedule = "dapsam";
  recipe.learningRate = number("base_lr");
  recipe.warmUpSteps = std::llround(number("warmup"));
  const double iterations = number("max_iterations");

  const auto compare = [&](const std::string & prefix) {
    for (const auto & name : recording.Outputs(prefix + "/"))
    {
      recording.CompareWithin(prefix + "/" + name, tensors.at(name), weightTolerance);
    }
  };
  compare("param_before");
  Optimizer optimizer(network, average, { number("weight_decay"), true, std::numeric_limits<double>::infinity() });
  std::vector<double> rates;
  std::vector<double> losses;
  const int64_t       steps = recording.Get("out/loss_per_step").size(0);
  for (int64_t step = 0; step < steps; ++step)
  {
    const auto encoded = network.Encode(images);
    const auto masks = network.Decode(encoded, network.GeneratePrompts(encoded)).masks;
    const auto loss = Losses(masks.squeeze(2), labels, network.GetPlan().nestsLabels, 0.8).total;
    loss.backward();
    if (step == 0)
    {
      for (const auto & name : recording.Outputs("grad_step0/"))
      {
        const auto gradient = tensors.at(name).grad();
        recording.CompareWithin("grad_step0/" + name,
                                gradient,
                                gradientTolerance * recording.Get("grad_step0/" + name).abs().max().item<double>() +
                                  1e-8);
      }
    }
    rates.push_back(LearningRate(recipe, step, static_cast<double>(step) / iterations));
    losses.push_back(loss.item<double>());
    optimizer.Step(rates.back());
    compare("param_after_step" + std::to_string(step + 1));
  }
  recording.Compare("out/loss_per_step", at::tensor(losses, at::kDouble));
  recording.Compare("out/lr_used_per_step", at::tensor(rates, at::kDouble));
}

void
CheckLocationScale(Recording & recording)
{
  const auto &         image = recording.Get("in/image");
  LocationScaleOptions options;
  const auto           range = recording.Text("vr");
  options.range = { std::stod(range.substr(1)), std::stod(range.substr(range.find(',') + 1)) };
  options.points = recording.Number("nPoints");
  options.samples = recording.Number("nTimes");
  options.backgroundLimit = recording.Real("thr");

  recording.Compare("mid/polynomial_rows_every_1000",
                    BernsteinPolynomials(options.points, options.samples).slice(1, 0, options.samples, 1000));
  for (const auto & part : Parts(recording, "bezier/"))
  {
    const auto   inverse = part.find("inverse_p");
    const double probability = inverse == std::string::npos ? 0.0 : std::stod(part.substr(inverse + 9));
    CompareAugmentation(
      recording, "bezier/" + part, [&](const Draws & draws) { return MapByCurve(image, probability, draws, options); });
  }
  const auto percentiles = [](const at::Tensor & values, const std::vector<double> & percents) {
    std::vector<double> found;
    const auto          real = values.to(at::kCPU, at::kDouble).contiguous();
    for (const double percent : percents)
    {
      std::vector<double> samples(real.const_data_ptr<double>(), real.const_data_ptr<double>() + real.numel());
      found.push_back(ComputePercentile(samples, percent));
    }
    return at::tensor(found, at::kDouble);
  };
  recording.Compare("locscale/percentiles_20_80", percentiles(image, { 20.0, 80.0 }));
  for (const auto & part : Parts(recording, "locscale_"))
  {
    CompareAugmentation(recording, "locscale_" + part, [&](const Draws & draws) {
      return ChangeLocationAndScale(image, draws, options);
    });
  }
  if (const auto unit = recording.Find("unit/in/image"); unit.defined())
  {
    auto unitOptions = options;
    unitOptions.range = { 0.0, 1.0 };
    recording.Compare("unit/percentiles_10_20_80_90", percentiles(unit, { 10.0, 20.0, 80.0, 90.0 }));
    for (const auto & part : Parts(recording, "unit/locscale_"))
    {
      // The fourth one was recorded with another percentile.
      unitOptions.percentile = part == "3" ? 10.0 : 20.0;
      CompareAugmentation(recording, "unit/locscale_" + part, [&](const Draws & draws) {
        return ChangeLocationAndScale(unit, draws, unitOptions);
      });
    }
  }
  CompareAugmentation(recording, "global", [&](const Draws & draws) { return AugmentGlobally(image, draws, options); });
  for (const std::string part : { "local", "local2" })
  {
    CompareAugmentation(recording, part, [&](const Draws & draws) {
      return AugmentLabels(image, recording.Get("in/mask"), draws, options);
    });
  }
}

void
CheckFourierAndNormalization(Recording & recording)
{
  const auto & images = recording.Get("in/image");
  const double share = recording.Get("in/L").item<double>();
  recording.Compare("out/fda_with_reversed_batch", ExchangeAmplitudes(images, images.flip({ 0 }), share));
  recording.Compare("out/high_frequency_only", ExchangeAmplitudes(images, {}, share));
  const ChannelPlan channel{ "image", "slice_z_score" };
  recording.Compare("out/zscore_per_channel", NormalizeVolume(images.flatten(0, 1), channel).view(images.sizes()));
  recording.Compare("out/minmax_0_1", (images - images.min()) / (images.max() - images.min()));
}

void
CheckPositivePercentiles(Recording & recording)
{
  const auto slice = recording.Get("in/slice").unsqueeze(0);
  at::Tensor limits;
  recording.Compare("mid/clipped", LimitPositive(slice, { 0.2, 99.8 }, &limits));
  recording.Compare("mid/percentiles_0.2_99.8", limits.squeeze(0));
  recording.Compare("out/zscored", NormalizeVolume(slice, { "MR", "slice_percentiles" }).squeeze(0));
}

void
CheckMetrics(Recording & recording)
{
  if (recording.Has("volume/in/label"))
  {
    const auto prediction = recording.Get("volume/in/probability")[0][0] >= 0.5;
    const auto reference = recording.Get("volume/in/label")[0][0] > 0.0;
    const auto measure = [&](const std::vector<double> & spacing) {
      return ComputeSurfaceDistances<Labels3D>(
               ToImage<Labels3D>(prediction, spacing), ToImage<Labels3D>(reference, spacing), { 1 })
        .at(1);
    };
    const std::vector<double> voxels{ 1.0, 1.0, 1.0 };
    recording.Compare(
      "volume/out/dice",
      Number(Dice<Labels3D>(ToImage<Labels3D>(prediction, voxels), ToImage<Labels3D>(reference, voxels))));
    const auto distances = measure(voxels);
    const auto compare = [&recording](const std::string & name, const std::optional<double> & value) {
      recording.Compare(name, Number(value.value_or(std::numeric_limits<double>::quiet_NaN())));
    };
    compare("volume/out/asd_voxels", distances.toReference);
    compare("volume/extra/asd_pred_to_ref", distances.toReference);
    compare("volume/extra/asd_ref_to_pred", distances.toPrediction);
    compare("volume/extra/assd", distances.mean);
    compare("volume/extra/hd95", distances.pooled95);
    compare("volume/extra/asd_spacing", measure({ 0.7, 0.5, 3.0 }).toReference);
  }
  if (recording.Has("fundus/in/mask"))
  {
    const auto &        probability = recording.Get("fundus/in/probability");
    std::vector<double> found;
    for (int64_t k = 0; k < probability.size(0); ++k)
    {
      const std::vector<double> pixels{ 1.0, 1.0 };
      found.push_back(Dice<Labels2D>(ToImage<Labels2D>(probability[k] > 0.5, pixels),
                                     ToImage<Labels2D>(recording.Get("fundus/in/mask")[k] > 0.5, pixels)));
    }
    recording.Compare("fundus/out/hard_dice_per_image", at::tensor(found, at::kDouble));
  }
}
} // namespace sam
