#include "verifier.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "base/limits.h"
#include "crypto/sha256.h"
#include "object_folder.h"

namespace corbel::objects {
namespace {

constexpr std::size_t kRemembered = 4'096;  // about 500 kB
constexpr std::size_t kChunkBytes = 256 * limits::kKiB;

}  // namespace

Verifier::State Verifier::stateOf(const struct stat& about) {
  return {.device = about.st_dev,
          .inode = about.st_ino,
          .sizeBytes = about.st_size,
          .changedNs = about.st_ctim.tv_sec * 1'000'000'000 + about.st_ctim.tv_nsec};
}

Result<std::int64_t> Verifier::verify(int file, const Digest& digest, Deadline deadline) {
  struct stat about = {};
  if (fstat(file, &about) != 0) return diskError(errno, "cannot be examined");
  const State state = stateOf(about);
  if (knows(digest, state)) return state.sizeBytes;
  CORBEL_TRY(const bool same, hasDigest(file, digest, deadline));
  if (!same) {
    return fail(ErrorCode::unprocessable, "the stored file is damaged: upload it again",
                fmt::format("object {} has other bytes than its name says", digest.hex()));
  }
  remember(digest, state);
  return state.sizeBytes;
}

Result<bool> Verifier::hasDigest(int file, const Digest& digest, Deadline deadline) const {
  const auto chunk = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
  crypto::Sha256 sha256;
  for (std::int64_t offset = 0;;) {
    if (deadline.expired(clock_)) {
      return fail(ErrorCode::deadlineExceeded,
                  "the time allowed ran out while the stored file was being verified");
    }
    const ssize_t got = pread(file, chunk.get(), kChunkBytes, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return diskError(errno, "cannot be read");
    if (got == 0) return Digest(sha256.finish()) == digest;
    sha256.update(std::span(chunk.get(), static_cast<std::size_t>(got)));
    offset += got;
  }
}

bool Verifier::knows(const Digest& digest, const State& state) const {
  MutexLock lock(mutex_);
  const auto found = verified_.find(digest);
  return found != verified_.end() && found->second == state;
}

void Verifier::remember(const Digest& digest, const State& state) {
  MutexLock lock(mutex_);
  // Which one is forgotten hardly matters: it is read once more.
  if (verified_.size() >= kRemembered) verified_.erase(verified_.begin());
  verified_.insert_or_assign(digest, state);
}

}  // namespace corbel::objects
