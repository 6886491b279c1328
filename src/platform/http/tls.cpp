#include "tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/descriptor.h"
#include "base/limits.h"
#include "base/mutex.h"
#include "base/result.h"
#include "stream.h"

namespace corbel::http {
namespace {

struct Free {
  void operator()(SSL_CTX* context) const { ::SSL_CTX_free(context); }
  void operator()(SSL* connection) const { ::SSL_free(connection); }
  void operator()(BIO_METHOD* method) const { ::BIO_meth_free(method); }
};

// Forward secrecy and AEAD only (RFC 9325, 4.2); TLS 1.3 has nothing else.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr std::size_t kRecord = 16 * limits::kKiB;  // of TLS, at most

// What a client reads that speaks plain HTTP to a TLS port.
constexpr std::string_view kPlainAnswer =
    "HTTP/1.1 400 Bad Request\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 45\r\n"
    "Connection: close\r\n"
    "\r\n"
    "This port speaks TLS. Use https:// to ask it.";

// As OpenSSL's own socket BIO, but without SIGPIPE.
int writeSocket(BIO* bio, const char* bytes, int length) {
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))),
                           bytes, static_cast<std::size_t>(length), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int readSocket(BIO* bio, char* space, int length) {
  BIO_clear_retry_flags(bio);
  const auto read = ::recv(static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))),
                           space, static_cast<std::size_t>(length), 0);
  if (read < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  return static_cast<int>(read);
}

long controlSocket(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

// Clients that list protocols and not this one mean another server (RFC 7301).
int chooseProtocol(SSL*, const unsigned char** chosen, unsigned char* length,
                   const unsigned char* offered, unsigned offeredLength, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* out = nullptr;
  const int found =
      ::SSL_select_next_proto(&out, length, kOurs, sizeof kOurs - 1, offered, offeredLength);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

std::string reasonOfLibrary() {
  const auto code = ::ERR_peek_last_error();
  ::ERR_clear_error();
  if (code == 0) return {};
  const char* reason = ::ERR_reason_error_string(code);
  return reason != nullptr ? reason : "unknown";
}

std::unexpected<Error> wrongFile(std::string_view setting, const std::string& file,
                                 std::string_view complaint) {
  return fail(ErrorCode::failedPrecondition,
              std::string(setting) + ": " + file + " " + std::string(complaint), reasonOfLibrary());
}

Result<void> requireReadable(std::string_view setting, const std::string& file) {
  if (::access(file.c_str(), R_OK) == 0) return {};
  return wrongFile(setting, file,
                   "cannot be read; it must be a PEM file that this process may read");
}

class TlsStream final : public Stream {
 public:
  // `library` is what `connection` was made with.
  TlsStream(Descriptor socket, std::unique_ptr<SSL, Free> connection,
            std::shared_ptr<const void> library)
      : Stream(std::move(socket)),
        library_(std::move(library)),
        connection_(std::move(connection)) {}

  Moved read(std::span<char> space) override {
    std::size_t bytes = 0;
    ::ERR_clear_error();
    const int result = ::SSL_read_ex(connection_.get(), space.data(), space.size(), &bytes);
    return result == 1 ? Moved{Outcome::done, bytes} : notMoved(result);
  }

  Moved write(std::span<const iovec> parts, More) override {
    const iovec& part = parts[0].iov_len > 0 ? parts[0] : parts[1];
    std::size_t bytes = 0;
    ::ERR_clear_error();
    const int result = ::SSL_write_ex(connection_.get(), part.iov_base, part.iov_len, &bytes);
    return result == 1 ? Moved{Outcome::done, bytes} : notMoved(result);
  }

  // The same bytes are offered again after a write that was blocked: OpenSSL has sealed a record of
  // them already.
  Moved sendFile(int file, std::uint64_t offset, std::size_t bytes) override {
    std::array<char, kRecord> block;
    const auto length =
        ::pread(file, block.data(), std::min(bytes, block.size()), static_cast<off_t>(offset));
    if (length <= 0) return {length == 0 ? Outcome::closed : Outcome::failed};
    const iovec part{block.data(), static_cast<std::size_t>(length)};
    return write(std::span(&part, 1), More::none);
  }

  void sayGoodbye() override {
    if (usable_ && ::SSL_is_init_finished(connection_.get()) == 1) {
      ::SSL_shutdown(connection_.get());
    }
    ::ERR_clear_error();
  }
  bool mixesDirections() const override { return true; }

 private:
  Moved notMoved(int result) {
    switch (::SSL_get_error(connection_.get(), result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return {Outcome::blocked};
      case SSL_ERROR_ZERO_RETURN:
        return {Outcome::closed};
      default:
        break;
    }
    usable_ = false;
    const auto error = ::ERR_peek_error();
    if (ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == SSL_R_HTTP_REQUEST) {
      tellPlainClient();
    }
    ::ERR_clear_error();
    return {Outcome::failed};
  }

  // An answer is lost when unread input is left: closing would reset the connection.
  void tellPlainClient() {
    static_cast<void>(::send(descriptor(), kPlainAnswer.data(), kPlainAnswer.size(), MSG_NOSIGNAL));
    std::array<char, kRecord> thrownAway;
    static_cast<void>(::recv(descriptor(), thrownAway.data(), thrownAway.size(), 0));
  }

  std::shared_ptr<const void> library_;
  std::unique_ptr<SSL, Free> connection_;
  bool usable_ = true;  // SSL_shutdown() must not follow an error
};

}  // namespace

struct TlsContext::Library {
  std::unique_ptr<BIO_METHOD, Free> sockets;
  std::unique_ptr<SSL_CTX, Free> context;
};

TlsContext::TlsContext(TlsFiles files) : files_(std::move(files)) {}
TlsContext::~TlsContext() = default;

Result<std::unique_ptr<TlsContext>> TlsContext::load(const TlsFiles& files) {
  std::unique_ptr<TlsContext> context(new TlsContext(files));
  CORBEL_TRY(auto library, read(files));
  const MutexLock lock(context->mutex_);
  context->stamp_ = context->stamp();
  context->library_ = std::move(library);
  return context;
}

Result<std::shared_ptr<const TlsContext::Library>> TlsContext::read(const TlsFiles& files) {
  auto library = std::make_shared<Library>();
  library->sockets.reset(::BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket"));
  library->context.reset(::SSL_CTX_new(::TLS_server_method()));
  SSL_CTX* context = library->context.get();
  if (!library->sockets || context == nullptr) return fail(ErrorCode::internal, "cannot start TLS");
  ::BIO_meth_set_write(library->sockets.get(), writeSocket);
  ::BIO_meth_set_read(library->sockets.get(), readSocket);
  ::BIO_meth_set_ctrl(library->sockets.get(), controlSocket);
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS);
  ::SSL_CTX_set_num_tickets(context, 1);
  ::SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets alone
  ::SSL_CTX_set_alpn_select_cb(context, chooseProtocol, nullptr);
  ::SSL_CTX_set_cipher_list(context, kCiphers);

  CORBEL_CHECK(requireReadable("certificateFile", files.certificate));
  CORBEL_CHECK(requireReadable("keyFile", files.key));
  ::ERR_clear_error();
  if (::SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1) {
    return wrongFile("certificateFile", files.certificate,
                     "must hold the certificate, and behind it those that signed it, in PEM form");
  }
  if (::SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    const bool mismatch = ERR_GET_REASON(::ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH ||
                          ERR_GET_REASON(::ERR_peek_last_error()) == X509_R_KEY_TYPE_MISMATCH;
    return wrongFile("keyFile", files.key,
                     mismatch ? "must hold the key of the certificate in certificateFile"
                              : "must hold a private key without passphrase, in PEM form");
  }
  return library;
}

std::unique_ptr<Stream> TlsContext::accept(Descriptor socket) const {
  std::shared_ptr<const Library> library;
  {
    const MutexLock lock(mutex_);
    library = library_;
  }
  std::unique_ptr<SSL, Free> connection(::SSL_new(library->context.get()));
  BIO* bio = ::BIO_new(library->sockets.get());
  if (!connection || bio == nullptr) {
    ::BIO_free(bio);
    return nullptr;
  }
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(socket.number())));
  BIO_set_init(bio, 1);
  ::SSL_set_bio(connection.get(), bio, bio);
  ::SSL_set_accept_state(connection.get());
  return std::make_unique<TlsStream>(std::move(socket), std::move(connection), std::move(library));
}

std::string TlsContext::stamp() const {
  std::string all;
  for (const std::string& file : {files_.certificate, files_.key}) {
    struct stat found{};
    if (::stat(file.c_str(), &found) != 0) continue;
    all += std::to_string(found.st_ino) + ':' + std::to_string(found.st_size) + ':' +
           std::to_string(found.st_mtim.tv_sec) + '.' + std::to_string(found.st_mtim.tv_nsec) + ' ';
  }
  return all;
}

Result<bool> TlsContext::refresh() {
  const std::string now = stamp();
  {
    const MutexLock lock(mutex_);
    if (now == stamp_) return false;
    stamp_ = now;
  }
  CORBEL_TRY(auto library, read(files_));
  const MutexLock lock(mutex_);
  library_ = std::move(library);
  return true;
}

}  // namespace corbel::http
