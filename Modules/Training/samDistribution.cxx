// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samDistribution.h"

#include "samError.h"
#include "samNcclGroup.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>

#define USE_C10D_GLOO
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <set>

#include <unistd.h>

namespace sam
{
namespace
{
constexpr std::chrono::minutes meetingTime{ 10 };
constexpr std::chrono::hours   sumTime{ 2 }; // one process may prepare cases while the others wait

using Variables = std::function<std::string(const char *)>;

int64_t
Number(const Variables & variable, const char * name)
{
  const auto text = variable(name);
  int64_t    value = 0;
  const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
  if (result.ec != std::errc() || result.ptr != text.data() + text.size() || value < 0)
  {
    throw Error(std::string("environment variable ") + name + " is '" + text + "', expected a whole number");
  }
  return value;
}

int64_t
NumberOr(const Variables & variable, const char * name, int64_t otherwise)
{
  return variable(name).empty() ? otherwise : Number(variable, name);
}

/** The first machine of Slurm's list, such as node[07-09,12],gpu1. */
std::string
FirstNode(const std::string & list)
{
  const auto bracket = list.find('[');
  const auto comma = list.find(',');
  if (bracket == std::string::npos || comma < bracket)
  {
    return list.substr(0, comma);
  }
  const auto end = list.find_first_of(",-]", bracket + 1);
  return list.substr(0, bracket) + list.substr(bracket + 1, end - bracket - 1);
}

std::string
FirstLine(const std::string & text)
{
  return text.substr(0, text.find('\n'));
}
} // namespace

ProcessPlace
ProcessPlace::Find(const Variables & variable)
{
  ProcessPlace place;
  const auto   isSet = [&variable](const char * name) { return !variable(name).empty(); };
  bool         isOnOneMachine = true;
  if (isSet("RANK") && isSet("WORLD_SIZE"))
  {
    place.rank = Number(variable, "RANK");
    place.size = Number(variable, "WORLD_SIZE");
    place.localRank = NumberOr(variable, "LOCAL_RANK", place.rank);
    isOnOneMachine = NumberOr(variable, "LOCAL_WORLD_SIZE", place.size) == place.size;
    place.isHosted = variable("TORCHELASTIC_USE_AGENT_STORE") == "True";
    if (place.isHosted)
    {
      place.prefix = "/worker/attempt_" + variable("TORCHELASTIC_RESTART_COUNT");
    }
  }
  else if (isSet("SLURM_PROCID") && isSet("SLURM_STEP_ID") && (isSet("SLURM_STEP_NUM_TASKS") || isSet("SLURM_NTASKS")))
  {
    // A batch script has most of these variables too, but no step of its own.
    place.rank = Number(variable, "SLURM_PROCID");
    place.size = Number(variable, isSet("SLURM_STEP_NUM_TASKS") ? "SLURM_STEP_NUM_TASKS" : "SLURM_NTASKS");
    place.localRank = NumberOr(variable, "SLURM_LOCALID", 0);
    const auto nodes = variable(isSet("SLURM_STEP_NODELIST") ? "SLURM_STEP_NODELIST" : "SLURM_JOB_NODELIST");
    place.address = nodes.empty() ? place.address : FirstNode(nodes);
    place.port = 20000 + NumberOr(variable, "SLURM_JOB_ID", 0) % 20000;
  }
  else if (isSet("OMPI_COMM_WORLD_RANK") && isSet("OMPI_COMM_WORLD_SIZE"))
  {
    place.rank = Number(variable, "OMPI_COMM_WORLD_RANK");
    place.size = Number(variable, "OMPI_COMM_WORLD_SIZE");
    place.localRank = NumberOr(variable, "OMPI_COMM_WORLD_LOCAL_RANK", place.rank);
    isOnOneMachine = NumberOr(variable, "OMPI_COMM_WORLD_LOCAL_SIZE", place.size) == place.size;
  }
  else if (isSet("PMI_RANK") && isSet("PMI_SIZE"))
  {
    place.rank = Number(variable, "PMI_RANK");
    place.size = Number(variable, "PMI_SIZE");
    place.localRank = NumberOr(variable, "MPI_LOCALRANKID", place.rank);
    isOnOneMachine = NumberOr(variable, "MPI_LOCALNRANKS", place.size) == place.size;
  }
  if (place.size < 1 || place.rank >= place.size)
  {
    throw Error("process " + std::to_string(place.rank) + " of " + std::to_string(place.size) +
                ", expected numbers from 0 to below the number of processes");
  }
  if (place.size > 1 && !isOnOneMachine && !isSet("MASTER_ADDR"))
  {
    throw Error("environment variable MASTER_ADDR is not set, expected the machine of process 0 because the " +
                std::to_string(place.size) + " processes run on several machines");
  }
  if (isSet("MASTER_ADDR"))
  {
    place.address = variable("MASTER_ADDR");
  }
  place.port = NumberOr(variable, "MASTER_PORT", place.port);
  return place;
}

ProcessPlace
ProcessPlace::Find()
{
  return Find([](const char * name) {
    const char * value = std::getenv(name);
    return std::string(value != nullptr ? value : "");
  });
}

bool
AreDifferentGpus(const std::vector<std::string> & devices)
{
  const auto isGpu = [](const std::string & device) { return device.find(" cuda:") != std::string::npos; };
  return std::all_of(devices.begin(), devices.end(), isGpu) &&
         std::set<std::string>(devices.begin(), devices.end()).size() == devices.size();
}

struct Distribution::Implementation
{
  c10::intrusive_ptr<c10d::Store>   store;
  c10::intrusive_ptr<c10d::Backend> group;
  c10::intrusive_ptr<c10d::Backend> gpuGroup; ///< none: sums are made by the other one
};

Distribution::Distribution(const ProcessPlace & place)
  : m_Place(place)
  , m_Implementation(std::make_unique<Implementation>())
{
  if (place.size == 1)
  {
    return;
  }
  try
  {
    c10d::TCPStoreOptions meeting;
    meeting.port = static_cast<uint16_t>(place.port);
    meeting.isServer = place.rank == 0 && !place.isHosted;
    meeting.numWorkers = static_cast<std::size_t>(place.size);
    meeting.waitWorkers = !place.isHosted;
    meeting.timeout = meetingTime;
    c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>(place.address, meeting);
    store = c10::make_intrusive<c10d::PrefixStore>(place.prefix + "/sam-train", std::move(store));
    auto         options = c10d::ProcessGroupGloo::Options::create(sumTime);
    const bool   isLocal = place.address == "127.0.0.1" || place.address == "localhost";
    const char * interface = std::getenv("GLOO_SOCKET_IFNAME");
    options->devices.push_back(interface != nullptr ? c10d::ProcessGroupGloo::createDeviceForInterface(interface)
                               : isLocal            ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                                    : c10d::ProcessGroupGloo::createDefaultDevice());
    m_Implementation->group = c10::make_intrusive<c10d::ProcessGroupGloo>(
      store, static_cast<int>(place.rank), static_cast<int>(place.size), options);
    m_Implementation->store = std::move(store);
  }
  catch (const std::exception & error)
  {
    throw Error("process " + std::to_string(place.rank) + " of " + std::to_string(place.size) +
                " cannot meet the others at " + place.address + ":" + std::to_string(place.port) + " (" +
                FirstLine(error.what()) + ")");
  }
}

Distribution::~Distribution() = default;

bool
Distribution::UseDevice(const at::Device & device)
{
  if (m_Place.size == 1)
  {
    return false;
  }
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  auto &      store = m_Implementation->store;
  const auto  key = [](int64_t rank) { return "device/" + std::to_string(rank); };
  std::string own = std::string(host.data()) + " " + device.str();
  try
  {
    store->set(key(m_Place.rank), std::vector<uint8_t>(own.begin(), own.end()));
    std::vector<std::string> devices;
    for (int64_t rank = 0; rank < m_Place.size; ++rank)
    {
      const auto text = store->get(key(rank));
      devices.emplace_back(text.begin(), text.end());
    }
    if (HasNccl() && AreDifferentGpus(devices))
    {
      m_Implementation->gpuGroup = MakeNcclGroup(store, m_Place, device, sumTime);
    }
  }
  catch (const std::exception & error)
  {
    throw Error("process " + std::to_string(m_Place.rank) + " of " + std::to_string(m_Place.size) + " on " + own +
                " cannot sum with the others (" + FirstLine(error.what()) + ")");
  }
  return m_Implementation->gpuGroup.defined();
}

void
Distribution::Sum(at::Tensor & tensor) const
{
  if (m_Place.size == 1)
  {
    return;
  }
  const at::NoGradGuard noGradient;
  try
  {
    const bool              isOnGpu = tensor.is_cuda() && m_Implementation->gpuGroup.defined();
    std::vector<at::Tensor> sums{ isOnGpu ? tensor.detach().contiguous() : tensor.detach().cpu().contiguous() };
    (isOnGpu ? m_Implementation->gpuGroup : m_Implementation->group)->allreduce(sums)->wait();
    if (!sums[0].is_same(tensor))
    {
      tensor.copy_(sums[0]);
    }
  }
  catch (const std::exception & error)
  {
    throw Error("process " + std::to_string(m_Place.rank) + " of " + std::to_string(m_Place.size) +
                " lost the others (" + FirstLine(error.what()) + ")");
  }
}

at::Tensor
Distribution::SumWithGradient(const at::Tensor & tensor) const
{
  if (m_Place.size == 1)
  {
    return tensor;
  }
  auto others = tensor.detach().clone();
  Sum(others);
  others -= tensor.detach();
  return tensor + others;
}

void
Distribution::Wait() const
{
  auto nothing = at::zeros({ 1 });
  Sum(nothing);
}
} // namespace sam
