// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samLowLevelAdapters.h"
#include "samMaskLoss.h"
#include "samNetwork.h"
#include "samOptimizer.h"
#include "samPublishedDapsam.h"
#include "samSafetensors.h"
#include "samTestMessage.h"
#include "samTinyPlan.h"
#include "samVolumePreprocessing.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <set>
#include <string>

namespace
{
using sam::test::Contains;
using sam::test::MessageOf;

/** A published network with other sizes, small enough to run. */
sam::Plan
MakeSmall(const std::string & word)
{
  sam::Plan plan = sam::PublishedDapsamPlan(word);
  plan.encoder = "vit";
  plan.width = 16;
  plan.depth = 3;
  plan.heads = 2;
  plan.patch = 4;
  plan.attentionWindow = 3;
  plan.globalBlocks = { 1 };
  plan.grid = { 5, 5 };
  plan.neck = 16;
  plan.prototypes = 6;
  plan.decoderMlpWidth = 24;
  plan.iouHeadWidth = 12;
  plan.window = { 20, 20, 1 };
  return sam::Plan::FromJson(plan.ToJson(), "test");
}

at::Tensor
MakeImage(const sam::Plan & plan, int64_t batch, int64_t slices, int64_t rows = 20, int64_t columns = 20)
{
  const auto channels = static_cast<int64_t>(plan.channels.size());
  return at::randn({ batch, channels, slices, rows, columns }, at::detail::createCPUGenerator(3));
}

sam::MaskClassification
Answer(const sam::Network & network, const at::Tensor & image)
{
  const auto encoded = network.Encode(image);
  return network.Decode(encoded, network.GeneratePrompts(encoded));
}

at::Tensor
Masks(const sam::Network & network, const at::Tensor & image)
{
  const at::NoGradGuard noGrad;
  return Answer(network, image).masks;
}

/** The gradients of a loss of a small image. */
std::map<std::string, at::Tensor>
Gradients(const sam::Network & network)
{
  std::map<std::string, at::Tensor> gradients;
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    tensor.mutable_grad().reset();
    tensor.set_requires_grad(network.GetParameters().GetConstants().count(name) == 0);
  }
  const auto masks = Answer(network, MakeImage(network.GetPlan(), 2, 1)).masks;
  auto       labels = at::zeros({ 2, 1, 20, 20 }, at::kLong);
  labels.narrow(3, 4, 9).fill_(masks.size(1));
  sam::MaskLoss(masks, labels, sam::MaskLossOptions::FromPlan(network.GetPlan())).total.backward();
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    gradients[name] = tensor.grad();
  }
  return gradients;
}

class SamDapsamPlans : public testing::TestWithParam<std::string>
{};
} // namespace

TEST_P(SamDapsamPlans, GoThroughJson)
{
  const auto plan = MakeSmall(GetParam());
  EXPECT_EQ(sam::Plan::FromJson(plan.ToJson(), "again").ToJson(), plan.ToJson());
  EXPECT_EQ(plan.prototypes, 6);
  EXPECT_EQ(plan.nestsLabels, Contains(GetParam(), "fundus"));
  EXPECT_EQ(plan.compatibility.size(), Contains(GetParam(), "published") ? 5u : 0u);
}

TEST_P(SamDapsamPlans, GradientsReachWhatIsTrainedAndNothingElse)
{
  auto plan = MakeSmall(GetParam());
  // Behind last layers of zeros there is no gradient in the first step.
  plan.compatibility.emplace_back("random_adapters");
  const sam::Network network(plan, 1);
  for (const auto & [name, gradient] : Gradients(network))
  {
    const bool hasGradient = gradient.defined() && gradient.abs().max().item<double>() > 0.0;
    const bool isTrained = network.GetParameters().GetConstants().count(name) == 0;
    // The head of quality is there for the tensors' sake. Keys of a softmax may all be moved by the same vector.
    const bool isWithout = Contains(name, "iou_prediction_head") || Contains(name, "k_proj.bias");
    EXPECT_TRUE(hasGradient == isTrained || isWithout) << name;
    EXPECT_EQ(isTrained,
              Contains(name, "adapter") || (!Contains(name, "image_encoder.") && !Contains(name, "gaussian_matrix")))
      << name;
  }
}

TEST_P(SamDapsamPlans, ImagesAndSlicesAreAnsweredByThemselves)
{
  const sam::Network network(MakeSmall(GetParam()), 2);
  const auto         image = MakeImage(network.GetPlan(), 2, 3, 20, 24);
  const auto         together = Masks(network, image);
  EXPECT_EQ(together.sizes().slice(2), at::IntArrayRef({ 3, 20, 24 }));
  for (int64_t b = 0; b < 2; ++b)
  {
    for (int64_t slice = 0; slice < 3; ++slice)
    {
      const auto alone = Masks(network, image.narrow(0, b, 1).narrow(2, slice, 1));
      const auto difference = (together.narrow(0, b, 1).narrow(2, slice, 1) - alone).abs().max().item<double>();
      EXPECT_LT(difference, 1e-5) << "image " << b << ", slice " << slice;
    }
  }
}

TEST_P(SamDapsamPlans, ConstantSlicesHaveAnAnswer)
{
  const sam::Network network(MakeSmall(GetParam()), 2);
  for (const double value : { 0.0, 137.3 })
  {
    const auto channel = network.GetPlan().channels.front();
    const auto slices = sam::NormalizeVolume(at::full({ 2, 20, 20 }, value, at::kFloat), channel);
    EXPECT_LT(slices.abs().max().item<double>(), 1e-3);
    const auto image =
      slices.unsqueeze(0).unsqueeze(0).repeat({ 1, static_cast<int64_t>(network.GetPlan().channels.size()), 1, 1, 1 });
    EXPECT_TRUE(Masks(network, image).isfinite().all().item<bool>());
  }
}

TEST_P(SamDapsamPlans, SnapshotsAreRecognized)
{
  auto plan = MakeSmall(GetParam());
  plan.decoderHeads = 8;
  plan.compatibility = sam::Plan::GetCompatibilityWords("prototype");
  const sam::Network network(plan, 7);
  const auto         path =
    (std::filesystem::path(testing::TempDir()) / (std::string("snapshot_") + GetParam() + ".safetensors")).string();
  const auto write = [&path](std::map<std::string, at::Tensor> tensors) {
    sam::WriteSafetensors(path, { std::move(tensors), {} });
  };
  const auto & tensors = network.GetParameters().GetTensors();
  write(tensors);
  const auto model = sam::OpenModel(path);
  EXPECT_TRUE(model.isRecognized);
  EXPECT_EQ(model.architecture, "DAPSAM ViT of width 16 and depth 3");
  auto recognized = model.plan;
  recognized.provenance = plan.provenance;
  EXPECT_EQ(recognized.ToJson(), plan.ToJson());
  const auto image = MakeImage(plan, 1, 1);
  EXPECT_TRUE(Masks(*sam::ReadModel(path), image).equal(Masks(network, image)));

  EXPECT_TRUE(
    Contains(MessageOf([&] { sam::OpenModel(path, "medsam"); }), "expected dapsam_prostate or dapsam_fundus"));

  auto others = tensors;
  others.erase("prompt_generator.fuse_conv.bias");
  write(others);
  EXPECT_TRUE(Contains(MessageOf([&] { sam::ReadModel(path); }), "'prompt_generator.fuse_conv.bias' is missing"));
  others = tensors;
  others["prompt_generator.more"] = at::zeros({ 1 });
  write(others);
  EXPECT_TRUE(Contains(MessageOf([&] { sam::ReadModel(path); }), "unexpected tensor 'prompt_generator.more'"));
}

INSTANTIATE_TEST_SUITE_P(SamDapsam, SamDapsamPlans, testing::ValuesIn(sam::GetPublishedDapsamWords()));

TEST(SamDapsam, HasThePublishedNumbersOfParameters)
{
  struct Expected
  {
    const char * word;
    int64_t      total;
    int64_t      trained;
    int64_t      decoder;
  };
  for (const Expected & expected : { Expected{ "dapsam_prostate", 98'452'609, 11'526'017, 3'637'377 },
                                     Expected{ "dapsam_fundus_published", 98'945'186, 11'666'338, 3'777'698 } })
  {
    const auto plan = sam::PublishedDapsamPlan(expected.word);
    int64_t    total = 0;
    int64_t    trained = 0;
    int64_t    decoder = 0;
    for (const auto & [name, shape] : sam::Network::GetShapes(plan))
    {
      int64_t count = 1;
      for (const int64_t extent : shape)
      {
        count *= extent;
      }
      // A buffer of the published code, not a parameter.
      count = Contains(name, "gaussian_matrix") ? 0 : count;
      total += count;
      trained += plan.IsFrozen(name) ? 0 : count;
      decoder += Contains(name, "mask_decoder.") ? count : 0;
    }
    EXPECT_EQ(total, expected.total) << expected.word;
    EXPECT_EQ(trained, expected.trained) << expected.word;
    EXPECT_EQ(decoder, expected.decoder) << expected.word;
  }
  EXPECT_TRUE(Contains(MessageOf([] { sam::PublishedDapsamPlan("dapsam_lung"); }), "'dapsam_lung' is not known"));
}

TEST(SamDapsam, StartsWithoutEffectOfItsAdapters)
{
  const auto         plan = MakeSmall("dapsam_prostate");
  const sam::Network adapted(plan, 4);
  auto               plain = plan;
  plain.adaptation.clear();
  std::map<std::string, at::Tensor> tensors;
  for (const auto & [name, tensor] : adapted.GetParameters().GetTensors())
  {
    if (!Contains(name, "adapter"))
    {
      tensors[name] = tensor;
    }
  }
  const auto image = MakeImage(plan, 1, 2);
  EXPECT_TRUE(Masks(adapted, image).equal(Masks(sam::Network(plain, tensors, "plain"), image)));

  auto random = plan;
  random.compatibility = { "random_adapters" };
  std::set<std::string> changed;
  const sam::Network    published(random, 4);
  for (const auto & [name, tensor] : adapted.GetParameters().GetTensors())
  {
    if (tensor.abs().max().item<double>() == 0.0 &&
        published.GetParameters().GetTensors().at(name).abs().max().item<double>() > 0.0)
    {
      changed.insert(name);
    }
  }
  // Both layers' tensors of the adapters in the blocks, the last weight of those in front of them.
  EXPECT_EQ(changed.size(), 3u * plan.depth);
}

TEST(SamDapsam, TrainingChangesTheAdaptersAndLeavesTheEncoder)
{
  const auto     plan = MakeSmall("dapsam_prostate");
  sam::Network   network(plan, 4);
  sam::Network   average(plan, 4);
  const auto     before = [&plan] { return sam::Network(plan, 4); }();
  sam::Optimizer optimizer(network, average, { 0.1, true, 1.0 });
  for (int step = 0; step < 2; ++step)
  {
    const auto masks = Answer(network, MakeImage(plan, 2, 1)).masks;
    auto       labels = at::zeros({ 2, 1, 20, 20 }, at::kLong);
    labels.narrow(2, 4, 9).fill_(1);
    sam::MaskLoss(masks, labels).total.backward();
    EXPECT_TRUE(optimizer.Step(1e-3));
  }
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    const bool isSame = tensor.detach().equal(before.GetParameters().GetTensors().at(name));
    if (Contains(name, "adapter"))
    {
      EXPECT_FALSE(isSame) << name;
    }
    else if (Contains(name, "image_encoder.") || Contains(name, "gaussian_matrix"))
    {
      EXPECT_TRUE(isSame) << name;
    }
  }
}

TEST(SamDapsam, MasksLieOnTheImageWhateverTheStem)
{
  auto plan = sam::MakeTinyDapsamPlan();
  for (const std::string stem : { "gray_rgb", "pyramid", "pseudo_rgb", "enlarged_rgb" })
  {
    plan.stem = stem;
    plan.stemWidths = stem == "gray_rgb"     ? std::vector<int64_t>{}
                      : stem == "pseudo_rgb" ? std::vector<int64_t>{ 4 }
                                             : std::vector<int64_t>{ 4, 8 };
    const sam::Network network(sam::Plan::FromJson(plan.ToJson(), stem), 3);
    const auto         image = MakeImage(plan, 1, 2, 12, 16);
    EXPECT_EQ(Masks(network, image).sizes(), at::IntArrayRef({ 1, 2, 2, 12, 16 })) << stem;
    // As an embedding image carries it.
    const at::NoGradGuard noGrad;
    const auto            encoded = network.Encode(image);
    const auto            carried = network.Unpack(network.Pack(encoded));
    EXPECT_TRUE(carried.embedding.equal(encoded.embedding)) << stem;
  }
}

TEST(SamDapsam, LowLevelFeaturesAreThoseOfTheirToken)
{
  const auto tokens = at::randn({ 1, 3, 4, 8 }, at::detail::createCPUGenerator(1));
  auto       changed = tokens.clone();
  changed[0][1][2] += 1.0;
  const auto places = [](const sam::LowLevelOptions & options, const at::Tensor & a, const at::Tensor & b) {
    sam::Parameters            parameters(2);
    const sam::LowLevelPrompts prompts(sam::Scope(parameters), 1, options);
    const auto differences = (prompts.MakeFeatures(a) - prompts.MakeFeatures(b)).abs().amax({ 0, 3 }) > 0;
    return differences;
  };
  sam::LowLevelOptions options{ .width = 8, .bottleneck = 2 };
  const auto           aligned = places(options, tokens, changed);
  EXPECT_EQ(aligned.sum().item<int64_t>(), 1);
  EXPECT_TRUE(aligned[1][2].item<bool>());
  options.shufflesTokens = true;
  EXPECT_GT(places(options, tokens, changed).sum().item<int64_t>(), 1);
}

TEST(SamDapsam, ChannelGatesDoNotSeeWhereThingsAre)
{
  const auto tokens = at::randn({ 2, 4, 4, 8 }, at::detail::createCPUGenerator(1));
  const auto features = at::randn({ 2, 4, 4, 8 }, at::detail::createCPUGenerator(2));
  const auto error = [&](bool gatesColumns) {
    sam::Parameters            parameters(2);
    const sam::LowLevelPrompts prompts(
      sam::Scope(parameters), 1, { .width = 8, .bottleneck = 2, .gatesColumns = gatesColumns });
    const auto turn = [](const at::Tensor & x) { return x.transpose(1, 2); };
    return (turn(prompts.Filter(tokens, features)) - prompts.Filter(turn(tokens), turn(features)))
      .abs()
      .max()
      .item<double>();
  };
  EXPECT_LT(error(false), 1e-6);
  EXPECT_GT(error(true), 1e-3);
}

TEST(SamDapsam, PrototypesAreMixedByTheImage)
{
  const sam::Network    network(MakeSmall("dapsam_fundus"), 6);
  const at::NoGradGuard noGrad;
  const auto            encoded = network.Encode(MakeImage(network.GetPlan(), 2, 2));
  at::Tensor            addresses;
  const auto            prompts = network.GeneratePrompts(encoded, [&](const auto & name, const auto & value) {
    if (name == "addresses")
    {
      addresses = value;
    }
  });
  EXPECT_EQ(addresses.sizes(), at::IntArrayRef({ 4, 6 }));
  EXPECT_LT((addresses.sum(1) - 1.0).abs().max().item<double>(), 1e-6);
  EXPECT_EQ(prompts.similarity.sizes(), at::IntArrayRef({ 2, 1, 2, 5, 5 }));
  EXPECT_LE(prompts.similarity.abs().max().item<double>(), 1.0 + 1e-6);
  EXPECT_EQ(prompts.dense.sizes(), encoded.embedding.sizes());
  // An image without any features has no direction, and an answer all the same.
  sam::EncodedImage nothing;
  nothing.embedding = at::zeros_like(encoded.embedding);
  EXPECT_EQ(network.GeneratePrompts(nothing).similarity.abs().max().item<double>(), 0.0);
}

TEST(SamDapsam, LabelsAreThoseOfTheMasksAboveZero)
{
  const auto logits = [](std::vector<double> disc, std::vector<double> cup) {
    sam::MaskClassification answer;
    const auto              size = static_cast<int64_t>(disc.size());
    answer.masks = at::stack({ at::tensor(disc, at::kFloat), at::tensor(cup, at::kFloat) }).view({ 1, 2, 1, 1, size });
    return answer;
  };
  auto       answer = logits({ -1.0, 0.2, 3.0, 0.1, -2.0, 0.3 }, { -2.0, -0.1, 0.1, 2.0, 1.0, 0.3 });
  const auto labels = [](const sam::MaskClassification & found) {
    const auto shares = found.Semantic();
    EXPECT_LT((shares.sum(1) - 1.0).abs().max().item<double>(), 1e-6);
    EXPECT_GE(shares.min().item<double>(), 0.0);
    return shares.argmax(1).flatten();
  };
  EXPECT_TRUE(labels(answer).equal(at::tensor({ 0, 1, 1, 2, 2, 1 }, at::kLong)));
  answer.isNested = true;
  EXPECT_TRUE(labels(answer).equal(at::tensor({ 0, 1, 2, 2, 2, 2 }, at::kLong)));

  // One mask: its probability.
  answer.masks = answer.masks.narrow(1, 0, 1);
  EXPECT_LT((answer.Semantic().select(1, 1) - at::sigmoid(answer.masks.squeeze(1))).abs().max().item<double>(), 1e-6);
}

TEST(SamDapsam, StartsFromACheckpointOfSam)
{
  const auto plan = MakeSmall("dapsam_fundus");
  auto       checkpoint = plan;
  checkpoint.adaptation.clear();
  checkpoint.promptSource = "manual";
  checkpoint.decoder = "sam";
  checkpoint.keepsSamHeads = false;
  checkpoint.multimasks = 1; // as many masks as labels: their meaning is another one
  checkpoint.frozen.clear();
  checkpoint.adapted.clear();
  checkpoint.fit = "longest_side";
  checkpoint.grid = { 9, 9 };
  checkpoint.window = { 36, 36, 1 };
  checkpoint.channels.assign(3, sam::ChannelPlan{ "gray", "display", 0.0, 0.0, 120.0, 60.0 });
  checkpoint.nestsLabels = false;
  const sam::Network source(checkpoint, 9);
  const auto         path = (std::filesystem::path(testing::TempDir()) / "sam_start.safetensors").string();
  sam::WriteModel(path, checkpoint, source.GetParameters().GetTensors());

  const std::string matrix = "pe_layer.positional_encoding_gaussian_matrix";
  for (const bool isPublished : { false, true })
  {
    auto started = plan;
    if (isPublished)
    {
      started.compatibility = { "random_positions" };
    }
    sam::Network network(started, 5);
    const auto   report = sam::StartFromCheckpoint(network, path);
    const auto & tensors = network.GetParameters().GetTensors();
    EXPECT_EQ(report.taken.size() + report.resampled.size() + report.fresh.size(), tensors.size());
    EXPECT_EQ(report.resampled.size(), 3u) << "position table and the tables of one global block";
    EXPECT_EQ(tensors.at("prompt_generator." + matrix)
                .equal(source.GetParameters().GetTensors().at("prompt_encoder." + matrix)),
              !isPublished);
    for (const auto & name : report.fresh)
    {
      EXPECT_TRUE(Contains(name, "adapter") || Contains(name, "prompt_generator.") || Contains(name, "mask_tokens") ||
                  Contains(name, "hypernetworks") || Contains(name, "iou_prediction_head"))
        << name;
    }
    EXPECT_TRUE(tensors.at("mask_decoder.iou_token.weight")
                  .equal(source.GetParameters().GetTensors().at("mask_decoder.iou_token.weight")));
    // A model of the same kind gives everything.
    sam::WriteModel(path + ".model", started, tensors);
    sam::Network again(started, 8);
    EXPECT_EQ(sam::StartFromCheckpoint(again, path + ".model").taken.size(), tensors.size());
  }
}

TEST(SamDapsam, PlansThatMakeNoSenseAreRefused)
{
  const auto refusal = [](const std::function<void(sam::Plan &)> & change) {
    auto plan = MakeSmall("dapsam_prostate");
    change(plan);
    return MessageOf([&plan] { sam::Plan::FromJson(plan.ToJson(), "test"); });
  };
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.decoder = "mask_classification"; }),
                       "'mask_classification' does not go with the prompt source 'prototype'"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.prototypes = 0; }), "'prototypes' is 0"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.channels.resize(2, plan.channels.front()); }),
                       "expected 1 for the stem 'gray_rgb'"));
  EXPECT_TRUE(
    Contains(refusal([](auto & plan) { plan.fit = "square"; }), "'fit' is 'square', expected spacing or window"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.window[2] = 2; }), "'fit' is 'window', expected spacing for"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.encoder = "tiny_vit"; }), "needs the blocks of a vit"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.compatibility = { "column_gate" }; }), "unknown word"));
}
