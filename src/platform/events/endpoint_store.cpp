#include "events/endpoint_store.h"

#include <fmt/format.h>

#include "base/text.h"
#include "events/delivery_store.h"

namespace corbel::events::endpoint_store {
namespace {

// More than can wait: tests and redeliveries are not counted.
constexpr int kForgotten = 1'000'000;

// " a b ", so that one type is found by " a "; none: "".
std::string typesText(const std::vector<std::string>& types) {
  std::string text = types.empty() ? "" : " ";
  for (const std::string& type : types) text += type + " ";
  return text;
}

std::vector<std::string> typesOf(std::string_view text) {
  std::vector<std::string> types;
  while (!text.empty()) {
    const std::string_view word = takeUntil(text, ' ');
    if (!word.empty()) types.emplace_back(word);
  }
  return types;
}

Endpoint endpointOf(const store::Row& row) {
  return {.id = row.string(0),
          .tenant = row.string(1),
          .url = row.string(2),
          .types = typesOf(row.text(3)),
          .description = row.string(4),
          .createdBy = row.string(5),
          .createdAt = row.time(6),
          .disabledAt = row.optionalTime(7),
          .disabledReason = row.optionalString(8)};
}

}  // namespace

secrets::Place placeOfSecret(const Endpoint& endpoint) {
  return {.table = "webhook_endpoints",
          .column = "secret",
          .tenant = endpoint.tenant,
          .row = endpoint.id};
}

Result<void> insert(store::Transaction& tx, const Endpoint& endpoint,
                    std::string_view sealedSecret) {
  return tx.execute(
      "INSERT INTO webhook_endpoints (id, tenant_id, url, types, description, secret, created_by, "
      "created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      endpoint.id, endpoint.tenant, endpoint.url, typesText(endpoint.types), endpoint.description,
      sealedSecret, endpoint.createdBy, endpoint.createdAt);
}

Result<std::optional<StoredEndpoint>> find(store::Reader& reader, std::string_view id) {
  return reader
      .query(
          "SELECT id, tenant_id, url, types, description, created_by, created_at, disabled_at, "
          "disabled_reason, secret FROM webhook_endpoints WHERE id = ?",
          id)
      .one([](const store::Row& row) { return StoredEndpoint{endpointOf(row), row.string(9)}; });
}

Result<Endpoint> require(store::Reader& reader, std::string_view tenant, std::string_view id) {
  CORBEL_TRY(auto found, find(reader, id));
  if (found && found->endpoint.tenant == tenant) return std::move(found->endpoint);
  return fail(ErrorCode::notFound, fmt::format("There is no webhook '{}'.", id));
}

Result<std::vector<Endpoint>> list(store::Reader& reader, std::string_view tenant) {
  return reader
      .query(
          "SELECT id, tenant_id, url, types, description, created_by, created_at, disabled_at, "
          "disabled_reason FROM webhook_endpoints WHERE tenant_id = ? ORDER BY id LIMIT ?",
          tenant, kEndpointsMax)
      .all(endpointOf);
}

Result<std::vector<std::string>> waitedFor(store::Reader& reader) {
  return reader
      .query(
          "SELECT id FROM webhook_endpoints WHERE EXISTS (SELECT 1 FROM event_deliveries WHERE "
          "sink = ? AND target = webhook_endpoints.id)",
          kWebhookSink)
      .all([](const store::Row& row) { return row.string(0); });
}

Result<std::vector<StoredEndpoint>> unsealed(store::Reader& reader, int limit) {
  return reader
      .query(
          "SELECT id, tenant_id, url, types, description, created_by, created_at, disabled_at, "
          "disabled_reason, secret FROM webhook_endpoints WHERE secret NOT LIKE ? LIMIT ?",
          fmt::format("{}%", secrets::Vault::kMark), limit)
      .all([](const store::Row& row) { return StoredEndpoint{endpointOf(row), row.string(9)}; });
}

Result<void> setSecret(store::Transaction& tx, std::string_view id, std::string_view sealedSecret) {
  return tx.execute("UPDATE webhook_endpoints SET secret = ? WHERE id = ?", sealedSecret, id);
}

Result<void> disable(store::Transaction& tx, std::string_view id, std::string_view reason,
                     Timestamp now) {
  return tx.execute(
      "UPDATE webhook_endpoints SET disabled_at = ?, disabled_reason = ? WHERE id = ? AND "
      "disabled_at IS NULL",
      now, reason, id);
}

Result<void> enable(store::Transaction& tx, std::string_view id) {
  return tx.execute(
      "UPDATE webhook_endpoints SET disabled_at = NULL, disabled_reason = NULL WHERE id = ?", id);
}

Result<void> remove(store::Transaction& tx, std::string_view id) {
  CORBEL_CHECK(delivery_store::forget(tx, kWebhookSink, id, kForgotten));
  CORBEL_CHECK(
      tx.execute("DELETE FROM event_attempts WHERE sink = ? AND target = ?", kWebhookSink, id));
  CORBEL_CHECK(
      tx.execute("DELETE FROM event_dead_letters WHERE sink = ? AND target = ?", kWebhookSink, id));
  return tx.execute("DELETE FROM webhook_endpoints WHERE id = ?", id);
}

Result<std::vector<Attempt>> attempts(store::Reader& reader, std::string_view id,
                                      std::string_view before, int limit) {
  return reader
      .query(
          "SELECT id, event_id, type, verdict, reason, status, took_ms, at FROM event_attempts "
          "WHERE sink = ? AND target = ? AND (? = '' OR id < ?) ORDER BY id DESC LIMIT ?",
          kWebhookSink, id, before, before, limit)
      .all([](const store::Row& row) {
        return Attempt{row.string(0),
                       row.string(1),
                       row.string(2),
                       row.string(3),
                       row.string(4),
                       row.integer<int>(5),
                       std::chrono::milliseconds(row.integer(6)),
                       row.time(7)};
      });
}

Result<std::vector<DeadLetter>> deadLetters(store::Reader& reader, std::string_view id,
                                            std::string_view before, int limit) {
  return reader
      .query(
          "SELECT id, event_id, source, type, subject, time, tenant_id, partition_key, data, "
          "reason, attempts, at FROM event_dead_letters WHERE sink = ? AND target = ? AND (? = '' "
          "OR event_id < ?) ORDER BY id DESC LIMIT ?",
          kWebhookSink, id, before, before, limit)
      .all([](const store::Row& row) {
        return DeadLetter{row.string(0), delivery_store::eventOf(row, 1), row.string(9),
                          row.integer<int>(10), row.time(11)};
      });
}

Result<std::optional<Event>> exhume(store::Transaction& tx, std::string_view id,
                                    std::string_view eventId) {
  return tx
      .query(
          "DELETE FROM event_dead_letters WHERE sink = ? AND target = ? AND event_id = ? "
          "RETURNING event_id, source, type, subject, time, tenant_id, partition_key, data",
          kWebhookSink, id, eventId)
      .one([](const store::Row& row) { return delivery_store::eventOf(row, 0); });
}

}  // namespace corbel::events::endpoint_store
