// Metrics on a port of their own, without credentials: for operators whose scrapers have no key.
// The operator keeps that port inside.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/deadline.h"
#include "base/result.h"
#include "http/server.h"
#include "telemetry/metrics.h"

namespace corbel::app {

class MetricsListener final : public http::Service {
 public:
  // `metrics` and `clock` must outlive it. Errors of Server::start.
  static Result<std::unique_ptr<MetricsListener>> start(const std::string& host, std::uint16_t port,
                                                        const metrics::Metrics& metrics,
                                                        const Clock& clock);
  void drain(Deadline deadline) { server_->drain(deadline); }

  void onHead(const std::shared_ptr<http::Exchange>& exchange) override;
  void onBody(const std::shared_ptr<http::Exchange>& exchange) override;
  void onSent(http::Exchange& exchange, const http::Sent& sent) override;
  http::Response onUnreadable(const Error& error, std::string_view remoteAddress,
                              http::Exchange* exchange) override;

 private:
  explicit MetricsListener(const metrics::Metrics& metrics) : metrics_(metrics) {}

  const metrics::Metrics& metrics_;
  std::unique_ptr<http::Server> server_;
};

}  // namespace corbel::app
