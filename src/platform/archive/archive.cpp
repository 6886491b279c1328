#include "archive/archive.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "base/text.h"

namespace corbel::archive {
namespace {

constexpr std::int64_t kBlock = 512;
constexpr std::size_t kPiece = std::size_t{256} * 1024;
constexpr std::int64_t kOctalMax = 077777777777;  // eleven digits
constexpr std::string_view kSums = "SHA256SUMS";
constexpr std::size_t kMembersMax = 10'000'000;
constexpr std::size_t kSumsBytes = std::size_t{2} << 30;

using Header = std::array<char, kBlock>;

std::unexpected<Error> diskError(int number, std::string_view what) {
  const bool full = number == ENOSPC || number == EDQUOT || number == EFBIG;
  return fail(full ? ErrorCode::insufficientStorage : ErrorCode::internal,
              fmt::format("{}: {}", what, std::generic_category().message(number)));
}

std::unexpected<Error> damaged(std::string_view why) {
  return fail(ErrorCode::unprocessable, fmt::format("The file is damaged: {}.", why));
}

bool isName(std::string_view name) {
  const auto isFine = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-' || c == '/';
  };
  return !name.empty() && name.size() <= kNameBytes && !name.starts_with('/') &&
         !name.contains("..") && std::ranges::all_of(name, isFine);
}

std::int64_t padding(std::int64_t size) { return (kBlock - size % kBlock) % kBlock; }

void putText(Header& header, std::size_t at, std::string_view text) {
  std::ranges::copy(text, header.begin() + static_cast<std::ptrdiff_t>(at));
}

unsigned checksum(Header header) {
  std::fill_n(header.begin() + 148, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  return sum;
}

Header headerOf(std::string_view name, std::int64_t size, Timestamp now) {
  Header header{};
  putText(header, 0, name);
  putText(header, 100, "0000600");
  putText(header, 108, "0000000");
  putText(header, 116, "0000000");
  if (size <= kOctalMax) {
    putText(header, 124, fmt::format("{:011o}", size));
  } else {
    // GNU: the highest bit, then the number in base 256.
    header[124] = static_cast<char>(0x80);
    for (std::size_t i = 0; i < 8; ++i)
      header[135 - i] = static_cast<char>((size >> (8 * i)) & 0xff);
  }
  const auto seconds = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  putText(header, 136, fmt::format("{:011o}", seconds));
  header[156] = '0';
  putText(header, 257, "ustar");
  putText(header, 263, "00");
  putText(header, 148, fmt::format("{:06o}", checksum(header)));
  header[154] = '\0';
  header[155] = ' ';
  return header;
}

std::string_view field(const Header& header, std::size_t at, std::size_t length) {
  const std::string_view whole(header.data() + at, length);
  return whole.substr(0, whole.find('\0'));
}

std::optional<std::int64_t> octal(std::string_view text) {
  text = trim(text);
  std::int64_t number = 0;
  if (text.empty() || text.size() > 12) return std::nullopt;
  for (const char c : text) {
    if (c < '0' || c > '7') return std::nullopt;
    number = number * 8 + (c - '0');
  }
  return number;
}

std::optional<std::int64_t> sizeOf(const Header& header) {
  if (header[124] != static_cast<char>(0x80)) return octal(field(header, 124, 12));
  std::int64_t size = 0;
  for (std::size_t i = 128; i < 136; ++i) {
    if (size > (INT64_MAX >> 8)) return std::nullopt;
    size = (size << 8) | static_cast<unsigned char>(header[i]);
  }
  return size;
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::create(const std::filesystem::path& file, Timestamp now) {
  std::error_code error;
  if (std::filesystem::exists(file, error)) {
    return fail(ErrorCode::alreadyExists,
                fmt::format("{} is there already; name another file", file.string()));
  }
  // A name of its own: somebody else may be writing an archive of the same name.
  std::string partial = file.string() + ".partial-XXXXXX";
  Descriptor descriptor(::mkostemp(partial.data(), O_CLOEXEC));
  if (!descriptor) return diskError(errno, partial + " cannot be made");
  return std::unique_ptr<Writer>(new Writer(file, partial, std::move(descriptor), now));
}

Writer::~Writer() {
  if (!finished_) ::unlink(partial_.c_str());
}

Result<void> Writer::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor_.number(), bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return diskError(errno, partial_.string() + " cannot be written");
    bytes = bytes.subspan(static_cast<std::size_t>(wrote));
  }
  return {};
}

Result<void> Writer::begin(const std::string& name, std::int64_t sizeBytes) {
  CORBEL_CHECK(end());
  if (!isName(name) || sizeBytes < 0 || members_.size() >= kMembersMax)
    return fail(ErrorCode::internal, "not a member of an archive: " + name);
  const Header header = headerOf(name, sizeBytes, now_);
  CORBEL_CHECK(write(std::as_bytes(std::span(header))));
  members_.push_back({name, sizeBytes, {}});
  left_ = sizeBytes;
  sizeBytes_ = sizeBytes;
  open_ = true;
  return {};
}

Result<void> Writer::append(std::span<const std::byte> bytes) {
  if (!open_ || static_cast<std::int64_t>(bytes.size()) > left_)
    return fail(ErrorCode::internal, "a member became longer while it was read");
  left_ -= static_cast<std::int64_t>(bytes.size());
  hash_.update(bytes);
  return write(bytes);
}

Result<void> Writer::end() {
  if (!open_) return {};
  if (left_ != 0) return fail(ErrorCode::internal, "a member became shorter while it was read");
  open_ = false;
  members_.back().sha256 = crypto::hex(hash_.finish());
  const std::array<std::byte, kBlock> zeros{};
  return write(std::span(zeros).first(static_cast<std::size_t>(padding(sizeBytes_))));
}

Result<void> Writer::add(const std::string& name, std::string_view content) {
  CORBEL_CHECK(begin(name, static_cast<std::int64_t>(content.size())));
  return append(std::as_bytes(std::span(content)));
}

Result<void> Writer::finish() {
  CORBEL_CHECK(end());
  // As sha256sum(1) writes and checks it.
  std::string sums;
  for (const Member& member : members_) sums += member.sha256 + "  " + member.name + "\n";
  CORBEL_CHECK(add(std::string(kSums), sums));
  CORBEL_CHECK(end());
  members_.pop_back();
  const std::array<std::byte, 2 * kBlock> zeros{};
  CORBEL_CHECK(write(zeros));
  if (::fsync(descriptor_.number()) != 0)
    return diskError(errno, partial_.string() + " cannot be synced");
  if (::link(partial_.c_str(), file_.c_str()) != 0)
    return diskError(errno, file_.string() + " cannot be made");
  finished_ = true;
  ::unlink(partial_.c_str());
  const std::filesystem::path parent = std::filesystem::absolute(file_).parent_path();
  const Descriptor folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::fsync(folder.number()) != 0)
    return diskError(errno, parent.string() + " cannot be synced");
  return {};
}

Result<std::unique_ptr<Reader>> Reader::open(const std::filesystem::path& file) {
  Descriptor descriptor(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!descriptor && errno == ENOENT)
    return fail(ErrorCode::notFound, "there is no file " + file.string());
  if (!descriptor) return diskError(errno, file.string() + " cannot be opened");
  std::unique_ptr<Reader> reader(new Reader(std::move(descriptor)));
  CORBEL_CHECK(reader->index());
  CORBEL_CHECK(reader->verify());
  return reader;
}

Result<void> Reader::readAt(std::int64_t offset, std::int64_t size, const Take& take) const {
  std::string piece(kPiece, '\0');
  while (size > 0) {
    const auto wanted =
        static_cast<std::size_t>(std::min(size, static_cast<std::int64_t>(piece.size())));
    const ssize_t got = ::pread(descriptor_.number(), piece.data(), wanted, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return diskError(errno, "the file cannot be read");
    if (got == 0) return damaged("it was cut off");
    CORBEL_CHECK(take(std::as_bytes(std::span(piece)).first(static_cast<std::size_t>(got))));
    offset += got;
    size -= got;
  }
  return {};
}

Result<void> Reader::index() {
  const std::int64_t end = ::lseek(descriptor_.number(), 0, SEEK_END);
  for (std::int64_t at = 0;;) {
    Header header{};
    std::size_t filled = 0;
    CORBEL_CHECK(readAt(at, kBlock, [&](std::span<const std::byte> bytes) -> Result<void> {
      std::memcpy(header.data() + filled, bytes.data(), bytes.size());
      filled += bytes.size();
      return {};
    }));
    if (std::ranges::all_of(header, [](char c) { return c == '\0'; })) break;
    const auto size = sizeOf(header);
    const auto sum = octal(field(header, 148, 8));
    const std::string_view name = field(header, 0, 100);
    if (!size || *size < 0 || sum != checksum(header) || !isName(name))
      return damaged(fmt::format("no member begins at byte {}", at));
    at += kBlock;
    if (*size > end - at) return damaged("it was cut off");
    if (!indexes_.emplace(name, places_.size()).second)
      return damaged(fmt::format("{} is there twice", name));
    if (places_.size() > kMembersMax) return damaged("it has too many members");
    places_.push_back({std::string(name), at, *size});
    at += *size + padding(*size);
  }
  if (places_.empty() || places_.back().name != kSums) return damaged("its checksums are missing");
  return {};
}

Result<void> Reader::verify() {
  CORBEL_TRY(const std::string sums, text(kSums, kSumsBytes));
  places_.pop_back();
  indexes_.erase(indexes_.find(kSums));
  std::string_view rest = sums;
  for (const Place& place : places_) {
    crypto::Sha256 hash;
    CORBEL_CHECK(readAt(place.offset, place.sizeBytes,
                        [&](std::span<const std::byte> bytes) -> Result<void> {
                          hash.update(bytes);
                          return {};
                        }));
    const std::string sha256 = crypto::hex(hash.finish());
    if (takeUntil(rest, '\n') != sha256 + "  " + place.name)
      return damaged(fmt::format("{} is not what was written", place.name));
    members_.push_back({place.name, place.sizeBytes, sha256});
  }
  if (!rest.empty()) return damaged("members are missing");
  return {};
}

const Reader::Place* Reader::find(std::string_view name) const {
  const auto found = indexes_.find(name);
  return found == indexes_.end() ? nullptr : &places_[found->second];
}

bool Reader::has(std::string_view name) const { return find(name) != nullptr; }

Result<void> Reader::read(std::string_view name, const Take& take) const {
  const Place* place = find(name);
  if (place == nullptr)
    return fail(ErrorCode::notFound, fmt::format("The file has no member {}.", name));
  return readAt(place->offset, place->sizeBytes, take);
}

Result<std::string> Reader::text(std::string_view name, std::size_t bytesMax) const {
  std::string text;
  CORBEL_CHECK(read(name, [&](std::span<const std::byte> bytes) -> Result<void> {
    if (text.size() + bytes.size() > bytesMax) return damaged("a member is too long");
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
  }));
  return text;
}

}  // namespace corbel::archive
