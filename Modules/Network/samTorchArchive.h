// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samTorchArchive_h
#define samTorchArchive_h

#include "samTensorFile.h"

namespace sam
{
/** Open what torch.save wrote of a state_dict (.pth, .pt; the zip format of PyTorch 1.6 and newer), without running
 * what its pickle asks for. The state_dict may lie in a dictionary under "model", "state_dict" or "network_weights";
 * the prefix "module." of data-parallel training is cut off. Tensors may share storages and may be transposed.
 * \throws Error naming the file and what in it is damaged, too large, or no tensor. */
SegmentAnything_EXPORT TensorFile
OpenTorchArchive(const std::string & path);

/** Whether the file starts as torch.save's do, of old and new format. */
SegmentAnything_EXPORT bool
IsTorchArchive(const std::string & path);
} // namespace sam

#endif
