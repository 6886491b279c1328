// Compares objects with their names, and remembers which files it has compared and how far.
#pragma once
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/result.h"
#include "crypto/sha256.h"
#include "objects/objects.h"

namespace corbel::objects {

// Thread-safe.
class Verifier {
 public:
  explicit Verifier(const Clock& clock) : clock_(clock) {}
  // The size of the open file, whose bytes have this digest. What the deadline interrupts is
  // continued by the next call, so that a large file on a slow disk passes in the end. Errors: see
  // ObjectStore::open.
  Result<std::int64_t> verify(int file, const Digest& digest, Deadline deadline);
  // The open file has just been written with these bytes and is not written again.
  void trust(int file, const Digest& digest);

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
  // What was hashed before a deadline passed.
  struct Progress {
    State state;
    crypto::Sha256 sha256;
    std::int64_t offset = 0;
  };
  static State stateOf(const struct stat& about);
  // Nothing: the deadline has passed, `progress` is as far as it came.
  Result<std::optional<Digest>> digestOf(int file, Progress& progress, Deadline deadline) const;
  Progress takeProgress(const Digest& digest, const State& state);
  void keepProgress(const Digest& digest, Progress progress);
  bool knows(const Digest& digest, const State& state) const;
  void remember(const Digest& digest, const State& state);

  const Clock& clock_;
  mutable Mutex mutex_;
  std::map<Digest, State> verified_ CORBEL_GUARDED_BY(mutex_);    // kRemembered at most
  std::map<Digest, Progress> started_ CORBEL_GUARDED_BY(mutex_);  // kStarted at most
};

}  // namespace corbel::objects
