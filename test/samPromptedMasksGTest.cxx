// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samNetwork.h"
#include "samParallel.h"
#include "samRecording.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace
{
constexpr int64_t promptCount = 11; // more than are decoded at once

/** A small SAM or HQ-SAM whose parameters are all random, those too that start at zero or one. */
std::unique_ptr<sam::Network>
MakeNetwork(const std::string & decoder = "sam", int64_t layers = 2)
{
  sam::Plan plan;
  plan.width = 16;
  plan.depth = 1;
  plan.heads = 2;
  plan.patch = 4;
  plan.attentionWindow = 3;
  plan.globalBlocks = { 0 };
  plan.grid = { 6, 5 };
  plan.neck = 32;
  plan.promptSource = "manual";
  plan.decoder = decoder;
  plan.decoderDepth = layers;
  plan.decoderHeads = 4;
  plan.decoderMlpWidth = 48;
  plan.maskPromptChannels = 8;
  plan.iouHeadWidth = 24;
  auto          network = std::make_unique<sam::Network>(plan, 1);
  at::Generator generator = at::detail::createCPUGenerator(2);
  for (const auto & [name, tensor] : network->GetParameters().GetTensors())
  {
    tensor.add_(0.2 * at::randn(tensor.sizes(), generator));
  }
  return network;
}

/** What the encoder hands on, with HQ-SAM's details. */
sam::EncodedImage
MakeEmbedding(int64_t rows, int64_t columns)
{
  at::Generator generator = at::detail::createCPUGenerator(3);
  auto          embedding = at::randn({ 1, 32, 1, rows, columns }, generator);
  return { embedding, {}, { at::randn({ 1, 4, 1, 4 * rows, 4 * columns }, generator) } };
}

/** Prompts on a grid of rows×columns that have what \a kind names. */
sam::ManualPrompts
MakePrompts(const std::string & kind, int64_t rows, int64_t columns)
{
  const auto         has = [&kind](const char * word) { return kind.find(word) != std::string::npos; };
  at::Generator      generator = at::detail::createCPUGenerator(4);
  sam::ManualPrompts prompts;
  if (has("points"))
  {
    prompts.points = at::rand({ promptCount, 3, 2 }, generator);
    prompts.labels = at::randint(-1, 2, { promptCount, 3 }, generator);
  }
  if (has("boxes"))
  {
    const auto corners = at::rand({ promptCount, 4 }, generator);
    prompts.boxes = at::cat({ 0.5 * corners.narrow(1, 0, 2), 0.5 + 0.5 * corners.narrow(1, 2, 2) }, 1);
  }
  if (has("masks"))
  {
    prompts.masks = 3.0 * at::randn({ promptCount, 1, 4 * rows, 4 * columns }, generator);
  }
  return prompts;
}

sam::ManualPrompts
Cut(const sam::ManualPrompts & prompts, int64_t first, int64_t number)
{
  const auto cut = [=](const at::Tensor & x) { return x.defined() ? x.narrow(0, first, number) : x; };
  return { cut(prompts.points), cut(prompts.labels), cut(prompts.boxes), cut(prompts.masks) };
}

void
ExpectEqual(const at::Tensor & found, const at::Tensor & expected, const std::string & what)
{
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  EXPECT_LE((found - expected).abs().max().item<double>(), 2e-5 * expected.abs().max().item<double>() + 1e-6) << what;
}

/** The answers to single prompts, one below the other. */
sam::PromptedMasks
DecodeOneByOne(const sam::Network &       network,
               const sam::EncodedImage &  embedding,
               const sam::ManualPrompts & prompts,
               bool                       multimask,
               bool                       hqTokenOnly = false)
{
  std::vector<at::Tensor> masks;
  std::vector<at::Tensor> quality;
  for (int64_t k = 0; k < promptCount; ++k)
  {
    const auto one = network.Decode(embedding, Cut(prompts, k, 1), multimask, hqTokenOnly);
    masks.push_back(one.masks);
    quality.push_back(one.quality);
  }
  return { at::cat(masks, 0), at::cat(quality, 0) };
}

const std::vector<std::string> kinds{ "points", "boxes", "points and boxes", "masks", "points and masks" };
} // namespace

TEST(SamPromptedMasks, BatchEqualsSinglePrompts)
{
  const auto            network = MakeNetwork();
  const at::NoGradGuard noGrad;
  for (const auto & [rows, columns] : std::vector<std::pair<int64_t, int64_t>>{ { 6, 6 }, { 5, 7 }, { 9, 4 } })
  {
    const auto embedding = MakeEmbedding(rows, columns);
    for (const auto & kind : kinds)
    {
      for (const bool multimask : { false, true })
      {
        const auto prompts = MakePrompts(kind, rows, columns);
        const auto expected = DecodeOneByOne(*network, embedding, prompts, multimask);
        const auto found = network->Decode(embedding, prompts, multimask);
        ExpectEqual(found.masks, expected.masks, kind);
        ExpectEqual(found.quality, expected.quality, kind);
        // The prompts are answered differently, or their order would not matter.
        EXPECT_GT((found.masks[0] - found.masks[1]).abs().max().item<double>(), 1e-3) << kind;
      }
    }
  }
}

TEST(SamPromptedMasks, AnyDepthOfTheTransformer)
{
  const at::NoGradGuard noGrad;
  for (const int64_t layers : { 1, 3 })
  {
    const auto network = MakeNetwork("sam", layers);
    const auto embedding = MakeEmbedding(5, 6);
    const auto prompts = MakePrompts("points", 5, 6);
    ExpectEqual(network->Decode(embedding, prompts, true).masks,
                DecodeOneByOne(*network, embedding, prompts, true).masks,
                std::to_string(layers) + " layers");
  }
}

TEST(SamPromptedMasks, HqBatchEqualsSinglePrompts)
{
  const auto            network = MakeNetwork("hq");
  const at::NoGradGuard noGrad;
  const auto            embedding = MakeEmbedding(5, 7);
  for (const auto & kind : kinds)
  {
    const auto prompts = MakePrompts(kind, 5, 7);
    for (const bool multimask : { false, true })
    {
      EXPECT_EQ(network->GetNumberOfMasks(multimask), 1);
      for (const bool hqTokenOnly : { false, true })
      {
        const auto expected = DecodeOneByOne(*network, embedding, prompts, multimask, hqTokenOnly);
        const auto found = network->Decode(embedding, prompts, multimask, hqTokenOnly);
        ExpectEqual(found.masks, expected.masks, kind);
        ExpectEqual(found.quality, expected.quality, kind);
      }
    }
  }
}

TEST(SamPromptedMasks, HqMaskIsAddedToTheChosenOneOfSam)
{
  // What SAM would answer with the same token in its sequence is the answer without HQ-SAM's mask: their difference.
  const auto            network = MakeNetwork("hq");
  const at::NoGradGuard noGrad;
  const auto            embedding = MakeEmbedding(5, 6);
  const auto            prompts = MakePrompts("points", 5, 6);
  const auto            single = network->Decode(embedding, prompts, false);
  const auto            best = network->Decode(embedding, prompts, true);
  const auto            hqOnly = network->Decode(embedding, prompts, false, true);
  ExpectEqual(network->Decode(embedding, prompts, true, true).masks, hqOnly.masks, "no choice");
  EXPECT_EQ(best.quality.sizes(), at::IntArrayRef({ promptCount, 1 }));
  EXPECT_GT((best.masks - single.masks).abs().max().item<double>(), 1e-3);

  auto other = embedding;
  other.details[0] = other.details[0] + 1.0;
  const auto difference = network->Decode(other, prompts, false).masks - single.masks;
  ExpectEqual(network->Decode(other, prompts, false, true).masks - hqOnly.masks, difference, "details");
  ExpectEqual(difference, difference.mean({ 2, 3 }, true).expand_as(difference), "a constant for each prompt");
}

TEST(SamPromptedMasks, OnlyHqHasAnHqToken)
{
  const auto prompts = MakePrompts("points", 5, 6);
  EXPECT_THROW(MakeNetwork()->Decode(MakeEmbedding(5, 6), prompts, false, true), sam::Error);
}

TEST(SamPromptedMasks, GradientsAndInferenceModeGiveTheSameNumbers)
{
  const auto network = MakeNetwork("hq");
  for (const auto & kind : kinds)
  {
    const auto         prompts = MakePrompts(kind, 5, 6);
    auto               embedding = MakeEmbedding(5, 6);
    sam::PromptedMasks inference;
    {
      const c10::InferenceMode guard;
      inference = network->Decode(MakeEmbedding(5, 6), prompts, true);
      EXPECT_TRUE(inference.masks.is_inference()) << kind;
    }
    const auto plain = network->Decode(embedding, prompts, true);
    EXPECT_FALSE(plain.masks.requires_grad()) << kind;
    embedding.embedding.requires_grad_(true);
    embedding.details[0].requires_grad_(true);
    const auto training = network->Decode(embedding, prompts, true);
    ExpectEqual(plain.masks, inference.masks, kind);
    ExpectEqual(training.masks.detach(), inference.masks, kind);
    ExpectEqual(training.quality.detach(), inference.quality, kind);

    (training.masks.sum() + training.quality.sum()).backward();
    EXPECT_GT(embedding.embedding.grad().abs().max().item<double>(), 0.0) << kind;
    EXPECT_GT(embedding.details[0].grad().abs().max().item<double>(), 0.0) << kind;
  }
}

TEST(SamPromptedMasks, ParametersThatAreTrainedGetGradients)
{
  const auto network = MakeNetwork();
  const auto weight = network->GetParameters().GetTensors().at("mask_decoder.output_upscaling.0.weight");
  weight.requires_grad_(true);
  network->Decode(MakeEmbedding(5, 6), MakePrompts("boxes", 5, 6), false).masks.sum().backward();
  EXPECT_GT(weight.grad().abs().max().item<double>(), 0.0);
}

TEST(SamPromptedMasks, ThreadsDoNotChangeTheAnswer)
{
  const auto            network = MakeNetwork("hq");
  const at::NoGradGuard noGrad;
  const auto            embedding = MakeEmbedding(5, 6);
  const int             threads = at::get_num_threads();
  for (const auto & kind : kinds)
  {
    const auto prompts = MakePrompts(kind, 5, 6);
    at::set_num_threads(1);
    const auto one = network->Decode(embedding, prompts, true).masks;
    at::set_num_threads(3);
    const auto three = network->Decode(embedding, prompts, true).masks;
    ExpectEqual(three, one, kind);
  }
  at::set_num_threads(threads);
}

TEST(SamPromptedMasks, AConstantImageIsNoException)
{
  // All image tokens are alike and, with the centered channels, zero before the first normalization.
  const auto              network = MakeNetwork();
  const at::NoGradGuard   noGrad;
  const auto              prompts = MakePrompts("points", 5, 6);
  const sam::EncodedImage embedding{ at::zeros({ 1, 32, 1, 5, 6 }), {}, {} };
  ExpectEqual(network->Decode(embedding, prompts, false).masks,
              DecodeOneByOne(*network, embedding, prompts, false).masks,
              "constant");
}

TEST(SamPromptedMasks, TheWholePublishedNetwork)
{
  const sam::Recording fixture(std::string(SEGMENTANYTHING_TEST_FIXTURES) + "/sam/sam_full_a.safetensors");
  sam::Plan            plan;
  plan.width = 32;
  plan.depth = 4;
  plan.heads = 2;
  plan.patch = 8;
  plan.attentionWindow = 3;
  plan.globalBlocks = { 1, 3 };
  plan.grid = { 8, 8 };
  plan.neck = 32;
  plan.channels = { sam::ChannelPlan{ "R" }, sam::ChannelPlan{ "G" }, sam::ChannelPlan{ "B" } };
  plan.promptSource = "manual";
  plan.decoder = "sam";
  plan.decoderHeads = 4;
  plan.decoderMlpWidth = 64;
  plan.maskPromptChannels = 8;
  plan.iouHeadWidth = 32;
  auto weights = fixture.Weights();
  weights.erase("pixel_mean");
  weights.erase("pixel_std");
  const sam::Network    network(plan, weights, "fixture");
  const at::NoGradGuard noGrad;
  for (const std::string record : { "0", "1" })
  {
    const auto         embedding = network.Encode(fixture.Get("out/preprocessed/" + record).unsqueeze(0).unsqueeze(2));
    const auto         fraction = [](const at::Tensor & pixels) { return (pixels + 0.5) / 64.0; };
    sam::ManualPrompts prompts;
    prompts.points = fraction(fixture.Get("in/" + record + "/point_coords"));
    prompts.labels = fixture.Get("in/" + record + "/point_labels");
    if (record == "0")
    {
      prompts.boxes = fraction(fixture.Get("in/0/boxes"));
      prompts.masks = fixture.Get("in/0/mask_inputs");
    }
    for (const bool multimask : { false, true })
    {
      const std::string name = (multimask ? "out/multimask/" : "out/single/") + record;
      const auto        answer = network.Decode(embedding, prompts, multimask);
      ExpectEqual(answer.masks, fixture.Get(name + "/low_res_logits"), name + "/low_res_logits");
      ExpectEqual(answer.quality, fixture.Get(name + "/iou"), name + "/iou");
      if (record == "1")
      {
        // The same prompt twelve times: that is decoded the other way.
        const auto many = network.Decode(
          embedding, { prompts.points.repeat({ 12, 1, 1 }), prompts.labels.repeat({ 12, 1 }), {}, {} }, multimask);
        for (int64_t k = 0; k < 12; ++k)
        {
          ExpectEqual(many.masks.narrow(0, k, 1), fixture.Get(name + "/low_res_logits"), name + "/low_res_logits");
          ExpectEqual(many.quality.narrow(0, k, 1), fixture.Get(name + "/iou"), name + "/iou");
        }
      }
    }
  }
}

TEST(SamParallel, EachIndexOnceAndErrorsArrive)
{
  for (const int64_t count : { 0, 1, 2, 7, 100 })
  {
    std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
    sam::ForEachInParallel(count, [&calls](int64_t k) { ++calls[static_cast<size_t>(k)]; });
    for (const auto & call : calls)
    {
      EXPECT_EQ(call, 1);
    }
  }
  EXPECT_THROW(sam::ForEachInParallel(5, [](int64_t) { throw std::runtime_error("stop"); }), std::runtime_error);
}

TEST(SamParallel, ModesAreTheCallers)
{
  const int threads = at::get_num_threads();
  at::set_num_threads(3);
  for (const bool isInference : { false, true })
  {
    const c10::InferenceMode guard(isInference);
    const at::NoGradGuard    noGrad;
    std::atomic<int>         sameModes{ 0 };
    sam::ForEachInParallel(9, [&](int64_t) {
      sameModes += c10::InferenceMode::is_enabled() == isInference && !at::GradMode::is_enabled() ? 1 : 0;
    });
    EXPECT_EQ(sameModes, 9);
  }
  at::set_num_threads(threads);
}
