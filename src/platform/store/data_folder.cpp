#include "data_folder.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/text.h"

namespace corbel::store {
namespace {

// Where another machine may have the same file open. Not all of them are in linux/magic.h of every
// distribution. 9p, virtiofs and overlay are not among them: they are how a virtual machine or a
// container sees a disk of its own host. What a database needs of them (shared memory and locks for
// the processes of this one machine) is tried when it is opened, see Connection::becomeWriter.
constexpr long kNetworkFileSystems[] = {NFS_SUPER_MAGIC,  SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC,
                                        SMB2_SUPER_MAGIC, CEPH_SUPER_MAGIC, AFS_SUPER_MAGIC};

std::unexpected<Error> failFor(const std::filesystem::path& path, std::string_view what,
                               int error) {
  const ErrorCode code = error == ENOSPC || error == EDQUOT ? ErrorCode::insufficientStorage
                         : error == EACCES || error == EPERM || error == EROFS || error == ENOTDIR
                             ? ErrorCode::permissionDenied
                             : ErrorCode::unavailable;
  return fail(code,
              fmt::format("data folder {} {}: {}", path.string(), what, std::strerror(error)));
}

// The names in it must survive a power cut as well as what they name.
Result<void> syncFolder(const std::filesystem::path& path) {
  const Descriptor folder(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || fsync(folder.number()) != 0) return failFor(path, "cannot be written", errno);
  return {};
}

Result<void> makeFolder(const std::filesystem::path& path) {
  std::filesystem::path made;
  for (const auto& step : path) {
    made /= step;
    const mode_t mode = made == path ? 0700 : 0777;
    if (mkdir(made.c_str(), mode) == 0) {
      CORBEL_CHECK(syncFolder(made.parent_path()));
      continue;
    }
    const int error = errno;
    std::error_code none;
    if (!std::filesystem::is_directory(made, none))
      return failFor(path, "cannot be created", error == EEXIST ? ENOTDIR : error);
  }
  return {};
}

// Locks and shared memory of the write-ahead log do not work over a network.
Result<void> refuseNetworkFileSystem(const std::filesystem::path& path) {
  struct statfs about = {};
  if (statfs(path.c_str(), &about) != 0) return failFor(path, "cannot be examined", errno);
  for (const long network : kNetworkFileSystems) {
    if (about.f_type == network) {
      return fail(
          ErrorCode::failedPrecondition,
          fmt::format(
              "data folder {} is on a network file system, where a database is not safe: choose a "
              "folder on a local disk",
              path.string()));
    }
  }
  return {};
}

std::string holderOf(int lock) {
  std::array<char, 16> text{};
  const ssize_t length = pread(lock, text.data(), text.size(), 0);
  const auto pid =
      parseNumber<int>(trim(std::string_view(text.data(), length > 0 ? length - 1 : 0)));
  return pid ? fmt::format("pid {}", *pid) : "pid unknown";
}

Result<Descriptor> takeLock(const std::filesystem::path& path) {
  Descriptor lock(
      open((path / "corbel.lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return failFor(path, "cannot be written", errno);
  if (flock(lock.number(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failFor(path, "cannot be locked", errno);
    return fail(ErrorCode::unavailable,
                fmt::format("data folder {} is in use by another process ({})", path.string(),
                            holderOf(lock.number())));
  }
  const std::string pid = fmt::format("{}\n", getpid());
  if (ftruncate(lock.number(), 0) != 0 ||
      pwrite(lock.number(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return failFor(path, "cannot be written", errno);
  }
  return lock;
}

}  // namespace

Result<DataFolder> DataFolder::take(const std::filesystem::path& folder) {
  std::error_code error;
  // A path that ends in '/' has an empty name: without it, the last name is the folder's.
  const auto path =
      (std::filesystem::absolute(folder, error) / "").lexically_normal().parent_path();
  if (error) return failFor(folder, "cannot be found", error.value());
  CORBEL_CHECK(makeFolder(path));
  CORBEL_CHECK(refuseNetworkFileSystem(path));
  CORBEL_TRY(Descriptor lock, takeLock(path));
  return DataFolder(path, std::move(lock));
}

bool DataFolder::hasFile(const std::string& name) const {
  return access(file(name).c_str(), F_OK) == 0;
}

void DataFolder::removeFile(const std::string& name) const { unlink(file(name).c_str()); }

Result<void> DataFolder::ensureFile(const std::string& name) const {
  const Descriptor made(
      open(file(name).c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!made) {
    if (errno == EEXIST) return {};
    return failFor(path_, "cannot be written", errno);
  }
  return syncFolder(path_);
}

}  // namespace corbel::store
