#include "verifier.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <utility>

#include "base/limits.h"
#include "crypto/sha256.h"
#include "object_folder.h"

namespace corbel::objects {
namespace {

constexpr std::size_t kRemembered = 4'096;  // about 500 kB
constexpr std::size_t kStarted = 64;
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
  Progress progress = takeProgress(digest, state);
  CORBEL_TRY(const auto found, digestOf(file, progress, deadline));
  if (!found) {
    keepProgress(digest, std::move(progress));
    return fail(ErrorCode::deadlineExceeded,
                "the time allowed ran out while the stored file was being verified; try again");
  }
  if (*found != digest) {
    return fail(ErrorCode::unprocessable, "the stored file is damaged: upload it again",
                fmt::format("object {} has other bytes than its name says", digest.hex()));
  }
  remember(digest, state);
  return state.sizeBytes;
}

void Verifier::trust(int file, const Digest& digest) {
  struct stat about = {};
  if (fstat(file, &about) == 0) remember(digest, stateOf(about));
}

Result<std::optional<Digest>> Verifier::digestOf(int file, Progress& progress,
                                                 Deadline deadline) const {
  const auto chunk = std::make_unique_for_overwrite<std::byte[]>(kChunkBytes);
  while (!deadline.expired(clock_)) {
    const ssize_t got = pread(file, chunk.get(), kChunkBytes, progress.offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return diskError(errno, "cannot be read");
    if (got == 0) return Digest(progress.sha256.finish());
    progress.sha256.update(std::span(chunk.get(), static_cast<std::size_t>(got)));
    progress.offset += got;
  }
  return std::nullopt;
}

Verifier::Progress Verifier::takeProgress(const Digest& digest, const State& state) {
  MutexLock lock(mutex_);
  const auto started = started_.extract(digest);
  if (started.empty() || started.mapped().state != state) return {.state = state, .sha256 = {}};
  return std::move(started.mapped());
}

void Verifier::keepProgress(const Digest& digest, Progress progress) {
  MutexLock lock(mutex_);
  if (started_.size() >= kStarted) started_.erase(started_.begin());
  started_.insert_or_assign(digest, std::move(progress));
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
