// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDistribution.h"
#include "samError.h"
#include "samMatchingLoss.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>

#include <gtest/gtest.h>

#include <map>
#include <thread>
#include <unistd.h>

namespace
{
using Environment = std::map<std::string, std::string>;

sam::ProcessPlace
Find(const Environment & environment)
{
  return sam::ProcessPlace::Find([&environment](const char * name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::string() : found->second;
  });
}

std::string
MessageOf(const Environment & environment)
{
  try
  {
    Find(environment);
  }
  catch (const sam::Error & error)
  {
    return error.what();
  }
  return {};
}

/** What the network of one process answers for its batch. */
struct Answers
{
  at::Tensor masks;
  at::Tensor auxiliary;
  at::Tensor classes;
  at::Tensor boxes;
  at::Tensor labels;

  std::array<at::Tensor *, 4>
  Leaves()
  {
    return { &masks, &auxiliary, &classes, &boxes };
  }
};

Answers
Part(const Answers & all, int64_t start, int64_t count)
{
  Answers    part;
  const auto cut = [start, count](const at::Tensor & x) { return x.detach().narrow(0, start, count).clone(); };
  part = { cut(all.masks), cut(all.auxiliary), cut(all.classes), cut(all.boxes), cut(all.labels) };
  for (auto * leaf : part.Leaves())
  {
    leaf->requires_grad_(true);
  }
  return part;
}

/** Of windows \a start, ...; at \a points random points of each slice, or at all pixels where they are fewer. */
at::Tensor
LossOf(const Answers & part, int64_t start, int64_t points, const sam::SumOverProcesses & sum)
{
  sam::Prompts prompts;
  prompts.masks = part.auxiliary;
  prompts.boxes = part.boxes.sigmoid().cumsum(3) / 4.0; // ordered corners
  sam::MaskClassification answer;
  answer.masks = part.masks;
  answer.classes = part.classes;
  sam::MatchingLossOptions options;
  options.points = points;
  std::vector<at::Generator> generators;
  for (int64_t k = 0; k < part.labels.size(0); ++k)
  {
    generators.push_back(at::detail::createCPUGenerator(static_cast<uint64_t>(100 + start + k)));
  }
  return sam::SemanticLoss(answer.Semantic(), part.labels, 1e-5, sum).total +
         sam::MatchingLoss(options)(prompts, answer, part.labels, generators, nullptr, sum).total;
}

/** Windows in which slices have 64 pixels. */
void
ExpectTwoProcessesAreOne(int64_t points)
{
  auto    generator = at::detail::createCPUGenerator(3);
  Answers all;
  all.masks = at::randn({ 3, 4, 2, 8, 8 }, generator, at::kFloat);
  all.auxiliary = at::randn({ 3, 4, 2, 8, 8 }, generator, at::kFloat);
  all.classes = at::randn({ 3, 2, 4, 4 }, generator, at::kFloat);
  all.boxes = at::randn({ 3, 2, 4, 4 }, generator, at::kFloat);
  all.labels = at::randint(0, 3, { 3, 2, 8, 8 }, generator, at::kLong);
  all.labels[0].fill_(0); // batches with different numbers of targets

  Answers    whole = Part(all, 0, 3);
  const auto expected = LossOf(whole, 0, points, {});
  expected.backward();

  // First what each part gives to the sums, then each part with the others' share.
  const std::array<int64_t, 2>           starts{ 0, 1 };
  Answers                                parts[2]{ Part(all, 0, 1), Part(all, 1, 2) };
  std::array<std::vector<at::Tensor>, 2> given;
  for (size_t k = 0; k < 2; ++k)
  {
    LossOf(parts[k], starts[k], points, [&given, k](const at::Tensor & sums) {
      given[k].push_back(sums.detach());
      return sums;
    });
  }
  ASSERT_EQ(given[0].size(), 2u) << "one exchange per loss";
  for (size_t k = 0; k < 2; ++k)
  {
    size_t     call = 0;
    const auto loss = LossOf(
      parts[k], starts[k], points, [&given, &call, k](const at::Tensor & sums) { return sums + given[1 - k][call++]; });
    EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 1e-5);
    loss.backward();
    for (size_t leaf = 0; leaf < 4; ++leaf)
    {
      const auto of = [&](Answers & answers) { return answers.Leaves()[leaf]->grad(); };
      const auto found = of(parts[k]);
      EXPECT_TRUE(at::allclose(found, of(whole).narrow(0, starts[k], found.size(0)), 1e-4, 1e-7)) << leaf;
    }
  }
}
} // namespace

TEST(samDistribution, LaunchersAreUnderstood)
{
  EXPECT_EQ(Find({}).size, 1);
  auto place = Find({ { "RANK", "3" },
                      { "WORLD_SIZE", "4" },
                      { "LOCAL_RANK", "1" },
                      { "LOCAL_WORLD_SIZE", "2" },
                      { "MASTER_ADDR", "node7" },
                      { "MASTER_PORT", "1234" },
                      { "TORCHELASTIC_USE_AGENT_STORE", "True" },
                      { "TORCHELASTIC_RESTART_COUNT", "2" } });
  EXPECT_EQ(place.rank, 3);
  EXPECT_EQ(place.size, 4);
  EXPECT_EQ(place.localRank, 1);
  EXPECT_EQ(place.address, "node7");
  EXPECT_EQ(place.port, 1234);
  EXPECT_TRUE(place.isHosted);
  EXPECT_EQ(place.prefix, "/worker/attempt_2");

  Environment slurm{ { "SLURM_PROCID", "5" },      { "SLURM_NTASKS", "8" },
                     { "SLURM_STEP_ID", "0" },     { "SLURM_STEP_NUM_TASKS", "6" },
                     { "SLURM_LOCALID", "1" },     { "SLURM_STEP_NODELIST", "gpu[07-09,12],cpu1" },
                     { "SLURM_JOB_ID", "4123456" } };
  place = Find(slurm);
  EXPECT_EQ(place.rank, 5);
  EXPECT_EQ(place.size, 6);
  EXPECT_EQ(place.localRank, 1);
  EXPECT_EQ(place.address, "gpu07");
  EXPECT_EQ(place.port, 20000 + 3456);
  EXPECT_FALSE(place.isHosted);
  slurm["SLURM_STEP_NODELIST"] = "alpha,beta[1-2]";
  EXPECT_EQ(Find(slurm).address, "alpha");
  slurm["MASTER_ADDR"] = "10.0.0.1";
  EXPECT_EQ(Find(slurm).address, "10.0.0.1");
  slurm.erase("SLURM_STEP_ID"); // in a batch script, without srun
  EXPECT_EQ(Find(slurm).size, 1);

  place =
    Find({ { "OMPI_COMM_WORLD_RANK", "1" }, { "OMPI_COMM_WORLD_SIZE", "2" }, { "OMPI_COMM_WORLD_LOCAL_SIZE", "2" } });
  EXPECT_EQ(place.rank, 1);
  EXPECT_EQ(place.size, 2);
  EXPECT_EQ(place.address, "127.0.0.1");
  place = Find({ { "PMI_RANK", "0" }, { "PMI_SIZE", "3" } });
  EXPECT_EQ(place.size, 3);
}

TEST(samDistribution, MistakesNameTheVariable)
{
  EXPECT_EQ(MessageOf({ { "RANK", "one" }, { "WORLD_SIZE", "2" } }),
            "environment variable RANK is 'one', expected a whole number");
  EXPECT_NE(MessageOf({ { "RANK", "2" }, { "WORLD_SIZE", "2" } }).find("process 2 of 2"), std::string::npos);
  EXPECT_NE(
    MessageOf(
      { { "OMPI_COMM_WORLD_RANK", "1" }, { "OMPI_COMM_WORLD_SIZE", "4" }, { "OMPI_COMM_WORLD_LOCAL_SIZE", "2" } })
      .find("MASTER_ADDR is not set"),
    std::string::npos);
}

TEST(samDistribution, LossOfTwoProcessesIsThatOfTheirBatchesTogether)
{
  ExpectTwoProcessesAreOne(64);
}

TEST(samDistribution, SoItIsAtRandomPoints)
{
  ExpectTwoProcessesAreOne(20);
}

TEST(samDistribution, GpusSumAmongThemselvesWhenNoneIsShared)
{
  EXPECT_TRUE(sam::AreDifferentGpus({ "node1 cuda:0", "node1 cuda:1", "node2 cuda:0" }));
  EXPECT_FALSE(sam::AreDifferentGpus({ "node1 cuda:0", "node1 cuda:0" }));
  EXPECT_FALSE(sam::AreDifferentGpus({ "node1 cuda:0", "node2 cpu" }));
}

TEST(samDistribution, SumsOverProcesses)
{
  // Two threads stand for two processes: each has a connection of its own.
  std::array<at::Tensor, 2> sums{ at::full({ 5 }, 1.0), at::full({ 5 }, 10.0) };
  std::array<at::Tensor, 2> gradients;
  std::vector<std::thread>  threads;
  for (int64_t k = 0; k < 2; ++k)
  {
    threads.emplace_back([&sums, &gradients, k] {
      sam::ProcessPlace place;
      place.rank = k;
      place.size = 2;
      place.port = 20000 + static_cast<int64_t>(getpid()) % 20000;
      sam::Distribution processes(place);
      const auto        number = static_cast<size_t>(k);
      EXPECT_FALSE(processes.UseDevice(at::kCPU));
      processes.Sum(sums[number]);
      auto leaf = at::full({ 2 }, static_cast<double>(k + 1));
      leaf.requires_grad_(true);
      // (1 + 2)², whose gradient by each part is 2 · 3.
      const auto loss = processes.SumWithGradient(leaf).square().sum();
      EXPECT_DOUBLE_EQ(loss.item<double>(), 18.0);
      loss.backward();
      gradients[number] = leaf.grad();
      processes.Wait();
    });
  }
  for (auto & thread : threads)
  {
    thread.join();
  }
  for (size_t k = 0; k < 2; ++k)
  {
    EXPECT_TRUE(sums[k].equal(at::full({ 5 }, 11.0)));
    EXPECT_TRUE(gradients[k].equal(at::full({ 2 }, 6.0)));
  }
}
