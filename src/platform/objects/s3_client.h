// What an S3-compatible server can do for one bucket.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "net/transfer.h"
#include "objects/objects.h"
#include "objects/s3_objects.h"
#include "resilience/dependency.h"
#include "s3_signature.h"

namespace corbel::objects {

// Thread-safe. Every request passes send(), and the breaker where there is one. Outcomes of all:
// not_found (no such key, where one is read), unavailable (not reached, or it refuses),
// deadline_exceeded; the detail says what it said. A question, which is a request without a file,
// has options.questionMax.
class S3Client {
 public:
  // `options.url` is http:// or https:// with a host and no path.
  S3Client(S3Options options, const Clock& clock);

  // The length of an object; nothing: there is none.
  Result<std::optional<std::int64_t>> head(std::string_view key, Deadline deadline);
  // The whole object, piece by piece, in order; false of `take` ends it with aborted.
  Result<void> get(std::string_view key, const std::function<bool(std::string_view)>& take,
                   Deadline deadline);
  // Stores the file, in parts where it is long; a broken upload leaves nothing that costs.
  Result<void> put(std::string_view key, const ObjectFile& file, Deadline deadline);
  Result<void> remove(std::string_view key, Deadline deadline);
  std::string presignedGet(std::string_view key, std::chrono::seconds lifetime) const;
  // Whether the bucket is there and may be used.
  Result<void> check(Deadline deadline);
  // Null: there is no options.guard.
  const resilience::Dependency* dependency() const { return dependency_ ? &*dependency_ : nullptr; }

 private:
  struct Part {
    std::int64_t offset = 0;
    std::int64_t size = 0;
  };
  S3Request requestOf(std::string_view method, std::string_view key, S3Fields query = {}) const;
  Result<net::Transferred> send(const S3Request& request, net::Transfer transfer, Deadline whole);
  Result<net::Transferred> sendNow(const S3Request& request, net::Transfer transfer,
                                   Deadline deadline);
  Result<void> probe(Deadline deadline);
  Result<net::Transferred> sendText(S3Request request, const std::string& body, Deadline deadline);
  Result<net::Transferred> sendPart(S3Request request, const ObjectFile& file, Part part,
                                    Deadline deadline);
  Result<void> putInParts(std::string_view key, const ObjectFile& file, Deadline deadline);
  Result<std::string> sendParts(std::string_view key, const std::string& upload,
                                const ObjectFile& file, Deadline deadline);

  const S3Options options_;
  const S3Credentials credentials_;
  const Clock& clock_;
  std::optional<resilience::Dependency> dependency_;  // the last: its probe works with all others
};

}  // namespace corbel::objects
