#include "custody/custody.h"

#include <optional>
#include <thread>
#include <type_traits>

namespace corbel::custody {
namespace {

constexpr Timestamp kOver{};
// Of one removal. A process that stood still for longer than kLate removes nothing any more, so
// that kRemoval after its beginning nobody removes what others may hold by then.
constexpr std::chrono::seconds kRemoval{120};
constexpr std::chrono::seconds kLate{20};
constexpr std::chrono::milliseconds kPause{20};
constexpr int kSweptAtOnce = 200;

Result<void> insert(store::Transaction& tx, std::string_view id, std::string_view sha256,
                    bool removes, Timestamp until) {
  return tx.execute("INSERT INTO object_holds (id, sha256, removes, until_at) VALUES (?, ?, ?, ?)",
                    id, sha256, removes, until);
}

Result<bool> isThere(store::Reader& reader, std::string_view sha256, bool removes, Timestamp now) {
  CORBEL_TRY(const auto found,
             reader
                 .query("SELECT 1 FROM object_holds WHERE sha256 = ? AND removes = ? AND until_at "
                        "> ? LIMIT 1",
                        sha256, removes, now)
                 .one([](const store::Row& row) { return row.integer(0); }));
  return found.has_value();
}

Result<void> end(store::Transaction& tx, std::string_view id) {
  return tx.execute("UPDATE object_holds SET until_at = ? WHERE id = ?", kOver, id);
}

// Result<T> fn(Transaction&), in a unit to which nothing else belongs: it is no part of the change
// of a call that a Companion joins.
template <class Fn>
auto writeAlone(store::Database& database, Fn&& fn, Deadline deadline)
    -> std::invoke_result_t<Fn&, store::Transaction&> {
  std::optional<std::invoke_result_t<Fn&, store::Transaction&>> outcome;
  CORBEL_CHECK(database.writeAndWait({.apply = [&](store::Transaction& tx) -> Result<void> {
                                        outcome.emplace(fn(tx));
                                        if (!*outcome) return std::unexpected(outcome->error());
                                        return {};
                                      },
                                      .done = {},
                                      .deadline = deadline}));
  return *std::move(outcome);
}

}  // namespace

Hold::~Hold() {
  if (id_.empty()) return;
  database_->write({.apply = [id = id_](store::Transaction& tx) { return end(tx, id); },
                    .done = [](const Result<void>&) {},
                    .unitClass = store::UnitClass::bestEffort});
}

Result<bool> Custody::isReferenced(store::Reader& reader, std::string_view sha256) const {
  for (const IsReferenced& isReferenced : references_) {
    CORBEL_TRY(const bool is, isReferenced(reader, sha256));
    if (is) return true;
  }
  return false;
}

Result<Hold> Custody::hold(const objects::Digest& digest, std::chrono::milliseconds lifetime,
                           Deadline deadline) const {
  const std::string id = parts_.ids.next();
  for (;;) {
    CORBEL_TRY(const bool held,
               writeAlone(
                   parts_.database,
                   [&](store::Transaction& tx) -> Result<bool> {
                     CORBEL_TRY(const Timestamp now, tx.now());
                     CORBEL_TRY(const bool removed, isThere(tx, digest.hex(), true, now));
                     if (removed) return false;
                     CORBEL_CHECK(insert(tx, id, digest.hex(), false, now + lifetime));
                     return true;
                   },
                   deadline));
    if (held) return Hold(parts_.database, id);
    if (deadline.remaining(parts_.clock) <= kPause)
      return fail(ErrorCode::aborted, "The same file was just being removed. Try again.");
    std::this_thread::sleep_for(kPause);
  }
}

Result<KeptObject> Custody::commit(objects::ObjectWriter& writer,
                                   std::chrono::milliseconds lifetime, Deadline deadline) const {
  CORBEL_TRY(const objects::Digest digest, writer.digest());
  CORBEL_TRY(Hold held, hold(digest, lifetime, deadline));
  CORBEL_TRY(const objects::ObjectInfo info, writer.commit());
  return KeptObject{info, std::move(held)};
}

void Custody::giveUp(KeptObject object, Deadline deadline) const {
  const auto over = writeAlone(
      parts_.database, [&](store::Transaction& tx) { return end(tx, object.hold.id()); }, deadline);
  if (over) static_cast<void>(removeIfUnused(object.info.digest, deadline));
}

Result<void> Custody::letGo(store::Transaction& tx, std::string_view sha256) const {
  return insert(tx, parts_.ids.next(), sha256, false, kOver);
}

// The id of the removal; none where the object is needed.
Result<std::string> Custody::beginRemoval(std::string_view sha256, Deadline deadline) const {
  return writeAlone(
      parts_.database,
      [&](store::Transaction& tx) -> Result<std::string> {
        CORBEL_TRY(const Timestamp now, tx.now());
        CORBEL_CHECK(
            tx.execute("DELETE FROM object_holds WHERE sha256 = ? AND until_at <= ?", sha256, now));
        for (const bool removes : {false, true}) {
          CORBEL_TRY(const bool there, isThere(tx, sha256, removes, now));
          if (there) return "";
        }
        CORBEL_TRY(const bool referenced, isReferenced(tx, sha256));
        if (referenced) return "";
        std::string id = parts_.ids.next();
        CORBEL_CHECK(insert(tx, id, sha256, true, now + kRemoval));
        return id;
      },
      deadline);
}

Result<bool> Custody::removeIfUnused(const objects::Digest& digest, Deadline deadline) const {
  const Deadline late = Deadline::after(parts_.clock, kLate);
  CORBEL_TRY(const std::string removal, beginRemoval(digest.hex(), deadline));
  if (removal.empty() || late.expired(parts_.clock)) return false;
  // What fails here is tried again by the sweep() after the removal's time.
  CORBEL_CHECK(parts_.objects.remove(digest));
  CORBEL_CHECK(writeAlone(
      parts_.database,
      [&](store::Transaction& tx) {
        return tx.execute("DELETE FROM object_holds WHERE id = ?", removal);
      },
      deadline));
  return true;
}

Result<int> Custody::sweep(Deadline deadline) const {
  int removed = 0;
  for (;;) {
    CORBEL_TRY(const auto names,
               parts_.database.read(
                   [](store::Reader& reader) -> Result<std::vector<std::string>> {
                     CORBEL_TRY(const Timestamp now, reader.now());
                     return reader
                         .query(
                             "SELECT DISTINCT sha256 FROM object_holds WHERE until_at <= ? "
                             "LIMIT ?",
                             now, kSweptAtOnce)
                         .all([](const store::Row& row) { return row.string(0); });
                   },
                   deadline));
    for (const std::string& name : names) {
      CORBEL_TRY(const objects::Digest digest, objects::Digest::parse(name));
      CORBEL_TRY(const bool gone, removeIfUnused(digest, deadline));
      removed += gone ? 1 : 0;
    }
    if (names.size() < kSweptAtOnce) return removed;
  }
}

}  // namespace corbel::custody
