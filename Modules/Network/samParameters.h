// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samParameters_h
#define samParameters_h

#include "samPrecision.h"
#include "samTensorFile.h"

#include <ATen/core/Generator.h>

#include <optional>
#include <set>

namespace sam
{
/** How a parameter starts when a network is made from nothing. */
struct Initialization
{
  enum class Kind
  {
    Constant, ///< every element is \c value
    Uniform,  ///< uniform in [-value, value]
    Normal    ///< normal with mean 0 and standard deviation \c value
  };
  Kind   kind{ Kind::Constant };
  double value{ 0.0 };

  static Initialization
  Constant(double value)
  {
    return { Kind::Constant, value };
  }
  static Initialization
  Uniform(double bound)
  {
    return { Kind::Uniform, bound };
  }
  static Initialization
  Normal(double standardDeviation)
  {
    return { Kind::Normal, standardDeviation };
  }
};

/** \class Parameters
 * \brief The named tensors of a network.
 *
 * Layers declare what they need while they are built. A source made from nothing answers with seeded random values; a
 * source made from a file answers with the file's tensor and checks its shape. Both ways run the same code, so a model
 * that was trained here loads here. A file is read when all of its tensors are declared: what does not fit is refused
 * before it takes memory.
 */
class SegmentAnything_EXPORT Parameters
{
public:
  /** No values: names and shapes are all that is asked for. Takes no memory worth mentioning. */
  Parameters() = default;

  /** Random values, the same for the same seed. */
  explicit Parameters(uint64_t seed);

  /** Given values. \a where names them in error messages. */
  Parameters(std::map<std::string, at::Tensor> tensors, std::string where);

  /** Values of a file, which Read() puts into the declared tensors. */
  explicit Parameters(TensorFile file);

  /** The tensor of this name and shape, float32; of a file its values come with Read().
   * \throws Error when a source lacks it, holds another shape or type, or given values hold NaN or infinity. */
  at::Tensor
  Declare(const std::string & name, const std::vector<int64_t> & shape, const Initialization & initialization);

  /** Passes over a tensor that files may hold and that says nothing new: a counter, a table of indices. */
  void
  Ignore(const std::string & name)
  {
    m_Source.erase(name);
  }

  /** \throws Error naming the first tensor of the file that no layer declared. */
  void
  ThrowIfUnused() const;

  /** \throws Error naming the first declared tensor that holds NaN or infinity in the file. Takes little memory. */
  void
  CheckFinite() const;

  /** Check that all numbers of the file are finite, then fill the declared tensors one by one. */
  void
  Read();

  /** All declared tensors by name. */
  const std::map<std::string, at::Tensor> &
  GetTensors() const
  {
    return m_Declared;
  }

  /** Names of the tensors that training leaves alone (SAM's random Fourier matrix). */
  const std::set<std::string> &
  GetConstants() const
  {
    return m_Constants;
  }

  void
  MarkConstant(const std::string & name)
  {
    m_Constants.insert(name);
  }

  /** Layers say here what they do when another precision is asked for. */
  void
  OnPrepare(const std::string & name, std::function<void(Precision)> prepare)
  {
    m_Preparations.emplace_back(name, std::move(prepare));
  }

  /** Have all layers whose names start with \a prefix compute in a precision when there are no gradients. To be called
   * again after the tensors changed. */
  void
  Prepare(const std::string & prefix, Precision precision) const;

private:
  std::map<std::string, at::Tensor> m_Source; ///< not declared yet; undefined tensors for a file
  std::optional<TensorFile>         m_File;
  std::map<std::string, at::Tensor> m_Declared;
  std::set<std::string>             m_Constants;

  std::vector<std::pair<std::string, std::function<void(Precision)>>> m_Preparations;

  std::string   m_Where;
  at::Generator m_Generator;
};

/** \class Scope
 * \brief A place in the tree of tensor names: Scope(p) / "blocks" / 3 / "norm1" declares "blocks.3.norm1.weight".
 */
class SegmentAnything_EXPORT Scope
{
public:
  explicit Scope(Parameters & parameters, std::string prefix = {})
    : m_Parameters(&parameters)
    , m_Prefix(std::move(prefix))
  {}

  Scope
  operator/(const std::string & name) const
  {
    return Scope(*m_Parameters, m_Prefix.empty() ? name : m_Prefix + "." + name);
  }

  Scope
  operator/(int64_t index) const
  {
    return *this / std::to_string(index);
  }

  at::Tensor
  Declare(const std::string & name, const std::vector<int64_t> & shape, const Initialization & initialization) const
  {
    return m_Parameters->Declare((*this / name).m_Prefix, shape, initialization);
  }

  at::Tensor
  DeclareConstant(const std::string & name, const std::vector<int64_t> & shape, const Initialization & start) const
  {
    m_Parameters->MarkConstant((*this / name).m_Prefix);
    return Declare(name, shape, start);
  }

  void
  OnPrepare(std::function<void(Precision)> prepare) const
  {
    m_Parameters->OnPrepare(m_Prefix, std::move(prepare));
  }

  void
  Ignore(const std::string & name) const
  {
    m_Parameters->Ignore((*this / name).m_Prefix);
  }

private:
  Parameters * m_Parameters;
  std::string  m_Prefix;
};
} // namespace sam

#endif
