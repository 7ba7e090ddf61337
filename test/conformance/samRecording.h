// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samRecording_h
#define samRecording_h

#include "samObserver.h"
#include "samSafetensors.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sam
{
/** What became of one recorded output. */
struct Comparison
{
  enum class Outcome
  {
    Pass,
    Fail,
    Unknown ///< nothing here computes it
  };

  std::string           name;
  Outcome               outcome{ Outcome::Unknown };
  std::optional<double> error{};          ///< largest absolute difference; none when there was nothing to compare
  double                tolerance{ 0.0 }; ///< 2e-5 of the largest magnitude plus 1e-6; 0 for integers
  std::string           remark{};
};

/** \class Recording
 * \brief Parameters, inputs and outputs of a published module, and the comparison of ours with its outputs.
 *
 * Tensors below param, in and config are what the module was given, and so are part/in/... and .../draws, the random
 * numbers that it took; everything else is an output. A large recording
 * lies in several files, name_PART_seed.safetensors: each one has the parameters and inputs of all, and outputs of its
 * own. Names are asked for
 * as param/name, whether the file separates with slashes or dots. What the header's entry config holds as JSON counts
 * as entries of the header.
 */
class Recording
{
public:
  /** \a stem is the name that files of one recording share. Parameters and inputs are given out on \a device.
   * \throws Error when the file cannot be read. */
  explicit Recording(const std::string & path, const std::string & stem = {}, at::Device device = at::kCPU);

  /** Take parameters and inputs that this one lacks from another file. \throws Error when it cannot be read. */
  void
  TakeGiven(const std::string & path);

  bool
  Has(const std::string & name) const;

  /** \throws Error when there is no such tensor. */
  const at::Tensor &
  Get(const std::string & name) const;

  /** Undefined when there is no such tensor. */
  at::Tensor
  Find(const std::string & name) const;

  /** One extent of a parameter. */
  int64_t
  Extent(const std::string & parameter, int64_t axis) const;

  /** Number of parameters \a before + "0" + \a after, \a before + "1" + \a after, ... */
  int64_t
  Count(const std::string & before, const std::string & after) const;

  /** Whether the header has an entry \a key. */
  bool
  HasEntry(const std::string & key) const;

  /** All integers in the header's entry \a key: 3 of "3", 1 and 3 of "(1, 3)". \throws Error when it has none. */
  std::vector<int64_t>
  Numbers(const std::string & key) const;

  int64_t
  Number(const std::string & key) const
  {
    return this->Numbers(key).front();
  }

  double
  Real(const std::string & key) const;

  /** Empty when the header has no such entry. */
  std::string
  Text(const std::string & key) const;

  /** The parameters whose names start with \a prefix, which is cut off. */
  std::map<std::string, at::Tensor>
  Weights(const std::string & prefix = {}) const;

  /** Outputs whose names start with \a prefix, which is cut off, in alphabetical order. */
  std::vector<std::string>
  Outputs(const std::string & prefix) const;

  /** Compare with the recorded output \a name; does nothing when it was not recorded. */
  void
  Compare(const std::string & name, const at::Tensor & found, const std::string & remark = {});

  void
  Compare(const std::string & name, const std::vector<int64_t> & found);

  /** Compare numbers with an absolute \a tolerance. */
  void
  CompareWithin(const std::string & name, const at::Tensor & found, double tolerance);

  /** Something holds that has no output of its own. */
  void
  Confirm(const std::string & name, const std::string & remark);

  /** Compare masks, which may differ where the logits \a found, which they are cut from, are within 1e-5 of 0. */
  void
  CompareMasks(const std::string & name, const at::Tensor & found);

  /** Compares what it gets with \a prefix + name. */
  Observer
  Comparer(const std::string & prefix);

  /** All outputs; those that were not compared are unknown, or failed for \a reason when it is given. */
  std::vector<Comparison>
  GetComparisons(const std::string & reason = {}) const;

private:
  /** The name as it is in the file. */
  std::string
  ToStored(std::string name) const;

  void
  Compare(const std::string & name, const at::Tensor & found, double tolerance, const std::string & remark);

  SafetensorsFile                   m_File;
  at::Device                        m_Device;
  std::map<std::string, at::Tensor> m_Given; ///< parameters and inputs of the recording's other files
  char                              m_Separator{ '/' };
  std::map<std::string, Comparison> m_Comparisons;
  std::vector<Comparison>           m_Confirmed;
};
} // namespace sam

#endif
