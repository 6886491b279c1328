#include "audit_store.h"

#include <limits>

namespace corbel::audit::audit_store {
namespace {

Line lineOf(const store::Row& row) {
  return {.number = row.integer(0),
          .at = row.time(1),
          .act = {.tenant = row.string(2),
                  .principal = row.string(3),
                  .kind = row.string(4),
                  .action = row.string(5),
                  .object = row.string(6),
                  .remote = row.string(7),
                  .requestId = row.string(8),
                  // A word that is none breaks the chain: hashes are over what was written.
                  .outcome = outcome(row.text(9)).value_or(Outcome::failed),
                  .code = row.string(10),
                  .omitted = row.integer(11)},
          .salt = row.string(13),
          .who = row.string(14),
          .hash = row.string(12)};
}

// What every filter is compared with where it is absent.
struct Filters {
  explicit Filters(const Query& query)
      : outcome(query.outcome ? name(*query.outcome) : ""),
        from(query.from.value_or(Timestamp::min())),
        to(query.to.value_or(Timestamp::max())) {}
  std::string_view outcome;
  Timestamp from;
  Timestamp to;
};

}  // namespace

Result<Anchor> head(store::Reader& reader) {
  CORBEL_TRY(auto found,
             reader.query("SELECT number, hash FROM audit_head WHERE id = 1")
                 .one([](const store::Row& row) { return Anchor{row.integer(0), row.string(1)}; }));
  if (!found) return fail(ErrorCode::internal, "The audit log has lost its head.");
  return *std::move(found);
}

Result<Anchor> start(store::Reader& reader) {
  CORBEL_TRY(auto found,
             reader.query("SELECT number, hash FROM audit_head WHERE id = 2")
                 .one([](const store::Row& row) { return Anchor{row.integer(0), row.string(1)}; }));
  return found.value_or(Anchor{.number = 0, .hash = std::string(kFirstHash)});
}

Result<std::optional<Anchor>> lastBefore(store::Reader& reader, Timestamp time, int limit) {
  CORBEL_TRY(
      const auto first,
      reader.query("SELECT number FROM audit_log WHERE at >= ? ORDER BY number LIMIT 1", time)
          .one([](const store::Row& row) { return row.integer(0); }));
  return reader
      .query(
          "SELECT number, hash FROM (SELECT number, hash FROM audit_log WHERE number < ? ORDER "
          "BY number LIMIT ?) AS oldest ORDER BY number DESC LIMIT 1",
          first.value_or(std::numeric_limits<std::int64_t>::max()), limit)
      .one([](const store::Row& row) { return Anchor{row.integer(0), row.string(1)}; });
}

Result<std::int64_t> removeUpTo(store::Transaction& tx, const Anchor& last) {
  CORBEL_CHECK(tx.execute(
      "INSERT INTO audit_head (id, number, hash) VALUES (2, ?, ?) ON CONFLICT (id) DO UPDATE SET "
      "number = excluded.number, hash = excluded.hash",
      last.number, last.hash));
  return tx.change("DELETE FROM audit_log WHERE number <= ?", last.number);
}

Result<void> insert(store::Transaction& tx, const Line& line) {
  const Act& act = line.act;
  CORBEL_CHECK(tx.execute("UPDATE audit_head SET number = ?, hash = ? WHERE id = 1", line.number,
                          line.hash));
  return tx.execute(
      "INSERT INTO audit_log (number, at, tenant_id, principal, kind, action, object, remote, "
      "request_id, outcome, code, omitted, hash, salt, who) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
      "?, ?, ?, ?, ?)",
      line.number, line.at, act.tenant, act.principal, act.kind, act.action, act.object, act.remote,
      act.requestId, name(act.outcome), act.code, act.omitted, line.hash, line.salt, line.who);
}

Result<std::vector<Line>> newest(store::Reader& reader, const Query& query, std::int64_t before,
                                 int limit) {
  const Filters filters(query);
  return reader
      .query(
          "SELECT number, at, tenant_id, principal, kind, action, object, remote, request_id, "
          "outcome, code, omitted, hash, salt, who FROM audit_log WHERE tenant_id = ? AND number < "
          "? AND (? = "
          "'' OR principal = ?) AND (? = '' OR action = ?) AND (? = '' OR object = ?) AND (? = '' "
          "OR outcome = ?) AND at >= ? AND at < ? ORDER BY number DESC LIMIT ?",
          query.tenant, before, query.principal, query.principal, query.action, query.action,
          query.object, query.object, filters.outcome, filters.outcome, filters.from, filters.to,
          limit)
      .all(lineOf);
}

Result<std::vector<Line>> oldest(store::Reader& reader, const Query& query, std::int64_t after,
                                 int limit) {
  const Filters filters(query);
  return reader
      .query(
          "SELECT number, at, tenant_id, principal, kind, action, object, remote, request_id, "
          "outcome, code, omitted, hash, salt, who FROM audit_log WHERE tenant_id = ? AND number > "
          "? AND (? = "
          "'' OR principal = ?) AND (? = '' OR action = ?) AND (? = '' OR object = ?) AND (? = '' "
          "OR outcome = ?) AND at >= ? AND at < ? ORDER BY number LIMIT ?",
          query.tenant, after, query.principal, query.principal, query.action, query.action,
          query.object, query.object, filters.outcome, filters.outcome, filters.from, filters.to,
          limit)
      .all(lineOf);
}

Result<std::vector<Line>> chain(store::Reader& reader, std::int64_t after, std::int64_t upTo,
                                int limit) {
  return reader
      .query(
          "SELECT number, at, tenant_id, principal, kind, action, object, remote, request_id, "
          "outcome, code, omitted, hash, salt, who FROM audit_log WHERE number > ? AND number <= ? "
          "ORDER BY "
          "number LIMIT ?",
          after, upTo, limit)
      .all(lineOf);
}

Result<std::optional<std::int64_t>> firstAbove(store::Reader& reader, std::int64_t number) {
  return reader
      .query("SELECT number FROM audit_log WHERE number > ? ORDER BY number LIMIT 1", number)
      .one([](const store::Row& row) { return row.integer(0); });
}

}  // namespace corbel::audit::audit_store
