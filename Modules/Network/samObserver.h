// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samObserver_h
#define samObserver_h

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>

namespace sam
{
/** Called with intermediate results, named and shaped as the published module has them: for tests and debugging. */
using Observer = std::function<void(const std::string & name, const at::Tensor & value)>;
} // namespace sam

#endif
