// Where the public keys of an issuer come from (JSON Web Key Set, RFC 7517).
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "base/deadline.h"
#include "base/result.h"

namespace corbel::identity {

// Thread-safe.
class JwksSource {
 public:
  virtual ~JwksSource() = default;
  // The text of the key set as it is now; waits. Any error: not available now, the message is for
  // the log.
  virtual Result<std::string> fetch(Deadline deadline) = 0;
};

// A file, read anew every time, so that keys are rotated by replacing it.
std::shared_ptr<JwksSource> jwksFile(std::string file);

// GETs the URL: https, no redirects, and a body of at most `maxBytes`, all of which is up to `get`.
using HttpGet = std::function<Result<std::string>(const std::string& url, std::size_t maxBytes,
                                                  Deadline deadline)>;
std::shared_ptr<JwksSource> jwksUrl(std::string url, HttpGet get);

}  // namespace corbel::identity
