// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samNcclGroup.h"

#include "samDistribution.h"
#include "samError.h"

#ifdef SEGMENTANYTHING_NCCL
#  define USE_C10D_NCCL
#  include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

namespace sam
{
bool
HasNccl()
{
  return true;
}

c10::intrusive_ptr<c10d::Backend>
MakeNcclGroup(const c10::intrusive_ptr<c10d::Store> & store,
              const ProcessPlace &                    place,
              const c10::Device &                     device,
              std::chrono::milliseconds               timeout)
{
  const c10::cuda::CUDAGuard guard(device);
  auto                       options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = timeout;
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(c10::make_intrusive<c10d::PrefixStore>("nccl", store),
                                                     static_cast<int>(place.rank),
                                                     static_cast<int>(place.size),
                                                     options);
}
} // namespace sam
#else
#  include <torch/csrc/distributed/c10d/Backend.hpp>

namespace sam
{
bool
HasNccl()
{
  return false;
}

c10::intrusive_ptr<c10d::Backend>
MakeNcclGroup(const c10::intrusive_ptr<c10d::Store> &,
              const ProcessPlace &,
              const c10::Device &,
              std::chrono::milliseconds)
{
  throw Error("this build has no NCCL, expected one with the CUDA libraries of LibTorch and the headers of NCCL");
}
} // namespace sam
#endif
