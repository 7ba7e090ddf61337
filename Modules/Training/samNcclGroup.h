// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samNcclGroup_h
#define samNcclGroup_h

#include <c10/core/Device.h>
#include <c10/util/intrusive_ptr.h>

#include <chrono>

namespace c10d
{
class Backend;
class Store;
} // namespace c10d

namespace sam
{
struct ProcessPlace;

/** Whether this build has NCCL: LibTorch's CUDA libraries and the headers of CUDA and NCCL were there. */
bool
HasNccl();

/** The processes that meet at \a store, each with a GPU of its own, \a device. A sum may take \a timeout.
 * \throws Error where the build has no NCCL. */
c10::intrusive_ptr<c10d::Backend>
MakeNcclGroup(const c10::intrusive_ptr<c10d::Store> & store,
              const ProcessPlace &                    place,
              const c10::Device &                     device,
              std::chrono::milliseconds               timeout);
} // namespace sam

#endif
