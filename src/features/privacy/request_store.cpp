#include "privacy/request_store.h"

#include <utility>

#include "json/decode.h"
#include "json/encode.h"

namespace corbel::privacy {

std::string_view name(RequestKind kind) {
  return kind == RequestKind::erasure ? "erasure" : "export";
}

void Report::add(std::string_view place, std::int64_t count) {
  for (PlaceCount& known : places) {
    if (known.place != place) continue;
    known.count += count;
    return;
  }
  places.push_back({std::string(place), count});
}

namespace rows {
namespace {

#define REQUEST_COLUMNS                                                                     \
  "id, tenant_id, kind, person, subject, requested_by, requested_at, finished_at, report, " \
  "sha256, size_bytes, expires_at"

Request requestOf(const store::Row& row) {
  Request request;
  request.id = row.string(0);
  request.tenant = row.string(1);
  request.kind =
      row.text(2) == name(RequestKind::erasure) ? RequestKind::erasure : RequestKind::exporting;
  request.person = row.string(3);
  request.subject = row.string(4);
  request.requestedBy = row.string(5);
  request.requestedAt = row.time(6);
  request.finishedAt = row.optionalTime(7);
  request.report = json::decode<Report>(row.text(8)).value_or(Report());
  request.sha256 = row.string(9);
  request.sizeBytes = row.integer(10);
  request.expiresAt = row.optionalTime(11);
  return request;
}

}  // namespace

Result<void> insert(store::Transaction& tx, const Request& request) {
  return tx.execute("INSERT INTO personal_requests (" REQUEST_COLUMNS
                    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    request.id, request.tenant, name(request.kind), request.person, request.subject,
                    request.requestedBy, request.requestedAt, request.finishedAt,
                    json::encode(request.report), request.sha256, request.sizeBytes,
                    request.expiresAt);
}

Result<std::optional<Request>> find(store::Reader& reader, std::string_view id) {
  return reader.query("SELECT " REQUEST_COLUMNS " FROM personal_requests WHERE id = ?", id)
      .one(requestOf);
}

Result<std::vector<Request>> list(store::Reader& reader, std::string_view tenant,
                                  std::string_view before, int limit) {
  return reader
      .query("SELECT " REQUEST_COLUMNS
             " FROM personal_requests WHERE tenant_id = ? AND (? = '' OR id < ?) ORDER BY id DESC "
             "LIMIT ?",
             tenant, before, before, limit)
      .all(requestOf);
}

Result<void> setReport(store::Transaction& tx, const Request& request) {
  return tx.execute("UPDATE personal_requests SET report = ? WHERE id = ?",
                    json::encode(request.report), request.id);
}

Result<void> update(store::Transaction& tx, const Request& request) {
  return tx.execute(
      "UPDATE personal_requests SET subject = ?, finished_at = ?, report = ?, sha256 = ?, "
      "size_bytes = ?, expires_at = ? WHERE id = ?",
      request.subject, request.finishedAt, json::encode(request.report), request.sha256,
      request.sizeBytes, request.expiresAt, request.id);
}

Result<std::vector<Request>> expired(store::Reader& reader, Timestamp now, int limit) {
  return reader
      .query("SELECT " REQUEST_COLUMNS
             " FROM personal_requests WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
             now, limit)
      .all(requestOf);
}

Result<std::vector<Request>> exportsAbout(store::Reader& reader, std::string_view person,
                                          int limit) {
  return reader
      .query("SELECT " REQUEST_COLUMNS
             " FROM personal_requests WHERE person = ? AND kind = 'export' AND (sha256 <> '' OR "
             "subject <> '') LIMIT ?",
             person, limit)
      .all(requestOf);
}

Result<std::vector<Request>> erasedAfter(store::Reader& reader, Timestamp time, int limit) {
  return reader
      .query("SELECT " REQUEST_COLUMNS
             " FROM personal_requests WHERE kind = 'erasure' AND finished_at > ? ORDER BY "
             "finished_at LIMIT ?",
             time, limit)
      .all(requestOf);
}

Result<std::vector<personal::Thing>> askedBy(store::Reader& reader, const personal::Person& person,
                                             std::string_view after) {
  return reader
      .query(
          "SELECT id, kind, requested_at FROM personal_requests WHERE tenant_id = ? AND id > ? "
          "AND requested_by = ? AND requested_at <= ? ORDER BY id LIMIT ?",
          person.tenant, after, person.principal, person.until, personal::kAtOnce)
      .all([](const store::Row& row) {
        personal::Record record;
        record.text("id", row.text(0)).text("kind", row.text(1)).time("requestedAt", row.time(2));
        return personal::Thing{row.string(0), record.finish()};
      });
}

Result<std::int64_t> unname(store::Transaction& tx, const personal::Person& person) {
  return tx.change(
      "UPDATE personal_requests SET requested_by = ? WHERE tenant_id = ? AND requested_by = ? AND "
      "requested_at <= ?",
      person.pseudonym, person.tenant, person.principal, person.until);
}

Result<std::vector<personal::Name>> names(store::Reader& reader) {
  return reader.query("SELECT DISTINCT tenant_id, requested_by FROM personal_requests")
      .all([](const store::Row& row) { return personal::Name{row.string(0), row.string(1)}; });
}

}  // namespace rows
}  // namespace corbel::privacy
