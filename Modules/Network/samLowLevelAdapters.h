// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samLowLevelAdapters_h
#define samLowLevelAdapters_h

#include "samLayers.h"

namespace sam
{
/** The gates of DAPSAM's attention filter (dapsam §b), one for each entry of \a axis: the logistic function of maximum
 * plus mean over all other axes but the first, which are left with one entry. */
SegmentAnything_EXPORT at::Tensor
                       GateByAttention(const at::Tensor & x, int64_t axis);

/** The filter: \a x times its gates. */
SegmentAnything_EXPORT at::Tensor
                       FilterByAttention(const at::Tensor & x, int64_t axis);

/** Tokens S×h×w×C, their memory read as if channels came first: what stands where is another token's (dapsam §b). */
SegmentAnything_EXPORT at::Tensor
                       ShuffleTokens(const at::Tensor & tokens);

/** What the branches of low-level features have in common. */
struct LowLevelOptions
{
  int64_t width{ 768 };
  int64_t bottleneck{ 0 }; ///< width between the two layers of each adapter; 0: no such branches

  // Published behavior (Plan::compatibility).
  bool startsAtRandom{ false }; ///< last layers start at random instead of zero
  bool shufflesTokens{ false }; ///< the token map is read in another order than it is stored
  bool gatesColumns{ false };   ///< the filter in front of a block gates columns of the image instead of channels
};

/** \class LowLevelAdapter
 * \brief The adapter within an encoder's block: low-level features and normalized tokens through the attention filter
 * and a bottleneck (arXiv:2409.12522). Names D_fc1, D_fc2.
 */
class SegmentAnything_EXPORT LowLevelAdapter
{
public:
  LowLevelAdapter(const Scope & scope, const LowLevelOptions & options);

  /** \a tokens and \a features are S×h×w×C, and so is the answer. With \a hasSkip the filtered sum is added to it. */
  at::Tensor
  operator()(const at::Tensor & tokens, const at::Tensor & features, bool hasSkip = false) const;

private:
  Linear m_Down;
  Linear m_Up;
};

/** \class LowLevelPrompts
 * \brief Low-level features of an image, and from them what is added to the tokens in front of each encoder block.
 * Names embedding_generator, lightweight_mlp_K.0 and lightweight_mlp_K.2.
 */
class SegmentAnything_EXPORT LowLevelPrompts
{
public:
  LowLevelPrompts(const Scope & scope, int64_t depth, const LowLevelOptions & options);

  /** Low-level features of an image's tokens (with positions), both S×h×w×C. */
  at::Tensor
  MakeFeatures(const at::Tensor & tokens) const;

  /** What the attention filter leaves of the tokens \a x in front of a block and the features, all S×h×w×C. */
  at::Tensor
  Filter(const at::Tensor & x, const at::Tensor & features) const;

  /** The prompt for \a block, of the same shape. */
  at::Tensor
  operator()(size_t block, const at::Tensor & x, const at::Tensor & features) const;

private:
  struct Bottleneck
  {
    Linear down;
    Linear up;
  };

  Linear                  m_Generator;
  std::vector<Bottleneck> m_Bottlenecks;
  bool                    m_ShufflesTokens;
  bool                    m_GatesColumns;
};
} // namespace sam

#endif
