// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samNetwork.h"
#include "samPrototypePrompts.h"
#include "samTinyPlan.h"
#include "samUnet.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/eye.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

namespace
{
sam::Plan
MakeUnetPlan(int64_t slices = 4)
{
  sam::Plan plan = sam::MakeTinyPlan(slices);
  plan.stem = "none";
  plan.stemWidths.clear();
  plan.encoder = plan.decoder = "unet";
  plan.promptSource = "none";
  plan.adaptation.clear();
  plan.stageWidths = { 4, 6, 8 };
  return sam::Plan::FromJson(plan.ToJson(), "test");
}

/** DAPSAM whose masks are refined by the features of a pyramid. */
sam::Plan
MakeCompactPlan(const std::string & promptSource = "prototype")
{
  sam::Plan plan = sam::MakeTinyDapsamPlan();
  plan.stem = "pyramid";
  plan.stemWidths = { 4, 8 };
  plan.finestStride = 2;
  plan.patch = 8;
  plan.grid = { 2, 2 };
  plan.planarLevels = 2;
  plan.positions = "relative";
  plan.promptSource = promptSource;
  plan.refinesMasks = true;
  return sam::Plan::FromJson(plan.ToJson(), "test");
}

at::Tensor
MakeImage(int64_t batch, int64_t slices, int64_t rows, int64_t columns)
{
  return at::randn({ batch, 1, slices, rows, columns }, at::detail::createCPUGenerator(3));
}

at::Tensor
Answer(const sam::Network & network, const at::Tensor & image)
{
  const at::NoGradGuard noGradient;
  const auto            encoded = network.Unpack(network.Pack(network.Encode(image)));
  return network.Decode(encoded, network.GeneratePrompts(encoded)).masks;
}

std::string
MessageOf(const std::function<void()> & action)
{
  try
  {
    action();
  }
  catch (const sam::Error & error)
  {
    return error.what();
  }
  return {};
}

bool
Contains(const std::string & text, const std::string & part)
{
  return text.find(part) != std::string::npos;
}
} // namespace

TEST(SamUnet, AnswersAnyNumberOfSlicesAndMultiplesOfThePatch)
{
  const auto plan = MakeUnetPlan();
  EXPECT_EQ(plan.patch, 4);
  EXPECT_EQ(plan.neck, 8);
  const sam::Network network(plan, 1);
  for (const int64_t slices : { 1, 3, 4 })
  {
    EXPECT_EQ(Answer(network, MakeImage(2, slices, 12, 20)).sizes().vec(),
              (std::vector<int64_t>{ 2, 2, slices, 12, 20 }));
  }
  const auto image = MakeImage(2, 4, 12, 12);
  const auto both = Answer(network, image);
  EXPECT_TRUE(both[1].allclose(Answer(network, image.narrow(0, 1, 1))[0], 1e-4, 1e-5)) << "images are apart";
}

TEST(SamUnet, InstancesAreTheirOwnMeasure)
{
  // Brightness and contrast of an image do not change the answer, up to the norm's epsilon and the zeros outside.
  const sam::Network network(MakeUnetPlan(1), 1);
  const auto         image = MakeImage(1, 1, 16, 16);
  EXPECT_TRUE(Answer(network, image).allclose(Answer(network, 3.0 * image), 1e-3, 1e-3));
}

TEST(SamUnet, ACoarserFinestResolutionMakesFewerFeatures)
{
  auto plan = MakeUnetPlan(1);
  plan.finestStride = 2;
  plan = sam::Plan::FromJson(plan.ToJson(), "test");
  EXPECT_EQ(plan.patch, 8);
  const sam::Network network(plan, 1);
  const auto         encoded = network.Encode(MakeImage(1, 1, 16, 16));
  EXPECT_EQ(encoded.details[0].size(4), 8);
  EXPECT_EQ(encoded.embedding.size(4), 2);
  EXPECT_EQ(Answer(network, MakeImage(1, 1, 16, 16)).size(4), 16);
}

TEST(SamUnet, PathsMeetAtEachResolution)
{
  sam::Parameters            parameters(2);
  const sam::Scope           scope(parameters);
  const sam::UnetOptions     options{ 1, { 3, 5, 7 }, 1, 1 };
  const sam::ContractingPath contracting(scope / "down", options);
  const auto                 features = contracting(MakeImage(1, 2, 8, 12));
  ASSERT_EQ(features.size(), 3u);
  EXPECT_EQ(features[2].sizes().vec(), (std::vector<int64_t>{ 1, 7, 2, 2, 3 }));
  const sam::ExpandingPath expanding(scope / "up", 7, { 1, { 3, 5 }, 1, 1 }, 2);
  EXPECT_EQ(expanding(features[2], { features[0], features[1] }).sizes().vec(),
            (std::vector<int64_t>{ 1, 3, 2, 8, 12 }));
  const auto & tensors = parameters.GetTensors();
  EXPECT_EQ(tensors.at("down.0.convs.0.conv.weight").size(2), 1) << "the finest resolution stays within slices";
  EXPECT_EQ(tensors.at("down.1.convs.1.conv.weight").size(2), 3);
  EXPECT_EQ(tensors.at("up.0.convs.0.conv.weight").size(1), 6) << "climbed and kept features side by side";
}

TEST(SamUnet, PlansThatMakeNoSenseAreRefused)
{
  const auto refusal = [](const std::function<void(sam::Plan &)> & change) {
    auto plan = MakeUnetPlan(1);
    change(plan);
    return MessageOf([&plan] { sam::Plan::FromJson(plan.ToJson(), "test"); });
  };
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.stageWidths = { 4 }; }), "'widths' has 1 entries"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.finestStride = 3; }), "'stride' is 3"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.decoder = "semantic"; }), "does not go with the encoder 'unet'"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.promptSource = "prototype"; }),
                       "'unet' does not go with the prompt source 'prototype'"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.adaptation = { "depth_mlp" }; }), "an empty list for a unet"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.window[0] = 18; }), "not a multiple of the patch 4"));
  EXPECT_TRUE(Contains(refusal([](auto & plan) { plan.stem = "gray_rgb"; }), "takes the image as it is"));
}

TEST(SamCompactDapsam, PartsCanBeLeftOut)
{
  for (const std::string source : { "prototype", "none" })
  {
    for (const bool hasAdapters : { true, false })
    {
      for (const std::string positions : { "relative", "absolute", "both" })
      {
        auto plan = MakeCompactPlan(source);
        plan.positions = positions;
        plan.adaptation = hasAdapters ? plan.adaptation : std::vector<std::string>();
        plan = sam::Plan::FromJson(plan.ToJson(), "test");
        const sam::Network network(plan, 1);
        const auto         image = MakeImage(2, 1, 16, 24);
        const auto         masks = Answer(network, image);
        EXPECT_EQ(masks.sizes().vec(), (std::vector<int64_t>{ 2, 2, 1, 16, 24 }));
        // With gradients attention runs another way.
        const auto encoded = network.Encode(image);
        for (const auto & [name, tensor] : network.GetParameters().GetTensors())
        {
          EXPECT_FALSE(name.find("pos_embed") != std::string::npos && positions == "relative");
          EXPECT_FALSE(name.find("rel_pos") != std::string::npos && positions == "absolute");
          EXPECT_FALSE(name.find("adapter") != std::string::npos && !hasAdapters);
          EXPECT_FALSE(name.find("memory_bank") != std::string::npos && source == "none");
          tensor.set_requires_grad(true);
        }
        const auto trained = network.Encode(image);
        EXPECT_TRUE(trained.embedding.allclose(encoded.embedding, 1e-3, 1e-4));
        network.Decode(trained, network.GeneratePrompts(trained)).masks.square().mean().backward();
        const auto & tensors = network.GetParameters().GetTensors();
        EXPECT_GT(tensors.at("stem.0.convs.0.conv.weight").grad().abs().max().item<double>(), 0.0);
        EXPECT_GT(tensors.at("mask_refinement.0.convs.0.conv.weight").grad().abs().max().item<double>(), 0.0);
      }
    }
  }
}

TEST(SamCompactDapsam, EachLabelIsRefinedByItsOwnToken)
{
  const sam::Network network(MakeCompactPlan(), 1);
  const auto         image = MakeImage(1, 1, 16, 16);
  const auto         before = Answer(network, image);
  {
    const at::NoGradGuard noGradient;
    network.GetParameters().GetTensors().at("mask_decoder.detail_hypernetwork_mlp.layers.1.weight").mul_(2.0);
  }
  const auto change = Answer(network, image) - before;
  EXPECT_FALSE(change.select(1, 0).allclose(change.select(1, 1))) << "tokens differ, so do the weights they give";
}

TEST(SamPrototypeAddressing, CosinesDoNotSeeTheLengthOfAQuery)
{
  sam::Parameters             parameters(4);
  const sam::PrototypePrompts prompts(sam::Scope(parameters), 8, { 5, true, 0.1 });
  const auto                  embedding = at::randn({ 2, 8, 3, 3 }, at::detail::createCPUGenerator(1));
  const auto                  shares = prompts(embedding).addresses;
  EXPECT_TRUE(shares.allclose(prompts(7.0 * embedding).addresses, 1e-4, 1e-5));
  EXPECT_TRUE(shares.sum(1).allclose(at::ones({ 2 })));
  // A query that is a prototype: cosines 1 and those of the others, in closed form.
  const auto & slots = prompts.GetPrototypes();
  const auto   query = slots[2].view({ 1, 8, 1, 1 }).expand({ 1, 8, 2, 2 });
  const auto   lengths = slots.norm(2, 1, true);
  const auto   cosines = (slots / lengths).matmul((slots[2] / lengths[2]).view({ 8, 1 })).squeeze(1);
  const auto   expected = (cosines / 0.1).softmax(0);
  EXPECT_TRUE(prompts(query).addresses[0].allclose(expected, 1e-4, 1e-6));
  // Products, as published, see it.
  sam::Parameters             others(4);
  const sam::PrototypePrompts published(sam::Scope(others), 8, { 5 });
  EXPECT_FALSE(published(embedding).addresses.allclose(published(7.0 * embedding).addresses, 1e-2));
}

TEST(SamPrototypeAddressing, DiversityIsTheMeanSquaredCosine)
{
  const auto of = [](const at::Tensor & slots) {
    sam::Parameters             parameters(4);
    const sam::PrototypePrompts prompts(sam::Scope(parameters), slots.size(1), { slots.size(0) });
    const at::NoGradGuard       noGradient;
    parameters.GetTensors().at("memory_bank.weight").copy_(slots);
    return prompts.Compare().item<double>();
  };
  EXPECT_NEAR(of(5.0 * at::eye(4)), 0.0, 1e-6);
  EXPECT_NEAR(of(at::ones({ 3, 4 })), 1.0, 1e-6);
  EXPECT_NEAR(of(at::full({ 1, 4 }, 2.0)), 0.0, 1e-6) << "one slot has no other";
  // Two at 60 degrees.
  auto slots = at::eye(2);
  slots[1][0] = 0.5;
  slots[1][1] = std::sqrt(0.75);
  EXPECT_NEAR(of(slots), 0.25, 1e-6);
}
