// What is counted and logged of every call, once, after its response.
#pragma once
#include <cstdint>
#include <string_view>

#include "http/dispatcher.h"
#include "telemetry/metrics.h"

namespace corbel::gates {

class Accounting final : public http::Observer {
 public:
  // Bodies are logged at level debug, redacted.
  enum class Bodies : std::uint8_t { notLogged, logged };

  // `metrics` must outlive it.
  explicit Accounting(metrics::Metrics& metrics, Bodies bodies = Bodies::notLogged);

  bool wantsBodies() const override;
  void onBodies(const http::CallContext& context, std::string_view request,
                std::string_view response) override;

  void onAnswered(const http::Answered& answered, const http::CallContext& context) override;

 private:
  const Bodies bodies_;
  metrics::Labelled<metrics::Counter, 4> requests_;
  metrics::Labelled<metrics::Histogram, 3> durations_;
};

}  // namespace corbel::gates
