// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samFixture.h"
#include "samImageEncoder.h"
#include "samMaskDecoder.h"
#include "samPromptEncoder.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>

#include <vector>

namespace
{
// The recorded SAM of the fixtures: see ../shared/fixtures/sam.
constexpr int64_t width = 32;
constexpr int64_t grid = 8;
constexpr double  imageSize = 64.0;
} // namespace

TEST(SamPublishedModules, ImageEncoderWithPaddedWindows)
{
  const sam::Fixture       fixture("sam/image_encoder_a");
  sam::Parameters          parameters(fixture.Weights(), "fixture");
  sam::ImageEncoderOptions options;
  options.width = width;
  options.depth = 4;
  options.heads = 2;
  options.patch = 8;
  options.window = 3;
  options.globalBlocks = { 1, 3 };
  options.grid = { grid, grid };
  options.neck = width;
  const sam::ImageEncoder encoder(sam::Scope(parameters), options);
  parameters.ThrowIfUnused();

  const auto output = encoder(fixture["in/x"].unsqueeze(2));
  fixture.ExpectEqual(output.embedding.squeeze(2), "out/embedding");
  ASSERT_EQ(output.levels.size(), 2u);
  fixture.ExpectEqual(output.levels[0].squeeze(2).permute({ 0, 2, 3, 1 }), "out/block1");
  fixture.ExpectEqual(output.levels[1].squeeze(2).permute({ 0, 2, 3, 1 }), "out/block3");
}

TEST(SamPublishedModules, RelativePositionsStretchAndScale)
{
  const sam::Fixture                             fixture("sam/window_relpos_a");
  const std::vector<std::pair<int64_t, int64_t>> sizes{ { 11, 11 }, { 4, 4 }, { 4, 8 }, { 5, 3 }, { 6, 6 }, { 8, 4 } };
  for (const auto & [q, k] : sizes)
  {
    fixture.ExpectEqual(sam::RelativePositions(q, k, fixture["in/rel_pos"]),
                        "out/get_rel_pos_q" + std::to_string(q) + "_k" + std::to_string(k));
  }
}

TEST(SamPublishedModules, PromptEncoder)
{
  const sam::Fixture        fixture("sam/prompt_encoder_a");
  sam::Parameters           parameters(fixture.Weights(), "fixture");
  sam::PromptEncoderOptions options;
  options.width = width;
  options.grid = { grid, grid };
  options.maskChannels = 8;
  const sam::PromptEncoder encoder(sam::Scope(parameters), options);
  parameters.ThrowIfUnused();

  const auto points = (fixture["in/points"] + 0.5) / imageSize;
  const auto boxes = (fixture["in/boxes"] + 0.5) / imageSize;
  const auto labels = fixture["in/labels"];
  // Without a box SAM appends a point that is none, at the image's corner.
  const auto padding = at::full({ 3, 1, 2 }, 0.0);
  const auto paddedPoints = at::cat({ points, padding }, 1);
  const auto paddedLabels = at::cat({ labels, at::full({ 3, 1 }, -1.0) }, 1);
  fixture.ExpectEqual(encoder.EncodePoints(paddedPoints, paddedLabels), "out/points/sparse");
  fixture.ExpectEqual(encoder.EncodeBoxes(boxes), "out/boxes/sparse");
  fixture.ExpectEqual(at::cat({ encoder.EncodePoints(points, labels), encoder.EncodeBoxes(boxes) }, 1),
                      "out/points_boxes/sparse");
  fixture.ExpectEqual(encoder.EncodeMasks(fixture["in/masks"]), "out/masks/dense");
  fixture.ExpectEqual(encoder.EncodeNoMask(3, { grid, grid }), "out/boxes/dense");
  fixture.ExpectEqual(encoder.DensePositions(1, { grid, grid }).transpose(0, 1), "out/dense_pe");
}

TEST(SamPublishedModules, TwoWayTransformer)
{
  const sam::Fixture            fixture("sam/two_way_transformer_a");
  sam::Parameters               parameters(fixture.Weights(), "fixture");
  sam::TwoWayTransformerOptions options;
  options.width = width;
  options.heads = 4;
  options.mlpWidth = 64;
  const sam::TwoWayTransformer transformer(sam::Scope(parameters), options);
  parameters.ThrowIfUnused();
  const auto [queries, keys] =
    transformer(fixture["in/image_embedding"], fixture["in/image_pe"], fixture["in/point_embedding"], { 2, 1, 1 });
  fixture.ExpectEqual(queries, "out/queries");
  fixture.ExpectEqual(keys, "out/keys");
}

TEST(SamPublishedModules, MaskDecoder)
{
  const sam::Fixture      fixture("sam/mask_decoder_a");
  sam::Parameters         parameters(fixture.Weights(), "fixture");
  sam::MaskDecoderOptions options;
  options.transformer.width = width;
  options.transformer.heads = 4;
  options.transformer.mlpWidth = 64;
  options.iouHeadWidth = 32;
  const sam::MaskDecoder decoder(sam::Scope(parameters), options);
  parameters.ThrowIfUnused();
  const auto output = decoder(fixture["in/image_embedding"],
                              fixture["in/image_pe"],
                              fixture["in/sparse"],
                              fixture["in/dense"],
                              {},
                              {},
                              { 1, 1, 3 });
  fixture.ExpectEqual(output.masks.narrow(1, 1, 3), "out/multimask/masks");
  fixture.ExpectEqual(output.iou.narrow(1, 1, 3), "out/multimask/iou");
  fixture.ExpectEqual(output.masks.narrow(1, 0, 1), "out/single/masks");
  fixture.ExpectEqual(output.iou.narrow(1, 0, 1), "out/single/iou");

  // The way of many prompts on one image: here each prompt has a dense map, and so an image, of its own.
  ASSERT_TRUE(decoder.CanShareImage());
  for (const int64_t first : { 0, 1 })
  {
    const int64_t           number = first == 0 ? 1 : 3;
    const std::string       name = first == 0 ? "out/single/" : "out/multimask/";
    std::vector<at::Tensor> masks;
    std::vector<at::Tensor> iou;
    for (int64_t k = 0; k < 3; ++k)
    {
      const auto image = fixture["in/image_embedding"] + fixture["in/dense"].narrow(0, k, 1);
      const auto one =
        decoder.DecodeOnOneImage(image, fixture["in/image_pe"], fixture["in/sparse"].narrow(0, k, 1), first, number);
      masks.push_back(one.masks);
      iou.push_back(one.iou);
    }
    fixture.ExpectEqual(at::cat(masks, 0), name + "masks");
    fixture.ExpectEqual(at::cat(iou, 0), name + "iou");
  }
}

TEST(SamPublishedModules, DepthConvolutionAdapter)
{
  const sam::Fixture fixture("masksam/adapters_a");
  for (const bool hasSkip : { true, false })
  {
    const std::string                  suffix = hasSkip ? "skip" : "noskip";
    sam::Parameters                    encoderWeights(fixture.Weights("param/conv3d_" + suffix + "."), "fixture");
    const sam::DepthConvolutionAdapter inEncoder(sam::Scope(encoderWeights), width, 8, hasSkip);
    fixture.ExpectEqual(inEncoder(fixture["in/x_bd_hwc"], { 2, 3, 1 }), "out/conv3d_" + suffix + "/x_bd_hwc");

    sam::Parameters                    decoderWeights(fixture.Weights("param/conv3d_q_" + suffix + "."), "fixture");
    const sam::DepthConvolutionAdapter inDecoder(sam::Scope(decoderWeights), width, 8, hasSkip);
    fixture.ExpectEqual(inDecoder(fixture["in/img_bdq_hwc"], { 2, 3, 4 }), "out/conv3d_q_" + suffix + "/img_bdq_hwc");
  }
}

TEST(SamPublishedModules, DepthMlpAdapter)
{
  const sam::Fixture fixture("masksam/adapters_a");
  for (const bool hasSkip : { true, false })
  {
    const std::string          suffix = hasSkip ? "skip" : "noskip";
    sam::Parameters            weights(fixture.Weights("param/depth_mlp_" + suffix + "."), "fixture");
    const sam::DepthMlpAdapter adapter(sam::Scope(weights), width, 8, 3, hasSkip);
    for (const std::string input : { "tok_bdq_nc", "tok_bdq_hwc" })
    {
      fixture.ExpectEqual(adapter(fixture["in/" + input], { 2, 3, 4 }), "out/depth_mlp_" + suffix + "/" + input);
    }
  }
}
