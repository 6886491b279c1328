#include "events/dispatcher.h"

#include <algorithm>
#include <limits>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "events/delivery_store.h"
#include "events/sink_lease.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::events {
namespace {

constexpr std::string_view kModule = "events";
constexpr std::chrono::seconds kAfterStoreFailure{1};
constexpr std::chrono::seconds kSlow{1};
// One wave, and a while to note what became of it.
constexpr std::chrono::seconds kWave = Courier::kPublish + std::chrono::seconds(2);
static_assert(2 * kWave < SinkLease::kLength);

// From 0 to below `longest`.
std::chrono::milliseconds jitter(Random& random, std::chrono::milliseconds longest) {
  std::uint64_t number = 0;
  random.fill(std::as_writable_bytes(std::span(&number, 1)));
  return std::chrono::milliseconds(
      number % static_cast<std::uint64_t>(std::max<std::int64_t>(longest.count(), 1)));
}

std::chrono::milliseconds backOff(const Retry& retry, int failures, Random& random) {
  const int doublings = std::clamp(failures - 1, 0, 30);
  const std::int64_t wait = retry.firstWait.count() << doublings;
  return jitter(random, std::min(retry.longestWait, std::chrono::milliseconds(wait)));
}

// FNV-1a: the same in every process, so that a target keeps its lane.
std::uint64_t hashOf(std::string_view text) {
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  return hash;
}

std::string leaseName(const EventSink& sink, const Lane& lane) {
  return std::string(sink.name()) + "/" + std::to_string(lane.index) + "/" +
         std::to_string(lane.count);
}

}  // namespace

struct Courier::Delivery {
  std::vector<Waiting> batch;
  std::vector<const Waiting*> published;  // with an outcome each
  std::vector<Outcome> outcomes;
  bool failed = false;
};

Courier::Courier(const DispatchParts& parts, EventSink& sink, Lane lane)
    : parts_(parts),
      sink_(sink),
      lane_(lane),
      lease_(std::make_unique<SinkLease>(parts.database, parts.clock, leaseName(sink, lane),
                                         parts.ids.next())),
      retry_(sink.retry()),
      delivered_(parts.metrics.of(metrics::kEventsDelivered).with(sink.name())),
      failed_(parts.metrics.of(metrics::kEventsFailed).with(sink.name())),
      dead_(parts.metrics.of(metrics::kEventsDead).with(sink.name())),
      forgotten_(parts.metrics.of(metrics::kEventsForgotten).with(sink.name())),
      pending_(parts.metrics.of(metrics::kEventsPending).with(sink.name())),
      lag_(parts.metrics.of(metrics::kEventsLag).with(sink.name())) {}

Courier::~Courier() = default;

bool Courier::isMine(const std::string& target) const {
  return hashOf(target) % lane_.count == lane_.index;
}

SteadyTime Courier::round() {
  SteadyTime next = parts_.clock.steady() + kPoll;
  auto names = sink_.targets(patience());
  if (!names) {
    log::warn(kModule, "targets could not be read", {{"detail", names.error().detail}});
    return parts_.clock.steady() + kAfterStoreFailure;
  }
  std::map<std::string, Target> known;
  for (const std::string& name : *names) {
    if (isMine(name)) known[name] = std::move(targets_[name]);
  }
  targets_ = std::move(known);
  bool isTired = false;
  for (const Due due : dueTargets(next)) {
    if (stopping_) break;
    if (isTired && due->second.pace != Pace::quick) {
      next = parts_.clock.steady();
      continue;
    }
    isTired |= serveAndLearn(due->first, due->second, next);
  }
  count();
  return next;
}

std::vector<Courier::Due> Courier::dueTargets(SteadyTime& next) {
  std::vector<Due> due;
  for (auto& target : targets_) {
    if (target.second.notBefore <= parts_.clock.steady()) {
      due.push_back(&target);
    } else {
      next = std::min(next, target.second.notBefore);
    }
  }
  std::ranges::sort(due, {}, [](const Due one) {
    return std::tuple(one->second.pace, one->second.served, std::string_view(one->first));
  });
  return due;
}

// Whether it took long.
bool Courier::serveAndLearn(const std::string& name, Target& target, SteadyTime& next) {
  const SteadyTime begin = parts_.clock.steady();
  const auto more = serve(name, target);
  if (!more) {
    log::warn(kModule, "events could not be read or settled",
              {{"sink", sink_.name()},
               {"reason", more.error().message},
               {"detail", more.error().detail}});
  } else if (*more) {
    next = parts_.clock.steady();
  } else if (target.failures > 0) {
    next = std::min(next, target.notBefore);
  }
  const bool isSlow = parts_.clock.steady() - begin >= kSlow;
  target.pace = isSlow ? Pace::slow : Pace::quick;
  target.served = begin;
  return isSlow;
}

// Whether there is more to do at once.
Result<bool> Courier::serve(const std::string& name, Target& target) {
  const int limit = target.failures > 0 ? 1 : kBatch;
  Delivery delivery;
  CORBEL_TRY(delivery.batch, head(name, limit));
  if (delivery.batch.empty()) return false;
  if (!lease_->lasts(kWave)) {
    CORBEL_TRY(const bool taken, lease_->take());
    if (!taken) return false;
    // Whoever had the lease may have delivered them meanwhile.
    CORBEL_TRY(delivery.batch, head(name, limit));
  }
  publishWaves(name, delivery);
  learn(target, delivery);
  CORBEL_CHECK(record(name, delivery));
  return !delivery.failed && delivery.batch.size() == static_cast<std::size_t>(limit);
}

Result<std::vector<Waiting>> Courier::head(const std::string& target, int limit) const {
  return parts_.database.read(
      [&](store::Reader& reader) {
        return delivery_store::head(reader, sink_.name(), target, limit);
      },
      patience());
}

void Courier::publishWaves(const std::string& name, Delivery& delivery) {
  std::vector<const Waiting*> rest;
  rest.reserve(delivery.batch.size());
  for (const Waiting& waiting : delivery.batch) rest.push_back(&waiting);
  while (!rest.empty() && !delivery.failed && !stopping_ && lease_->lasts(kWave)) {
    std::vector<const Waiting*> wave;
    std::vector<const Waiting*> later;
    std::vector<Event> events;
    std::set<std::string_view> keys;
    for (const Waiting* waiting : rest) {
      const bool first = keys.insert(waiting->event.partitionKey).second;
      (first ? wave : later).push_back(waiting);
      if (first) events.push_back(waiting->event);
    }
    const auto outcomes = sink_.publish(name, events, Deadline::after(parts_.clock, kPublish));
    for (std::size_t i = 0; i < std::min(outcomes.size(), wave.size()); ++i) {
      delivery.published.push_back(wave[i]);
      delivery.outcomes.push_back(outcomes[i]);
      delivery.failed |= outcomes[i].verdict == Verdict::failed;
    }
    // Those that were not tried come with the next round, in order.
    if (outcomes.size() < wave.size()) return;
    rest = std::move(later);
  }
}

Settled Courier::settledAs(const Waiting& waiting, const Outcome& outcome) const {
  using Fate = Settled::Fate;
  if (outcome.verdict == Verdict::delivered) return {waiting, outcome, Fate::delivered};
  const bool isLast = retry_.attemptsMax && waiting.attempts + 1 >= *retry_.attemptsMax;
  const bool again = outcome.verdict == Verdict::failed && !isLast;
  return {waiting, outcome, again ? Fate::again : Fate::dead};
}

Result<void> Courier::record(const std::string& name, const Delivery& delivery) {
  std::vector<Settled> settled;
  std::uint64_t delivered = 0;
  std::uint64_t dead = 0;
  for (std::size_t i = 0; i < delivery.published.size(); ++i) {
    const Settled one = settledAs(*delivery.published[i], delivery.outcomes[i]);
    delivered += one.fate == Settled::Fate::delivered ? 1 : 0;
    dead += one.fate == Settled::Fate::dead ? 1 : 0;
    failed_.add(one.outcome.verdict == Verdict::failed ? 1 : 0);
    // A sink that is away for hours costs no writes unless its attempts are counted.
    if (one.fate != Settled::Fate::again || retry_.attemptsMax) settled.push_back(one);
  }
  if (settled.empty()) return {};
  const Timestamp now = parts_.clock.now();
  CORBEL_TRY(const std::int64_t forgotten,
             parts_.database.write(
                 [&](store::Transaction& tx) -> Result<std::int64_t> {
                   for (const Settled& one : settled) {
                     if (name.empty()) break;
                     CORBEL_CHECK(delivery_store::noteAttempt(tx, parts_.ids.next(), sink_.name(),
                                                              name, one.waiting, one.outcome, now));
                   }
                   if (!name.empty())
                     CORBEL_CHECK(delivery_store::trimAttempts(tx, sink_.name(), name));
                   return delivery_store::settle(tx, sink_.name(), name, settled, now);
                 },
                 patience()));
  delivered_.add(delivered);
  dead_.add(dead);
  if (dead > 0)
    log::warn(kModule, "events became dead letters",
              {{"sink", sink_.name()}, {"target", name}, {"events", dead}});
  if (forgotten == 0) return {};
  forgotten_.add(static_cast<std::uint64_t>(forgotten));
  log::warn(kModule, "old dead letters were removed",
            {{"sink", sink_.name()}, {"target", name}, {"events", forgotten}});
  return {};
}

void Courier::learn(Target& target, const Delivery& delivery) {
  const auto failure = std::ranges::find(delivery.outcomes, Verdict::failed, &Outcome::verdict);
  if (failure == delivery.outcomes.end()) {
    if (target.failures >= kBreakerFailures)
      log::info(kModule, "sink is back", {{"sink", sink_.name()}});
    target.failures = 0;
    target.notBefore = {};
    target.lastError.clear();
    return;
  }
  target.failures = std::min(target.failures + 1, std::numeric_limits<int>::max() - 1);
  target.lastError = failure->reason;
  target.notBefore = parts_.clock.steady() + backOff(retry_, target.failures, parts_.random);
  if (target.failures == kBreakerFailures)
    log::warn(kModule, "sink does not take events",
              {{"sink", sink_.name()}, {"detail", target.lastError}});
}

void Courier::count() {
  Status status;
  for (const auto& [name, target] : targets_) {
    if (target.failures <= status.failures) continue;
    status.failures = target.failures;
    status.lastError = target.lastError;
  }
  const SteadyTime now = parts_.clock.steady();
  const bool due = now >= nextCount_;
  if (due) nextCount_ = now + kCount;
  const auto backlog = due ? parts_.database.read(
                                 [&](store::Reader& reader) {
                                   return delivery_store::backlog(reader, sink_.name());
                                 },
                                 patience())
                           : Result<Backlog>(Backlog{});
  const MutexLock lock(mutex_);
  if (due && backlog) {
    status_.pending = backlog->rows;
    const Timestamp wall = parts_.clock.now();
    status_.lag = std::chrono::duration_cast<std::chrono::seconds>(
        wall - std::min(backlog->oldest.value_or(wall), wall));
    pending_.set(static_cast<double>(status_.pending));
    lag_.set(static_cast<double>(status_.lag.count()));
    parts_.metrics.of(metrics::kOutboxRows).with().set(static_cast<double>(backlog->outbox.rows));
    parts_.metrics.of(metrics::kOutboxBytes).with().set(static_cast<double>(backlog->outbox.bytes));
  }
  status_.failures = status.failures;
  status_.lastError = std::move(status.lastError);
}

Courier::Status Courier::status() const {
  const MutexLock lock(mutex_);
  return status_;
}

Dispatcher::Dispatcher(const DispatchParts& parts, EventSink& sink, Lane lane)
    : name_(sink.name()), courier_(parts, sink, lane), thread_([this] { run(); }) {}

Dispatcher::~Dispatcher() {
  stop(Deadline::at(SteadyTime::min()));
  thread_.join();
}

void Dispatcher::wake() {
  const MutexLock lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

bool Dispatcher::stop(Deadline deadline) {
  courier_.stop();
  MutexLock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  while (!ended_) {
    if (!lock.waitUntil(changed_, deadline.time())) break;
  }
  return ended_;
}

void Dispatcher::run() {
  for (;;) {
    const SteadyTime next = courier_.round();
    MutexLock lock(mutex_);
    while (!stopping_ && !woken_) {
      if (!lock.waitUntil(changed_, next)) break;
    }
    woken_ = false;
    if (!stopping_) continue;
    ended_ = true;
    changed_.notify_all();
    return;
  }
}

}  // namespace corbel::events
