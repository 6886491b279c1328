// What is counted and logged of every call, once, after its response.
#pragma once
#include "http/dispatcher.h"
#include "telemetry/metrics.h"

namespace corbel::gates {

class Accounting final : public http::Observer {
 public:
  // `metrics` must outlive it.
  explicit Accounting(metrics::Metrics& metrics);

  void onAnswered(const http::RequestHead& head, const http::CallContext& context,
                  const http::Sent& sent, std::chrono::nanoseconds duration) override;

 private:
  metrics::Labelled<metrics::Counter, 4> requests_;
  metrics::Labelled<metrics::Histogram, 2> durations_;
};

}  // namespace corbel::gates
