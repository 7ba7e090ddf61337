// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#include "samFolderLock.h"

#ifndef _WIN32
#  include <cerrno>
#  include <fcntl.h>
#  include <sys/file.h>
#  include <unistd.h>
#endif

namespace sam
{
#ifdef _WIN32
FolderLock::~FolderLock() = default;

bool
FolderLock::Lock(const std::filesystem::path &)
{
  return true;
}
#else
FolderLock::~FolderLock()
{
  if (m_Descriptor >= 0)
  {
    close(m_Descriptor);
  }
}

bool
FolderLock::Lock(const std::filesystem::path & folder)
{
  m_Descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return m_Descriptor < 0 || flock(m_Descriptor, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}
#endif
} // namespace sam
