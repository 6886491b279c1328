// For tests: which folders and files were synced. Include it in one file of a test program; it
// takes the place of the C library's fsync.
#pragma once
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <string>

namespace corbel {

// Thread-safe. One at a time.
class SyncSpy {
 public:
  SyncSpy() {
    const std::lock_guard lock(mutex);
    synced.emplace();
  }
  ~SyncSpy() {
    const std::lock_guard lock(mutex);
    synced.reset();
  }
  SyncSpy(const SyncSpy&) = delete;
  SyncSpy& operator=(const SyncSpy&) = delete;

  bool saw(const std::filesystem::path& path) const {
    const std::lock_guard lock(mutex);
    return synced->contains(std::filesystem::canonical(path));
  }
  static void note(int descriptor) {
    const std::lock_guard lock(mutex);
    std::error_code error;
    if (synced)
      synced->insert(
          std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor), error));
  }

 private:
  static inline std::mutex mutex;
  static inline std::optional<std::set<std::filesystem::path>> synced;
};

}  // namespace corbel

extern "C" int fsync(int descriptor) {
  corbel::SyncSpy::note(descriptor);
  return static_cast<int>(syscall(SYS_fsync, descriptor));
}
