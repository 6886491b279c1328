// Compares objects with their names, and remembers which files it has compared.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <map>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "objects/objects.h"

namespace corbel::objects {

// Thread-safe.
class Verifier {
 public:
  explicit Verifier(const Clock& clock) : clock_(clock) {}
  // The size of the open file, whose bytes have this digest. Errors: see ObjectStore::open.
  Result<std::int64_t> verify(int file, const Digest& digest, Deadline deadline);

 private:
  // The kernel gives a file a new change time whenever its bytes or its length change, and nobody
  // can set it back.
  struct State {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t sizeBytes = 0;
    std::int64_t changedNs = 0;
    bool operator==(const State&) const = default;
  };
  static State stateOf(const struct stat& about);
  Result<bool> hasDigest(int file, const Digest& digest, Deadline deadline) const;
  bool knows(const Digest& digest, const State& state) const;
  void remember(const Digest& digest, const State& state);

  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<Digest, State> verified_ CORBEL_GUARDED_BY(mutex_);  // kRemembered at most
};

}  // namespace corbel::objects
