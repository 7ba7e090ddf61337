// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSafetensors_h
#define samSafetensors_h

#include "samTensorFile.h"

namespace sam
{
/** Tensors by name, and the free text of the header by key. */
struct SafetensorsFile
{
  std::map<std::string, at::Tensor>  tensors;
  std::map<std::string, std::string> metadata;
};

/** Open a .safetensors file (8 bytes header length, JSON header, raw little-endian data). The header is checked before
 * any data is read: \throws Error naming the file when it is missing, truncated, its header contradicts itself, names
 * something twice, or its tensors do not fill the file without overlap. */
SegmentAnything_EXPORT TensorFile
OpenSafetensors(const std::string & path);

/** Read a .safetensors file into tensors of their own on the CPU. \throws Error as OpenSafetensors does. */
SegmentAnything_EXPORT SafetensorsFile
ReadSafetensors(const std::string & path);

/** Write beside \a path and rename, so that an interrupted call leaves no half-written file.
 * \throws Error naming the file when it cannot be written. */
SegmentAnything_EXPORT void
WriteSafetensors(const std::string & path, const SafetensorsFile & file);

/** The same with one tensor in memory at a time: \a read answers the tensor of a name in \a tensors, of its type and
 * shape. */
SegmentAnything_EXPORT void
WriteSafetensors(const std::string &                                         path,
                 const std::map<std::string, StoredTensor> &                 tensors,
                 const std::map<std::string, std::string> &                  metadata,
                 const std::function<at::Tensor(const std::string & name)> & read);
} // namespace sam

#endif
