#include "audit/audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <utility>

#include "audit_store.h"
#include "crypto/encoding.h"
#include "crypto/sha256.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::audit {
namespace {

constexpr int kReadAtOnce = 1'000;
constexpr int kRemovedAtOnce = 5'000;
constexpr std::string_view kErasedName = "erased:";
constexpr std::array<std::string_view, 3> kOutcomes = {"done", "refused", "failed"};

// What goes into a line comes from outside, and lines are read in terminals.
std::string plain(std::string_view text) {
  std::string cut(text.substr(0, kTextMax));
  std::ranges::replace_if(cut, [](char c) { return c < ' ' || c > '~'; }, '?');
  return cut;
}

Act plain(const Act& act) {
  return {.tenant = plain(act.tenant),
          .principal = plain(act.principal),
          .kind = plain(act.kind),
          .action = plain(act.action),
          .object = plain(act.object),
          .remote = plain(act.remote),
          .requestId = plain(act.requestId),
          .outcome = act.outcome,
          .code = plain(act.code),
          .omitted = act.omitted};
}

std::string hashOfAll(std::initializer_list<std::string_view> texts) {
  crypto::Sha256 hash;
  for (const std::string_view text : texts) {
    hash.update(fmt::format("{}:", text.size()));
    hash.update(text);
    hash.update(std::string_view(","));
  }
  return crypto::hex(hash.finish());
}

// As many bits as nobody can try.
std::string makeSalt(Random& random) {
  std::array<std::byte, 16> bytes{};
  random.fill(bytes);
  return crypto::toHex(bytes);
}

// Follows the chain, line by line.
class Walk {
 public:
  Walk(Verdict& verdict, const std::optional<Anchor>& anchor) : verdict_(verdict), anchor_(anchor) {
    verdict_.head = verdict_.start;
    const Anchor& start = verdict_.start;
    if (anchor_ && anchor_->number == start.number && anchor_->hash != start.hash)
      refuse(start.number, "its hash is not the one that was written down");
  }

  bool broken() const { return verdict_.broken.has_value(); }
  void step(const Line& line) {
    const std::int64_t expected = verdict_.head.number + 1;
    if (line.number != expected) return refuse(expected, "it is missing");
    if (hashOf(line, verdict_.head.hash) != line.hash)
      return refuse(expected, "it was changed, or the line before it was replaced");
    const bool isErased = !line.who.empty() && line.salt.empty();
    if (!line.salt.empty() && whoOf(line) != line.who)
      return refuse(expected, "it was changed: who did it, or from where");
    if (isErased && !line.act.principal.starts_with(kErasedName))
      return refuse(expected, "it was changed: who did it");
    verdict_.erased += isErased ? 1 : 0;
    verdict_.head = {.number = line.number, .hash = line.hash};
    ++verdict_.lines;
    if (anchor_ && anchor_->number == line.number && anchor_->hash != line.hash)
      refuse(expected, "its hash is not the one that was written down");
  }
  void end(const Anchor& head, std::optional<std::int64_t> above) {
    if (broken()) return;
    if (verdict_.head.number < head.number)
      return refuse(verdict_.head.number + 1, "it is missing");
    if (verdict_.head.hash != head.hash)
      return refuse(head.number, "it is not the one that the head of the log names");
    if (above) return refuse(*above, "it was inserted behind the end");
    if (anchor_ && anchor_->number > head.number)
      refuse(head.number + 1, "it is missing: the chain was longer when its end was written down");
  }

 private:
  void refuse(std::int64_t number, std::string reason) {
    verdict_.broken = {.number = number, .reason = std::move(reason)};
  }
  Verdict& verdict_;
  const std::optional<Anchor>& anchor_;
};

}  // namespace

std::string_view name(Outcome outcome) { return kOutcomes[static_cast<std::size_t>(outcome)]; }

std::optional<Outcome> outcome(std::string_view name) {
  const auto found = std::ranges::find(kOutcomes, name);
  if (found == kOutcomes.end()) return std::nullopt;
  return static_cast<Outcome>(found - kOutcomes.begin());
}

std::string whoOf(const Line& line) {
  return hashOfAll({line.salt, line.act.principal, line.act.remote, line.act.requestId});
}

std::string hashOf(const Line& line, std::string_view previousHash) {
  const Act& act = line.act;
  const std::string number = fmt::format("{}", line.number);
  const std::string at = fmt::format("{}", line.at.time_since_epoch().count());
  const std::string omitted = fmt::format("{}", act.omitted);
  if (line.who.empty()) {
    return hashOfAll({previousHash, number, at, act.tenant, act.principal, act.kind, act.action,
                      act.object, act.remote, act.requestId, name(act.outcome), act.code, omitted});
  }
  return hashOfAll({previousHash, number, at, act.tenant, line.who, act.kind, act.action,
                    act.object, name(act.outcome), act.code, omitted});
}

AuditLog::AuditLog(Parts parts) : parts_(parts), allowedAt_(parts.clock.steady()) {
  // Shown from the start.
  if (parts_.metrics != nullptr) parts_.metrics->of(metrics::kAuditOmitted).with().add(0);
}

Result<void> AuditLog::append(store::Transaction& tx, const Act& act) const {
  CORBEL_TRY(const Anchor head, audit_store::head(tx));
  Line line{.number = head.number + 1, .at = parts_.clock.now(), .act = plain(act), .hash = {}};
  line.salt = makeSalt(parts_.random);
  line.who = whoOf(line);
  line.hash = hashOf(line, head.hash);
  if (parts_.metrics != nullptr) {
    auto& lines = parts_.metrics->of(metrics::kAuditLines).with(name(act.outcome));
    tx.afterCommit([&lines] { lines.add(); });
  }
  return audit_store::insert(tx, line);
}

void AuditLog::appendSoon(Act act) const {
  parts_.database.write(
      {.apply = [this, act = std::move(act)](store::Transaction& tx) { return append(tx, act); },
       .done =
           [](Result<void> outcome) {
             if (outcome) return;
             log::error("audit", "a line of the audit log was lost",
                        {{"detail", outcome.error().message}});
           }});
}

bool AuditLog::mayWriteRefusal() {
  const SteadyTime now = parts_.clock.steady();
  const std::chrono::duration<double> passed = now - std::exchange(allowedAt_, now);
  allowance_ = std::min(allowance_ + passed.count() * kRefusalsPerSecond, double{kRefusalBurst});
  if (allowance_ < 1) return false;
  allowance_ -= 1;
  return true;
}

void AuditLog::appendRefusal(Act act) {
  {
    const MutexLock lock(mutex_);
    if (!mayWriteRefusal()) {
      ++omitted_;
      if (parts_.metrics != nullptr) parts_.metrics->of(metrics::kAuditOmitted).with().add();
      return;
    }
    act.omitted = std::exchange(omitted_, 0);
  }
  act.outcome = Outcome::refused;
  appendSoon(std::move(act));
}

Result<std::vector<Line>> AuditLog::newest(const Query& query, std::int64_t before, int limit,
                                           Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return audit_store::newest(reader, query, before, limit); },
      deadline);
}

Result<std::vector<Line>> AuditLog::oldest(const Query& query, std::int64_t after, int limit,
                                           Deadline deadline) const {
  return parts_.database.read(
      [&](store::Reader& reader) { return audit_store::oldest(reader, query, after, limit); },
      deadline);
}

Result<Anchor> AuditLog::head(Deadline deadline) const {
  return parts_.database.read(audit_store::head, deadline);
}

Result<Verdict> AuditLog::verify(const std::optional<Anchor>& anchor, Deadline deadline) const {
  struct End {
    Anchor start;
    Anchor head;
    std::optional<std::int64_t> above;
  };
  CORBEL_TRY(const End end, parts_.database.read(
                                [](store::Reader& reader) -> Result<End> {
                                  CORBEL_TRY(Anchor start, audit_store::start(reader));
                                  CORBEL_TRY(Anchor head, audit_store::head(reader));
                                  CORBEL_TRY(const auto above,
                                             audit_store::firstAbove(reader, head.number));
                                  return End{std::move(start), std::move(head), above};
                                },
                                deadline));
  if (anchor && anchor->number < end.start.number) {
    return fail(ErrorCode::unprocessable,
                fmt::format("The line {} is not kept any more: the log begins behind line {}.",
                            anchor->number, end.start.number));
  }
  Verdict verdict{.start = end.start, .head = {}};
  Walk walk(verdict, anchor);
  std::int64_t after = end.start.number;
  while (!walk.broken()) {
    CORBEL_TRY(const auto lines, parts_.database.read(
                                     [&](store::Reader& reader) {
                                       return audit_store::chain(reader, after, end.head.number,
                                                                 kReadAtOnce);
                                     },
                                     deadline));
    if (lines.empty()) break;
    for (const Line& line : lines) {
      if (!walk.broken()) walk.step(line);
    }
    after = lines.back().number;
  }
  walk.end(end.head, end.above);
  return verdict;
}

Result<std::int64_t> AuditLog::shorten(Timestamp time, Deadline deadline) const {
  std::int64_t all = 0;
  while (true) {
    CORBEL_TRY(const std::int64_t some,
               parts_.database.write(
                   [&](store::Transaction& tx) -> Result<std::int64_t> {
                     CORBEL_TRY(const auto last, audit_store::lastBefore(tx, time, kRemovedAtOnce));
                     if (!last) return 0;
                     CORBEL_TRY(const std::int64_t removed, audit_store::removeUpTo(tx, *last));
                     CORBEL_CHECK(append(tx, {.tenant = "default",
                                              .principal = "corbel",
                                              .kind = "service",
                                              .action = "audit log shortened",
                                              .object = fmt::format("audit-lines/{}", last->number),
                                              .remote = {},
                                              .requestId = {},
                                              .code = {}}));
                     return removed;
                   },
                   deadline));
    all += some;
    if (some < kRemovedAtOnce) return all;
  }
}

}  // namespace corbel::audit
