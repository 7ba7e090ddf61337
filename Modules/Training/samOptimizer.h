// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samOptimizer_h
#define samOptimizer_h

#include "samNetwork.h"
#include "samTrainingOptions.h"

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sam
{
/** \class Optimizer
 * \brief AdamW or SGD on a network's parameters, with a moving average of the weights.
 *
 * SGD is that of nnU-Net, and of MaskSAM for ACDC and Synapse: Nesterov's momentum of 0.99, weight decay as a part of
 * the gradient. Weight decay leaves out everything with one axis and all embeddings, tokens and position tables. A
 * tensor without a gradient, which the loss does not depend on, keeps its value and moments in that step. The networks'
 * tensors are changed in place.
 */
class Optimizer
{
public:
  struct Settings
  {
    double weightDecay{ 0.01 };
    bool   decaysEverything{ false }; ///< no tensor is left out
    double maximumGradientNorm{ 1.0 };
    double averagingDecay{ 0.995 };
    bool   isSgd{ false };

    static Settings
    FromRecipe(const TrainingRecipe & recipe);
  };

  using NamedTensors = std::map<std::string, at::Tensor>;

  /** \a averages have the same names and shapes as \a weights. */
  Optimizer(const NamedTensors & weights, const NamedTensors & averages, const Settings & settings);

  /** All tensors of a network but its constants. \a average holds the moving average; both have the same plan. */
  Optimizer(const Network & network, const Network & average, const Settings & settings);

  /** One step along the gradients of the network's parameters, which are then cleared. \a sum, where given, first
   * replaces all gradients (one after the other in one tensor, with counts of their users behind) by their sum over
   * several processes.
   * Returns false, and changes nothing, when a gradient is not finite. */
  bool
  Step(double learningRate, const std::function<void(at::Tensor & gradients)> & sum = {});

  /** The tensors of a network that training changes: all but its constants. */
  static NamedTensors
  GetVariables(const Network & network);

  int64_t
  GetNumberOfSteps() const
  {
    return m_NumberOfSteps;
  }

  /** Weights, averages, moments and deviating numbers of steps by name, and their restoration. \throws Error naming \a
   * where and the tensor. */
  std::map<std::string, at::Tensor>
  GetState() const;

  void
  SetState(const std::map<std::string, at::Tensor> & state, int64_t numberOfSteps, const std::string & where);

private:
  struct Group
  {
    double                   weightDecay{ 0.0 };
    std::vector<std::string> names;
    std::vector<at::Tensor>  weights;
    std::vector<at::Tensor>  averages;
    std::vector<at::Tensor>  firstMoments;
    std::vector<at::Tensor>  secondMoments; ///< of AdamW; empty tensors of SGD
    std::vector<at::Tensor>  steps;         ///< scalars: those in which there was a gradient
  };

  /** A step of the tensors that have a gradient. */
  void
  Follow(Group & used, std::vector<at::Tensor> & gradients, double weightDecay, double learningRate) const;

  void
  SumGradients(const std::function<void(at::Tensor & gradients)> & sum);

  Settings           m_Settings;
  std::vector<Group> m_Groups;
  int64_t            m_NumberOfSteps{ 0 };
};
} // namespace sam

#endif
