// Numbers for Prometheus at /metrics. Labels name models and tenants of the whole installation, so
// a scraper needs a key with system:read of the default tenant (the role `service` has it). Where
// metrics.port is set, the operator's own listener serves them without a key.
#pragma once
#include <tuple>

#include "http/route.h"
#include "telemetry/metrics.h"

namespace corbel::native {

class MetricsApi {
 public:
  // `metrics` must outlive it.
  explicit MetricsApi(const metrics::Metrics& metrics) : metrics_(metrics) {}

  static constexpr auto routes() {
    return std::tuple{http::get<&MetricsApi::expose>(
        "/metrics", http::Permission::systemRead, "Metrics",
        {.limit = http::LimitClass::none,
         .description = "Prometheus text format 0.0.4, about the whole installation: for callers "
                        "of the tenant `default`.",
         .contentType = "text/plain"})};
  }

 private:
  Result<http::Response> expose(http::Call& call);

  const metrics::Metrics& metrics_;
};

}  // namespace corbel::native
