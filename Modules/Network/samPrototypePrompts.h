// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPrototypePrompts_h
#define samPrototypePrompts_h

#include "samLayers.h"
#include "samObserver.h"
#include "samPositionEncoding.h"

namespace sam
{
struct PrototypeOptions
{
  int64_t slots{ 256 };
  bool    usesCosines{ false }; ///< slots are addressed by cosines with the query; published: by products
  double  temperature{ 1.0 };   ///< what they are divided by before the softmax
};

/** \class PrototypePrompts
 * \brief DAPSAM's prompts: an image is described by a mixture of learned prototypes, and the decoder is told where the
 * image is similar to it (arXiv:2409.12522, dapsam §c).
 *
 * Names memory_bank, fuse_conv and pe_layer.
 */
class SegmentAnything_EXPORT PrototypePrompts
{
public:
  PrototypePrompts(const Scope & scope, int64_t width, const PrototypeOptions & options);

  struct Output
  {
    at::Tensor addresses;  ///< S×slots, the shares of the slots in the prototype, with sum 1
    at::Tensor similarity; ///< S×1×h×w, the cosine of prototype and embedding at each token
    at::Tensor dense;      ///< S×C×h×w, the dense prompt
  };

  /** The embedding of S slices is S×C×h×w, each is described by itself. \a observe gets query and prototype, S×C. */
  Output
  operator()(const at::Tensor & embedding, const Observer & observe = {}) const;

  /** The mean squared cosine of two different prototypes, a scalar with gradient: 0 where all are at right angles, 1
   * where all point the same way. */
  at::Tensor
  Compare() const;

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
  PrototypeOptions m_Options;
  at::Tensor       m_Prototypes;
  Convolution      m_Fusion;
  PositionEncoding m_Positions;
};
} // namespace sam

#endif
