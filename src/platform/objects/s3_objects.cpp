#include "objects/s3_objects.h"

#include <algorithm>
#include <list>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/mutex.h"
#include "base/text.h"
#include "s3_client.h"

namespace corbel::objects {
namespace {

// Which files the folder holds, by when they were opened last.
class CachedFiles {
 public:
  void used(const ObjectInfo& info) {
    const MutexLock lock(mutex_);
    forgetNow(info.digest);
    byUse_.push_front(info);
    at_[info.digest] = byUse_.begin();
    bytes_ += info.sizeBytes;
  }
  void forget(const Digest& digest) {
    const MutexLock lock(mutex_);
    forgetNow(digest);
  }
  // The one to give up next, but never the last one used. Nothing: they fit.
  std::optional<Digest> tooMany(std::int64_t maxBytes) const {
    const MutexLock lock(mutex_);
    if (bytes_ <= maxBytes || byUse_.size() < 2) return std::nullopt;
    return byUse_.back().digest;
  }

 private:
  void forgetNow(const Digest& digest) CORBEL_REQUIRES(mutex_) {
    const auto found = at_.find(digest);
    if (found == at_.end()) return;
    bytes_ -= found->second->sizeBytes;
    byUse_.erase(found->second);
    at_.erase(found);
  }

  mutable Mutex mutex_;
  std::list<ObjectInfo> byUse_ CORBEL_GUARDED_BY(mutex_);
  std::map<Digest, std::list<ObjectInfo>::iterator> at_ CORBEL_GUARDED_BY(mutex_);
  std::int64_t bytes_ CORBEL_GUARDED_BY(mutex_) = 0;
};

// What writers need, which may outlive the store.
struct Shared {
  Shared(S3Options options, std::unique_ptr<ObjectStore> local, const Clock& time)
      : client(options, time),
        folder(std::move(local)),
        clock(time),
        cacheBytes(options.cacheBytes),
        timeout(options.timeout),
        questionMax(options.questionMax),
        prefix(std::move(options.prefix)) {}

  std::string keyOf(const Digest& digest) const {
    const std::string hex = digest.hex();
    return prefix + "objects/" + hex.substr(0, 2) + '/' + hex.substr(2);
  }
  void keep(const ObjectInfo& info) {
    files.used(info);
    while (const auto oldest = files.tooMany(cacheBytes)) drop(*oldest);
  }
  void drop(const Digest& digest) {
    files.forget(digest);
    static_cast<void>(folder->remove(digest));
  }
  Deadline within(std::chrono::milliseconds time) const { return Deadline::after(clock, time); }

  S3Client client;
  const std::unique_ptr<ObjectStore> folder;
  const Clock& clock;
  const std::int64_t cacheBytes;
  const std::chrono::milliseconds timeout;
  const std::chrono::milliseconds questionMax;
  const std::string prefix;
  CachedFiles files;
};

// Only the complete file has a digest, which is its key: it is collected in the folder and sent
// from there.
class S3Writer final : public ObjectWriter {
 public:
  S3Writer(std::shared_ptr<Shared> shared, std::unique_ptr<ObjectWriter> file)
      : shared_(std::move(shared)), file_(std::move(file)) {}

  Result<void> append(std::span<const std::byte> bytes) override { return file_->append(bytes); }
  Result<Digest> digest() override { return file_->digest(); }

  Result<ObjectInfo> commit() override {
    CORBEL_TRY(const ObjectInfo info, file_->commit());
    if (auto sent = send(info); !sent) {
      shared_->drop(info.digest);
      return std::unexpected(std::move(sent).error());
    }
    shared_->keep(info);
    return info;
  }

 private:
  // In place of one that is there: it may be damaged, and storing it again mends that. A question
  // first: a server that is away is found out sooner than by sending a file.
  Result<void> send(const ObjectInfo& info) {
    const std::string key = shared_->keyOf(info.digest);
    CORBEL_CHECK(shared_->client.head(key, shared_->within(shared_->questionMax)));
    const Deadline deadline = shared_->within(shared_->timeout);
    CORBEL_TRY(const ObjectFile file, shared_->folder->open(info.digest, deadline));
    return shared_->client.put(key, file, deadline);
  }

  const std::shared_ptr<Shared> shared_;
  const std::unique_ptr<ObjectWriter> file_;
};

class S3Objects final : public ObjectStore {
 public:
  explicit S3Objects(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

  // Nobody sends gigabytes to a server that is known to be away.
  Result<std::unique_ptr<ObjectWriter>> begin() override {
    if (const auto* const server = dependency(); server != nullptr && server->isOpen())
      return fail(ErrorCode::unavailable, "the object store cannot answer now",
                  "the breaker is open");
    CORBEL_TRY(auto file, shared_->folder->begin());
    return std::make_unique<S3Writer>(shared_, std::move(file));
  }

  Result<ObjectFile> open(const Digest& digest, Deadline deadline) override {
    auto file = shared_->folder->open(digest, deadline);
    const bool isMissing = !file && (file.error().code == ErrorCode::notFound ||
                                     file.error().code == ErrorCode::unprocessable);
    if (isMissing) {
      CORBEL_CHECK(fetch(digest, deadline));
      file = shared_->folder->open(digest, deadline);
    }
    if (file) shared_->keep({digest, file->sizeBytes()});
    return file;
  }

  Result<std::optional<ObjectInfo>> find(const Digest& digest) override {
    CORBEL_TRY(const auto size,
               shared_->client.head(shared_->keyOf(digest), shared_->within(shared_->questionMax)));
    if (!size) return std::nullopt;
    return ObjectInfo{digest, *size};
  }

  Result<void> remove(const Digest& digest) override {
    CORBEL_CHECK(
        shared_->client.remove(shared_->keyOf(digest), shared_->within(shared_->questionMax)));
    shared_->files.forget(digest);
    return shared_->folder->remove(digest);
  }

  ObjectUsage usage() const override { return shared_->folder->usage(); }

  std::optional<std::string> downloadUrl(const Digest& digest,
                                         std::chrono::seconds lifetime) override {
    return shared_->client.presignedGet(shared_->keyOf(digest), lifetime);
  }

  Result<void> check(Deadline deadline) override { return shared_->client.check(deadline); }
  const resilience::Dependency* dependency() const override { return shared_->client.dependency(); }

 private:
  // What arrives gets the name of what it is, so another object never takes this one's place. A
  // question first: a server that is away is found out sooner than by waiting for a file.
  Result<void> fetch(const Digest& digest, Deadline deadline) {
    CORBEL_TRY(const auto there, shared_->client.head(shared_->keyOf(digest), deadline));
    if (!there) return fail(ErrorCode::notFound, "the stored file does not exist");
    CORBEL_TRY(const auto writer, shared_->folder->begin());
    Result<void> kept;
    const auto got = shared_->client.get(
        shared_->keyOf(digest),
        [&](std::string_view bytes) {
          kept = writer->append(std::as_bytes(std::span(bytes)));
          return kept.has_value();
        },
        deadline);
    if (!kept) return kept;
    if (!got) return got;
    CORBEL_TRY(const ObjectInfo info, writer->commit());
    if (info.digest == digest) return {};
    shared_->drop(info.digest);
    return fail(ErrorCode::unprocessable, "the stored file is damaged: upload it again",
                "object " + digest.hex() + " has other bytes in the bucket than its name says");
  }

  const std::shared_ptr<Shared> shared_;
};

// What an earlier process left in the folder.
void countFiles(const std::filesystem::path& folder, CachedFiles& files) {
  std::error_code error;
  for (auto at = std::filesystem::recursive_directory_iterator(folder, error);
       !error && at != std::filesystem::recursive_directory_iterator(); at.increment(error)) {
    const auto& path = at->path();
    const auto digest =
        Digest::parse(path.parent_path().filename().string() + path.filename().string());
    if (digest && at->is_regular_file(error))
      files.used({*digest, static_cast<std::int64_t>(at->file_size(error))});
  }
}

bool isServer(std::string_view url) {
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (!url.starts_with(scheme)) continue;
    url.remove_prefix(scheme.size());
    return !url.empty() && url.find_first_of("/?#@") == std::string_view::npos;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<ObjectStore>> openS3Objects(S3Options options,
                                                   const std::filesystem::path& folder,
                                                   const Clock& clock) {
  while (options.url.ends_with('/')) options.url.pop_back();
  if (!isServer(options.url))
    return fail(ErrorCode::invalidArgument, "must be https://host:port, without a path");
  CORBEL_TRY(auto local, openLocalObjects(folder, clock));
  auto shared = std::make_shared<Shared>(std::move(options), std::move(local), clock);
  countFiles(folder, shared->files);
  return std::make_unique<S3Objects>(std::move(shared));
}

}  // namespace corbel::objects
