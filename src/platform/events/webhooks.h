// Webhooks: addresses of a tenant that get its events as signed HTTP POSTs.
//
// The body is the event in CloudEvents' JSON format. Headers: Corbel-Delivery (the event's id, the
// same in every attempt), Corbel-Timestamp (seconds since 1970) and Corbel-Signature:
// `v1=` and the HMAC-SHA-256, in hexadecimal digits, of timestamp, '.' and body, keyed with the
// endpoint's secret as it was shown. Receivers should refuse timestamps older than five minutes.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/id.h"
#include "base/random.h"
#include "base/result.h"
#include "base/secret.h"
#include "events/events.h"
#include "net/post.h"
#include "secrets/vault.h"
#include "store/store.h"

namespace corbel::events {

inline constexpr int kEndpointsMax = 100;  // of one tenant
inline constexpr int kWebhookAttempts = 8;

struct Endpoint {
  std::string id;
  std::string tenant;
  std::string url;
  std::vector<std::string> types;  // names of event types; none: all
  std::string description;
  std::string createdBy;
  Timestamp createdAt;
  std::optional<Timestamp> disabledAt;
  std::optional<std::string> disabledReason;
};

struct NewEndpoint {
  std::string url;
  std::vector<std::string> types = {};
  std::string description = {};
};

// The only moment at which the secret is shown.
struct MintedEndpoint {
  Endpoint endpoint;
  Secret secret;
};

// One attempt to deliver an event.
struct Attempt {
  std::string id;
  std::string eventId;
  std::string type;
  std::string verdict;  // "delivered", "failed", "refused"
  std::string reason;
  int status = 0;  // 0: no answer
  std::chrono::milliseconds took{0};
  Timestamp at;
};

// An event that will not be tried again by itself.
struct DeadLetter {
  std::string id;
  Event event;
  std::string reason;
  int attempts = 0;
  Timestamp at;
};

// Thread-safe; every function waits for the store. not_found everywhere: there is no such endpoint
// in the tenant.
class Webhooks {
 public:
  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Outbox& outbox;
    IdSource& ids;
    Random& random;
    const Clock& clock;
    secrets::Vault& vault;
  };
  Webhooks(Parts parts, net::DestinationPolicy policy)
      : parts_(parts), policy_(std::move(policy)) {}

  // invalid_argument: a URL that checkDestination() refuses, or an unknown type.
  // resource_exhausted: the tenant has kEndpointsMax.
  Result<MintedEndpoint> create(std::string_view tenant, const NewEndpoint& fresh,
                                std::string_view actor, Deadline deadline);
  Result<std::vector<Endpoint>> list(std::string_view tenant, Deadline deadline) const;
  Result<Endpoint> get(std::string_view tenant, std::string_view id, Deadline deadline) const;
  // With everything that waits for it, its attempts and its dead letters.
  Result<void> remove(std::string_view tenant, std::string_view id, Deadline deadline);
  // Takes a disabled endpoint into use again.
  Result<Endpoint> enable(std::string_view tenant, std::string_view id, Deadline deadline);
  // Sends an event of type corbel.webhook.test; its id. failed_precondition: the endpoint is
  // disabled.
  Result<std::string> test(std::string_view tenant, std::string_view id, Deadline deadline);

  // Seals the secrets that an older program has stored as they are; for the start. How many.
  Result<int> sealSecrets(Deadline deadline);

  // Newest first, ids below `before`.
  Result<std::vector<Attempt>> attempts(std::string_view tenant, std::string_view id,
                                        std::string_view before, int limit,
                                        Deadline deadline) const;
  Result<std::vector<DeadLetter>> deadLetters(std::string_view tenant, std::string_view id,
                                              std::string_view before, int limit,
                                              Deadline deadline) const;
  // Puts the event at the end of what waits, with its old id. failed_precondition as in test().
  Result<void> redeliver(std::string_view tenant, std::string_view id, std::string_view eventId,
                         Deadline deadline);

 private:
  friend class WebhookSink;
  const Parts parts_;
  const net::DestinationPolicy policy_;
};

// Delivers to all endpoints; the target is the endpoint's id. Answers 2xx are acknowledgements; 410
// disables the endpoint. What waits for a disabled endpoint becomes dead letters.
class WebhookSink final : public EventSink {
 public:
  explicit WebhookSink(Webhooks& webhooks) : webhooks_(webhooks) {}

  std::string_view name() const override { return kWebhookSink; }
  // 8 attempts over about five minutes on average, at most eleven.
  Retry retry() const override {
    return {std::chrono::seconds(5), std::chrono::hours(1), kWebhookAttempts};
  }
  Result<std::vector<std::string>> targets(Deadline deadline) override;
  std::vector<Outcome> publish(std::string_view target, std::span<const Event> events,
                               Deadline deadline) override;

 private:
  struct Receiver;
  Result<std::optional<Receiver>> receiver(std::string_view target, Deadline deadline);
  Outcome deliver(const Receiver& receiver, const Event& event, Deadline deadline);
  Outcome judge(const Receiver& receiver, const Result<int>& status, Deadline deadline);

  Webhooks& webhooks_;
};

// The value of Corbel-Signature.
std::string webhookSignature(const Secret& secret, std::string_view timestamp,
                             std::string_view body);

}  // namespace corbel::events
