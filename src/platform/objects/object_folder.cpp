#include "object_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

namespace corbel::objects {
namespace {

constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// `ab` and `cdef…`: 256 folders keep each of them short.
std::string folderOf(const Digest& digest) { return digest.hex().substr(0, 2); }
std::string fileOf(const Digest& digest) { return digest.hex().substr(2); }

// The folder `name` in `parent`, made where it is missing. Its name survives a power cut once the
// parent is synced.
Descriptor makeFolder(const Descriptor& parent, const char* name) {
  if (mkdirat(parent.number(), name, 0700) != 0 && errno != EEXIST) return Descriptor();
  return Descriptor(openat(parent.number(), name, kFolder));
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

// visit(name) for every entry but "." and "..".
Result<void> forEach(int parent, const char* name, const std::function<void(const char*)>& visit) {
  const int descriptor = openat(parent, name, kFolder);
  const std::unique_ptr<DIR, CloseFolder> folder(descriptor < 0 ? nullptr : fdopendir(descriptor));
  if (folder == nullptr) {
    const int error = errno;
    if (descriptor >= 0) close(descriptor);
    return diskError(error, "folder cannot be listed");
  }
  while (const dirent* entry = readdir(folder.get())) {
    const std::string_view found = entry->d_name;
    if (found != "." && found != "..") visit(entry->d_name);
  }
  return {};
}

// The size of the regular file, if it is one.
std::optional<std::int64_t> sizeOf(int folder, const char* name) {
  struct stat about = {};
  if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode))
    return std::nullopt;
  return about.st_size;
}

}  // namespace

std::unexpected<Error> diskError(int error, std::string_view what) {
  std::string detail = fmt::format("object {}: {}", what, std::strerror(error));
  switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return fail(ErrorCode::insufficientStorage, "there is no room left to store this",
                  std::move(detail));
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return fail(ErrorCode::unavailable, "too much is going on; try again", std::move(detail));
    default:
      return fail(ErrorCode::internal, "the disk reported an error", std::move(detail));
  }
}

Result<std::unique_ptr<ObjectFolder>> ObjectFolder::open(const std::filesystem::path& path) {
  const auto refuse = [&] {
    const ErrorCode code = errno == ENOSPC || errno == EDQUOT ? ErrorCode::insufficientStorage
                                                              : ErrorCode::permissionDenied;
    return fail(code, fmt::format("folder {} cannot be made or written: {}", path.string(),
                                  std::strerror(errno)));
  };
  const auto whole = (std::filesystem::absolute(path) / "").lexically_normal().parent_path();
  const Descriptor parent(::open(whole.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!parent) return refuse();
  Descriptor root = makeFolder(parent, whole.filename().c_str());
  if (!root || fsync(parent.number()) != 0) return refuse();
  // Two processes would remove each other's files.
  if (flock(root.number(), LOCK_EX | LOCK_NB) != 0) {
    return fail(ErrorCode::unavailable,
                fmt::format("folder {} is in use by another process", path.string()));
  }
  Descriptor incoming = makeFolder(root, "incoming");
  if (!incoming) return refuse();
  // What an interrupted process made and did not sync.
  if (fsync(root.number()) != 0) return refuse();
  std::unique_ptr<ObjectFolder> folder(new ObjectFolder(std::move(root), std::move(incoming)));
  CORBEL_CHECK(folder->clean());
  CORBEL_CHECK(folder->count());
  return folder;
}

Result<void> ObjectFolder::clean() {
  return forEach(incoming_.number(), ".",
                 [&](const char* name) { unlinkat(incoming_.number(), name, 0); });
}

Result<void> ObjectFolder::count() {
  ObjectUsage found;
  const auto countFolder = [&](const char* folder) {
    if (std::string_view(folder).size() != 2) return;
    const Descriptor inside(openat(root_.number(), folder, kFolder));
    if (!inside) return;
    std::ignore = forEach(inside.number(), ".", [&](const char* name) {
      const auto bytes = sizeOf(inside.number(), name);
      if (!bytes) return;
      found.bytes += *bytes;
      ++found.objects;
    });
  };
  CORBEL_CHECK(forEach(root_.number(), ".", countFolder));
  MutexLock lock(mutex_);
  usage_ = found;
  return {};
}

Result<ObjectFolder::Incoming> ObjectFolder::create() {
  Incoming incoming;
  {
    MutexLock lock(mutex_);
    incoming.name = std::to_string(++created_);
  }
  incoming.file = Descriptor(openat(incoming_.number(), incoming.name.c_str(),
                                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!incoming.file) return diskError(errno, "cannot be created");
  return incoming;
}

void ObjectFolder::discard(const Incoming& incoming) {
  unlinkat(incoming_.number(), incoming.name.c_str(), 0);
}

Result<Descriptor> ObjectFolder::folderFor(const Digest& digest) {
  const std::string name = folderOf(digest);
  // Held while a new folder is synced: nobody stores into one whose name is not safe yet.
  MutexLock lock(folders_);
  if (mkdirat(root_.number(), name.c_str(), 0700) != 0) {
    if (errno != EEXIST) return diskError(errno, "has no folder");
  } else if (fsync(root_.number()) != 0) {
    const int error = errno;
    unlinkat(root_.number(), name.c_str(), AT_REMOVEDIR);
    return diskError(error, "has no folder");
  }
  Descriptor folder(openat(root_.number(), name.c_str(), kFolder));
  if (!folder) return diskError(errno, "has no folder");
  return folder;
}

Result<void> ObjectFolder::keep(const Incoming& incoming, const ObjectInfo& info) {
  if (fsync(incoming.file.number()) != 0) return diskError(errno, "cannot be synced");
  CORBEL_TRY(const Descriptor folder, folderFor(info.digest));
  const std::string file = fileOf(info.digest);
  {
    MutexLock lock(mutex_);
    const auto replaced = sizeOf(folder.number(), file.c_str());
    if (renameat(incoming_.number(), incoming.name.c_str(), folder.number(), file.c_str()) != 0) {
      return diskError(errno, "cannot be named");
    }
    usage_.objects += replaced ? 0 : 1;
    usage_.bytes += info.sizeBytes - replaced.value_or(0);
  }
  if (fsync(folder.number()) != 0) return diskError(errno, "cannot be synced");
  return {};
}

Result<Descriptor> ObjectFolder::openObject(const Digest& digest) const {
  const Descriptor folder(openat(root_.number(), folderOf(digest).c_str(), kFolder));
  if (!folder && errno == ENOENT) return Descriptor();
  if (!folder) return diskError(errno, "cannot be opened");
  // Without O_NONBLOCK a planted pipe would hold the thread for ever.
  Descriptor file(openat(folder.number(), fileOf(digest).c_str(),
                         O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file && (errno == ENOENT || errno == ELOOP)) return Descriptor();
  if (!file) return diskError(errno, "cannot be opened");
  struct stat about = {};
  if (fstat(file.number(), &about) != 0) return diskError(errno, "cannot be examined");
  return S_ISREG(about.st_mode) ? std::move(file) : Descriptor();
}

Result<void> ObjectFolder::remove(const Digest& digest) {
  const Descriptor folder(openat(root_.number(), folderOf(digest).c_str(), kFolder));
  if (!folder && errno == ENOENT) return {};
  if (!folder) return diskError(errno, "cannot be removed");
  {
    MutexLock lock(mutex_);
    const std::string file = fileOf(digest);
    const auto removed = sizeOf(folder.number(), file.c_str());
    if (unlinkat(folder.number(), file.c_str(), 0) != 0) {
      if (errno == ENOENT) return {};
      return diskError(errno, "cannot be removed");
    }
    usage_.objects -= removed ? 1 : 0;
    usage_.bytes -= removed.value_or(0);
  }
  if (fsync(folder.number()) != 0) return diskError(errno, "cannot be removed for good");
  return {};
}

ObjectUsage ObjectFolder::usage() const {
  MutexLock lock(mutex_);
  return usage_;
}

}  // namespace corbel::objects
