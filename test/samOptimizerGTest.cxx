// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samOptimizer.h"

#include "samNetwork.h"
#include "samTinyPlan.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/zeros_like.h>

#include <gtest/gtest.h>

#include <set>

namespace
{
constexpr double learningRate = 0.01;
constexpr double decay = 0.1;

/** A network and its optimizer; gradients are given by hand. */
struct Trained
{
  sam::Network   network{ sam::MakeTinyPlan(), 5 };
  sam::Network   average{ sam::MakeTinyPlan(), 5 };
  sam::Optimizer optimizer{ network, average, { decay, true, 1e9, 0.5 } };

  at::Tensor
  Get(const std::string & name) const
  {
    return network.GetParameters().GetTensors().at(name).detach();
  }

  bool
  Step(const std::map<std::string, float> & gradients, const std::function<void(at::Tensor &)> & sum = {})
  {
    for (const auto & [name, value] : gradients)
    {
      auto weight = network.GetParameters().GetTensors().at(name);
      weight.mutable_grad() = at::full_like(this->Get(name), value);
    }
    return optimizer.Step(learningRate, sum);
  }

  /** The names of the tensors that differ from those of another network. */
  std::set<std::string>
  ChangesFrom(const sam::Network & other) const
  {
    std::set<std::string> names;
    for (const auto & [name, tensor] : other.GetParameters().GetTensors())
    {
      if (!tensor.equal(this->Get(name)))
      {
        names.insert(name);
      }
    }
    return names;
  }
};

const std::string first = "mask_decoder.transformer.layers.0.mlp.lin1.weight";
const std::string second = "mask_decoder.transformer.layers.1.mlp.lin1.weight";

/** A step of AdamW with the same gradient as in all earlier ones: its moments are the gradient and its square. */
at::Tensor
AfterStep(const at::Tensor & weight, double sign)
{
  return weight * (1.0 - learningRate * decay) - learningRate * sign;
}
} // namespace

TEST(SamOptimizer, TensorsWithoutGradientStayAsTheyAre)
{
  const sam::Network before(sam::MakeTinyPlan(), 5);
  Trained            trained;
  const auto         start = trained.Get(first).clone();
  const auto         other = trained.Get(second).clone();
  EXPECT_TRUE(trained.Step({ { first, 0.5f } }));
  EXPECT_EQ(trained.ChangesFrom(before), (std::set<std::string>{ first }));
  EXPECT_TRUE(at::allclose(trained.Get(first), AfterStep(start, 1.0), 1e-5, 1e-7));

  // The first step of the other one, whose moments begin only now; meanwhile the first one rests.
  const auto rests = trained.Get(first).clone();
  EXPECT_TRUE(trained.Step({ { second, -2.0f } }));
  EXPECT_TRUE(trained.Get(first).equal(rests));
  EXPECT_TRUE(at::allclose(trained.Get(second), AfterStep(other, -1.0), 1e-5, 1e-7));
  EXPECT_EQ(trained.optimizer.GetNumberOfSteps(), 2);

  EXPECT_TRUE(trained.Step({}));
  EXPECT_EQ(trained.ChangesFrom(before), (std::set<std::string>{ first, second }));
  EXPECT_TRUE(trained.Get(first).equal(rests));
}

TEST(SamOptimizer, SgdFollowsNesterovsMomentum)
{
  constexpr double momentum = 0.99;
  for (const double weightDecay : { 0.0, decay })
  {
    sam::Network   network(sam::MakeTinyPlan(), 5);
    sam::Network   average(sam::MakeTinyPlan(), 5);
    sam::Optimizer optimizer(network, average, { weightDecay, true, 1e9, 0.5, true });
    auto           weight = network.GetParameters().GetTensors().at(first);
    auto           expected = weight.detach().to(at::kDouble);
    auto           velocity = at::zeros_like(expected);
    for (const double value : { 0.5, -0.25, 2.0 })
    {
      const auto gradient = at::full_like(expected, value) + weightDecay * expected;
      velocity = momentum * velocity + gradient;
      expected = expected - learningRate * (gradient + momentum * velocity);
      weight.mutable_grad() = at::full_like(weight.detach(), value);
      ASSERT_TRUE(optimizer.Step(learningRate));
      EXPECT_TRUE(at::allclose(weight.detach().to(at::kDouble), expected, 1e-5, 1e-6)) << value;
    }
  }
}

TEST(SamOptimizer, SgdGoesOnWithItsMomentum)
{
  const auto makeStep = [](sam::Network & network, sam::Optimizer & optimizer, float value) {
    auto weight = network.GetParameters().GetTensors().at(first);
    weight.mutable_grad() = at::full_like(weight.detach(), value);
    optimizer.Step(learningRate);
    return weight.detach();
  };
  sam::Network                      network(sam::MakeTinyPlan(), 5);
  sam::Network                      average(sam::MakeTinyPlan(), 5);
  sam::Optimizer                    optimizer(network, average, { 0.0, true, 1e9, 0.5, true });
  std::map<std::string, at::Tensor> state;
  makeStep(network, optimizer, 3.0f);
  for (const auto & [name, tensor] : optimizer.GetState())
  {
    state[name] = tensor.clone();
  }
  sam::Network   other(sam::MakeTinyPlan(), 6);
  sam::Network   otherAverage(sam::MakeTinyPlan(), 6);
  sam::Optimizer resumed(other, otherAverage, { 0.0, true, 1e9, 0.5, true });
  resumed.SetState(state, 1, "test");
  EXPECT_TRUE(makeStep(network, optimizer, 0.1f).equal(makeStep(other, resumed, 0.1f)));
}

TEST(SamOptimizer, RestoresTheStepsOfEachTensor)
{
  Trained trained;
  trained.Step({ { first, 0.5f }, { second, 0.5f } });
  trained.Step({ { first, 0.5f } });
  std::map<std::string, at::Tensor> state;
  for (const auto & [name, tensor] : trained.optimizer.GetState())
  {
    state[name] = tensor.clone();
  }
  EXPECT_EQ(state.count("steps/" + first), 0u);
  ASSERT_EQ(state.count("steps/" + second), 1u);
  EXPECT_EQ(state.at("steps/" + second).item<double>(), 1.0);

  Trained resumed;
  resumed.optimizer.SetState(state, trained.optimizer.GetNumberOfSteps(), "test");
  for (auto * which : { &trained, &resumed })
  {
    which->Step({ { first, 0.1f }, { second, 0.2f } });
  }
  EXPECT_TRUE(resumed.ChangesFrom(trained.network).empty());
}

TEST(SamOptimizer, ProcessesSkipWhatNoneOfThemUses)
{
  const sam::Network before(sam::MakeTinyPlan(), 5);
  Trained            one;
  Trained            two;
  at::Tensor         sent;
  one.Step({ { first, 0.5f } }, [&sent](at::Tensor & gradients) { sent = gradients.clone(); });
  two.Step({ { second, 0.5f } }, [&sent](at::Tensor & gradients) { gradients += sent; });
  EXPECT_EQ(one.ChangesFrom(before), (std::set<std::string>{ first }));
  EXPECT_EQ(two.ChangesFrom(before), (std::set<std::string>{ first, second }));
  EXPECT_TRUE(two.Get(first).equal(one.Get(first)));
}
