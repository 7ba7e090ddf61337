// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samImageEncoder.h"
#include "samMatchingLoss.h"
#include "samNetwork.h"
#include "samOptimizer.h"
#include "samPublishedMaskSam.h"
#include "samSlidingWindow.h"
#include "samTestMessage.h"
#include "samTinyPlan.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

namespace
{
using sam::test::Contains;
using sam::test::MessageOf;

std::string
TemporaryFile(const std::string & name)
{
  return (std::filesystem::path(testing::TempDir()) / name).string();
}

/** A published network with other sizes, small enough to run. */
sam::Plan
MakeSmall(const std::string & word)
{
  sam::Plan plan = sam::PublishedMaskSamPlan(word);
  plan.encoder = "vit";
  plan.width = 16;
  plan.depth = 4;
  plan.heads = 2;
  plan.attentionWindow = 3;
  plan.globalBlocks = { 1, 2, 3 };
  plan.skips = { { 2 }, { 1 }, { 0 }, { 0 } };
  plan.grid = { 8, 8 };
  plan.neck = 16;
  plan.slices = 3;
  plan.window = { plan.patch * 5, plan.patch * 4, 3 };
  plan.queries = 3;
  plan.ladder = { 8, 6, 4, 4, 4 };
  plan.decoderHeads = 2;
  plan.decoderMlpWidth = 16;
  plan.iouHeadWidth = 8;
  plan.channels = { sam::ChannelPlan{ "MR" } };
  plan.labels = { { 0, "background", {} }, { 1, "first", { 230, 159, 0 } }, { 2, "second", { 86, 180, 233 } } };
  return sam::Plan::FromJson(plan.ToJson(), "test");
}

at::Tensor
MakeImage(const sam::Plan & plan, int64_t batch)
{
  return at::randn({ batch, 1, plan.window[2], plan.window[1], plan.window[0] }, at::detail::createCPUGenerator(3));
}

sam::MaskClassification
Answer(const sam::Network & network, const at::Tensor & image)
{
  const at::NoGradGuard noGrad;
  const auto            encoded = network.Encode(image);
  return network.Decode(encoded, network.GeneratePrompts(encoded));
}

/** One line of a list of published tensors. */
struct Listed
{
  std::string          name;
  std::vector<int64_t> shape;
  std::string          trainable; ///< 0, 1 or buffer
  std::string          tiedTo;
};

std::vector<Listed>
ReadManifest(const std::string & file)
{
  std::ifstream stream(SEGMENTANYTHING_TEST_FIXTURES "/masksam/manifests/" + file);
  std::string   line;
  std::getline(stream, line); // the names of the columns
  std::vector<Listed> list;
  while (std::getline(stream, line))
  {
    std::istringstream columns(line);
    Listed             entry;
    std::string        shape;
    std::getline(columns, entry.name, '\t');
    std::getline(columns, shape, '\t');
    std::getline(columns, entry.trainable, '\t');
    std::getline(columns, entry.tiedTo, '\t');
    std::replace(shape.begin(), shape.end(), 'x', ' ');
    std::istringstream extents(shape);
    for (int64_t extent = 0; extents >> extent;)
    {
      entry.shape.push_back(extent);
    }
    list.push_back(entry);
  }
  return list;
}

struct Published
{
  const char * plan;
  const char * manifest;
  int64_t      labels;
};

class SamPublishedTensors : public testing::TestWithParam<Published>
{};
} // namespace

TEST_P(SamPublishedTensors, AreAllThereAndNoOthers)
{
  sam::Plan plan = sam::PublishedMaskSamPlan(GetParam().plan);
  plan.labels.assign(static_cast<size_t>(GetParam().labels), sam::LabelPlan{});
  const auto shapes = sam::Network::GetShapes(plan);
  const auto manifest = ReadManifest(GetParam().manifest);
  ASSERT_GT(manifest.size(), 700u);

  std::set<std::string> seen;
  for (const auto & listed : manifest)
  {
    const auto name = sam::ImportMaskSamName(listed.name, plan);
    if (!listed.tiedTo.empty())
    {
      EXPECT_TRUE(name.empty() || name == sam::ImportMaskSamName(listed.tiedTo, plan)) << listed.name;
      continue;
    }
    if (name.empty())
    {
      EXPECT_TRUE(Contains(listed.name, "sam_model.pixel_")) << listed.name;
      continue;
    }
    const auto found = shapes.find(name);
    ASSERT_NE(found, shapes.end()) << listed.name << " as " << name;
    EXPECT_EQ(found->second, listed.shape) << listed.name;
    EXPECT_EQ(!plan.IsFrozen(name), listed.trainable == "1") << listed.name;
    EXPECT_TRUE(seen.insert(name).second) << listed.name << " is " << name << " as another one";
  }
  for (const auto & [name, shape] : shapes)
  {
    EXPECT_EQ(seen.count(name), 1u) << name << " is not published";
  }
}

INSTANTIATE_TEST_SUITE_P(SamPublishedMaskSam,
                         SamPublishedTensors,
                         testing::Values(Published{ "masksam_acdc", "acdc_vitb_T4_K4_q8.tsv", 4 },
                                         Published{ "masksam_synapse", "synapse_vith_T26_K9_q24.tsv", 9 },
                                         Published{ "masksam_amos_published", "amos_vith_T9_K16_q24.tsv", 16 }));

TEST(SamPublishedMaskSam, PlansSurviveTheirText)
{
  for (const auto & word : sam::GetPublishedMaskSamWords())
  {
    sam::Plan plan = sam::PublishedMaskSamPlan(word);
    plan.labels = { { 0, "background", {} }, { 1, "organ", {} } };
    const auto text = plan.ToJson();
    EXPECT_EQ(sam::Plan::FromJson(text, word).ToJson(), text) << word;
    EXPECT_EQ(plan.interpolation, Contains(word, "_published") ? "nnunet" : "linear") << word;
    EXPECT_EQ(Contains(text, "\"interpolation\": \"nnunet\""), Contains(word, "_published")) << word;
  }
  EXPECT_TRUE(Contains(MessageOf([] { sam::PublishedMaskSamPlan("masksam_brats"); }),
                       "'masksam_brats' is not known, expected masksam_acdc"));
}

TEST(SamPublishedMaskSam, UnknownWordsAreNamed)
{
  auto plan = MakeSmall("masksam_acdc_published");
  plan.compatibility.emplace_back("double_sigmoid");
  EXPECT_TRUE(Contains(MessageOf([&plan] { sam::Plan::FromJson(plan.ToJson(), "file"); }),
                       "unknown word 'double_sigmoid' for 'compatibility', expected depth_adapter_in_windows"));
}

TEST(SamPublishedMaskSam, EveryWordAloneChangesTheAnswer)
{
  for (const std::string variant : { "masksam_acdc", "masksam_amos" })
  {
    auto plan = MakeSmall(variant);
    // What starts at zero hides where the adapters run.
    plan.compatibility = { "random_adapters" };
    const auto         image = MakeImage(plan, 1);
    const sam::Network corrected(plan, 5);
    const auto         expected = Answer(corrected, image);
    for (const std::string word : { "depth_adapter_in_windows",
                                    "padding_before_norm",
                                    "cropped_positions",
                                    "binary_mask_prompts",
                                    "whole_pixel_boxes",
                                    "boxes_to_last_pixel",
                                    "unnormalized_scores",
                                    "masks_through_input_size" })
    {
      plan.compatibility = { "random_adapters", word };
      const sam::Network network(plan, corrected.GetParameters().GetTensors(), "test");
      const auto         difference = (Answer(network, image).Semantic() - expected.Semantic()).abs().max();
      const bool         isElsewhere = variant == "masksam_amos" && word == "masks_through_input_size";
      EXPECT_EQ(difference.item<double>() > 1e-7, !isElsewhere) << variant << " " << word;
    }
  }
}

TEST(SamPublishedMaskSam, CorrectedScoresSumToOneAndAdaptersStartWithoutEffect)
{
  for (const std::string variant : { "masksam_acdc", "masksam_amos" })
  {
    auto               plan = MakeSmall(variant);
    const auto         image = MakeImage(plan, 1);
    const sam::Network network(plan, 5);
    const auto         scores = Answer(network, image).Semantic();
    EXPECT_LT((scores.sum(1) - 1.0).abs().max().item<double>(), 1e-5);

    for (const auto & [name, tensor] : network.GetParameters().GetTensors())
    {
      if (Contains(name, "Adapter.D_fc1"))
      {
        tensor.mul_(3.0);
      }
    }
    const auto same = Answer(network, image).classes;
    EXPECT_EQ((same - Answer(sam::Network(plan, 5), image).classes).abs().max().item<double>(), 0.0);
  }
}

TEST(SamPublishedMaskSam, ABatchOfTwoIsTwoSingleRuns)
{
  for (const std::string variant : { "masksam_acdc_published", "masksam_amos_published" })
  {
    const auto         plan = MakeSmall(variant);
    const auto         images = MakeImage(plan, 2);
    const sam::Network network(plan, 5);
    const auto         both = Answer(network, images).masks;
    for (int64_t k = 0; k < 2; ++k)
    {
      const auto one = Answer(network, images.narrow(0, k, 1)).masks;
      const auto tolerance = 2e-5 * one.abs().max().item<double>() + 1e-6;
      EXPECT_LT((both.narrow(0, k, 1) - one).abs().max().item<double>(), tolerance) << variant;
    }
  }
}

TEST(SamPublishedMaskSam, TheDepthAdapterReachesOtherSlicesWhereCorrected)
{
  // Three windows per slice and three slices: the published adapter mixes the windows of one slice.
  sam::ImageEncoderOptions options;
  options.width = 16;
  options.depth = 1;
  options.heads = 2;
  options.patch = 4;
  options.window = 2;
  options.grid = { 2, 6 };
  options.neck = 8;
  options.slices = 3;
  options.adapterBottleneck = 4;
  options.adaptersStartRandom = true;
  const auto image = at::randn({ 1, 3, 3, 8, 24 }, at::detail::createCPUGenerator(3));
  auto       changed = image.clone();
  changed.select(2, 1).add_(1.0);
  for (const bool isPublished : { true, false })
  {
    options.adaptsInWindows = isPublished;
    sam::Parameters         parameters(uint64_t{ 5 });
    const sam::ImageEncoder encoder(sam::Scope(parameters), options);
    const auto              adapt = [&encoder](const at::Tensor & x) {
      const at::NoGradGuard noGrad;
      at::Tensor            adapted;
      encoder(x, {}, [&adapted](const std::string & name, const at::Tensor & value) {
        adapted = name == "block0_space_adapter_out" ? value : adapted;
      });
      return adapted.view({ 3, -1 });
    };
    const auto difference = (adapt(changed) - adapt(image)).abs().amax({ 1 });
    EXPECT_GT(difference[1].item<double>(), 1e-3);
    EXPECT_EQ(difference[0].item<double>() > 1e-5, !isPublished);
    EXPECT_EQ(difference[2].item<double>() > 1e-5, !isPublished);
  }
}

TEST(SamPublishedMaskSam, FrozenTensorsStayAndAdaptersLearn)
{
  const auto   plan = MakeSmall("masksam_acdc");
  sam::Network network(plan, 5);
  sam::Network average(plan, 5);
  const auto   before = sam::Network(plan, 5);
  {
    sam::Optimizer optimizer(network, average, {});
    for (int step = 0; step < 2; ++step)
    {
      const auto encoded = network.Encode(MakeImage(plan, 1));
      const auto prompts = network.GeneratePrompts(encoded);
      const auto scores = network.Decode(encoded, prompts).Semantic();
      (scores.select(1, 1).mean() + prompts.masks.mean() + prompts.boxes.mean()).backward();
      EXPECT_TRUE(optimizer.Step(1e-2));
    }
  }
  int64_t frozen = 0;
  int64_t changed = 0;
  for (const auto & [name, tensor] : network.GetParameters().GetTensors())
  {
    const bool isSame = tensor.detach().equal(before.GetParameters().GetTensors().at(name));
    if (plan.IsFrozen(name))
    {
      EXPECT_TRUE(isSame) << name;
      EXPECT_FALSE(tensor.requires_grad()) << name;
      ++frozen;
    }
    else
    {
      changed += isSame ? 0 : 1;
    }
  }
  EXPECT_GT(frozen, 100);
  EXPECT_GT(changed, 100);
  EXPECT_FALSE(network.GetParameters()
                 .GetTensors()
                 .at("image_encoder.blocks.0.Space_Adapter.D_fc2.weight")
                 .detach()
                 .equal(before.GetParameters().GetTensors().at("image_encoder.blocks.0.Space_Adapter.D_fc2.weight")));
}

TEST(SamPublishedMaskSam, StartsFromACheckpointOfSam)
{
  // SAM of the same sizes, made for another grid.
  auto plan = MakeSmall("masksam_amos");
  auto checkpoint = plan;
  checkpoint.stem = "none";
  checkpoint.stemWidths.clear();
  checkpoint.adaptation.clear();
  checkpoint.promptSource = "manual";
  checkpoint.decoder = "sam";
  checkpoint.keepsSamHeads = false;
  checkpoint.maskConvolutionWidth = 0;
  checkpoint.frozen.clear();
  checkpoint.adapted.clear();
  checkpoint.compatibility.clear();
  checkpoint.fit = "longest_side";
  checkpoint.slices = 1;
  checkpoint.grid = { 12, 12 };
  checkpoint.window = { 192, 192, 1 };
  checkpoint.channels.assign(3, sam::ChannelPlan{ "gray", "display", 0.0, 0.0, 120.0, 60.0 });
  const sam::Network source(checkpoint, 9);
  const auto         path = TemporaryFile("start.safetensors");
  sam::WriteModel(path, checkpoint, source.GetParameters().GetTensors());

  sam::Network network(plan, 5);
  const auto   report = sam::StartFromCheckpoint(network, path);
  const auto & tensors = network.GetParameters().GetTensors();
  const auto & originals = source.GetParameters().GetTensors();
  EXPECT_EQ(report.taken.size() + report.resampled.size() + report.fresh.size(), tensors.size());
  EXPECT_TRUE(report.unused.empty());
  EXPECT_EQ(report.resampled.size(), 1u + 2u * plan.globalBlocks.size());
  for (const auto & name : report.taken)
  {
    EXPECT_TRUE(tensors.at(name).equal(originals.at(name))) << name;
  }
  for (const auto & name : report.fresh)
  {
    EXPECT_FALSE(plan.IsFrozen(name)) << name;
  }
  const auto name = "image_encoder.pos_embed";
  EXPECT_EQ(tensors.at(name).sizes(), at::IntArrayRef({ 1, 8, 8, 16 }));
  EXPECT_LT((tensors.at(name).mean() - originals.at(name).mean()).abs().item<double>(), 2e-3);

  const auto lines = report.Describe();
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(Contains(lines[1], "stretched: image_encoder.blocks.*.attn.rel_pos_h (3)")) << lines[1];
  EXPECT_TRUE(Contains(lines[2], "mask_decoder.classifier_token_Adapter")) << lines[2];

  // What the plan freezes must come from the file.
  auto incomplete = originals;
  incomplete.erase("mask_decoder.mask_tokens.weight");
  sam::WriteModel(path, checkpoint, incomplete);
  EXPECT_TRUE(Contains(MessageOf([&] { sam::StartFromCheckpoint(network, path); }),
                       "tensor 'mask_decoder.mask_tokens.weight' is missing, which the plan takes from it"));
  const auto other = sam::MakeTinyPlan();
  sam::WriteModel(path, checkpoint, originals);
  sam::Network wide(
    [&other] {
      auto wider = other;
      wider.width = 24;
      return wider;
    }(),
    1);
  EXPECT_TRUE(Contains(MessageOf([&] { sam::StartFromCheckpoint(wide, path); }), "expected a ViT of 24 channels"));
}

TEST(SamPublishedMaskSam, WindowsAreFilledWithZerosAsPublished)
{
  auto plan = sam::MakeTinyPlan();
  plan.compatibility = { "zeros_around_image", "rounded_window_weights" };
  const auto         volume = at::ones({ 1, 3, 9, 20 });
  sam::SlidingWindow windows(plan, { 20, 9, 3 });
  EXPECT_EQ(windows.GetWindow(), (std::array<int64_t, 3>{ 16, 16, 4 }));
  for (const auto & start : windows.GetStarts())
  {
    EXPECT_EQ(start[1], -3);
    EXPECT_EQ(start[2], 0);
    const auto window = windows.Extract(volume, start);
    EXPECT_EQ(window.sum().item<double>(), 3 * 9 * 16);
    windows.Add(window, start);
  }
  EXPECT_LT((windows.GetBlended() - volume).abs().max().item<double>(), 1e-6);
}

TEST(SamPublishedMaskSam, TheSetLossTakesWhatThePlanSays)
{
  const auto published = sam::MatchingLossOptions::FromPlan(sam::PublishedMaskSamPlan("masksam_amos_published"));
  EXPECT_EQ(published.maskWeight, 1.2);
  EXPECT_EQ(published.diceWeight, 1.2);
  EXPECT_EQ(published.points, 131072);
  EXPECT_FALSE(published.boxesEndAtFarEdge);
  EXPECT_TRUE(published.takesProbabilitiesForLogits);
  const auto corrected = sam::MatchingLossOptions::FromPlan(sam::PublishedMaskSamPlan("masksam_acdc"));
  EXPECT_EQ(corrected.maskWeight, 1.5);
  EXPECT_TRUE(corrected.boxesEndAtFarEdge);
  EXPECT_FALSE(corrected.takesProbabilitiesForLogits);
}
