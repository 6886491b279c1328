#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/sha256.h"
#include "object_folder.h"
#include "objects/objects.h"
#include "verifier.h"

namespace corbel::objects {

Result<Digest> Digest::parse(std::string_view hex) {
  const auto isDigit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  const auto decoded =
      hex.size() == 64 && std::ranges::all_of(hex, isDigit) ? crypto::fromHex(hex) : std::nullopt;
  if (!decoded)
    return fail(ErrorCode::invalidArgument,
                "a digest is 64 lower-case hexadecimal digits (SHA-256)");
  std::array<std::byte, 32> bytes{};
  std::ranges::copy(crypto::bytesOf(*decoded), bytes.begin());
  return Digest(bytes);
}

std::string Digest::hex() const { return crypto::toHex(bytes_); }

Result<std::size_t> ObjectFile::read(std::int64_t offset, std::span<std::byte> into) const {
  std::size_t filled = 0;
  while (filled < into.size()) {
    const ssize_t got = pread(file_.number(), into.data() + filled, into.size() - filled,
                              offset + static_cast<std::int64_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return diskError(errno, "cannot be read");
    if (got == 0) break;
    filled += static_cast<std::size_t>(got);
  }
  return filled;
}

namespace {

class LocalWriter final : public ObjectWriter {
 public:
  LocalWriter(std::shared_ptr<ObjectFolder> folder, std::shared_ptr<Verifier> verifier,
              ObjectFolder::Incoming incoming)
      : folder_(std::move(folder)),
        verifier_(std::move(verifier)),
        incoming_(std::move(incoming)) {}
  ~LocalWriter() override { discard(); }

  Result<void> append(std::span<const std::byte> bytes) override {
    if (failure_) return std::unexpected(*failure_);
    if (digest_) return giveUp({ErrorCode::internal, "the upload is already complete", {}, {}});
    if (auto written = writeAll(bytes); !written) return giveUp(std::move(written).error());
    sha256_.update(bytes);
    sizeBytes_ += static_cast<std::int64_t>(bytes.size());
    return {};
  }

  Result<Digest> digest() override {
    if (failure_) return std::unexpected(*failure_);
    if (!digest_) digest_ = Digest(sha256_.finish());
    return *digest_;
  }

  Result<ObjectInfo> commit() override {
    CORBEL_TRY(const Digest name, digest());
    const ObjectInfo info{name, sizeBytes_};
    if (auto kept = folder_->keep(incoming_, info); !kept) return giveUp(std::move(kept).error());
    verifier_->trust(incoming_.file.number(), info.digest);
    incoming_.file.close();
    failure_ = Error{ErrorCode::internal, "the upload is already complete", {}, {}};
    return info;
  }

 private:
  Result<void> writeAll(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = write(incoming_.file.number(), bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return diskError(errno, "cannot be written");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  // At once, not with the writer: on a full disk the room is needed.
  std::unexpected<Error> giveUp(Error error) {
    discard();
    failure_ = error;
    return std::unexpected(std::move(error));
  }

  void discard() {
    if (!incoming_.file) return;
    folder_->discard(incoming_);
    incoming_.file.close();
  }

  const std::shared_ptr<ObjectFolder> folder_;
  const std::shared_ptr<Verifier> verifier_;
  ObjectFolder::Incoming incoming_;
  crypto::Sha256 sha256_;
  std::optional<Digest> digest_;
  std::int64_t sizeBytes_ = 0;
  std::optional<Error> failure_;
};

class LocalObjects final : public ObjectStore {
 public:
  LocalObjects(std::shared_ptr<ObjectFolder> folder, const Clock& clock)
      : folder_(std::move(folder)), verifier_(std::make_shared<Verifier>(clock)) {}

  Result<std::unique_ptr<ObjectWriter>> begin() override {
    CORBEL_TRY(auto incoming, folder_->create());
    return std::make_unique<LocalWriter>(folder_, verifier_, std::move(incoming));
  }

  Result<ObjectFile> open(const Digest& digest, Deadline deadline) override {
    CORBEL_TRY(Descriptor file, folder_->openObject(digest));
    if (!file)
      return fail(ErrorCode::notFound, "the stored file does not exist", "object " + digest.hex());
    CORBEL_TRY(const std::int64_t sizeBytes, verifier_->verify(file.number(), digest, deadline));
    return ObjectFile(std::move(file), sizeBytes);
  }

  Result<std::optional<ObjectInfo>> find(const Digest& digest) override {
    CORBEL_TRY(const Descriptor file, folder_->openObject(digest));
    if (!file) return std::nullopt;
    const off_t end = lseek(file.number(), 0, SEEK_END);
    if (end < 0) return diskError(errno, "cannot be examined");
    return ObjectInfo{digest, end};
  }

  Result<void> remove(const Digest& digest) override { return folder_->remove(digest); }
  ObjectUsage usage() const override { return folder_->usage(); }

 private:
  // Writers may outlive the store.
  const std::shared_ptr<ObjectFolder> folder_;
  const std::shared_ptr<Verifier> verifier_;
};

}  // namespace

Result<std::unique_ptr<ObjectStore>> openLocalObjects(const std::filesystem::path& path,
                                                      const Clock& clock) {
  CORBEL_TRY(auto folder, ObjectFolder::open(path));
  return std::make_unique<LocalObjects>(std::move(folder), clock);
}

}  // namespace corbel::objects
