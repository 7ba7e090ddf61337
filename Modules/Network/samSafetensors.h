// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samSafetensors_h
#define samSafetensors_h

#include "SegmentAnythingExport.h"

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

namespace sam
{
/** Tensors by name, and the free text of the header by key. */
struct SafetensorsFile
{
  std::map<std::string, at::Tensor>  tensors;
  std::map<std::string, std::string> metadata;
};

/** Read a .safetensors file (8 bytes header length, JSON header, raw little-endian data) into tensors of their own on
 * the CPU. Every offset is checked against the file's size: \throws Error naming the file when it is missing,
 * truncated, or its header contradicts itself. */
SegmentAnything_EXPORT SafetensorsFile
ReadSafetensors(const std::string & path);

/** Write beside \a path and rename, so that an interrupted call leaves no half-written file.
 * \throws Error naming the file when it cannot be written. */
SegmentAnything_EXPORT void
WriteSafetensors(const std::string & path, const SafetensorsFile & file);
} // namespace sam

#endif
