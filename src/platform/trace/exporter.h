// Samples calls and sends their spans to an OpenTelemetry collector (OTLP), in batches, on a thread
// of its own.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/mutex.h"
#include "base/random.h"
#include "base/result.h"
#include "base/trace.h"
#include "telemetry/metrics.h"
#include "trace/otlp_message.h"

namespace corbel::trace {

struct ExporterOptions {
  ServiceName service;
  // Share of the calls without a traceparent that are traced, 0 to 1; with one, its flag decides.
  double samplingRatio = 1;
  std::size_t queueMax = 8'192;  // spans that wait; more are dropped and counted
  std::size_t batchMax = 512;
  std::chrono::milliseconds every{1'000};
  // A batch that was not taken is sent again after this time, doubled each time.
  std::chrono::milliseconds retryAfter{1'000};
  int attemptsMax = 4;  // then the batch is dropped and counted
};

// Posts one ExportTraceServiceRequest (protobuf) and returns the status of the answer. Blocks until
// the deadline at the most.
using Send = std::function<Result<int>(const std::string& body, Deadline deadline)>;

// Thread-safe. Never waits for the collector but in stop().
class Exporter final : public Tracer {
 public:
  // Everything must outlive it.
  struct Parts {
    Random& random;
    const Clock& clock;
    metrics::Metrics& metrics;
  };
  Exporter(const Parts& parts, ExporterOptions options, Send send);
  // As stop() with a deadline that has passed.
  ~Exporter() override;
  Exporter(const Exporter&) = delete;
  Exporter& operator=(const Exporter&) = delete;

  CallTrace begin(std::string_view traceparent) override;
  void record(FinishedSpan span) override;
  std::uint64_t newSpanId() override;
  std::int64_t nowNs() const override;

  // Sends what waits, each batch once, until the deadline; what is left then is dropped and
  // counted.
  void stop(Deadline deadline);

 private:
  using Batch = std::vector<FinishedSpan>;

  bool isSampled(std::uint64_t traceLow) const;
  std::uint64_t newId();
  void run();
  Batch awaitBatch();
  void deliver(const Batch& batch);
  bool tryOnce(const Batch& batch, bool& again);
  bool awaitRetry(std::chrono::milliseconds wait);
  void followWallClock();

  const Parts parts_;
  const ExporterOptions options_;
  const Send send_;
  metrics::Counter& exported_;
  metrics::Counter& dropped_;
  std::atomic<std::int64_t> epochNs_ = 0;  // wall clock minus steady clock
  bool refusalTold_ = false;
  Mutex mutex_;
  std::condition_variable changed_;
  std::deque<FinishedSpan> queue_ CORBEL_GUARDED_BY(mutex_);
  bool stopping_ CORBEL_GUARDED_BY(mutex_) = false;
  Deadline until_ CORBEL_GUARDED_BY(mutex_) = Deadline::never();  // of the stop
  std::thread thread_;
};

}  // namespace corbel::trace
