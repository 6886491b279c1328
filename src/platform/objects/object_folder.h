// The folder of the objects and its layout: objects/ab/cdef… and objects/incoming/ for what is
// being written. Every name in it is made here, from digests and counters; every step is opened
// relative to the one before and never through a link (what openat2 calls RESOLVE_BENEATH and
// RESOLVE_NO_SYMLINKS, on every kernel).
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

#include "base/descriptor.h"
#include "base/mutex.h"
#include "base/result.h"
#include "objects/objects.h"

namespace corbel::objects {

// What the disk said, as an error. `what` completes "the object …".
std::unexpected<Error> diskError(int error, std::string_view what);

// Thread-safe.
class ObjectFolder {
 public:
  // Makes what is missing, removes what was left half-written, counts the rest.
  static Result<std::unique_ptr<ObjectFolder>> open(const std::filesystem::path& path);

  struct Incoming {
    Descriptor file;
    std::string name;
  };
  Result<Incoming> create();
  void discard(const Incoming& incoming);
  // Syncs the file and gives it its name, in place of a file that has this name already.
  Result<void> keep(const Incoming& incoming, const ObjectInfo& info);

  // Not there: no descriptor. Only a regular file counts.
  Result<Descriptor> openObject(const Digest& digest) const;
  Result<void> remove(const Digest& digest);
  ObjectUsage usage() const;

 private:
  ObjectFolder(Descriptor root, Descriptor incoming)
      : root_(std::move(root)), incoming_(std::move(incoming)) {}
  Result<void> clean();
  Result<Descriptor> folderFor(const Digest& digest);
  Result<void> count();

  const Descriptor root_;
  const Descriptor incoming_;
  Mutex folders_;
  mutable Mutex mutex_;
  std::uint64_t created_ CORBEL_GUARDED_BY(mutex_) = 0;
  ObjectUsage usage_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::objects
