// Idempotency-Key: which answers are kept, and how they are answered again.
#pragma once
#include "http/repetition.h"
#include "idempotency/idempotency.h"

namespace corbel::gates {

// Thread-safe.
class KeyedRequests final : public http::Repetitions {
 public:
  // Must outlive it.
  explicit KeyedRequests(const idempotency::Records& records) : records_(records) {}

  // Answers of 2xx, of 4xx that a repetition would not change, and of 500 (whose effect may be
  // there) are kept; after others nothing was done, and the key is as new. invalid_argument: the
  // header is no key. already_exists: the answer held a secret, which is not kept.
  Result<std::optional<http::Response>> begin(http::Call& call,
                                              std::string_view fingerprint) override;
  void keep(const http::Call& call, const http::Response& response,
            std::move_only_function<void()> send) override;

 private:
  const idempotency::Records& records_;
};

}  // namespace corbel::gates
