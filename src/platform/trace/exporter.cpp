#include "trace/exporter.h"

#include <pthread.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <limits>
#include <span>
#include <utility>

#include "telemetry/log.h"
#include "telemetry/metric_table.h"

namespace corbel::trace {
namespace {

constexpr std::chrono::seconds kSend{5};
constexpr std::string_view kModule = "trace";

// OTLP/HTTP: these may succeed later.
bool isPassing(int status) {
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Exporter::Exporter(const Parts& parts, ExporterOptions options, Send send)
    : parts_(parts),
      options_(std::move(options)),
      send_(std::move(send)),
      exported_(parts.metrics.of(metrics::kSpansExported).with()),
      dropped_(parts.metrics.of(metrics::kSpansDropped).with()) {
  followWallClock();
  thread_ = std::thread([this] { run(); });
}

Exporter::~Exporter() { stop(Deadline::at(SteadyTime::min())); }

CallTrace Exporter::begin(std::string_view traceparent) {
  const auto caller = parseTraceparent(traceparent);
  if (caller && !caller->sampled) return {.position = {nullptr, caller}};
  Context own;
  if (caller) {
    own = *caller;
  } else {
    own.traceHigh = newId();
    own.traceLow = newId();
    own.sampled = isSampled(own.traceLow);
    if (!own.sampled) return {};
  }
  own.spanId = newId();
  return {.position = {this, own}, .parentSpanId = caller ? caller->spanId : 0, .startNs = nowNs()};
}

// As OpenTelemetry's TraceIdRatioBased: all who see the id decide the same.
bool Exporter::isSampled(std::uint64_t traceLow) const {
  constexpr double kAll = 9223372036854775808.0;  // 2^63
  return static_cast<double>(traceLow >> 1) < options_.samplingRatio * kAll;
}

std::uint64_t Exporter::newId() {
  std::uint64_t id = 0;
  while (id == 0) parts_.random.fill(std::as_writable_bytes(std::span(&id, 1)));
  return id;
}

std::uint64_t Exporter::newSpanId() { return newId(); }

std::int64_t Exporter::nowNs() const {
  return epochNs_.load(std::memory_order_relaxed) +
         std::chrono::nanoseconds(parts_.clock.steady().time_since_epoch()).count();
}

void Exporter::followWallClock() {
  const std::chrono::nanoseconds wall = parts_.clock.now().time_since_epoch();
  const std::chrono::nanoseconds steady = parts_.clock.steady().time_since_epoch();
  epochNs_.store((wall - steady).count(), std::memory_order_relaxed);
}

void Exporter::record(FinishedSpan span) {
  const MutexLock lock(mutex_);
  if (stopping_ || queue_.size() >= options_.queueMax) {
    dropped_.add();
    return;
  }
  queue_.push_back(std::move(span));
  if (queue_.size() == options_.batchMax) changed_.notify_one();
}

void Exporter::stop(Deadline deadline) {
  {
    const MutexLock lock(mutex_);
    if (!stopping_) until_ = deadline;
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Exporter::run() {
  pthread_setname_np(pthread_self(), "trace-export");
  for (Batch batch = awaitBatch(); !batch.empty(); batch = awaitBatch()) {
    followWallClock();
    deliver(batch);
  }
}

// Empty: the end.
Exporter::Batch Exporter::awaitBatch() {
  MutexLock lock(mutex_);
  for (;;) {
    const Deadline next = Deadline::after(parts_.clock, options_.every);
    while (!stopping_ && queue_.size() < options_.batchMax) {
      if (!waitUntil(lock, changed_, next, parts_.clock)) break;
    }
    if (stopping_ && until_.expired(parts_.clock)) {
      dropped_.add(queue_.size());
      return {};
    }
    if (!queue_.empty()) break;
    if (stopping_) return {};
  }
  const auto count = static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.batchMax));
  Batch batch(std::make_move_iterator(queue_.begin()),
              std::make_move_iterator(queue_.begin() + count));
  queue_.erase(queue_.begin(), queue_.begin() + count);
  return batch;
}

void Exporter::deliver(const Batch& batch) {
  std::chrono::milliseconds wait = options_.retryAfter;
  for (int attempt = 1;; ++attempt, wait *= 2) {
    bool again = false;
    if (tryOnce(batch, again)) {
      exported_.add(batch.size());
      return;
    }
    if (!again || attempt == options_.attemptsMax || !awaitRetry(wait)) break;
  }
  dropped_.add(batch.size());
}

bool Exporter::tryOnce(const Batch& batch, bool& again) {
  Deadline deadline = Deadline::after(parts_.clock, kSend);
  {
    const MutexLock lock(mutex_);
    if (stopping_) deadline = deadline.earlier(until_);
  }
  const auto status = send_(toOtlp(batch, options_.service), deadline);
  again = !status || isPassing(*status);
  if (status && *status >= 200 && *status < 300) {
    if (std::exchange(refusalTold_, false)) log::info(kModule, "traces are taken again");
    return true;
  }
  // Once for each time that it begins: a collector that is away must not fill the log.
  if (!std::exchange(refusalTold_, true)) {
    log::warn(kModule, "traces are not taken",
              {{"status", status ? *status : 0},
               {"reason", status ? std::string_view() : std::string_view(status.error().message)},
               {"detail", status ? std::string_view() : std::string_view(status.error().detail)}});
  }
  return false;
}

// False: the exporter stops.
bool Exporter::awaitRetry(std::chrono::milliseconds wait) {
  const Deadline next = Deadline::after(parts_.clock, wait);
  MutexLock lock(mutex_);
  while (!stopping_) {
    if (!waitUntil(lock, changed_, next, parts_.clock)) return true;
  }
  return false;
}

}  // namespace corbel::trace
