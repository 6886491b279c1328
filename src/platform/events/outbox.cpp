#include <fmt/format.h>

#include "events/events.h"

namespace corbel::events {
namespace {

// A row beside its texts: numbers, a delivery and index entries, rounded up.
constexpr std::int64_t kRowOverhead = 250;

std::int64_t bytesOf(const Event& event) {
  return kRowOverhead +
         static_cast<std::int64_t>(event.id.size() + event.source.size() + event.type.size() +
                                   event.tenant.size() + event.subject.size() +
                                   event.partitionKey.size() + event.data.size());
}

Result<bool> hasEndpoints(store::Transaction& tx, std::string_view tenant) {
  CORBEL_TRY(const auto found,
             tx.query("SELECT 1 FROM webhook_endpoints WHERE tenant_id = ? AND disabled_at IS NULL "
                      "LIMIT 1",
                      tenant)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return found.has_value();
}

Result<void> disableFullEndpoints(store::Transaction& tx, std::string_view tenant, Timestamp now) {
  return tx.execute(
      "UPDATE webhook_endpoints SET disabled_at = ?, disabled_reason = ? WHERE tenant_id = ? AND "
      "disabled_at IS NULL AND (SELECT count(*) FROM event_deliveries WHERE sink = ? AND target = "
      "webhook_endpoints.id) >= ?",
      now, "Too many events waited for this endpoint.", tenant, kWebhookSink, kEndpointWaitingMax);
}

// Types are stored as " a b ", none as "": all of them.
Result<std::vector<std::string>> endpointsFor(store::Transaction& tx, const NewEvent& event) {
  const std::string pattern = fmt::format("% {} %", event.type.name);
  return tx
      .query(
          "SELECT id FROM webhook_endpoints WHERE tenant_id = ? AND disabled_at IS NULL AND "
          "(types = '' OR types LIKE ?) ORDER BY id",
          event.tenant, pattern)
      .all([](const store::Row& row) { return row.string(0); });
}

Result<void> insertDelivery(store::Transaction& tx, std::string_view sink, std::string_view target,
                            std::int64_t position) {
  return tx.execute("INSERT INTO event_deliveries (sink, target, position) VALUES (?, ?, ?)", sink,
                    target, position);
}

struct Totals {
  std::int64_t position = 0;
  Pending pending;
};

Result<Totals> addToTotals(store::Transaction& tx, std::int64_t bytes) {
  CORBEL_CHECK(
      tx.execute("UPDATE event_totals SET last_position = last_position + 1, pending_rows = "
                 "pending_rows + 1, pending_bytes = pending_bytes + ? WHERE id = 1",
                 bytes));
  CORBEL_TRY(const auto totals,
             tx.query("SELECT last_position, pending_rows, pending_bytes FROM event_totals")
                 .one([](const store::Row& row) {
                   return Totals{row.integer(0), {row.integer(1), row.integer(2)}};
                 }));
  if (!totals) return fail(ErrorCode::internal, "The outbox has lost its totals.");
  return *totals;
}

}  // namespace

Event Outbox::stamped(const NewEvent& event) const {
  return {.id = parts_.ids.next(),
          .source = source_,
          .type = std::string(event.type.name),
          .subject = std::string(event.subject),
          .time = parts_.clock.now(),
          .tenant = std::string(event.tenant),
          .partitionKey = std::string(event.partitionKey),
          .data = event.data};
}

Result<std::int64_t> Outbox::insert(store::Transaction& tx, const Event& event) const {
  if (event.data.size() > kDataBytes) {
    return fail(ErrorCode::unprocessable,
                fmt::format("The event {} would be longer than {} bytes.", event.type, kDataBytes));
  }
  const std::int64_t bytes = bytesOf(event);
  CORBEL_TRY(const Totals totals, addToTotals(tx, bytes));
  if (totals.pending.rows > bounds_.rows || totals.pending.bytes > bounds_.bytes) {
    return fail(ErrorCode::insufficientStorage,
                "The outbox of events is full because a receiver of events does not take them; "
                "nothing was changed. The operator has to bring the receiver back.");
  }
  CORBEL_CHECK(
      tx.execute("INSERT INTO event_outbox (position, id, source, type, subject, time, tenant_id, "
                 "partition_key, data, bytes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                 totals.position, event.id, event.source, event.type, event.subject, event.time,
                 event.tenant, event.partitionKey, event.data, bytes));
  return totals.position;
}

Result<void> Outbox::append(store::Transaction& tx, const NewEvent& event) const {
  tx.about(event.subject);
  CORBEL_TRY(const bool webhooks, hasEndpoints(tx, event.tenant));
  if (webhooks) CORBEL_CHECK(disableFullEndpoints(tx, event.tenant, parts_.clock.now()));
  std::vector<std::string> endpoints;
  if (webhooks) {
    CORBEL_TRY(endpoints, endpointsFor(tx, event));
  }
  if (endpoints.empty() && sinks_.empty()) return {};
  CORBEL_TRY(const std::int64_t position, insert(tx, stamped(event)));
  for (const std::string& sink : sinks_) CORBEL_CHECK(insertDelivery(tx, sink, "", position));
  for (const std::string& endpoint : endpoints)
    CORBEL_CHECK(insertDelivery(tx, kWebhookSink, endpoint, position));
  return {};
}

Result<void> Outbox::appendFor(store::Transaction& tx, const Event& event, std::string_view sink,
                               std::string_view target) const {
  CORBEL_TRY(const std::int64_t position, insert(tx, event));
  return insertDelivery(tx, sink, target, position);
}

Result<Pending> Outbox::pending(Deadline deadline) const {
  return parts_.database.read(
      [](store::Reader& reader) -> Result<Pending> {
        CORBEL_TRY(const auto found,
                   reader.query("SELECT pending_rows, pending_bytes FROM event_totals")
                       .one([](const store::Row& row) {
                         return Pending{row.integer(0), row.integer(1)};
                       }));
        return found.value_or(Pending{});
      },
      deadline);
}

}  // namespace corbel::events
