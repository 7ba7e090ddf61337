// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrototypeUse_h
#define samPrototypeUse_h

#include <cstddef>
#include <string>
#include <vector>

namespace sam
{
/** \class PrototypeUse
 * \brief How slices use the prototypes of a model: nothing in training keeps all of them from being the same, or idle.
 */
class PrototypeUse
{
public:
  /** The shares of the prototypes in the mixture of a slice, with sum 1. */
  void
  Add(const std::vector<float> & shares);

  /** What the figures are computed from: of several processes it adds up. */
  std::vector<double>
  GetTotals() const;

  static PrototypeUse
  FromTotals(const std::vector<double> & totals);

  size_t
  GetNumberOfSlices() const
  {
    return m_Slices;
  }

  size_t
  GetNumberOfPrototypes() const
  {
    return m_Sums.size();
  }

  /** Entropy of the mean shares in nats: the logarithm of the number of prototypes where all are used alike. */
  double
  GetEntropy() const;

  /** What the shares tell about the slice, in nats: the entropy of the mean less the mean of the entropies. 0 where all
   * slices are mixed alike. */
  double
  GetInformation() const;

  /** Prototypes whose mean share is less than a hundredth of an equal one. */
  size_t
  GetNumberOfDead() const;

  /** Whether, of five slices or more, the shares tell less than 0.02 nats about the slice, or, of as many slices as
   * prototypes or more, more than half of the prototypes are dead: the prompt is little more than a constant then. */
  bool
  IsCollapsed() const;

  /** Lines for the user. */
  std::string
  Describe() const;

private:
  std::vector<double> m_Sums;
  double              m_Entropies{ 0.0 };
  size_t              m_Slices{ 0 };
};

} // namespace sam

#endif
