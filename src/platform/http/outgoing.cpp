#include "outgoing.h"

#include <sys/uio.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace corbel::http {
namespace {

constexpr std::size_t kFileStep = 256 * limits::kKiB;  // read from disk at once
constexpr std::uint64_t kTurn = 4 * limits::kMiB;      // written before others have their turn
constexpr std::size_t kTextKept = 64 * limits::kKiB;   // capacity

Outgoing::Flush unless(Stream::Outcome outcome) {
  return outcome == Stream::Outcome::blocked ? Outgoing::Flush::blocked : Outgoing::Flush::failed;
}

}  // namespace

Outgoing::Flush Outgoing::flush(Stream& stream) {
  if (const auto result = writeText(stream); result != Flush::done) return result;
  text_.clear();
  textWritten_ = 0;
  if (text_.capacity() > kTextKept) text_.shrink_to_fit();
  if (file_ != nullptr) {
    if (const auto result = writeFile(stream); result != Flush::done) return result;
  }
  return Flush::done;
}

Outgoing::Flush Outgoing::writeText(Stream& stream) {
  const auto start = written_;
  while (textWritten_ < text_.size() || !body_.empty()) {
    if (written_ - start >= kTurn) return Flush::paused;
    const iovec parts[2] = {{text_.data() + textWritten_, text_.size() - textWritten_},
                            {const_cast<char*>(body_.data()), body_.size()}};
    const auto moved =
        stream.write(parts, file_ != nullptr ? Stream::More::follows : Stream::More::none);
    if (moved.outcome != Stream::Outcome::done) return unless(moved.outcome);
    advance(moved.bytes);
  }
  return Flush::done;
}

void Outgoing::advance(std::size_t bytes) {
  written_ += bytes;
  const auto ofText = std::min(bytes, text_.size() - textWritten_);
  textWritten_ += ofText;
  body_.remove_prefix(bytes - ofText);
  bodyWritten_ += bytes - ofText;
}

Outgoing::Flush Outgoing::writeFile(Stream& stream) {
  const auto start = written_;
  while (file_->length > 0) {
    if (written_ - start >= kTurn) return Flush::paused;
    const auto step = std::min<std::uint64_t>(file_->length, kFileStep);
    const auto moved = stream.sendFile(file_->descriptor, file_->offset, step);
    if (moved.outcome != Stream::Outcome::done) return unless(moved.outcome);
    const std::uint64_t bytes = moved.bytes;
    file_->offset += bytes;
    file_->length -= bytes;
    bodyWritten_ += bytes;
    written_ += bytes;
  }
  file_ = nullptr;
  return Flush::done;
}

}  // namespace corbel::http
