#include "idempotency/idempotency.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <tuple>

#include "base/text.h"
#include "crypto/sha256.h"

namespace corbel::idempotency {
namespace {

constexpr int kRemovedAtOnce = 10'000;
constexpr std::chrono::milliseconds kMillisecond{1};
constexpr std::chrono::milliseconds kKeptMs = kKept;
constexpr std::chrono::milliseconds kRunningMaxMs = kRunningMax;

constexpr std::string_view kUp = R"(
CREATE TABLE idempotency_keys (
  id TEXT NOT NULL PRIMARY KEY,
  tenant_id TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  process TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  status INTEGER,
  content_type TEXT,
  location TEXT,
  etag TEXT,
  body TEXT,
  has_secret BOOLEAN
);
CREATE INDEX idempotency_keys_tenant ON idempotency_keys (tenant_id);
CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)
)";

constexpr std::string_view kDown = R"(
DROP INDEX idempotency_keys_created;
DROP INDEX idempotency_keys_tenant;
DROP TABLE idempotency_keys
)";

constexpr std::array kMigrations = {
    store::Migration{15, "answers of requests with an idempotency key", kUp, kDown}};

// Keys of one caller say nothing about those of another, and none can be read from the table.
std::string idOf(const Request& request) {
  crypto::Sha256 hash;
  for (const std::string_view part : {request.tenant, request.principal, request.key}) {
    hash.update(std::to_string(part.size()) + ':');
    hash.update(part);
  }
  return crypto::hex(hash.finish());
}

struct Record {
  std::string fingerprint;
  std::string process;
  Timestamp createdAt;
  std::optional<Answer> answer;
};

Record recordOf(const store::Row& row) {
  Record record{row.string(0), row.string(1), row.time(2), std::nullopt};
  if (row.isNull(3)) return record;
  record.answer = Answer{.status = row.integer<int>(3),
                         .contentType = row.string(4),
                         .location = row.string(5),
                         .etag = row.string(6),
                         .body = row.string(7),
                         .hasSecret = row.boolean(8)};
  return record;
}

Result<void> checkRoom(store::Transaction& tx, std::string_view tenant) {
  CORBEL_TRY(const auto count,
             tx.query("SELECT count(*) FROM (SELECT 1 FROM idempotency_keys WHERE tenant_id = ? "
                      "LIMIT ?) AS kept",
                      tenant, kOfTenant)
                 .one([](const store::Row& row) { return row.integer(0); }));
  if (count.value_or(0) < kOfTenant) return {};
  return fail(ErrorCode::resourceExhausted,
              "Your tenant has used " + std::to_string(kOfTenant) +
                  " idempotency keys within 24 hours, which is the most.");
}

}  // namespace

bool isKey(std::string_view text) {
  return !text.empty() && text.size() <= kKeyLength &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::span<const store::Migration> migrations() { return kMigrations; }

// The process, and until when it is believed to be there, in milliseconds since 1970.
std::string Records::markAt(Timestamp now) const {
  return process_ + " " + std::to_string((now + kSilentMax).time_since_epoch() / kMillisecond);
}

bool Records::mayRun(std::string_view mark, Timestamp createdAt, Timestamp now) const {
  if (now >= createdAt + kRunningMaxMs) return false;
  const std::string_view process = takeUntil(mark, ' ');
  if (process == process_) return true;
  std::int64_t until = 0;
  std::from_chars(mark.data(), mark.data() + mark.size(), until);
  return processes_ == Processes::several && now < Timestamp(until * kMillisecond);
}

Result<std::variant<First, Answer>> Records::begin(const Request& request,
                                                   Deadline deadline) const {
  using Begun = std::variant<First, Answer>;
  const std::string id = idOf(request);
  const auto judge = [&](const Record& record, Timestamp now) -> Result<Begun> {
    if (record.fingerprint != request.fingerprint) {
      return fail(ErrorCode::unprocessable,
                  "This Idempotency-Key was used for another request: another path or body. Use a "
                  "new key.");
    }
    if (record.answer) return *record.answer;
    return fail(ErrorCode::aborted,
                mayRun(record.process, record.createdAt, now)
                    ? "The first request with this Idempotency-Key is still under way. Try "
                      "again in a moment."
                    : "The first request with this Idempotency-Key was cut off, and whether it "
                      "was carried out is not known. Look whether its effect is there; if not, "
                      "send it with a new key.");
  };
  return database_.write(
      [&](store::Transaction& tx) -> Result<Begun> {
        CORBEL_TRY(const Timestamp now, tx.now());
        CORBEL_CHECK(tx.execute("DELETE FROM idempotency_keys WHERE id = ? AND created_at <= ?", id,
                                now - kKeptMs));
        CORBEL_TRY(const auto found,
                   tx.query("SELECT fingerprint, process, created_at, status, content_type, "
                            "location, etag, body, has_secret FROM idempotency_keys WHERE id = ?",
                            id)
                       .one(recordOf));
        if (found) return judge(*found, now);
        CORBEL_CHECK(checkRoom(tx, request.tenant));
        CORBEL_CHECK(
            tx.execute("INSERT INTO idempotency_keys (id, tenant_id, fingerprint, "
                       "process, created_at) VALUES (?, ?, ?, ?, ?)",
                       id, request.tenant, request.fingerprint, markAt(now), now));
        return First{id};
      },
      deadline);
}

void Records::finish(const std::string& id, Answer answer,
                     std::move_only_function<void()> then) const {
  const std::string body = answer.hasSecret ? std::string() : std::move(answer.body);
  database_.write(
      {.apply = [id, answer = std::move(answer), body](store::Transaction& tx) -> Result<void> {
         return tx.execute(
             "UPDATE idempotency_keys SET status = ?, content_type = ?, location = ?, etag = ?, "
             "body = ?, has_secret = ? WHERE id = ?",
             answer.status, answer.contentType, answer.location, answer.etag, body,
             answer.hasSecret, id);
       },
       .done = [then = std::move(then)](const Result<void>&) mutable { then(); }});
}

void Records::forget(const std::string& id, std::move_only_function<void()> then) const {
  database_.write({.apply =
                       [id](store::Transaction& tx) {
                         return tx.execute("DELETE FROM idempotency_keys WHERE id = ?", id);
                       },
                   .done = [then = std::move(then)](const Result<void>&) mutable { then(); }});
}

Result<void> Records::removeExpired(Deadline deadline) const {
  return database_.write(
      [this](store::Transaction& tx) -> Result<void> {
        CORBEL_TRY(const Timestamp now, tx.now());
        if (processes_ == Processes::several) {
          CORBEL_CHECK(tx.execute(
              "UPDATE idempotency_keys SET process = ? WHERE created_at > ? AND status IS NULL AND "
              "process LIKE ?",
              markAt(now), now - kRunningMaxMs, process_ + " %"));
        }
        return tx.execute(
            "DELETE FROM idempotency_keys WHERE id IN (SELECT id FROM idempotency_keys WHERE "
            "created_at <= ? ORDER BY created_at LIMIT ?)",
            now - kKeptMs, kRemovedAtOnce);
      },
      deadline);
}

}  // namespace corbel::idempotency
