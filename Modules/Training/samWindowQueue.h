// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samWindowQueue_h
#define samWindowQueue_h

#include "samAugmentation.h"

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

namespace sam
{
/** \class WindowQueue
 * \brief Windows 0, 1, 2, ... made in the background and given out in that order.
 *
 * What a window is depends on its number alone, so that neither the number of threads nor their speed changes what
 * follows. At most \c ahead windows wait. Each thread computes on its own processor alone.
 */
class WindowQueue
{
public:
  using MakeFunction = std::function<TrainingWindow(int64_t number)>;

  /** Begin at number \a first. \a make is called from several threads at once. */
  WindowQueue(MakeFunction make, int64_t first, int64_t threads, int64_t ahead);
  ~WindowQueue();
  WindowQueue(const WindowQueue &) = delete;
  void
  operator=(const WindowQueue &) = delete;

  /** Wait for the next window. \throws what \c make threw for it. */
  TrainingWindow
  Take();

private:
  struct Slot
  {
    TrainingWindow     window;
    std::exception_ptr error;
  };

  void
  Work();

  MakeFunction             m_Make;
  int64_t                  m_Next;  ///< to be given out
  int64_t                  m_Begun; ///< the first that no thread has begun
  int64_t                  m_Ahead;
  bool                     m_IsStopped{ false };
  std::map<int64_t, Slot>  m_Done;
  std::mutex               m_Mutex;
  std::condition_variable  m_Changed;
  std::vector<std::thread> m_Threads;
};
} // namespace sam

#endif
