// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samTensorFile.h"

#include "samError.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

namespace sam
{
namespace
{
static_assert(std::endian::native == std::endian::little, "the files hold little-endian numbers");

constexpr size_t maximumAxes = 8;
constexpr size_t maximumNameLength = 512;
constexpr size_t maximumPrintedLength = 80;

/** Small enough to stay in the processor's cache between reading and looking. */
constexpr uint64_t chunkSize = uint64_t{ 1 } << 18;

/** How often the same bytes may be named: tied weights, and little more. */
constexpr uint64_t maximumSharing = 2;

bool
IsControl(unsigned char letter)
{
  return letter < 32 || letter == 127;
}

/** Numbers whose exponent has all bits set, in words of several lanes: \a magnitudes clears the signs, adding \a step
 * then carries into the sign's place. */
bool
HaveFullExponent(const unsigned char * bytes, uint64_t size, uint64_t magnitudes, uint64_t step)
{
  uint64_t carried = 0;
  uint64_t place = 0;
  for (; place + sizeof(uint64_t) <= size; place += sizeof(uint64_t))
  {
    uint64_t word = 0;
    std::memcpy(&word, bytes + place, sizeof(word));
    carried |= (word & magnitudes) + step;
  }
  uint64_t rest = 0;
  std::memcpy(&rest, bytes + place, size - place);
  carried |= (rest & magnitudes) + step;
  return (carried & ~magnitudes) != 0;
}

uint64_t
CountElements(const std::vector<int64_t> & shape)
{
  uint64_t count = 1;
  for (const int64_t extent : shape)
  {
    count *= static_cast<uint64_t>(extent);
  }
  return count;
}

bool
IsRowMajor(const StoredTensor & tensor)
{
  int64_t expected = 1;
  for (size_t k = tensor.strides.size(); k-- > 0;)
  {
    if (tensor.shape[k] != 1 && tensor.strides[k] != expected)
    {
      return false;
    }
    expected *= tensor.shape[k];
  }
  return true;
}
/** The bytes of a tensor, first to last. */
class Stream
{
public:
  Stream(const TensorFile & file, const std::string & name)
    : m_Stream(file.GetPath(), std::ios::binary)
    , m_Where(file.GetPath() + ": tensor '" + name + "'")
  {
    m_Stream.seekg(static_cast<std::streamoff>(file.GetTensors().at(name).begin));
  }

  void
  Read(void * target, uint64_t size)
  {
    if (size > 0 && !m_Stream.read(static_cast<char *>(target), static_cast<std::streamsize>(size)))
    {
      throw Error(m_Where + " cannot be read");
    }
  }

private:
  std::ifstream m_Stream;
  std::string   m_Where;
};
} // namespace

uint64_t
CheckReadable(const std::string & path)
{
  std::error_code error;
  const auto      status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
  {
    throw Error(path + ": no such file");
  }
  if (!std::filesystem::is_regular_file(status))
  {
    throw Error(path + (std::filesystem::is_directory(status) ? ": is a folder" : ": is no file") +
                ", expected a file of tensors");
  }
  const uint64_t size = std::filesystem::file_size(path, error);
  if (error || !std::ifstream(path, std::ios::binary))
  {
    throw Error(path + ": cannot be opened for reading");
  }
  if (size == 0)
  {
    throw Error(path + ": is empty, expected a file of tensors");
  }
  return size;
}

std::string
ToPrintable(const std::string & text)
{
  std::string line = text.substr(0, maximumPrintedLength);
  std::replace_if(line.begin(), line.end(), IsControl, '?');
  return line.size() < text.size() ? line + "..." : line;
}

bool
AreFinite(const void * elements, uint64_t count, at::ScalarType type)
{
  const auto * bytes = static_cast<const unsigned char *>(elements);
  if (count == 0)
  {
    return true;
  }
  switch (type)
  {
    case at::kFloat:
      return !HaveFullExponent(bytes, 4 * count, 0x7fffffff7fffffff, 0x0080000000800000);
    case at::kHalf:
      return !HaveFullExponent(bytes, 2 * count, 0x7fff7fff7fff7fff, 0x0400040004000400);
    case at::kBFloat16:
      return !HaveFullExponent(bytes, 2 * count, 0x7fff7fff7fff7fff, 0x0080008000800080);
    case at::kDouble:
      for (uint64_t k = 0; k < count; ++k)
      {
        double value = 0.0;
        std::memcpy(&value, bytes + k * sizeof(value), sizeof(value));
        if (!(std::abs(value) <= std::numeric_limits<float>::max()))
        {
          return false;
        }
      }
      return true;
    default:
      return true;
  }
}

uint64_t
GetSpan(const StoredTensor & tensor, uint64_t available, const std::string & where)
{
  if (tensor.shape.size() > maximumAxes || (!tensor.strides.empty() && tensor.strides.size() != tensor.shape.size()))
  {
    throw Error(where + ": its shape has " + std::to_string(tensor.shape.size()) + " axes and " +
                std::to_string(tensor.strides.size()) + " strides, expected as many and not above " +
                std::to_string(maximumAxes));
  }
  bool isEmpty = false;
  for (size_t k = 0; k < tensor.shape.size(); ++k)
  {
    if (tensor.shape[k] < 0 || (!tensor.strides.empty() && tensor.strides[k] < 0))
    {
      throw Error(where + ": negative extent in the shape or stride");
    }
    isEmpty = isEmpty || tensor.shape[k] == 0;
  }
  const uint64_t limit = isEmpty ? uint64_t{ 1 } << 40 : available;
  const auto     fail = [&] { throw Error(where + ": the shape needs more bytes than the file holds"); };
  const auto     times = [&](uint64_t a, uint64_t b) {
    if (b != 0 && a > limit / b)
    {
      fail();
    }
    return a * b;
  };
  const uint64_t elementSize = c10::elementSize(tensor.type);
  uint64_t       size = elementSize;
  uint64_t       last = 0; // byte of the last element
  for (size_t k = 0; k < tensor.shape.size(); ++k)
  {
    // Empty tensors, too, have extents that can be multiplied.
    const auto extent = static_cast<uint64_t>(std::max<int64_t>(tensor.shape[k], 1));
    size = times(size, extent);
    if (!tensor.strides.empty() && extent > 1)
    {
      last += times(times(extent - 1, static_cast<uint64_t>(tensor.strides[k])), elementSize);
    }
  }
  if (isEmpty)
  {
    return 0;
  }
  const uint64_t span = tensor.strides.empty() ? size : last + elementSize;
  // Strides of zero would make much of little.
  if (size > available || span > available || size > span)
  {
    fail();
  }
  return span;
}

TensorFile::TensorFile(std::string                         path,
                       std::map<std::string, StoredTensor> tensors,
                       std::map<std::string, std::string>  metadata)
  : m_Path(std::move(path))
  , m_Tensors(std::move(tensors))
  , m_Metadata(std::move(metadata))
{
  const uint64_t limit = maximumSharing * CheckReadable(m_Path);
  uint64_t       total = 0;
  for (const auto & [name, tensor] : m_Tensors)
  {
    if (name.size() > maximumNameLength || std::any_of(name.begin(), name.end(), IsControl))
    {
      throw Error(m_Path + ": the tensor name '" + ToPrintable(name) + "' is too long or cannot be printed");
    }
    total += GetSpan(tensor, limit, m_Path + ": tensor '" + name + "'");
    if (total > limit)
    {
      throw Error(m_Path + ": its tensors need more bytes than the file holds");
    }
  }
}

void
TensorFile::Drop(const std::function<bool(const std::string & name)> & isUnneeded)
{
  std::erase_if(m_Tensors, [&](const auto & entry) { return isUnneeded(entry.first); });
}

at::Tensor
TensorFile::Read(const std::string & name) const
{
  const auto & stored = m_Tensors.at(name);
  auto         tensor = at::empty(stored.shape, at::TensorOptions().dtype(stored.type));
  Read(name, tensor);
  return tensor;
}

void
TensorFile::Read(const std::string & name, const at::Tensor & target) const
{
  const auto & stored = m_Tensors.at(name);
  if (!IsRowMajor(stored))
  {
    const uint64_t span = GetSpan(stored, std::numeric_limits<int64_t>::max(), m_Path);
    const auto     elements = static_cast<int64_t>(span / c10::elementSize(stored.type));
    const auto     storage = at::empty({ elements }, at::TensorOptions().dtype(stored.type));
    Stream(*this, name).Read(storage.data_ptr(), span);
    target.copy_(storage.as_strided(stored.shape, stored.strides));
  }
  else if (target.scalar_type() == stored.type)
  {
    Stream(*this, name).Read(target.data_ptr(), target.nbytes());
  }
  else
  {
    target.copy_(Read(name));
  }
}

void
TensorFile::CheckFinite(const std::string & name) const
{
  const auto & stored = m_Tensors.at(name);
  const auto   check = [&](const void * elements, uint64_t count) {
    if (!AreFinite(elements, count, stored.type))
    {
      throw Error(m_Path + ": tensor '" + name + "' holds NaN or infinity, expected finite numbers");
    }
  };
  if (!IsRowMajor(stored))
  {
    const auto tensor = Read(name);
    check(tensor.data_ptr(), static_cast<uint64_t>(tensor.numel()));
    return;
  }
  const uint64_t             elementSize = c10::elementSize(stored.type);
  uint64_t                   rest = elementSize * CountElements(stored.shape);
  std::vector<unsigned char> chunk(std::min(rest, chunkSize));
  for (Stream stream(*this, name); rest > 0; rest -= chunk.size())
  {
    chunk.resize(std::min<uint64_t>(chunk.size(), rest));
    stream.Read(chunk.data(), chunk.size());
    check(chunk.data(), chunk.size() / elementSize);
  }
}
} // namespace sam
