// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTensorFile_h
#define samTensorFile_h

#include "SegmentAnythingExport.h"

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sam
{
/** A tensor that lies in a file. */
struct StoredTensor
{
  at::ScalarType       type{ at::kFloat };
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;    ///< in elements; empty: row-major
  uint64_t             begin{ 0 }; ///< byte of the file where the first element lies
};

/** Bytes from the first to behind the last element.
 * \throws Error naming \a where when the tensor has more than 8 axes, a negative extent or stride, more elements than
 * \a available bytes hold, or reaches beyond them. */
SegmentAnything_EXPORT uint64_t
GetSpan(const StoredTensor & tensor, uint64_t available, const std::string & where);

/** \class TensorFile
 * \brief The named tensors of a file, little-endian, that are read one by one.
 *
 * Whoever makes it has checked that all tensors lie inside the file; what the file holds is known without reading it.
 */
class SegmentAnything_EXPORT TensorFile
{
public:
  /** \throws Error when a name cannot be printed or the tensors, which may share bytes, are too large for the file. */
  TensorFile(std::string                         path,
             std::map<std::string, StoredTensor> tensors,
             std::map<std::string, std::string>  metadata = {});

  const std::string &
  GetPath() const
  {
    return m_Path;
  }

  const std::map<std::string, StoredTensor> &
  GetTensors() const
  {
    return m_Tensors;
  }

  const std::map<std::string, std::string> &
  GetMetadata() const
  {
    return m_Metadata;
  }

  /** Forget the tensors whose names \a isUnneeded. */
  void
  Drop(const std::function<bool(const std::string & name)> & isUnneeded);

  /** A tensor of its own on the CPU, contiguous, of the stored type. */
  at::Tensor
  Read(const std::string & name) const;

  /** Fills \a target, which is contiguous and of the stored shape; the type is converted. */
  void
  Read(const std::string & name, const at::Tensor & target) const;

  /** Reads through a tensor in little memory.
   * \throws Error naming it when it holds NaN, infinity or what is beyond float32. */
  void
  CheckFinite(const std::string & name) const;

private:
  std::string                         m_Path;
  std::map<std::string, StoredTensor> m_Tensors;
  std::map<std::string, std::string>  m_Metadata;
};

/** \throws Error unless \a path is a file that can be read. Answers its size in bytes. */
SegmentAnything_EXPORT uint64_t
CheckReadable(const std::string & path);

/** \a text for a message: on one line, without control characters, not longer than 80 bytes. */
SegmentAnything_EXPORT std::string
                       ToPrintable(const std::string & text);

/** Whether \a count elements of \a type hold neither NaN nor infinity nor, in float64, what is beyond float32. */
SegmentAnything_EXPORT bool
AreFinite(const void * elements, uint64_t count, at::ScalarType type);
} // namespace sam

#endif
