#include "stream.h"

#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/types.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>

namespace corbel::http {
namespace {

// Of a system call that was not interrupted.
Stream::Moved movedBy(ssize_t result) {
  if (result > 0) return {Stream::Outcome::done, static_cast<std::size_t>(result)};
  if (result == 0) return {Stream::Outcome::closed};
  return {errno == EAGAIN || errno == EWOULDBLOCK ? Stream::Outcome::blocked
                                                  : Stream::Outcome::failed};
}

ssize_t repeated(auto&& call) {
  ssize_t result = 0;
  do {
    result = call();
  } while (result < 0 && errno == EINTR);
  return result;
}

}  // namespace

void Stream::shutdownWrite() {
  sayGoodbye();
  ::shutdown(descriptor(), SHUT_WR);
}

Stream::Moved PlainStream::read(std::span<char> space) {
  Moved moved =
      movedBy(repeated([&] { return ::recv(descriptor(), space.data(), space.size(), 0); }));
  // epoll(7): a short read has emptied the socket, so that the next edge will be reported.
  moved.drained = moved.outcome == Outcome::done && moved.bytes < space.size();
  return moved;
}

Stream::Moved PlainStream::write(std::span<const iovec> parts, More more) {
  const int flags = MSG_NOSIGNAL | (more == More::follows ? MSG_MORE : 0);
  if (parts.size() == 1 || parts[1].iov_len == 0) {
    return movedBy(
        repeated([&] { return ::send(descriptor(), parts[0].iov_base, parts[0].iov_len, flags); }));
  }
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(parts.data());
  message.msg_iovlen = parts.size();
  return movedBy(repeated([&] { return ::sendmsg(descriptor(), &message, flags); }));
}

Stream::Moved PlainStream::sendFile(int file, std::uint64_t offset, std::size_t bytes) {
  auto from = static_cast<off_t>(offset);
  return movedBy(repeated([&] { return ::sendfile(descriptor(), file, &from, bytes); }));
}

}  // namespace corbel::http
