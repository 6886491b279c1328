// A TCP connection to the server, with TLS where that is asked for.
#pragma once
#include <openssl/ssl.h>

#include <array>
#include <memory>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/descriptor.h"
#include "base/result.h"
#include "redis/redis.h"

namespace corbel::redis {

// For one thread at a time. After an error it must not be used any more.
class Socket {
 public:
  // Resolves the name, which the deadline does not bound (the system's resolver has limits of its
  // own), and connects. unavailable, deadline_exceeded: the message says what was wrong. With TLS
  // (1.2 and newer) the certificate and the name in it are checked.
  static Result<std::unique_ptr<Socket>> connect(const Options& options, Deadline deadline,
                                                 const Clock& clock);

  Result<void> write(std::string_view bytes, Deadline deadline);
  // What has come, at least one byte; valid until the next call.
  Result<std::string_view> read(Deadline deadline);
  // Whether the server has neither sent anything nor gone. Does not wait.
  bool isQuiet();

 private:
  struct Free {
    void operator()(SSL* tls) const { SSL_free(tls); }
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  Socket(Descriptor descriptor, const Clock& clock)
      : descriptor_(std::move(descriptor)), clock_(clock) {}
  Result<void> startTls(const Options& options, Deadline deadline);
  // Until the socket can do it. `events` as of poll(2).
  Result<void> wait(short events, Deadline deadline) const;
  // After an OpenSSL call that returned `outcome`: waits where it only has to be called again.
  Result<void> waitForTls(int outcome, Deadline deadline);

  Descriptor descriptor_;
  const Clock& clock_;
  std::unique_ptr<SSL, Free> tls_;  // null: plain TCP
  std::array<char, 16'384> buffer_;
};

}  // namespace corbel::redis
