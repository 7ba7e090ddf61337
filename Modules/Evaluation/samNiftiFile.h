// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samNiftiFile_h
#define samNiftiFile_h

#include "itkByteSwapper.h"
#include "itk_zlib.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

namespace sam
{
struct GzipCloser
{
  void
  operator()(gzFile file) const
  {
    gzclose(file);
  }
};

/** A file of gzopen(), which reads one that is not compressed as it is. */
using GzipFile = std::unique_ptr<std::remove_pointer_t<gzFile>, GzipCloser>;

/** \class NiftiHeader
 * \brief Numbers at places of the first bytes of a NIfTI file, in the file's order of bytes. The bytes must outlive it.
 */
class NiftiHeader
{
public:
  explicit NiftiHeader(std::vector<char> & bytes)
    : m_Bytes(bytes)
  {}

  /** NIfTI 1 begins with its header's length 348, NIfTI 2 with 540; the fields differ in place and type. */
  bool
  IsSecond() const
  {
    return this->Get<std::int32_t>(0) == 540;
  }

  bool
  IsBigEndian() const
  {
    return m_Bytes[0] == 0;
  }

  template <typename TValue>
  TValue
  Get(std::size_t place) const
  {
    std::array<char, sizeof(TValue)> raw{};
    std::copy_n(m_Bytes.begin() + static_cast<std::ptrdiff_t>(place), raw.size(), raw.begin());
    this->Swap(raw);
    TValue value;
    std::memcpy(&value, raw.data(), raw.size());
    return value;
  }

  template <typename TValue>
  void
  Set(std::size_t place, TValue value)
  {
    std::array<char, sizeof(TValue)> raw{};
    std::memcpy(raw.data(), &value, raw.size());
    this->Swap(raw);
    std::copy(raw.begin(), raw.end(), m_Bytes.begin() + static_cast<std::ptrdiff_t>(place));
  }

private:
  template <typename TRaw>
  void
  Swap(TRaw & raw) const
  {
    if (this->IsBigEndian() != itk::ByteSwapper<int>::SystemIsBigEndian())
    {
      std::reverse(raw.begin(), raw.end());
    }
  }

  std::vector<char> & m_Bytes;
};
} // namespace sam

#endif
