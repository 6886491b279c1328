// Requests that may be sent again without being carried out again (Idempotency-Key).
#pragma once
#include <functional>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "http/call.h"
#include "http/message.h"

namespace corbel::http {

inline constexpr std::string_view kIdempotencyKey = "Idempotency-Key";

// Thread-safe.
class Repetitions {
 public:
  virtual ~Repetitions() = default;
  // A call that has a key, on a pool thread; may wait. `fingerprint`: of method, path and body.
  // Nothing: it is the first, and keep() is called with its answer. A response: that of the first,
  // to be sent. An error: it may not be carried out.
  virtual Result<std::optional<Response>> begin(Call& call, std::string_view fingerprint) = 0;
  // Keeps the answer of a call that begin() let pass, as far as it is worth keeping, then calls
  // `send` once, from any thread.
  virtual void keep(const Call& call, const Response& response,
                    std::move_only_function<void()> send) = 0;
};

}  // namespace corbel::http
