#include "jobs/workers.h"

#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "jobs/attempt.h"
#include "jobs/job_endings.h"
#include "jobs/job_store.h"
#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::jobs {
namespace {

constexpr Backoff kBackoff{};
constexpr std::chrono::seconds kStoreTime{10};  // of one unit of work
constexpr std::chrono::seconds kCleaning{60};
constexpr int kRemovedAtOnce = 200;
constexpr int kTakenBackAtOnce = 100;
constexpr std::int64_t kCounted = 1'000'000;
constexpr int kNice = 5;

void complain(std::string_view what, const Error& error) {
  log::warn("jobs", what, {{"detail", error.detail.empty() ? error.message : error.detail}});
}

// The store takes these values neither now nor later.
bool isNeverTaken(ErrorCode code) {
  return code == ErrorCode::invalidArgument || code == ErrorCode::payloadTooLarge;
}

// What becomes of an attempt that has ended.
rows::Ending endingOf(const Job& job, const Result<std::string>& outcome, StopReason reason,
                      Timestamp now, Random& random) {
  if (outcome) return {.status = Status::succeeded, .now = now, .result = *outcome};
  switch (reason) {
    case StopReason::cancelled:
      return {.status = Status::cancelled, .now = now};
    case StopReason::processEnds:
    case StopReason::leaseLost:
      return {.status = Status::queued, .now = now, .runAt = now, .countsAttempt = false};
    case StopReason::outOfTime: {
      static const Error kLate{
          ErrorCode::deadlineExceeded, "The job took longer than its kind allows.", {}, {}};
      return endingOf(job, kLate, now, kBackoff, random);
    }
    case StopReason::none:
      return endingOf(job, outcome.error(), now, kBackoff, random);
  }
  std::unreachable();
}

}  // namespace

Workers::Workers(Parts parts, WorkerOptions options)
    : parts_(std::move(parts)),
      options_(options),
      kinds_(parts_.kinds.names()),
      ended_(parts_.metrics.of(metrics::kJobsEnded)),
      nextCleaning_(parts_.clock.steady()),
      pool_(std::make_unique<exec::Pool>(
          exec::PoolOptions{
              .name = "jobs", .threads = options.threads, .queueBound = options.threads},
          parts_.clock)),
      thread_([this] { look(); }) {}

Workers::~Workers() {
  stop(Deadline::at(parts_.clock.steady()));
  pool_->stop(Deadline::never());
  {
    const MutexLock lock(mutex_);
    leaving_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

Deadline Workers::patience() const { return Deadline::after(parts_.clock, kStoreTime); }

void Workers::wake() {
  const MutexLock lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

bool Workers::stop(Deadline deadline) {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    woken_ = true;
    for (const auto& attempt : attempts_) attempt->tellToStop(StopReason::processEnds);
    changed_.notify_all();
  }
  MutexLock lock(mutex_);
  while (!lookedLast_) {
    if (!waitUntil(lock, changed_, deadline, parts_.clock)) return lookedLast_;
  }
  return true;
}

Workers::Stats Workers::stats() const {
  const MutexLock lock(mutex_);
  return {attempts_.size(), waiting_};
}

Workers::Attempts Workers::attempts() const {
  const MutexLock lock(mutex_);
  return attempts_;
}

void Workers::look() {
  pthread_setname_np(pthread_self(), "job-keeper");
  for (;;) {
    const bool isLast = [&] {
      const MutexLock lock(mutex_);
      return leaving_;
    }();
    round();
    MutexLock lock(mutex_);
    if (isLast || (stopping_ && attempts_.empty())) {
      lookedLast_ = true;
      changed_.notify_all();
      return;
    }
    const Deadline next = Deadline::after(parts_.clock, options_.round);
    while (!woken_ && !leaving_) {
      if (!waitUntil(lock, changed_, next, parts_.clock)) break;
    }
    woken_ = false;
  }
}

void Workers::round() {
  settleEnded();
  renew();
  stopOverdue();
  const bool mayBegin = [&] {
    const MutexLock lock(mutex_);
    return !stopping_ && attempts_.size() < options_.threads;
  }();
  if (const auto fired = parts_.schedules.fireDue(patience()); !fired)
    complain("schedules could not be looked at", fired.error());
  if (mayBegin && (!parts_.mayBegin || parts_.mayBegin())) claim();
  if (parts_.clock.steady() < nextCleaning_) return;
  nextCleaning_ = parts_.clock.steady() + kCleaning;
  removeOld();
  if (parts_.clean) {
    if (const auto cleaned = parts_.clean(Deadline::after(parts_.clock, kCleaning)); !cleaned)
      complain("files that nobody needs could not be removed", cleaned.error());
  }
  countOpen();
}

void Workers::settleEnded() {
  for (const auto& attempt : attempts()) {
    if (!settled(*attempt)) continue;
    const MutexLock lock(mutex_);
    attempts_.remove(attempt);
  }
}

// False: it runs, or its end could not be written yet; then the lease is held until it can.
bool Workers::settled(Attempt& attempt) {
  const auto end = attempt.ended();
  if (!end) return false;
  const Job& job = attempt.job();
  if (end->reason == StopReason::leaseLost) return true;
  const auto news = attempt.news();
  Status status = Status::queued;
  const auto held = parts_.database.write(
      [&](store::Transaction& tx) -> Result<bool> {
        CORBEL_TRY(const Timestamp now, tx.now());
        const rows::Report report{news.progress, news.stage, news.message, news.changed};
        CORBEL_TRY(const auto renewed, rows::renew(tx, {job.id, attempt.token()}, now, report));
        if (!renewed) return false;
        // Whoever cancelled it was told that it ends, also where it was not told in time.
        const StopReason reason = renewed->cancelRequested ? StopReason::cancelled : end->reason;
        const rows::Ending ending = endingOf(job, end->outcome, reason, now, parts_.random);
        status = ending.status;
        auto lines = news.lines.lines();
        for (LogLine& line : lines) line.revision = renewed->revision;
        CORBEL_CHECK(rows::addLog(tx, job.id, lines));
        if (ending.status == Status::succeeded) {
          for (const JobFile& file : end->files) CORBEL_CHECK(rows::saveFile(tx, job.id, file));
        }
        return settle(parts_.outbox, tx, job, attempt.token(), ending);
      },
      patience());
  if (!held) {
    complain("the end of a job could not be written, and will be tried again", held.error());
    if (isNeverTaken(held.error().code))
      attempt.end(fail(ErrorCode::internal, "What the job answered cannot be stored."));
    return attempt.leaseEnds() < parts_.clock.steady();
  }
  if (*held && hasEnded(status)) ended_.with(name(status), job.kind).add();
  if (!end->outcome && !end->outcome.error().detail.empty())
    complain("a job failed", end->outcome.error());
  parts_.queue.wake();
  if (parts_.outbox != nullptr) parts_.outbox->wake();
  return true;
}

void Workers::renew() {
  bool changed = false;
  for (const auto& attempt : attempts()) {
    const auto news = attempt->news();
    const SteadyTime begin = parts_.clock.steady();
    const auto renewed = parts_.database.write(
        [&](store::Transaction& tx) -> Result<std::optional<rows::Renewed>> {
          CORBEL_TRY(const Timestamp now, tx.now());
          const rows::Report report{news.progress, news.stage, news.message, news.changed};
          CORBEL_TRY(const auto held, rows::renew(tx, {attempt->job().id, attempt->token()},
                                                  now + options_.lease, report));
          if (!held) return std::nullopt;
          auto lines = news.lines.lines();
          for (LogLine& line : lines) line.revision = held->revision;
          CORBEL_CHECK(rows::addLog(tx, attempt->job().id, lines));
          return held;
        },
        patience());
    if (!renewed) {
      complain("the lease of a job could not be renewed", renewed.error());
      continue;
    }
    if (!*renewed) {
      attempt->tellToStop(StopReason::leaseLost);
      continue;
    }
    attempt->written(news, begin + options_.lease);
    changed = changed || news.changed;
    if ((*renewed)->cancelRequested) attempt->tellToStop(StopReason::cancelled);
  }
  if (changed) parts_.queue.tellChanged();
}

void Workers::stopOverdue() {
  for (const auto& attempt : attempts()) {
    if (attempt->leaseEnds() <= parts_.clock.steady()) attempt->tellToStop(StopReason::leaseLost);
    if (attempt->deadline().expired(parts_.clock)) attempt->tellToStop(StopReason::outOfTime);
  }
}

void Workers::claim() {
  const auto due = parts_.database.read(
      [&](store::Reader& reader) -> Result<bool> {
        CORBEL_TRY(const Timestamp now, reader.now());
        return rows::isWorkDue(reader, kinds_, now);
      },
      patience());
  if (!due || !*due) return;
  takeBack();
  const std::string token = parts_.ids.next();
  const int free = static_cast<int>(options_.threads - attempts().size());
  auto claimed = parts_.database.write(
      [&](store::Transaction& tx) -> Result<std::vector<Job>> {
        CORBEL_TRY(const Timestamp now, tx.now());
        return rows::claim(tx, {.kinds = kinds_,
                                .token = token,
                                .now = now,
                                .until = now + options_.lease,
                                .limit = free});
      },
      patience());
  if (!claimed) return complain("no job could be taken from the queue", claimed.error());
  for (Job& job : *claimed) begin(std::move(job), token);
}

// In a unit of its own: what cannot be taken back, as when the outbox is full, keeps nobody from
// the other jobs.
void Workers::takeBack() {
  const auto taken = parts_.database.write(
      [&](store::Transaction& tx) -> Result<int> {
        CORBEL_TRY(const Timestamp now, tx.now());
        return takeBackLost(parts_.outbox, tx, now, kBackoff, parts_.random, kTakenBackAtOnce);
      },
      patience());
  if (!taken) complain("lost jobs could not be taken back", taken.error());
}

void Workers::begin(Job job, const std::string& token) {
  const Kind* kind = parts_.kinds.find(job.kind);
  const auto attempt = std::make_shared<Attempt>(
      std::move(job), token, Deadline::after(parts_.clock, kind->deadline),
      parts_.clock.steady() + options_.lease, parts_.clock);
  {
    const MutexLock lock(mutex_);
    attempts_.push_back(attempt);
    if (stopping_) attempt->tellToStop(StopReason::processEnds);
  }
  if (!pool_->tryRun([this, attempt] { run(attempt); }))
    attempt->end(fail(ErrorCode::unavailable, "The worker was busy."));
}

// What somebody waits for goes first: on Linux the priority is the thread's own.
void Workers::run(const std::shared_ptr<Attempt>& attempt) {
  ::setpriority(PRIO_PROCESS, 0, kNice);
  const Kind* kind = parts_.kinds.find(attempt->job().kind);
  try {
    attempt->end(kind->run(*attempt));
  } catch (const std::exception& exception) {
    attempt->end(fail(ErrorCode::internal, "The job failed on our side.", exception.what()));
  }
  wake();
}

void Workers::removeOld() {
  const auto old = parts_.database.read(
      [&](store::Reader& reader) -> Result<std::vector<std::string>> {
        CORBEL_TRY(const Timestamp now, reader.now());
        return rows::finishedBefore(reader, now - options_.keep, kRemovedAtOnce);
      },
      patience());
  if (!old) return complain("old jobs could not be looked for", old.error());
  for (const std::string& id : *old) {
    const auto removed = parts_.database.write(
        [&](store::Transaction& tx) -> Result<void> {
          CORBEL_TRY(const auto files, rows::files(tx, id));
          CORBEL_TRY(const bool gone, rows::remove(tx, id));
          if (!gone || !parts_.letGo) return {};
          for (const JobFile& file : files) CORBEL_CHECK(parts_.letGo(tx, file));
          return {};
        },
        patience());
    if (!removed) return complain("an old job could not be removed", removed.error());
  }
}

void Workers::countOpen() {
  const auto open = parts_.database.read(
      [](store::Reader& reader) { return rows::countAllOpen(reader, kCounted); }, patience());
  if (!open) return;
  const MutexLock lock(mutex_);
  waiting_ = *open;
}

}  // namespace corbel::jobs
