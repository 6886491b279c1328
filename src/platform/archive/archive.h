// Files of many members with checksums: a tar (POSIX.1-1988 ustar, with GNU's sizes above 8 GiB),
// whose last member lists the SHA-256 of all others. A file that was cut off or changed by accident
// is not read. Nothing tells who has made it: whoever can write the file can write its checksums.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/descriptor.h"
#include "base/result.h"
#include "crypto/sha256.h"

namespace corbel::archive {

inline constexpr std::size_t kNameBytes = 99;  // of a member: letters, digits and "._-/"

struct Member {
  std::string name;
  std::int64_t sizeBytes = 0;
  std::string sha256;
};

// For one thread. Destroyed before finish(), it leaves nothing behind.
class Writer {
 public:
  // Makes `file` when finish() is called; until then it is written under another name beside it,
  // with mode 600. already_exists: there is such a file. permission_denied, insufficient_storage,
  // internal.
  static Result<std::unique_ptr<Writer>> create(const std::filesystem::path& file, Timestamp now);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // A member of exactly `sizeBytes`, given by append() up to the next begin() or finish().
  Result<void> begin(const std::string& name, std::int64_t sizeBytes);
  Result<void> append(std::span<const std::byte> bytes);
  // Begin, append and end in one.
  Result<void> add(const std::string& name, std::string_view content);
  // The archive is complete and survives a power cut.
  Result<void> finish();

  const std::vector<Member>& members() const { return members_; }

 private:
  Writer(std::filesystem::path file, std::filesystem::path partial, Descriptor descriptor,
         Timestamp now)
      : file_(std::move(file)),
        partial_(std::move(partial)),
        descriptor_(std::move(descriptor)),
        now_(now) {}
  Result<void> write(std::span<const std::byte> bytes);
  Result<void> end();

  const std::filesystem::path file_;
  const std::filesystem::path partial_;
  Descriptor descriptor_;
  const Timestamp now_;
  crypto::Sha256 hash_;
  std::int64_t left_ = 0;
  std::int64_t sizeBytes_ = 0;
  std::vector<Member> members_;
  bool open_ = false;
  bool finished_ = false;
};

// For one thread.
class Reader {
 public:
  // Reads the whole file and compares every checksum before anything of it can be used.
  // not_found; unprocessable: damaged, or not such an archive; the message says where.
  static Result<std::unique_ptr<Reader>> open(const std::filesystem::path& file);

  const std::vector<Member>& members() const { return members_; }
  bool has(std::string_view name) const;
  // The content to `take`, piece by piece. not_found. Errors of `take` pass through.
  using Take = std::function<Result<void>(std::span<const std::byte>)>;
  Result<void> read(std::string_view name, const Take& take) const;
  // unprocessable: it has more than `bytesMax`.
  Result<std::string> text(std::string_view name, std::size_t bytesMax) const;

 private:
  struct Place {
    std::string name;
    std::int64_t offset = 0;
    std::int64_t sizeBytes = 0;
  };
  explicit Reader(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}
  Result<void> index();
  Result<void> verify();
  Result<void> readAt(std::int64_t offset, std::int64_t size, const Take& take) const;
  const Place* find(std::string_view name) const;

  Descriptor descriptor_;
  std::vector<Place> places_;
  std::map<std::string, std::size_t, std::less<>> indexes_;  // into places_, by name
  std::vector<Member> members_;
};

}  // namespace corbel::archive
