// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samWindowQueue.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <latch>

namespace sam
{
WindowQueue::WindowQueue(MakeFunction make, int64_t first, int64_t threads, int64_t ahead)
  : m_Make(std::move(make))
  , m_Next(first)
  , m_Begun(first)
  , m_Ahead(std::max<int64_t>(ahead, 1))
{
  const auto count = std::max<int64_t>(threads, 1);
  const int  ofCaller = at::get_num_threads();
  std::latch areSet(count);
  for (int64_t k = 0; k < count; ++k)
  {
    m_Threads.emplace_back([this, &areSet] {
      at::set_num_threads(1);
      areSet.count_down();
      Work();
    });
  }
  areSet.wait();
  // The number holds for one thread, but is also what threads begin with that come later.
  at::set_num_threads(ofCaller);
}

WindowQueue::~WindowQueue()
{
  {
    const std::lock_guard lock(m_Mutex);
    m_IsStopped = true;
  }
  m_Changed.notify_all();
  for (auto & thread : m_Threads)
  {
    thread.join();
  }
}

void
WindowQueue::Work()
{
  std::unique_lock lock(m_Mutex);
  while (true)
  {
    m_Changed.wait(lock, [this] { return m_IsStopped || m_Begun < m_Next + m_Ahead; });
    if (m_IsStopped)
    {
      return;
    }
    const int64_t number = m_Begun++;
    lock.unlock();
    Slot slot;
    try
    {
      slot.window = m_Make(number);
    }
    catch (...)
    {
      slot.error = std::current_exception();
    }
    lock.lock();
    m_Done.emplace(number, std::move(slot));
    m_Changed.notify_all();
  }
}

TrainingWindow
WindowQueue::Take()
{
  std::unique_lock lock(m_Mutex);
  m_Changed.wait(lock, [this] { return m_Done.count(m_Next) > 0; });
  Slot slot = std::move(m_Done.extract(m_Next).mapped());
  ++m_Next;
  m_Changed.notify_all();
  lock.unlock();
  if (slot.error)
  {
    std::rethrow_exception(slot.error);
  }
  return std::move(slot.window);
}
} // namespace sam
