#include "events/sink_lease.h"

namespace corbel::events {
namespace {

constexpr std::chrono::milliseconds kGivenBack{500};

}  // namespace

SinkLease::~SinkLease() {
  if (!lasts(std::chrono::milliseconds(0))) return;
  static_cast<void>(database_.write(
      [&](store::Transaction& tx) {
        return tx.execute("DELETE FROM event_leases WHERE name = ? AND holder = ?", name_, holder_);
      },
      Deadline::after(clock_, kGivenBack)));
}

// Those who wait for a lease only read.
Result<bool> SinkLease::isOthers() const {
  return database_.read(
      [&](store::Reader& reader) -> Result<bool> {
        CORBEL_TRY(const Timestamp now, reader.now());
        CORBEL_TRY(const auto found,
                   reader
                       .query("SELECT 1 FROM event_leases WHERE name = ? AND holder <> ? AND "
                              "until_at > ?",
                              name_, holder_, now)
                       .one([](const store::Row& row) { return row.integer(0); }));
        return found.has_value();
      },
      Deadline::never());
}

Result<bool> SinkLease::take() {
  CORBEL_TRY(const bool others, isOthers());
  if (others) return false;
  const SteadyTime begin = clock_.steady();
  CORBEL_TRY(
      const bool taken,
      database_.write(
          [&](store::Transaction& tx) -> Result<bool> {
            CORBEL_TRY(const Timestamp now, tx.now());
            CORBEL_TRY(
                const auto changed,
                tx.change("INSERT INTO event_leases (name, holder, until_at) VALUES (?, ?, ?) ON "
                          "CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_at = "
                          "excluded.until_at WHERE event_leases.holder = excluded.holder OR "
                          "event_leases.until_at <= ?",
                          name_, holder_, now + kLength, now));
            return changed > 0;
          },
          Deadline::never()));
  if (taken) ends_ = begin + kLength;
  return taken;
}

}  // namespace corbel::events
