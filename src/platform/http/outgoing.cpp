#include "outgoing.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace corbel::http {
namespace {

constexpr std::size_t kFileStep = 256 * limits::kKiB;  // read from disk at once
constexpr std::uint64_t kTurn = 4 * limits::kMiB;      // written before others have their turn
constexpr std::size_t kTextKept = 64 * limits::kKiB;   // capacity

bool wouldBlock() { return errno == EAGAIN || errno == EWOULDBLOCK; }

}  // namespace

Outgoing::Flush Outgoing::flush(int socket) {
  if (const auto result = writeText(socket); result != Flush::done) return result;
  text_.clear();
  textWritten_ = 0;
  if (text_.capacity() > kTextKept) text_.shrink_to_fit();
  if (file_ != nullptr) {
    if (const auto result = writeFile(socket); result != Flush::done) return result;
  }
  return Flush::done;
}

Outgoing::Flush Outgoing::writeText(int socket) {
  const auto start = written_;
  while (textWritten_ < text_.size() || !body_.empty()) {
    if (written_ - start >= kTurn) return Flush::paused;
    iovec parts[2] = {{text_.data() + textWritten_, text_.size() - textWritten_},
                      {const_cast<char*>(body_.data()), body_.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const int flags = MSG_NOSIGNAL | (file_ != nullptr ? MSG_MORE : 0);
    const auto sent = body_.empty() ? ::send(socket, parts[0].iov_base, parts[0].iov_len, flags)
                                    : ::sendmsg(socket, &message, flags);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return wouldBlock() ? Flush::blocked : Flush::failed;
    }
    advance(static_cast<std::size_t>(sent));
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

Outgoing::Flush Outgoing::writeFile(int socket) {
  const auto start = written_;
  while (file_->length > 0) {
    if (written_ - start >= kTurn) return Flush::paused;
    auto offset = static_cast<off_t>(file_->offset);
    const auto step = std::min<std::uint64_t>(file_->length, kFileStep);
    const auto sent = ::sendfile(socket, file_->descriptor, &offset, step);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && wouldBlock()) return Flush::blocked;
    if (sent <= 0) return Flush::failed;
    const auto bytes = static_cast<std::uint64_t>(sent);
    file_->offset += bytes;
    file_->length -= bytes;
    bodyWritten_ += bytes;
    written_ += bytes;
  }
  file_ = nullptr;
  return Flush::done;
}

}  // namespace corbel::http
