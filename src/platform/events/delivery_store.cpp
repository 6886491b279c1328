#include "events/delivery_store.h"

#include <algorithm>
#include <numeric>

namespace corbel::events {
namespace {

constexpr int kForgottenAtOnce = 1'000;

std::string_view word(Verdict verdict) {
  switch (verdict) {
    case Verdict::delivered:
      return "delivered";
    case Verdict::failed:
      return "failed";
    case Verdict::refused:
      return "refused";
  }
  return "";
}

// The event itself goes when nobody waits for it any more.
Result<void> release(store::Transaction& tx, std::int64_t position) {
  CORBEL_TRY(const auto bytes, tx.query("DELETE FROM event_outbox WHERE position = ? AND NOT "
                                        "EXISTS (SELECT 1 FROM event_deliveries WHERE position = "
                                        "event_outbox.position) RETURNING bytes",
                                        position)
                                   .all([](const store::Row& row) { return row.integer(0); }));
  if (bytes.empty()) return {};
  return tx.execute(
      "UPDATE event_totals SET pending_rows = pending_rows - 1, pending_bytes = pending_bytes - ? "
      "WHERE id = 1",
      bytes.front());
}

Result<void> remove(store::Transaction& tx, std::string_view sink, std::string_view target,
                    std::int64_t position) {
  CORBEL_CHECK(
      tx.execute("DELETE FROM event_deliveries WHERE sink = ? AND target = ? AND position = ?",
                 sink, target, position));
  return release(tx, position);
}

Result<void> bury(store::Transaction& tx, std::string_view sink, std::string_view target,
                  const Settled& one, Timestamp now) {
  // The dead letter takes the id of its event, which is unique at a target but not among them.
  const Event& event = one.waiting.event;
  const std::string id = event.id + "/" + std::string(target.empty() ? sink : target);
  return tx.execute(
      "INSERT INTO event_dead_letters (id, sink, target, event_id, source, type, subject, time, "
      "tenant_id, partition_key, data, reason, attempts, at) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET reason = "
      "excluded.reason, attempts = excluded.attempts, at = excluded.at",
      id, sink, target, event.id, event.source, event.type, event.subject, event.time, event.tenant,
      event.partitionKey, event.data, one.outcome.reason, one.waiting.attempts + 1, now);
}

}  // namespace

Event delivery_store::eventOf(const store::Row& row, int first) {
  return {.id = row.string(first),
          .source = row.string(first + 1),
          .type = row.string(first + 2),
          .subject = row.string(first + 3),
          .time = row.time(first + 4),
          .tenant = row.string(first + 5),
          .partitionKey = row.string(first + 6),
          .data = row.string(first + 7)};
}

Result<std::vector<Waiting>> delivery_store::head(store::Reader& reader, std::string_view sink,
                                                  std::string_view target, int limit) {
  return reader
      .query(
          "SELECT d.position, d.attempts, o.id, o.source, o.type, o.subject, o.time, o.tenant_id, "
          "o.partition_key, o.data FROM event_deliveries d JOIN event_outbox o ON o.position = "
          "d.position WHERE d.sink = ? AND d.target = ? ORDER BY d.position LIMIT ?",
          sink, target, limit)
      .all([](const store::Row& row) {
        return Waiting{row.integer(0), row.integer<int>(1), delivery_store::eventOf(row, 2)};
      });
}

Result<Backlog> delivery_store::backlog(store::Reader& reader, std::string_view sink) {
  CORBEL_TRY(
      const auto found,
      reader
          .query("SELECT (SELECT count(*) FROM event_deliveries WHERE sink = ?), "
                 "(SELECT time FROM event_outbox WHERE position = (SELECT min(position) FROM "
                 "event_deliveries WHERE sink = ?)), pending_rows, pending_bytes FROM event_totals",
                 sink, sink)
          .one([](const store::Row& row) {
            return Backlog{row.integer(0), row.optionalTime(1), {row.integer(2), row.integer(3)}};
          }));
  return found.value_or(Backlog{});
}

Result<std::int64_t> delivery_store::settle(store::Transaction& tx, std::string_view sink,
                                            std::string_view target,
                                            const std::vector<Settled>& settled, Timestamp now) {
  for (const Settled& one : settled) {
    if (one.fate == Settled::Fate::again) {
      CORBEL_CHECK(tx.execute(
          "UPDATE event_deliveries SET attempts = attempts + 1 WHERE sink = ? AND target = ? AND "
          "position = ?",
          sink, target, one.waiting.position));
      continue;
    }
    if (one.fate == Settled::Fate::dead) CORBEL_CHECK(bury(tx, sink, target, one, now));
    CORBEL_CHECK(remove(tx, sink, target, one.waiting.position));
  }
  const auto isDead = [](const Settled& one) { return one.fate == Settled::Fate::dead; };
  if (std::ranges::none_of(settled, isDead)) return 0;
  return tx.change(
      "DELETE FROM event_dead_letters WHERE sink = ? AND target = ? AND id <= (SELECT id FROM "
      "event_dead_letters WHERE sink = ? AND target = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
      sink, target, sink, target, kDeadLettersKept);
}

Result<void> delivery_store::noteAttempt(store::Transaction& tx, std::string_view id,
                                         std::string_view sink, std::string_view target,
                                         const Waiting& waiting, const Outcome& outcome,
                                         Timestamp now) {
  return tx.execute(
      "INSERT INTO event_attempts (id, sink, target, event_id, type, verdict, reason, status, "
      "took_ms, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      id, sink, target, waiting.event.id, waiting.event.type, word(outcome.verdict), outcome.reason,
      outcome.status, static_cast<std::int64_t>(outcome.took.count()), now);
}

Result<void> delivery_store::trimAttempts(store::Transaction& tx, std::string_view sink,
                                          std::string_view target) {
  return tx.execute(
      "DELETE FROM event_attempts WHERE sink = ? AND target = ? AND id <= (SELECT id FROM "
      "event_attempts WHERE sink = ? AND target = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
      sink, target, sink, target, kAttemptsKept);
}

Result<std::int64_t> delivery_store::forget(store::Transaction& tx, std::string_view sink,
                                            std::string_view target, int limit) {
  CORBEL_TRY(const auto positions,
             tx.query("SELECT position FROM event_deliveries WHERE sink = ? AND target = ? ORDER "
                      "BY position LIMIT ?",
                      sink, target, limit)
                 .all([](const store::Row& row) { return row.integer(0); }));
  if (positions.empty()) return 0;
  CORBEL_CHECK(
      tx.execute("DELETE FROM event_deliveries WHERE sink = ? AND target = ? AND position <= ?",
                 sink, target, positions.back()));
  // Those for which nobody else waits.
  CORBEL_TRY(const auto bytes,
             tx.query("DELETE FROM event_outbox WHERE position >= ? AND position <= ? AND NOT "
                      "EXISTS (SELECT 1 FROM event_deliveries WHERE position = "
                      "event_outbox.position) RETURNING bytes",
                      positions.front(), positions.back())
                 .all([](const store::Row& row) { return row.integer(0); }));
  CORBEL_CHECK(tx.execute(
      "UPDATE event_totals SET pending_rows = pending_rows - ?, pending_bytes = pending_bytes - ? "
      "WHERE id = 1",
      static_cast<std::int64_t>(bytes.size()),
      std::accumulate(bytes.begin(), bytes.end(), std::int64_t{0})));
  return static_cast<std::int64_t>(positions.size());
}

Result<std::int64_t> Outbox::forgetOtherSinks(Deadline deadline) const {
  CORBEL_TRY(const auto known, parts_.database.read(
                                   [](store::Reader& reader) {
                                     return reader
                                         .query(
                                             "SELECT DISTINCT sink FROM "
                                             "event_deliveries")
                                         .all([](const store::Row& row) { return row.string(0); });
                                   },
                                   deadline));
  std::int64_t forgotten = 0;
  for (const std::string& sink : known) {
    if (sink == kWebhookSink || std::ranges::find(sinks_, sink) != sinks_.end()) continue;
    std::int64_t count = kForgottenAtOnce;
    while (count == kForgottenAtOnce) {
      CORBEL_TRY(count, parts_.database.write(
                            [&](store::Transaction& tx) {
                              return delivery_store::forget(tx, sink, "", kForgottenAtOnce);
                            },
                            deadline));
      forgotten += count;
    }
  }
  return forgotten;
}

Result<void> Outbox::endLeases(Deadline deadline) const {
  return parts_.database.write(
      [](store::Transaction& tx) { return tx.execute("DELETE FROM event_leases"); }, deadline);
}

}  // namespace corbel::events
