// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samNetwork.h"
#include "samRecomputation.h"
#include "samSafetensors.h"
#include "samSlidingWindow.h"
#include "samTestMessage.h"
#include "samTinyPlan.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace
{
using sam::test::Contains;
using sam::test::MessageOf;

at::Tensor
RandomImage(const std::vector<int64_t> & size)
{
  return at::randn(size, at::detail::createCPUGenerator(7));
}

at::Tensor
Segment(const sam::Network & network, const at::Tensor & image)
{
  const at::NoGradGuard noGrad;
  const auto            encoded = network.Encode(image);
  return network.Decode(encoded, network.GeneratePrompts(encoded)).Semantic();
}

double
LargestDifference(const at::Tensor & a, const at::Tensor & b)
{
  return (a - b).abs().max().item<double>();
}

std::string
TemporaryFile(const std::string & name)
{
  return (std::filesystem::path(testing::TempDir()) / name).string();
}
} // namespace

TEST(SamNetwork, ProbabilitiesSumToOne)
{
  const sam::Network network(sam::MakeTinyPlan(), 1);
  const auto         map = Segment(network, RandomImage({ 2, 1, 4, 16, 16 }));
  EXPECT_EQ(map.sizes(), at::IntArrayRef({ 2, 3, 4, 16, 16 }));
  EXPECT_LT((map.sum(1) - 1.0).abs().max().item<double>(), 1e-5);
  EXPECT_GE(map.min().item<double>(), 0.0);
}

TEST(SamNetwork, BatchOfTwoEqualsTwoSingles)
{
  const sam::Network network(sam::MakeTinyPlan(), 1);
  const auto         images = RandomImage({ 2, 1, 4, 16, 16 });
  const auto         both = Segment(network, images);
  for (int64_t k = 0; k < 2; ++k)
  {
    EXPECT_LT(LargestDifference(both.narrow(0, k, 1), Segment(network, images.narrow(0, k, 1))), 1e-5);
  }
}

TEST(SamNetwork, SameSeedSameWeights)
{
  const auto         image = RandomImage({ 1, 1, 4, 16, 16 });
  const sam::Network one(sam::MakeTinyPlan(), 5);
  const sam::Network two(sam::MakeTinyPlan(), 5);
  const sam::Network other(sam::MakeTinyPlan(), 6);
  EXPECT_EQ(LargestDifference(Segment(one, image), Segment(two, image)), 0.0);
  EXPECT_GT(LargestDifference(Segment(one, image), Segment(other, image)), 1e-4);
}

TEST(SamNetwork, OtherWindowsAndSlicesThanTheTables)
{
  const sam::Network network(sam::MakeTinyPlan(), 1);
  for (const std::vector<int64_t> & size :
       { std::vector<int64_t>{ 1, 1, 4, 24, 32 }, { 1, 1, 1, 16, 16 }, { 1, 1, 7, 8, 20 } })
  {
    const auto map = Segment(network, RandomImage(size));
    EXPECT_EQ(map.size(2), size[2]);
    EXPECT_EQ(map.size(3), size[3]);
    EXPECT_EQ(map.size(4), size[4]);
    EXPECT_TRUE(map.isfinite().all().item<bool>());
  }
}

TEST(SamNetwork, RecomputedBlocksHaveTheSameGradients)
{
  const auto image = RandomImage({ 1, 1, 4, 16, 16 });
  const auto gradients = [&image](bool isRecomputing) {
    const sam::Network                network(sam::MakeTinyPlan(), 1);
    const sam::RecomputationGuard     guard(isRecomputing);
    std::map<std::string, at::Tensor> answer;
    for (auto & [name, tensor] : network.GetParameters().GetTensors())
    {
      at::Tensor(tensor).requires_grad_(true);
    }
    network.Encode(image).embedding.square().sum().backward();
    for (const auto & [name, tensor] : network.GetParameters().GetTensors())
    {
      if (tensor.grad().defined())
      {
        answer.emplace(name, tensor.grad());
      }
    }
    return answer;
  };
  const auto kept = gradients(false);
  const auto recomputed = gradients(true);
  EXPECT_GT(kept.count("image_encoder.blocks.0.attn.qkv.weight"), 0u);
  EXPECT_EQ(kept.size(), recomputed.size());
  for (const auto & [name, gradient] : kept)
  {
    ASSERT_EQ(recomputed.count(name), 1u) << name;
    EXPECT_TRUE(gradient.equal(recomputed.at(name))) << name;
  }
}

TEST(SamNetwork, AdaptersStartAsTheUnadaptedEncoder)
{
  auto               plan = sam::MakeTinyPlan();
  const sam::Network adapted(plan, 1);
  plan.adaptation.clear();
  auto tensors = adapted.GetParameters().GetTensors();
  for (auto it = tensors.begin(); it != tensors.end();)
  {
    const bool isAdapter = Contains(it->first, "_Adapter") && !Contains(it->first, "classifier_");
    it = isAdapter || Contains(it->first, "temporal_embedding") || Contains(it->first, "Adapter1") ||
             Contains(it->first, "Adapter2")
           ? tensors.erase(it)
           : std::next(it);
  }
  const sam::Network plain(plan, tensors, "test");
  const auto         image = RandomImage({ 1, 1, 4, 16, 16 });
  EXPECT_LT(LargestDifference(Segment(adapted, image), Segment(plain, image)), 1e-5);
}

TEST(SamNetwork, SlicesSeeEachOtherOnlyThroughTheirWindow)
{
  // Every adapter's last layer is made nonzero: a change in one slice must then reach the encoder's other slices.
  const sam::Network network(sam::MakeTinyPlan(), 1);
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    if (Contains(name, "D_fc2.weight"))
    {
      tensor.fill_(0.05);
    }
  }
  const at::NoGradGuard noGrad;
  const auto            image = RandomImage({ 2, 1, 4, 16, 16 });
  auto                  changed = image.clone();
  changed.narrow(0, 0, 1).narrow(2, 0, 1).add_(1.0);
  const auto before = network.Encode(image).embedding;
  const auto after = network.Encode(changed).embedding;
  EXPECT_GT(LargestDifference(before[0].select(1, 1), after[0].select(1, 1)), 1e-6);
  EXPECT_EQ(LargestDifference(before[1], after[1]), 0.0);
}

TEST(SamNetwork, PlanarLevelsHaveKernelsOfOneSlice)
{
  auto plan = sam::MakeTinyPlan();
  ASSERT_EQ(plan.stemWidths.size(), 2u);
  ASSERT_EQ(plan.ladder.size(), 3u);
  plan.planarLevels = 1;
  plan = sam::Plan::FromJson(plan.ToJson(), "plan");
  const sam::Network network(plan, 0);
  const auto &       tensors = network.GetParameters().GetTensors();
  int64_t            planar = 0;
  int64_t            spatial = 0;
  for (const auto & [name, tensor] : tensors)
  {
    if (name.find(".convs.") != std::string::npos && tensor.dim() == 5)
    {
      // The stem is finest first, the ladder coarsest first.
      const bool isFinest = name.find("stem.0.") != std::string::npos || name.find("stages.2.") != std::string::npos;
      EXPECT_EQ(tensor.sizes().slice(2), isFinest ? at::IntArrayRef({ 1, 3, 3 }) : at::IntArrayRef({ 3, 3, 3 }))
        << name;
      (isFinest ? planar : spatial) += 1;
    }
  }
  EXPECT_EQ(planar, 3); // two of the stem, one of the prompt generator
  EXPECT_GT(spatial, 3);
  EXPECT_EQ(Segment(network, RandomImage({ 1, 1, 4, 16, 16 })).sizes().slice(2), at::IntArrayRef({ 4, 16, 16 }));
}

TEST(SamNetwork, PackLosesNothing)
{
  const sam::Network    network(sam::MakeTinyPlan(), 1);
  const at::NoGradGuard noGrad;
  const auto            encoded = network.Encode(RandomImage({ 1, 1, 4, 16, 20 }));
  const auto            packed = network.Pack(encoded);
  EXPECT_EQ(packed.size(1), network.GetPackedChannels());
  const auto restored = network.Unpack(packed);
  EXPECT_EQ(LargestDifference(restored.embedding, encoded.embedding), 0.0);
  ASSERT_EQ(restored.levels.size(), encoded.levels.size());
  ASSERT_EQ(restored.details.size(), encoded.details.size());
  EXPECT_EQ(LargestDifference(restored.levels[0], encoded.levels[0]), 0.0);
  EXPECT_EQ(LargestDifference(restored.details[0], encoded.details[0]), 0.0);
  EXPECT_EQ(LargestDifference(restored.details[1], encoded.details[1]), 0.0);
}

TEST(SamNetwork, ModelFileRoundTrip)
{
  const auto         path = TemporaryFile("roundtrip.safetensors");
  const sam::Network network(sam::MakeTinyPlan(), 3);
  sam::WriteModel(path, network.GetPlan(), network.GetParameters().GetTensors());
  const auto read = sam::ReadModel(path);
  EXPECT_EQ(read->GetPlan().ToJson(), network.GetPlan().ToJson());
  const auto image = RandomImage({ 1, 1, 4, 16, 16 });
  EXPECT_EQ(LargestDifference(Segment(network, image), Segment(*read, image)), 0.0);
}

TEST(SamNetwork, WrongTensorsAreNamed)
{
  const auto         plan = sam::MakeTinyPlan();
  const sam::Network network(plan, 3);
  const auto         build = [&plan](const std::map<std::string, at::Tensor> & tensors) {
    return MessageOf([&] { sam::Network(plan, tensors, "m.safetensors"); });
  };
  const std::string victim = "image_encoder.blocks.0.attn.qkv.weight";
  auto              tensors = network.GetParameters().GetTensors();
  EXPECT_EQ(build(tensors), "no exception");

  tensors.erase(victim);
  EXPECT_TRUE(Contains(build(tensors), "m.safetensors: tensor '" + victim + "' is missing")) << build(tensors);

  tensors[victim] = at::ones({ 3, 3 });
  EXPECT_TRUE(Contains(build(tensors), victim + "' has shape [3, 3], expected [48, 16]")) << build(tensors);

  tensors[victim] = at::full({ 48, 16 }, std::nan(""));
  EXPECT_TRUE(Contains(build(tensors), victim + "' holds NaN")) << build(tensors);

  tensors = network.GetParameters().GetTensors();
  tensors["extra.weight"] = at::ones({ 1 });
  EXPECT_TRUE(Contains(build(tensors), "unexpected tensor 'extra.weight'")) << build(tensors);
}

TEST(SamPlan, UnknownWordsAndKeysAreNamed)
{
  const auto text = sam::MakeTinyPlan().ToJson();
  EXPECT_EQ(sam::Plan::FromJson(text, "x").ToJson(), text);
  const auto changed = [&text](const std::string & from, const std::string & to) {
    auto       copy = text;
    const auto place = copy.find(from);
    EXPECT_NE(place, std::string::npos) << from;
    copy.replace(place, from.size(), to);
    return MessageOf([&copy] { sam::Plan::FromJson(copy, "m.safetensors"); });
  };
  EXPECT_TRUE(Contains(changed("\"vit\"", "\"swin\""), "unknown word 'swin' for 'type'"));
  EXPECT_TRUE(Contains(changed("\"queries\"", "\"querries\""), "unknown key 'querries'"));
  EXPECT_TRUE(Contains(changed("\"slices\": 4", "\"slices\": -4"), "'slices' is -4"));
  EXPECT_TRUE(Contains(changed("\"LPS\"", "\"LPX\""), "'LPX'"));
  EXPECT_TRUE(Contains(changed("\"version\": 1", "\"version\": 9"), "version 9, expected 1"));
  EXPECT_TRUE(Contains(changed("\"heads\": 2", "\"heads\": 3"), "not a multiple"));
  EXPECT_TRUE(Contains(changed("\"heads\": 2", "\"heads\": \"two\""), "not of the expected kind"));
  EXPECT_TRUE(Contains(MessageOf([] { sam::Plan::FromJson("{", "m"); }), "not valid JSON"));
}

TEST(SamSafetensors, DamagedFilesAreRefused)
{
  const auto path = TemporaryFile("damaged.safetensors");
  sam::WriteSafetensors(path,
                        { { { "a", at::arange(6).view({ 2, 3 }) }, { "b", at::ones({ 4 }) } }, { { "k", "v" } } });
  const auto good = sam::ReadSafetensors(path);
  EXPECT_EQ(good.metadata.at("k"), "v");
  EXPECT_EQ(LargestDifference(good.tensors.at("a"), at::arange(6).view({ 2, 3 })), 0.0);

  std::ifstream     stream(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(stream)), {});
  const auto        reading = [&path](const std::string & content) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
    return MessageOf([&path] { sam::ReadSafetensors(path); });
  };
  // Every truncation and every appended byte must be noticed.
  for (const size_t length : { size_t{ 0 }, size_t{ 5 }, size_t{ 40 }, bytes.size() - 20, bytes.size() - 1 })
  {
    EXPECT_TRUE(Contains(reading(bytes.substr(0, length)), path)) << length;
  }
  EXPECT_TRUE(Contains(reading(bytes + "x"), "damaged"));
  auto       overlapping = bytes;
  const auto place = overlapping.find("[48,64]");
  ASSERT_NE(place, std::string::npos);
  overlapping.replace(place, 7, "[44,60]");
  EXPECT_TRUE(Contains(reading(overlapping), "overlap"));
  EXPECT_TRUE(Contains(MessageOf([] { sam::ReadSafetensors("/nonexistent/x.safetensors"); }), "no such file"));
}

TEST(SamSafetensors, NothingIsLeftWhereWritingFails)
{
  const auto folder = TemporaryFile("no_such_folder");
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(Contains(MessageOf([&] { sam::WriteSafetensors(folder + "/x.safetensors", {}); }), "cannot be written"));
  EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(SamSlidingWindow, StartsCoverTheLength)
{
  EXPECT_EQ(sam::WindowStarts(5, 8, 0.5), std::vector<int64_t>({ 0 }));
  EXPECT_EQ(sam::WindowStarts(8, 8, 0.5), std::vector<int64_t>({ 0 }));
  EXPECT_EQ(sam::WindowStarts(36, 8, 0.5), std::vector<int64_t>({ 0, 4, 8, 12, 16, 20, 24, 28 }));
  EXPECT_EQ(sam::WindowStarts(10, 8, 0.0), std::vector<int64_t>({ 0, 2 }));
  EXPECT_EQ(sam::WindowStarts(9, 4, 0.0), std::vector<int64_t>({ 0, 2, 5 })); // 2.5 rounds to even
}

TEST(SamSlidingWindow, BlendingTheImageItselfGivesTheImage)
{
  // Smaller than the window along x, larger along y and z.
  const auto         volume = RandomImage({ 2, 11, 37, 13 });
  sam::SlidingWindow windows(sam::MakeTinyPlan(), { 13, 37, 11 });
  EXPECT_GT(windows.GetStarts().size(), 8u);
  for (const auto & start : windows.GetStarts())
  {
    const auto window = windows.Extract(volume, start);
    EXPECT_EQ(window.sizes(), at::IntArrayRef({ 2, 4, 16, 16 }));
    windows.Add(window, start);
  }
  EXPECT_LT(LargestDifference(windows.GetBlended(), volume), 1e-5);
}

TEST(SamSlidingWindow, SlicesTakenOnTheWayAreThoseOfTheWhole)
{
  const auto              volume = RandomImage({ 2, 11, 37, 13 });
  const auto              plan = sam::MakeTinyPlan();
  sam::SlidingWindow      whole(plan, { 13, 37, 11 });
  sam::SlidingWindow      windows(plan, { 13, 37, 11 });
  std::vector<at::Tensor> taken;
  const auto &            starts = windows.GetStarts();
  for (size_t k = 0; k < starts.size(); ++k)
  {
    // Answers that differ from window to window where they overlap.
    const auto answer = windows.Extract(volume, starts[k]) * (1.0 + 0.1 * static_cast<double>(k));
    whole.Add(answer, starts[k]);
    windows.Add(answer, starts[k]);
    const int64_t end = k + 1 < starts.size() ? starts[k + 1][2] : 11;
    if (end > starts[k][2])
    {
      taken.push_back(windows.TakeBlended(end));
      EXPECT_LE(taken.back().size(1), 4);
    }
  }
  EXPECT_GT(taken.size(), 2u);
  EXPECT_TRUE(at::equal(at::cat(taken, 1), whole.GetBlended()));
}
