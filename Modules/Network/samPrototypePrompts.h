// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrototypePrompts_h
#define samPrototypePrompts_h

#include "samLayers.h"
#include "samObserver.h"
#include "samPositionEncoding.h"

namespace sam
{
/** \class PrototypePrompts
 * \brief DAPSAM's prompts: an image is described by a mixture of learned prototypes, and the decoder is told where the
 * image is similar to it (arXiv:2409.12522, dapsam §c).
 *
 * Names memory_bank, fuse_conv and pe_layer.
 */
class SegmentAnything_EXPORT PrototypePrompts
{
public:
  PrototypePrompts(const Scope & scope, int64_t width, int64_t slots);

  struct Output
  {
    at::Tensor addresses;  ///< S×slots, the shares of the slots in the prototype, with sum 1
    at::Tensor similarity; ///< S×1×h×w, the cosine of prototype and embedding at each token
    at::Tensor dense;      ///< S×C×h×w, the dense prompt
  };

  /** The embedding of S slices is S×C×h×w, each is described by itself. \a observe gets query and prototype, S×C. */
  Output
  operator()(const at::Tensor & embedding, const Observer & observe = {}) const;

  /** Codes of the tokens' places, C×h×w. */
  at::Tensor
  DensePositions(const std::array<int64_t, 2> & grid) const
  {
    return m_Positions.OfGrid(grid, grid);
  }

  /** Slots×C. */
  const at::Tensor &
  GetPrototypes() const
  {
    return m_Prototypes;
  }

private:
  at::Tensor       m_Prototypes;
  Convolution      m_Fusion;
  PositionEncoding m_Positions;
};
} // namespace sam

#endif
