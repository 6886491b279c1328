// Artifacts by content: an object is named by the SHA-256 of its bytes, is never changed, and is
// verified before it is read.
#pragma once
#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/descriptor.h"
#include "base/result.h"

namespace corbel::resilience {
class Dependency;
}  // namespace corbel::resilience

namespace corbel::objects {

// The name of an object. Only 32 bytes or exactly 64 lower-case hexadecimal digits become one, so
// whatever a client sends, nothing made from a digest leads outside the folder of the objects.
class Digest {
 public:
  explicit Digest(const std::array<std::byte, 32>& bytes) : bytes_(bytes) {}
  // invalid_argument: anything but 64 lower-case hexadecimal digits.
  static Result<Digest> parse(std::string_view hex);
  std::string hex() const;
  std::strong_ordering operator<=>(const Digest&) const = default;

 private:
  std::array<std::byte, 32> bytes_;
};

struct ObjectInfo {
  Digest digest;
  std::int64_t sizeBytes = 0;
  bool operator==(const ObjectInfo&) const = default;
};

// An object on its way in, for one thread at a time. Destroyed before commit(), it leaves nothing
// behind.
class ObjectWriter {
 public:
  virtual ~ObjectWriter() = default;
  // insufficient_storage: no room. internal: the disk failed. After an error the bytes so far are
  // gone and every later call has the same outcome.
  virtual Result<void> append(std::span<const std::byte> bytes) = 0;
  // What commit() will name the object; nothing may be appended afterwards. Errors as of append().
  virtual Result<Digest> digest() = 0;
  // Once it answers, the object is complete and survives a power cut. The same bytes twice are one
  // object. At most once; errors as of append().
  virtual Result<ObjectInfo> commit() = 0;
};

// A verified object, open for reading; removing the object does not disturb it.
class ObjectFile {
 public:
  ObjectFile(Descriptor file, std::int64_t sizeBytes)
      : file_(std::move(file)), sizeBytes_(sizeBytes) {}
  std::int64_t sizeBytes() const { return sizeBytes_; }
  // Read-only, closed on exec, valid as long as this object: to hand to a child process or to send
  // from. Read by offset (pread), its position is shared with every copy.
  int descriptor() const { return file_.number(); }
  // The descriptor for somebody who outlives this object and closes it himself.
  Descriptor release() && { return std::move(file_); }
  // Bytes from `offset` on into `into`; how many (fewer only at the end). Thread-safe. internal:
  // the disk failed.
  Result<std::size_t> read(std::int64_t offset, std::span<std::byte> into) const;

 private:
  Descriptor file_;
  std::int64_t sizeBytes_;
};

struct ObjectUsage {
  std::int64_t objects = 0;
  std::int64_t bytes = 0;
};

// Thread-safe.
class ObjectStore {
 public:
  virtual ~ObjectStore() = default;
  virtual Result<std::unique_ptr<ObjectWriter>> begin() = 0;
  // Compares all bytes with the digest before it answers, so no byte of a damaged object is ever
  // used; a file that has not changed since it was stored or compared is not read again. not_found.
  // unprocessable: the object is damaged (cut off or changed); store it again. deadline_exceeded:
  // the next call goes on where this one stopped. internal.
  virtual Result<ObjectFile> open(const Digest& digest, Deadline deadline) = 0;
  // Whether the object is there and how long it is, unverified.
  virtual Result<std::optional<ObjectInfo>> find(const Digest& digest) = 0;
  // Removing what is not there is no error. internal: the disk failed.
  virtual Result<void> remove(const Digest& digest) = 0;
  // Of what is on this machine.
  virtual ObjectUsage usage() const = 0;
  // A URL that lets whoever has it fetch the object until `lifetime` has passed. Nothing: this
  // store has none.
  virtual std::optional<std::string> downloadUrl(const Digest&, std::chrono::seconds) {
    return std::nullopt;
  }
  // Whether it can be used now.
  virtual Result<void> check(Deadline) { return {}; }
  // As long as the store. Null: there is nothing that can be away.
  virtual const resilience::Dependency* dependency() const { return nullptr; }
};

// Objects in `folder`, made with mode 700 where it is missing (its parent must be there), its files
// with 600. The folder belongs to this process alone; what an interrupted process left half-written
// is removed. `clock` must outlive the store. Errors are for the operator: unavailable (another
// process has it), permission_denied, insufficient_storage, internal.
Result<std::unique_ptr<ObjectStore>> openLocalObjects(const std::filesystem::path& folder,
                                                      const Clock& clock);

// What is in such a folder that another process may be using, by digest; for backups. Nothing is
// verified: whoever copies an object compares it with its name.
Result<std::vector<ObjectInfo>> listLocalObjects(const std::filesystem::path& folder);
// not_found.
Result<ObjectFile> readLocalObject(const std::filesystem::path& folder, const Digest& digest);

}  // namespace corbel::objects
