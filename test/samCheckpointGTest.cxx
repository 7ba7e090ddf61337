// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samError.h"
#include "samNetwork.h"
#include "samSafetensors.h"
#include "samTorchArchive.h"
#include "samTorchFile.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

using namespace sam::torchfile;

namespace
{
/** A folder that is removed with what is in it. */
class CheckpointFiles : public testing::Test
{
protected:
  CheckpointFiles()
    : m_Folder(std::filesystem::path(testing::TempDir()) /
               (std::string("checkpoint_") + testing::UnitTest::GetInstance()->current_test_info()->name()))
  {
    std::filesystem::create_directories(m_Folder);
  }
  ~CheckpointFiles() override { std::filesystem::remove_all(m_Folder); }

  std::string
  Path(const std::string & name) const
  {
    return (m_Folder / name).string();
  }

  std::string
  Write(const std::string & name, const std::string & content) const
  {
    std::ofstream(Path(name), std::ios::binary | std::ios::trunc) << content;
    return Path(name);
  }

  /** The message, on one line, of the error that reading \a path as a model throws. */
  static void
  ExpectRefused(const std::string & path, const std::string & expected)
  {
    try
    {
      sam::ReadModel(path);
    }
    catch (const sam::Error & error)
    {
      const std::string message = error.what();
      EXPECT_EQ(message.compare(0, path.size(), path), 0) << message;
      EXPECT_NE(message.find(expected), std::string::npos) << message;
      EXPECT_EQ(message.find('\n'), std::string::npos) << message;
      EXPECT_LT(message.size(), 600u);
      return;
    }
    ADD_FAILURE() << path << " was read, expected: " << expected;
  }

  void
  ExpectContentRefused(const std::string & content, const std::string & expected) const
  {
    ExpectRefused(Write("x.pth", content), expected);
  }

  /** A zip file with this pickle and eight numbers as data. */
  void
  ExpectPickleRefused(const std::string & pickle, const std::string & expected) const
  {
    ExpectContentRefused(Zip({ { "a/data.pkl", pickle }, { "a/data/0", std::string(32, '\0') } }), expected);
  }

private:
  std::filesystem::path m_Folder;
};

/** A small SAM, with what RecognizeCheckpoint fills in for one. */
sam::Plan
MakeSmallSam()
{
  sam::Plan plan;
  plan.width = 16;
  plan.depth = 3;
  plan.heads = 2;
  plan.mlpRatio = 2.5;
  plan.patch = 4;
  plan.attentionWindow = 3;
  plan.globalBlocks = { 0, 2 };
  plan.grid = { 6, 6 };
  plan.neck = 16;
  plan.promptSource = "manual";
  plan.decoder = "sam";
  plan.decoderDepth = 1;
  plan.decoderMlpWidth = 24;
  plan.maskPromptChannels = 8;
  plan.multimasks = 2;
  plan.iouHeadDepth = 2;
  plan.iouHeadWidth = 12;
  plan.window = { 24, 24, 1 };
  plan.overlap = { 0.0, 0.0, 0.0 };
  plan.fit = "longest_side";
  plan.orientation = "acquisition";
  plan.spacing = { 0.0, 0.0, 0.0 };
  plan.channels = { { "red", "display", 0.0, 0.0, 123.675, 58.395 },
                    { "green", "display", 0.0, 0.0, 116.28, 57.12 },
                    { "blue", "display", 0.0, 0.0, 103.53, 57.375 } };
  plan.labels = { { 0, "background", {} }, { 1, "object", { 230, 159, 0 } } };
  return plan;
}

std::map<std::string, at::Tensor>
MakeTensors(const sam::Plan & plan)
{
  return sam::Network(plan, 5).GetParameters().GetTensors();
}

sam::TensorShapes
GetShapes(const std::map<std::string, at::Tensor> & tensors)
{
  sam::TensorShapes shapes;
  for (const auto & [name, tensor] : tensors)
  {
    shapes[name] = tensor.sizes().vec();
  }
  return shapes;
}

/** Mask logits and qualities of a box on a random slice. */
sam::PromptedMasks
Answer(const sam::Network & network)
{
  const at::NoGradGuard noGrad;
  const auto            image = at::randn({ 1, 3, 1, 24, 16 }, at::detail::createCPUGenerator(7));
  sam::ManualPrompts    prompts;
  prompts.boxes = at::arange(1, 5).view({ 1, 4 }) * 0.2;
  return network.Decode(network.Encode(image), prompts, true);
}

void
ExpectSameAnswer(const sam::Network & a, const sam::Network & b, double tolerance = 0.0)
{
  const auto one = Answer(a);
  const auto two = Answer(b);
  EXPECT_EQ(one.masks.sizes(), at::IntArrayRef({ 1, a.GetNumberOfMasks(true), 24, 16 }));
  EXPECT_LE((one.masks - two.masks).abs().max().item<double>(), tolerance * one.masks.abs().max().item<double>());
  EXPECT_LE((one.quality - two.quality).abs().max().item<double>(), tolerance);
}

std::string
Safetensors(const std::string & header, const std::string & data = {})
{
  return Bytes(static_cast<uint64_t>(header.size())) + header + data;
}

std::string
Repeat(const std::string & text, size_t count)
{
  std::string repeated;
  for (size_t k = 0; k < count; ++k)
  {
    repeated += text;
  }
  return repeated;
}
} // namespace

TEST_F(CheckpointFiles, ViewsOfOneStorageAreRead)
{
  const auto numbers = at::arange(24, at::TensorOptions().dtype(at::kFloat));
  const auto counts = at::arange(3, at::TensorOptions().dtype(at::kLong));
  const auto half = at::rand({ 5 }).to(at::kHalf);
  const auto whole = Storage("0", 24);
  const auto pickle = Pickle(Dictionary({ { "whole", View(whole, 0, { 4, 6 }, { 6, 1 }) },
                                          { "transposed", View(whole, 0, { 6, 4 }, { 1, 6 }) },
                                          { "part", View(whole, 7, { 2, 1, 3 }, { 6, 99, 2 }) },
                                          { "scalar", View(whole, 23, {}, {}) },
                                          { "empty", View(whole, 24, { 0, 3 }, { 3, 1 }) },
                                          { "counts", View(Storage("1", 3, "LongStorage"), 1, { 2 }, { 1 }) },
                                          { "half", View(Storage("2", 5, "HalfStorage"), 0, { 5 }, { 1 }) } }));
  for (const bool isWide : { false, true })
  {
    const auto file = sam::OpenTorchArchive(Write("views.pth",
                                                  Zip({ { "x/data.pkl", pickle },
                                                        { "x/byteorder", "little" },
                                                        { "x/data/0", GetBytes(numbers) },
                                                        { "x/data/1", GetBytes(counts) },
                                                        { "x/data/2", GetBytes(half) } },
                                                      isWide)));
    ASSERT_EQ(file.GetTensors().size(), 7u);
    EXPECT_TRUE(file.Read("whole").equal(numbers.view({ 4, 6 })));
    EXPECT_TRUE(file.Read("transposed").equal(numbers.view({ 4, 6 }).t()));
    EXPECT_TRUE(file.Read("transposed").is_contiguous());
    EXPECT_TRUE(file.Read("part").equal(numbers.as_strided({ 2, 1, 3 }, { 6, 1, 2 }, 7)));
    EXPECT_EQ(file.Read("scalar").item<float>(), 23.0f);
    EXPECT_EQ(file.Read("empty").sizes(), at::IntArrayRef({ 0, 3 }));
    EXPECT_TRUE(file.Read("counts").equal(counts.slice(0, 1)));
    EXPECT_TRUE(file.Read("half").equal(half));
  }
}

TEST_F(CheckpointFiles, PlanFromTensors)
{
  const auto plan = MakeSmallSam();
  const auto found = sam::RecognizeCheckpoint(GetShapes(MakeTensors(plan)), "x");
  EXPECT_EQ(found.architecture, "SAM ViT of width 16 and depth 3");
  EXPECT_EQ(found.plan.ToJson(), plan.ToJson());

  auto other = plan;
  other.globalBlocks = { 0, 1, 2 };
  other.mlpRatio = 49.0 / 16.0;
  other.attentionWindow = 14; // of no block
  EXPECT_EQ(sam::RecognizeCheckpoint(GetShapes(MakeTensors(other)), "x").plan.ToJson(), other.ToJson());
  other.globalBlocks = {};
  other.attentionWindow = 5;
  EXPECT_EQ(sam::RecognizeCheckpoint(GetShapes(MakeTensors(other)), "x").plan.ToJson(), other.ToJson());

  auto hq = plan;
  hq.decoder = "hq";
  const auto foundHq = sam::RecognizeCheckpoint(GetShapes(MakeTensors(hq)), "x");
  EXPECT_EQ(foundHq.architecture, "HQ-SAM ViT of width 16 and depth 3");
  EXPECT_EQ(foundHq.plan.ToJson(), hq.ToJson());

  auto medsam = plan;
  medsam.fit = "square";
  medsam.channels = { { "red", "min_max" }, { "green", "min_max" }, { "blue", "min_max" } };
  EXPECT_EQ(sam::RecognizeCheckpoint(GetShapes(MakeTensors(plan)), "x", "medsam").plan.ToJson(), medsam.ToJson());
  EXPECT_THROW(sam::RecognizeCheckpoint(GetShapes(MakeTensors(plan)), "x", "other"), sam::Error);
}

TEST_F(CheckpointFiles, PublishedSizesHaveTheirWords)
{
  for (const std::string word : { "vit_b", "vit_l", "vit_h" })
  {
    // The decoder of the small one with the encoder's shapes that tell its size.
    const auto preset = sam::Plan::WithEncoder(word);
    auto       shapes = GetShapes(MakeTensors(MakeSmallSam()));
    std::erase_if(shapes, [](const auto & entry) { return entry.first.compare(0, 13, "image_encoder") == 0; });
    const std::string encoder = "image_encoder.";
    shapes[encoder + "patch_embed.proj.weight"] = { preset.width, 3, 16, 16 };
    shapes[encoder + "pos_embed"] = { 1, 64, 64, preset.width };
    shapes[encoder + "neck.0.weight"] = { 16, preset.width, 1, 1 };
    for (int64_t k = 0; k < preset.depth; ++k)
    {
      const bool isGlobal =
        std::find(preset.globalBlocks.begin(), preset.globalBlocks.end(), k) != preset.globalBlocks.end();
      const auto block = encoder + "blocks." + std::to_string(k);
      shapes[block + ".mlp.lin1.weight"] = { 4 * preset.width, preset.width };
      for (const std::string axis : { "h", "w" })
      {
        shapes[block + ".attn.rel_pos_" + axis] = { isGlobal ? 127 : 27, preset.width / preset.heads };
      }
    }
    const auto found = sam::RecognizeCheckpoint(shapes, "x");
    EXPECT_EQ(found.plan.encoder, word);
    EXPECT_EQ(found.plan.mlpRatio, 4.0);
    EXPECT_EQ(found.plan.attentionWindow, 14);
    EXPECT_EQ(found.plan.globalBlocks, preset.globalBlocks);
  }
}

TEST_F(CheckpointFiles, ModelsOfAllFormatsGiveTheSameAnswer)
{
  auto plan = MakeSmallSam();
  plan.decoder = "hq";
  const sam::Network network(plan, 5);
  const auto &       tensors = network.GetParameters().GetTensors();
  ExpectSameAnswer(network, *sam::ReadModel(Write("plain.pth", Save(tensors))));
  ExpectSameAnswer(network, *sam::ReadModel(Write("parallel.pth", Save(tensors, "module.", "state_dict"))));
  sam::WriteSafetensors(Path("noplan.safetensors"), { tensors, {} });
  ExpectSameAnswer(network, *sam::ReadModel(Path("noplan.safetensors")));
  EXPECT_EQ(sam::ReadModel(Path("noplan.safetensors"), "medsam")->GetPlan().fit, "square");

  for (const auto & [precision, tolerance] :
       { std::pair(at::kFloat, 0.0), std::pair(at::kHalf, 0.01), std::pair(at::kBFloat16, 0.1) })
  {
    sam::ConvertModel(sam::OpenModel(Path("plain.pth"), "medsam"), Path("converted.safetensors"), precision);
    const auto opened = sam::OpenModel(Path("converted.safetensors"));
    EXPECT_FALSE(opened.isRecognized);
    EXPECT_EQ(opened.plan.fit, "square");
    EXPECT_EQ(opened.tensors.GetTensors().begin()->second.type, precision);
    const auto read = sam::ReadModel(Path("converted.safetensors"));
    EXPECT_EQ(read->GetParameters().GetTensors().begin()->second.scalar_type(), at::kFloat);
    ExpectSameAnswer(network, *read, tolerance);
    for (const auto & [name, tensor] : read->GetParameters().GetTensors())
    {
      EXPECT_TRUE(tensor.equal(tensors.at(name).to(precision).to(at::kFloat))) << name;
    }
  }
  EXPECT_THROW(sam::OpenModel(Path("converted.safetensors"), "sam"), sam::Error);
}

TEST_F(CheckpointFiles, UnneededTensorsAreDropped)
{
  auto tensors = MakeTensors(MakeSmallSam());
  tensors["pixel_mean"] = at::ones({ 3, 1, 1 });
  tensors["image_encoder.x.bn.num_batches_tracked"] = at::ones({ 1 });
  tensors["image_encoder.x.attention_bias_idxs"] = at::ones({ 1 });
  tensors["image_encoder.norm_head.weight"] = at::ones({ 1 });
  tensors["image_encoder.head.bias"] = at::ones({ 1 });
  EXPECT_NO_THROW(sam::ReadModel(Write("x.pth", Save(tensors))));
  tensors["image_encoder.header.bias"] = at::ones({ 1 });
  ExpectRefused(Write("x.pth", Save(tensors)), "unexpected tensor 'image_encoder.header.bias'");
}

TEST_F(CheckpointFiles, WrongTensorsAreNamedBeforeTheyAreRead)
{
  const auto        tensors = MakeTensors(MakeSmallSam());
  const std::string victim = "mask_decoder.transformer.norm_final_attn.bias";
  const auto        expect = [&](const at::Tensor & tensor, const std::string & expected) {
    auto changed = tensors;
    changed[victim] = tensor;
    sam::WriteSafetensors(Path("x.safetensors"), { changed, {} });
    ExpectRefused(Path("x.safetensors"), "tensor '" + victim + "' " + expected);
  };
  expect(at::ones({ 17 }), "has shape [17], expected [16]");
  expect(at::ones({ 16 }).to(at::kLong), "holds Long");
  for (const auto type : { at::kFloat, at::kHalf, at::kBFloat16, at::kDouble })
  {
    for (const int64_t place : { 0, 7, 15 })
    {
      for (const double value : { std::nan(""), -std::numeric_limits<double>::infinity() })
      {
        auto tensor = at::ones({ 16 }).to(type);
        tensor[place].fill_(value);
        expect(tensor, "holds NaN or infinity");
      }
    }
  }
  expect(at::full({ 16 }, 1e39, at::TensorOptions().dtype(at::kDouble)), "holds NaN or infinity");

  auto missing = tensors;
  missing.erase(victim);
  ExpectRefused(Write("x.pth", Save(missing)), "'" + victim + "' is missing");

  auto large = tensors;
  large[victim] = at::full({ 16 }, 70000.0);
  Write("large.pth", Save(large));
  EXPECT_THROW(sam::ConvertModel(sam::OpenModel(Path("large.pth")), Path("half.safetensors"), at::kHalf), sam::Error);
  EXPECT_FALSE(std::filesystem::exists(Path("half.safetensors")));
  EXPECT_FALSE(std::filesystem::exists(Path("half.safetensors.part")));
  EXPECT_NO_THROW(sam::ConvertModel(sam::OpenModel(Path("large.pth")), Path("half.safetensors"), at::kBFloat16));
}

TEST_F(CheckpointFiles, FiniteNumbersUpToTheLargestPass)
{
  for (const auto type : { at::kFloat, at::kHalf, at::kBFloat16 })
  {
    const double largest = type == at::kHalf ? 65504.0 : type == at::kFloat ? 3.4028234663852886e38 : 3.38953e38;
    for (int64_t count = 1; count < 20; ++count)
    {
      auto tensor = at::full({ count }, -largest, at::TensorOptions().dtype(type));
      EXPECT_TRUE(sam::AreFinite(tensor.data_ptr(), static_cast<uint64_t>(count), type));
      tensor[count - 1].fill_(std::nan(""));
      EXPECT_FALSE(sam::AreFinite(tensor.data_ptr(), static_cast<uint64_t>(count), type));
    }
  }
}

TEST_F(CheckpointFiles, OtherArchitecturesAreNamed)
{
  const auto tensors = MakeTensors(MakeSmallSam());
  ExpectRefused(Write("x.pth", Save({ { "conv1.weight", at::ones({ 2 }) } })),
                "unknown architecture: 1 tensors such as 'conv1.weight'");
  auto changed = tensors;
  changed["mask_decoder.hf_token.weight"] = at::ones({ 1, 16 });
  ExpectRefused(Write("x.pth", Save(changed)), "'mask_decoder.hf_mlp.layers.0.weight' is missing");
  changed = tensors;
  changed["image_encoder.blocks.1.attn.rel_pos_h"] = at::ones({ 9, 8 });
  ExpectRefused(Write("x.pth", Save(changed)), "attention tables of block 1 have 9 and 5 rows");
  changed["image_encoder.blocks.0.attn.rel_pos_h"] = at::ones({ 11, 5 });
  ExpectRefused(Write("x.pth", Save(changed)), "5 columns, which do not divide the width 16");
  changed = tensors;
  changed["mask_decoder.mask_tokens.weight"] = at::ones({ 1, 16 });
  ExpectRefused(Write("x.pth", Save(changed)), "'multimasks' is 0");
}

TEST_F(CheckpointFiles, PicklesThatAskForMoreAreNotRun)
{
  const auto tensor = View(Storage("0", 8), 0, { 8 }, { 1 });
  const auto call = Name("os", "system") + Tuple({ Text("touch " + Path("was_run")) }) + "R";
  ExpectPickleRefused(Pickle(Dictionary({ { "a", call } })), "asks for 'os.system'");
  ExpectPickleRefused("\x80\x04" + Text("builtins") + Text("ev\nal\x1b") + "\x93.", "asks for 'builtins.ev?al?'");
  ExpectPickleRefused(Pickle(Name("torch", "FloatStorage") + ")R"), "calls 'torch.FloatStorage'");
  ExpectPickleRefused(Pickle(Name("collections", "OrderedDict") + Tuple({ "]" }) + "R"), "calls 'collections.");
  ExpectPickleRefused(Pickle(Text("x") + ")\x81"), "operation 0x81 at byte 9");
  ExpectPickleRefused(Pickle(Text("x") + "}b"), "is damaged"); // attributes of a text
  EXPECT_FALSE(std::filesystem::exists(Path("was_run")));

  ExpectPickleRefused(Pickle(Dictionary({ { "a", tensor }, { "epoch", Integer(3) } })), "'epoch' is no tensor");
  ExpectPickleRefused(Pickle("}(" + Integer(3) + tensor + "u"), "'a key' is no tensor");
  ExpectPickleRefused(Pickle("}(" + Text("a") + tensor + Text("a") + tensor + "u"), "'a' is there twice");
  ExpectPickleRefused(Pickle(tensor), "holds no dictionary");
  ExpectPickleRefused(Pickle("}"), "holds no tensors");
  ExpectPickleRefused(Pickle(Dictionary({ { "a\x1b[0m", tensor } })), "'a?[0m' is too long or cannot be printed");
  ExpectPickleRefused(Pickle(Dictionary({ { std::string(600, 'a'), tensor } })), "is too long");
}

TEST_F(CheckpointFiles, ViewsBeyondTheirDataAreRefused)
{
  constexpr int64_t huge = int64_t{ 1 } << 62;
  const auto        expect = [this](const std::string & tensor, const std::string & expected) {
    ExpectPickleRefused(Pickle(Dictionary({ { "a", tensor } })), "'a': " + expected);
  };
  const auto storage = Storage("0", 8);
  for (const auto & [shape, strides] :
       std::vector<std::pair<std::vector<int64_t>, std::vector<int64_t>>>{ { { 9 }, { 1 } },
                                                                           { { 3 }, { 0 } },
                                                                           { { 2, 2 }, { 7, 1 } },
                                                                           { { huge, huge }, { huge, 1 } },
                                                                           { { huge, 4 }, { 0, 0 } },
                                                                           { { 2, 2 }, { huge, huge } },
                                                                           { { 8, 2 }, { 1, 0 } },
                                                                           { { 0, huge, huge }, { 1, 1, 1 } } })
  {
    expect(View(storage, 0, shape, strides), "the shape needs more bytes");
  }
  expect(View(storage, 1, { 8 }, { 1 }), "the shape needs more bytes");
  expect(View(storage, 0, { -2 }, { 1 }), "negative");
  expect(View(storage, 0, { 2 }, { -1 }), "negative");
  expect(View(storage, -1, { 2 }, { 1 }), "its strides or its offset");
  expect(View(storage, huge, { 2 }, { 1 }), "its strides or its offset");
  expect(View(storage, 0, { 2, 2 }, { 1 }), "its strides or its offset");
  expect(View(storage, 0, std::vector<int64_t>(9, 1), std::vector<int64_t>(9, 1)), "its shape has 9 axes");
  expect(View(Storage("0", 7), 0, { 2 }, { 1 }), "its data '0' have 32 bytes, expected 7 elements of 4");
  expect(View(Storage("0", -8), 0, { 2 }, { 1 }), "its data '0' have 32 bytes");
  expect(View(Storage("9", 8), 0, { 2 }, { 1 }), "its data '9' are missing");
  ExpectPickleRefused(Pickle(View(Storage("0", 8, "ComplexFloatStorage"), 0, { 2 }, { 1 })), "ComplexFloatStorage");
  ExpectPickleRefused(Pickle(View(storage, 0, std::vector<int64_t>(65, 1), {})), "a tensor of 65 axes");

  // The same bytes under many names would take much memory.
  std::string shared = "\x80\x02}(" + Text("0") + View(storage, 0, { 8 }, { 1 }) + "q\x01";
  for (int k = 1; k < 1000; ++k)
  {
    shared += Text(std::to_string(k)) + "h\x01";
  }
  ExpectPickleRefused(shared + "u.", "its tensors need more bytes than the file holds");
}

TEST_F(CheckpointFiles, DamagedPicklesAreRefused)
{
  const auto good = Pickle(Dictionary({ { "a", View(Storage("0", 8), 0, { 8 }, { 1 }) } }));
  for (size_t length = 0; length < good.size(); ++length)
  {
    ExpectPickleRefused(good.substr(0, length), "its pickle ");
  }
  const size_t                                           many = 4'000'000;
  const std::vector<std::pair<std::string, std::string>> cases{
    { "\x80\x02" + std::string(many, '('), "is truncated" },
    { "\x80\x02" + std::string(many, '}') + ".", "more than 1000000 values" },
    { "\x80\x02)" + std::string(900'000, '\x85') + ".", "holds no dictionary" }, // deeply nested
    { "\x80\x02)q\x01" + Repeat("h\x01", many / 2 - 10) + ".", "holds no dictionary" },
    { std::string(9'000'000, ' '), "expected 8388608 at most" },
    { "\x80\x02]q\x01h\x01"
      "a.",
      "holds no dictionary" }, // holds itself
    { "\x80\x02}q\x01(" + Text("model") + "h\x01u.", "'model' is no tensor" },
    { "\x80\x02X\xff\xff\xff\xff"
      "abc.",
      "is truncated" },
    { "\x80\x02\x8a\xff" + std::string(255, '\1') + ".", "a number of 255 bytes" },
    { "\x80\x09.", "protocol 9" },
    { "\x80\x02h\x05.", "is damaged" },
    { "\x80\x02t.", "is damaged" },
    { "\x80\x02(u.", "is damaged" },
    { "\x80\x02}(" + Text("a") + "u.", "is damaged" },
    { "\x80\x02" + Text("a") + Text("a") + "a.", "is damaged" },
    { "\x80\x02}Q.", "is damaged" },
    { "\x80\x02)Q.", "names data in an unknown way" },
    { "\x80\x02.", "is damaged" },
  };
  for (const auto & [pickle, expected] : cases)
  {
    ExpectPickleRefused(pickle, expected);
  }
}

TEST_F(CheckpointFiles, DamagedArchivesAreRefused)
{
  const auto tensors = MakeTensors(MakeSmallSam());
  const auto good = Save(tensors);
  for (const size_t length : { size_t{ 1 }, size_t{ 5 }, size_t{ 50 }, good.size() / 2, good.size() - 1 })
  {
    ExpectContentRefused(good.substr(0, length), "x.pth: ");
  }
  const auto  pickle = Pickle(Dictionary({ { "a", View(Storage("0", 8), 0, { 8 }, { 1 }) } }));
  const Entry description{ "a/data.pkl", pickle };
  const Entry data{ "a/data/0", std::string(32, '\0') };
  const auto  expect = [this](const std::vector<Entry> & entries, const std::string & expected) {
    for (const bool isWide : { false, true })
    {
      ExpectContentRefused(Zip(entries, isWide), expected);
    }
  };
  expect({ description, data }, "unknown architecture");
  expect({ description, { "a/data/0", std::string(32, '\0'), 8 } }, "'a/data/0' is compressed");
  expect({ description, data, data }, "'a/data/0' is there twice");
  expect({ description, data, { "b", "x", 0, 1 << 20 } }, "'b' lies outside");
  expect({ description, data, { "b", "x", 0, 1 } }, "'b' is damaged");
  expect({ description, { "a/byteorder", "big" }, data }, "big-endian");
  expect({ description, data, { "a/constants.pkl", "x", 8 } }, "TorchScript");
  expect({ data }, "without data.pkl");
  ExpectContentRefused(Zip({}), "without data.pkl");
  // An entry inside of another one.
  auto       inner = Zip({ { "b", "x" } });
  const auto place = inner.find("PK\1\2");
  inner = inner.substr(0, place);
  expect({ description, data, { "outer", inner }, { "b", "x", 0, -static_cast<int64_t>(inner.size()) } }, "overlap");

  auto count = Zip({ description, data });
  count[count.size() - 12] = '\x09'; // the directory has fewer entries than its end says
  ExpectContentRefused(count, "zip directory");
  ExpectContentRefused("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e", "before PyTorch 1.6");
  ExpectContentRefused(std::string(257, 'x') + "ustar" + std::string(250, '\0'), "before PyTorch 1.6");
}

TEST_F(CheckpointFiles, WhatIsNoModelIsRefused)
{
  ExpectRefused(Path("missing.pth"), "no such file");
  ExpectRefused(testing::TempDir(), "is a folder");
  ExpectContentRefused("", "is empty");
  ExpectContentRefused("x", "neither");
  ExpectContentRefused(GetBytes(at::rand({ 1000 })), "neither");
#ifndef _WIN32
  ExpectRefused("/dev/null", "is no file");
#endif
}

TEST_F(CheckpointFiles, HostileHeadersAreRefused)
{
  const auto entry = [](const std::string & name, const std::string & shape, const std::string & offsets) {
    return "\"" + name + "\":{\"dtype\":\"F32\",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}";
  };
  const auto a = entry("a", "[2]", "[0,8]");
  const auto expect = [this](const std::string & header, const std::string & expected) {
    ExpectRefused(Write("x.safetensors", Safetensors(header, std::string(16, '\0'))), expected);
  };
  expect("{" + a + "," + entry("b", "[2]", "[8,16]") + "}", "unknown architecture");
  expect("{" + a + "," + entry("b", "[3]", "[4,16]") + "}", "overlap");
  expect("{" + a + "," + a + "}", "'a' is described twice");
  expect("{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "'dtype' is given twice for 'a'");
  expect("{\"__metadata__\":{\"k\":\"\",\"k\":\"\"}}", "'k' is given twice");
  expect("{\"__metadata__\":{},\"__metadata__\":{}}", "'__metadata__' is described twice");
  expect("{\"__metadata__\":{\"k\":1}}", "metadata 'k' is not a string");
  expect("{" + entry("a", "[4611686018427387904,4611686018427387904]", "[0,8]") + "}", "needs more bytes");
  expect("{" + entry("a", "[1,1,1,1,1,1,1,1,2]", "[0,8]") + "}", "9 axes");
  for (const std::string shape : { "[-2]", "[2.0]", "[1e3]", "[[2]]", "{}", "2", "\"2\"", "[null]", "[true]" })
  {
    expect("{" + entry("a", shape, "[0,8]") + "}", "'a': expected dtype, shape and data_offsets");
  }
  expect("{" + entry("a", "[2]", "[0]") + "}", "expected dtype");
  expect("{" + entry("a", "[2]", "[0,8,16]") + "}", "expected dtype");
  expect("{\"a\":{}}", "expected dtype");
  expect("{\"a\":1}", "expected dtype");
  expect("{\"a\":{\"dtype\":\"Q7\"}}", "unknown element type 'Q7'");
  expect("{\"a\":{\"dtype\":\"F32\"", "not a JSON object");
  expect("{" + a + "}x", "not a JSON object");
  expect(Repeat("{\"a\":", 1'000'000), "expected dtype");
  expect("{\"a\":{\"shape\":" + std::string(4'000'000, '['), "expected dtype");
  expect("{\"__metadata__\":{\"plan\":\"" + std::string(900'000, '[') + "\"}}", "");
  ExpectRefused(Write("x.safetensors", Bytes(uint64_t{ 1 } << 62) + "{}"), "header of 4611686018427387904 bytes");

  const auto plan = [&](const std::string & text, const std::string & expected) {
    ExpectRefused(Write("x.safetensors", Safetensors("{\"__metadata__\":{\"plan\":\"" + text + "\"}}")), expected);
  };
  plan(std::string(900'000, '['), "nested deeper than 32");
  plan("{" + Repeat("\\\"a\\\":1,", 20'000) + "}", "more than 10000 keys");
  plan(std::string(2'000'000, ' '), "expected 1048576 at most");
}
