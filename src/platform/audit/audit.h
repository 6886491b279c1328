// Who did what to which object, from where, and how it ended. Lines are appended in the unit of
// work of the change they tell of and form one chain over the whole installation: each has the
// SHA-256 of the one before and itself, so that a line that was changed, removed or inserted later
// is found.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "store/store.h"
#include "telemetry/metrics.h"

namespace corbel::audit {

enum class Outcome : std::uint8_t {
  done,     // the change was committed with this line
  refused,  // the caller may not do that, or could not prove who he is
  failed    // part of the change may have been committed; the code says why it ended
};
std::string_view name(Outcome outcome);
std::optional<Outcome> outcome(std::string_view name);

// What happened. Texts are cut at kTextMax bytes, and anything but printable ASCII becomes '?'.
struct Act {
  std::string tenant;
  std::string principal;  // its id
  std::string kind;       // of principal: user, api_key, service, anonymous
  std::string action;     // as in "POST /api/v1/ai/keys/{key}/rotate"
  std::string object;     // as in "keys/019b…"
  std::string remote;     // address of the caller
  std::string requestId;
  Outcome outcome = Outcome::done;
  std::string code;          // of the error, else empty
  std::int64_t omitted = 0;  // refusals before this one that got no line
};

inline constexpr std::size_t kTextMax = 512;

struct Line {
  std::int64_t number = 0;  // 1, 2, 3 …
  Timestamp at;
  Act act;
  // What the chain has of principal, remote and request id: a hash that nobody can guess from, once
  // the salt is gone. So a line can lose them and stay in the chain. Of lines that an older program
  // wrote both are empty, and of lines that have lost them the salt.
  std::string salt = {};
  std::string who = {};
  std::string hash;  // 64 hexadecimal digits
};

// The SHA-256 of salt, principal, remote and request id, each as "<length in bytes>:<text>,".
std::string whoOf(const Line& line);

// What hash() covers, in this order: the hash of the line before (64 zeros before the first), then
// number, time (milliseconds since 1970), tenant, who, kind, action, object, outcome, code and
// omitted, each as "<length in bytes>:<text>,". Where `who` is empty: tenant, principal, kind,
// action, object, remote, request id, outcome, code and omitted.
std::string hashOf(const Line& line, std::string_view previousHash);
inline constexpr std::string_view kFirstHash =
    "0000000000000000000000000000000000000000000000000000000000000000";

// Empty texts and absent times: all.
struct Query {
  std::string tenant;
  std::string principal = {};
  std::string action = {};
  std::string object = {};
  std::optional<Outcome> outcome = {};
  std::optional<Timestamp> from = {};  // and later
  std::optional<Timestamp> to = {};    // before
};

// A point of the chain that somebody has written down elsewhere.
struct Anchor {
  std::int64_t number = 0;
  std::string hash;
};

// What reading the whole chain found.
struct Verdict {
  struct Break {
    std::int64_t number = 0;  // of the first line that is wrong
    std::string reason;
  };
  std::int64_t lines = 0;   // that are good
  std::int64_t erased = 0;  // of them, that have lost the name
  Anchor start;             // behind which the chain begins; number 0: at its very beginning
  Anchor head;              // of the last good one
  std::optional<Break> broken = {};
};

// Thread-safe.
class AuditLog {
 public:
  // Refusals that get a line: so many at once, and so many a second on the long run.
  static constexpr int kRefusalBurst = 50;
  static constexpr int kRefusalsPerSecond = 5;

  // Everything must outlive it.
  struct Parts {
    store::Database& database;
    const Clock& clock;
    Random& random;
    metrics::Metrics* metrics = nullptr;  // null: nobody counts
  };
  explicit AuditLog(Parts parts);

  // As the last line, committed with everything else in `tx`.
  Result<void> append(store::Transaction& tx, const Act& act) const;
  // In a unit of its own; does not wait. One that cannot be written is an error in the log.
  void appendSoon(Act act) const;
  // The same for refusals, within kRefusalsPerSecond: the others are counted in the next line.
  void appendRefusal(Act act) CORBEL_EXCLUDES(mutex_);

  // Newest first, with numbers below `before`.
  Result<std::vector<Line>> newest(const Query& query, std::int64_t before, int limit,
                                   Deadline deadline) const;
  // Oldest first, with numbers above `after`.
  Result<std::vector<Line>> oldest(const Query& query, std::int64_t after, int limit,
                                   Deadline deadline) const;

  // The last line; number 0 when there is none.
  Result<Anchor> head(Deadline deadline) const;
  // Reads every line that was there when it began. `anchor`: the chain must have that point.
  // deadline_exceeded, unavailable, internal: it could not be read to its end. unprocessable: the
  // line of the anchor is not kept any more.
  Result<Verdict> verify(const std::optional<Anchor>& anchor, Deadline deadline) const;

  // Removes the lines at the old end that were written before `time`; how many. The chain begins
  // behind them from then on, and that they are gone is a line itself.
  Result<std::int64_t> shorten(Timestamp time, Deadline deadline) const;

 private:
  bool mayWriteRefusal() CORBEL_REQUIRES(mutex_);

  const Parts parts_;
  Mutex mutex_;
  std::int64_t omitted_ CORBEL_GUARDED_BY(mutex_) = 0;
  double allowance_ CORBEL_GUARDED_BY(mutex_) = kRefusalBurst;
  SteadyTime allowedAt_ CORBEL_GUARDED_BY(mutex_);
};

}  // namespace corbel::audit
