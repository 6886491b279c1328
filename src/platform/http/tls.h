// TLS 1.2 and 1.3 for accepted connections (OpenSSL).
#pragma once
#include <memory>
#include <string>

#include "base/descriptor.h"
#include "base/mutex.h"
#include "base/result.h"
#include "http/server.h"
#include "stream.h"

namespace corbel::http {

// A certificate with its key, and what clients may ask for: TLS 1.2 with forward secrecy and AEAD
// ciphers or TLS 1.3, "http/1.1" by ALPN, session tickets; no renegotiation, no compression, no
// early data. Thread-safe.
class TlsContext {
 public:
  // failed_precondition: a file cannot be read, is not PEM, or the key is not the certificate's;
  // the message begins with "certificateFile: " or "keyFile: ".
  static Result<std::unique_ptr<TlsContext>> load(const TlsFiles& files);
  ~TlsContext();

  // The handshake is part of the first reads. Null: no memory.
  std::unique_ptr<Stream> accept(Descriptor socket) const CORBEL_EXCLUDES(mutex_);

  // Loads the files anew if one has changed since it was last looked at. Connections go on with
  // what they began with. true: new ones get the new certificate. Errors of load(); the old one
  // stays.
  Result<bool> refresh() CORBEL_EXCLUDES(mutex_);

 private:
  struct Library;
  // When and how large the files are: enough to notice a replacement.
  std::string stamp() const;
  explicit TlsContext(TlsFiles files);
  static Result<std::shared_ptr<const Library>> read(const TlsFiles& files);

  const TlsFiles files_;
  mutable Mutex mutex_;
  std::string stamp_ CORBEL_GUARDED_BY(mutex_);
  std::shared_ptr<const Library> library_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::http
