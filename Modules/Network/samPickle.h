// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samPickle_h
#define samPickle_h

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace sam
{
/** A tensor as torch.save describes it: a view of the storage of this key. */
struct PickledTensor
{
  at::ScalarType       type{ at::kFloat };
  std::string          storage;
  int64_t              storageElements{ 0 };
  int64_t              offset{ 0 }; ///< elements
  std::vector<int64_t> shape;
  std::vector<int64_t> strides; ///< elements
};

/** A value of a pickle; containers point to values that the pickle owns. */
struct PickledValue
{
  enum class Kind
  {
    None,
    Boolean,
    Integer,
    Real,
    Text, ///< bytes, too
    Tuple,
    List,
    Dictionary,
    Name, ///< of a class or function
    Storage,
    Tensor
  };
  Kind                        kind{ Kind::None };
  int64_t                     integer{ 0 };
  std::string                 text;
  std::vector<PickledValue *> items; ///< of a dictionary: key, value, key, value, ...
  PickledTensor               tensor;
};

/** \class Pickle
 * \brief Reads the pickles of torch.save, protocols 2 to 5, without running what they ask for.
 *
 * A pickle is a program for a stack machine that may call any function. Here the machine knows plain values and
 * containers, and of the functions those alone that make up tensors and ordered dictionaries, which it does not call
 * but imitates. Time and memory grow with the length of the pickle alone.
 */
class Pickle
{
public:
  /** \throws Error naming \a where and the first operation, class or function that does not belong to a file of
   * tensors.
   */
  Pickle(const std::string & bytes, const std::string & where);

  Pickle(const Pickle &) = delete;
  void
  operator=(const Pickle &) = delete;

  const PickledValue &
  GetRoot() const
  {
    return *m_Root;
  }

private:
  class Machine;

  std::deque<PickledValue> m_Values; // flat: cycles and deep nesting are released without recursion
  PickledValue *           m_Root{ nullptr };
};
} // namespace sam

#endif
