// Copyright the ITKSegmentAnything authors. SPDX-License-Identifier: Apache-2.0
#ifndef samFolderLock_h
#define samFolderLock_h

#include <filesystem>

namespace sam
{
/** \class FolderLock
 * \brief Keeps a folder for one run as long as it lives, or until the process ends; it leaves nothing in the folder.
 * File systems and platforms without flock() keep nothing.
 */
class FolderLock
{
public:
  FolderLock() = default;
  ~FolderLock();
  FolderLock(const FolderLock &) = delete;
  void
  operator=(const FolderLock &) = delete;

  /** False when another run has the folder. */
  bool
  Lock(const std::filesystem::path & folder);

private:
  int m_Descriptor{ -1 };
};
} // namespace sam

#endif
