#include "socket.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <string>
#include <system_error>
#include <utility>

namespace corbel::redis {
namespace {

using Addresses = std::unique_ptr<addrinfo, decltype(&freeaddrinfo)>;

std::unexpected<Error> lost(std::string_view why) {
  return fail(ErrorCode::unavailable, fmt::format("Redis: {}.", why));
}

std::unexpected<Error> tooSlow() {
  return fail(ErrorCode::deadlineExceeded, "Redis: no answer in time.");
}

std::string reasonOf(int error) { return std::generic_category().message(error); }

Result<Addresses> resolve(const Options& options) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options.port);
  const int outcome = getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found);
  Addresses addresses(found, freeaddrinfo);
  if (outcome != 0 || found == nullptr)
    return lost(fmt::format("the name of the host cannot be resolved ({})", gai_strerror(outcome)));
  return addresses;
}

std::string tlsReason() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  return text.data();
}

}  // namespace

Result<std::unique_ptr<Socket>> Socket::connect(const Options& options, Deadline deadline,
                                                const Clock& clock) {
  CORBEL_TRY(const Addresses addresses, resolve(options));
  Error last{ErrorCode::unavailable, "Redis: the host has no address.", {}, {}};
  for (const addrinfo* at = addresses.get(); at != nullptr; at = at->ai_next) {
    Descriptor descriptor(
        ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, at->ai_protocol));
    if (!descriptor) return lost(reasonOf(errno));
    std::unique_ptr<Socket> made(new Socket(std::move(descriptor), clock));
    const int number = made->descriptor_.number();
    const int yes = 1;
    setsockopt(number, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    int error = ::connect(number, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
      CORBEL_CHECK(made->wait(POLLOUT, deadline));
      socklen_t size = sizeof error;
      getsockopt(number, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
      last = lost(reasonOf(error)).error();
      continue;
    }
    if (options.tls) CORBEL_CHECK(made->startTls(options, deadline));
    return made;
  }
  return std::unexpected(std::move(last));
}

Result<void> Socket::startTls(const Options& options, Deadline deadline) {
  const std::unique_ptr<SSL_CTX, Free> context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return lost(tlsReason());
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  const int loaded = options.caFile.empty()
                         ? SSL_CTX_set_default_verify_paths(context.get())
                         : SSL_CTX_load_verify_file(context.get(), options.caFile.c_str());
  if (loaded != 1) return lost("the file of trusted authorities cannot be read");
  tls_.reset(SSL_new(context.get()));
  if (tls_ == nullptr) return lost(tlsReason());
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(tls_.get());
  // The certificate is for an address, or for a name, which is also asked for (SNI).
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, options.host.c_str()) != 1) {
    ERR_clear_error();
    if (SSL_set1_host(tls_.get(), options.host.c_str()) != 1 ||
        SSL_set_tlsext_host_name(tls_.get(), options.host.c_str()) != 1)
      return lost("the host is no name that TLS can check");
  }
  // It writes without MSG_NOSIGNAL: the program ignores SIGPIPE.
  if (SSL_set_fd(tls_.get(), descriptor_.number()) != 1) return lost(tlsReason());
  for (int outcome = SSL_connect(tls_.get()); outcome != 1; outcome = SSL_connect(tls_.get())) {
    if (const auto verdict = SSL_get_verify_result(tls_.get()); verdict != X509_V_OK) {
      return lost(fmt::format("its certificate is not trusted ({})",
                              X509_verify_cert_error_string(verdict)));
    }
    CORBEL_CHECK(waitForTls(outcome, deadline));
  }
  return {};
}

Result<void> Socket::wait(short events, Deadline deadline) const {
  while (true) {
    const auto left = deadline.remaining(clock_).count();
    if (left <= 0) return tooSlow();
    pollfd waiting{.fd = descriptor_.number(), .events = events, .revents = 0};
    const int ready =
        poll(&waiting, 1,
             static_cast<int>(std::min<std::int64_t>(left, std::numeric_limits<int>::max())));
    if (ready > 0) return {};
    if (ready < 0 && errno != EINTR) return lost(reasonOf(errno));
  }
}

Result<void> Socket::waitForTls(int outcome, Deadline deadline) {
  switch (SSL_get_error(tls_.get(), outcome)) {
    case SSL_ERROR_WANT_READ:
      return wait(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return wait(POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN:
      return lost("the server closed the connection");
    default:
      return lost(fmt::format("TLS failed ({})", tlsReason()));
  }
}

Result<void> Socket::write(std::string_view bytes, Deadline deadline) {
  while (!bytes.empty()) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      std::size_t sent = 0;
      const int outcome = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &sent);
      if (outcome == 1) {
        bytes.remove_prefix(sent);
      } else {
        CORBEL_CHECK(waitForTls(outcome, deadline));
      }
      continue;
    }
    const ssize_t sent = send(descriptor_.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN) {
      CORBEL_CHECK(wait(POLLOUT, deadline));
    } else if (errno != EINTR) {
      return lost(reasonOf(errno));
    }
  }
  return {};
}

Result<std::string_view> Socket::read(Deadline deadline) {
  while (true) {
    if (tls_ != nullptr) {
      ERR_clear_error();
      std::size_t got = 0;
      const int outcome = SSL_read_ex(tls_.get(), buffer_.data(), buffer_.size(), &got);
      if (outcome == 1) return std::string_view(buffer_.data(), got);
      CORBEL_CHECK(waitForTls(outcome, deadline));
      continue;
    }
    const ssize_t got = recv(descriptor_.number(), buffer_.data(), buffer_.size(), 0);
    if (got > 0) return std::string_view(buffer_.data(), static_cast<std::size_t>(got));
    if (got == 0) return lost("the server closed the connection");
    if (errno == EAGAIN) {
      CORBEL_CHECK(wait(POLLIN, deadline));
    } else if (errno != EINTR) {
      return lost(reasonOf(errno));
    }
  }
}

bool Socket::isQuiet() {
  if (tls_ == nullptr) {
    char byte = 0;
    return recv(descriptor_.number(), &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
  }
  // Session tickets come when they like, and are no answer.
  char byte = 0;
  std::size_t got = 0;
  ERR_clear_error();
  const int outcome = SSL_peek_ex(tls_.get(), &byte, 1, &got);
  return outcome != 1 && SSL_get_error(tls_.get(), outcome) == SSL_ERROR_WANT_READ;
}

}  // namespace corbel::redis
