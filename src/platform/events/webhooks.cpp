#include "events/webhooks.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "crypto/encoding.h"
#include "crypto/signature.h"
#include "events/endpoint_store.h"
#include "telemetry/log.h"

namespace corbel::events {
namespace {

constexpr std::size_t kSecretBytes = 32;  // as long as the hash (RFC 2104, 3)

Secret newSecret(Random& random) {
  std::array<std::byte, kSecretBytes> bytes{};
  random.fill(bytes);
  return Secret("whsec_" + crypto::toBase64Url(bytes));
}

Result<void> checkTypes(const std::vector<std::string>& types) {
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (std::ranges::find(kEventTypes, types[i], &EventType::name) != kEventTypes.end()) continue;
    return failField(fmt::format("/types/{}", i),
                     "is not a type of event; GET /api/v1/ai/event-types lists them");
  }
  return {};
}

Result<void> requireEnabled(const Endpoint& endpoint) {
  if (!endpoint.disabledAt) return {};
  return fail(ErrorCode::failedPrecondition, "The webhook is disabled; enable it first.");
}

}  // namespace

Result<MintedEndpoint> Webhooks::create(std::string_view tenant, const NewEndpoint& fresh,
                                        std::string_view actor, Deadline deadline) {
  if (const auto good = net::checkDestination(fresh.url, policy_); !good)
    return failField("/url", good.error().message);
  CORBEL_CHECK(checkTypes(fresh.types));
  MintedEndpoint minted{.endpoint = {.id = parts_.ids.next(),
                                     .tenant = std::string(tenant),
                                     .url = fresh.url,
                                     .types = fresh.types,
                                     .description = fresh.description,
                                     .createdBy = std::string(actor),
                                     .createdAt = parts_.clock.now(),
                                     .disabledAt = {},
                                     .disabledReason = {}},
                        .secret = newSecret(parts_.random)};
  CORBEL_TRY(
      const std::string sealed,
      parts_.vault.seal(endpoint_store::placeOfSecret(minted.endpoint), minted.secret, deadline));
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const auto existing, endpoint_store::list(tx, tenant));
        if (existing.size() >= kEndpointsMax) {
          return fail(ErrorCode::resourceExhausted,
                      fmt::format("This tenant has {} webhooks, the most allowed; remove one.",
                                  kEndpointsMax));
        }
        tx.about("webhooks/" + minted.endpoint.id);
        return endpoint_store::insert(tx, minted.endpoint, sealed);
      },
      deadline));
  return minted;
}

Result<std::vector<Endpoint>> Webhooks::list(std::string_view tenant, Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return endpoint_store::list(reader, tenant); }, deadline);
}

Result<Endpoint> Webhooks::get(std::string_view tenant, std::string_view id,
                               Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return endpoint_store::require(reader, tenant, id); }, deadline);
}

Result<void> Webhooks::remove(std::string_view tenant, std::string_view id, Deadline deadline) {
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_CHECK(endpoint_store::require(tx, tenant, id));
        return endpoint_store::remove(tx, id);
      },
      deadline);
}

Result<Endpoint> Webhooks::enable(std::string_view tenant, std::string_view id, Deadline deadline) {
  return parts_.database.write(
      [&](store::Transaction& tx) -> Result<Endpoint> {
        CORBEL_CHECK(endpoint_store::require(tx, tenant, id));
        CORBEL_CHECK(endpoint_store::enable(tx, id));
        return endpoint_store::require(tx, tenant, id);
      },
      deadline);
}

Result<std::string> Webhooks::test(std::string_view tenant, std::string_view id,
                                   Deadline deadline) {
  const Event event = parts_.outbox.stamped({.type = kWebhookTest,
                                             .tenant = tenant,
                                             .subject = "webhooks/" + std::string(id),
                                             .partitionKey = id,
                                             .data = toData({{"endpoint", id}})});
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const Endpoint endpoint, endpoint_store::require(tx, tenant, id));
        CORBEL_CHECK(requireEnabled(endpoint));
        return parts_.outbox.appendFor(tx, event, kWebhookSink, id);
      },
      deadline));
  parts_.outbox.wake();
  return event.id;
}

Result<int> Webhooks::sealSecrets(Deadline deadline) {
  int count = 0;
  while (true) {
    CORBEL_TRY(const auto found, parts_.database.read(
                                     [](store::Reader& reader) {
                                       return endpoint_store::unsealed(reader, kEndpointsMax);
                                     },
                                     deadline));
    if (found.empty()) return count;
    for (const auto& [endpoint, secret] : found) {
      CORBEL_TRY(
          const std::string sealed,
          parts_.vault.seal(endpoint_store::placeOfSecret(endpoint), Secret(secret), deadline));
      CORBEL_CHECK(parts_.database.write(
          [&](store::Transaction& tx) {
            return endpoint_store::setSecret(tx, endpoint.id, sealed);
          },
          deadline));
      ++count;
    }
  }
}

Result<std::vector<Attempt>> Webhooks::attempts(std::string_view tenant, std::string_view id,
                                                std::string_view before, int limit,
                                                Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) -> Result<std::vector<Attempt>> {
        CORBEL_CHECK(endpoint_store::require(reader, tenant, id));
        return endpoint_store::attempts(reader, id, before, limit);
      },
      deadline);
}

Result<std::vector<DeadLetter>> Webhooks::deadLetters(std::string_view tenant, std::string_view id,
                                                      std::string_view before, int limit,
                                                      Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) -> Result<std::vector<DeadLetter>> {
        CORBEL_CHECK(endpoint_store::require(reader, tenant, id));
        return endpoint_store::deadLetters(reader, id, before, limit);
      },
      deadline);
}

Result<void> Webhooks::redeliver(std::string_view tenant, std::string_view id,
                                 std::string_view eventId, Deadline deadline) {
  CORBEL_CHECK(parts_.database.write(
      [&](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const Endpoint endpoint, endpoint_store::require(tx, tenant, id));
        CORBEL_CHECK(requireEnabled(endpoint));
        CORBEL_TRY(const auto event, endpoint_store::exhume(tx, id, eventId));
        if (!event)
          return fail(ErrorCode::notFound, fmt::format("There is no dead letter '{}'.", eventId));
        return parts_.outbox.appendFor(tx, *event, kWebhookSink, id);
      },
      deadline));
  parts_.outbox.wake();
  return {};
}

std::string webhookSignature(const Secret& secret, std::string_view timestamp,
                             std::string_view body) {
  const auto key = crypto::HmacKey::fromSecret(secret.reveal());
  if (!key) return {};
  const std::string tag =
      key->sign(crypto::SignatureAlgorithm::hs256, fmt::format("{}.{}", timestamp, body));
  return "v1=" + crypto::toHex(crypto::bytesOf(tag));
}

namespace {

constexpr int kGone = 410;
constexpr std::string_view kDisabled = "the webhook is disabled";

// The answer has disabled the endpoint: what comes after it is not sent.
bool hasDisabled(const Outcome& outcome) {
  return outcome.verdict == Verdict::refused &&
         (outcome.status == kGone || outcome.reason == kDisabled);
}

}  // namespace

struct WebhookSink::Receiver {
  Endpoint endpoint;
  Secret secret;
};

Result<std::vector<std::string>> WebhookSink::targets(Deadline deadline) {
  return webhooks_.parts_.database.read(endpoint_store::waitedFor, deadline);
}

Result<std::optional<WebhookSink::Receiver>> WebhookSink::receiver(std::string_view target,
                                                                   Deadline deadline) {
  CORBEL_TRY(
      auto found,
      webhooks_.parts_.database.read(
          [&](store::Reader& reader) { return endpoint_store::find(reader, target); }, deadline));
  if (!found) return std::nullopt;
  CORBEL_TRY(Secret secret,
             webhooks_.parts_.vault.unseal(endpoint_store::placeOfSecret(found->endpoint),
                                           found->sealedSecret, deadline));
  return Receiver{std::move(found->endpoint), std::move(secret)};
}

std::vector<Outcome> WebhookSink::publish(std::string_view target, std::span<const Event> events,
                                          Deadline deadline) {
  const auto found = receiver(target, deadline);
  if (!found) {
    log::warn("events", "webhook could not be served",
              {{"endpoint", target}, {"detail", found.error().detail}});
    return {{Verdict::failed, "the store could not be read"}};
  }
  std::vector<Outcome> outcomes;
  for (const Event& event : events) {
    if (!outcomes.empty() && deadline.expired(webhooks_.parts_.clock)) break;
    const bool disabled = !*found || (*found)->endpoint.disabledAt ||
                          (!outcomes.empty() && hasDisabled(outcomes.back()));
    outcomes.push_back(disabled ? Outcome{Verdict::refused, std::string(kDisabled)}
                                : deliver(**found, event, deadline));
    if (outcomes.back().verdict == Verdict::failed) break;
  }
  return outcomes;
}

Outcome WebhookSink::deliver(const Receiver& receiver, const Event& event, Deadline deadline) {
  const Clock& clock = webhooks_.parts_.clock;
  const std::string body = toCloudEvent(event);
  const std::string timestamp = std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(clock.now().time_since_epoch()).count());
  const SteadyTime begin = clock.steady();
  const auto status = net::post(
      {.url = receiver.endpoint.url,
       .headers = {{"Content-Type", std::string(kCloudEventType)},
                   {"Corbel-Delivery", event.id},
                   {"Corbel-Timestamp", timestamp},
                   {"Corbel-Signature", webhookSignature(receiver.secret, timestamp, body)}},
       .body = body},
      webhooks_.policy_, deadline, clock);
  Outcome outcome = judge(receiver, status, deadline);
  outcome.took = std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady() - begin);
  return outcome;
}

Outcome WebhookSink::judge(const Receiver& receiver, const Result<int>& status, Deadline deadline) {
  if (!status) {
    const bool never = status.error().code == ErrorCode::invalidArgument;
    return {never ? Verdict::refused : Verdict::failed, status.error().message};
  }
  if (*status >= 200 && *status < 300) return {Verdict::delivered, "", *status};
  if (*status != kGone)
    return {Verdict::failed, fmt::format("answered with status {}", *status), *status};
  const auto disabled = webhooks_.parts_.database.write(
      [&](store::Transaction& tx) {
        return endpoint_store::disable(tx, receiver.endpoint.id,
                                       "The receiver answered 410: it is gone for good.",
                                       webhooks_.parts_.clock.now());
      },
      deadline);
  if (!disabled) return {Verdict::failed, "the store could not be written", *status};
  log::warn("events", "webhook was disabled",
            {{"tenant", receiver.endpoint.tenant}, {"endpoint", receiver.endpoint.id}});
  return {Verdict::refused, "answered with status 410", *status};
}

}  // namespace corbel::events
