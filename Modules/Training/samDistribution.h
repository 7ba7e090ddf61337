// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samDistribution_h
#define samDistribution_h

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sam
{
/** Which of several processes this one is, and where they meet. */
struct ProcessPlace
{
  int64_t     rank{ 0 };
  int64_t     size{ 1 };
  int64_t     localRank{ 0 };         ///< among the processes of this machine
  std::string address{ "127.0.0.1" }; ///< of the machine of process 0
  int64_t     port{ 29500 };
  bool        isHosted{ false }; ///< a launcher keeps the meeting point (torchrun); else process 0 does
  std::string prefix;            ///< of the keys at the meeting point

  /** What torchrun (RANK, WORLD_SIZE), Slurm's srun (SLURM_PROCID), Open MPI's (OMPI_COMM_WORLD_RANK) and MPICH's
   * (PMI_RANK) mpirun say, in this order; one process when none of them does. MASTER_ADDR and MASTER_PORT are taken
   * from everywhere. \a variable answers the environment's, empty where it is not set.
   * \throws Error naming the variable that is wrong or missing. */
  static ProcessPlace
  Find(const std::function<std::string(const char * name)> & variable);

  /** Of this process. */
  static ProcessPlace
  Find();
};

/** Whether each process has a GPU of its own, which NCCL needs. \a devices are machine and device of each process,
 * such as "node07 cuda:1". */
bool
AreDifferentGpus(const std::vector<std::string> & devices);

/** \class Distribution
 * \brief Sums over the processes that train one network together, by LibTorch's c10d with Gloo, between GPUs with NCCL.
 *
 * All processes must make the same calls in the same order. With one process nothing is done.
 */
class Distribution
{
public:
  /** Meets the other processes. \throws Error when they do not come within ten minutes. */
  explicit Distribution(const ProcessPlace & place);
  ~Distribution();
  Distribution(const Distribution &) = delete;
  void
  operator=(const Distribution &) = delete;

  /** Tell where this process computes. When each process has a GPU of its own and the build has NCCL, tensors there are
   * summed without a way through the host, and the answer is true. All processes must call it, once.
   * \throws Error when a process is gone. */
  bool
  UseDevice(const at::Device & device);

  int64_t
  GetRank() const
  {
    return m_Place.rank;
  }
  int64_t
  GetSize() const
  {
    return m_Place.size;
  }
  int64_t
  GetLocalRank() const
  {
    return m_Place.localRank;
  }

  /** Replace \a tensor by its sum over all processes, in place. The order of summation is fixed.
   * \throws Error when a process is gone. */
  void
  Sum(at::Tensor & tensor) const;

  /** The sum over all processes, with the gradient of this process's part: where every process computes the same loss
   * from such sums, the gradients of the processes add up to that of the loss. */
  at::Tensor
  SumWithGradient(const at::Tensor & tensor) const;

  /** Return when all processes have come here. */
  void
  Wait() const;

private:
  struct Implementation;

  ProcessPlace                    m_Place;
  std::unique_ptr<Implementation> m_Implementation;
};
} // namespace sam

#endif
